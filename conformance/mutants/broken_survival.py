"""
Stores that lose or spoil what they have acknowledged when their process is killed.

`store-conformance crash` must catch them, each by the fault that `SINS` names; those that a few strikes can show
break a rule of the suite, too (`store_conformance.mutants.broken_faults` has more of these).
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

from langgraph.store.base import BaseStore, GetOp, Item, Result, SearchItem, SearchOp

from store_conformance.mutants.reference import (
    TABLES,
    Address,
    Embedded,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)

EVERY = 1000
PAUSE = 0.01
"""Seconds between two steps that should be one: a kill then falls between them often enough."""
Call = tuple[Plan, Embedded, int]


class LosesTheLastWrite(ReferenceStore):
    """The last acknowledged call stays in memory until the next one comes."""

    held: Call | None = None

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        if not plan.writes:
            return super().execute(plan, embedded, turn)
        earlier, self.held = self.held, (plan, embedded, turn)
        if earlier is not None:
            super().execute(*earlier)
        return [None] * len(plan.ops)


class LosesOneInMany(ReferenceStore):
    """One acknowledged call in a thousand is forgotten; ``every=`` makes it another number."""

    every = EVERY

    @classmethod
    @contextmanager
    def open_store(
        cls, at: Any, index: Any = None, ttl: Any = None, every: str | None = None
    ) -> Iterator[BaseStore]:
        with super().open_store(at, index, ttl) as store:
            assert isinstance(store, LosesOneInMany)
            store.every = cls.every if every is None else int(every)
            yield store

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        if plan.writes and random.SystemRandom().random() < 1 / self.every:
            return [None] * len(plan.ops)
        return super().execute(plan, embedded, turn)


class TearsBatches(ReferenceStore):
    """Each write of a batch is committed alone."""

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        if len(plan.writes) < 2:
            return super().execute(plan, embedded, turn)
        for write in plan.writes:
            with self.transaction():
                self.apply(write, embedded)
            time.sleep(PAUSE)
        return [None] * len(plan.ops)


class WritesItemsBeforeVectors(ReferenceStore):
    """An item is committed, and its vector some time later."""

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        if not any(write.texts for write in plan.writes):
            return super().execute(plan, embedded, turn)  # no vector comes later
        for write in plan.writes:
            with self.transaction():
                self.write_first(write)
            time.sleep(PAUSE)
            with self.transaction():
                self.apply(write, embedded)
        return [None] * len(plan.ops)

    def write_first(self, write: Write) -> None:
        if write.text is not None:
            self.write_item(write, self.find(write.address))


class Reorders(ReferenceStore):
    """Of two writes of one key, the first takes effect last."""

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        results = super().execute(plan, embedded, turn)
        known: dict[Address, tuple[Write, Embedded]] = vars(self).setdefault("known", {})
        for write in plan.writes:
            earlier = known.get(write.address)
            if earlier is not None and earlier[0].text is not None and write.text is not None:
                with self.transaction():
                    self.apply(*earlier)
            known[write.address] = (write, embedded)
        return results


class Duplicates(ReferenceStore):
    """A search gives the first of its items twice."""

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        return found + found[:1]


class Resurrects(ReferenceStore):
    """A deletion is only remembered, and carried out when the store is closed."""

    def remove_item(self, address: Address) -> None:
        vars(self).setdefault("gone", set()).add(address)

    def remove_vectors(self, address: Address) -> None:
        return None

    def close(self) -> None:
        with self.lock:
            for address in vars(self).get("gone", ()):
                super().remove_item(address)
        super().close()


class AcknowledgesBeforeWriting(ReferenceStore):
    """A call returns at once, and a thread writes some time later."""

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        if not plan.writes:
            return super().execute(plan, embedded, turn)
        if "later" not in vars(self):
            self.later: Queue[Call] = Queue()
            threading.Thread(target=self.write_later, daemon=True).start()
        self.later.put((plan, embedded, turn))
        return [None] * len(plan.ops)

    def write_later(self) -> None:
        while True:
            call = self.later.get()
            time.sleep(PAUSE)
            super().execute(*call)


class RemembersWhatItRead(ReferenceStore):
    """What a process has read once it reads for ever, whatever others write."""

    def read_item(self, op: GetOp) -> Item | None:
        known: dict[Address, Any] = vars(self).setdefault("known", {})
        address = self.address(op.namespace, op.key)
        if address not in known:
            known[address] = super().read_item(op)
        found: Item | None = known[address]
        return found


class SetsUpByHalves(ReferenceStore):
    """Tables are made one by one, and where the first is there the others are taken for granted."""

    def setup(self) -> None:
        first, *others = filter(str.strip, TABLES.split(";"))
        with self.lock:
            if self.connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                self.connection.execute(first)
                for statement in others:
                    time.sleep(PAUSE)
                    self.connection.execute(statement)


class TakesAFullDiskForAYes(ReferenceStore):
    """A write for which there is no room is acknowledged."""

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        try:
            return super().execute(plan, embedded, turn)
        except sqlite3.OperationalError:
            return [None] * len(plan.ops)


class IsShutByAFullDisk(ReferenceStore):
    """After a write for which there was no room every other one raises."""

    shut = False

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        if self.shut:
            raise RuntimeError("the disk is full")
        try:
            return super().execute(plan, embedded, turn)
        except sqlite3.OperationalError:
            self.shut = True
            raise


class SyncsByHand(ReferenceStore):
    """Correct: each write is on the disk before it is acknowledged, and raises where that fails."""

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        results = super().execute(plan, embedded, turn)
        if plan.writes:
            database = Path(self.database())
            for path in (database, database.with_name(f"{database.name}-journal"), database.parent):
                self.sync(path)
        return results

    def sync(self, path: Path) -> None:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


class TakesAFailedSyncForAYes(SyncsByHand):
    """A write that could not be brought to the disk is acknowledged."""

    def sync(self, path: Path) -> None:
        with suppress(OSError):
            super().sync(path)


@dataclass(frozen=True)
class Sin:
    """What a campaign must find in a store: the fault that shows it, and the count that rises."""

    store: type[ReferenceStore]
    fault: str
    count: str

    @property
    def reference(self) -> str:
        """As ``--store`` takes it."""
        return f"{self.store.__module__}:{self.store.__name__}.open_store"


SINS = (
    Sin(LosesTheLastWrite, "client-put", "lost"),
    Sin(LosesOneInMany, "client-put", "lost"),
    Sin(TearsBatches, "client-batch", "torn_batches"),
    Sin(WritesItemsBeforeVectors, "client-put", "torn_items"),
    Sin(Reorders, "client-overwrite", "stale"),
    Sin(Duplicates, "client-put", "duplicated"),
    Sin(Resurrects, "client-delete", "resurrected"),
    Sin(AcknowledgesBeforeWriting, "client-put", "lost"),
    Sin(RemembersWhatItRead, "client-among-writers", "disordered"),
    Sin(SetsUpByHalves, "client-setup", "unreadable"),
)
