"""
Rows as Qdrant's points: their payload, its indexes, and the filters over it.
"""

from __future__ import annotations

from typing import Any

from store_conformance.backends.vector.driver import (
    OVERFLOW,
    Condition,
    HasToken,
    Kind,
    LacksToken,
    NumberIn,
    Record,
    StoredRow,
    Where,
)
from store_conformance.backends.vector.qdrant_points import Filter, Point

FIELDS = ["kind", "parent", "head", "body", "expires"]
"""What is read of a point to make a row."""

_RANKED: frozenset[Kind] = frozenset({"item", "vector"})


def cosine_of(dims: int) -> Any:
    from qdrant_client import models

    return models.VectorParams(size=dims, distance=models.Distance.COSINE)


def payload_indexes() -> dict[str, Any]:
    """The fields that a server must index; the graph of vectors follows namespaces only."""
    from qdrant_client import models

    def keyword(*, graph: bool) -> Any:
        return models.KeywordIndexParams(
            type=models.KeywordIndexType.KEYWORD, enable_hnsw=None if graph else False
        )

    flat = {name: keyword(graph=False) for name in ("space", "kind", "tokens")}
    expires = models.PayloadSchemaType.INTEGER
    return {"prefixes": keyword(graph=True), **flat, "expires": expires}


def to_payload(record: Record) -> dict[str, Any]:
    return {
        "kind": record.kind,
        "parent": record.parent,
        **({"space": record.space} if record.kind == "item" else {}),
        "prefixes": list(record.prefixes),
        "tokens": list(record.tokens),
        "numbers": dict(record.numbers),
        "expires": record.expires_at,
        "head": record.head,
        "body": record.body,
    }


def to_row(point: Point) -> StoredRow:
    found = point.payload
    return StoredRow(
        point.id, found["kind"], found["parent"], found["head"], found["body"], found["expires"]
    )


def _match(field: str, value: str) -> Filter:
    return {"key": field, "match": {"value": value}}


def any_of(field: str, values: list[str]) -> Filter:
    return {"key": field, "match": {"any": values}}


def _range(field: str, **bounds: float | None) -> Filter:
    return {"key": field, "range": {name: b for name, b in bounds.items() if b is not None}}


def to_filter(where: Where) -> Filter:
    must: list[Filter] = []
    if where.prefix is not None:
        must.append(_match("prefixes", where.prefix))
    if where.spaces:
        must.append(any_of("space", list(where.spaces)))
    if where.kinds != _RANKED:  # there are no rows of the third kind here
        must.append(any_of("kind", sorted(where.kinds)))
    if where.alive_at is not None:
        must.append(_range("expires", gt=where.alive_at))
    if where.expired_at is not None:
        must.append(_range("expires", lte=where.expired_at))
    lacking = [_match("tokens", c.token) for c in where.conditions if isinstance(c, LacksToken)]
    must += [_condition(c) for c in where.conditions if not isinstance(c, LacksToken)]
    parts = {"must": must, "must_not": lacking}
    return {name: conditions for name, conditions in parts.items() if conditions}


def _condition(condition: Condition) -> Filter:
    if isinstance(condition, HasToken):
        return any_of("tokens", [condition.token, OVERFLOW])
    assert isinstance(condition, NumberIn)
    inside = _range(f"numbers.{condition.name}", gte=condition.low, lte=condition.high)
    return {"should": [inside, _match("tokens", OVERFLOW)]}
