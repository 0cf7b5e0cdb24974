"""
Ends workers from outside that are not heard of any more: stopped, or still with their own watchdog gone.

A worker says until when it will be heard of (`store_conformance.harness.watchdog`).  One that stays silent
beyond that is killed; xdist then reports the case that was under way and starts another worker.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter
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
AT_ONCE = "killed from outside: the run was to end at once"


class Supervisor:
    """Watches the files in which workers say until when they will be heard of; a daemon thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._silent: Counter[int] = Counter()
        self._end = threading.Event()
        threading.Thread(target=self._watch, name="supervisor", daemon=True).start()

    def stop(self) -> None:
        self._end.set()

    def _watch(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            if in_a_hurry():
                self.end_all()
            else:
                self.look()

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


def _is_child(pid: int) -> bool:
    """Whether that process was started by this one, as every worker was: no other is ended."""
    try:
        return bool(psutil.Process(pid).ppid() == getpid())
    except psutil.Error:
        return False
