"""
What a migration has read and written so far, in a file that outlives it: nothing is held in memory.

It is private to its owner, belongs to one process at a time, and is emptied of all values at the end.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store_conformance.contract.errors import EXIT_USAGE
from store_conformance.migration.export_file import content_hash
from store_conformance.migration.transfer import Address, Exported, MigrationError

FILE = "migration.db"
_ASIDE, _NAME = "aside", "name"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY, space TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, hash TEXT NOT NULL,
    details TEXT NOT NULL, tried INTEGER DEFAULT 0, done INTEGER DEFAULT 0, UNIQUE (space, key));
CREATE TABLE IF NOT EXISTS seen (space TEXT, key TEXT, hash TEXT, UNIQUE (space, key));
"""


@dataclass(frozen=True)
class Entry:
    """One item as the journal keeps it."""

    id: int
    item: Exported
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Space:
    """One namespace: how many items, and one hash over all of them in whatever order."""

    namespace: tuple[str, ...]
    items: int
    hash: str


class Journal:
    """
    The file of one migration; raises ``MigrationError`` while another process has it.

    The lock is SQLite's own, which a process that is killed cannot leave behind.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        made = not folder.exists()
        path = folder / FILE
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise MigrationError(
                f"the journal cannot be written to {folder} ({error.strerror})",
                "give another folder with --journal",
                EXIT_USAGE,
            ) from None
        self._made = made
        self._conn = sqlite3.connect(path, timeout=0.2, isolation_level=None)
        try:
            self._conn.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._conn.execute("PRAGMA secure_delete=ON")
            # Not a wait for the disk with each page: after a power loss the last pages are read or written again.
            self._conn.execute("PRAGMA journal_mode=WAL")
            self._conn.execute("PRAGMA synchronous=NORMAL")
            self._conn.execute("BEGIN EXCLUSIVE")
            self._conn.execute("COMMIT")
            self._conn.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._conn.close()
            if "locked" in str(error):
                raise MigrationError(
                    f"another migration is at work in {folder}",
                    "wait for it, or end it",
                    EXIT_USAGE,
                ) from None
            raise MigrationError(
                f"{path} is no journal that can be read ({error})",
                "give another folder with --journal; if a migration was ended there, empty its target",
                EXIT_USAGE,
            ) from None

    def close(self) -> None:
        """Give the file back; a folder that was made for a migration that never began goes, too."""
        needless = False
        if self._made:
            query = "SELECT EXISTS (SELECT 1 FROM items) OR EXISTS (SELECT 1 FROM facts WHERE name <> ?)"
            with suppress(sqlite3.Error):
                needless = not self._conn.execute(query, (_NAME,)).fetchone()[0]
        self._conn.close()
        if needless:
            with suppress(OSError):  # somebody else has put something there
                (self.folder / FILE).unlink()
                self.folder.rmdir()

    # -- facts ---------------------------------------------------------------------------------------

    def fact(self, name: str) -> str | None:
        row = self._conn.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, name: str, value: str) -> None:
        """Keep a fact, also where the power fails in the next moment."""
        self._conn.execute("PRAGMA synchronous=FULL")
        try:
            self._many("INSERT OR REPLACE INTO facts VALUES (?, ?)", [(name, value)])
        finally:
            self._conn.execute("PRAGMA synchronous=NORMAL")

    def name(self) -> str:
        """By which this very migration is known in its target, now and when it goes on."""
        told = self.fact(_NAME)
        if told is None:
            told = uuid.uuid4().hex
            self.note(_NAME, told)
        return told

    def forget(self, name: str) -> None:
        self._many("DELETE FROM facts WHERE name = ?", [(name,)])

    # -- what is tried in the target ------------------------------------------------------------------

    @contextmanager
    def aside(self, places: Iterable[Address]) -> Iterator[None]:
        """
        For the block these places of the target hold what is tried and taken away again.

        They are noted before, and stay so where the block raises or the process ends in it.
        """
        self.note(_ASIDE, json.dumps([[list(namespace), key] for namespace, key in places]))
        yield
        self.none_aside()

    def left_aside(self) -> list[Address]:
        """Places of the target where something may still lie that was tried."""
        told = self.fact(_ASIDE)
        return [] if told is None else [(tuple(space), key) for space, key in json.loads(told)]

    def none_aside(self) -> None:
        self.forget(_ASIDE)

    # -- items ---------------------------------------------------------------------------------------

    def add(self, items: Iterable[tuple[Exported, Mapping[str, Any]]]) -> int:
        """Keep the items that are not there yet; gives how many those were."""
        rows = [
            (
                json.dumps(list(item.namespace)),
                _text(item.key),
                json.dumps(item.value),
                content_hash(item.namespace, item.key, item.value),
                json.dumps(dict(details)),
            )
            for item, details in items
        ]
        return self._many(
            "INSERT OR IGNORE INTO items (space, key, value, hash, details) VALUES (?, ?, ?, ?, ?)",
            rows,
        )

    def _many(self, statement: str, rows: list[tuple[Any, ...]]) -> int:
        self._conn.execute("BEGIN")
        before = self._conn.total_changes
        try:
            self._conn.executemany(statement, rows)
            self._conn.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):  # SQLite itself has rolled back where the disk is full
                self._conn.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
                raise self._is_full() from None
            raise
        return self._conn.total_changes - before

    def _is_full(self) -> MigrationError:
        return MigrationError(
            f"the disk of the journal {self.folder} is full, and it holds every item once",
            "make room there and run the same command again, which goes on from here; or remove the"
            " journal and give one on another disk with --journal",
            EXIT_USAGE,
        )

    def count(self) -> int:
        """How many items the source has."""
        return int(self._conn.execute("SELECT count(*) FROM items").fetchone()[0])

    def waiting(self, column: str) -> int:
        """How many are not yet tried or done."""
        query = {
            "tried": "SELECT count(*) FROM items WHERE tried = 0",
            "done": "SELECT count(*) FROM items WHERE done = 0",
        }[column]
        return int(self._conn.execute(query).fetchone()[0])

    def left(self, column: str, most: int, *, after: int = 0) -> list[Entry]:
        """The next items that are not yet tried or done, in the order in which they were read."""
        query = {
            "tried": "SELECT * FROM items WHERE tried = 0 AND id > ? ORDER BY id LIMIT ?",
            "done": "SELECT * FROM items WHERE done = 0 AND id > ? ORDER BY id LIMIT ?",
        }[column]
        return [_entry(row) for row in self._conn.execute(query, (after, most)).fetchall()]

    def sample(self, most: int) -> list[Entry]:
        """Some of the items, from all over."""
        query = "SELECT * FROM items WHERE (id - 1) % max(1, (SELECT count(*) FROM items) / ?) = 0 LIMIT ?"
        return [_entry(row) for row in self._conn.execute(query, (most, most)).fetchall()]

    def mark(self, column: str, entries: Iterable[Entry]) -> None:
        statement = {
            "tried": "UPDATE items SET tried = 1 WHERE id = ?",
            "done": "UPDATE items SET done = 1 WHERE id = ?",
        }[column]
        self._many(statement, [(entry.id,) for entry in entries])

    def drop_items(self) -> None:
        self._many("DELETE FROM items", [()])

    # -- what a store holds ----------------------------------------------------------------------------

    def forget_seen(self) -> None:
        self._many("DELETE FROM seen", [()])

    def saw(self, items: Iterable[Exported]) -> int:
        """Note what was found in a store; gives how many of them had not been found before."""
        rows = [
            (json.dumps(list(i.namespace)), _text(i.key), content_hash(i.namespace, i.key, i.value))
            for i in items
        ]
        return self._many("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", rows)

    def differences(self, most: int = 5) -> dict[str, tuple[int, list[Address]]]:
        """What was kept and is not seen, seen with another value, or seen and never kept."""
        joins = {
            "missing": "FROM items i LEFT JOIN seen s USING (space, key) WHERE s.hash IS NULL",
            "other": "FROM items i JOIN seen s USING (space, key) WHERE s.hash <> i.hash",
            "more": "FROM seen i LEFT JOIN items s USING (space, key) WHERE s.hash IS NULL",
        }
        found = {}
        for name, join in joins.items():
            count = int(self._conn.execute(f"SELECT count(*) {join}").fetchone()[0])
            rows = self._conn.execute(f"SELECT i.space, i.key {join} LIMIT {most}").fetchall()
            found[name] = (count, [(tuple(json.loads(space)), _key(key)) for space, key in rows])
        return found

    def spaces(self) -> Iterator[Space]:
        """Each namespace with the number of its items and their hash."""
        rows = self._conn.execute("SELECT space, hash FROM items ORDER BY space")
        current, number, total = None, 0, 0
        for space, digest in rows:
            if space != current:
                if current is not None:
                    yield _space(current, number, total)
                current, number, total = space, 0, 0
            number, total = number + 1, total ^ int(digest, 16)
        if current is not None:
            yield _space(current, number, total)

    def expired(self, now: str) -> set[Address]:
        """Items whose time was over before ``now`` (ISO 8601, UTC): no store need have them any more."""
        rows = self._conn.execute(
            "SELECT space, key FROM items WHERE json_extract(details, '$.expires_at') <= ?", (now,)
        )
        return {(tuple(json.loads(space)), _key(key)) for space, key in rows}

    def timed(self) -> bool:
        """Whether any item has a time to live."""
        query = (
            "SELECT 1 FROM items WHERE json_extract(details, '$.ttl_minutes') IS NOT NULL LIMIT 1"
        )
        return self._conn.execute(query).fetchone() is not None

    def finish(self) -> None:
        """Take the memories out of the file: what stays is that the migration is done."""
        self.drop_items()
        self.forget_seen()
        with suppress(
            sqlite3.OperationalError
        ):  # it needs room, and what was deleted is overwritten
            self._conn.execute("VACUUM")


def _space(text: str, number: int, total: int) -> Space:
    return Space(tuple(json.loads(text)), number, f"{total:064x}")


def _text(key: str) -> str:
    # A lone surrogate is text that SQLite cannot keep.
    return json.dumps(key)


def _key(text: str) -> str:
    return str(json.loads(text))


def _entry(row: tuple[Any, ...]) -> Entry:
    number, space, key, value, _, details, *_ = row
    item = Exported(tuple(json.loads(space)), _key(key), json.loads(value))
    return Entry(number, item, json.loads(details))
