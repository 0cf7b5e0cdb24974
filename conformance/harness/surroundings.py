"""
Whether a case failed by its environment: then it says nothing of the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from store_conformance.harness.backends import EngineUnavailableError, causes

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend
    from store_conformance.harness.journal import Journal

ENVIRONMENT = "the environment's fault"
_UNAVAILABLE = ("EngineUnavailableError", "UnprovenPlaceError")


def environment_fault(backend: Backend, error: BaseException, journal: Journal) -> str | None:
    """
    The environment's fault by which a case ended, or that one of its calls met before; ``None`` if none.

    What follows from such a call (an item that is missing, say) is no fault of the store either.
    """
    raised = [call.raised for call in journal.calls() if call.raised is not None]
    for one in (error, *raised):
        for cause in causes(one):
            if isinstance(cause, EngineUnavailableError):
                return str(cause)
            if getattr(cause, "kind", None) in _UNAVAILABLE:  # in another process
                return str(getattr(cause, "text", cause))
            found = backend.environment_fault(cause)
            if found is not None:
                return f"{ENVIRONMENT}: {found}"
    return None
