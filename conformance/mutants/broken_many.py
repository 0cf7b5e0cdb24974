"""
Stores that are right for a few and not for many: operations, items, bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langgraph.store.base import (
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from store_conformance.mutants.groups import LISTS, PLAIN, VECTORS
from store_conformance.mutants.reference import (
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)

BATCHES = ("O1", "O2", "O3", "O4", "O5", "K13", "S4", "S5", "S8", "X1")
MEGABYTE = 1_000_000


class Parts(ReferenceStore):
    """A base for stores that cut a batch into parts."""

    also: tuple[str, ...] = (*BATCHES, *VECTORS)
    size = 1_000

    def parts(self, ops: Iterable[Op]) -> list[list[Op]]:
        ops = list(ops)
        return [ops[start : start + self.size] for start in range(0, len(ops) or 1, self.size)]

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return [result for part in self.parts(ops) for result in super(Parts, self).batch(part)]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        results: list[Result] = []
        for part in self.parts(ops):
            results += await super().abatch(part)
        return results


class BatchesRunInParts(Parts):
    """A batch is run a thousand operations at a time, so later reads see earlier puts."""

    breaks = "O2"


class BatchesAreWrittenInParts(Parts):
    """A batch is run a thousand operations at a time, and fails with the first parts written."""

    breaks = "O4"


class AnswersBeyondAThousandAreShifted(ReferenceStore):
    """From the thousandth on the answers of a batch are one place off."""

    breaks = "O1"
    also = (*BATCHES, *VECTORS)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        results = super().run(plan, writes, embedded)
        return [*results[:1000], *results[1001:], *results[1000:1001]]


class GetsBeyondAThousandFindNothing(ReferenceStore):
    """Of the gets of a batch those after the thousandth find nothing."""

    breaks = "O1"
    also = (*BATCHES, *VECTORS)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        results = super().run(plan, writes, embedded)
        gets = [n for n, op in enumerate(plan.ops) if isinstance(op, GetOp)]
        for n in gets[1000:]:
            results[n] = None
        return results


class ListingsOfLargeBatchesAreEmpty(ReferenceStore):
    """In a batch of more than a thousand operations a listing finds nothing."""

    breaks = "O1"
    also = (*BATCHES, *LISTS)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        results = super().run(plan, writes, embedded)
        if len(plan.ops) > 1000:
            return [
                [] if isinstance(op, ListNamespacesOp) else result
                for op, result in zip(plan.ops, results, strict=True)
            ]
        return results


class PagesStopAtTwoThousand(ReferenceStore):
    """A plain search gives 2,000 items at most."""

    breaks = "S5"
    also = PLAIN

    def page(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().page(found, min(limit, 2000), offset)


class RankingsStopAtTwelveHundred(ReferenceStore):
    """A query gives the 1,200 best items at most."""

    breaks = "V9"
    also = VECTORS

    def rank(self, scored: list[tuple[ItemRow, list[float]]]) -> list[tuple[ItemRow, float | None]]:
        return super().rank(scored)[:1200]


class QueriesRefusePagesBeyondSixty(ReferenceStore):
    """A page of a query that ends beyond the sixtieth match is refused by name: too few to page by."""

    breaks = "V9"
    also = VECTORS

    def validate(self, op: Op) -> None:
        super().validate(op)
        if isinstance(op, SearchOp) and op.query and op.offset and op.offset + op.limit > 60:
            raise ValueError(
                f"offset + limit may be 60 at most with a query, not {op.offset + op.limit}"
            )


class ListingsStopAtAThousand(ReferenceStore):
    """A listing looks at the first thousand namespaces."""

    breaks = "L6"
    also = LISTS

    def sort_namespaces(self, namespaces: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return super().sort_namespaces(namespaces)[:1000]


class UnscoredFillEveryPage(ReferenceStore):
    """Each page of a query is filled with the same items without a vector."""

    breaks = "V9"
    also = VECTORS

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        if query is None or len(found) >= op.limit:
            return found
        rows = self.candidates(op)
        scored = {row.address for row, _ in self.ranked(rows, query)}
        bare = [row for row in rows if row.address not in scored]
        return found + [SearchItem(**self.facts(r)) for r in bare[: op.limit - len(found)]]


# bytes


class Pages(ReferenceStore):
    """A base for stores that stop reading when a page of the engine is full."""

    size = MEGABYTE

    def fits(self, found: list[Any]) -> list[Any]:
        total, kept = 0, []
        for item in found:
            total += len(self.encode_value(item.value)) if item is not None else 0
            if total > self.size:
                break
            kept.append(item)
        return kept


class SearchesStopAtAMegabyte(Pages):
    """A search ends where its values have a megabyte."""

    breaks = "S5"
    also = ("S4", "K13", "V9", "E7", "E4")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        return found if len(found) < 2 else self.fits(found)


class SearchesStopAtFourMegabytes(SearchesStopAtAMegabyte):
    """A search ends where its values have four megabytes."""

    breaks = "S5"
    size = 4 * MEGABYTE


class SearchesStopAtSixteenMegabytes(SearchesStopAtAMegabyte):
    """A search ends where its values have sixteen megabytes."""

    breaks = "S5"
    size = 16 * MEGABYTE


class FiltersLookAtAMegabyte(Pages):
    """A filter looks at the first megabyte of values only."""

    breaks = "S5"
    also = ("S4", "S8", "K13", "F1")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        if not op.filter or query is not None:
            return found
        whole = super().read_search(op._replace(filter=None, limit=10_000, offset=0), None)
        seen = {(i.namespace, i.key) for i in self.fits(whole)}
        return [i for i in found if (i.namespace, i.key) in seen]


class RankingsStopAtAMegabyte(Pages):
    """A query ends where the values of its hits have a megabyte."""

    breaks = "V9"
    also = VECTORS

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        return found if query is None else self.fits(found)


class GetsStopAtAMegabyte(Pages):
    """The gets of a batch find nothing more when their values have a megabyte."""

    breaks = "O5"
    also = BATCHES

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        results = super().run(plan, writes, embedded)
        if len(results) < 2 or not all(isinstance(r, Item) for r in results):
            return results
        kept = self.fits(results)
        return [*kept, *[None] * (len(results) - len(kept))]


class ListingsStopAtAHundredKilobytes(ReferenceStore):
    """A listing ends where its names have a hundred kilobytes."""

    breaks = "L6"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        total, kept = 0, []
        for name in super().read_namespaces(op):
            total += sum(map(len, name))
            if total > 100_000:
                break
            kept.append(name)
        return kept


class PutsOfLargeBatchesAreLost(ReferenceStore):
    """Of the puts of a batch those after the thousandth are lost."""

    breaks = "O1"
    also = (*BATCHES, *PLAIN, *VECTORS)

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        return super().dedupe(ops)[:1000]
