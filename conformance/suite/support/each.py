"""
Several inputs of one case: all of them are looked at, and all that fail are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from store_conformance.contract import Verdict
from store_conformance.harness.errors import CheckFailedError, StoreRaisedError
from store_conformance.harness.lab import Lab


def each(lab: Lab, names: Iterable[str], look: Callable[[str], None]) -> None:
    """Call ``look`` with every name; fails with the names that failed, and the first difference of each."""
    failed: dict[str, Exception] = {}
    for name in names:
        try:
            look(name)
        except (CheckFailedError, StoreRaisedError) as error:
            if error.verdict is not Verdict.FAIL:  # an engine that is not there
                raise
            failed[name] = error
    if failed:
        first = next(iter(failed.values()))
        lab.fail(
            "; ".join(f"{name}: {error}" for name, error in failed.items()),
            expected=getattr(first, "expected", None),
            got=getattr(first, "got", None) or getattr(first, "cause", None),
        )
