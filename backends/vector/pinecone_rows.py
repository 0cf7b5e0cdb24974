"""
Rows as Pinecone's records: their metadata, with short names because all of it counts, and filters.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
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


def to_metadata(record: Record) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "k": record.kind,
        "p": record.parent,
        "s": record.space,
        "e": record.expires_at,
        "h": record.head,
        "b": record.body,
        "v": record.vector is not None,
        **record.numbers,
    }
    lists = {"x": list(record.prefixes), "t": list(record.tokens)}
    return {**metadata, **{name: values for name, values in lists.items() if values}}


def to_row(id: str, metadata: Mapping[str, Any]) -> StoredRow:
    return StoredRow(
        id, metadata["k"], metadata["p"], metadata["h"], metadata["b"], int(metadata["e"])
    )


def to_json(data: object) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def all_of(fields: Mapping[str, object]) -> dict[str, Any]:
    return {"$and": [{name: condition} for name, condition in fields.items()]}


def to_filter(where: Where, *more: dict[str, Any]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"k": {"$in": sorted(where.kinds)}}, *more]
    if where.prefix is not None:
        parts.append({"x": {"$in": [where.prefix]}})
    if where.spaces:
        parts.append({"s": {"$in": list(where.spaces)}})
    if where.alive_at is not None:
        parts.append({"e": {"$gt": where.alive_at}})
    if where.expired_at is not None:
        parts.append({"e": {"$lte": where.expired_at}})
    parts += [found for c in where.conditions if (found := _condition(c)) is not None]
    return {"$and": parts}


def _condition(condition: Condition) -> dict[str, Any] | None:
    if isinstance(condition, HasToken):
        return {"t": {"$in": [condition.token, OVERFLOW]}}
    if isinstance(condition, NumberIn):
        bounds = {"$gte": condition.low, "$lte": condition.high}
        finite = {op: n for op, n in bounds.items() if n is not None and math.isfinite(n)}
        inside = [{condition.name: {op: n}} for op, n in finite.items()]
        within = {"$and": inside} if inside else {condition.name: {"$exists": True}}
        return {"$or": [within, {"t": {"$in": [OVERFLOW]}}]}
    return None
