"""
How many processes a run is shared out to, where the user leaves that to us.
"""

from __future__ import annotations

import os

MOST = 8
"""More processes than this would mostly wait for the engine that they share."""
FEW = 150
"""So many cases take one process about as long as other processes take to start."""
MANY_WAIT = 40
"""So many cases that wait keep a process for longer, with nothing to do, than others take to start."""
MORE = 2
"""Processes beside those of the cores in such a run: one for that which waits, one for all that wait for the engines."""


def usable_cores() -> int:
    """The processors that this process may use, not those that the machine has; at least one."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def choose_workers(asked: int | None, cases: int, waiting: int = 0) -> int:
    """
    The number of processes: as asked, or by the cores for more than a few cases.

    ``waiting`` of the cases mostly wait, all of them in one process: where these are many, there are `MORE`.  0 and
    1 both mean this process.
    """
    if asked is not None:
        return asked
    if cases <= FEW:
        return 0
    return min(usable_cores() + MORE * (waiting > MANY_WAIT), MOST)
