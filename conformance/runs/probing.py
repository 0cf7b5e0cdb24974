"""
What a user-supplied store says of itself before the suite runs: which of its two APIs it refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from store_conformance.contract import Capability, Mode
from store_conformance.harness.compat import GetOp
from store_conformance.harness.errors import CaseEnded, StoreRaisedError
from store_conformance.harness.journal import Journal
from store_conformance.harness.loops import LoopThread, run_bounded
from store_conformance.harness.subject import Subject

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend

_HALVES: tuple[tuple[Mode, Capability], ...] = (
    (Mode.SYNC, Capability.SYNC),
    (Mode.ASYNC, Capability.ASYNC),
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
        loop_thread, at = LoopThread(), backend.location()
        try:
            opened = backend.open(at, None, None, mode)
            store = Subject(opened, at=at, mode=mode, loop_thread=loop_thread, journal=Journal())
            try:
                store.batch([GetOp(("probe",), "probe")])
            finally:
                store.close()
        except StoreRaisedError as raised:
            return isinstance(raised.cause, NotImplementedError)
        finally:
            loop_thread.close()
            backend.discard(at)
        return False

    try:
        return run_bounded(ask, seconds, f"probe-{mode}")
    except CaseEnded:  # it hangs, or exits: the suite will say so, case by case
        return False
