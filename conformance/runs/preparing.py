"""
What is done with a backend before its first case, once its engine is up: tried, counted and described.

All of it touches the store.  A user's store is prepared in a process of its own (`store_conformance.runs.hosted`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from store_conformance.harness.backends import Deployment, EngineUnavailableError, SuppliedBackend
from store_conformance.runs.facts import describe
from store_conformance.runs.preflight import keeps_apart
from store_conformance.runs.trial import opens_what_cases_open

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend

PREFLIGHT_SECONDS = 30.0
FIRST_SECONDS = 30.0
"""What the first put of all may take: a store that hangs is for the cases to judge, each in its time."""


@dataclass(frozen=True)
class Prepared:
    """What is known of a backend before its first case."""

    facts: dict[str, Any]
    spare: int | None = None
    """How many connections it may have at once, where they are fewer than were asked for."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def prepare(backend: Backend, timeout: float, wanted: int) -> Prepared:
    """
    See that the backend keeps its places apart and opens what cases open; ``wanted`` connections at best.

    ``timeout`` is that of a case; raises ``UserError`` where no case could tell anything.
    """
    patience = min(timeout, PREFLIGHT_SECONDS)
    spare = None
    if not isinstance(backend, SuppliedBackend) or keeps_apart(backend, patience):
        spare = _tried(backend, patience, wanted)
    return Prepared(describe(backend, min(timeout, FIRST_SECONDS)), spare)


def _tried(backend: Backend, patience: float, wanted: int) -> int | None:
    """Open what the cases will open, where the environment is not of our making; gives what is spare."""
    if backend.deployment not in (Deployment.URL, Deployment.FACTORY):
        return None
    spare = backend.spare_connections(wanted)
    if spare == 0:
        raise EngineUnavailableError(
            backend.name, "no connection is left beside the run's own.", "allow at least 4"
        )
    opens_what_cases_open(backend, patience)
    return spare if spare is not None and spare < wanted else None
