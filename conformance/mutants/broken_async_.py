"""
Stores that break the rules of async calls and of concurrency (O7 to O13, O18).
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterable
from copy import deepcopy
from functools import partial
from typing import Any

from langgraph.store.base import GetOp, Item, Op, PutOp, Result, SearchItem, SearchOp

from store_conformance.mutants.groups import ALL, ASYNC, FILTERS, LISTS, LIVES, PLAIN, VECTORS
from store_conformance.mutants.reference import (
    Address,
    AsyncReferenceStore,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
)

# O7


class AsyncDefaultLimitDiffers(ReferenceStore):
    """Without a limit ``asearch`` gives 20."""

    breaks = "S4"
    also = ("O7", "S5", "S2", "S8", "V1", "V4")
    modes = ("async",)

    async def asearch(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        return await super().asearch(prefix, **{"limit": 20, **kwargs})


class AsyncIgnoresTheFilter(ReferenceStore):
    """``asearch`` ignores its filter."""

    breaks = "O7"
    also = (*FILTERS, "O10")

    async def asearch(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        return await super().asearch(prefix, **{**kwargs, "filter": None})


class AsyncIgnoresTheOffset(ReferenceStore):
    """``asearch`` ignores its offset."""

    breaks = "O7"
    also = ALL

    async def asearch(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        return await super().asearch(prefix, **{**kwargs, "offset": 0})


class AsyncIgnoresTheQuery(ReferenceStore):
    """``asearch`` ignores its query."""

    breaks = "O7"
    also = VECTORS

    async def asearch(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        return await super().asearch(prefix, **{**kwargs, "query": None})


class AsyncLeavesScoresOut(ReferenceStore):
    """``asearch`` gives no scores."""

    breaks = "O7"
    also = VECTORS

    async def asearch(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        found = await super().asearch(prefix, **kwargs)
        for item in found:
            item.score = None
        return found


class AsyncIgnoresIndex(ReferenceStore):
    """``aput`` ignores ``index``."""

    breaks = "V3"
    also = VECTORS
    modes = ("async",)

    async def aput(
        self, namespace: Any, key: Any, value: Any, index: Any = None, **kwargs: Any
    ) -> None:
        await super().aput(namespace, key, value, None, **kwargs)


class AsyncIgnoresTheTtl(ReferenceStore):
    """``aput`` ignores ``ttl``."""

    breaks = "T2"
    also = LIVES
    modes = ("async",)

    async def aput(self, *args: Any, ttl: Any = None, **kwargs: Any) -> None:
        await super().aput(*args, **kwargs)


class AsyncIgnoresMaxDepth(ReferenceStore):
    """``alist_namespaces`` ignores ``max_depth``."""

    breaks = "O7"
    also = LISTS

    async def alist_namespaces(self, **kwargs: Any) -> list[tuple[str, ...]]:
        return await super().alist_namespaces(**{**kwargs, "max_depth": None})


class AsyncIgnoresTheSuffix(ReferenceStore):
    """``alist_namespaces`` ignores ``suffix``."""

    breaks = "O7"
    also = (*LISTS, "N2", "N6")

    async def alist_namespaces(self, **kwargs: Any) -> list[tuple[str, ...]]:
        return await super().alist_namespaces(**{**kwargs, "suffix": None})


class AsyncGetOfMissingRaises(ReferenceStore):
    """``aget`` of a missing item raises."""

    breaks = "O7"
    also = ALL

    async def aget(self, namespace: Any, key: Any, **kwargs: Any) -> Item | None:
        if (item := await super().aget(namespace, key, **kwargs)) is None:
            raise KeyError(key)
        return item


class AsyncErrorsAreWrapped(ReferenceStore):
    """What an async call refuses with ValueError comes as a RuntimeError."""

    breaks = "O7"
    also = ALL

    async def aput(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super().aput(*args, **kwargs)
        except ValueError as error:
            raise RuntimeError("The call failed.") from error


class AsyncDeleteGivesTrue(ReferenceStore):
    """``adelete`` gives True."""

    breaks = "O7"
    also = ("X2", "X1", "O1")

    async def adelete(self, namespace: Any, key: Any) -> Any:
        await super().adelete(namespace, key)
        return True


class AsyncTakesAnyNamespace(ReferenceStore):
    """``aput`` replaces what is wrong in a namespace."""

    breaks = "O7"
    also = ("N1", "N6", "O10", "N8")

    async def aput(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        clean = tuple(str(label).replace(".", "_") or "_" for label in namespace) or ("_",)
        clean = ("_langgraph", *clean[1:]) if clean[0] == "langgraph" else clean
        await super().aput(clean, key, value, *args, **kwargs)


class AsyncBatchRefusesGenerators(ReferenceStore):
    """``abatch`` takes a list only."""

    breaks = "O1"
    also = ("O7",)
    modes = ("async",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        if not isinstance(ops, list):
            raise TypeError("abatch needs a list.")
        return await super().abatch(ops)


class AsyncSearchIsNotImplemented(ReferenceStore):
    """``alist_namespaces`` is not implemented, although async calls are offered."""

    breaks = "O7"
    also = (*LISTS, "O4", "O10", "O9", "O20")

    async def alist_namespaces(self, **kwargs: Any) -> list[tuple[str, ...]]:
        raise NotImplementedError


# O8


class SyncRunsItsOwnLoop(ReferenceStore):
    """A sync call starts a loop, which fails inside a running one."""

    breaks = "O8"
    also = (*ALL,)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return asyncio.run(self.abatch(ops))


class LoopBoundRaisesRuntimeError(AsyncReferenceStore):
    """A sync call inside the store's loop raises a RuntimeError that is no InvalidStateError."""

    breaks = "O8"
    also = ASYNC

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        if self.in_own_loop():
            raise RuntimeError("Await the async twin.")
        return super().batch(ops)


