"""
Stores that keep something when they are closed (O19).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any, ClassVar

from store_conformance.mutants.reference import ReferenceStore


class Keeps(ReferenceStore):
    """A base for stores that hold something beyond their end."""

    kept: ClassVar[list[Any]] = []

    @classmethod
    def take(cls) -> Any:
        raise NotImplementedError

    def __init__(self, at: Any, index: Any = None, ttl: Any = None) -> None:
        super().__init__(at, index=index, ttl=ttl)
        self.kept.append(self.take())


class ClosingLeavesAThread(Keeps):
    """Each opening starts a thread that goes on after the close."""

    breaks = "O19"

    @classmethod
    def take(cls) -> Any:
        thread = threading.Thread(target=threading.Event().wait, daemon=True)
        thread.start()
        return thread


class ClosingLeavesTheSweeper(ReferenceStore):
    """A sweeper that nobody has stopped goes on after the close."""

    breaks = "O19"
    modes = ("sync",)

    def close(self) -> None:
        with self.lock:
            self.connection.close()


class ClosingLeavesAFile(Keeps):
    """Each opening opens a file that the close leaves open."""

    breaks = "O19"

    @classmethod
    def take(cls) -> Any:
        return open(__file__, encoding="utf-8")


class ClosingLeavesASocket(Keeps):
    """Each opening takes a port that the close does not give back."""

    breaks = "O19"

    @classmethod
    def take(cls) -> Any:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        return listening


class ClosingLeavesAProcess(Keeps):
    """Each opening starts a process that the close does not end."""

    breaks = "O19"

    @classmethod
    def take(cls) -> Any:
        waiting = "import sys; sys.stdin.read()"  # ends with us: its standard input is closed then
        return subprocess.Popen([sys.executable, "-S", "-c", waiting], stdin=subprocess.PIPE)


class ClosingLeavesATemporaryFile(Keeps):
    """Each opening writes a temporary file that the close does not remove; this process does at its end."""

    breaks = "O19"

    @classmethod
    def take(cls) -> Any:
        number, path = tempfile.mkstemp(prefix="left-by-a-store-")
        os.close(number)
        return weakref.finalize(cls, Path(path).unlink, missing_ok=True)
