"""
Calls that overlap: from threads in sync mode, from tasks of the store's loop in async mode; no case itself.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from store_conformance.harness.subject import Subject
from store_conformance.suite.support.answered import answered

PATIENCE = 60.0
"""Seconds after which a call that should come back has not."""
APART = 0.03
"""Seconds between the beginnings of calls that begin in order."""

Job = tuple[str, tuple[Any, ...], dict[str, Any]]
"""A method of the store without its ``a``, with its arguments."""


def overlapping(store: Subject, jobs: Sequence[Job], *, apart: float = 0.0) -> list[Any]:
    """
    Begin every call before the first has ended, in their order; gives what each gave or raised.
    """
    if store.mode == "async":
        answers: list[Any] = store.run(lambda raw: _gathered(raw, jobs, apart))
        return answers
    calls = [partial(_called, store, job) for job in jobs]
    return store.timed("overlapping calls", lambda: threaded(calls, apart))  # type: ignore[no-any-return]


async def _gathered(raw: Any, jobs: Sequence[Job], apart: float) -> list[Any]:
    tasks = []
    for name, args, kwargs in jobs:
        tasks.append(asyncio.ensure_future(_awaited(raw, name, args, kwargs)))
        if apart:
            await asyncio.sleep(apart)
    return await answered(*tasks, patience=PATIENCE)


async def _awaited(raw: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    method = getattr(raw, f"a{name}", None) or getattr(raw, name)
    answer = method(*args, **kwargs)
    return await answer if inspect.isawaitable(answer) else answer


def _called(store: Subject, job: Job) -> Any:
    name, args, kwargs = job
    if hasattr(store.raw, f"a{name}"):
        return getattr(store.raw, name)(*args, **kwargs)
    return store.maintenance(name, *args, **kwargs)


def threaded(calls: Sequence[Callable[[], Any]], apart: float = 0.0) -> list[Any]:
    """Each call in a thread of its own; gives what each gave or raised."""
    answers: list[Any] = [TimeoutError(f"no answer within {PATIENCE:g} s")] * len(calls)

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            answers[place] = call()
        except BaseException as error:  # noqa: BLE001 - handed to the case
            answers[place] = error

    threads = []
    for place, call in enumerate(calls):
        threads.append(threading.Thread(target=run, args=(place, call), daemon=True))
        threads[-1].start()
        if apart:
            time.sleep(apart)
    for thread in threads:
        thread.join(PATIENCE)
    return answers


def raised(answers: Sequence[Any]) -> list[str]:
    """The errors among the answers, as text."""
    return [repr(a) for a in answers if isinstance(a, BaseException)]


def batches(*lists: Sequence[Any]) -> list[Job]:
    """A job for each list of operations."""
    return [("batch", (list(ops),), {}) for ops in lists]
