"""
Whether a call that gives no answer is stuck, or may only be slow.

A time-out alone does not tell: the machine may be loaded, or the engine far away.  A call is shown to be
stuck when nothing in its process moves any more and nothing outside is being waited for: no processor time
is used, no thread is kept waiting for a core or a disk, every thread stands where it stood, and no connection
is open over which an answer might come.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from store_conformance.harness.leftovers import connections

WINDOW_SECONDS = 2.0
SAMPLES = 8
BUSY_SHARE = 0.05
"""Of one core: what looking takes itself, and no more."""
KEPT_WAITING = 2
"""In so many looks a thread that works is found ready to run; one that wakes now and then is in one at most."""

Place = tuple[str, int]
"""A file and a line."""


@dataclass(frozen=True)
class Standstill:
    """What was seen of a process while a call in it gave no answer."""

    moved: bool
    """Whether processor time was used, a thread went on, or would have if the machine had let it."""
    connected: bool
    """Whether the process holds a connection over which an answer might still come."""
    place: str
    """Where the call's thread stands: ``function (file:line)``, empty where the thread is gone."""
    load: str
    """The machine's load beside its cores, empty where the system does not tell."""

    @property
    def stuck(self) -> bool:
        return not self.moved and not self.connected

    def __str__(self) -> str:
        at = f" in {self.place}" if self.place else ""
        if self.stuck:
            return f"it is stuck{at}: nothing in its process moved any more"
        machine = f" ({self.load})" if self.load else ""
        return f"too slow to tell: it was still{at}{machine}"


def look_at(ident: int | None, window: float = WINDOW_SECONDS) -> Standstill:
    """
    Watch this process and its children for ``window`` seconds; ``ident`` is the thread of the call.

    The thread that looks is left out.
    """
    processes = _processes()
    before = _seconds_used(processes)
    first, moved = _places(), False
    ready: Counter[tuple[int, int]] = Counter()
    begin = time.monotonic()
    for _ in range(SAMPLES):
        time.sleep(window / SAMPLES)
        moved = moved or _places() != first
        ready.update(_ready(processes))
    moved = moved or any(looks >= KEPT_WAITING for looks in ready.values())
    share = (_seconds_used(processes) - before) / max(time.monotonic() - begin, 0.001)
    frame = sys._current_frames().get(ident or -1)
    return Standstill(
        moved=moved or share > BUSY_SHARE,
        connected=any(map(_is_connected, processes)),
        place=_told(frame) if frame is not None else "",
        load=_load(),
    )


def _processes() -> list[psutil.Process]:
    me = psutil.Process()
    try:
        return [me, *me.children(recursive=True)]
    except psutil.Error:
        return [me]


def _seconds_used(processes: list[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def _ready(processes: list[psutil.Process]) -> Iterator[tuple[int, int]]:
    """
    The threads that wait for nothing but a core or the disk, where the system tells (Linux).

    On a machine that is loaded, a store that computes in native code uses next to no time and stands at one line.
    """
    looking = threading.get_native_id()
    for process in processes:
        for stat in Path(f"/proc/{process.pid}/task").glob("*/stat"):
            thread = int(stat.parent.name)
            try:
                state = stat.read_text(errors="replace").rpartition(")")[2].split()[0]
            except (OSError, IndexError):
                continue  # it has ended meanwhile
            if state in ("R", "D") and thread != looking:
                yield process.pid, thread


def _is_connected(process: psutil.Process) -> bool:
    try:
        return any(c.status != psutil.CONN_LISTEN for c in connections(process, "inet"))
    except (psutil.Error, OSError):
        return True  # it cannot be seen, so it cannot be ruled out


def _places() -> dict[int, Place]:
    """Where each thread but this one stands."""
    me = sys._getframe()
    frames = sys._current_frames()
    own = next((i for i, f in frames.items() if _is_within(me, f)), None)
    return {i: (f.f_code.co_filename, f.f_lasti) for i, f in frames.items() if i != own}


def _is_within(frame: FrameType, top: FrameType | None) -> bool:
    while top is not None:
        if top is frame:
            return True
        top = top.f_back
    return False


def _told(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_name} ({Path(code.co_filename).name}:{frame.f_lineno})"


def _load() -> str:
    if not hasattr(os, "getloadavg"):
        return ""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count() or 1} cores"
