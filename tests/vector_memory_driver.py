"""
A driver over a dict, which can be told to push nothing down and to have tiny limits.

It makes the store finish every kind of work itself, and it notes each call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from store_conformance.backends.vector.chroma_rows import cosines
from store_conformance.backends.vector.driver import (
    OVERFLOW,
    Abilities,
    Condition,
    HasToken,
    Head,
    Hit,
    LacksToken,
    Limits,
    NumberIn,
    Page,
    Record,
    StoredRow,
    Touch,
    Where,
)


class MemoryDriver:
    """Rows in a dict that outlives the driver if the caller keeps it."""

    engine = "Memory"

    def __init__(
        self,
        rows: dict[str, Record] | None = None,
        *,
        limits: Limits | None = None,
        abilities: Abilities | None = None,
    ) -> None:
        self.rows = {} if rows is None else rows
        self.limits = limits or Limits()
        pushes = frozenset({HasToken, LacksToken, NumberIn})
        self.abilities = abilities or Abilities(offset=True, namespaces=True, pushes=pushes)
        self.calls: list[str] = []
        self.fail_at: str | None = None

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call == self.fail_at:
            raise ConnectionError("the engine went away")

    def ensure_schema(self, dims: int | None) -> int | None:
        return dims

    def upsert(self, records: Sequence[Record], heads: Mapping[str, Head]) -> None:
        self._note("upsert")
        assert len(records) <= self.limits.rows_per_write
        assert len({record.id for record in records}) == len(records)
        self.rows.update((record.id, record) for record in records)

    def heads(self, ids: Sequence[str]) -> dict[str, Head]:
        self._note("heads")
        assert len(ids) <= self.limits.ids_per_fetch
        return {i: Head(self.rows[i].head, self.rows[i].expires_at) for i in ids if i in self.rows}

    def fetch(self, ids: Sequence[str]) -> dict[str, StoredRow]:
        self._note("fetch")
        assert len(ids) <= self.limits.ids_per_fetch
        return {id: _row(self.rows[id]) for id in ids if id in self.rows}

    def vectors(self, ids: Sequence[str]) -> dict[str, tuple[float, ...]]:
        self._note("vectors")
        assert len(ids) <= self.limits.ids_per_fetch
        found = {id: self.rows[id].vector for id in ids if id in self.rows}
        return {id: vector for id, vector in found.items() if vector is not None}

    def delete(self, ids: Sequence[str]) -> None:
        self._note("delete")
        for id in ids:
            self.rows.pop(id, None)

    def touch(self, touches: Sequence[Touch]) -> None:
        from dataclasses import replace

        self._note("touch")
        for touch in touches:
            old = self.rows.get(touch.id)
            if old is not None and old.head == touch.head:
                self.rows[touch.id] = replace(old, expires_at=touch.expires_at)

    def scan(self, where: Where, limit: int, cursor: Any = None, skip: int = 0) -> Page:
        self._note("scan")
        assert 0 < limit <= self.limits.rows_per_page
        assert not skip or self.abilities.offset
        found = sorted(i for i, r in list(self.rows.items()) if self._matches(r, where))
        start = skip if cursor is None else cursor
        page = [_row(self.rows[id]) for id in found[start : start + limit]]
        return Page(page, start + limit if len(found) > start + limit else None)

    def query(self, vector: Sequence[float], where: Where, limit: int) -> list[Hit]:
        self._note("query")
        found = [r for r in list(self.rows.values()) if r.vector and self._matches(r, where)]
        hits = [Hit(_row(r), cosines(vector, [r.vector])[0]) for r in found]
        return sorted(hits, key=lambda hit: (-hit.score, hit.row.id))[:limit]

    def namespaces(self, where: Where) -> list[str]:
        self._note("namespaces")
        return list({r.space for r in list(self.rows.values()) if self._matches(r, where)})

    def close(self) -> None:
        self._note("close")

    def _matches(self, record: Record, where: Where) -> bool:
        return (
            record.kind in where.kinds
            and (where.prefix is None or where.prefix in record.prefixes)
            and (not where.spaces or record.space in where.spaces)
            and (where.alive_at is None or record.expires_at > where.alive_at)
            and (where.expired_at is None or record.expires_at <= where.expired_at)
            and all(
                type(c) not in self.abilities.pushes or _holds(record, c) for c in where.conditions
            )
        )


def _holds(record: Record, condition: Condition) -> bool:
    if isinstance(condition, LacksToken):
        return condition.token not in record.tokens
    if OVERFLOW in record.tokens:
        return True
    if isinstance(condition, HasToken):
        return condition.token in record.tokens
    number = record.numbers.get(condition.name)
    return (
        number is not None
        and (condition.low is None or number >= condition.low)
        and (condition.high is None or number <= condition.high)
    )


def _row(record: Record) -> StoredRow:
    return StoredRow(
        record.id, record.kind, record.parent, record.head, record.body, record.expires_at
    )
