"""
Limits on one request that a store names, of a page's size or a batch's: what is beyond is left out and recorded.

The docs set no such limit and promise no absence of one.  Up to 1,000 items and 500 operations are put together from
smaller pages and batches where they are refused (``harness/paging.py``, ``harness/batches.py``), and no store may
refuse the default limits and a batch of 25; a page that comes back shorter than asked, without an error, is never
taken for a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from store_conformance.harness.lab import Lab
from store_conformance.harness.paging import names_a_limit
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.shapes import LIMIT_WORDS

PAGE = 1000
BATCH = 500
_NOWHERE = ("nowhere",)


def limits_taken(lab: Lab, store: Subject, limits: Iterable[int], **query: Any) -> list[int]:
    """The limits of a search without those above 1,000 that the store refuses by name."""
    return _taken(lab, limits, lambda n: store.search(_NOWHERE, limit=n, **query))


def listings_taken(lab: Lab, store: Subject, limits: Iterable[int]) -> list[int]:
    """The limits of a listing without those above 1,000 that the store refuses by name."""
    return _taken(lab, limits, lambda n: store.list_namespaces(prefix=_NOWHERE, limit=n))


def page_taken(lab: Lab, store: Subject, limit: int, **query: Any) -> int:
    """The limit; ends the case as unsupported where the store refuses it by name."""
    if not limits_taken(lab, store, [limit], **query):
        lab.unsupported(f"a page of {limit} is refused by name")
    return limit


def in_one_batch(lab: Lab, store: Subject, ops: Sequence[Any]) -> list[Any]:
    """The answers of a batch; ends the case as unsupported where its size is refused by name (O5's)."""
    answers: list[list[Any]] = []
    error = lab.attempt(lambda: answers.append(store.batch(ops)))
    if error is not None:
        lab.true(
            len(ops) > BATCH and names_a_limit(error, LIMIT_WORDS),
            f"a batch of {len(ops)} operations is executed, or refused by an error that names the limit",
            got=error,
        )
        lab.unsupported(f"a batch of {len(ops)} operations is refused: {message_of(error, 160)}")
    return answers[0]


def _taken(lab: Lab, limits: Iterable[int], ask: Any) -> list[int]:
    taken = []
    for limit in limits:
        error = lab.attempt(lambda n=limit: ask(n)) if limit > PAGE else None  # type: ignore[misc]
        if error is not None and names_a_limit(error, LIMIT_WORDS):
            lab.observe("limit.refused", limit, error=message_of(error, 160))
        else:
            taken.append(limit)
    return taken
