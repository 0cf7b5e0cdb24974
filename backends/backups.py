"""
How memories are backed up by the means of their engine, and brought back into an empty one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from store_conformance.contract import Location

if TYPE_CHECKING:
    from store_conformance.backends.engines.http_server import HttpServer, OwnServer

COPY, SNAPSHOT, DUMP = "copy", "snapshot", "dump"
WAYS = (COPY, SNAPSHOT, DUMP)
"""
The names of `Backend.backups`, each a row of the report: the files copied while nobody uses them, what the
engine copies while the store is open, and everything written out into one file.
"""


@dataclass(frozen=True)
class Backup:
    """One way to back a store up."""

    command: str
    """How a person does it."""
    take: Callable[[Location, Path], None]
    """Back up what is at a location into an empty folder."""
    restore: Callable[[Path, Location, Location], Location]
    """
    Bring the folder's content into an empty engine, given where it was (discarded by now) and a fresh
    location; gives where it is.
    """
    at_rest: bool = False
    """Whether the store has to be closed meanwhile."""
    ends_engine: bool = False
    """Whether the engine is stopped and emptied, so that it has to be a private one."""
    files_only: bool = False
    """Whether it is files that are copied and nothing else, so that it can be tried while they are in use."""


def folder_copy(command: str) -> Backup:
    """All files of a location, for an engine that keeps them in its folder and is not running."""

    def take(at: Location, folder: Path) -> None:
        shutil.copytree(at.path, folder, dirs_exist_ok=True)

    def restore(folder: Path, old: Location, fresh: Location) -> Location:
        shutil.copytree(folder, fresh.path, dirs_exist_ok=True)
        return replace(fresh, name=old.name)  # what the engine calls it is in the files

    return Backup(command, take, restore, at_rest=True, files_only=True)


def server_copy(server: HttpServer | None, command: str) -> Backup:
    """The data folder of a server of ours, which is stopped for it; restored into an empty server."""

    def at_a_standstill(work: Callable[[Path], None]) -> None:
        assert server is not None  # only a started backend is asked to
        server.stop()
        try:
            work(server.folder)
        finally:
            server.start()

    def take(at: Location, folder: Path) -> None:
        del at
        at_a_standstill(lambda data: _copy_all(data, folder))

    def restore(folder: Path, old: Location, fresh: Location) -> Location:
        del fresh
        assert server is not None
        server.empty()
        at_a_standstill(lambda data: _copy_all(folder, data))
        return old

    return Backup(command, take, restore, at_rest=True, ends_engine=True)


class Snapshots(Protocol):
    """What a server offers for a backup of one collection, by its own requests."""

    command: str

    def take(self, name: str, folder: Path) -> None:
        """Into an empty folder, while the server is in use."""

    def restore(self, name: str, folder: Path) -> None:
        """Out of the folder, into a server that has no such collection."""


def server_snapshot(
    server: OwnServer | None, offered: Callable[[], Snapshots], command: str
) -> Backup:
    """A collection by the server's own requests; restored into the same server, emptied before."""

    def take(at: Location, folder: Path) -> None:
        offered().take(at.name, folder)

    def restore(folder: Path, old: Location, fresh: Location) -> Location:
        del fresh
        assert server is not None  # only a started backend is asked to
        server.empty()
        offered().restore(old.name, folder)
        return old

    return Backup(command, take, restore, ends_engine=True)


def _copy_all(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)
