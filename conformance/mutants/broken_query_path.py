"""
Stores whose semantic search has a namespace condition, a filter and a decoder of its own, which are wrong.
"""

from __future__ import annotations

import json
from typing import Any

from langgraph.store.base import Op, SearchItem, SearchOp

from store_conformance.mutants.groups import VECTORS
from store_conformance.mutants.reference import (
    MISSING,
    RANGES,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)

Namespace = tuple[str, ...]


class QueryPath(ReferenceStore):
    """A base for stores that do otherwise beside a query than without one."""

    also: tuple[str, ...] = (*VECTORS, "N7", "O1", "S2")

    def asks_meaning(self, op: SearchOp) -> bool:
        return bool(op.query and self.embeddings)

    def within(self, namespace: Namespace, prefix: Namespace) -> bool:
        """Whether a query under the prefix sees the namespace."""
        return self.matches_prefix(namespace, prefix)

    def narrows(self, value: dict[str, Any], op: SearchOp) -> bool:
        """Whether an item passes the filter of a query."""
        return self.matches_filter(value, op.filter or {})

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        if not self.asks_meaning(op):
            return super().candidates(op)
        return [
            row
            for row in self.visible()
            if self.within(self.decode_namespace(row.namespace_text), tuple(op.namespace_prefix))
            and self.wanted(row, op)
        ]

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        if not (op.filter and self.asks_meaning(op)):
            return super().wanted(row, op)
        return self.narrows(self.load_value(row), op)


class QueriesJoinLabelsBySlashes(QueryPath):
    """A query compares its prefix as text that is joined by slashes."""

    breaks = "V18"

    def within(self, namespace: Namespace, prefix: Namespace) -> bool:
        return not prefix or f"{'/'.join(namespace)}/".startswith(f"{'/'.join(prefix)}/")


class QueriesTakeLabelsInAnyOrder(QueryPath):
    """A query looks for the labels of its prefix in any order."""

    breaks = "V18"

    def within(self, namespace: Namespace, prefix: Namespace) -> bool:
        return sorted(namespace[: len(prefix)]) == sorted(prefix)


class FilteredQueriesLookBelowOnly(QueryPath):
    """With a filter, a query leaves out the items of the very namespace that it asks for."""

    breaks = "V10"
    also = (*QueryPath.also, "F11", "K3")

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        found = super().candidates(op)
        if not (self.asks_meaning(op) and op.filter):
            return found
        asked = tuple(op.namespace_prefix)
        return [row for row in found if self.decode_namespace(row.namespace_text) != asked]


class QueriesTrimLabels(QueryPath):
    """A query looks at no white space around a label."""

    breaks = "V18"

    def within(self, namespace: Namespace, prefix: Namespace) -> bool:
        trimmed = [label.strip() for label in namespace[: len(prefix)]]
        return trimmed == [label.strip() for label in prefix]


class QueriesOfTheWholeStoreFindNothing(QueryPath):
    """A query under the empty prefix finds nothing."""

    breaks = "V18"

    def within(self, namespace: Namespace, prefix: Namespace) -> bool:
        return bool(prefix) and super().within(namespace, prefix)


class QueriesLeaveSiblingsOutTooLate(QueryPath):
    """A query's page is filled with the nearest below all paths that begin alike; those of siblings go then."""

    breaks = "V18"

    def within(self, namespace: Namespace, prefix: Namespace) -> bool:
        return ".".join(namespace).startswith(".".join(prefix))

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        return [i for i in found if self.matches_prefix(i.namespace, op.namespace_prefix)]


class FiltersBesideAQueryAreReadTooLate(QueryPath):
    """A range beside a query is looked at after the page was taken; an equality before."""

    breaks = "V10"

    def narrows(self, value: dict[str, Any], op: SearchOp) -> bool:
        equal = {n: c for n, c in (op.filter or {}).items() if not isinstance(c, dict)}
        return self.matches_filter(value, equal)

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        return [i for i in found if self.matches_filter(i.value, op.filter or {})]


class FilteredQueriesNeedANamespace(QueryPath):
    """A filter beside a query of the whole store is a syntax error."""

    breaks = "V10"

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        if query is not None and op.filter and not op.namespace_prefix:
            raise RuntimeError('syntax error at or near "AND"')
        return super().read_search(op, query)


class FilteredQueriesCompareText(QueryPath):
    """A filter beside a query compares the texts of values."""

    breaks = "V10"

    def narrows(self, value: dict[str, Any], op: SearchOp) -> bool:
        return all(
            self.matches_field(value.get(name, MISSING), wanted)
            if isinstance(wanted, dict)
            else name in value and str(value[name]) == str(wanted)
            for name, wanted in (op.filter or {}).items()
        )


class FilteredQueriesCompareRangesAsText(QueryPath):
    """A range beside a query compares numbers as text."""

    breaks = "V10"

    def narrows(self, value: dict[str, Any], op: SearchOp) -> bool:
        self.as_text = True
        try:
            return super().narrows(value, op)
        finally:
            self.as_text = False

    as_text = False

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        found = super().compare(operator, actual, operand)
        if not self.as_text or isinstance(operand, str) or self.kind(actual) != "number":
            return found
        return RANGES[operator](str(actual), str(operand))


class FilteredQueriesIgnoreCase(QueryPath):
    """A text beside a query is compared without regard to case."""

    breaks = "V10"

    def narrows(self, value: dict[str, Any], op: SearchOp) -> bool:
        wanted = json.loads(json.dumps(op.filter).lower())
        return self.matches_filter(json.loads(json.dumps(value).lower()), wanted)


class QueriesGiveScalarsOnly(QueryPath):
    """What a query finds lacks its lists and objects."""

    breaks = "K6"

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found if query is not None else ():
            item.value = self.told(item.value)
        return found

    def told(self, value: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in value.items() if not isinstance(v, (dict, list))}


class QueriesGiveFloats(QueriesGiveScalarsOnly):
    """Whole numbers are floats in what a query finds."""

    breaks = "K6"

    def told(self, value: dict[str, Any]) -> dict[str, Any]:
        return {k: float(v) if type(v) is int else v for k, v in value.items()}


class QueriesTakeEachOthersPlaces(QueryPath):
    """The vectors of a batch's queries are looked up by the places of all operations."""

    breaks = "O1"

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Any]:
        texts = [op.query for op in plan.ops if isinstance(op, SearchOp) and op.query]
        results = [self.read(self._asked(n, op, texts), embedded) for n, op in enumerate(plan.ops)]
        for write in writes:
            self.apply(write, embedded)
        return results

    def _asked(self, place: int, op: Op, texts: list[str]) -> Op:
        if not (isinstance(op, SearchOp) and op.query):
            return op
        return op._replace(query=texts[place] if place < len(texts) else None)
