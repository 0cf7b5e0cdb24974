"""
Rows as Weaviate's objects: their properties and the filters over them.

Property names must be identifiers, so a row's numbers go into a few shared columns by a hash of their
names; a range then finds too much, never too little.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

from store_conformance.backends.vector.driver import (
    OVERFLOW,
    Condition,
    HasToken,
    NumberIn,
    Record,
    StoredRow,
    Where,
)
from store_conformance.backends.vector.weaviate_schema import COLUMNS

FIELDS = ["kind", "parent", "head", "body", "expires"]
"""What is read of an object to make a row."""

_SLOTS = 2**32


def _column(name: str) -> str:
    return f"numbers{zlib.crc32(name.encode()) % COLUMNS}"


def to_object(record: Record) -> dict[str, Any]:
    columns: dict[str, list[float]] = {}
    for name, number in record.numbers.items():
        columns.setdefault(_column(name), []).append(float(number))
    lists = {"prefixes": list(record.prefixes), "tokens": list(record.tokens), **columns}
    return {
        "kind": record.kind,
        "parent": record.parent,
        "space": record.space,
        "expires": record.expires_at,
        "slot": int(record.id.replace("-", "")[:8], 16),
        "head": record.head,
        "body": record.body,
        **{name: values for name, values in lists.items() if values},
    }


def to_row(id: str, found: dict[str, Any]) -> StoredRow:
    return StoredRow(
        id, found["kind"], found["parent"], found.get("head") or "", found.get("body") or "",
        int(found["expires"]),
    )  # fmt: skip


def _property(name: str) -> Any:
    from weaviate.classes.query import Filter

    return Filter.by_property(name)


def to_filter(where: Where) -> Any:
    from weaviate.classes.query import Filter

    parts: list[Any] = []
    if where.kinds:
        parts.append(_property("kind").contains_any(sorted(where.kinds)))
    if where.prefix is not None:
        parts.append(_property("prefixes").contains_any([where.prefix]))
    if where.spaces:
        parts.append(_property("space").contains_any(list(where.spaces)))
    if where.alive_at is not None:
        parts.append(_property("expires").greater_than(where.alive_at))
    if where.expired_at is not None:
        parts.append(_property("expires").less_or_equal(where.expired_at))
    parts += [found for c in where.conditions if (found := _condition(c)) is not None]
    return Filter.all_of(parts) if len(parts) > 1 else parts[0]


def _condition(condition: Condition) -> Any:
    from weaviate.classes.query import Filter

    if isinstance(condition, HasToken):
        return _property("tokens").contains_any([condition.token, OVERFLOW])
    if not isinstance(condition, NumberIn):
        return None
    column = _property(_column(condition.name))
    bounds = []
    if condition.low is not None and math.isfinite(condition.low):
        bounds.append(column.greater_or_equal(float(condition.low)))
    if condition.high is not None and math.isfinite(condition.high):
        bounds.append(column.less_or_equal(float(condition.high)))
    if not bounds:
        return None
    inside = Filter.all_of(bounds) if len(bounds) > 1 else bounds[0]
    return Filter.any_of([inside, _property("tokens").contains_any([OVERFLOW])])


def sliced(chosen: Any, slices: int, number: int) -> Any:
    if slices == 1:
        return chosen
    low, high = (_SLOTS * edge // slices for edge in (number, number + 1))
    slot = _property("slot")
    return chosen & slot.greater_or_equal(low) & _property("slot").less_than(high)
