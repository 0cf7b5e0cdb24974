"""
How much of what should be found was found: against exact cosine, and against what people judged.

Two numbers that must not be mixed.  `index_recall` compares a store with brute force over the same
vectors and blames the store; `evidence_recall` compares with the memories that answer a question and
blames embedder and store together.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Vector = Sequence[float]

TOLERANCE = 1e-5
"""Scores closer than this are a tie: engines compute with 32-bit floats in orders of their own."""


def _numpy() -> ModuleType | None:
    """Numpy if it is there; the pure Python below gives the same to within a float32's rounding."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy


class ExactIndex(Generic[Key]):
    """
    Brute-force cosine over a fixed set of vectors, in float32 where numpy is installed.

    The cosine with a zero vector is 0.  Built once, asked often: it normalises at the start.
    """

    def __init__(self, vectors: Mapping[Key, Vector]) -> None:
        self._keys = tuple(vectors)
        self._dims = {len(vector) for vector in vectors.values()}
        if len(self._dims) > 1:
            raise ValueError(f"vectors of different lengths: {sorted(self._dims)}")
        self._np = _numpy() if vectors else None
        self._rows: Any = self._units(list(vectors.values()))

    def _units(self, rows: list[Vector]) -> Any:
        if self._np is None:
            return [_unit(row) for row in rows]
        matrix = self._np.asarray(rows, dtype=self._np.float32)
        norms = self._np.linalg.norm(matrix, axis=1, keepdims=True)
        return matrix / self._np.where(norms == 0, 1, norms)

    def scores(self, query: Vector) -> dict[Key, float]:
        """The cosine of every vector with the query, in the order in which they were given."""
        if self._keys and len(query) not in self._dims:
            raise ValueError(f"a query of length {len(query)}, vectors of {min(self._dims)}")
        if self._np is None:
            unit = _unit(query)
            found = [math.fsum(x * y for x, y in zip(row, unit, strict=True)) for row in self._rows]
        else:
            found = (self._rows @ self._units([query])[0]).tolist()
        return dict(zip(self._keys, found, strict=True))

    def nearest(self, query: Vector, k: int) -> list[tuple[Key, float]]:
        """The k best with their scores; equal ones in the order in which they were given."""
        return best(self.scores(query), k)


def _unit(vector: Vector) -> list[float]:
    norm = math.sqrt(math.fsum(x * x for x in vector)) or 1.0
    return [x / norm for x in vector]


def best(scores: Mapping[Key, float], k: int) -> list[tuple[Key, float]]:
    """The k highest of these scores, equal ones in the mapping's order."""
    _positive(k)
    return sorted(scores.items(), key=lambda pair: -pair[1])[:k]


def exact_scores(query_vector: Vector, vectors: Mapping[Key, Vector]) -> dict[Key, float]:
    """The exact cosine of each vector with the query; for many queries build an `ExactIndex`."""
    return ExactIndex(vectors).scores(query_vector)


def nearest(query_vector: Vector, vectors: Mapping[Key, Vector], k: int) -> list[tuple[Key, float]]:
    """The k vectors nearest to the query by exact cosine, with their scores."""
    return ExactIndex(vectors).nearest(query_vector, k)


def index_recall(
    returned_keys: Iterable[Key],
    exact_scores: Mapping[Key, float],
    k: int,
    tolerance: float = TOLERANCE,
) -> float:
    """
    The share of the k best that a store returned among its first k, ties forgiven.

    A hit is any item whose exact score reaches the k-th best, less ``tolerance``.  Too few rows, a
    row twice, and a row that is not among the candidates are misses.  Of fewer candidates than k
    all are wanted; without any there is nothing to measure: that is a ValueError, not a number.
    """
    _positive(k)
    wanted = min(k, len(exact_scores))
    if wanted == 0:
        raise ValueError("index recall needs at least one candidate")
    bar = best(exact_scores, wanted)[-1][1] - tolerance
    returned = list(returned_keys)[:k]
    hits = {key for key in returned if key in exact_scores and exact_scores[key] >= bar}
    return min(len(hits), wanted) / wanted


def evidence_recall(returned: Iterable[Key], relevant: Iterable[Key], k: int) -> float:
    """
    The share of the relevant items among the first k returned.

    More relevant items than k cannot all be there, so k of them count as all.  Without a relevant
    item there is nothing to recall: that is a ValueError, not a number.
    """
    _positive(k)
    wanted = set(relevant)
    if not wanted:
        raise ValueError("evidence recall needs at least one relevant item")
    hits = wanted.intersection(list(returned)[:k])
    return len(hits) / min(k, len(wanted))


def _positive(k: int) -> None:
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
