"""
One SQLite file as a dumb table: rows are written, found and listed, and expire.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.store.base import IndexConfig, TTLConfig, ensure_embeddings

from store_conformance.mutants.reference.matching import Matching
from store_conformance.mutants.reference.rows import (
    COLUMNS,
    MINUTE,
    NEVER,
    TABLES,
    Address,
    ItemRow,
    Scan,
    Write,
    item_row,
)


class Table(Matching):
    """
    The connection, the rows behind it, and when they expire.
    """

    supports_ttl = True

    def __init__(
        self, at: Any, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        self.at = at
        self.index_config = self.accept_index(index)
        self.ttl_config = ttl
        self.embeddings = (
            ensure_embeddings(self.index_config["embed"]) if self.index_config else None
        )
        self.lock = threading.RLock()
        self.connection = self.connect(self.database())
        self.last_now = 0
        self.issued = 0
        self.last_scan: Scan | None = None
        self.pending: set[int] = set()
        self.newest: dict[Address, int] = {}
        self.sweeper: threading.Thread | None = None
        self.sweeper_stop = threading.Event()

    # opening

    def accept_index(self, index: IndexConfig | None) -> IndexConfig | None:
        return index

    def database(self) -> str:
        return str(Path(self.at.path) / "store.sqlite3")

    def connect(self, database: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            database, timeout=60, isolation_level=None, check_same_thread=False
        )
        self.choose_journal(connection)
        connection.execute("PRAGMA synchronous = OFF")  # enough against the death of a process
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def choose_journal(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = TRUNCATE")

    def setup(self) -> None:
        with self.transaction():
            for statement in TABLES.split(";"):
                self.connection.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.connection.execute("ROLLBACK")
                self.last_scan = None
                raise
            self.connection.execute("COMMIT")

    # rows

    def find(self, address: Address) -> ItemRow | None:
        found = self.connection.execute(
            f"SELECT {COLUMNS} FROM items WHERE namespace = ? AND key = ?", address
        ).fetchone()
        return ItemRow(*found) if found else None

    def load_value(self, row: ItemRow) -> dict[str, Any]:
        found = self.connection.execute("SELECT value FROM items WHERE rowid = ?", (row.rowid,))
        return self.decode_value(found.fetchone()[0])

    def facts(self, row: ItemRow) -> dict[str, Any]:
        return {
            "namespace": self.decode_namespace(row.namespace_text),
            "key": self.decode_key(row.key_text),
            "value": self.load_value(row),
            "created_at": self.to_datetime(row.created_at),
            "updated_at": self.to_datetime(row.updated_at),
        }

    def scan(self) -> list[ItemRow]:
        """Searches often come one after the other: the rows are read again when something was written."""
        connection = self.connection
        version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        known, state = self.last_scan, (connection, connection.total_changes, version)
        if known is None or known[:3] != state:
            found = connection.execute(f"SELECT {COLUMNS} FROM items")
            known = self.last_scan = Scan(*state, list(map(item_row, found)), {})
        return list(known.rows)

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        return sorted(rows)

    def visible(self) -> list[ItemRow]:
        living = [r for r in self.scan() if r.expires_at is None or not self.hidden(r)]
        return self.order(living)

    def value_to_compare(self, row: ItemRow) -> dict[str, Any]:
        """The value of a row of the last scan, which nobody changes: decoded once for all searches until a write."""
        scan = self.last_scan
        if scan is None or scan[:2] != (self.connection, self.connection.total_changes):
            return self.load_value(row)
        if row.rowid not in scan.values:
            scan.values[row.rowid] = self.load_value(row)
        return scan.values[row.rowid]

    # writing

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        now = self.now()
        created, updated = self.timestamps(old, now)
        ttl = write.op.ttl
        self.connection.execute(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (namespace, key) DO UPDATE"
            " SET value = excluded.value, created_at = excluded.created_at,"
            " updated_at = excluded.updated_at, ttl = excluded.ttl, expires_at = excluded.expires_at",
            (*write.address, write.text, created, updated, ttl, self.expiry(ttl, now)),
        )

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        if old is None:
            return now, now
        updated = max(now, old.updated_at + 1)
        return (updated if self.hidden(old) else old.created_at), updated

    def remove_item(self, address: Address) -> None:
        self.connection.execute("DELETE FROM items WHERE namespace = ? AND key = ?", address)

    def remove_vectors(self, address: Address) -> None:
        self.connection.execute("DELETE FROM vectors WHERE namespace = ? AND key = ?", address)

    def clock(self) -> int:
        return time.time_ns() // 1000

    def now(self) -> int:
        """Microseconds since 1970, never twice the same from one store."""
        self.last_now = max(self.clock(), self.last_now + 1)
        return self.last_now

    # time to live

    def expiry(self, ttl: float | None, now: int) -> int | None:
        if ttl is None:
            return None
        return int(max(-NEVER, min(NEVER, now + ttl * MINUTE)))

    def expired(self, row: ItemRow, now: int) -> bool:
        return row.expires_at is not None and row.expires_at <= now

    def hidden(self, row: ItemRow) -> bool:
        omit = (self.ttl_config or {}).get("omit_expired", False)
        return bool(omit) and self.expired(row, self.clock())

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        """The dead stay dead, also where they are still shown."""
        now = self.clock()
        for row in rows if wanted else ():
            if row.ttl is not None and not self.expired(row, now):
                self.set_expiry(row, self.expiry(row.ttl, now))

    def set_expiry(self, row: ItemRow, expires_at: int | None) -> None:
        self.connection.execute(
            "UPDATE items SET expires_at = ? WHERE rowid = ?", (expires_at, row.rowid)
        )
