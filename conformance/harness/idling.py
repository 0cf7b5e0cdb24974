"""
How much processor time is used by what a case has not asked for.

It is told by thread, so that what was busy before the store was opened is left out; a machine that is loaded
changes how long a thread waits for its turn, and not what it uses.
"""

from __future__ import annotations

import threading
import time

import psutil

TICK = 0.01
"""Seconds: what the system counts in."""


def _used() -> dict[int, float]:
    """Seconds of each thread of this process, and of each child by its negative process id."""
    me = psutil.Process()
    try:
        seconds = {t.id: t.user_time + t.system_time for t in me.threads()}
    except (psutil.Error, OSError):  # not for everybody on every system
        seconds = {0: time.process_time()}
    for child in me.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        seconds[-child.pid] = times.user + times.system
    return seconds


def used_while_waiting(seconds: float) -> dict[int, float]:
    """
    What each thread and child used of the processor while the caller slept, as a share of the time.

    The caller itself is left out: it sleeps, and what it used it used for looking.
    """
    before, begin = _used(), time.monotonic()
    time.sleep(seconds)
    after, took = _used(), time.monotonic() - begin
    me = threading.get_native_id()
    return {w: (used - before.get(w, used)) / took for w, used in after.items() if w != me}


def busy_now(seconds: float) -> frozenset[int]:
    """Who uses the processor without a store being open: leftovers of other cases."""
    shares = used_while_waiting(seconds)
    return frozenset(who for who, share in shares.items() if share * seconds > TICK)
