"""
Gets, searches and listings over a driver: exact pages out of whatever the engine can push down.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from langgraph.store.base import Item, SearchItem

from store_conformance.backends.vector import encoding
from store_conformance.backends.vector.driver import (
    NEVER,
    Driver,
    Hit,
    Kind,
    StoredRow,
    Touch,
    Where,
)
from store_conformance.backends.vector.errors import LimitExceededError
from store_conformance.backends.vector.filters import Filter
from store_conformance.backends.vector.planning import Get, Search
from store_conformance.backends.vector.ties import settled

_ITEMS: frozenset[Kind] = frozenset({"item"})
_RANKED: frozenset[Kind] = frozenset({"item", "vector"})
_SPACES_AT_ONCE = 50
"""Namespaces looked at in one request, where the engine cannot list them."""
_SMALLEST_PAGE = 64
"""Rows asked for at least when a filter may throw some of them away."""


@dataclass(frozen=True)
class Found:
    """An item as it was read, with what a refresh of its TTL needs."""

    row: StoredRow
    namespace: tuple[str, ...]
    key: str
    value: dict[str, Any]
    facts: encoding.HeadFacts
    score: float | None = None

    @classmethod
    def from_row(cls, row: StoredRow) -> Found:
        namespace, key, value = encoding.from_body(row.body)
        return cls(row, namespace, key, value, encoding.HeadFacts.from_text(row.head))

    def item(self) -> Item:
        return Item(
            value=self.value,
            key=self.key,
            namespace=self.namespace,
            created_at=encoding.to_datetime(self.facts.created_at),
            updated_at=encoding.to_datetime(self.facts.updated_at),
        )

    def search_item(self) -> SearchItem:
        return SearchItem(
            namespace=self.namespace,
            key=self.key,
            value=self.value,
            created_at=encoding.to_datetime(self.facts.created_at),
            updated_at=encoding.to_datetime(self.facts.updated_at),
            score=self.score,
        )

    def touch(self, now: int) -> Touch | None:
        """The refresh of this item; None if it does not expire, or has: the dead stay dead."""
        if self.facts.ttl is None or self.row.expires_at <= now:
            return None
        return Touch(self.row.id, self.row.head, expiry(now, self.facts.ttl))


def expiry(now: int, ttl: float | None) -> int:
    """When an item that is used now expires, in the driver's microseconds."""
    if ttl is None:
        return NEVER
    return int(min(max(now + ttl * 60_000_000, 0), NEVER - 1))


