"""
A user's store is opened once before anything else, so that what is wrong with it is told early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from store_conformance.harness.backends import SuppliedBackend
from store_conformance.runs.hosted import HostedBackend, StoreLostError
from store_conformance.runs.probing import missing_halves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store_conformance.harness.backends import Backend
    from store_conformance.runs.session import RunSession

OPEN_SECONDS = 30.0
"""What opening a user's store once may take."""


def open_each(session: RunSession, seconds: float) -> Iterator[str]:
    """
    Open each user's store of the run once; gives what to tell of them.

    Of several, one that does not let itself be opened is left out.  Raises ``UserError`` where it is the only one.
    """
    for name, why in session.absent.items():
        yield f"left out: {name}: {why}"
    for name, backend in list(session.backends.items()):
        try:
            for note in _open_once(backend, seconds):
                yield f"{name}: {note}"
        except StoreLostError as error:
            yield session.lose(name, error)


def _open_once(backend: Backend, seconds: float) -> list[str]:
    """Open it, if it is a user's; gives what its function says of it, and the halves of the API that it lacks."""
    if isinstance(backend, HostedBackend):
        backend.check(seconds)
        missing = backend.missing_halves(seconds)
    elif isinstance(backend, SuppliedBackend):
        backend.check(seconds)
        missing = missing_halves(backend, seconds)
        backend.capabilities -= frozenset(missing)
    else:
        return []
    lacks = (f"no {half} API (its methods raise NotImplementedError)" for half in missing)
    return [*backend.notes, *lacks]
