"""
Ends a process in which Python itself stands still: native code of a store that holds the interpreter's
lock (the GIL) while it waits.

No time-out inside Python fires then, and no signal handler runs.  The watchdog is a thread of C in
`faulthandler`, which needs no lock: it writes what every thread was doing and ends the process.  Only
processes that something else watches are guarded: the workers of a run, whose controller records the case
that was under way and starts another worker.
"""

from __future__ import annotations

import faulthandler
from pathlib import Path
from typing import IO

GRACE_SECONDS = 5.0
"""How much longer than a case's time-out the process may stand still."""

_file: IO[str] | None = None


def guard_process(stacks: Path) -> None:
    """From now on ``feed`` has an effect in this process; ``stacks`` is where its threads are written."""
    global _file
    if _file is None:
        _file = stacks.open("w", encoding="utf-8")


def feed(seconds: float) -> None:
    """Tell the watchdog that Python runs; if it is not told again within ``seconds``, the process ends."""
    if _file is not None:
        faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=_file)


def rest() -> None:
    """Nothing is under way: the process may do nothing for as long as it likes."""
    if _file is not None:
        faulthandler.cancel_dump_traceback_later()


def release_process() -> None:
    """End the guard of this process and remove its file."""
    global _file
    if _file is not None:
        rest()
        _file.close()
        _file = None


def read_stacks(stacks: Path, most: int = 30) -> tuple[str, ...]:
    """What the threads of a process were doing when its watchdog ended it; nothing if it did not."""
    try:
        text = stacks.read_text("utf-8", errors="replace")
    except OSError:
        return ()
    return tuple(text.strip().splitlines()[:most])
