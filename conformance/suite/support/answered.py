"""
Calls that were made at once are waited for as long as any of them still ends: a slow store is not one that hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


def _nothing_else() -> int:
    return 0


async def answered(
    *work: Awaitable[Any], patience: float, made: Callable[[], int] = _nothing_else
) -> list[Any]:
    """
    What each gave or raised, a cancellation included.

    ``TimeoutError`` when for ``patience`` seconds none has ended and ``made``, the number of calls that they have
    behind them, stood still.  How long all of them take together says nothing: they may wait for one another.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    waiting, before = set(tasks), made()
    while waiting:
        done, waiting = await asyncio.wait(
            waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        if not done and made() == before:
            for task in waiting:
                task.cancel()
            raise asyncio.TimeoutError
        before = made()
    return [_outcome(task) for task in tasks]


def _outcome(task: asyncio.Future[Any]) -> Any:
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or task.result()
