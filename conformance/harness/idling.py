"""
How busy what a case has not asked for is: threads of this process, and its children.

It is told by thread, so that what was busy before the store was opened is left out.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

TICK = 0.01
"""Seconds: what systems count in that keep no finer account."""
WAKING_SECONDS = 20e-6
"""What it costs at least to wake a thread: most of it is in nobody's account."""
LOOK_SECONDS = 0.02
"""How soon to look again at a thread that waits for a processor."""
LONGER = 3
"""So many times the seconds asked for are added, until no thread waits for a processor."""

Thread = tuple[int, int]
"""A process, and its thread as the system counts threads (0: all of them, where they are not told apart)."""


@dataclass(frozen=True)
class Spent:
    """What a thread has done up to now, in seconds."""

    working: float
    waiting: float = 0.0
    """For a processor that others had, up to the last time it got one; 0 where the system does not say."""
    turns: int = 0
    """How often it got a processor."""
    ready: bool = False
    """Whether it works, or waits for a processor, right now; unknown where the system does not say."""


def used_while_waiting(seconds: float) -> dict[Thread, float]:
    """
    How much of its time each thread of this process and of its children worked while the caller slept.

    The time that a thread waits for a processor is none of its own: what works whenever it may has a share near
    1, however little a loaded machine lets it, and what sleeps has 0 (on Linux; elsewhere shares are of the
    whole time, and what is starved seems to rest).  The caller is left out: it works only to look.
    """
    before, begin = _spent(), time.monotonic()
    time.sleep(seconds)
    after = _spent()
    restless = _ready(after)
    while restless and time.monotonic() - begin < (1 + LONGER) * seconds:
        time.sleep(LOOK_SECONDS)
        after = _spent()
        restless &= _ready(after)
    took = time.monotonic() - begin
    return {
        who: 1.0 if who in restless else _share(before.get(who, spent), spent, took)
        for who, spent in after.items()
        if who != _me()
    }


def busy_now(seconds: float) -> frozenset[Thread]:
    """Who is busy without a store being open: leftovers of other cases."""
    shares = used_while_waiting(seconds)
    return frozenset(who for who, share in shares.items() if share * seconds > TICK)


def _share(before: Spent, after: Spent, took: float) -> float:
    woken = (after.turns - before.turns) * WAKING_SECONDS
    working = max(after.working - before.working, woken)
    own = took - (after.waiting - before.waiting)
    return working / max(own, working) if working > 0.0 else 0.0


def _ready(spent: dict[Thread, Spent]) -> set[Thread]:
    """Those who would work now.  What they have waited since is in no account yet."""
    return {who for who, now in spent.items() if now.ready and who != _me()}


def _me() -> Thread:
    return os.getpid(), threading.get_native_id()


def _spent() -> dict[Thread, Spent]:
    me = psutil.Process()
    spent = dict(_of_process(me))
    for child in me.children(recursive=True):
        with suppress(psutil.Error, OSError):
            spent.update(_of_process(child))
    return spent


def _of_process(process: psutil.Process) -> Iterator[tuple[Thread, Spent]]:
    tasks = Path(f"/proc/{process.pid}/task")
    told = False
    for task in tasks.iterdir() if tasks.is_dir() else ():
        with suppress(OSError, ValueError):  # it has just ended, or the kernel keeps no account
            # The state first: what begins to wait afterwards has hardly waited.
            ready = (task / "stat").read_text("latin-1").rpartition(")")[2].split()[0] == "R"
            working, waiting, turns = map(int, (task / "schedstat").read_text().split())
            told = True
            spent = Spent(working / 1e9, waiting / 1e9, turns, ready)
            yield (process.pid, int(task.name)), spent
    if told:
        return
    try:
        for thread in process.threads():
            yield (process.pid, thread.id), Spent(thread.user_time + thread.system_time)
    except (psutil.Error, OSError):  # not for everybody on every system
        times = process.cpu_times()
        yield (process.pid, 0), Spent(times.user + times.system)
