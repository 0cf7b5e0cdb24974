"""
Stores in which what is kept beside the items (caches, counts, vectors) gets out of step with them.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any, ClassVar

from langgraph.store.base import GetOp, Item, ListNamespacesOp, SearchItem, SearchOp

from store_conformance.mutants.groups import ALL, DELETES, LISTS, LIVES, VECTORS
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)


class PutsOfNoneDoNotClearTheCache(ReferenceStore):
    """Gets are answered from a cache, which puts with a value and ``delete`` clear, and a put of None does not."""

    breaks = "X3"
    also = ALL

    def read_item(self, op: GetOp) -> Item | None:
        cache: dict[Address, Item] = self.__dict__.setdefault("cache", {})
        address = self.address(op.namespace, op.key)
        item = cache.get(address) or super().read_item(op)
        if item is None:
            return None
        cache[address] = item
        own = {name: getattr(item, name) for name in Item.__slots__ if name != "value"}
        return Item(**own, value=json.loads(json.dumps(item.value)))

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Any]:
        results = super().run(plan, writes, embedded)
        for write in writes:
            if write.text is not None:
                self.forget(write.address)
        return results

    def forget(self, address: Address) -> None:
        self.__dict__.setdefault("cache", {}).pop(address, None)

    def delete(self, namespace: tuple[str, ...], key: str) -> None:
        super().delete(namespace, key)
        self.forget(self.address(namespace, str(key)))

    async def adelete(self, namespace: tuple[str, ...], key: str) -> None:
        await super().adelete(namespace, key)
        self.forget(self.address(namespace, str(key)))


class BatchesOfDeletesDoNotClearTheCache(PutsOfNoneDoNotClearTheCache):
    """Gets are answered from a cache, which a put of None clears, and a PutOp of None in a batch does not."""

    breaks = "X1"
    also = ALL

    def put(self, namespace: tuple[str, ...], key: str, *rest: Any, **named: Any) -> None:
        super().put(namespace, key, *rest, **named)
        self.forget(self.address(namespace, str(key)))

    async def aput(self, namespace: tuple[str, ...], key: str, *rest: Any, **named: Any) -> None:
        await super().aput(namespace, key, *rest, **named)
        self.forget(self.address(namespace, str(key)))


class DeletesOfNothingCountDown(ReferenceStore):
    """A table counts the items of each namespace; a delete of a missing item counts down as well."""

    breaks = "L1"
    also = (*LISTS, *DELETES)

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            self.connection.execute(
                "CREATE TABLE IF NOT EXISTS counts (namespace TEXT PRIMARY KEY, number INTEGER)"
            )

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        if old is None:
            self.count(write.address, 1)

    def remove_item(self, address: Address) -> None:
        super().remove_item(address)
        self.count(address, -1)

    def count(self, address: Address, more: int) -> None:
        self.connection.execute(
            "INSERT INTO counts VALUES (?, ?)"
            " ON CONFLICT (namespace) DO UPDATE SET number = number + excluded.number",
            (address[0], more),
        )

    def sort_namespaces(self, namespaces: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        found = self.connection.execute("SELECT namespace FROM counts WHERE number <= 0")
        empty = {self.decode_namespace(text) for (text,) in found.fetchall()}
        return super().sort_namespaces([n for n in namespaces if n not in empty])


class NamespacesOfAThousandItems(ReferenceStore):
    """Namespaces are listed by reading the first thousand items."""

    breaks = "L1"
    also = (*LISTS, "K13", "O5")

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        try:
            self.__dict__["listing"] = True
            return super().read_namespaces(op)
        finally:
            self.__dict__["listing"] = False

    def visible(self) -> list[ItemRow]:
        rows = super().visible()
        return rows[:1000] if self.__dict__.get("listing") else rows


class DeletedVectorsFillTheNearest(ReferenceStore):
    """A delete leaves the vector, and the 200 nearest vectors are taken before those without an item are left out."""

    breaks = "X1"
    also = (*DELETES, *VECTORS)

    def remove_vectors(self, address: Address) -> None:
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS orphans AS SELECT namespace, key, vector FROM vectors LIMIT 0"
        )
        self.connection.execute(
            "INSERT INTO orphans SELECT namespace, key, vector FROM vectors"
            " WHERE namespace = ? AND key = ?",
            address,
        )
        super().remove_vectors(address)

    def ranked(self, rows: list[ItemRow], query: Vector) -> list[tuple[ItemRow, float | None]]:
        hits = super().ranked(rows, query)
        if not self.connection.execute("PRAGMA table_info(orphans)").fetchall():
            return hits
        gone = [
            self.score(query, self.decode_vector(data))
            for (data,) in self.connection.execute("SELECT vector FROM orphans")
        ]
        return [
            hit
            for place, hit in enumerate(hits)
            if place + sum(score >= (hit[1] or 0.0) for score in gone) < 200
        ]


class StoresShareACache(ReferenceStore):
    """Gets are answered from a cache that belongs to the class: an item of another place is found in this one."""

    breaks = "X7"
    also = ALL
    shared: ClassVar[dict[Address, Item]] = {}

    def read_item(self, op: GetOp) -> Item | None:
        address = self.address(op.namespace, op.key)
        item = super().read_item(op)
        if item is not None:
            self.shared[address] = item
        return item or self.shared.get(address)

    def apply(self, write: Write, embedded: Embedded) -> None:
        super().apply(write, embedded)
        self.shared.pop(write.address, None)


class RepeatedGetsOfAnotherFlagFindNothing(ReferenceStore):
    """Of two gets of a key in a batch that differ in their refresh flag the second finds nothing."""

    breaks = "O3"
    also = ("O1", "O7", "T4", "E9")

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Any]:
        results = super().run(plan, writes, embedded)
        flags: dict[Address, bool] = {}
        for n, op in enumerate(plan.ops):
            if isinstance(op, GetOp):
                first = flags.setdefault(self.address(op.namespace, op.key), op.refresh_ttl)
                results[n] = results[n] if first == op.refresh_ttl else None
        return results


class SweepsDeleteAThousand(ReferenceStore):
    """A sweep deletes a thousand of the expired items at most."""

    breaks = "T7"

    def sweep(self) -> int:
        with self.transaction():
            now = self.clock()
            dead = [row for row in self.scan() if self.expired(row, now)][:1000]
            for row in dead:
                self.remove_vectors(row.address)
                self.remove_item(row.address)
        return len(dead)


class TtlIsForgottenByAReopening(ReferenceStore):
    """The ttl for refreshes is held in memory: after a reopening reads leave the moment of expiry as it is."""

    breaks = "T4"
    also = ("T2", "T3", "T8", "E6", "O13", "O16")

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            self.connection.execute("UPDATE items SET ttl = NULL")


class FirstDefaultTtlIsKept(ReferenceStore):
    """The configuration of the first opening with a ttl is written down, and later ones are passed over."""

    breaks = "T3"
    also = (*LIVES, "E6", "O13", "O16")

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            self.connection.execute(
                "INSERT OR IGNORE INTO facts VALUES ('ttl', ?)",
                (json.dumps((self.ttl_config or {}).get("default_ttl")),),
            )
        found = self.connection.execute("SELECT value FROM facts WHERE name = 'ttl'").fetchone()
        if self.ttl_config is not None:
            self.ttl_config = {**self.ttl_config, "default_ttl": json.loads(found[0])}


class QueriesScoreByNumbersOfAnEngine(ReferenceStore):
    """The score of a query is a number that JSON does not know, as numpy's are."""

    breaks = "K12"
    also = (*VECTORS, "E3", "E5", "O7", "S7")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            item.score = None if item.score is None else Fraction(item.score)  # type: ignore[assignment]
        return found


