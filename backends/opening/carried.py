"""
The vectors that a store keeps of its items, read so that another store need not make them anew.

Of the stores of this package by their own means, of ``PostgresStore`` and ``SqliteStore`` out of their
tables.  Nothing is written here: a target is given vectors by its own ``put``.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from store_conformance.backends.opening.details import Address, connection_of, tables_of

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Kept:
    """What can be said of all vectors of a store."""

    dims: int | None
    """None where there are none."""
    distance: str
    """By what they are compared: ``cosine``, ``l2`` or ``inner_product``."""
    half: bool = False
    """Whether each number is kept in 16 bits."""


@dataclass(frozen=True)
class ItemVectors:
    """
    The vectors of one item: by the name of the field they were made of, or in the order of the texts.
    """

    named: Mapping[str, Vector] = field(default_factory=dict)
    ordered: Sequence[Vector] = ()

    @property
    def any(self) -> bool:
        return bool(self.named or self.ordered)


class VectorSource(Protocol):
    """Reads vectors of a store that is open."""

    def kept(self) -> Kept: ...

    def read(self, places: Sequence[Address]) -> dict[Address, ItemVectors]:
        """Those of each item that has any."""


class _Own:
    """A store of this package, whose distance is always the cosine."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def kept(self) -> Kept:
        return Kept(self._store.dims, "cosine")

    def read(self, places: Sequence[Address]) -> dict[Address, ItemVectors]:
        found = self._store.vectors(places)
        return {place: ItemVectors(ordered=some) for place, some in found.items() if some}


_COLUMN = (
    "SELECT format_type(a.atttypid, NULL) AS kind, a.atttypmod AS dims FROM pg_attribute a"
    " WHERE a.attrelid = to_regclass('store_vectors') AND a.attname = 'embedding' AND NOT a.attisdropped"
)
_CLASSES = (
    "SELECT o.opcname AS name FROM pg_index i JOIN pg_opclass o ON o.oid = ANY(i.indclass)"
    " WHERE i.indrelid = to_regclass('store_vectors')"
)
_ROWS = (
    "SELECT v.prefix, v.key, v.field_name, v.embedding::text AS embedding FROM store_vectors v"
    " JOIN unnest(%s::text[], %s::text[]) AS p(prefix, key) USING (prefix, key)"
)
_DISTANCES = {"_cosine_ops": "cosine", "_l2_ops": "l2", "_ip_ops": "inner_product"}


class _Postgres:
    """The table ``store_vectors`` of ``PostgresStore``; the distance is that of its index."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def kept(self) -> Kept:
        with connection_of(self._store.conn) as conn:
            column = _row(conn.execute(_COLUMN).fetchone())
            classes = [_row(row)[0] for row in conn.execute(_CLASSES).fetchall()]
            if not column:
                return Kept(None, "cosine")
            kind, dims = column
            if dims < 1:
                first = "SELECT vector_dims(embedding) AS dims FROM store_vectors LIMIT 1"
                dims = next(iter(_row(conn.execute(first).fetchone())), None)
        seen = [word for one in classes for end, word in _DISTANCES.items() if one.endswith(end)]
        return Kept(dims, seen[0] if seen else _asked(self._store), "halfvec" in kind)

    def read(self, places: Sequence[Address]) -> dict[Address, ItemVectors]:
        names = [".".join(namespace) for namespace, _ in places]
        with connection_of(self._store.conn) as conn:
            rows = conn.execute(_ROWS, (names, [key for _, key in places])).fetchall()
        found: dict[Address, dict[str, Vector]] = {}
        for prefix, key, name, text in map(_row, rows):
            place = tuple(str(prefix).split(".")), str(key)
            found.setdefault(place, {})[name] = tuple(map(float, json.loads(text)))
        return {place: ItemVectors(named) for place, named in found.items()}


class _Sqlite:
    """The table ``store_vectors`` of ``SqliteStore``: numbers of 32 bits, one after the other."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def kept(self) -> Kept:
        with self._store.lock:
            table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'store_vectors'"
            if self._store.conn.execute(table).fetchone() is None:
                return Kept(None, "cosine")
            look = "SELECT length(embedding) FROM store_vectors LIMIT 1"
            found = self._store.conn.execute(look).fetchone()
        return Kept(None if found is None else found[0] // 4, _asked(self._store))

    def read(self, places: Sequence[Address]) -> dict[Address, ItemVectors]:
        found = {}
        with self._store.lock:
            for namespace, key in places:
                rows = self._store.conn.execute(
                    "SELECT field_name, embedding FROM store_vectors WHERE prefix = ? AND key = ?",
                    (".".join(namespace), key),
                ).fetchall()
                if rows:
                    named = {name: tuple(array("f", packed)) for name, packed in rows}
                    found[namespace, key] = ItemVectors(named)
        return found


def _row(row: Any) -> tuple[Any, ...]:
    """A row of whatever kind as a tuple; nothing of none."""
    if row is None:
        return ()
    return tuple(row.values()) if isinstance(row, dict) else tuple(row)


def _asked(store: Any) -> str:
    """The distance that an open store was given; the tables do not say it."""
    return str((store.index_config or {}).get("distance_type", "cosine"))


def vectors_of(store: Any) -> VectorSource | None:
    """What reads a store's vectors; ``None`` for one whose vectors nobody here knows how to read."""
    from store_conformance.backends.vector.store import VectorStore

    if isinstance(store, VectorStore):
        return _Own(store) if store.tells_vectors else None
    tables = tables_of(store)
    if tables is None:
        return None
    return _Postgres(store) if tables == "postgres" else _Sqlite(store)
