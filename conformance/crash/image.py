"""
A disk that loses power: a file system of its own in a file, of which only that is kept which was synced.

Linux writes to a file system's device what a program syncs, and the rest when it likes (here: not for
minutes).  So a copy of the image taken while nothing else has been written holds what a machine would find after
its power had failed, on a disk that keeps whatever it was sent.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if sys.platform != "win32":
    import fcntl

MEGABYTES = 1024
"""The size of the file, which takes only what is written to it."""
PREFIX = "store-conformance-image-"
UNFINISHED = f"new-{PREFIX}"
"""The beginning of a folder's name until it has its lock."""
UNFINISHED_SECONDS = 60.0
COMMANDS = ("mkfs.ext4", "mount", "umount", "sync", "cp")
COMMIT_SECONDS = 300
"""When the file system would write by itself; a strike takes far less."""
BUSY_SECONDS = 5.0
LARGEST_PIECE, SMALLEST_PIECE = 64 << 20, 4 << 10
"""Bytes that are taken at once where a disk is filled."""


class NoImageError(Exception):
    """No such disk can be had here; the text says why."""


def problem(what: str = "a disk of its own") -> str | None:
    """Why what needs such a disk cannot be had on this machine, as far as that can be told without trying."""
    if sys.platform != "linux":
        return f"{what} needs Linux, whose loop devices it is made with"
    if os.geteuid() != 0:
        return f"{what} needs root, to mount a file system of its own"
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        return f"{what} needs {', '.join(missing)} on PATH"
    return None


class Image:
    """An ext4 file system in a file, mounted at ``mount`` until ``close``."""

    def __init__(self, parent: str | None = None) -> None:
        """Raises ``NoImageError`` where that cannot be done."""
        trouble = problem()
        if trouble is not None:
            raise NoImageError(trouble)
        where = Path(parent or tempfile.gettempdir())
        clear_left(where)
        self.folder, self._lock = _new_folder(where)
        self.mount = self.folder / "mount"
        self._file = self.folder / "disk.img"
        self._ballast = self.mount / "ballast"
        try:
            self.mount.mkdir()
            with self._file.open("wb") as file:
                file.truncate(MEGABYTES << 20)
            _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", str(self._file))
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        options = f"loop,noatime,commit={COMMIT_SECONDS}"
        _run("mount", "-t", "ext4", "-o", options, str(self._file), str(self.mount))

    def settle(self) -> None:
        """Write everything to the image that is there now."""
        _run("sync", "-f", str(self.mount))

    def cut(self) -> None:
        """
        Lose the power: from now on only what was synced is at ``mount``.

        Whatever wrote there must have been killed before.
        """
        after = self.folder / "after.img"
        _run("cp", "--sparse=always", str(self._file), str(after))
        _detach(self.mount)
        after.replace(self._file)
        self._attach()

    def fill(self) -> None:
        """Leave no room at ``mount``, not even what is kept back for root."""
        ballast = os.open(self._ballast, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            size, piece = os.fstat(ballast).st_size, LARGEST_PIECE
            while piece >= SMALLEST_PIECE:
                try:
                    os.posix_fallocate(ballast, size, piece)
                    size += piece
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    piece //= 2
        finally:
            os.close(ballast)

    def make_room(self) -> None:
        """There is as much room again as before ``fill``; without it, nothing is done."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount and remove everything; a second call does nothing."""
        _remove(self.folder)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _new_folder(where: Path) -> tuple[Path, int | None]:
    """A folder that has its lock before others take it for one that was left."""
    made = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=where))
    lock = _claimed(made)
    return made.rename(where / f"{PREFIX}{made.name.removeprefix(UNFINISHED)}"), lock


def clear_left(where: Path) -> list[Path]:
    """
    Unmount and remove the images in ``where`` whose process was killed; gives their folders.

    An image that a living process holds has a lock, and stays.
    """
    cleared = []
    old = time.time() - UNFINISHED_SECONDS
    unfinished = [f for f in where.glob(f"{UNFINISHED}*") if _made(f) < old]
    for folder in (*where.glob(f"{PREFIX}*"), *unfinished):
        lock = _claimed(folder)
        if lock is not None:
            _remove(folder)
            os.close(lock)
            cleared.append(folder)
    return cleared


def _made(folder: Path) -> float:
    """When a folder was made or changed; one that is gone already is new."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return time.time()


def _claimed(folder: Path) -> int | None:
    """The lock of an image's folder, which the system gives back when its holder dies; ``None``: held."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _remove(folder: Path) -> None:
    mount = folder / "mount"
    if os.path.ismount(mount):
        _detach(mount)
    shutil.rmtree(folder, ignore_errors=True)


def _detach(mount: Path) -> None:
    """Unmount; what still holds the file system open loses its name, and the loop device ends with it."""
    deadline = time.monotonic() + BUSY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(NoImageError):
            _run("umount", str(mount))
            return
        time.sleep(0.05)
    _run("umount", "-l", str(mount))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-200:]
        raise NoImageError(f"{command[0]} failed: {said or f'code {done.returncode}'}")
