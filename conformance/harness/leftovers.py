"""
What this process holds that a store may have taken: threads, tasks, files, sockets, other processes,
temporary files, and connections as its server counts them.

Counted before and after; who took what cannot be told, so it is growth over several openings that counts.
"""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from store_conformance.harness.backends import locks_held, passing_folder

T = TypeVar("T")

TEMPORARY = ("TMPDIR", "TEMP", "TMP")
"""The variables that say where temporary files go, by system."""
_usual: tuple[str | None, dict[str, str | None]] | None = None
"""Where temporary files went before a block of ``own_temporary_folder``, as long as it lasts."""
_THREADS = "/proc/self/task"
_DESCRIPTORS = "/proc/self/fd"
_ENOUGH_BYTES = 65_536
"""Of a list of children: some thousands of numbers."""


@dataclass(frozen=True)
class Held:
    """How many of each kind this process holds."""

    threads: int
    tasks: int
    """Pending asyncio tasks of the case's event loop."""
    files: int
    """Open files and other descriptors that are no sockets."""
    sockets: int
    processes: int
    temporary_files: int = 0
    """Files and folders in the folder for temporary files that a case has to itself."""
    connections: int | None = None
    """Connections to one place, as the server counts them; ``None`` where there is none that does."""

    def counts(self) -> dict[str, int]:
        return {kind: count for kind, count in vars(self).items() if count is not None}

    def growth_since(self, before: Held) -> dict[str, int]:
        """What there is more of than before, by kind; kinds that did not grow are left out."""
        earlier = before.counts()
        grown = {kind: n - earlier[kind] for kind, n in self.counts().items() if kind in earlier}
        return {kind: more for kind, more in grown.items() if more > 0}


def count_held(
    tasks: int = 0, connections: int | None = None, temporary: Path | None = None
) -> Held:
    """
    What this process holds now, after a collection of garbage.

    ``tasks`` and ``connections`` are counted by the caller; ``temporary`` is the folder whose files are.
    """
    gc.collect()
    me = psutil.Process()
    with me.oneshot():
        sockets = _sockets(me)
        return Held(
            threads=threading.active_count(),
            tasks=tasks,
            files=max(0, _descriptors(me) - sockets),
            sockets=sockets,
            processes=len(me.children(recursive=True)),
            temporary_files=len(list(temporary.rglob("*"))) if temporary is not None else 0,
            connections=connections,
        )


def count_quickly(leave: str = "") -> dict[str, int]:
    """
    Threads, descriptors and child processes of this process, quick enough to be counted with every case.

    A kind that cannot be counted is left out.

    ``leave``: the name of threads that are not counted.
    """
    found = {"threads": sum(t.name != leave for t in threading.enumerate())}
    with suppress(OSError, psutil.Error):  # there is no descriptor left to look with
        found["descriptors"] = _own_descriptors()
    children = _children()
    return found if children is None else {**found, "processes": children}


def _children() -> int | None:
    """The children of this process's threads, where the system lists them; else ``None``, as looking is slow."""
    # By the plainest calls: this runs with every case, and a store may have left hundreds of threads.
    try:
        return sum(_children_of(thread) for thread in os.listdir(_THREADS))  # noqa: PTH208 - quick
    except OSError:  # no such list here, or a thread that ended while we looked
        return None


def _children_of(thread: str) -> int:
    children = os.open(f"{_THREADS}/{thread}/children", os.O_RDONLY)
    try:
        return len(os.read(children, _ENOUGH_BYTES).split())
    finally:
        os.close(children)


def collect_while(remaining: Callable[[], T]) -> T:
    """
    Collect garbage while something remains that may be a part of it; gives what remains in the end.

    What is young comes first, as what a case made mostly is: to look through all that the process holds takes tenths
    of a second, which a run would spend with every tenth case.
    """
    for generation in (1, 2):
        found = remaining()
        if not found:
            return found
        gc.collect(generation)
    return remaining()


def keep_what_is_here() -> None:
    """
    Leave what this process holds now out of every later collection of garbage: modules, and tests that were collected.

    It stays until the process ends anyway.
    """
    gc.collect()
    gc.freeze()


def more_than(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What of the same kinds there is more of."""
    grown = {kind: after[kind] - n for kind, n in before.items() if kind in after}
    return {kind: more for kind, more in grown.items() if more > 0}


@contextmanager
def own_temporary_folder() -> Iterator[Path]:
    """
    A folder where this process and those that it starts put temporary files, in the block.

    The usual one has files of everybody on the machine.
    """
    global _usual
    with passing_folder("left") as folder:
        _usual = (tempfile.tempdir, {name: os.environ.get(name) for name in TEMPORARY})
        os.environ.update(dict.fromkeys(TEMPORARY, str(folder)))
        tempfile.tempdir = str(folder)
        try:
            yield folder
        finally:
            if tempfile.tempdir == str(folder):
                regain_temporary_folder()


def regain_temporary_folder() -> None:
    """Put back the usual one; for a case that was given up in the block, whose folder may go at any moment."""
    global _usual
    if _usual is None:
        return
    (tempfile.tempdir, variables), _usual = _usual, None
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def connections(process: psutil.Process, kind: str = "all") -> list[Any]:
    """The process's sockets, as psutil tells them; raises `psutil.Error` where it may not look."""
    ask = getattr(process, "net_connections", None) or process.connections  # before psutil 6
    return list(ask(kind=kind))


def _sockets(process: psutil.Process) -> int:
    try:
        return len(connections(process))
    except psutil.Error:  # not allowed to look: no growth is seen, and none is claimed
        return 0


def _descriptors(process: psutil.Process) -> int:
    """Descriptors on POSIX, handles on Windows; those of our own folders are left out."""
    ask = getattr(process, "num_fds", None) or getattr(process, "num_handles")  # noqa: B009 - by system
    return int(ask()) - locks_held()


def _own_descriptors() -> int:
    """Those of this process; psutil looks the process up first, which takes several times as long."""
    try:
        return len(os.listdir(_DESCRIPTORS)) - locks_held()  # noqa: PTH208 - quick
    except FileNotFoundError:  # not Linux
        return _descriptors(psutil.Process())


def describe_growth(grown: Mapping[str, int], openings: int) -> str:
    """Growth as text: ``3 threads more after 6 openings``."""
    parts = ", ".join(f"{more} {kind.replace('_', ' ')}" for kind, more in grown.items())
    return (
        f"{parts} more after {openings} openings"
        if parts
        else f"nothing more after {openings} openings"
    )
