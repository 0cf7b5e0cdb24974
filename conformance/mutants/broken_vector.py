"""
Stores that break the rules of the vector index and of semantic search (V1 to V18).
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from langgraph.store.base import PutOp, SearchItem, SearchOp, get_text_at_path

from store_conformance.mutants.groups import VECTORS
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)

Hits = list[tuple[ItemRow, float | None]]
Scored = list[tuple[ItemRow, list[float]]]

# V1


class QueryWithoutIndexFindsNothing(ReferenceStore):
    """Without an index a query finds nothing."""

    breaks = "V1"
    also = ("S7", "S10", "V17", "O17", "E3", "E5")

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        return [] if op.query and not self.embeddings else super().candidates(op)


class QueryWithoutIndexIsRefused(ReferenceStore):
    """Without an index a query is refused."""

    breaks = "V1"
    also = ("S7", "S10", "V17", "O17", "E3", "E5", "K4", "X6")

    def validate(self, op: Any) -> None:
        super().validate(op)
        if isinstance(op, SearchOp) and op.query and not self.embeddings:
            raise ValueError("The store has no index.")


class QueryWithoutIndexScores(ReferenceStore):
    """Without an index a query gives the score 0.0."""

    breaks = "V1"
    also = ("S7", "V17", "O17")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found if op.query else ():
            item.score = item.score or 0.0
        return found


class IndexArgumentWithoutIndexIsRefused(ReferenceStore):
    """Without an index the argument ``index`` of put is refused."""

    breaks = "V1"
    also = ("V3", "V11", "V17", "O17", "S10")

    def validate(self, op: Any) -> None:
        super().validate(op)
        if isinstance(op, PutOp) and op.index is not None and not self.embeddings:
            raise ValueError("The store has no index.")


# V2


class FieldsAreIgnored(ReferenceStore):
    """The whole value is embedded, whatever ``fields`` says."""

    breaks = "V2"
    also = VECTORS

    def fields(self, op: PutOp) -> list[str]:
        return ["$"] if super().fields(op) and op.index is None else super().fields(op)


class OnlyTheFirstFieldIsEmbedded(ReferenceStore):
    """Of several ``fields`` the first is embedded."""

    breaks = "V2"
    also = VECTORS

    def fields(self, op: PutOp) -> list[str]:
        return super().fields(op)[:1] if op.index is None else super().fields(op)


class OnlyThreeFieldsAreEmbedded(ReferenceStore):
    """Of several ``fields`` the first two are embedded."""

    breaks = "V2"
    also = VECTORS

    def fields(self, op: PutOp) -> list[str]:
        return super().fields(op)[:2] if op.index is None else super().fields(op)


class MissingFieldsAreEmbeddedAsNothing(ReferenceStore):
    """A missing field is embedded as an empty text."""

    breaks = "V2"
    also = VECTORS

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return super().texts_at(value, path) or [""]


class MissingFieldsAreEmbeddedAsNone(ReferenceStore):
    """A missing field is embedded as the text "None"."""

    breaks = "V2"
    also = VECTORS

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return super().texts_at(value, path) or ["None"]


class MissingFieldsRaise(ReferenceStore):
    """A value without one of the ``fields`` is refused."""

    breaks = "V2"
    also = (*VECTORS, "O10")

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        if not (texts := super().texts_at(value, path)):
            raise KeyError(path)
        return texts


class OneMissingFieldMeansNoVector(ReferenceStore):
    """A value without one of the ``fields`` gets no vector at all."""

    breaks = "V2"
    also = VECTORS

    def texts_to_embed(self, op: PutOp, text: str) -> Iterator[tuple[str, int, str]]:
        found = list(super().texts_to_embed(op, text))
        yield from found if {path for path, _, _ in found} == set(self.fields(op)) else ()


class FieldsAreJoined(ReferenceStore):
    """The texts of all ``fields`` are embedded as one."""

    breaks = "V2"
    also = VECTORS

    def texts_to_embed(self, op: PutOp, text: str) -> Iterator[tuple[str, int, str]]:
        found = [part for _, _, part in super().texts_to_embed(op, text)]
        yield from [("$", 0, " ".join(found))] if found else []


class WholeValueIsNotEmbedded(ReferenceStore):
    """Without ``fields`` nothing is embedded."""

    breaks = "V2"
    also = VECTORS

    def fields(self, op: PutOp) -> list[str]:
        return [] if super().fields(op) == ["$"] else super().fields(op)


# V3


class IndexPathsAreIgnored(ReferenceStore):
    """``put(index=[...])`` is ignored."""

    breaks = "V3"
    also = VECTORS

    def fields(self, op: PutOp) -> list[str]:
        return super().fields(op._replace(index=None) if op.index else op)


class IndexPathsAreAdded(ReferenceStore):
    """``put(index=[...])`` is added to the store's fields."""

    breaks = "V3"
    also = VECTORS

    def fields(self, op: PutOp) -> list[str]:
        return [*super().fields(op), *(super().fields(op._replace(index=None)) if op.index else [])]


