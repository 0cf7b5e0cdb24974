"""
Legal variants of what goes on behind the calls: connections that are replaced, threads that look now and then.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langgraph.store.base import Op, Result

from store_conformance.mutants.broken_doors import halves, indexing
from store_conformance.mutants.connections import Connected
from store_conformance.mutants.correct import LoopBound, Variant
from store_conformance.mutants.reference import AsyncReferenceStore, ReferenceStore


class ConnectionsAreReplaced(Variant, Connected):
    """A connection that died fails one call, and the next has a new one."""


class DeadConnectionsAreFoundBefore(Variant, Connected):
    """A connection is looked at before each call, so that none fails when the server ends it."""

    def died(self, ops: list[Op]) -> list[Result]:
        self.severed = False
        return ReferenceStore.batch(self, ops)


class LooksNowAndThen(Variant, ReferenceStore):
    """A thread of the store's own looks for work ten times a second, and threads of a pool come as needed."""

    def setup(self) -> None:
        super().setup()
        self.ended = threading.Event()
        self.looking = threading.Thread(target=self.look, daemon=True)
        self.looking.start()
        self.threads = ThreadPoolExecutor(3)

    def look(self) -> None:
        while not self.ended.wait(0.1):
            pass

    def read_item(self, op: Any) -> Any:
        self.threads.submit(int)
        return super().read_item(op)

    def close(self) -> None:
        self.ended.set()
        self.looking.join()
        self.threads.shutdown()
        super().close()


class SeveralKindsOfIndex(Variant, ReferenceStore):
    """A store that documents a kind of index, which changes how it looks and not what it finds."""

    open_store = indexing("flat", {"kind": "flat"}, {"kind": "flat", "distance_type": "l2"})


class TwoHalves(Variant, ReferenceStore):
    """
    Async callers get a class of their own, which is bound to their loop and keeps the same.

    ``from store_conformance.mutants.correct_behind import TwoHalves, halves`` has the one for sync callers.
    """

    alone = True  # in a pack its second class would lack what the others do
    open_store = halves(lambda: LoopBound)


class OneHalfHasNoTtl(Variant, ReferenceStore):
    """Async callers get a class without time to live, which says so and refuses one."""

    alone = True
    open_store = halves(lambda: RefusesATtl)


class RefusesATtl(AsyncReferenceStore):
    """The same for async callers."""

    supports_ttl = False

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return None
