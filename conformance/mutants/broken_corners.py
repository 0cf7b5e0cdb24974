"""
Stores that are right in the common case, and wrong with what is large, late, near nothing or beside others.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from langgraph.store.base import GetOp, Item, ListNamespacesOp, Op, PutOp, SearchItem, SearchOp

from store_conformance.mutants.groups import DELETES, FILTERS, LISTS, LIVES, PLAIN, TIMES, VECTORS
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)

# what an item is made of


class ScoresAreReadFromTheValue(ReferenceStore):
    """A field called score is taken for the score of the hit."""

    breaks = "S7"
    also = VECTORS

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            if isinstance(item.value.get("score"), float):
                item.score = item.value["score"]
        return found


class LargeValuesAreDecodedOnceMore(ReferenceStore):
    """Values of more than 64 kB are kept as bytes, which are read as Latin-1."""

    breaks = "K13"
    also = (*PLAIN, "F13", "V16", "K6", "E10")

    def decode_value(self, text: str) -> dict[str, Any]:
        value = super().decode_value(text)
        plain = json.dumps(value, ensure_ascii=False)
        if len(plain) < 65_536:
            return value
        return super().decode_value(plain.encode("utf-8", "surrogatepass").decode("latin-1"))


class CreationIsKnownByKey(ReferenceStore):
    """The time of creation is kept for each key, in whatever namespace."""

    breaks = "K4"
    also = TIMES

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        created, updated = super().timestamps(old, now)
        first = self.connection.execute(
            "SELECT MIN(created_at) FROM items WHERE key = ?", (self.key_written,)
        ).fetchone()[0]
        return first or created, updated

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        self.key_written = write.address[1]
        super().write_item(write, old)


class BatchesShareATimeOfCreation(ReferenceStore):
    """What one batch overwrites was all created when the oldest of it was."""

    breaks = "K4"
    also = TIMES

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Any]:
        rows = [row for write in writes if (row := self.find(write.address)) is not None]
        self.oldest = min((row.created_at for row in rows), default=None)
        return super().run(plan, writes, embedded)

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        created, updated = super().timestamps(old, now)
        return (created if old is None or self.oldest is None else self.oldest), updated


# namespaces


class Registered(ReferenceStore):
    """A base for stores with a register of namespaces, which is looked through at some moments only."""

    also: tuple[str, ...] = (*LISTS, *DELETES)

    def enter(self, namespace: str) -> None:
        self.connection.execute("INSERT OR IGNORE INTO facts VALUES (?, '')", ("ns:" + namespace,))

    def leave(self, namespace: str) -> None:
        """Take it out if nothing is left in it."""
        self.connection.execute(
            "DELETE FROM facts WHERE name = ? AND NOT EXISTS (SELECT 1 FROM items WHERE namespace = ?)",
            ("ns:" + namespace, namespace),
        )

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        self.enter(write.address[0])

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        names = self.connection.execute("SELECT name FROM facts WHERE name LIKE 'ns:%'")
        held = {row.namespace_text for row in super().scan()}
        self.empty = [
            ItemRow(0, name[3:], "", 0, 0, None, None)
            for (name,) in names.fetchall()
            if name[3:] not in held
        ]
        try:
            return super().read_namespaces(op)
        finally:
            self.empty = []

    def scan(self) -> list[ItemRow]:
        return super().scan() + getattr(self, "empty", [])


class TheLastOfABatchLeavesTheRegister(Registered):
    """Of the namespaces that a batch empties only that of its last delete is taken out of the register."""

    breaks = "X5"
    also = (*LISTS, *DELETES)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Any]:
        results = super().run(plan, writes, embedded)
        deletes = [write for write in writes if write.text is None]
        for write in deletes[-1:]:
            self.leave(write.address[0])
        return results

    def sweep(self) -> int:
        with self.transaction():
            before = {row.namespace_text for row in ReferenceStore.scan(self)}
        swept = super().sweep()
        with self.transaction():
            for namespace in before:
                self.leave(namespace)
        return swept


class FailedPutsEnterTheirNamespace(Registered):
    """A put enters its namespace into the register before it is embedded, and stays there if that fails."""

    breaks = "V13"
    also = ("X6", "V14", "O4", "N1", "N3", "O9", "O20", "X5")

    def plan(self, ops: Iterable[Op]) -> Plan:
        plan = super().plan(ops)
        if plan.texts:
            with self.transaction():
                for write in plan.writes:
                    if write.text is not None:
                        self.enter(write.address[0])
        return plan

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Any]:
        results = super().run(plan, writes, embedded)
        for write in writes:
            if write.text is None:
                self.leave(write.address[0])
        return results

    def sweep(self) -> int:
        swept = super().sweep()
        with self.transaction():
            for name in self.connection.execute("SELECT name FROM facts").fetchall():
                self.leave(name[0][3:])
        return swept


class NewNamespacesMeetInTheRegister(ReferenceStore):
    """The register of namespaces is read before a write and replaced behind it: of two at once one is lost."""

    breaks = "O12"
    also = (*LISTS, *LIVES, "O13", "O14", "O16", "O23")
    modes = ("sync",)

    def setup(self) -> None:
        super().setup()
        self.register = frozenset(row.namespace_text for row in self.scan())

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Any]:
        known = self.register
        results = super().execute(plan, embedded, turn)
        new = {write.address[0] for write in plan.writes if write.text is not None}
        if not new <= known:
            threading.Event().wait(0.002)
            self.register = known | new
        return results

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        self.listing = True
        try:
            return super().read_namespaces(op)
        finally:
            self.listing = False

    def scan(self) -> list[ItemRow]:
        rows = super().scan()
        if not getattr(self, "listing", False):
            return rows
        return [row for row in rows if row.namespace_text in self.register]


class FirstItemsBeginTheirNamespace(ReferenceStore):
    """A put that finds its namespace empty makes it anew: what another thread has put there meanwhile is gone."""

    breaks = "O12"
    also = ("O13", "O14", "O15", "O16", "O23", "T7")
    modes = ("sync",)

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Any]:
        new = {w.address[0] for w in plan.writes if w.text is not None} - self.filled()
        if new:
            threading.Event().wait(0.001)
            with self.lock:
                for namespace in new:
                    self.connection.execute("DELETE FROM items WHERE namespace = ?", (namespace,))
        return super().execute(plan, embedded, turn)

    def filled(self) -> set[str]:
        with self.lock:
            return {name for (name,) in self.connection.execute("SELECT namespace FROM items")}


# searches


class HugeLimitsFindNothing(ReferenceStore):
    """Twice the limit is asked of the engine, whose numbers have 64 bits: nothing is found beyond them."""

    breaks = "S4"

    def page(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return [] if 2 * (limit + offset) >= 2**63 else super().page(found, limit, offset)


class ZeroIsIgnored(ReferenceStore):
    """A condition whose value is the number 0 is left out."""

    breaks = "F1"
    also = (*FILTERS, *PLAIN)

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        asked = {k: v for k, v in wanted.items() if type(v) not in (int, float) or v != 0}
        return super().matches_filter(value, asked)


class UnknownOperatorsInABatchFindNothing(ReferenceStore):
    """In a batch of several operations, one whose filter has an unknown operator gives []."""

    breaks = "F8"
    also = ("O1", "O4", "O6", "O7", "F13", "K14")

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        return super().plan([self.harmless(op) for op in ops] if len(ops) > 1 else ops)

    def harmless(self, op: Op) -> Op:
        if not isinstance(op, SearchOp):
            return op
        try:
            self.check_filter(op.filter)
        except ValueError:
            return op._replace(limit=0, filter=None)
        return op


# vectors


class TextsAreEmbeddedInParts(ReferenceStore):
    """Texts are embedded a hundred at a time, and a last part that is smaller takes the vectors of the first."""

    breaks = "V15"
    also = (*VECTORS, "K13", "O5", "O12")

    def check_vectors(
        self, plan: Plan, documents: Sequence[Vector], queries: Sequence[Vector]
    ) -> Embedded:
        rest = len(documents) % 100
        if len(documents) > 100 and rest:
            documents = [*documents[:-rest], *documents[:rest]]
        return super().check_vectors(plan, documents, queries)


class NoPathsAreTheDefault(ReferenceStore):
    """An empty list of paths is taken for None."""

    breaks = "V3"
    also = ("V2", "V11")

    def fields(self, op: PutOp) -> list[str]:
        return super().fields(op if op.index or op.index is False else op._replace(index=None))


class ScoresAreComparedAsText(ReferenceStore):
    """Hits are ordered by the text of their scores: '3e-05' comes before '1.0'."""

    breaks = "V4"
    also = VECTORS

    def rank(self, scored: list[tuple[ItemRow, list[float]]]) -> list[tuple[ItemRow, float | None]]:
        return sorted(super().rank(scored), key=lambda hit: str(hit[1]), reverse=True)


class TheExpiredLeaveTheirVectors(ReferenceStore):
    """A put over an item that has expired is a new one, and does not look for old vectors."""

    breaks = "V11"
    also = (*VECTORS, *LIVES)

    def apply(self, write: Write, embedded: Embedded) -> None:
        old = self.find(write.address)
        self.stale = old is not None and self.expired(old, self.clock())
        super().apply(write, embedded)
        self.stale = False

    def remove_vectors(self, address: Address) -> None:
        if not getattr(self, "stale", False):
            super().remove_vectors(address)


# time


class AHundredAreRefreshed(ReferenceStore):
    """Of what a search gives the first hundred are refreshed."""

    breaks = "T4"
    also = ("S5",)

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        super().refresh(rows[:100], wanted)


class FreshItemsAreNotRefreshed(ReferenceStore):
    """A read refreshes what has less than three fifths of its time left."""

    breaks = "T4"
    also = (*LIVES, "S5")

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        now = self.clock()
        old = [
            row
            for row in rows
            if row.ttl and (row.expires_at or 0) - now < 0.6 * row.ttl * 60_000_000
        ]
        super().refresh(old, wanted)


class ReadsAreHeldBeyondTheirLife(ReferenceStore):
    """What a get gave is held in memory until the next write of its key, and knows nothing of its expiry."""

    breaks = "T5"
    also = (*LIVES, *PLAIN, "E6", "O13", "X7")

    def read_item(self, op: GetOp) -> Item | None:
        held: dict[Address, str] = self.__dict__.setdefault("held", {})
        address = self.address(op.namespace, op.key)
        item = super().read_item(op)
        if item is not None:
            held[address] = json.dumps(item.value)
        elif address in held and self.find(address) is not None:
            row = self.find(address)
            assert row is not None
            return Item(**self.facts(row))
        return item


class EndsOfLinesEndItemsAtReopening(ReferenceStore):
    """Items are read line by line when the store is opened, and a text may hold what ends a line."""

    breaks = "E4"
    also = ("E6", "O13", "O14", "O15", "O16", "O17", "K6", "F13")

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            for row in self.scan():
                text = json.dumps(self.load_value(row), ensure_ascii=False)
                if len(text.splitlines()) > 1:
                    self.remove_item(row.address)
                    self.remove_vectors(row.address)


class DefaultsAreGivenToOldItems(ReferenceStore):
    """Opening with a default time to live gives it to all items that have none."""

    breaks = "E4"
    also = (*LIVES, "O16", "O17")

    def setup(self) -> None:
        super().setup()
        default = (self.ttl_config or {}).get("default_ttl")
        if default is not None:
            with self.transaction():
                self.connection.execute(
                    "UPDATE items SET ttl = ?, expires_at = ? WHERE ttl IS NULL",
                    (default, self.expiry(default, self.clock())),
                )
