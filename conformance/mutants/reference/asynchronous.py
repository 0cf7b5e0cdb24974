"""
The reference store for callers that are async, bound to one loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from langgraph.store.base import BaseStore, IndexConfig, Op, Result, TTLConfig

from store_conformance.mutants.reference.store import ReferenceStore


class AsyncReferenceStore(ReferenceStore):
    """
    The same store bound to one loop, for callers that are async.

    The calls of one tick are taken together, but each runs on its own: the error, the cancellation or
    the slow embedder of one caller is none of the others' business.
    """

    def __init__(
        self, at: Any, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        super().__init__(at, index=index, ttl=ttl)
        self.loop = asyncio.get_running_loop()
        self.waiting: list[tuple[list[Op], asyncio.Future[list[Result]]]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.sweeping: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open_store(  # type: ignore[override]
        cls, at: Any, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> AsyncIterator[BaseStore]:
        store = cls(at, index=index, ttl=ttl)
        try:
            await store.setup()
            yield store
        finally:
            await store.aclose()

    async def setup(self) -> None:  # type: ignore[override]
        super().setup()

    async def aclose(self) -> None:
        await self.stop_ttl_sweeper()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        with self.lock:
            self.connection.close()

    def in_own_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        if self.in_own_loop():
            raise asyncio.InvalidStateError(
                "A synchronous call inside the store's own loop would block it; await the async twin."
            )
        return asyncio.run_coroutine_threadsafe(self.abatch(ops), self.loop).result()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        if not self.in_own_loop():
            abroad = asyncio.run_coroutine_threadsafe(self.abatch(ops), self.loop)
            return await asyncio.wrap_future(abroad)
        future: asyncio.Future[list[Result]] = self.loop.create_future()
        if not self.waiting:
            self.loop.call_soon(self.drain)
        self.waiting.append((list(ops), future))
        return await future

    def drain(self) -> None:
        calls, self.waiting = self.waiting, []
        for ops, future in calls:
            if not future.done():
                self.start(ops, future)

    def start(self, ops: list[Op], future: asyncio.Future[list[Result]]) -> None:
        task = self.loop.create_task(self.answer(ops, future))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        future.add_done_callback(lambda _: task.cancel() if future.cancelled() else None)

    async def answer(self, ops: list[Op], future: asyncio.Future[list[Result]]) -> None:
        try:
            results = await super().abatch(ops)
        except asyncio.CancelledError:
            future.cancel()
            raise
        except BaseException as error:  # noqa: BLE001
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(results)

    async def sweep_ttl(self) -> int:
        return self.sweep()

    async def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Any:
        seconds = self.sweep_seconds(sweep_interval_minutes)

        async def run() -> None:
            while True:
                await asyncio.sleep(seconds)
                self.sweep()

        if self.sweeping is None or self.sweeping.done():
            self.sweeping = self.loop.create_task(run())
        return self.sweeping

    async def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        if self.sweeping is None:
            return True
        self.sweeping.cancel()
        await asyncio.wait([self.sweeping], timeout=timeout)
        return self.sweeping.done()


vars(AsyncReferenceStore)["open_store"].__func__.backup = "copy"  # all there is lies below at.path