class LoopBoundAnswersNothing(AsyncReferenceStore):
    """A sync call inside the store's loop answers None."""

    breaks = "O8"
    also = ASYNC

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        if self.in_own_loop():
            return [None for _ in ops]
        return super().batch(ops)


class LoopBoundRefusesOtherThreads(AsyncReferenceStore):
    """A sync call from another thread is refused too."""

    breaks = "O8"
    also = ALL

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        raise asyncio.InvalidStateError("Await the async twin.")


class OneLockForAllLoops(ReferenceStore):
    """Async calls wait at one ``asyncio`` lock, which belongs to the loop that first waits for it."""

    breaks = "O8"
    also = ("O12", "O13", "O23")

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.one_task = asyncio.Lock()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        async with self.one_task:
            await asyncio.sleep(0)
            return await super().abatch(ops)


class CallersOfAllLoopsWaitForOneTask(ReferenceStore):
    """Async calls run one after the other, each waits for the one before it, of whatever loop that is."""

    breaks = "O8"
    also = ("O12", "O13", "O23")
    before: asyncio.Future[None] | None = None

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        before, mine = self.before, asyncio.get_running_loop().create_future()
        self.before = mine
        try:
            if before is not None and not before.done():
                await before
            return await super().abatch(ops)
        finally:
            if not mine.done():
                mine.set_result(None)


class SyncIsRefusedInAnyLoop(ReferenceStore):
    """A store that is bound to no loop refuses sync calls inside one."""

    breaks = "O8"
    also = ASYNC

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return super().batch(ops)
        raise RuntimeError("Await the async twin.")


# O9


