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

LOCK = ".running"
"""Holds the process id of the run that writes to the folder."""
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
    if not _claim(lock):
        owner = _owner(lock)
        if owner is not None:
            raise UserError(
                f"process {owner} is writing a run to {out}",
                "wait for it, or give another folder with --out",
            )
        lock.unlink(missing_ok=True)
        if not _claim(lock):
            raise UserError(
                f"another run has just begun in {out}", "give another folder with --out"
            )
    try:
        yield folder
    finally:
        lock.unlink(missing_ok=True)


def _claim(lock: Path) -> bool:
    try:
        with lock.open("x", encoding="ascii") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return False
    return True


def _owner(lock: Path) -> int | None:
    """The process that holds the claim, ``None`` where it has ended; its number may be another's by now."""
    try:
        owner = int(lock.read_text("ascii"))
        begun = psutil.Process(owner).create_time()
        written = lock.stat().st_mtime
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None
    except psutil.Error:  # it is there, and may not be looked at
        return owner
    return owner if begun <= written + CLOCK_SECONDS else None
