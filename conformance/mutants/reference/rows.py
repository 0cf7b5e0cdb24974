"""
The tables of the reference store, its rows, and a batch on its way through it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from langgraph.store.base import Op, PutOp

MINUTE = 60_000_000
NEVER = 2**62
TABLES = """
CREATE TABLE IF NOT EXISTS items (
    namespace TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL, ttl REAL, expires_at INTEGER, PRIMARY KEY (namespace, key));
CREATE TABLE IF NOT EXISTS vectors (
    namespace TEXT NOT NULL, key TEXT NOT NULL, path TEXT NOT NULL, number INTEGER NOT NULL,
    vector BLOB NOT NULL, PRIMARY KEY (namespace, key, path, number));
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
COLUMNS = "rowid, namespace, key, created_at, updated_at, ttl, expires_at"

Vector = Sequence[float]
Address = tuple[str, str]


class ItemRow(NamedTuple):
    """One item without its value, which is loaded only for those that are looked into."""

    rowid: int
    namespace_text: str
    key_text: str
    created_at: int
    updated_at: int
    ttl: float | None
    expires_at: int | None

    @property
    def address(self) -> Address:
        return self.namespace_text, self.key_text


item_row: Callable[[Any], ItemRow] = partial(tuple.__new__, ItemRow)
"""What ``ItemRow._make`` does, without a call in Python for each of some thousand rows."""


class Scan(NamedTuple):
    """All rows at one state of the database, and what was decoded of their values since then."""

    connection: sqlite3.Connection
    written: int
    """The rows that this connection has written in its life."""
    version: int
    """Another number after a write by any other connection."""
    rows: list[ItemRow]
    values: dict[int, dict[str, Any]]


@dataclass(frozen=True)
class Write:
    """A put that is ready to be applied; ``text`` is None for a delete."""

    op: PutOp
    address: Address
    text: str | None
    texts: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True)
class Plan:
    """A checked batch: nothing of it has been executed yet."""

    ops: list[Op]
    writes: list[Write]
    texts: list[str]
    queries: list[str]


@dataclass(frozen=True)
class Embedded:
    """What the embedder answered, by text."""

    documents: dict[str, Vector] = field(default_factory=dict)
    queries: dict[str, Vector] = field(default_factory=dict)
