"""
Stores that are right one call after the other, and not where whole batches or sweeps overlap.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from typing import Any, ClassVar

from langgraph.store.base import Op, PutOp, Result

from store_conformance.mutants.groups import ASYNC, DELETES, LIVES, REPLACES, VECTORS
from store_conformance.mutants.reference import (
    Address,
    AsyncReferenceStore,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Write,
)


class BatchesAreOvertakenByTheirFirstKey(ReferenceStore):
    """Of overlapping batches the first key ends with the last issued, the others with the slowest."""

    breaks = "O11"
    also = ("O9", "O3", *VECTORS)
    modes = ("async",)

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        first = plan.writes[0].address if plan.writes else None
        self.only = first
        return super().execute(plan, embedded, turn)

    def overtaken(self, address: Address, turn: int) -> bool:
        return address == self.only and super().overtaken(address, turn)


class LargerBatchesWin(ReferenceStore):
    """A put in a batch of several wins over later writes that were embedded sooner."""

    breaks = "O11"
    also = ("O9", "O3", *VECTORS)
    modes = ("async",)

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        self.several = len(plan.writes) > 2
        return super().execute(plan, embedded, turn)

    def overtaken(self, address: Address, turn: int) -> bool:
        return not self.several and super().overtaken(address, turn)


class OvertakenWritesLeaveTheirVectors(ReferenceStore):
    """A write that was overtaken leaves its vectors with the value of the one that overtook it."""

    breaks = "V11"
    also = (*ASYNC, *VECTORS)

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        with self.lock:
            late = [w for w in plan.writes if w.text and self.overtaken(w.address, turn)]
            results = super().execute(plan, embedded, turn)
            with self.transaction():
                for write in late:
                    self.remove_vectors(write.address)
                    self.write_vectors(write, embedded.documents)
        return results


class AnswersOfOverlappingBatchesAreShared(ReferenceStore):
    """The results of a batch are kept in the store until they are handed out."""

    breaks = "O12"
    also = (*ASYNC, "O13")
    modes = ("sync",)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        self.results = super().batch(ops)
        time.sleep(0.002)
        return self.results


class WritesWaitForAnotherConnection(ReferenceStore):
    """A batch that reads and writes fails when another store object wrote meanwhile."""

    breaks = "O13"
    also = ("O12", "E6")
    modes = ("sync",)
    lately: ClassVar[dict[str, tuple[int, float]]] = {}
    guard: ClassVar[Any] = threading.Lock()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        plan = self.plan(ops)
        if plan.writes and len(plan.writes) < len(plan.ops):
            with self.guard:
                other, when = self.lately.get(str(self.at.path), (id(self), 0.0))
                self.lately[str(self.at.path)] = (id(self), time.monotonic())
            if other != id(self) and time.monotonic() - when < 0.02:
                raise RuntimeError("database is locked")
        return super().batch(plan.ops)


class GetsBehindAPutFindNothing(ReferenceStore):
    """A get issued in the tick of a put of its key finds nothing, also where there was an item."""

    breaks = "O2"
    also = (*ASYNC, "O3")
    modes = ("async",)

    async def aput(self, namespace: Any, key: str, *args: Any, **more: Any) -> None:
        hidden: set[Any] = self.__dict__.setdefault("in_the_air", set())
        address = self.address(tuple(namespace), str(key))
        hidden.add(address)
        try:
            await asyncio.sleep(0)
            await super().aput(namespace, key, *args, **more)
        finally:
            hidden.discard(address)

    def find(self, address: Address) -> Any:
        writing = getattr(self, "writing", False)
        hidden = address in getattr(self, "in_the_air", ()) and not writing
        return None if hidden else super().find(address)

    def apply(self, write: Write, embedded: Embedded) -> None:
        self.writing = True
        try:
            super().apply(write, embedded)
        finally:
            self.writing = False


class SweepsDecideFirst(ReferenceStore):
    """A sweep looks what has expired, and deletes it a moment later, whatever happened since."""

    breaks = "T7"
    also = LIVES
    ahead = 0.0
    modes = ("sync",)

    def sweep(self) -> int:
        now = self.clock() + int(self.ahead * 1_000_000)
        with self.lock:
            dead = [row for row in self.scan() if self.expired(row, now)]
        time.sleep(0.05 + self.ahead if dead else 0)
        with self.transaction():
            for row in dead:
                self.remove_vectors(row.address)
                self.remove_item(row.address)
        return len(dead)


class SweepsPlanAhead(SweepsDecideFirst):
    """A sweep waits for what expires within two seconds, and deletes it, refreshed or not."""

    breaks = "T7"
    ahead = 2.0


class TicksKeepOnePutOfAKey(AsyncReferenceStore):
    """Of the writes that callers of one tick issue for one key, in whatever namespaces, the last is done for all."""

    breaks = "X7"
    also = (*ASYNC, "N7", "O1", "O11", "O12")
    modes = ("async",)

    def drain(self) -> None:
        last: dict[str, int] = {}
        for n, (ops, _) in enumerate(self.waiting):
            if len(ops) == 1 and isinstance(ops[0], PutOp):
                last[ops[0].key] = n
        kept = []
        for n, (ops, future) in enumerate(self.waiting):
            if len(ops) == 1 and isinstance(ops[0], PutOp) and last[ops[0].key] != n:
                future.set_result([None])
            else:
                kept.append((ops, future))
        self.waiting = kept
        super().drain()


class BatchesKeepOnePutOfAKey(ReferenceStore):
    """Of the writes of a batch for one key, in whatever namespaces, only the last is done."""

    breaks = "X7"
    also = (
        *(*REPLACES, *DELETES, "K1", "K3", "K6", "N3", "N5", "N7"),
        *("L2", "L3", "L6", "O1", "S1", "S2", "S3", "V18"),
    )

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        return list({op.key: op for op in super().dedupe(ops)}.values())


class TheSweeperSeesWhatReadsSee(ReferenceStore):
    """The sweeper looks for the expired as reads do, and does not find them where they are hidden."""

    breaks = "T7"
    also = ("T5",)

    def sweep(self) -> int:
        hides = (self.ttl_config or {}).get("omit_expired", False)
        swept_by_itself = threading.current_thread() is self.sweeper
        return 0 if hides and swept_by_itself else super().sweep()


class PagesAreInTheOrderOfExpiry(ReferenceStore):
    """A search gives first what expires first, so that a page that is read moves behind those to come."""

    breaks = "S5"
    also = (*LIVES, "O2", "V8", "E1", "E5", "S8", "X8")

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        return sorted(rows, key=lambda row: (row.expires_at is None, row.expires_at or 0, row))
