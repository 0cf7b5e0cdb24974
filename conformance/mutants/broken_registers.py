"""
Stores that answer one caller rightly, and several at once each with a truth of its own (O23).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from langgraph.store.base import GetOp, Item, Op, PutOp, Result, SearchItem, SearchOp

from store_conformance.mutants.groups import ASYNC
from store_conformance.mutants.reference import ReferenceStore, Vector, Write


def _late(work: Callable[[], object]) -> None:
    """What a store still does when it may have been closed."""
    with contextlib.suppress(sqlite3.ProgrammingError):
        work()


class Busy(ReferenceStore):
    """A base for stores that err only while another call is under way."""

    also: tuple[str, ...] = (*ASYNC, "O2", "O12", "O13", "O16", "E6", "V11", "T7")
    modes = ("sync",)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.under_way = 0
        self.counting = threading.Lock()
        self.older: dict[tuple[tuple[str, ...], str], Any] = {}

    @property
    def busy(self) -> bool:
        return self.under_way > 1

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        with self.counting:
            self.under_way += 1
        try:
            return self.several(list(ops)) if self.busy else super().batch(ops)
        finally:
            with self.counting:
                self.under_way -= 1

    def several(self, ops: list[Op]) -> list[Result]:
        """A batch while another call is under way."""
        return super().batch(ops)


class GetsBesideWritesAreOld(Busy):
    """A get while another call is under way gives the value before the last one."""

    breaks = "O23"

    def write_item(self, write: Write, old: Any) -> None:
        place = (tuple(write.op.namespace), write.op.key)
        self.older[place] = dict(self.load_value(old)) if old is not None else None
        super().write_item(write, old)

    def several(self, ops: list[Op]) -> list[Result]:
        results = super().several(ops)
        for n, (op, item) in enumerate(zip(ops, results, strict=True)):
            if isinstance(op, GetOp) and isinstance(item, Item):
                before = self.older.get((tuple(op.namespace), op.key))
                if before is not None:
                    item.value = before
                    results[n] = item
        return results


class BusyWritesAreAcknowledgedEarly(Busy):
    """A put while another call is under way is acknowledged at once, and written 5 ms later."""

    breaks = "O23"

    def several(self, ops: list[Op]) -> list[Result]:
        if not all(isinstance(op, PutOp) for op in ops):
            return super().several(ops)
        threading.Timer(0.005, lambda: _late(lambda: ReferenceStore.batch(self, ops))).start()
        return [None] * len(ops)


class DeletedItemsLingerInBusySearches(Busy):
    """A search while another call is under way shows what was deleted lately."""

    breaks = "O23"

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.dead: dict[tuple[tuple[str, ...], str], Any] = {}

    def apply(self, write: Write, embedded: Any) -> None:
        if write.text is None:
            row = self.find(write.address)
            if row is not None:
                self.dead[write.op.namespace, write.op.key] = self.facts(row)
        else:
            self.dead.pop((write.op.namespace, write.op.key), None)
        super().apply(write, embedded)

    def read_search(self, op: SearchOp, query: Vector | None) -> Any:
        found = super().read_search(op, query)
        if self.busy and query is None and not op.filter:
            dead = [f for (at, _), f in self.dead.items() if at == tuple(op.namespace_prefix)]
            found += [SearchItem(**facts) for facts in dead]
        return found


class BusyUpsertsMakeTwo(Busy):
    """Of two puts of a key at once each leaves an item."""

    breaks = "O23"

    def several(self, ops: list[Op]) -> list[Result]:
        with self.lock:
            for op in ops:
                if (
                    isinstance(op, PutOp)
                    and op.value is not None
                    and self.find(self.address(op.namespace, op.key))
                ):
                    self.__dict__.setdefault("twice", set()).add((tuple(op.namespace), op.key))
            return super().several(ops)

    def read_search(self, op: SearchOp, query: Vector | None) -> Any:
        found = super().read_search(op, query)
        twice = self.__dict__.get("twice", set())
        return [i for item in found for i in [item] * (1 + ((item.namespace, item.key) in twice))]


class WritesGiveUpWhenOthersWrite(ReferenceStore):
    """A put whose namespace others keep changing is given up after three attempts, and acknowledged."""

    breaks = "O23"
    also = (*ASYNC, "O2", "O12", "O13", "O16", "E6", "V11")
    modes = ("sync",)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        puts = [op for op in ops if isinstance(op, PutOp)]
        if not puts:
            return super().batch(ops)
        versions: dict[Any, int] = self.__dict__.setdefault("versions", {})
        for _ in range(3):
            seen = [versions.get(op.namespace, 0) for op in puts]
            time.sleep(0.0005)  # what reading the old document takes
            with self.lock:
                if seen == [versions.get(op.namespace, 0) for op in puts]:
                    versions.update(
                        {op.namespace: versions.get(op.namespace, 0) + 1 for op in puts}
                    )
                    return super().batch(ops)
        return [None] * len(ops)


class TasksWriteWhenTheirCallerHasGoneOn(ReferenceStore):
    """An overwrite beside another put is acknowledged first, and written 3 ms later."""

    breaks = "O23"
    also = (*ASYNC, "O2", "O12", "O13", "V11")
    modes = ("async",)

    async def aput(self, namespace: Any, key: str, value: Any, *args: Any, **more: Any) -> None:
        before = self.find(self.address(tuple(namespace), str(key)))
        waiting = self.__dict__.setdefault("waiting_puts", [0])
        waiting[0] += 1
        try:
            await asyncio.sleep(0)
            if waiting[0] > 1 and before is not None and isinstance(value, dict):
                asyncio.get_running_loop().call_later(
                    0.003, lambda: _late(lambda: ReferenceStore.put(self, namespace, key, value))
                )
                return
            await super().aput(namespace, key, value, *args, **more)
        finally:
            waiting[0] -= 1


class ProcessesKeepWhatTheyRead(ReferenceStore):
    """A process gives for 50 ms what it has read of a key itself, unless it wrote the key."""

    breaks = "O23"
    also = ("X1", "O13", "E6", "O16", "E1", "T7")

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        return self.kept(ops, super().batch(ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        return self.kept(ops, await super().abatch(ops))

    def kept(self, ops: list[Op], results: list[Result]) -> list[Result]:
        memory: dict[Any, Any] = self.__dict__.setdefault(f"read_by_{os.getpid()}", {})
        now = time.monotonic()
        for n, op in enumerate(ops):
            if isinstance(op, PutOp):
                memory.pop((tuple(op.namespace), op.key), None)
            elif isinstance(op, GetOp):
                when, item = memory.get((tuple(op.namespace), op.key), (0.0, None))
                if item is not None and now - when < 0.05:
                    results[n] = item
                else:
                    memory[tuple(op.namespace), op.key] = (now, results[n])
        return results
