"""
What the emulator keeps: indexes and records in SQLite, and a log of the writes not yet visible.

A write is in the database before it is acknowledged.  With a visibility delay it is in the log first
and reaches the records when its time has come, in the order of its number, also after a restart.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS indexes (name TEXT PRIMARY KEY, facts TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    target TEXT, namespace TEXT, id TEXT, vector BLOB NOT NULL, metadata TEXT NOT NULL,
    PRIMARY KEY (target, namespace, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
    lsn INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, namespace TEXT NOT NULL,
    at REAL NOT NULL, change TEXT NOT NULL);
"""


@dataclass
class Record:
    vector: array[float]
    metadata: dict[str, Any]


@dataclass
class Namespace:
    """Records by id, and their ids in order as long as none came or went."""

    records: dict[str, Record] = field(default_factory=dict)
    ordered: list[str] | None = None

    def ids(self) -> list[str]:
        if self.ordered is None:
            self.ordered = sorted(self.records)
        return self.ordered


class Storage:
    """Everything is done under one lock: this is a stand-in, not an engine."""

    def __init__(self, path: Path, delay: float = 0.0) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.delay = delay
        self._db = sqlite3.connect(
            path / "pinecone.sqlite3", isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)
        self._visible: dict[str, dict[str, Namespace]] = {}
        self._pending: list[tuple[int, str, str, float, dict[str, Any]]] = [
            (lsn, target, namespace, at, json.loads(change))
            for lsn, target, namespace, at, change in self._db.execute(
                "SELECT lsn, target, namespace, at, change FROM log ORDER BY lsn"
            )
        ]
        last = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
        self._last_lsn = last[0] if last else 0
        for target, namespace, id, vector, metadata in self._db.execute("SELECT * FROM records"):
            values = array("f")
            values.frombytes(vector)
            records = self.namespace(target, namespace).records
            records[id] = Record(values, json.loads(metadata))

    def close(self) -> None:
        with self.lock:
            self._db.close()

    # Indexes

    def indexes(self) -> dict[str, dict[str, Any]]:
        rows = self._db.execute("SELECT name, facts FROM indexes ORDER BY name")
        return {name: json.loads(facts) for name, facts in rows}

    def index(self, name: str) -> dict[str, Any] | None:
        row = self._db.execute("SELECT facts FROM indexes WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def create_index(self, name: str, facts: dict[str, Any]) -> None:
        self._db.execute("INSERT INTO indexes VALUES (?, ?)", (name, json.dumps(facts)))

    def delete_index(self, name: str) -> None:
        with self._transaction():
            self._db.execute("DELETE FROM indexes WHERE name = ?", (name,))
            self._db.execute("DELETE FROM records WHERE target = ?", (name,))
            self._db.execute("DELETE FROM log WHERE target = ?", (name,))
        self._visible.pop(name, None)
        self._pending = [entry for entry in self._pending if entry[1] != name]

    # Records

    def namespace(self, target: str, namespace: str) -> Namespace:
        return self._visible.setdefault(target, {}).setdefault(namespace, Namespace())

    def namespaces(self, target: str) -> dict[str, Namespace]:
        held = self._visible.get(target, {})
        return {name: held[name] for name in sorted(held) if held[name].records}

    def write(self, target: str, namespace: str, change: dict[str, Any]) -> int:
        """Keep a change and return its number in the log."""
        now = time.time()
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO log (target, namespace, at, change) VALUES (?, ?, ?, ?)",
                (target, namespace, now, json.dumps(change) if self.delay else ""),
            )
            lsn = int(cursor.lastrowid or 0)
            if not self.delay:
                self._apply(lsn, target, namespace, change)
        if self.delay:
            self._pending.append((lsn, target, namespace, now, change))
        self._last_lsn = lsn
        return lsn

    def catch_up(self, target: str) -> int:
        """Make visible what is due; the number up to which reads of this index see all writes."""
        due = [entry for entry in self._pending if entry[3] + self.delay <= time.time()]
        if due:
            with self._transaction():
                for lsn, name, namespace, _, change in due:
                    self._apply(lsn, name, namespace, change)
            done = {entry[0] for entry in due}
            self._pending = [entry for entry in self._pending if entry[0] not in done]
        waiting = [lsn for lsn, name, *_ in self._pending if name == target]
        return min(waiting) - 1 if waiting else self._last_lsn

    def _apply(self, lsn: int, target: str, name: str, change: dict[str, Any]) -> None:
        namespace = self.namespace(target, name)
        _CHANGES[change["kind"]](self, target, name, namespace, change)
        self._db.execute("DELETE FROM log WHERE lsn = ?", (lsn,))

    def _upsert(self, target: str, name: str, namespace: Namespace, change: dict[str, Any]) -> None:
        for id, values, metadata in change["vectors"]:
            self._keep(target, name, namespace, id, Record(array("f", values), metadata))

    def _update(self, target: str, name: str, namespace: Namespace, change: dict[str, Any]) -> None:
        for id in change["ids"]:
            old = namespace.records.get(id)
            if old is not None:
                vector = array("f", change["values"]) if change["values"] else old.vector
                fresh = Record(vector, {**old.metadata, **change["metadata"]})
                self._keep(target, name, namespace, id, fresh)

    def _delete(self, target: str, name: str, namespace: Namespace, change: dict[str, Any]) -> None:
        if change["ids"] is None:
            namespace.records.clear()
            self._db.execute(
                "DELETE FROM records WHERE target = ? AND namespace = ?", (target, name)
            )
        else:
            for id in change["ids"]:
                namespace.records.pop(id, None)
            self._db.executemany(
                "DELETE FROM records WHERE target = ? AND namespace = ? AND id = ?",
                [(target, name, id) for id in change["ids"]],
            )
        namespace.ordered = None

    def _keep(self, target: str, name: str, namespace: Namespace, id: str, record: Record) -> None:
        if id not in namespace.records:
            namespace.ordered = None
        namespace.records[id] = record
        self._db.execute(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)",
            (target, name, id, record.vector.tobytes(), json.dumps(record.metadata)),
        )

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: Any, *_: Any) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


_CHANGES: dict[str, Callable[..., None]] = {
    "upsert": Storage._upsert,
    "update": Storage._update,
    "delete": Storage._delete,
}
