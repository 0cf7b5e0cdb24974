"""
A trial before any case runs: what the cases will open is opened, so that what an environment does not
allow is told once, with its fix, and not by every case.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Capability, Mode
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.backends import EngineUnavailableError
from store_conformance.harness.journal import Journal
from store_conformance.harness.loops import HungError, LoopThread, run_bounded
from store_conformance.harness.process.child import Child
from store_conformance.harness.subject import Subject
from store_conformance.harness.surroundings import ENVIRONMENT, environment_fault
from store_conformance.runs.preflight import MODES

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend

FOR_EACH_WORKER = 16
"""So many connections a process of the run may have at once: cases that wait side by side, and others."""


def opens_what_cases_open(backend: Backend, seconds: float) -> None:
    """
    Open stores in each mode, with an index and without, several at once, and in another process.

    All of it takes ``seconds`` at most.  Raises ``EngineUnavailableError`` for what is the environment's fault, with its fix; anything else is
    left to the cases, which judge with evidence.
    """
    deadline = time.monotonic() + seconds
    for mode, capability in MODES:
        if capability not in backend.capabilities:
            continue
        trials = [partial(_here, backend, mode, index) for index in _indexes(backend)]
        if Capability.PROCESSES in backend.capabilities:
            trials.append(partial(_elsewhere, backend, mode))
        for trial in trials:
            journal = Journal()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            try:
                run_bounded(partial(trial, journal), left, f"trial-{mode}")
            except HungError:
                return  # the cases will meet it, each in its time
            except Exception as error:
                fault = environment_fault(backend, error, journal)
                if fault is not None:
                    raise _told(backend, mode, fault) from error


def _told(backend: Backend, mode: Mode, fault: str) -> EngineUnavailableError:
    what, _, how = fault.removeprefix(f"{ENVIRONMENT}: ").partition(" Hint: ")
    return EngineUnavailableError(
        backend.name, f"before the first case, {mode}: {what.rstrip('.')}; no case was run.", how
    )


def _indexes(backend: Backend) -> list[Any]:
    if Capability.VECTORS not in backend.capabilities:
        return [None]
    return [None, {"dims": 16, "embed": ExactEmbeddings(dims=16), "fields": ["text"]}]


def _here(backend: Backend, mode: Mode, index: Any, journal: Journal) -> None:
    with ExitStack() as stack:
        loop_thread = LoopThread()
        stack.callback(loop_thread.close)
        stores = []
        at = backend.location()
        stack.callback(backend.discard, at)
        for _ in range(2):  # whose calls take turns at one place, as those of two clients do
            opened = backend.open(at, index, None, mode)
            store = Subject(
                opened, at=at, mode=mode, loop_thread=loop_thread, journal=journal, index=index
            )
            stack.callback(store.close)
            stores.append(store)
        for turn in range(3):
            for store in stores:
                store.put(("trial",), f"k{turn}", {"text": "a trial"})
                store.get(("trial",), f"k{turn}")
                store.call("search", ("trial",), **({"query": "trial"} if index else {}))
                store.call("list_namespaces")


def _elsewhere(backend: Backend, mode: Mode, journal: Journal) -> None:
    at = backend.location()
    child = None
    try:
        child = Child(backend, at, mode=mode)
        child.call("put", ("trial",), "k", {"n": 1})
        child.call("get", ("trial",), "k")
    finally:
        if child is not None:
            child.end()
        backend.discard(at)
