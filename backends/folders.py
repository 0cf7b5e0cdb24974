"""
Temporary folders of our own: held by a lock while their process lives, and removed by a later start if it was killed.

The lock is the system's, which gives it back when its holder dies.  A process id says less: in a container, or on
another machine, that shares the folder for temporary files, the same number is another process or none.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid  # by name: a store may put another number there
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, which has no namespaces of process ids either
    _LOCKS = False
else:
    _LOCKS = True

_OWNED = re.compile(r"conformance-.*-pid(\d+)-[^-]*")
_UNFIT = re.compile(r"[^\w.-]+")
"""What a user's own name for a store may have, and no folder's."""
_MOST_NAME = 60
_UNNAMED = "conformance.new-"
"""The beginning of a folder's name until it is held."""
_AFTER_DEATH_SECONDS = 2.0
"""How long the children of a process may outlive it with what it held."""
_held: dict[Path, int] = {}


def scratch() -> str | None:
    """A folder in memory with room (``CONFORMANCE_SCRATCH`` or /dev/shm), or ``None`` for the usual one."""
    for folder in (os.environ.get("CONFORMANCE_SCRATCH"), "/dev/shm"):
        if folder and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 2 << 30:
            return folder
    return None


def own_folder(name: str, parent: str | None) -> Path:
    """
    A new temporary folder that carries our process id; those of processes that were killed are removed.

    ``remove_folder`` removes it again.
    """
    where = Path(parent or tempfile.gettempdir())
    _clear(where)
    made = Path(tempfile.mkdtemp(prefix=_UNNAMED, dir=where))
    held = _lock(made)
    known_as = _UNFIT.sub("_", name)[:_MOST_NAME]
    folder = where / f"conformance-{known_as}-pid{getpid()}-{made.name.removeprefix(_UNNAMED)}"
    made.rename(folder)
    if held is not None:
        _held[folder] = held
    return folder


def clear_folders() -> None:
    """Remove what processes that were killed have left, where such folders are made."""
    for parent in {scratch(), tempfile.gettempdir()}:
        _clear(Path(parent or tempfile.gettempdir()))


def _clear(where: Path) -> None:
    for left in where.glob("conformance-*-pid*-*"):
        owner = _OWNED.fullmatch(left.name)
        if owner is not None and not _alive(int(owner[1])) and _is_free(left):
            shutil.rmtree(left, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder of ``own_folder`` with all that is in it; one that is gone already is no error."""
    shutil.rmtree(folder, ignore_errors=True)
    held = _held.pop(folder, None)
    if held is not None:
        os.close(held)


def locks_held() -> int:
    """How many of this process's open files are the locks of such folders, and no store's."""
    return len(_held)


@contextmanager
def passing_folder(name: str) -> Iterator[Path]:
    """Such a folder where temporary files usually are, for the block."""
    folder = own_folder(name, None)
    try:
        yield folder
    finally:
        remove_folder(folder)


def forget_folders(pid: int) -> None:
    """Remove the temporary folders of a child that was ended by force."""
    deadline = time.monotonic() + _AFTER_DEATH_SECONDS
    for parent in {scratch(), tempfile.gettempdir()}:
        for left in Path(parent or tempfile.gettempdir()).glob(f"conformance-*-pid{pid}-*"):
            while not (free := _is_free(left)) and time.monotonic() < deadline:
                time.sleep(0.02)
            if free:
                shutil.rmtree(left, ignore_errors=True)


def _lock(folder: Path) -> int | None:
    """The lock of a folder, which the system gives back when its holder dies; ``None``: held, or none is to be had."""
    if not _LOCKS:
        return None
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # or a file system without locks, where nobody can tell
        os.close(lock)
        return None
    return lock


def _is_free(folder: Path) -> bool:
    """Whether no process holds the folder, in whatever container it runs."""
    if not _LOCKS:
        return True
    lock = _lock(folder)
    if lock is None:
        return False
    os.close(lock)
    return True


def _alive(pid: int) -> bool:
    """Whether the process runs; one that has ended may stay a zombie where process 1, as in many containers, reaps none."""
    import psutil  # here, as this module is imported by whatever only asks for names

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # somebody else's, of which we are told nothing
        return True
