"""
Ends workers from outside that are not heard of any more: stopped, or still with their own watchdog gone.

A worker says until when it will be heard of (`store_conformance.harness.watchdog`).  One that stays silent
beyond that is killed, and so is one that has cases to run, is in none and does nothing: what a store took from it
may be what it talks with.  xdist then reports the case that was under way and starts another worker.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import getpid
from pathlib import Path

import psutil

from store_conformance.contract.hurry import in_a_hurry
from store_conformance.harness.backends import kill_tree
from store_conformance.harness.watchdog import BEAT, GRACE_SECONDS, read_beat

LOOK_SECONDS = 1.0
LOOKS = 5
"""So many looks in a row must find a worker silent: the whole run may have been stopped for a while."""
KILLED = "killed from outside: it stood still, and its own watchdog had not ended it"
IDLE = "killed from outside: its next case did not begin, and its process did nothing"
IDLE_SECONDS = 60.0
IDLE_EVERY = 5
"""Of so many looks one is for idle workers: to ask whose children run reads every process of the machine."""
IDLE_SHARE = 0.02
"""A process that works has more of the processor's time than this, also where very many share it."""
AT_ONCE = "killed from outside: the run was to end at once"


@dataclass(frozen=True)
class Owing:
    """A worker from which something is to come: its process, and its name among xdist's."""

    pid: int
    worker: str


class Supervisor:
    """Watches the files in which workers say until when they will be heard of; a daemon thread."""

    def __init__(self, folder: Path, owing: Callable[[], Iterable[Owing]] = tuple) -> None:
        """``owing``: the workers that have something to do, as far as their controller knows."""
        self._folder = folder
        self._owing = owing
        self._idle: dict[int, tuple[float, float]] = {}
        """Since when each of them has done nothing, and how much it had done until then."""
        self._silent: Counter[int] = Counter()
        self._end = threading.Event()
        threading.Thread(target=self._watch, name="supervisor", daemon=True).start()

    def stop(self) -> None:
        self._end.set()

    def _watch(self) -> None:
        looks = 0
        while not self._end.wait(LOOK_SECONDS):
            looks += 1
            if in_a_hurry():
                self.end_all()
                continue
            self.look()
            if looks % IDLE_EVERY == 0:
                self.look_for_idle()

    def end_all(self) -> None:
        """Kill every worker that is still in the middle of a case: the user has asked twice for the end."""
        for file in self._folder.glob(f"*{BEAT}"):
            found = read_beat(file)
            if found is not None:
                self._kill(found[0], file, AT_ONCE)

    def look(self) -> None:
        """Look once at every worker."""
        for file in self._folder.glob(f"*{BEAT}"):
            found = read_beat(file)
            if found is None:
                continue
            pid, deadline = found
            if time.monotonic() < deadline + GRACE_SECONDS:
                self._silent[pid] = 0
                continue
            self._silent[pid] += 1
            if self._silent[pid] == LOOKS:
                self._kill(pid, file, KILLED)

    def look_for_idle(self, seconds: float = IDLE_SECONDS) -> None:
        """Look once at every worker that has something to do and is in no case."""
        now = time.monotonic()
        found = (read_beat(file) for file in self._folder.glob(f"*{BEAT}"))
        under_way = {beat[0] for beat in found if beat is not None}
        for one in self._owing():
            spent = None if one.pid in under_way else _spent_at_rest(one.pid)
            if spent is None:
                self._idle.pop(one.pid, None)
                continue
            since, before = self._idle.setdefault(one.pid, (now, spent))
            if spent - before > IDLE_SHARE * max(1.0, now - since):
                del self._idle[one.pid]
            elif now - since >= seconds:
                del self._idle[one.pid]
                self._kill(one.pid, self._folder / f"{one.worker}.txt{BEAT}", IDLE)

    def _kill(self, pid: int, file: Path, why: str) -> None:
        if not _is_child(pid):  # a store may have written another number
            file.unlink(missing_ok=True)
            return
        with contextlib.suppress(OSError), file.with_suffix("").open("a", encoding="utf-8") as told:
            told.write(f"{why}\n")
        file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            if hasattr(signal, "SIGKILL"):
                os.kill(pid, signal.SIGKILL)
            else:
                kill_tree(pid)


def _spent_at_rest(pid: int) -> float | None:
    """The seconds that a process has computed; ``None`` where it computes now, or waits for one of its own."""
    try:
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_SLEEPING or process.children():
            return None
        times = process.cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)


def _is_child(pid: int) -> bool:
    """Whether that process was started by this one, as every worker was: no other is ended."""
    try:
        return bool(psutil.Process(pid).ppid() == getpid())
    except psutil.Error:
        return False
