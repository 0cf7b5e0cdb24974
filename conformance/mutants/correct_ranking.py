"""
Legal variants of the answer to a query: an order and a scale of the store's own, and queries without vectors.
"""

from __future__ import annotations

import re
from typing import Any

from langgraph.store.base import Op, SearchItem, SearchOp

from store_conformance.mutants.correct import NoVectorsIgnored, Variant
from store_conformance.mutants.reference import ItemRow, ReferenceStore, Vector

Scored = list[tuple[ItemRow, list[float]]]
Hits = list[tuple[ItemRow, "float | None"]]
_WORD = re.compile(r"\w+")


class KnowsTheQuery(ReferenceStore):
    """A base for stores that look at the words of a query too."""

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        self.asked = set(_WORD.findall(op.query or ""))
        return super().read_search(op, query)

    def words(self, row: ItemRow) -> float:
        """The part of a text's words that the query asks for, as a search by words weighs it."""
        found = _WORD.findall(repr(self.load_value(row)))
        return sum(word in self.asked for word in found) / (len(found) or 1)

    def by_vector(self, scored: Scored) -> dict[ItemRow, float]:
        return {row: max(scores) for row, scores in scored if scores}


class WordsBesideVectors(Variant, KnowsTheQuery):
    """The score is the cosine and the share of common words."""

    def rank(self, scored: Scored) -> Hits:
        found = self.by_vector(scored)
        hits: Hits = [(row, 0.7 * score + 0.3 * self.words(row)) for row, score in found.items()]
        return sorted(hits, key=lambda hit: -(hit[1] or 0.0))


class FusedRanks(Variant, KnowsTheQuery):
    """Ranks by vector and by words are fused: the score is a sum of reciprocal ranks."""

    def rank(self, scored: Scored) -> Hits:
        found = self.by_vector(scored)
        score: dict[ItemRow, float] = dict.fromkeys(found, 0.0)
        for order in (
            sorted(found, key=lambda row: -found[row]),
            sorted(found, key=lambda row: -self.words(row)),
        ):
            for place, row in enumerate(order, start=1):
                score[row] += 1 / (60 + place)
        hits: Hits = list(score.items())
        return sorted(hits, key=lambda hit: -(hit[1] or 0.0))


class RecentFirst(Variant, ReferenceStore):
    """What was written last gains most: recency weighs as much as the cosine."""

    alone = True  # with a clock of whole seconds its scores look like cosines, until it moves on

    def rank(self, scored: Scored) -> Hits:
        hits = [(row, scores) for row, scores in scored if scores]
        oldest = sorted(row.updated_at for row, _ in hits)
        aged: Hits = [
            (row, max(scores) + oldest.index(row.updated_at) / len(oldest)) for row, scores in hits
        ]
        return sorted(aged, key=lambda hit: -(hit[1] or 0.0))


class ScoresInPercent(Variant, ReferenceStore):
    """The score is a percentage, and the store says that its scale is its own."""

    declares = ("own-scores",)

    def cosine(self, dot: float, query: Vector, vector: Vector) -> float:
        return 50 + 50 * super().cosine(dot, query, vector)


class LongVectorsScoreMore(Variant, ReferenceStore):
    """The score is the inner product, and the store says that its scale is its own."""

    declares = ("own-scores",)

    def cosine(self, dot: float, query: Vector, vector: Vector) -> float:
        return dot


class WordsWithoutIndex(Variant, KnowsTheQuery):
    """Without an index a query finds the items that hold one of its words."""

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        self.asked = set(_WORD.findall(op.query or ""))
        by_words = bool(op.query) and not self.embeddings
        return super().wanted(row, op) and (not by_words or self.words(row) > 0)


class ScoredWordsWithoutVectors(NoVectorsIgnored, KnowsTheQuery):
    """A store without vectors finds by words, and scores by them."""

    declares = ("no-vectors", "text")  # type: ignore[assignment]

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        if not op.query:
            return super().read_search(op, query)
        whole = super().read_search(op._replace(limit=10_000, offset=0), query)
        found: list[SearchItem] = []
        for item in whole:
            words = _WORD.findall(repr(item.value))
            item.score = sum(word in self.asked for word in words) / (len(words) or 1)
            found += [item] if item.score else []
        found.sort(key=lambda item: -(item.score or 0.0))
        return self.page(found, op.limit, op.offset)


class QueryWithoutIndexNotImplemented(Variant, ReferenceStore):
    """Without an index a query is refused by name."""

    def validate(self, op: Op) -> None:
        super().validate(op)
        if isinstance(op, SearchOp) and op.query and not self.embeddings:
            raise NotImplementedError("A query needs an index: open the store with one.")


class NoVectorsAndNoQueries(NoVectorsIgnored):
    """A store without vectors refuses every query, the empty one too."""

    def validate(self, op: Op) -> None:
        super().validate(op)
        query: Any = getattr(op, "query", None)
        if query is not None:
            raise NotImplementedError("This store has no search by meaning.")
