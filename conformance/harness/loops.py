"""
Where a case runs: a worker thread for its body and, for the async API, an event loop in a thread of
its own.

A store that hangs leaves its threads behind (they are daemons) and the run goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from dataclasses import dataclass
from threading import Lock, Thread  # these and the clock by name: a store may change the modules
from time import monotonic
from typing import Any, TypeVar

from store_conformance.contract import Verdict
from store_conformance.harness import watchdog
from store_conformance.harness.errors import CaseEnded
from store_conformance.harness.standstill import WINDOW_SECONDS, Standstill, look_at
from store_conformance.harness.text import message_of

T = TypeVar("T")


class HungError(CaseEnded):
    """
    One call did not end in its time; ``seen`` is what its process did meanwhile, where that was looked at.

    The time alone is no finding: only a call that is shown to be stuck is one.
    """

    def __init__(self, seconds: float, seen: Standstill | None = None) -> None:
        told = f"; {seen}" if seen is not None else ""
        super().__init__(f"the store gave no answer within {seconds:g} s{told}")
        self.seconds = seconds
        self.seen = seen
        slow = seen is not None and not seen.stuck
        self.verdict = Verdict.UNVERIFIED if slow else Verdict.FAIL


class TooSlowError(CaseEnded):
    """Every call ended, but all of them together took too long to go on."""

    verdict = Verdict.UNVERIFIED


class NothingButErrorsError(CaseEnded):
    """Every call raised, and slowly: as a rule the store's own time-out. The rest would say no more."""


PATIENCE = 5
"""How many times the time-out of one call a whole body may take while it makes progress."""


@dataclass(frozen=True)
class Watch:
    """How the calls of a body can be told apart while it is under way."""

    busy_since: Callable[[], float | None]
    """When (``time.monotonic``) the call under way began, ``None`` between calls."""
    only_errors: Callable[[], str | None] = lambda: None
    """The first error while no call has done anything else."""


def run_bounded(body: Callable[[], T], seconds: float, name: str, watch: Watch | None = None) -> T:
    """
    Run ``body`` in a daemon thread and return or raise what it does.

    The process's watchdog, if it has one, is fed meanwhile.  ``HungError`` after ``seconds`` in all; with
    ``watch`` if one call takes longer, which is then looked at, ``TooSlowError`` if the body takes `PATIENCE`
    times as long although no call hangs, and ``NothingButErrorsError`` if all that it got in ``seconds`` are
    errors.
    """
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(body())
        except Exception as error:  # noqa: BLE001 - handed to the waiting thread as it is
            outcome.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - a store that exits must not end the run
            told = f"the store's call ended with {type(error).__name__}: {message_of(error)}"
            outcome.set_exception(BodyExitedError(told))

    thread = Thread(target=work, name=name, daemon=True)
    begin = monotonic()
    with watchdog.watching():
        watchdog.feed(seconds)
        thread.start()
        while True:
            if wait([outcome], timeout=min(0.25, seconds)).done:
                return outcome.result()
            watchdog.feed(seconds)
            ending = _overdue(seconds, begin, thread, watch)
            if ending is not None and not outcome.done():  # it may have come while we looked
                raise ending


def _overdue(seconds: float, begin: float, thread: Thread, watch: Watch | None) -> CaseEnded | None:
    """How a body ends that has run since ``begin``; ``None`` while it may go on."""
    now = monotonic()
    if watch is None:
        return HungError(seconds) if now - begin > seconds else None
    started = watch.busy_since()
    if started is not None and now - started > seconds:
        return HungError(seconds, look_at(thread.ident, min(WINDOW_SECONDS, seconds)))
    first = watch.only_errors() if now - begin > seconds else None
    if first is not None:
        return NothingButErrorsError(f"in {seconds:g} s every call raised, the first: {first}")
    if now - begin > PATIENCE * seconds:
        told = f"every call was answered, but the case was not done within {PATIENCE * seconds:g} s"
        return TooSlowError(told)
    return None


class BodyExitedError(CaseEnded):
    """The body raised ``SystemExit``, ``KeyboardInterrupt`` or a cancellation."""


@dataclass(frozen=True)
class _Raised:
    error: BaseException


async def _caught(work: Coroutine[Any, Any, T]) -> T | _Raised:
    """
    What the coroutine returns or raises.

    asyncio hands a ``TimeoutError`` to another thread as a new one, which does not know where it was raised, and
    what ends a program it raises through the loop, so that nobody who waits hears of it.
    """
    try:
        return await work
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001
        return _Raised(error)  # raised again by the thread that waits


class LoopThread:
    """
    An event loop in a daemon thread, started by the first use; coroutines come from other threads.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._starting = Lock()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; most cases of a sync store never ask for it."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = Thread(
                    target=self._serve, args=(self._loop,), name="case-loop", daemon=True
                )
                self._thread.start()
            return self._loop

    @staticmethod
    def _serve(loop: asyncio.AbstractEventLoop) -> None:
        """
        Serve until the loop is stopped.

        A task that raises ``SystemExit`` or ``KeyboardInterrupt`` takes its loop down with it; whoever waits for that
        task, or for another one, must be answered all the same.
        """
        asyncio.set_event_loop(loop)
        stopped = False
        while not stopped:
            try:
                loop.run_forever()
                stopped = True
            except (SystemExit, KeyboardInterrupt):
                continue

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one coroutine to its end and return or raise what it does."""
        answer = asyncio.run_coroutine_threadsafe(_caught(work), self.loop).result()
        if isinstance(answer, _Raised):
            raise answer.error
        return answer

    def call(self, func: Callable[[], T]) -> T:
        """Call a plain function in the loop's thread."""

        async def wrapped() -> T:
            return func()

        return self.run(wrapped())

    def pending(self) -> list[str]:
        """The tasks of the loop that have not ended, by their representation."""

        async def look() -> list[str]:
            await asyncio.sleep(0)
            me = asyncio.current_task()
            return [repr(t) for t in asyncio.all_tasks() if t is not me and not t.done()]

        return self.run(look())

    def close(self) -> None:
        """Cancel what is pending, stop the loop and its thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            return

        async def drain() -> None:
            me = asyncio.current_task()
            tasks = [t for t in asyncio.all_tasks() if t is not me]
            for task in tasks:
                task.cancel()
            await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 2)
            await loop.shutdown_asyncgens()

        try:
            asyncio.run_coroutine_threadsafe(drain(), loop).result(timeout=5)
        except Exception:  # noqa: BLE001 - a loop that cannot be drained is abandoned with its thread
            pass
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=2)
        if not thread.is_alive():
            loop.close()
