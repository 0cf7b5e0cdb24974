"""
Rows as Chroma's records: their metadata, their made-up vectors, and the filters over them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from store_conformance.backends.vector.driver import (
    OVERFLOW,
    Condition,
    HasToken,
    Head,
    Kind,
    LacksToken,
    Record,
    StoredRow,
    Where,
)

if TYPE_CHECKING:
    from chromadb.api.types import GetResult

_GROUPS: dict[tuple[Kind, bool], str] = {
    ("item", False): "i",
    ("item", True): "r",
    ("vector", True): "v",
    ("namespace", False): "n",
}
"""By kind and whether a row has a vector of its own: the letter that its prefixes and its space begin with."""

_KINDS: dict[str, Kind] = {group: kind for (kind, _), group in _GROUPS.items()}


def to_metadata(record: Record, head: Head | None) -> dict[str, Any]:
    """
    A row's metadata, with None for the names that the row under this id has no longer.

    To Chroma a condition costs by the number of rows that meet it.  So what nearly every row would
    meet, its kind and that it has a vector, is part of the texts that few rows have.
    """
    group = _GROUPS[record.kind, record.vector is not None]
    new: dict[str, Any] = {
        "space": group + record.space,
        "prefixes": [group, *(group + token for token in record.prefixes)],
        "expires": record.expires_at,
        "head": record.head,
        **record.numbers,
    }
    if record.tokens:  # a list must not be empty
        new["tokens"] = list(record.tokens)
    if record.parent != record.id:
        new["parent"] = record.parent
    stale = (head.extra or frozenset()) - new.keys() if head is not None else ()
    return {**dict.fromkeys(stale), **new}


def to_rows(got: GetResult) -> list[StoredRow]:
    triples = zip(got["ids"], got["metadatas"] or [], got["documents"] or [], strict=True)
    return [
        StoredRow(
            id, _KINDS[m["space"][0]], m.get("parent") or id, m["head"], body or "",
            int(m["expires"]),
        )
        for id, m, body in triples
    ]  # fmt: skip


def has_vector(metadata: Mapping[str, Any]) -> bool:
    """Whether a record's vector is its row's own, and none that was made up."""
    return any(has and str(metadata["space"])[0] == letter for (_, has), letter in _GROUPS.items())


def made_up(id: str, dims: int) -> list[float]:
    """Some vector of a row that has none; a different one for each, which the index likes better."""
    source = random.Random(id)
    return [source.uniform(-1, 1) for _ in range(dims)]


def score(cosine: float) -> float:
    return min(1.0, max(-1.0, cosine))


def cosines(vector: Sequence[float], others: Any) -> list[float]:
    """The cosine similarity of a vector (dims,) to each of others (n, dims); 0 beside a vector of zeros."""
    import numpy as np

    one = np.asarray(vector, dtype=np.float64)
    rows = np.asarray(others, dtype=np.float64).reshape(-1, one.size)
    # StoredRow by row, not as a product of matrices: equal rows must have equal scores wherever they stand.
    products = (rows * one).sum(axis=1)
    norms = np.sqrt((rows * rows).sum(axis=1) * (one * one).sum())
    found = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return [score(float(each)) for each in found]


def to_filter(where: Where, *, ranked: bool = False) -> Any:
    """The filter of a search; ``ranked``: only rows with a vector of their own."""
    groups = [
        letter
        for (kind, has_vector), letter in _GROUPS.items()
        if kind in where.kinds and (has_vector or not ranked)
    ]
    parts: list[dict[str, Any]] = []
    if where.prefix is not None or not where.spaces:
        below = [{"prefixes": {"$contains": group + (where.prefix or "")}} for group in groups]
        parts.append(_any_of(below))
    if where.spaces:
        parts.append({"space": {"$in": [g + space for g in groups for space in where.spaces]}})
    if where.alive_at is not None:
        parts.append({"expires": {"$gt": where.alive_at}})
    if where.expired_at is not None:
        parts.append({"expires": {"$lte": where.expired_at}})
    parts += map(_condition, where.conditions)
    return parts[0] if len(parts) == 1 else {"$and": parts}


def _any_of(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return parts[0] if len(parts) == 1 else {"$or": parts}


def _condition(condition: Condition) -> dict[str, Any]:
    if isinstance(condition, LacksToken):
        return {"tokens": {"$not_contains": condition.token}}
    overflow = {"tokens": {"$contains": OVERFLOW}}
    if isinstance(condition, HasToken):
        return {"$or": [{"tokens": {"$contains": condition.token}}, overflow]}
    if condition.low is not None:
        return {"$or": [{condition.name: {"$gte": condition.low}}, overflow]}
    return {"$or": [{condition.name: {"$lte": condition.high}}, overflow]}