class Reader:
    """Reads for one moment; ``alive_at`` hides what has expired by then (None: nothing is hidden)."""

    def __init__(self, driver: Driver, alive_at: int | None) -> None:
        self._driver = driver
        self._alive_at = alive_at

    def gets(self, gets: Sequence[Get]) -> dict[str, Found]:
        """The items by id; one engine call for all of them, as far as its limits go."""
        rows = fetch_all(self._driver, list(dict.fromkeys(get.id for get in gets)))
        return {id: Found.from_row(row) for id, row in rows.items() if self._visible(row)}

    def search(self, search: Search, vector: Sequence[float] | None) -> list[Found]:
        """One page of the matches: nearest first with a vector, in the engine's order without."""
        if search.limit == 0:
            return []
        where = Where(
            kinds=_ITEMS if vector is None else _RANKED,
            prefix=encoding.prefix_token(search.prefix) if search.prefix else None,
            alive_at=self._alive_at,
            conditions=search.filter.conditions(),
        )
        if vector is None:
            return self._plain(search, where)
        if not any(vector) and not self._driver.abilities.zero_vectors:
            return [replace(found, score=0.0) for found in self._plain(search, where)]
        return self._nearest(search, replace(where, alive_at=None), vector)

    def _visible(self, row: StoredRow) -> bool:
        return self._alive_at is None or row.expires_at > self._alive_at

    def _plain(self, search: Search, where: Where) -> list[Found]:
        skip = search.offset if not search.filter and self._driver.abilities.offset else 0
        wanted = search.offset - skip + search.limit
        size = wanted if not search.filter else max(wanted, _SMALLEST_PAGE)
        kept: list[Found] = []
        passed = 0
        for row in scan_all(self._driver, where, size, skip):
            # Without a filter a skipped row need not even be parsed.
            if not search.filter and passed < search.offset - skip:
                passed += 1
                continue
            found = Found.from_row(row)
            if not search.filter.matches(found.value):
                continue
            passed += 1
            if passed > search.offset - skip:
                kept.append(found)
            if passed == wanted:
                break
        return kept

    def _nearest(self, search: Search, where: Where, vector: Sequence[float]) -> list[Found]:
        wanted = search.offset + search.limit
        most = self._driver.limits.rows_per_query
        if most is not None and wanted > most:
            raise LimitExceededError(
                self._driver.engine, "offset + limit of a semantic search", most, wanted
            )
        parents: dict[str, StoredRow] = {}
        ask = wanted
        while True:
            hits = settled(partial(self._driver.query, vector, where), ask, most or sys.maxsize)
            kept = self._pooled(hits, parents, search.filter)
            if len(kept) >= wanted or len(hits) < ask:
                return kept[search.offset : wanted]
            if most is not None and ask >= most:
                raise LimitExceededError(
                    self._driver.engine, "vectors looked at in one search", most, ask + 1
                )
            ask = max(ask * 4, _SMALLEST_PAGE)
            ask = ask if most is None else min(ask, most)

    def _pooled(
        self, hits: Sequence[Hit], parents: dict[str, StoredRow], filter: Filter
    ) -> list[Found]:
        """Each item once, with its best vector; what an overwrite left behind is passed over."""
        parents.update((hit.row.id, hit.row) for hit in hits if hit.row.kind == "item")
        missing = dict.fromkeys(h.row.parent for h in hits if h.row.parent not in parents)
        parents.update(fetch_all(self._driver, list(missing)))
        seen: set[str] = set()
        kept: list[Found] = []
        for hit in hits:
            row = parents.get(hit.row.parent)
            if row is None or row.id in seen or not self._visible(row):
                continue
            facts = encoding.HeadFacts.from_text(row.head)
            if hit.row.kind == "vector" and hit.row.head != str(facts.updated_at):
                continue
            seen.add(row.id)
            found = Found.from_row(row)
            if filter.matches(found.value):
                kept.append(replace(found, score=hit.score))
        return kept


def vectors_of(driver: Driver, ids: Sequence[str]) -> dict[str, list[tuple[float, ...]]]:
    """By the id of each item that exists: its vectors, in the order of the texts they were made of."""
    size = driver.limits.ids_per_fetch
    rows: dict[str, list[str]] = {}
    for start in range(0, len(ids), size):
        for id, head in driver.heads(ids[start : start + size]).items():
            facts = encoding.HeadFacts.from_text(head.head)
            parts = (encoding.part_id(id, facts.updated_at, n + 1) for n in range(facts.parts))
            rows[id] = [id, *parts]
    every = [row for some in rows.values() for row in some]
    found: dict[str, tuple[float, ...]] = {}
    for start in range(0, len(every), size):
        found.update(driver.vectors(every[start : start + size]))
    return {id: [found[row] for row in some if row in found] for id, some in rows.items()}


def fetch_all(driver: Driver, ids: Sequence[str]) -> dict[str, StoredRow]:
    """The rows that exist, in as many calls as the engine needs."""
    rows: dict[str, StoredRow] = {}
    for start in range(0, len(ids), driver.limits.ids_per_fetch):
        rows.update(driver.fetch(ids[start : start + driver.limits.ids_per_fetch]))
    return rows


def scan_all(driver: Driver, where: Where, size: int, skip: int = 0) -> Iterator[StoredRow]:
    """All rows in the engine's order, page by page, the pages growing up to the engine's limit."""
    cursor: Any = None
    size = max(1, min(size, driver.limits.rows_per_page))
    while True:
        page = driver.scan(where, size, cursor, skip)
        yield from page.rows
        cursor = page.cursor
        if cursor is None:
            return
        size, skip = min(max(size * 2, _SMALLEST_PAGE), driver.limits.rows_per_page), 0
