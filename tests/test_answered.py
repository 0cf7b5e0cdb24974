"""
Calls at once are waited for while any of them still ends: tried with a clock that only waiting moves.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from store_conformance.suite.support.answered import answered

PATIENCE = 20.0


class _NoWait(selectors.SelectSelector):
    """Does not wait, and says how long it would have."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.waited += timeout or 0.0
        return super().select(0)


class _VirtualTime(asyncio.SelectorEventLoop):
    """A loop whose clock moves by what is waited for, and by nothing else."""

    def __init__(self) -> None:
        self.clock = _NoWait()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.waited


@pytest.fixture
def loop() -> Iterator[_VirtualTime]:
    loop = _VirtualTime()
    yield loop
    loop.close()


def _one_at_a_time(seconds: float) -> Callable[[int], Awaitable[int]]:
    """The calls of a service that takes so long for each, and no two at once."""
    gate = asyncio.Lock()

    async def call(n: int) -> int:
        async with gate:
            await asyncio.sleep(seconds)
        return n

    return call


def test_many_calls_of_a_slow_store_are_all_waited_for(loop: _VirtualTime) -> None:
    async def work() -> list[Any]:
        call = _one_at_a_time(1.0)
        return await answered(*(call(n) for n in range(200)), patience=PATIENCE)

    assert loop.run_until_complete(work()) == list(range(200))
    assert loop.time() == pytest.approx(200, abs=1)


def test_a_call_that_never_ends_is_given_up_after_the_last_answer(loop: _VirtualTime) -> None:
    async def work() -> None:
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call = _one_at_a_time(1.0)
        with pytest.raises(asyncio.TimeoutError):
            await answered(lost, *(call(n) for n in range(30)), patience=PATIENCE)
        await asyncio.sleep(0)
        assert lost.cancelled()

    loop.run_until_complete(work())
    assert loop.time() == pytest.approx(30 + PATIENCE, abs=1)


def test_calls_that_a_caller_has_behind_it_count_as_answers(loop: _VirtualTime) -> None:
    made: list[int] = []

    async def many(call: Callable[[int], Awaitable[int]]) -> None:
        for n in range(50):
            made.append(await call(n))

    async def work(count: Callable[[], int]) -> list[Any]:
        call = _one_at_a_time(1.0)
        return await answered(many(call), many(call), patience=PATIENCE, made=count)

    assert loop.run_until_complete(work(lambda: len(made))) == [None, None]
    with pytest.raises(asyncio.TimeoutError):
        loop.run_until_complete(work(lambda: 0))


def test_errors_and_cancellations_are_answers(loop: _VirtualTime) -> None:
    async def fails() -> None:
        raise ValueError("no")

    async def is_cancelled() -> None:
        raise asyncio.CancelledError

    async def work() -> list[Any]:
        return await answered(fails(), is_cancelled(), patience=PATIENCE)

    failed, cancelled = loop.run_until_complete(work())
    assert isinstance(failed, ValueError)
    assert isinstance(cancelled, asyncio.CancelledError)
