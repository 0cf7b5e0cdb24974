"""
Stores that cost something while they are asked nothing, or with each call (O22).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from typing import Any, ClassVar

from langgraph.store.base import Op, Result

from store_conformance.mutants.reference import AsyncReferenceStore, Plan, ReferenceStore


class WaitsByAskingAgain(ReferenceStore):
    """A thread looks for work again and again, without a pause."""

    breaks = "O22"
    done = False

    def setup(self) -> None:
        super().setup()
        self.looking = threading.Thread(target=self.look, daemon=True)
        self.looking.start()

    def look(self) -> None:
        while not self.done:
            time.sleep(0)

    def close(self) -> None:
        self.done = True
        self.looking.join()
        super().close()


class TheQueueIsAskedInALoop(AsyncReferenceStore):
    """A queue is asked for calls in every turn of the loop, as the base class once did."""

    breaks = "O22"
    modes = ("async",)
    ended = False

    async def setup(self) -> None:  # type: ignore[override]
        await super().setup()
        self.ask()

    def ask(self) -> None:
        if not self.ended:
            self.loop.call_soon(self.ask)

    async def aclose(self) -> None:
        self.ended = True
        await super().aclose()


class TheSweeperNeverRests(ReferenceStore):
    """The first put starts a sweeper of the store's own that sweeps time after time without a pause."""

    breaks = "O22"
    also = ("T2", "T3", "T4", "T6", "T7", "T8", "O13", "O12", "O18", "O19", "E4", "E6")
    resting: threading.Event | None = None

    def plan(self, ops: Iterable[Op]) -> Plan:
        plan = super().plan(ops)
        if plan.writes and self.resting is None:
            self.resting = threading.Event()
            self.thread = threading.Thread(target=self.go_on, args=(self.resting,), daemon=True)
            self.thread.start()
        return plan

    def go_on(self, ended: threading.Event) -> None:
        while not ended.is_set():
            self.scan()

    def scan(self) -> Any:
        with self.lock:
            return super().scan()

    def close(self) -> None:
        if self.resting is not None:
            self.resting.set()
            self.thread.join()
        super().close()


class CallsLeaveSomething(ReferenceStore):
    """A base for stores that keep something of each call."""

    kept: ClassVar[list[Any]] = []

    def keep(self) -> None:
        raise NotImplementedError

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        self.keep()
        return super().batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        self.keep()
        return await super().abatch(ops)


class CallsLeaveAThread(CallsLeaveSomething):
    """Each call makes a pool of threads, which nobody ends."""

    breaks = "O22"
    also = ("O19", "O18", "O12")

    def setup(self) -> None:
        super().setup()
        self.ended = threading.Event()

    def keep(self) -> None:
        if threading.active_count() < 500:
            threading.Thread(target=self.ended.wait, daemon=True).start()

    def close(self) -> None:
        self.ended.set()
        super().close()


class CallsLeaveAFile(CallsLeaveSomething):
    """Each call opens a file, which nobody closes before the store."""

    breaks = "O22"
    also = ("O19",)

    def setup(self) -> None:
        super().setup()
        self.files: list[int] = []

    def keep(self) -> None:
        if len(self.files) < 300:
            self.files.append(os.open(__file__, os.O_RDONLY))

    def close(self) -> None:
        for file in self.files:
            os.close(file)
        super().close()
