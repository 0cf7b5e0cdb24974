"""
Several callers at once, each with a list of calls of its own: threads, tasks of the store's loop, or processes; no case itself.

Every call is given back with the times of its begin and end on one clock, so that a case can tell which calls met.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.errors import UnverifiedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.process.child import Child
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.answered import answered

PATIENCE = 60.0
"""Seconds after which a caller that should have ended has not."""
MADE = 4
"""Objects that are made between two collections of garbage while threads race."""
HEAD_START = 0.02
"""Seconds in which processes learn when they are to begin."""


@dataclass(frozen=True)
class Ask:
    """One call that a caller is to make: a method of the store without its ``a``, and its arguments."""

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, *args: Any, **kwargs: Any) -> Ask:
        return cls(name, args, kwargs)


@dataclass(frozen=True)
class Answer:
    """What a call gave, and when: nanoseconds of ``time.monotonic_ns``, which all processes share."""

    ask: Ask
    began: int
    ended: int
    result: Any = None
    """Items of another process are dicts."""
    error: str = ""


Scripts = Mapping[str, Sequence[Ask]]
Answers = dict[str, list[Answer]]


def value_in(item: Any) -> Any:
    """The value of an item, of this process or another; ``None`` where there is none."""
    if item is None:
        return None
    return item["value"] if isinstance(item, dict) else item.value


def keys_in(found: Any) -> list[str]:
    """The keys that a search gave, of this process or another."""
    return [item["key"] if isinstance(item, dict) else item.key for item in found or ()]


@contextmanager
def eager_threads() -> Iterator[None]:
    """
    Let threads of this process take turns far more often, so that races show.

    Also within what looks like one step: up to Python 3.11 garbage is collected wherever an object is made, and
    what Python calls then (a finalizer, a profiler's callback) lets other threads in.
    """
    before = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-5)
    gc.set_threshold(MADE, *before[1][1:])
    gc.callbacks.append(_let_others_in)
    try:
        yield
    finally:
        gc.callbacks.remove(_let_others_in)
        gc.set_threshold(*before[1])
        sys.setswitchinterval(before[0])


def _let_others_in(phase: str, info: dict[str, int]) -> None:
    """Called as a collection begins and ends: any code of Python is where another thread may take its turn."""


class Together:
    """Callers of one location: of one store by threads or tasks, or each with a process of its own."""

    def __init__(
        self, lab: Lab, store: Subject, callers: Sequence[str], *, processes: bool
    ) -> None:
        if not processes and lab.mode == Mode.SYNC and not lab.offers(Capability.THREADS):
            lab.unsupported("declared: no threads")
        self._store = store
        self.callers = tuple(callers)
        self._children: dict[str, Child] = {}
        if processes:
            embed = None if store.index is None else "exact"
            self._children = {name: lab.child(store.at, embed=embed) for name in callers}

    def run(self, scripts: Scripts) -> Answers:
        """Let each caller make its calls one after the other, all callers at once."""
        if self._children:
            return self._by_processes(scripts)
        if self._store.mode == Mode.ASYNC:
            answers: Answers = self._store.run(lambda raw: _by_tasks(raw, scripts))
            return answers
        with eager_threads():
            return self._store.timed(  # type: ignore[no-any-return]
                "calls of several threads", lambda: self._by_threads(scripts)
            )

    def _by_threads(self, scripts: Scripts) -> Answers:
        answers: Answers = {name: [] for name in scripts}
        gate = threading.Barrier(len(scripts))

        def work(name: str) -> None:
            gate.wait(PATIENCE)
            for ask in scripts[name]:
                answers[name].append(_called(self._store.raw, ask))

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in scripts]
        for thread in threads:
            thread.start()
        end = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            raise UnverifiedError(f"calls of several threads did not end within {PATIENCE:g} s")
        return answers

    def _by_processes(self, scripts: Scripts) -> Answers:
        begin = time.monotonic_ns() + int(HEAD_START * 1e9)
        for name, asks in scripts.items():
            told = [(ask.name, ask.args, ask.kwargs) for ask in asks]
            self._children[name].start_timed(told, begin)
        return {
            name: [
                Answer(ask, *given)
                for ask, given in zip(asks, self._children[name].timed(PATIENCE))
            ]
            for name, asks in scripts.items()
        }


def _called(raw: Any, ask: Ask) -> Answer:
    began = time.monotonic_ns()
    try:
        result = getattr(raw, ask.name)(*ask.args, **ask.kwargs)
    except Exception as error:  # noqa: BLE001 - handed to the case
        return Answer(ask, began, time.monotonic_ns(), error=repr(error))
    return Answer(ask, began, time.monotonic_ns(), result)


async def _by_tasks(raw: Any, scripts: Scripts) -> Answers:
    answers: Answers = {name: [] for name in scripts}

    async def work(name: str) -> None:
        for ask in scripts[name]:
            answers[name].append(await _awaited(raw, ask))

    def made() -> int:
        return sum(map(len, answers.values()))

    for ending in await answered(*map(work, scripts), patience=PATIENCE, made=made):
        if ending is not None:
            raise ending
    return answers


async def _awaited(raw: Any, ask: Ask) -> Answer:
    began = time.monotonic_ns()
    # A task of its own: the calls that are issued in one tick are all under way in it.
    call = asyncio.ensure_future(getattr(raw, f"a{ask.name}")(*ask.args, **ask.kwargs))
    try:
        result = await call
    except Exception as error:  # noqa: BLE001 - handed to the case
        return Answer(ask, began, time.monotonic_ns(), error=repr(error))
    return Answer(ask, began, time.monotonic_ns(), result)