class IndexFalseIsIgnored(ReferenceStore):
    """``put(index=False)`` is ignored."""

    breaks = "V3"
    also = VECTORS

    def fields(self, op: PutOp) -> list[str]:
        return super().fields(op._replace(index=None) if op.index is False else op)


class IndexFalseHidesTheItem(ReferenceStore):
    """An item with ``index=False`` is missing from a plain search."""

    breaks = "V3"
    also = (*VECTORS, "S7")

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        unindexed = "_unindexed" in self.decode_value(
            self.connection.execute(
                "SELECT coalesce((SELECT value FROM facts WHERE name = ?), '{}')",
                ("hide:" + repr(row.address),),
            ).fetchone()[0]
        )
        return not unindexed and super().wanted(row, op)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        fact = '{"_unindexed": 1}' if write.op.index is False else "{}"
        name = "hide:" + repr(write.address)
        self.connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, fact))


class Paths(ReferenceStore):
    """A base for stores that read paths wrongly."""

    also: tuple[str, ...] = ("V2", "V7", "V11", "V12", "V15", "O7", "E3")

    def path(self, path: str) -> str:
        return path

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return super().texts_at(value, self.path(path))


class LastElementPathsFindNothing(Paths):
    """The path ``a[-1]`` finds nothing."""

    breaks = "V3"

    def path(self, path: str) -> str:
        return path.replace("[-1]", "[999999]")


class LastElementPathsFindTheFirst(Paths):
    """The path ``a[-1]`` finds the first element."""

    breaks = "V3"

    def path(self, path: str) -> str:
        return path.replace("[-1]", "[0]")


class IndexPathsCountFromOne(Paths):
    """The path ``a[0]`` finds the element after the first."""

    breaks = "V3"

    def path(self, path: str) -> str:
        return re.sub(r"\[(\d+)\]", lambda found: f"[{int(found[1]) + 1}]", path)


class NestedPathsFindTheParent(Paths):
    """The path ``a.b`` embeds the whole of ``a``."""

    breaks = "V3"

    def path(self, path: str) -> str:
        return path.split(".")[0]


class NestedPathsBelowTwoFindNothing(Paths):
    """The path ``a.b.c`` finds nothing."""

    breaks = "V3"

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [] if path.count(".") > 1 else super().texts_at(value, path)


class StarPathsFindTheFirst(Paths):
    """The path ``a[*]`` embeds the first element only."""

    breaks = "V3"
    also = (*Paths.also, "V6")

    def path(self, path: str) -> str:
        return path.replace("[*]", "[0]")


class StarPathsAreJoined(Paths):
    """The path ``a[*].b`` embeds all elements as one text."""

    breaks = "V3"
    also = ("V2", "V6", "V7")  # and not V11, V15 or V17, which ask what becomes of a vector

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        texts = super().texts_at(value, path)
        return [" ".join(texts)] if "*" in path and texts else texts


class StarPathsBelowStarsFindNothing(Paths):
    """A field of each element, ``a[*].b``, is not found."""

    breaks = "V3"

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [] if "[*]." in path else super().texts_at(value, path)


class WorstFirst(ReferenceStore):
    """The worst hit comes first."""

    breaks = "V4"
    also = (*VECTORS, "O14", "O2", "X7")

    def rank(self, scored: Scored) -> Hits:
        return super().rank(scored)[::-1]


class HitsAreNotSorted(ReferenceStore):
    """Hits come in the order of their creation."""

    breaks = "V4"
    also = (*VECTORS, "O2")

    def rank(self, scored: Scored) -> Hits:
        return sorted(super().rank(scored))


