"""
Syncs that fail: strace holds the processes that write to a disk, and answers their syncs with an error.

It stands between a process and the system, so that it sees a program in any language, and can take hold of one that
runs already.  (libfiu, which is preloaded, sees nothing of Go, and ends Postgres: both have a function ``hash_create``.)
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import psutil

TOOL = "strace"
CALLS = "fsync,fdatasync,sync_file_range,msync,syncfs,sync"
"""What a program asks the system for in order to have something on the disk."""
SECONDS = 10.0
HINT = f"install it (apt install {TOOL}, dnf install {TOOL})"
REFUSED = "strace may not take hold of processes here (ptrace is not allowed)"
TRIAL = """
import os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
for line in sys.stdin:
    try:
        os.fsync(file)
        print("synced", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""


class NoFailingSyncError(Exception):
    """Syncs cannot be made to fail here; the text says why."""


def problem() -> str | None:
    """Why syncs cannot be made to fail on this machine, as far as that can be told without trying."""
    if sys.platform != "linux":
        return "a failing fsync needs Linux, where strace can answer for the system"
    if shutil.which(TOOL) is None:
        return f"a failing fsync needs {TOOL} on PATH: {HINT}"
    return None


class FailingSync:
    """From now on every sync of these processes, their threads and what they start is an error, until ``end``."""

    def __init__(self, pids: Sequence[int]) -> None:
        """Returns when it holds all of them; raises ``NoFailingSyncError``."""
        trouble = problem()
        if trouble is not None:
            raise NoFailingSyncError(trouble)
        held = [word for pid in pids for word in ("-p", str(pid))]
        inject = ("-e", f"trace={CALLS}", "-e", f"inject={CALLS}:error=EIO")
        self._process = subprocess.Popen(
            [TOOL, "-f", *inject, "-o", os.devnull, *held],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        try:
            self._wait(pids)
        except BaseException:
            self.end()
            raise

    def _wait(self, pids: Sequence[int]) -> None:
        """Until it says of each that it is attached; one that has ended in the meantime does not matter."""
        deadline, said = time.monotonic() + SECONDS, ""
        assert self._process.stderr is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stderr, selectors.EVENT_READ)
            while True:
                if all(f"Process {pid} attached" in said for pid in pids if psutil.pid_exists(pid)):
                    return
                piece = b""
                if waiting.select(max(0.0, deadline - time.monotonic())):
                    piece = os.read(self._process.stderr.fileno(), 1 << 16)
                if not piece:
                    raise NoFailingSyncError(f"{REFUSED}: {' '.join(said.split())[-200:]}")
                said += piece.decode(errors="replace")

    def end(self) -> None:
        """Let them go; a second call does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()


def tried() -> str | None:
    """Why syncs cannot be made to fail, seen by making one fail; ``None`` where they can."""
    with (
        tempfile.NamedTemporaryFile() as file,
        subprocess.Popen(
            [sys.executable, "-c", TRIAL, file.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as child,
    ):  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            before = _asked(child)
            syncs = FailingSync((child.pid,))
            try:
                during = _asked(child)
            finally:
                syncs.end()
            after = _asked(child)
        except NoFailingSyncError as error:
            return str(error)
        finally:
            with contextlib.suppress(OSError):
                child.stdin.close()
    worked = before == after == "synced" and during == os.strerror(5)
    return None if worked else f"{TOOL} does not make syncs fail here: {before}, {during}, {after}"


def _asked(child: subprocess.Popen[str]) -> str:
    print(file=child.stdin, flush=True)
    assert child.stdout is not None
    return child.stdout.readline().strip()
