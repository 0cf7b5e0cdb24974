"""
What a check can say of a store, and how several sayings become one.

``pass`` and ``fail`` speak of the store.  ``unsupported``: the backend declares that it does not offer
this.  ``unverified``: the check could not tell.  ``error``: the harness's own fault.  Only ``pass``
counts as passed.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Verdict(str, Enum):
    PASS = "pass"
    FAIL = "fail"
    UNSUPPORTED = "unsupported"
    UNVERIFIED = "unverified"
    ERROR = "error"

    def __str__(self) -> str:
        return self.value


class Level(str, Enum):
    """How binding a rule is: IMPL rules are recorded and never failed."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    IMPL = "IMPL"

    def __str__(self) -> str:
        return self.value


_WORST_FIRST = (
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.UNVERIFIED,
    Verdict.PASS,
    Verdict.UNSUPPORTED,
)


def merge(verdicts: Iterable[Verdict]) -> Verdict:
    """
    One verdict for several cases of one rule: the worst that was seen.

    ``unverified`` beats ``pass``: a rule that could be checked only in part was not checked.
    ``unsupported`` yields to everything: a rule that passed in one mode and is not offered in the other
    has passed.  Nothing at all is ``unverified``.
    """
    seen = set(verdicts)
    return next((v for v in _WORST_FIRST if v in seen), Verdict.UNVERIFIED)