class PagesAreSortedByKey(ReferenceStore):
    """The best hits are given, but in the order of their creation."""

    breaks = "V4"
    also = (*VECTORS, "O2")

    def page(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        page = super().page(found, limit, offset)
        return sorted(page) if page and page[0][-1] is not None else page


class SecondPageIsNotSorted(ReferenceStore):
    """From the second page on hits come in the order of their creation."""

    breaks = "V4"
    also = VECTORS

    def page(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        page = super().page(found, limit, offset)
        return sorted(page) if offset and page and page[0][-1] is not None else page


class ScoresAreLeftOut(ReferenceStore):
    """Hits have the score None."""

    breaks = "V4"
    also = (*VECTORS, "O13", "O14", "O2", "O4", "X7")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            item.score = None
        return found


class ScoresBeyondTenAreLeftOut(ReferenceStore):
    """Hits after the tenth have the score None."""

    breaks = "V4"
    also = VECTORS

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found[10:]:
            item.score = None
        return found


class ScoreIsTheDistance(ReferenceStore):
    """The score is the distance, so the best has the lowest."""

    breaks = "V4"
    also = (*VECTORS, "O13", "O14", "O2", "O4")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            item.score = None if item.score is None else 1 - item.score
        return found


class ScoresAreText(ReferenceStore):
    """The score is text."""

    breaks = "V4"
    also = (*VECTORS, "O13", "O14", "O2", "O4")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            item.score = None if item.score is None else str(item.score)  # type: ignore[assignment]
        return found


class UnrelatedHitsAreDropped(ReferenceStore):
    """Hits with a score of zero or less are dropped."""

    breaks = "V9"
    also = (*VECTORS, "O13", "O14", "O2")

    def rank(self, scored: Scored) -> Hits:
        return [hit for hit in super().rank(scored) if (hit[1] or 0) > 0]


# V5


class HitsUnlikeTheQueryAreDropped(ReferenceStore):
    """A query leaves out items with a score below zero."""

    breaks = "V9"
    also = VECTORS

    def rank(self, scored: Scored) -> Hits:
        return [hit for hit in super().rank(scored) if (hit[1] or 0.0) >= 0.0]


class MatchesUnlikeTheQueryAreDropped(ReferenceStore):
    """A query with a filter leaves out matches with a score below zero."""

    breaks = "V10"
    also = VECTORS

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        if not (op.filter and query is not None):
            return super().read_search(op, query)
        found = super().read_search(op._replace(limit=10_000, offset=0), query)
        return self.page([i for i in found if (i.score or 0.0) >= 0.0], op.limit, op.offset)


class TextStandsForTheValue(ReferenceStore):
    """By default a field called "text" is embedded in place of the whole value, where there is one."""

    breaks = "V2"
    also = VECTORS

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        text = value.get("text")
        return [text] if path == "$" and isinstance(text, str) else super().texts_at(value, path)


class Scores(ReferenceStore):
    """A base for stores whose cosine score is another figure."""

    also: tuple[str, ...] = VECTORS

    def alter(self, score: float) -> float:
        return score

    def cosine(self, dot: float, query: Vector, vector: Vector) -> float:
        return self.alter(super().cosine(dot, query, vector))


class ScoresAreHundredfold(Scores):
    """The score goes up to 100."""

    breaks = "V5"
    also = (
        "O13",
        "O14",
        "O4",
    )

    def alter(self, score: float) -> float:
        return score * 100


class ScoresAreHalved(Scores):
    """The score is scaled to 0..1."""

    breaks = "V5"
    also = ("O4",)

    def alter(self, score: float) -> float:
        return (1 + score) / 2


class ScoresAreSquared(Scores):
    """The score is 1 / (1 + distance)."""

    breaks = "V5"
    also = ("O4",)

    def alter(self, score: float) -> float:
        return 1 / (2 - score)


class NegativeScoresAreZero(Scores):
    """The score is never below zero."""

    breaks = "V5"

    def alter(self, score: float) -> float:
        return max(0.0, score)


class ScoresAreRounded(Scores):
    """The score has one digit."""

    breaks = "V5"

    def alter(self, score: float) -> float:
        return round(score, 1)


class OppositeIsAlike(Scores):
    """The score is the absolute value of the cosine."""

    breaks = "V5"

    def alter(self, score: float) -> float:
        return abs(score)


class ScoresAreNotNormalised(Scores):
    """The cosine score is the inner product."""

    breaks = "V5"

    def cosine(self, dot: float, query: Vector, vector: Vector) -> float:
        return dot


class OnlyTheQueryIsNormalised(Scores):
    """The length of the stored vector goes into the cosine score."""

    breaks = "V5"

    def cosine(self, dot: float, query: Vector, vector: Vector) -> float:
        return dot / (math.hypot(*query) or 1.0)


class ZeroVectorsScoreNan(Scores):
    """A zero vector has the score NaN."""

    breaks = "V5"

    def cosine(self, dot: float, query: Vector, vector: Vector) -> float:
        return super().cosine(dot, query, vector) if any(vector) and any(query) else math.nan


class ZeroVectorsComeFirst(Scores):
    """A zero vector has the score 1.0."""

    breaks = "V5"

    def cosine(self, dot: float, query: Vector, vector: Vector) -> float:
        return super().cosine(dot, query, vector) if any(vector) and any(query) else 1.0


class ZeroVectorsRaise(Scores):
    """A zero vector raises ZeroDivisionError."""

    breaks = "V5"

    def cosine(self, dot: float, query: Vector, vector: Vector) -> float:
        return dot / (math.hypot(*query) * math.hypot(*vector))


# V6


class L2IsFarthestFirst(ReferenceStore):
    """With l2 the farthest comes first."""

    breaks = "V6"
    also = ("V4", "V5")

    def similarity(self, query: Vector, vector: Vector) -> float:
        score = super().similarity(query, vector)
        l2 = (self.index_config or {}).get("distance_type") == "l2"
        return -score if l2 else score


class L2ScoreIsTheDistance(ReferenceStore):
    """With l2 the nearest comes first and has the lowest score."""

    breaks = "V6"
    also = ("V4", "V5")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        if (self.index_config or {}).get("distance_type") == "l2":
            for item in found:
                item.score = None if item.score is None else -item.score
        return found


class InnerProductIsNegated(ReferenceStore):
    """With inner_product the smallest comes first."""

    breaks = "V6"
    also = ("V4", "V5")

    def similarity(self, query: Vector, vector: Vector) -> float:
        score = super().similarity(query, vector)
        inner = (self.index_config or {}).get("distance_type") == "inner_product"
        return -score if inner else score


# V7


class ItemsComeOncePerVector(ReferenceStore):
    """An item with several vectors comes several times."""

    breaks = "V7"
    also = VECTORS

    def rank(self, scored: Scored) -> Hits:
        return super().rank([(row, [score]) for row, scores in scored for score in scores])


class FirstVectorCounts(ReferenceStore):
    """An item has the score of its first vector."""

    breaks = "V7"
    also = VECTORS

    def rank(self, scored: Scored) -> Hits:
        return super().rank([(row, scores[:1]) for row, scores in scored])


class LastVectorCounts(ReferenceStore):
    """An item has the score of its last vector."""

    breaks = "V7"
    also = VECTORS

    def rank(self, scored: Scored) -> Hits:
        return super().rank([(row, scores[-1:]) for row, scores in scored])


class MeanVectorCounts(ReferenceStore):
    """An item has the mean score of its vectors."""

    breaks = "V7"
    also = VECTORS

    def rank(self, scored: Scored) -> Hits:
        means = [(row, [sum(scores) / len(scores)]) for row, scores in scored if scores]
        return super().rank(means)


class WorstVectorCounts(ReferenceStore):
    """An item has the score of its worst vector."""

    breaks = "V7"
    also = VECTORS

    def rank(self, scored: Scored) -> Hits:
        return super().rank([(row, [min(scores)]) for row, scores in scored if scores])


class VectorsCountAsItems(ReferenceStore):
    """The limit counts vectors, so a page of items with several is short."""

    breaks = "V7"
    also = VECTORS

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        self.most = op.limit + op.offset
        return super().read_search(op, query)

    def rank(self, scored: Scored) -> Hits:
        each = [(row, [score]) for row, scores in scored for score in scores]
        best: dict[int, Any] = {}
        for row, score in super().rank(each)[: self.most]:
            best.setdefault(row.rowid, (row, score))
        return list(best.values())


class SecondPageRepeatsItems(ReferenceStore):
    """From the second page on an item comes once per vector."""

    breaks = "V7"
    also = VECTORS

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        self.later = op.offset > 0
        return super().read_search(op, query)

    def rank(self, scored: Scored) -> Hits:
        if self.later:
            scored = [(row, [score]) for row, scores in scored for score in scores]
        return super().rank(scored)


# V9


class SecondPageOfAQueryIsEmpty(ReferenceStore):
    """A query has one page only."""

    breaks = "V9"
    also = ("V4", "V7", "V10", "S4")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        return [] if query and op.offset else super().read_search(op, query)


class QueryOffsetIsIgnored(ReferenceStore):
    """A query has the first page again and again."""

    breaks = "V9"
    also = ("V4", "V6", "V7", "V10", "S4", "X8")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        return super().read_search(op._replace(offset=0) if query else op, query)


class NearestFortyOnly(ReferenceStore):
    """A query finds the nearest 40 only."""

    breaks = "V9"
    also = ("V4", "V7", "V10", "V18", "E2")

    def rank(self, scored: Scored) -> Hits:
        return super().rank(scored)[:40]


class NearestTwicePageOnly(ReferenceStore):
    """A query pages within twice the limit."""

    breaks = "V9"
    also = ("V4", "V7", "V10", "V18", "E2")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        self.most = 2 * op.limit
        return super().read_search(op, query)

    def rank(self, scored: Scored) -> Hits:
        return super().rank(scored)[: self.most]


class QueryPagesOverlap(ReferenceStore):
    """Each page of a query but the first starts with the last hit of the one before."""

    breaks = "V9"
    also = ("V4", "V6", "V7", "V10", "S4")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        early = op._replace(offset=max(op.offset - 1, 0))
        return super().read_search(early if query else op, query)


class TiesAreBrokenAtRandom(ReferenceStore):
    """Hits of equal score come in another order each time, so pages repeat and miss."""

    breaks = "V9"
    also = ("V4", "V7", "V10", "V15")

    def rank(self, scored: Scored) -> Hits:
        self.turns = getattr(self, "turns", 0) + 1
        return super().rank(scored[::-1] if self.turns % 2 else scored)


# V10


class FilterAfterTheNearest(ReferenceStore):
    """With a query the filter is applied to the page."""

    breaks = "V10"
    also = ("V9", "E2", "F1", "F3", "E5")
    times = 1

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        if not query or not op.filter:
            return super().read_search(op, query)
        most = (op.limit + op.offset) * self.times
        found = super().read_search(op._replace(filter=None, limit=most, offset=0), query)
        good = [item for item in found if self.matches_filter(item.value, op.filter)]
        return good[op.offset : op.offset + op.limit]


class FilterAfterTwiceTheNearest(FilterAfterTheNearest):
    """With a query the filter is applied to twice the page."""

    breaks = "V10"
    times = 2


class FilterAfterTenTimesTheNearest(FilterAfterTheNearest):
    """With a query the filter is applied to ten times the page."""

    breaks = "V10"
    times = 10


class FilterIsIgnoredWithAQuery(ReferenceStore):
    """With a query the filter is ignored."""

    breaks = "V10"
    also = ("V9", "E2", "F1", "F3", "F8", "E5")

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        return bool(op.query and self.embeddings) or super().wanted(row, op)


class OperatorsAreIgnoredWithAQuery(ReferenceStore):
    """With a query the operators of a filter are ignored."""

    breaks = "V10"
    also = ("V9", "E2", "F1", "F3", "F8", "E5")

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        if op.query and self.embeddings and op.filter:
            plain = {k: v for k, v in op.filter.items() if not isinstance(v, dict)}
            op = op._replace(filter=plain)
        return super().wanted(row, op)


# V11


class OldVectorsStay(ReferenceStore):
    """An overwrite adds its vectors and replaces those of the same field only."""

    breaks = "V11"
    also: tuple[str, ...] = ("V3", "V7", "X4", "O11", "T3", "E1", "E3", "K3", "V13")

    def keeps(self, write: Write) -> bool:
        return True

    def apply(self, write: Write, embedded: Embedded) -> None:
        self.keep = write.text is not None and self.find(write.address) and self.keeps(write)
        super().apply(write, embedded)

    def remove_vectors(self, address: Address) -> None:
        if not getattr(self, "keep", False):
            super().remove_vectors(address)


class OldVectorsStayWithoutNewOnes(OldVectorsStay):
    """An overwrite with ``index=False`` leaves the old vectors."""

    breaks = "V11"

    def keeps(self, write: Write) -> bool:
        return write.op.index is False


class OldVectorsStayWithoutText(OldVectorsStay):
    """An overwrite by a value without the field leaves the old vectors."""

    breaks = "V11"

    def keeps(self, write: Write) -> bool:
        return not write.texts


class OldVectorsStayWithoutIndex(OldVectorsStay):
    """An overwrite by a store that was opened without an index leaves the old vectors."""

    breaks = "V11"
    also = (*OldVectorsStay.also, "V17")

    def keeps(self, write: Write) -> bool:
        return not self.embeddings


class OldVectorsStayInTheTail(OldVectorsStay):
    """An overwrite by a shorter array leaves the vectors of the elements beyond."""

    breaks = "V11"

    def keeps(self, write: Write) -> bool:
        return any(number == 0 and path.endswith("[*]") for path, number, _ in write.texts)


class OldVectorsStayInBatches(OldVectorsStay):
    """An overwrite in a batch of several leaves the old vectors."""

    breaks = "V11"
    also = (*OldVectorsStay.also, "O3")

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> Any:
        self.many = len(plan.ops) > 1
        return super().execute(plan, embedded, turn)

    def keeps(self, write: Write) -> bool:
        return self.many


# V12


class QueriesAreEmbeddedAsDocuments(ReferenceStore):
    """The text of a query goes to ``embed_documents``."""

    breaks = "V12"
    also = ("V4", "V5", "O9", "O20", "O7")

    def embed(self, plan: Plan) -> Embedded:
        made = super().embed(replace(plan, queries=[]))
        found = super().embed(replace(plan, texts=plan.queries, queries=[]))
        return Embedded(made.documents, found.documents)

    async def aembed(self, plan: Plan) -> Embedded:
        made = await super().aembed(replace(plan, queries=[]))
        found = await super().aembed(replace(plan, texts=plan.queries, queries=[]))
        return Embedded(made.documents, found.documents)


class AsyncQueriesAreEmbeddedAsDocuments(ReferenceStore):
    """In async calls the text of a query goes to ``aembed_documents``."""

    breaks = "V12"
    also = ("V4", "V5", "O9", "O20", "O7")
    modes = ("async",)

    async def aembed(self, plan: Plan) -> Embedded:
        made = await super().aembed(replace(plan, queries=[]))
        found = await super().aembed(replace(plan, texts=plan.queries, queries=[]))
        return Embedded(made.documents, found.documents)


class DocumentsAreEmbeddedAsQueries(ReferenceStore):
    """The texts of documents go to ``embed_query``."""

    breaks = "V12"
    also = (*VECTORS, "O9", "O20", "O10", "O11")

    def embed(self, plan: Plan) -> Embedded:
        found = super().embed(replace(plan, texts=[], queries=[*plan.texts, *plan.queries]))
        return Embedded(found.queries, found.queries)

    async def aembed(self, plan: Plan) -> Embedded:
        found = await super().aembed(replace(plan, texts=[], queries=[*plan.texts, *plan.queries]))
        return Embedded(found.queries, found.queries)


class QueriesAreEmbeddedInSmallLetters(ReferenceStore):
    """The text of a query is embedded in small letters."""

    breaks = "V12"
    also = VECTORS

    def plan(self, ops: Any) -> Plan:
        return super().plan(
            op._replace(query=op.query.lower()) if isinstance(op, SearchOp) and op.query else op
            for op in ops
        )


# V13


class Careless(ReferenceStore):
    """A base for stores that act when the embedder fails."""

    also: tuple[str, ...] = ("V14", "O4", "O10", "O9", "O20", "K7", "V11")

    def failed(self, plan: Plan) -> Embedded:
        raise NotImplementedError

    def embed(self, plan: Plan) -> Embedded:
        try:
            return super().embed(plan)
        except Exception:
            if not plan.texts:
                raise
            return self.failed(plan)

    async def aembed(self, plan: Plan) -> Embedded:
        try:
            return await super().aembed(plan)
        except Exception:
            if not plan.texts:
                raise
            return self.failed(plan)


class FailureStoresTheItem(Careless):
    """When the embedder fails, the item has been stored already."""

    breaks = "V13"

    def failed(self, plan: Plan) -> Embedded:
        with self.transaction():
            for write in plan.writes:
                self.apply(replace(write, texts=()), Embedded())
        raise RuntimeError("The embedder failed.")


class FailureIsSwallowed(Careless):
    """When the embedder fails, the item is stored without vectors and nobody is told."""

    breaks = "V13"

    def failed(self, plan: Plan) -> Embedded:
        self.blind = True
        return Embedded()

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        super().write_vectors(write, documents) if documents else None


class FailureDeletesTheOldItem(Careless):
    """When the embedder fails, the old item is gone."""

    breaks = "V13"

    def failed(self, plan: Plan) -> Embedded:
        with self.transaction():
            for write in plan.writes:
                self.remove_item(write.address)
        raise RuntimeError("The embedder failed.")


class FailureDeletesTheOldVectors(Careless):
    """When the embedder fails, the old item has lost its vectors."""

    breaks = "V13"

    def failed(self, plan: Plan) -> Embedded:
        with self.transaction():
            for write in plan.writes:
                self.remove_vectors(write.address)
        raise RuntimeError("The embedder failed.")


class AsyncFailureStoresTheItem(ReferenceStore):
    """When the embedder fails in an async call, the item has been stored already."""

    breaks = "V13"
    also = (*Careless.also, "O7")
    modes = ("async",)

    async def aembed(self, plan: Plan) -> Embedded:
        try:
            return await super().aembed(plan)
        except Exception:
            with self.transaction():
                for write in plan.writes:
                    self.apply(replace(write, texts=()), Embedded())
            raise


# V14


class ShortAnswersAreTaken(ReferenceStore):
    """When the embedder gives too few vectors, the rest of the texts has none."""

    breaks = "V14"
    also = ("V13", "V15")

    def check_vectors(self, plan: Plan, documents: Any, queries: Any) -> Embedded:
        short = replace(plan, texts=plan.texts[: len(documents)])
        return super().check_vectors(short, documents[: len(plan.texts)], queries)

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        texts = tuple(text for text in write.texts if text[2] in documents)
        super().write_vectors(replace(write, texts=texts), documents)


class LongAnswersAreTaken(ReferenceStore):
    """When the embedder gives too many vectors, the rest is ignored."""

    breaks = "V14"
    also = ("V13", "V15")

    def check_vectors(self, plan: Plan, documents: Any, queries: Any) -> Embedded:
        return super().check_vectors(plan, documents[: len(plan.texts)], queries)


class SizesAreNotChecked(ReferenceStore):
    """Vectors of any size are stored."""

    breaks = "V14"
    also = ("V13", "O17")

    def check_vector(self, vector: Vector) -> None:
        return None

    def check_dims(self, dims: int) -> None:
        return None

    def similarity(self, query: Vector, vector: Vector) -> float:
        return super().similarity(query, vector) if len(query) == len(vector) else -1.0

    def score(self, query: Vector, vector: Vector) -> float:
        return self.similarity(query, vector)


class ShortVectorsArePadded(ReferenceStore):
    """A vector that is too short is filled with zeros, one that is too long is cut."""

    breaks = "V14"
    also = ("V13", "O17")

    def check_vectors(self, plan: Plan, documents: Any, queries: Any) -> Embedded:
        dims = (self.index_config or {}).get("dims", 0)
        fitted = [[*vector, *[0.0] * dims][:dims] for vector in documents]
        return super().check_vectors(plan, fitted, queries)


class WrongSizeStoresTheItem(ReferenceStore):
    """When a vector has the wrong size, the item is stored and the error comes after."""

    breaks = "V14"
    also = ("V13", "O4", "O17")

    def check_vectors(self, plan: Plan, documents: Any, queries: Any) -> Embedded:
        try:
            return super().check_vectors(plan, documents, queries)
        except ValueError:
            with self.transaction():
                for write in plan.writes:
                    self.apply(replace(write, texts=()), Embedded())
            raise


class WrongSizeIsSkipped(ReferenceStore):
    """When a vector has the wrong size, the item is stored without it and nobody is told."""

    breaks = "V14"
    also = ("V13", "O17")

    def check_vectors(self, plan: Plan, documents: Any, queries: Any) -> Embedded:
        try:
            return super().check_vectors(plan, documents, queries)
        except ValueError:
            return Embedded()

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        if documents:
            super().write_vectors(write, documents)


# V15


class IdenticalTextsRaise(ReferenceStore):
    """Two items with the same text in one batch are refused."""

    breaks = "V15"
    also = (*VECTORS, "O5", "T4")

    def plan(self, ops: Any) -> Plan:
        plan = super().plan(ops)
        texts = [text for write in plan.writes for _, _, text in write.texts]
        if len(texts) != len(set(texts)):
            raise ValueError("Number of embeddings does not match number of indices.")
        return plan


class IdenticalTextsAreEmbeddedForTheFirst(ReferenceStore):
    """Of several items with the same text in one batch the first gets a vector."""

    breaks = "V15"
    also = (*VECTORS, "O5")

    def plan(self, ops: Any) -> Plan:
        plan = super().plan(ops)
        seen: set[str] = set()
        writes = []
        for write in plan.writes:
            writes.append(replace(write, texts=tuple(x for x in write.texts if x[2] not in seen)))
            seen |= {text for _, _, text in write.texts}
        return replace(plan, writes=writes)


class IdenticalFieldsRaise(ReferenceStore):
    """A value with the same text in two fields is refused."""

    breaks = "V15"
    also = VECTORS

    def prepare(self, op: PutOp) -> Write:
        write = super().prepare(op)
        if len({text for _, _, text in write.texts}) != len(write.texts):
            raise ValueError("Number of embeddings does not match number of indices.")
        return write


class IdenticalTextsTakeTheNextVector(ReferenceStore):
    """When texts repeat in a batch, the texts after them get the vectors of others."""

    breaks = "V15"
    also = (*VECTORS, "O5")

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> Any:
        texts = [text for write in plan.writes for _, _, text in write.texts]
        vectors = list(embedded.documents.values())
        if len(texts) > len(vectors) > 1:
            shifted = dict(zip(plan.texts, vectors[1:] + vectors[:1]))
            embedded = Embedded(shifted, embedded.queries)
        return super().execute(plan, embedded, turn)


# V16


class Embeds(ReferenceStore):
    """A base for stores that alter a text before it is embedded."""

    also: tuple[str, ...] = (*VECTORS,)

    def alter(self, text: str) -> str:
        return text

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [self.alter(text) for text in super().texts_at(value, path)]


class TextIsEscapedForTheEmbedder(Embeds):
    """Text that is not ASCII reaches the embedder as escapes."""

    breaks = "V16"

    def alter(self, text: str) -> str:
        return json.dumps(text)[1:-1] if not text.isascii() else text


class WholeValueIsEscapedForTheEmbedder(Embeds):
    """The whole value reaches the embedder with escapes."""

    breaks = "V16"

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        if path == "$":
            return [json.dumps(value, sort_keys=True)]
        return get_text_at_path(value, path)


class AccentsAreLostForTheEmbedder(Embeds):
    """Text reaches the embedder without its accents."""

    breaks = "V16"

    def alter(self, text: str) -> str:
        return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or text


class EmojiAreLostForTheEmbedder(Embeds):
    """Text reaches the embedder without characters beyond the basic plane."""

    breaks = "V16"

    def alter(self, text: str) -> str:
        return "".join(x for x in text if ord(x) < 0x10000)


class TextIsDecodedWronglyForTheEmbedder(Embeds):
    """Text reaches the embedder as UTF-8 read as Latin-1."""

    breaks = "V16"

    def alter(self, text: str) -> str:
        return text.encode("utf-8", "surrogatepass").decode("latin-1")


# V17


class VectorsAreInMemory(ReferenceStore):
    """Vectors are gone when the store is opened again."""

    breaks = "V17"
    also = ("E2", "E4", "E6", "O13", "O16", "O17", "V11", "X4", "E7", "O14", "O15")

    def setup(self) -> None:
        super().setup()
        self.connection.execute(
            "CREATE TEMP TABLE vectors (namespace, key, path, number, vector,"
            " PRIMARY KEY (namespace, key, path, number))"
        )


class VectorsAreLostWithoutIndex(ReferenceStore):
    """Opening without an index drops all vectors."""

    breaks = "V17"
    also = ("E2", "E4", "E6", "O13", "O16", "O17", "V11", "X4", "E7")

    def setup(self) -> None:
        super().setup()
        if not self.embeddings:
            self.connection.execute("DELETE FROM vectors")


class OpeningWithoutIndexIsRefused(ReferenceStore):
    """A location that holds vectors cannot be opened without an index."""

    breaks = "V17"
    also = ("E2", "E4", "E6", "O13", "O16", "O17", "V11", "X4", "E7")

    def setup(self) -> None:
        super().setup()
        held = self.connection.execute("SELECT 1 FROM vectors").fetchone()
        if held and not self.embeddings:
            raise ValueError("The location has an index.")


class OpeningWithIndexDropsOldVectors(ReferenceStore):
    """Opening with an index starts it anew."""

    breaks = "V17"
    also = ("E2", "E4", "E6", "O13", "O14", "O15", "O16", "O17", "V11", "X4", "E7")

    def setup(self) -> None:
        super().setup()
        if self.embeddings:
            self.connection.execute("DELETE FROM vectors")


# V18


class NearestBeforeNamespace(ReferenceStore):
    """The nearest of all namespaces are taken, and then those of the prefix."""

    breaks = "V18"
    also: tuple[str, ...] = ("V9", "V10", "S1", "E2", "E3", "T5", "E5", "T4", "V15")
    times = 1

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        if not query:
            return super().read_search(op, query)
        most = (op.limit + op.offset) * self.times
        every = op._replace(namespace_prefix=(), limit=most, offset=0)
        found = super().read_search(every, query)
        near = [i for i in found if self.matches_prefix(i.namespace, op.namespace_prefix)]
        return near[op.offset : op.offset + op.limit]


class TwiceNearestBeforeNamespace(NearestBeforeNamespace):
    """The nearest of all namespaces, twice the page, are taken, and then those of the prefix."""

    breaks = "V18"
    also = ("T4",)
    times = 2


class TenTimesNearestBeforeNamespace(NearestBeforeNamespace):
    """The nearest of all namespaces, ten times the page, are taken, then those of the prefix."""

    breaks = "V18"
    also = ("T4",)
    times = 10


class FewCandidatesOfManyRows(ReferenceStore):
    """From 2,000 items on the 40 nearest of all namespaces are taken, and then those of the prefix."""

    breaks = "V18"
    also = ("E3",)

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        if not query or self.connection.execute("SELECT count(*) FROM items").fetchone()[0] < 2000:
            return super().read_search(op, query)
        every = op._replace(namespace_prefix=(), limit=40, offset=0)
        found = super().read_search(every, query)
        near = [i for i in found if self.matches_prefix(i.namespace, op.namespace_prefix)]
        return near[op.offset : op.offset + op.limit]


class QueryIgnoresThePrefix(ReferenceStore):
    """A query finds items of every namespace."""

    breaks = "V18"
    also = ("S1", "E2", "E3", "E5", "V9", "V10", "O11", "O3", "T4", "V11", "V15", "V4", "V5", "V7")

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        return super().read_search(op._replace(namespace_prefix=()) if query else op, query)


class QueryFindsTheNamespaceOnly(ReferenceStore):
    """A query finds items of the namespace itself, not those below."""

    breaks = "V18"
    also = ("S1", "S2", "E2", "E3", "E5", "V9", "V10", "T5", "V4", "X7")

    def ranked(self, rows: list[ItemRow], query: Vector) -> Hits:
        shallow = min((len(self.decode_namespace(row.namespace_text)) for row in rows), default=0)
        near = [r for r in rows if len(self.decode_namespace(r.namespace_text)) == shallow]
        return super().ranked(near, query)
