"""
What an item has beside its value (its moments and its time to live), read and set past a store's interface.

Only the tables of the official stores are known here; of any other store nothing is read or set.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

Address = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class Details:
    """Moments as ISO 8601 in UTC; ``ttl_minutes`` is what a refresh prolongs by."""

    created_at: str | None = None
    updated_at: str | None = None
    expires_at: str | None = None
    ttl_minutes: float | None = None


_DETAILS = (
    "SELECT s.prefix, s.key, s.created_at, s.updated_at, s.expires_at, s.ttl_minutes FROM store s"
    " JOIN unnest(%s::text[], %s::text[]) AS p(prefix, key) USING (prefix, key)"
)
_DETAILS_OF_OLD = _DETAILS.replace("s.expires_at, s.ttl_minutes", "NULL AS expires, NULL AS ttl")


@contextmanager
def connection_of(source: Any) -> Iterator[Any]:
    """A connection of a ``PostgresStore``, which holds one or a pool of them."""
    # Connections of psycopg have a property of that name too, which a pool has as a method.
    connection = getattr(source, "connection", None)
    if callable(connection):
        with connection() as conn:
            yield conn
    else:
        yield source


class _Postgres:
    """The table ``store`` of ``PostgresStore``."""

    kind = Details

    def __init__(self, store: Any) -> None:
        self._source = store.conn
        self._reading: str | None = None

    def read(self, places: Sequence[Address]) -> dict[Address, Details]:
        names, keys = _columns(places)
        with connection_of(self._source) as conn:
            rows = conn.execute(self._query(conn), (names, keys)).fetchall()
        found = {}
        for row in rows:
            prefix, key, *moments, ttl = row.values() if isinstance(row, dict) else row
            found[tuple(prefix.split(".")), key] = _details(moments, ttl)
        return found

    def _query(self, conn: Any) -> str:
        """A table of an older release has no columns of times to live."""
        if self._reading is None:
            look = (
                "SELECT 1 AS found FROM pg_attribute WHERE attrelid = to_regclass('store')"
                " AND attname = 'ttl_minutes' AND NOT attisdropped"
            )
            has = conn.execute(look).fetchone() is not None
            self._reading = _DETAILS if has else _DETAILS_OF_OLD
        return self._reading

    def write(self, details: dict[Address, Details]) -> None:
        values = list(details.values())
        with connection_of(self._source) as conn:
            conn.execute(
                "UPDATE store s SET created_at = coalesce(p.c, s.created_at), updated_at = coalesce(p.u, s.updated_at),"
                " expires_at = p.e, ttl_minutes = p.t FROM unnest(%s::text[], %s::text[], %s::timestamptz[],"
                " %s::timestamptz[], %s::timestamptz[], %s::int[]) AS p(prefix, key, c, u, e, t)"
                " WHERE s.prefix = p.prefix AND s.key = p.key",
                (
                    *_columns(list(details)),
                    [one.created_at for one in values],
                    [one.updated_at for one in values],
                    [one.expires_at for one in values],
                    # The column takes whole minutes; less than one would be none at all.
                    [
                        None if one.ttl_minutes is None else max(1, round(one.ttl_minutes))
                        for one in values
                    ],
                ),
            )


class _Sqlite:
    """The table ``store`` of ``SqliteStore``, whose moments are texts in UTC."""

    kind = Details

    def __init__(self, store: Any) -> None:
        self._store = store

    def read(self, places: Sequence[Address]) -> dict[Address, Details]:
        found = {}
        with self._store.lock:
            for namespace, key in places:
                row = self._store.conn.execute(
                    "SELECT created_at, updated_at, expires_at, ttl_minutes FROM store"
                    " WHERE prefix = ? AND key = ?",
                    (".".join(namespace), key),
                ).fetchone()
                if row is not None:
                    *moments, ttl = tuple(row)
                    found[namespace, key] = _details(moments, ttl)
        return found

    def write(self, details: dict[Address, Details]) -> None:
        rows = [
            (
                *(_text(moment) for moment in (one.created_at, one.updated_at, one.expires_at)),
                one.ttl_minutes,
                ".".join(namespace),
                key,
            )
            for (namespace, key), one in details.items()
        ]
        with self._store.lock:
            conn = self._store.conn
            conn.execute("BEGIN")
            conn.executemany(
                "UPDATE store SET created_at = coalesce(?, created_at), updated_at = coalesce(?, updated_at),"
                " expires_at = ?, ttl_minutes = ? WHERE prefix = ? AND key = ?",
                rows,
            )
            conn.execute("COMMIT")


def pages_of(store: Any, size: int) -> Iterator[list[Any]] | None:
    """
    Every item of a store by its engine's cursor, a few at a time; ``None`` where a search has to do.

    A search passes over its offset, which some engines do in memory, and again for each page.
    """
    from store_conformance.backends.vector.store import VectorStore

    return store.pages(size) if isinstance(store, VectorStore) else None


def tables_of(store: Any) -> str | None:
    """Whose tables a store has: ``postgres`` or ``sqlite``, LangGraph's; ``None`` where they are not known."""
    for name, kind in (("postgres", "PostgresStore"), ("sqlite", "SqliteStore")):
        # Whose class is not loaded has no instance.
        known = getattr(sys.modules.get(f"langgraph.store.{name}"), kind, None)
        if known is not None and isinstance(store, known):
            return name
    return None


def details_of(store: Any) -> _Postgres | _Sqlite | None:
    """The reader and writer of a store's details; ``None`` for a store whose tables are not known."""
    tables = tables_of(store)
    if tables is None:
        return None
    return _Postgres(store) if tables == "postgres" else _Sqlite(store)


def _columns(places: Sequence[Address]) -> tuple[list[str], list[str]]:
    return [".".join(namespace) for namespace, _ in places], [key for _, key in places]


def iso(moment: Any) -> str | None:
    """A moment of a store as ISO 8601 in UTC; one without a zone is UTC, as SQLite's are."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.fromisoformat(str(moment))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return str(moment.astimezone(timezone.utc).isoformat())


def _text(moment: str | None) -> str | None:
    """As SQLite's CURRENT_TIMESTAMP writes it, which the store compares with as text."""
    if moment is None:
        return None
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M:%S.%f")


def _details(moments: Sequence[Any], ttl: Any) -> Details:
    created, updated, expires = (iso(moment) for moment in moments)
    return Details(created, updated, expires, _number(ttl))


def _number(ttl: Any) -> float | None:
    return None if ttl is None else float(ttl)
