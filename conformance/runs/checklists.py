"""
The production checklist of the databases that a run was pointed at, beside its verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from store_conformance.checklist.looking import checklist_of
from store_conformance.contract import UserError
from store_conformance.contract.checked import CheckedLine, counted
from store_conformance.harness.backends import Backend


def look(
    backends: Iterable[Backend],
    record: Callable[[CheckedLine], object],
    say: Callable[[str], object],
) -> None:
    """
    Check each database that is the user's own, as ``store-conformance check`` does.

    It decides nothing of the run, and one that cannot be looked at is said.
    """
    for backend in backends:
        address = backend.checkable()
        if address is None:
            continue
        try:
            found = checklist_of(address)
        except UserError as error:
            say(f"no production checklist of {backend.name}: {error.problem}")
            continue
        lines = tuple(CheckedLine(backend.name, **line) for line in found.to_dict()["lines"])
        for line in lines:
            record(line)
        say(f"production checklist of {backend.name}: {counted(lines)}")
