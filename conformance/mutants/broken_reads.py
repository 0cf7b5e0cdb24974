"""
Stores whose reads leave something behind, or that write into what they were handed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from langgraph.store.base import (
    GetOp,
    IndexConfig,
    Item,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)

from store_conformance.mutants.groups import ALL, FILTERS, PLAIN, TIMES, VECTORS
from store_conformance.mutants.reference import ItemRow, Plan, ReferenceStore, Vector


class Touching(ReferenceStore):
    """A base for stores that change what they return."""

    also: tuple[str, ...] = ALL

    def touch(self, found: list[Any]) -> None:
        return None

    def read_item(self, op: GetOp) -> Item | None:
        item = super().read_item(op)
        if item is not None:
            self.touch([item])
        return item

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        self.touch(found)
        return found


class ReadsCountInTheValue(Touching):
    """Every fourth read of an item writes its number into the value."""

    breaks = "X8"

    def touch(self, found: list[Any]) -> None:
        reads: dict[Any, int] = self.__dict__.setdefault("reads", {})
        for item in found:
            at = self.address(item.namespace, item.key)
            reads[at] = reads.get(at, 0) + 1
            if reads[at] % 4 == 0:
                value = json.dumps({**item.value, "reads": reads[at]})
                self.connection.execute(
                    "UPDATE items SET value = ? WHERE namespace = ? AND key = ?", (value, *at)
                )


class SearchesMoveWhatTheyFind(ReferenceStore):
    """What a filtered search found comes first in the next plain search."""

    breaks = "X8"
    also = PLAIN

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        if op.filter:
            self.recent = {self.address(i.namespace, i.key) for i in found}
        return found

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        recent: set[Any] = getattr(self, "recent", set())
        return sorted(super().order(rows), key=lambda row: row.address not in recent)


class QueriesWearVectorsOut(ReferenceStore):
    """The best hit of a query loses its vector once it was found alone."""

    breaks = "X8"
    also = VECTORS

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        if query is not None and op.limit == 1 and found:
            self.remove_vectors(self.address(found[0].namespace, found[0].key))
        return found


class WalksUpdateTimes(ReferenceStore):
    """An item beyond the first page of a search counts as updated."""

    breaks = "X8"
    also = (*TIMES, *PLAIN)

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found if op.offset else ():
            at = self.address(item.namespace, item.key)
            self.connection.execute(
                "UPDATE items SET updated_at = updated_at + 1 WHERE namespace = ? AND key = ?", at
            )
        return found


class GetsWriteBackAPart(Touching):
    """A get writes the item back without what is nested in it."""

    breaks = "X8"

    def touch(self, found: list[Any]) -> None:
        for item in found:
            if "deep" in item.value and getattr(item, "score", 0) == 0:
                at = self.address(item.namespace, item.key)
                value = json.dumps({k: v for k, v in item.value.items() if k != "deep"})
                self.connection.execute(
                    "UPDATE items SET value = ? WHERE namespace = ? AND key = ?", (value, *at)
                )


class ListingsDropVectors(ReferenceStore):
    """A listing with a suffix removes the vectors of what it lists."""

    breaks = "X8"
    also = VECTORS

    def read_namespaces(self, op: Any) -> list[tuple[str, ...]]:
        found = super().read_namespaces(op)
        if any(c.match_type == "suffix" for c in op.match_conditions or ()):
            for name in found:
                text = (self.encode_namespace(name),)
                self.connection.execute("DELETE FROM vectors WHERE namespace = ?", text)
        return found


class ValuesGetAnId(ReferenceStore):
    """A put writes the key into the caller's value and takes it out of what it stores."""

    breaks = "K14"
    also = ("K3", "X1", "X7", "K1", "K6", "K7", "K10")

    def prepare(self, op: PutOp) -> Any:
        prepared = super().prepare(op)
        if isinstance(op.value, dict):
            op.value["_id"] = op.key
        return prepared

    def decode_value(self, text: str) -> dict[str, Any]:
        value = super().decode_value(text)
        value.pop("_id", None)
        return value


class FiltersAreUsedUp(ReferenceStore):
    """A filter is empty after the search."""

    breaks = "K14"
    also = ("O1", "V10", *FILTERS, *PLAIN)

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        if op.filter:
            op.filter.clear()
        return found


class RangesAreRewrittenInPlace(ReferenceStore):
    """A number in a range of the caller's filter becomes a float."""

    breaks = "K14"
    also = FILTERS

    def validate(self, op: Op) -> None:
        super().validate(op)
        for wanted in (op.filter or {}).values() if isinstance(op, SearchOp) else ():
            if isinstance(wanted, dict):
                for name, operand in wanted.items():
                    wanted[name] = float(operand) if type(operand) is int else operand


class BatchesAreUsedUp(ReferenceStore):
    """A list of operations is empty after the batch."""

    breaks = "K14"
    also = ALL

    def plan(self, ops: Iterable[Op]) -> Plan:
        plan = super().plan(ops)
        if isinstance(ops, list):
            ops.clear()
        return plan


class BatchesAreSorted(ReferenceStore):
    """The caller's list of operations has the puts last after the batch."""

    breaks = "K14"
    also = ALL

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        results = super().batch(list(ops) if not isinstance(ops, list) else ops[:])
        if isinstance(ops, list):
            ops.sort(key=lambda op: isinstance(op, PutOp))
        return results


class IndexGetsNamesOfTheStore(ReferenceStore):
    """The caller's index configuration gets an entry of the store's own."""

    breaks = "K14"
    also = VECTORS

    def accept_index(self, index: IndexConfig | None) -> IndexConfig | None:
        if index is not None:
            index["__paths"] = list(index.get("fields") or ["$"])  # type: ignore[typeddict-unknown-key]
        return index


class FieldsGrowWithOverrides(ReferenceStore):
    """The paths of a put are added to the caller's own list of fields."""

    breaks = "K14"
    also = VECTORS

    def fields(self, op: PutOp) -> list[str]:
        found = super().fields(op)
        own = (self.index_config or {}).get("fields")
        if op.index and own is not None:
            own.extend(path for path in op.index if path not in own)
        return found


class TtlIsFilledIn(ReferenceStore):
    """The caller's ttl configuration gets the defaults that it did not name."""

    breaks = "K14"
    also = ("T2", "T3", "T4", "T5", "T7")

    @classmethod
    @contextmanager
    def open_store(
        cls, at: Any, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> Iterator[Any]:
        if ttl is not None:
            ttl.setdefault("sweep_interval_minutes", 5)
        with super().open_store(at, index, ttl) as store:
            yield store
