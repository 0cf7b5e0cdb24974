"""
What a brought store says of itself before the suite runs: which of its two APIs it refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.case import Mode
from conformance.compat import GetOp
from conformance.contract import Capability
from conformance.lanes import HungError, LoopLane, run_bounded
from conformance.outcome import Journal, StoreRaisedError
from conformance.subject import Subject

if TYPE_CHECKING:
    from backends.base import Backend

_HALVES: tuple[tuple[Mode, Capability], ...] = (
    ("sync", Capability.SYNC),
    ("async", Capability.ASYNC),
)


def missing_halves(backend: Backend, seconds: float) -> list[Capability]:
    """
    The APIs that the store refuses with ``NotImplementedError``, which is a clear word and no failure.

    Never both: a store that refuses everything is judged by the suite.
    """
    lacking = [
        capability
        for mode, capability in _HALVES
        if capability in backend.capabilities and _refuses(backend, mode, seconds)
    ]
    return lacking if len(lacking) < len(backend.capabilities & {c for _, c in _HALVES}) else []


def _refuses(backend: Backend, mode: Mode, seconds: float) -> bool:
    def ask() -> bool:
        lane, at = LoopLane(), backend.location()
        try:
            opened = backend.open(at, None, None, mode)
            store = Subject(opened, at=at, mode=mode, lane=lane, journal=Journal())
            try:
                store.batch([GetOp(("probe",), "probe")])
            finally:
                store.close()
        except StoreRaisedError as raised:
            return isinstance(raised.cause, NotImplementedError)
        finally:
            lane.close()
            backend.discard(at)
        return False

    try:
        return run_bounded(ask, seconds, f"probe-{mode}")
    except HungError:
        return False  # the suite's own time-out will say so, case by case
