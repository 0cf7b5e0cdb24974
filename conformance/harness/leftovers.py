"""
What this process holds that a store may have taken: threads, tasks, files, sockets and other processes.

Counted before and after; who took what cannot be told, so it is growth over several openings that counts.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil


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

    def counts(self) -> dict[str, int]:
        return dict(vars(self))

    def growth_since(self, before: Held) -> dict[str, int]:
        """What there is more of than before, by kind; kinds that did not grow are left out."""
        earlier = before.counts()
        grown = {kind: count - earlier[kind] for kind, count in self.counts().items()}
        return {kind: more for kind, more in grown.items() if more > 0}


def count_held(tasks: int = 0) -> Held:
    """What this process holds now, after a collection of garbage; ``tasks`` are counted by the caller."""
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
        )


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
    """Descriptors on POSIX, handles on Windows."""
    ask = getattr(process, "num_fds", None) or getattr(process, "num_handles")  # noqa: B009 - by system
    return int(ask())


def describe_growth(grown: Mapping[str, int], openings: int) -> str:
    """Growth as text: ``3 threads more after 6 openings``."""
    parts = ", ".join(f"{more} {kind}" for kind, more in grown.items())
    return (
        f"{parts} more after {openings} openings"
        if parts
        else f"nothing more after {openings} openings"
    )
