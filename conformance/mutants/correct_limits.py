"""
Legal variants whose limits are small and said in numbers, by errors that derive from nothing but ``Exception``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Overflow, Underflow
from typing import Any

from langgraph.store.base import GetOp, InvalidNamespaceError, ListNamespacesOp, Op, PutOp, SearchOp

from store_conformance.mutants.correct import Variant
from store_conformance.mutants.reference import Plan, ReferenceStore


class QuotaError(Exception):
    """Something has more than its share."""


class SmallLimitsInNumbers(Variant, ReferenceStore):
    """
    Namespaces of four labels, in every call; batches of 40 operations; filters of four conditions; values of 16 kB.

    What has more is refused, and the error says how much it may have.
    """

    also = ("N8", "O5")
    alone = True

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        for path in _paths(op):
            if len(path) > 4:
                raise InvalidNamespaceError(f"4 labels make a namespace, not {len(path)}: {path!r}")

    def validate(self, op: Op) -> None:
        super().validate(op)
        if isinstance(op, SearchOp) and len(op.filter or ()) > 4:
            raise QuotaError("no more than 4 conditions in a filter, please")

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        if len(ops) > 40:
            raise QuotaError(f"a batch may have 40 operations, this one has {len(ops)}")
        return super().plan(ops)

    def encode_value(self, value: Any) -> str:
        text = super().encode_value(value)
        if len(text) > 16_384:
            raise QuotaError(f"a value may have 16 kB, this one has {len(text)} characters")
        return text


class DecimalNumbers(Variant, ReferenceStore):
    """Floats beyond what DynamoDB's decimal numbers hold are refused, by the errors of `decimal`."""

    def encode_value(self, value: Any) -> str:
        text = super().encode_value(value)
        for number in _floats(value):
            if abs(number) > 9.99e125:
                raise Overflow(f"{number!r} is not within DynamoDB's numbers")
            if 0 < abs(number) < 1e-130:
                raise Underflow(f"{number!r} is not within DynamoDB's numbers")
        return text


def _floats(part: Any) -> Iterator[float]:
    if isinstance(part, float) and math.isfinite(part):
        yield part
    elif isinstance(part, (Mapping, list, tuple)):
        for inner in part.values() if isinstance(part, Mapping) else part:
            yield from _floats(inner)


class KeysOnceInABatch(Variant, ReferenceStore):
    """A batch that writes a key twice is refused, as DynamoDB does."""

    also = ("O3",)

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        writes = [(op.namespace, op.key) for op in ops if isinstance(op, PutOp)]
        if len({repr(place) for place in writes}) < len(writes):
            raise ValueError("a batch may write each key once")
        return super().plan(ops)


class NearestHundredOnly(Variant, ReferenceStore):
    """A query has 1,000 characters and finds the nearest hundred: what is longer, or lies beyond, is refused by name."""

    def validate(self, op: Op) -> None:
        super().validate(op)
        if isinstance(op, SearchOp) and len(op.query or "") > 1000:
            raise ValueError("A query may have 1,000 characters.")
        if isinstance(op, SearchOp) and op.query and op.offset + op.limit > 100:
            raise ValueError(
                f"A query finds 100 items at most: offset + limit is {op.offset + op.limit}."
            )


def _paths(op: Op) -> list[tuple[str, ...]]:
    if isinstance(op, (GetOp, PutOp)):
        return [op.namespace]
    if isinstance(op, ListNamespacesOp):
        return [condition.path for condition in op.match_conditions or ()]
    return [op.namespace_prefix]
