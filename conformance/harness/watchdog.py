"""
Ends a process in which Python itself stands still: native code of a store that holds the interpreter's
lock (the GIL) while it waits, or a process that was stopped.

No time-out inside Python fires then, and no signal handler runs.  Two things outside of Python watch.  A
thread of C in `faulthandler`, which needs no lock, writes what every thread was doing and ends the process.
And the process writes down until when it will be heard of again, for a supervisor in another process
(`store_conformance.pytest_plugin.supervising`), because a store may take the first away.  Only processes
that something else watches are guarded: the workers of a run, whose controller records the case that was
under way and starts another worker.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from faulthandler import (
    cancel_dump_traceback_later,
    dump_traceback_later,
)  # by name, as the clock is
from os import fstat, getpid, lseek, write  # by name, as the clock is
from pathlib import Path
from time import monotonic  # by name: a store may put another clock into the module
from typing import IO

GRACE_SECONDS = 5.0
"""How much longer than a case's time-out the process may stand still."""
NEAR_SECONDS = 0.25
"""A deadline this near the one that is set is not set anew: each time costs a thread of C, and many may ask."""
BEAT = ".beat"
"""Ends the name of the file with the process id and the time until which the process will be heard of."""

_file: IO[str] | None = None
_beat: int | None = None
_beat_is: tuple[int, int] | None = None
"""Which file that is: a store may close our descriptor and open a file of its own in its place."""
_deadline = 0.0
_watched = 0
_lock = threading.Lock()


def guard_process(stacks: Path) -> None:
    """From now on ``feed`` has an effect in this process; ``stacks`` is where its threads are written."""
    global _file, _beat, _beat_is
    if _file is None:
        _file = stacks.open("w", encoding="utf-8")
        _beat = os.open(beat_file(stacks), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        _beat_is = identity(_beat)


def beat_file(stacks: Path) -> Path:
    return stacks.with_name(stacks.name + BEAT)


def feed(seconds: float) -> None:
    """Tell the watchdogs that Python runs; if they are not told again within ``seconds``, the process ends."""
    global _deadline
    deadline = monotonic() + seconds + GRACE_SECONDS
    if _file is None or abs(deadline - _deadline) < NEAR_SECONDS:
        return
    _deadline = deadline
    with contextlib.suppress(OSError, ValueError):  # the store closed what is not its own
        _write_beat(deadline)
        dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=_file)


def rest() -> None:
    """Nothing is under way: the process may do nothing for as long as it likes."""
    global _deadline
    _deadline = 0.0
    if _file is not None:
        with contextlib.suppress(OSError, ValueError):
            _write_beat(0.0)
            cancel_dump_traceback_later()


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """Something is under way that calls ``feed``; after the last such block the watchdogs rest."""
    global _watched
    with _lock:
        _watched += 1
    try:
        yield
    finally:
        with _lock:
            _watched -= 1
            if not _watched:
                rest()


def identity(descriptor: int) -> tuple[int, int]:
    """Which file, pipe or socket a descriptor leads to; raises ``OSError`` where it leads nowhere."""
    seen = fstat(descriptor)
    return seen.st_dev, seen.st_ino


def _write_beat(deadline: float) -> None:
    if _beat is not None and identity(_beat) == _beat_is:
        lseek(_beat, 0, os.SEEK_SET)
        write(_beat, f"{getpid():12d} {deadline:20.3f}\n".encode())


def read_beat(file: Path) -> tuple[int, float] | None:
    """The process and until when it will be heard of; ``None`` while nothing is under way."""
    try:
        pid, deadline = file.read_text("ascii").split()
        found = int(pid), float(deadline)
    except (OSError, ValueError):
        return None
    return found if found[1] > 0 else None


def release_process() -> None:
    """End the guard of this process and remove its file."""
    global _file, _beat
    if _file is not None:
        rest()
        _file.close()
        _file = None
    if _beat is not None:
        with contextlib.suppress(OSError):
            if identity(_beat) == _beat_is:
                os.close(_beat)
        _beat = None


def forget_process() -> None:
    """In a fork of a guarded process: the guard and its files are not the fork's."""
    global _file, _beat, _deadline
    _file = _beat = None
    _deadline = 0.0


def read_stacks(stacks: Path, most: int = 30) -> tuple[str, ...]:
    """What the threads of a process were doing when its watchdog ended it; nothing if it did not."""
    try:
        text = stacks.read_text("utf-8", errors="replace")
    except OSError:
        return ()
    return tuple(text.strip().splitlines()[:most])
