"""
Stores whose filters widen: a condition that they do not expect becomes no condition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langgraph.store.base import Op, Result, SearchOp

from store_conformance.mutants.groups import FILTERS
from store_conformance.mutants.reference import MISSING, ItemRow, ReferenceStore


class EmptyObjectsAreNoCondition(ReferenceStore):
    """A filter ``{"k": {}}`` matches every item."""

    breaks = "F10"
    also = FILTERS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        return wanted == {} or super().matches_field(actual, wanted)


class EmptyObjectsMatchNothingThere(ReferenceStore):
    """A filter ``{"k": {}}`` matches the items without the field."""

    breaks = "F10"
    also = FILTERS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        return actual is MISSING if wanted == {} else super().matches_field(actual, wanted)


class InnerEmptyObjectsAreNoCondition(ReferenceStore):
    """An empty object within an object in a filter is no condition."""

    breaks = "F10"
    also = FILTERS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if not isinstance(wanted, dict) or any(str(name).startswith("$") for name in wanted):
            return super().matches_field(actual, wanted)
        inner = {name: value for name, value in wanted.items() if value != {}}
        return isinstance(actual, dict) and bool(wanted) and self.matches_filter(actual, inner)


class MissingFieldsPassBesideAQuery(ReferenceStore):
    """Beside a query an item without the field matches every filter."""

    breaks = "V10"
    also = FILTERS

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        if not (self.embeddings and op.query and op.filter):
            return super().wanted(row, op)
        value = self.load_value(row)
        return self.matches_filter(value, {k: v for k, v in op.filter.items() if k in value})


class RangesAreDroppedBesideAQuery(ReferenceStore):
    """Beside a query a range lets items without the field pass."""

    breaks = "V10"
    also = FILTERS

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        if not (self.embeddings and op.query and op.filter):
            return super().wanted(row, op)
        value = self.load_value(row)
        ranges = {k for k, v in op.filter.items() if isinstance(v, dict) and k not in value}
        return self.matches_filter(value, {k: v for k, v in op.filter.items() if k not in ranges})


class NotEqualNeedsTheFieldBesideAQuery(ReferenceStore):
    """Beside a query ``$ne`` matches no item without the field; alone it does."""

    breaks = "V10"
    also = FILTERS

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        if not (self.embeddings and op.query and op.filter):
            return super().wanted(row, op)
        value = self.load_value(row)
        absent = [k for k, v in op.filter.items() if isinstance(v, dict) and k not in value]
        return not absent and super().wanted(row, op)


class MissingFieldsPassInBatches(ReferenceStore):
    """In a batch of several searches an item without the field matches every filter."""

    breaks = "F1"
    also = FILTERS
    many = False

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        with self.lock:
            self.many = len(ops) > 1
            return super().batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        self.many = len(ops) > 1
        return await super().abatch(ops)

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        if not (self.many and op.filter):
            return super().wanted(row, op)
        value = self.load_value(row)
        return self.matches_filter(value, {k: v for k, v in op.filter.items() if k in value})


class NotEqualDecidesForMissingFields(ReferenceStore):
    """Beside ``$ne`` an item without the field passes the other operators too."""

    breaks = "F5"
    also = FILTERS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if actual is MISSING and isinstance(wanted, dict) and "$ne" in wanted:
            return self.operate("$ne", actual, wanted["$ne"])
        return super().matches_field(actual, wanted)


class NotEqualOfListsIsNoCondition(ReferenceStore):
    """``$ne`` with a list leaves nothing out."""

    breaks = "F6"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        listed = operator == "$ne" and isinstance(operand, (list, tuple))
        return listed or super().operate(operator, actual, operand)


class NotEqualOfObjectsIsNoCondition(ReferenceStore):
    """``$ne`` with an object leaves nothing out."""

    breaks = "F6"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        listed = operator == "$ne" and isinstance(operand, dict)
        return listed or super().operate(operator, actual, operand)


class AlternativesAtTheTopAreRun(ReferenceStore):
    """A filter's field called ``$or`` is run as alternatives."""

    breaks = "F13"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        either = wanted.get("$or")
        if not isinstance(either, list):
            return super().matches_filter(value, wanted)
        rest = {name: condition for name, condition in wanted.items() if name != "$or"}
        return super().matches_filter(value, rest) and any(
            isinstance(part, dict) and self.matches_filter(value, part) for part in either
        )


class ScriptsAtTheTopAreRun(ReferenceStore):
    """A filter's field called ``$where`` is run as a script, of which every one says yes."""

    breaks = "F13"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        scripts = [n for n, c in wanted.items() if n == "$where" and isinstance(c, str)]
        rest = {name: condition for name, condition in wanted.items() if name not in scripts}
        return super().matches_filter(value, rest)
