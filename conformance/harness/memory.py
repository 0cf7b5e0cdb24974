"""
Memory that the machine or a container lacks: Linux then ends a process, which is told from one that ended itself.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

_SCORE = Path("/proc/self/oom_score_adj")
_COUNTERS = Path("/proc/vmstat")
_READILY = "500"


def go_first() -> None:
    """Where memory is lacking, let this process and its children be ended before the one that writes the reports."""
    with contextlib.suppress(OSError):  # no Linux, or it is forbidden here
        _SCORE.write_text(_READILY, "ascii")


def ended_so_far() -> int:
    """How many processes the system has ended for want of memory since it was started; 0 where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in _COUNTERS.read_text("ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
