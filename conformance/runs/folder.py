"""
The folder that a run writes to: it is there, can be written to, and belongs to one run at a time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from store_conformance.contract import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".running"
"""Locked by the run that writes to the folder; holds its process id."""
CLOCK_SECONDS = 2.0
"""How far the clocks of processes and of file systems may be apart."""


def prepare_folder(out: Path) -> Path:
    """An existing, writable folder; raises ``UserError`` before any work is done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"cannot write to {out} ({error.strerror})", "give another folder with --out"
        ) from None
    return out


@contextlib.contextmanager
def claimed_folder(out: Path) -> Iterator[Path]:
    """
    The folder for one run alone; raises ``UserError`` while another run writes to it.

    What a run that was killed has left of its claim is taken over.
    """
    folder = prepare_folder(out)
    lock = folder / LOCK
    claim = _claim(lock)
    if claim is None:
        raise UserError(
            f"process {_owner(lock)} is writing a run to {out}",
            "wait for it, or give another folder with --out",
        )
    try:
        yield folder
    finally:
        if fcntl is None:  # Windows removes no open file
            os.close(claim)
            lock.unlink(missing_ok=True)
        else:
            lock.unlink(missing_ok=True)
            os.close(claim)


def _claim(lock: Path) -> int | None:
    """
    The open file that holds the claim; ``None`` while another process holds it.

    The system's lock tells, not the process id: another container that writes to the same volume has ids of its own.
    """
    while True:
        claim = _opened(lock)
        try:
            if _is_held(claim, lock):
                os.close(claim)
                return None
            if _is_at(claim, lock):
                os.truncate(claim, 0)
                os.write(claim, str(os.getpid()).encode("ascii"))
                return claim
        except BaseException:
            os.close(claim)
            raise
        os.close(claim)  # of a run that has just ended and took its claim away


def _opened(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:  # another user's, or no file
        raise UserError(
            f"cannot write to {lock} ({error.strerror})",
            "remove it if no run is going on there, or give another folder with --out",
        ) from None


def _is_held(claim: int, lock: Path) -> bool:
    """Whether another process holds the claim; where the file system has no locks, whether the one it names lives."""
    if fcntl is not None:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass
        else:
            return False
    return _lives(lock)


def _is_at(claim: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(claim), lock.stat())
    except FileNotFoundError:
        return False


def _owner(lock: Path) -> str:
    """The process id as its owner wrote it, which may mean nothing here."""
    try:
        return lock.read_text("ascii").strip() or "?"
    except (OSError, ValueError):
        return "?"


def _lives(lock: Path) -> bool:
    """Whether the process that the claim names has not ended; its number may be another's by now."""
    try:
        owner = int(_owner(lock))
        begun = psutil.Process(owner).create_time()
        written = lock.stat().st_mtime
    except (OSError, ValueError, psutil.NoSuchProcess):
        return False
    except psutil.Error:  # it is there, and may not be looked at
        return True
    return begun <= written + CLOCK_SECONDS