class QueriesForgetTheZone(ReferenceStore):
    """The times of the items that a query finds have no zone."""

    breaks = "K5"
    also = ("K4", "K12", "O7", "E2")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found if query is not None else ():
            item.created_at = item.created_at.replace(tzinfo=None)
            item.updated_at = item.updated_at.replace(tzinfo=None)
        return found


class KnownKeysAreUpdated(ReferenceStore):
    """A key that this store object has put is updated from then on, though another one may have deleted the row."""

    breaks = "O13"
    also = ("E6", "T2", "T3", "T7", "T8", "O23")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        known: set[Address] = self.__dict__.setdefault("known", set())
        if old is not None or write.address not in known:
            super().write_item(write, old)
        known.add(write.address)

    def remove_item(self, address: Address) -> None:
        super().remove_item(address)
        self.__dict__.setdefault("known", set()).discard(address)


class PutsOverTheExpiredExpire(ReferenceStore):
    """A put without a ttl over an item that has expired leaves its old end in the row."""

    breaks = "T3"
    also = (*LIVES, "K4")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        if old is not None and write.op.ttl is None and self.expired(old, self.clock()):
            self.connection.execute(
                "UPDATE items SET ttl = ?, expires_at = ? WHERE namespace = ? AND key = ?",
                (old.ttl, old.expires_at, *write.address),
            )


class ListingsAreKeptUntilAWrite(ReferenceStore):
    """Namespaces are listed from a cache, which only this store object's own writes and sweeps clear."""

    breaks = "O13"
    also = (*LISTS, "E6")

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        cache: dict[str, list[tuple[str, ...]]] = self.__dict__.setdefault("listings", {})
        if repr(op) not in cache:
            cache[repr(op)] = super().read_namespaces(op)
        return list(cache[repr(op)])

    def apply(self, write: Write, embedded: Embedded) -> None:
        super().apply(write, embedded)
        self.__dict__["listings"] = {}

    def sweep(self) -> int:
        self.__dict__["listings"] = {}
        return super().sweep()


class DeletesTakeKeysBelow(ReferenceStore):
    """A key is a path: a delete takes the keys that go on after it with a slash."""

    breaks = "X7"
    also = (*DELETES, "K11")

    def remove_item(self, address: Address) -> None:
        super().remove_item(address)
        for row in self.scan():
            below = self.decode_key(row.key_text).startswith(f"{self.decode_key(address[1])}/")
            if row.namespace_text == address[0] and below:
                super().remove_item(row.address)
