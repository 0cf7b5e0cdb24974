"""
Carrying out a plan, in this thread or in an event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from langgraph.store.base import Result

from store_conformance.backends.hybridstore.plan import Answers, PartCall, Plan, Step

T = TypeVar("T")


def drive(plan: Plan) -> Any:
    answers: Answers | None = None
    while True:
        try:
            step = next(plan) if answers is None else plan.send(answers)
        except StopIteration as done:
            return done.value
        answers = [call.store.batch(call.ops) for call in step.calls]


async def adrive(plan: Plan) -> Any:
    answers: Answers | None = None
    while True:
        try:
            step = next(plan) if answers is None else plan.send(answers)
        except StopIteration as done:
            return done.value
        answers = await (_awrite(step) if step.writes else _aread(step))


async def _aread(step: Step) -> Answers:
    if len(step.calls) == 1:
        return [await _answer(step.calls[0])]
    tasks = [asyncio.ensure_future(_answer(call)) for call in step.calls]
    try:
        # An error of one store cuts off no other: a read that is cancelled may cost it its connection.
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


async def _awrite(step: Step) -> Answers:
    # Once the first store has acknowledged, a cancelled caller must not leave the rest undone.
    first, *rest = step.calls
    answers = [await _answer(first)]
    if rest:
        following = asyncio.ensure_future(_awrite_all(rest))
        try:
            answers += await asyncio.shield(following)
        except asyncio.CancelledError:
            await asyncio.wait([following])
            raise
    return answers


async def _awrite_all(calls: Sequence[PartCall]) -> Answers:
    return [await _answer(call) for call in calls]


async def _answer(call: PartCall) -> list[Result]:
    return await either(call.store.abatch, call.store.batch, call.ops)


async def either(
    method: Callable[..., Awaitable[T]], twin: Callable[..., T], *args: Any, **kwargs: Any
) -> T:
    """
    Await an asynchronous method, or run its twin in a thread for a store that has none.

    Stores that are synchronous only say NotImplementedError; one that means by it that it does
    not support an argument says so again.
    """
    try:
        return await method(*args, **kwargs)
    except NotImplementedError:
        return await asyncio.to_thread(twin, *args, **kwargs)
