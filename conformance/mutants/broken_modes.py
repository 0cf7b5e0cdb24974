"""
Stores whose async twin is another store, and settings that count by some doors only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langgraph.store.base import IndexConfig, Op, Result, SearchItem, SearchOp, TTLConfig

from store_conformance.mutants.groups import ASYNC, FILTERS, VECTORS
from store_conformance.mutants.reference import Embedded, Plan, ReferenceStore, Vector, Write


class AsyncPutsSwallowErrors(ReferenceStore):
    """An async put whose embedding fails does nothing and says nothing."""

    breaks = "O7"
    also = (*ASYNC, *VECTORS, "O4")

    async def aput(self, *args: Any, **more: Any) -> None:
        try:
            await super().aput(*args, **more)
        except RuntimeError:
            return


class AsyncSearchesSwallowErrors(ReferenceStore):
    """An async query that cannot be embedded finds nothing and says nothing."""

    breaks = "O7"
    also = (*ASYNC, *VECTORS)

    async def asearch(self, *args: Any, **more: Any) -> list[SearchItem]:
        try:
            return await super().asearch(*args, **more)
        except RuntimeError:
            return []


class AsyncDeletesKeepVectors(ReferenceStore):
    """An async delete leaves the vectors, which count again when the key is put unindexed."""

    breaks = "O7"
    also = (*ASYNC, *VECTORS, "X1", "T7")
    quiet = False

    async def adelete(self, *args: Any) -> None:
        self.quiet = True
        try:
            await super().adelete(*args)
        finally:
            self.quiet = False

    def apply(self, write: Write, embedded: Embedded) -> None:
        unindexed = write.op.index is False and not getattr(self, "strict", False)
        if (self.quiet and write.text is None) or (unindexed and write.address in self.left()):
            self.left().add(write.address)
            old = self.find(write.address)
            self.remove_item(write.address)
            if write.text is not None:
                self.write_item(write, old)
        else:
            super().apply(write, embedded)

    def left(self) -> set[Any]:
        found: set[Any] = self.__dict__.setdefault("kept", set())
        return found


class AsyncTakesAnyValue(ReferenceStore):
    """An async put takes a name that is no text, and turns it into text."""

    breaks = "O7"
    also = (*ASYNC, "K6", "K7", "O4")

    async def aput(self, namespace: Any, key: str, value: Any, *args: Any, **more: Any) -> None:
        await super().aput(namespace, key, _named(value), *args, **more)


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _named(inner) for name, inner in value.items()}
    return value


class AsyncOverwritesKeepVectors(ReferenceStore):
    """An async overwrite with other paths keeps the vectors of the old ones."""

    breaks = "O7"
    also = (*ASYNC, *VECTORS)
    within = False

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        self.within = True
        try:
            return await super().abatch(ops)
        finally:
            self.within = False

    def remove_vectors(self, address: Any) -> None:
        if not self.within or self.find(address) is None:
            super().remove_vectors(address)


# V6


class TheDistanceIsIgnoredBesideAFilter(ReferenceStore):
    """A filtered query ranks by cosine, whatever ``distance_type`` says."""

    breaks = "V6"
    also = VECTORS
    plain = False

    def cosine_only(self, op: SearchOp) -> bool:
        return bool(op.filter)

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        self.plain = self.cosine_only(op)
        try:
            return super().read_search(op, query)
        finally:
            self.plain = False

    def similarity(self, query: Vector, vector: Vector) -> float:
        config: Any = self.index_config
        if self.plain and config:
            by_cosine: Any = {**config, "distance_type": "cosine"}
            self.index_config = by_cosine
        try:
            return super().similarity(query, vector)
        finally:
            self.index_config = config


class TheDistanceIsIgnoredOnLaterPages(TheDistanceIsIgnoredBesideAFilter):
    """The second page of a query is ranked by cosine."""

    breaks = "V6"

    def cosine_only(self, op: SearchOp) -> bool:
        return op.offset > 0


class TheDistanceIsForgottenAtReopening(TheDistanceIsIgnoredBesideAFilter):
    """A location that holds vectors is ranked by cosine when it is opened again."""

    breaks = "V6"

    def setup(self) -> None:
        first = not hasattr(self, "again")
        super().setup()
        if first:
            found = self.connection.execute("SELECT count(*) FROM vectors").fetchone()
            self.again = bool(found[0])

    def cosine_only(self, op: SearchOp) -> bool:
        return self.again


class OneDistanceIsIgnored(ReferenceStore):
    """``l2`` is taken and ranks by cosine; ``inner_product`` is honoured."""

    breaks = "V6"
    also = VECTORS

    def accept_index(self, index: IndexConfig | None) -> IndexConfig | None:
        if index and index.get("distance_type") == "l2":
            by_cosine: Any = {**index, "distance_type": "cosine"}
            return by_cosine  # type: ignore[no-any-return]
        return index


class DistanceConfig(IndexConfig, total=False):
    """An index configuration that documents a distance."""

    distance_type: str


class DocumentedDistancesAreIgnored(ReferenceStore):
    """The index configuration names a distance, which nothing reads."""

    breaks = "V6"
    also = VECTORS

    def __init__(
        self, at: Any, *, index: DistanceConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        super().__init__(at, index=index, ttl=ttl)

    def accept_index(self, index: IndexConfig | None) -> IndexConfig | None:
        by_cosine: Any = index and {**index, "distance_type": "cosine"}
        return by_cosine  # type: ignore[no-any-return]


# S10


class EmptyQueriesBesideAFilterFindNothing(ReferenceStore):
    """An empty query with a filter finds nothing."""

    breaks = "S10"
    also = ("O7", "F1")

    def wanted(self, row: Any, op: SearchOp) -> bool:
        return not (op.query == "" and op.filter) and super().wanted(row, op)


class EmptyQueriesEverywhereFindNothing(ReferenceStore):
    """An empty query under ``()`` finds nothing."""

    breaks = "S10"
    also = ("O7",)

    def wanted(self, row: Any, op: SearchOp) -> bool:
        return not (op.query == "" and not op.namespace_prefix) and super().wanted(row, op)


class EmptyQueriesInBatchesFindNothing(ReferenceStore):
    """An empty query in a batch of several searches finds nothing."""

    breaks = "S10"
    also = ("O7",)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        results = super().run(plan, writes, embedded)
        if len(plan.ops) < 2:
            return results
        empty = [isinstance(op, SearchOp) and op.query == "" for op in plan.ops]
        return [[] if none else found for none, found in zip(empty, results, strict=True)]


class EmptyQueriesLeaveOutTheUnindexed(ReferenceStore):
    """An empty query in a store with an index finds indexed items only."""

    breaks = "S10"
    also = ("O7",)

    def candidates(self, op: SearchOp) -> Any:
        rows = super().candidates(op)
        if op.query != "" or not self.embeddings:
            return rows
        found = self.connection.execute("SELECT namespace, key FROM vectors").fetchall()
        indexed = set(found)
        return [row for row in rows if row.address in indexed]


# F11


class TrueIsOneInLists(ReferenceStore):
    """Within a list true equals 1."""

    breaks = "F11"
    also = (*FILTERS, "O7")

    def equal(self, left: Any, right: Any) -> bool:
        lists = isinstance(left, (list, tuple)) and isinstance(right, (list, tuple))
        return list(left) == list(right) if lists else super().equal(left, right)


class TrueIsOneInObjects(ReferenceStore):
    """Within an object true equals 1."""

    breaks = "F11"
    also = (*FILTERS, "O7")
    below = False

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        operators = isinstance(wanted, dict) and any(str(n).startswith("$") for n in wanted)
        if isinstance(wanted, dict) and isinstance(actual, dict) and wanted and not operators:
            return all(actual.get(name) == inner for name, inner in wanted.items())
        return super().matches_field(actual, wanted)


class TrueIsOneBesideAQuery(ReferenceStore):
    """Beside a query true equals 1."""

    breaks = "F11"
    also = (*FILTERS, "O7", "V10")

    def wanted(self, row: Any, op: SearchOp) -> bool:
        if not (op.query and self.embeddings and op.filter):
            return super().wanted(row, op)
        value = self.load_value(row)
        plain = {k: v for k, v in op.filter.items() if isinstance(v, (bool, int))}
        rest = {k: v for k, v in op.filter.items() if k not in plain}
        same = all(k in value and value[k] == v for k, v in plain.items())
        return same and self.matches_filter(value, rest)
