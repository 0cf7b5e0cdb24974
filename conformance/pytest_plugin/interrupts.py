"""
Who sends a worker that runs a user's store its SIGINT: the run, which is to end, or the store.

A worker is in a process group of its own, so that the Ctrl-C of a terminal reaches the run's process alone, which
hands it on.  What comes without that was sent by the store: it would end an application, and ends nothing here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ENDED_SECONDS = 5.0
"""What a process whose pipes are closed may take to be gone."""
ENDING = "ending"
"""The name of the file by which the run says that it is to end."""


class Interrupts:
    """The handler of a worker; ``take`` says whether the store has interrupted it since the last time."""

    def __init__(self, folder: Path) -> None:
        self._ending = folder / ENDING
        self._parent = os.getppid()
        self._by_the_store = False

    def guard(self) -> None:
        """From now on, where processes have groups."""
        if not hasattr(os, "setpgid"):
            return
        with contextlib.suppress(
            OSError
        ):  # the first process of a session is in a group of its own
            os.setpgid(0, 0)
        signal.signal(signal.SIGINT, self._obey)

    def _obey(self, number: int, frame: object) -> None:
        # A worker whose run is gone is told by what connected it to the run.
        if self._ending.exists() or os.getppid() != self._parent:
            raise KeyboardInterrupt
        self._by_the_store = True

    def take(self) -> bool:
        found, self._by_the_store = self._by_the_store, False
        return found


class HandsOn:
    """A plugin of the process that the user's Ctrl-C reaches: tells the workers that the run is to end."""

    def __init__(self, folder: Path, workers: Sequence[Any]) -> None:
        self._ending = folder / ENDING
        self._workers = workers

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        self._say()
        for worker in self._workers:
            process = process_of(worker)
            if process is not None and process.poll() is None:
                with contextlib.suppress(OSError):
                    process.send_signal(signal.SIGINT)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._say()

    def _say(self) -> None:
        with contextlib.suppress(OSError):
            self._ending.touch()


def process_of(worker: Any) -> Any:
    """As execnet has it; ``None`` where it has none."""
    return getattr(getattr(worker.gateway, "_io", None), "popen", None)


def exit_code(worker: Any) -> int | None:
    """That of a worker that has ended; ``None`` where it cannot be had."""
    process = process_of(worker)
    if process is None:
        return None
    try:
        return int(process.wait(timeout=ENDED_SECONDS))
    except subprocess.TimeoutExpired:
        return None
