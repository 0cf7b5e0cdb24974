"""
Threads that begin together, and rounds of theirs that a slow store has time for; no case itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from store_conformance.harness.subject import Subject

SPAN = 6.0
"""Seconds that a slow store may take for the calls of one case; fewer rounds are made for it."""
LONGEST = 40.0
"""Seconds after which no new round begins, on a machine that is busy with other things."""


def in_threads(works: list[Callable[[], Any]], seconds: float = 100.0) -> list[BaseException]:
    """Run each in a thread of its own, all at once; gives what they raised."""
    gate = threading.Barrier(len(works))
    raised: list[BaseException] = []

    def run(work: Callable[[], Any]) -> None:
        try:
            gate.wait(60)
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the case
            raised.append(error)

    threads = [threading.Thread(target=run, args=(w,), daemon=True) for w in works]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    if any(t.is_alive() for t in threads):
        raised.append(RuntimeError(f"a thread gave no answer within {seconds:g} s"))
    return raised


def rounds_for(store: Subject, calls: int, most: int) -> int:
    """How many rounds of so many calls a slow store may be given."""
    begin = time.monotonic()
    store.put(("probe",), "k", {"n": 0})
    store.get(("probe",), "k")
    store.delete(("probe",), "k")
    each = (time.monotonic() - begin) / 3
    return max(4, min(most, int(SPAN / (each * calls))))


def in_time(rounds: int, made: list[int], me: int) -> Iterator[int]:
    """The numbers of the rounds that there is time for; ``made[me]`` counts those that were ended."""
    end = time.monotonic() + LONGEST
    for n in range(rounds):
        if n and time.monotonic() > end:
            return
        yield n
        made[me] = n + 1
