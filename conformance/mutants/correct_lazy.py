"""
Legal variants that embed at another time than during the put.

No sentence of the docs says when a text is embedded; a query finds what was put before it all the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from langgraph.store.base import Result

from store_conformance.mutants.correct import Variant
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)

WAITING = """
CREATE TABLE IF NOT EXISTS waiting (
    namespace TEXT NOT NULL, key TEXT NOT NULL, path TEXT NOT NULL, number INTEGER NOT NULL,
    text TEXT NOT NULL, PRIMARY KEY (namespace, key, path, number))
"""


class EmbedsWhenAsked(Variant, ReferenceStore):
    """A put keeps the texts, and the first query after it has them embedded: an embedder that is down holds up no put."""

    alone = True

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            self.connection.execute(WAITING)

    def plan(self, ops: Any) -> Plan:
        plan = super().plan(ops)
        return replace(plan, texts=self.waiting() if plan.queries else [])

    def waiting(self) -> list[str]:
        with self.lock:
            found = self.connection.execute("SELECT DISTINCT text FROM waiting").fetchall()
        return [text for (text,) in found]

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        self.catch_up(embedded)
        return super().run(plan, writes, embedded)

    def catch_up(self, embedded: Embedded) -> None:
        """The vectors of all texts that are known now; what came in meanwhile goes on waiting."""
        for text, vector in embedded.documents.items():
            self.check_dims(len(vector))
            self.connection.execute(
                "INSERT OR REPLACE INTO vectors SELECT namespace, key, path, number, ? FROM waiting WHERE text = ?",
                (self.encode_vector(vector), text),
            )
            self.connection.execute("DELETE FROM waiting WHERE text = ?", (text,))

    def write_vectors(self, write: Write, documents: Any) -> None:
        self.connection.executemany(
            "INSERT INTO waiting VALUES (?, ?, ?, ?, ?)",
            [(*write.address, *found) for found in write.texts],
        )

    def remove_vectors(self, address: Address) -> None:
        super().remove_vectors(address)
        self.connection.execute("DELETE FROM waiting WHERE namespace = ? AND key = ?", address)


LAG = 0.1
"""Seconds until an index knows of a put."""


def known_to_settle(seconds: float) -> Any:
    """An ``open_store`` that says how long its searches may lag behind."""

    def usual(cls: Any, at: Any, index: Any = None, ttl: Any = None) -> Any:
        open_store: Any = ReferenceStore.open_store
        return open_store.__func__(cls, at, index, ttl)

    usual.settle = seconds  # type: ignore[attr-defined]
    return classmethod(usual)


class IndexIsRefreshed(Variant, ReferenceStore):
    """A query finds what was put a tenth of a second ago, and says so; everything else is seen at once."""

    alone = True
    open_store = known_to_settle(LAG + 0.02)

    def ranked(self, rows: list[ItemRow], query: Vector) -> list[tuple[ItemRow, float | None]]:
        known = self.clock() - int(LAG * 1_000_000)
        return super().ranked([row for row in rows if row.updated_at <= known], query)