class CancelledCallsAreExecuted(ReferenceStore):
    """A call that was cancelled while its text was embedded still writes."""

    breaks = "O20"
    also = ("O11", "V13", "O18")
    modes = ("async",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return await asyncio.shield(asyncio.ensure_future(super().abatch(ops)))


class CancelledQueueIsExecuted(AsyncReferenceStore):
    """A call that was cancelled in the tick of its issue still writes."""

    breaks = "O20"
    also = ("O11", "V13", "O18")
    modes = ("async",)

    def start(self, ops: list[Op], future: asyncio.Future[list[Result]]) -> None:
        fresh: asyncio.Future[list[Result]] = self.loop.create_future()
        super().start(ops, fresh)
        fresh.add_done_callback(lambda done: self.hand_on(done, future))

    def hand_on(self, done: asyncio.Future[Any], future: asyncio.Future[Any]) -> None:
        if future.done():
            done.exception()
        elif done.exception():
            future.set_exception(done.exception())  # type: ignore[arg-type]
        else:
            future.set_result(done.result())

    def drain(self) -> None:
        calls, self.waiting = self.waiting, []
        for ops, future in calls:
            self.start(ops, future)


class CancelKillsTheStore(ReferenceStore):
    """After a cancelled call every async call fails."""

    breaks = "O9"
    also = (*ASYNC, "O11")
    modes = ("async",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        if getattr(self, "dead", False):
            raise RuntimeError("The worker has ended.")
        try:
            return await super().abatch(ops)
        except asyncio.CancelledError:
            self.dead = True
            raise


class CancelCancelsTheTick(AsyncReferenceStore):
    """A cancelled call takes those of its tick along."""

    breaks = "O9"
    also = (*ASYNC, "O11")
    modes = ("async",)

    def drain(self) -> None:
        futures = [future for _, future in self.waiting]
        if any(future.cancelled() for future in futures):
            for future in futures:
                future.cancel()
        super().drain()
        for future in futures:
            future.add_done_callback(
                lambda done: [f.cancel() for f in futures] if done.cancelled() else None
            )


class CancelBlocksTheKey(ReferenceStore):
    """After a cancelled put its key cannot be written any more."""

    breaks = "O9"
    also = (*ASYNC, "O11")
    modes = ("async",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        held: set[Any] = self.__dict__.setdefault("held", set())
        names = {(op.namespace, op.key) for op in ops if isinstance(op, PutOp)}
        if names & held:
            raise TimeoutError("The item is locked.")
        try:
            return await super().abatch(ops)
        except asyncio.CancelledError:
            held |= names
            raise


class CancelLeavesATransaction(ReferenceStore):
    """A batch that is cancelled while its transaction begins leaves it open, and no other can begin."""

    breaks = "O9"
    also = (*ASYNC, "O11", "F11")
    modes = ("async",)
    begun = False

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        async with self.__dict__.setdefault("turns", asyncio.Lock()):
            if self.begun:
                raise RuntimeError("cannot start a transaction within a transaction")
            self.begun = True
            await asyncio.sleep(0.001)
            self.begun = False
        return await super().abatch(ops)


class CancelledPutsLeaveNoVector(ReferenceStore):
    """A put is two transactions, and one that is cancelled between them leaves its item without a vector."""

    breaks = "V13"
    also = (*ASYNC, "O11")
    modes = ("async",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        if len(ops) == 1 and isinstance(ops[0], PutOp) and ops[0].value and self.embeddings:
            plain = ops[0]._replace(index=False)
            await super().abatch([plain])
            await asyncio.sleep(0.001)
        return await super().abatch(ops)


class CancelledSweepsKillTheStore(AsyncReferenceStore):
    """A sweep that is cancelled on its way takes the connection along."""

    breaks = "O9"
    also = ASYNC
    modes = ("async",)

    async def sweep_ttl(self) -> int:
        try:
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            self.connection.close()
            raise
        return await super().sweep_ttl()


class EqualSearchesOfATickAreOne(AsyncReferenceStore):
    """Of the searches of one tick those that Python takes for equal get the answer of the first."""

    breaks = "F11"
    also = ASYNC
    modes = ("async",)

    def drain(self) -> None:
        calls, self.waiting = self.waiting, []
        asked: list[tuple[list[Op], asyncio.Future[list[Result]]]] = []
        for ops, future in calls:
            same = next((f for known, f in asked if known == ops), None)
            if same is not None and all(isinstance(op, SearchOp) for op in ops):
                same.add_done_callback(partial(self.answer_too, future))
            elif not future.done():
                asked.append((ops, future))
                self.start(ops, future)

    def answer_too(self, future: asyncio.Future[Any], done: asyncio.Future[Any]) -> None:
        if future.done():
            return
        error = None if done.cancelled() else done.exception()
        if done.cancelled():
            future.cancel()
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(deepcopy(done.result()))


class CancelledEmbeddersKillTheStore(ReferenceStore):
    """After a call whose embedder was cancelled every async call fails."""

    breaks = "O9"
    also = (*ASYNC, "O11")
    modes = ("async",)
    dead = False

    async def aembed(self, plan: Plan) -> Embedded:
        if self.dead:
            raise AssertionError("the task has ended")
        task = asyncio.current_task()
        before = task.cancelling() if hasattr(task, "cancelling") else 0  # type: ignore[union-attr]
        try:
            return await super().aembed(plan)
        except asyncio.CancelledError:
            asked = task.cancelling() if hasattr(task, "cancelling") else 0  # type: ignore[union-attr]
            self.dead = asked == before  # a caller that leaves harms nobody
            raise


# O10


class TicksFailTogether(AsyncReferenceStore):
    """The calls of one tick are one transaction, so the error of one caller is everyone's."""

    breaks = "O10"
    also = (*ASYNC, "O4", "O12")
    modes = ("async",)

    def drain(self) -> None:
        calls, self.waiting = self.waiting, []
        task = self.loop.create_task(self.together([call for call in calls if not call[1].done()]))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def together(self, calls: list[Any]) -> None:
        try:
            results = iter(
                await ReferenceStore.abatch(self, [op for ops, _ in calls for op in ops])
            )
        except Exception as error:  # noqa: BLE001
            for _, future in calls:
                future.done() or future.set_exception(error)
        else:
            for ops, future in calls:
                found = [next(results) for _ in ops]
                future.done() or future.set_result(found)


class TicksStopAtAnError(AsyncReferenceStore):
    """Calls that were issued after one that fails in the same tick are dropped."""

    breaks = "O10"
    also = (*ASYNC, "O4", "O12")
    modes = ("async",)

    def drain(self) -> None:
        calls, self.waiting = self.waiting, []
        task = self.loop.create_task(self.in_turn(calls))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def in_turn(self, calls: list[Any]) -> None:
        failed: Exception | None = None
        for ops, future in calls:
            try:
                if failed:
                    raise failed
                results = None if future.done() else await ReferenceStore.abatch(self, ops)
            except Exception as error:  # noqa: BLE001
                failed = error
                future.done() or future.set_exception(error)
            else:
                future.done() or future.set_result(results)


class ErrorsDropTheOthersInSilence(AsyncReferenceStore):
    """Calls that were issued after one that fails in the same tick are acknowledged and lost."""

    breaks = "O10"
    also = (*ASYNC, "O4", "O12")
    modes = ("async",)

    def drain(self) -> None:
        calls, self.waiting = self.waiting, []
        self.waiting_none = False
        for ops, future in calls:
            if future.done():
                continue
            if self.waiting_none:
                future.set_result([None for _ in ops])
                continue
            try:
                self.plan(ops)
            except Exception:  # noqa: BLE001
                self.waiting_none = True
            self.start(ops, future)


# O11


class SlowPutsWin(ReferenceStore):
    """Of two puts of a key the one whose text was embedded last wins."""

    breaks = "O11"
    also = ("O9", "O20", "O3")
    modes = ("async",)

    def overtaken(self, address: Address, turn: int) -> bool:
        return False


class SlowDeletesLose(ReferenceStore):
    """A delete does not win over a put that was issued before and embedded after it."""

    breaks = "O11"
    also = ("O9", "O20", "O3")
    modes = ("async",)

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        results = super().execute(plan, embedded, turn)
        for write in plan.writes:
            if write.text is None:
                self.newest.pop(write.address, None)
        return results


class TicksKeepTheFirstPut(AsyncReferenceStore):
    """Of two puts of a key in one tick the first wins."""

    breaks = "O11"
    also = (*ASYNC, "O3", "O12", "K3", "K4")
    modes = ("async",)

    def drain(self) -> None:
        self.waiting.reverse()
        super().drain()


class SlowPutsWinInLoops(AsyncReferenceStore):
    """Of two puts of a key the one whose text was embedded last wins."""

    breaks = "O11"
    also = ("O9", "O20", "O3")
    modes = ("async",)

    def overtaken(self, address: Address, turn: int) -> bool:
        return False


# O12


class NoLock:
    """A lock that lets everybody in."""

    def __enter__(self) -> None:
        time.sleep(0)

    def __exit__(self, *_: object) -> None:
        return None


class ThreadsAreNotLocked(ReferenceStore):
    """Threads share one connection without a lock."""

    breaks = "O12"
    also = ALL

    def __init__(self, at: Any, *, index: Any = None, ttl: Any = None) -> None:
        super().__init__(at, index=index, ttl=ttl)
        self.lock = NoLock()  # type: ignore[assignment]

    def scan(self) -> list[ItemRow]:
        time.sleep(0.001)
        return super().scan()

    def now(self) -> int:
        time.sleep(0.0005)
        return super().now()


class OneThreadOnly(ReferenceStore):
    """A store works in the thread that opened it."""

    breaks = "O12"
    also = ALL

    def __init__(self, at: Any, *, index: Any = None, ttl: Any = None) -> None:
        super().__init__(at, index=index, ttl=ttl)
        self.owner = threading.get_ident()

    def run(self, plan: Plan, writes: Any, embedded: Embedded) -> list[Result]:
        if threading.get_ident() != self.owner:
            raise sqlite3.ProgrammingError("SQLite objects can only be used in their own thread.")
        return super().run(plan, writes, embedded)


class BusyStoresRefuse(ReferenceStore):
    """A call while another thread is at work is refused."""

    breaks = "O12"
    also = ("O7", "O13", "E5", "E3", "E6", "O11", "E1", "O8")

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        gate = self.__dict__.setdefault("gate", threading.Lock())
        if not gate.acquire(blocking=False):
            raise sqlite3.OperationalError("database is locked")
        try:
            time.sleep(0.002)
            return super().execute(plan, embedded, turn)
        finally:
            gate.release()


class IterationBreaksWhenOthersWrite(ReferenceStore):
    """A search raises when another thread has written since the store last looked."""

    breaks = "O12"
    also = (*PLAIN, "O7", "O8", "O13")

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        self.guests: set[int] = self.__dict__.get("guests", set())
        self.guests.add(threading.get_ident())
        searches = any(not isinstance(op, GetOp) for op in plan.ops) and not plan.writes
        time.sleep(0.001)
        if searches and len(self.guests) > 2:
            raise RuntimeError("dictionary changed size during iteration")
        return super().execute(plan, embedded, turn)


class ConcurrentPutsAreLost(ReferenceStore):
    """A put that comes while another thread is at work is acknowledged and lost."""

    breaks = "O12"
    also = ("O7", "O13", "E5", "E3", "E6", "O11", "E1", "O8")

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        gate = self.__dict__.setdefault("gate", threading.Lock())
        free = gate.acquire(blocking=False)
        try:
            time.sleep(0.002)
            return super().execute(plan if free else Plan(plan.ops, [], [], []), embedded, turn)
        finally:
            if free:
                gate.release()


# O13


class LockedFilesRaise(ReferenceStore):
    """A second connection that finds the file locked raises at once."""

    breaks = "O13"
    also = ("O15", "E6", "E4", "O12")

    def connect(self, database: str) -> sqlite3.Connection:
        connection = super().connect(database)
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    def run(self, plan: Plan, writes: Any, embedded: Embedded) -> list[Result]:
        time.sleep(0.001)
        return super().run(plan, writes, embedded)


class EachStoreCachesItsReads(ReferenceStore):
    """A store answers ``get`` from a cache that other connections do not clear."""

    breaks = "O13"
    also = ("E6", "E4", "T2", "T5", "T7", "K4", "O14", "O16", "O17", "X1", "V11", "K10", "T4")

    def read_item(self, op: GetOp) -> Item | None:
        cache: dict[Any, Any] = self.__dict__.setdefault("cache", {})
        address = self.address(op.namespace, op.key)
        if address not in cache:
            cache[address] = super().read_item(op)
        found: Item | None = cache[address]
        return found

    def apply(self, write: Any, embedded: Embedded) -> None:
        self.__dict__.get("cache", {}).pop(write.address, None)
        super().apply(write, embedded)


class OneConnectionAtATime(ReferenceStore):
    """A second connection to the file is refused."""

    breaks = "O13"
    also = ("O15", "E6", "E4", "O16", "O17")

    def connect(self, database: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            database, timeout=0.3, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        return connection


class OthersWritesAreUndone(ReferenceStore):
    """At closing a store writes what it read back over what others wrote meanwhile."""

    breaks = "O13"
    also = ("E6", "E4", "O16")

    def apply(self, write: Any, embedded: Embedded) -> None:
        super().apply(write, embedded)
        mine: dict[Any, Any] = self.__dict__.setdefault("mine", {})
        mine[write.address] = write.text
        others = [row.address for row in self.scan() if row.address not in mine]
        for address in others[:1] if len(mine) > 5 else ():
            self.remove_item(address)


# O18


class LeavesATask(ReferenceStore):
    """An async call leaves a task behind that never ends."""

    breaks = "O18"
    also = (
        "O9",
        "O20",
    )
    modes = ("async",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        self.helper = self.__dict__.get("helper") or asyncio.ensure_future(asyncio.sleep(3600))
        return await super().abatch(ops)


class LeavesTheSweeper(AsyncReferenceStore):
    """Closing the store leaves its sweeper running."""

    breaks = "O18"
    also = ("T7",)
    modes = ("async",)

    async def aclose(self) -> None:
        self.sweeping = None
        await super().aclose()


class LeavesTheWorker(AsyncReferenceStore):
    """Closing the store leaves the task that waits for calls."""

    breaks = "O18"
    modes = ("async",)

    async def setup(self) -> None:  # type: ignore[override]
        await super().setup()
        if not hasattr(self, "worker"):
            self.worker = self.loop.create_task(asyncio.Event().wait())


class LeavesCallsInTheAir(AsyncReferenceStore):
    """Closing the store leaves the calls that are still embedding."""

    breaks = "O18"
    also = (
        "O9",
        "O20",
    )
    modes = ("async",)

    def start(self, ops: list[Op], future: asyncio.Future[list[Result]]) -> None:
        super().start(ops, future)
        self.tasks.clear()
        if not hasattr(self, "ticker"):
            self.ticker = self.loop.create_task(asyncio.sleep(3600))
