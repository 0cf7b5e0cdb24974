"""
Writes a second against the number of writing processes, on a store on the disk.

Every process has the store open before the clock starts, and writes one memory after the other, each of
which is acknowledged.  The clock stops with the last acknowledgement.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from store_conformance.contract import Capability, Location, MemoryType, Mode
from store_conformance.contract.observations import WriterFacts
from store_conformance.harness.process.child import Child, ChildFailedError
from store_conformance.suite.support.memories import memory

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend

PROCESSES = (1, 3, 8)
EACH = 50
LIMIT_SECONDS = 60.0
NEEDS = frozenset({Capability.PERSISTENCE, Capability.PROCESSES})


def measured_paces(backend: Backend, mode: Mode) -> Iterator[WriterFacts]:
    """What so many processes did, each at a fresh place; raises what opening the place raises."""
    for count in PROCESSES:
        at = backend.location(durable=True)
        try:
            yield _pace(backend, at, mode, count)
        finally:
            backend.discard(at)


def _pace(backend: Backend, at: Location, mode: Mode, count: int) -> WriterFacts:
    with _writers(backend, at, mode, count) as children:
        begin = time.perf_counter()
        for number, child in enumerate(children):
            child.write([memory(MemoryType.SEMANTIC, f"user{number}", n) for n in range(EACH)])
        errors = [error for child in children for error in _wait(child, begin)]
        seconds = time.perf_counter() - begin
        total = sum(len(child.acknowledged) for child in children)
    rate = round(total / seconds, 1) if total else None
    return WriterFacts(count, total, errors=tuple(errors[:3]), per_second=rate)


@contextmanager
def _writers(backend: Backend, at: Location, mode: Mode, count: int) -> Iterator[list[Child]]:
    """So many processes that have the store open; the first alone, as it makes what the others find."""
    embed = "exact" if Capability.VECTORS in backend.capabilities else None
    children: list[Child] = []

    def start(_: int = 0) -> None:
        children.append(Child(backend, at, mode=mode, embed=embed))

    with ThreadPoolExecutor(max_workers=count) as pool:
        try:
            start()
            list(pool.map(start, range(count - 1)))
            yield children
        finally:
            # Those that are still being started are waited for: none is left behind.
            pool.shutdown()
            with ThreadPoolExecutor(max_workers=count) as ending:
                list(ending.map(Child.end, children))


def _wait(child: Child, begin: float) -> list[str]:
    """Wait until it has acknowledged all, or time is up for all of them; gives what it raised."""
    left = begin + LIMIT_SECONDS - time.perf_counter()
    try:
        child.wait_acknowledged(EACH, max(left, 0.0))
    except ChildFailedError as error:
        return [str(error)]
    return []
