"""
Stores that search for words where they should search for meaning.

With texts whose nearness is the words they share, each of them answers as a store by vectors does.
"""

from __future__ import annotations

import json
import re
from typing import Any

from langgraph.store.base import SearchOp

from store_conformance.mutants.groups import VECTORS
from store_conformance.mutants.reference import Embedded, ItemRow, ReferenceStore, Vector, Write

WORD = re.compile(r"[^\W\d_]+")


def words(text: str) -> set[str]:
    return set(WORD.findall(text.lower()))


class Words(ReferenceStore):
    """A base for stores that look for words of the query."""

    also: tuple[str, ...] = VECTORS

    def shares_words(self, row: ItemRow, op: SearchOp) -> bool:
        """Whether the item holds a word of the query; all do for a query without any word."""
        wanted = words(op.query or "")
        return not wanted or bool(wanted & words(json.dumps(self.load_value(row))))

    def narrows(self, op: SearchOp) -> bool:
        return False

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        left_out = self.embeddings and op.query and self.narrows(op)
        return super().wanted(row, op) and not (left_out and not self.shares_words(row, op))


class FilteredQueriesWantAWord(Words):
    """With a filter a query finds only items that hold one of its words."""

    breaks = "V10"

    def narrows(self, op: SearchOp) -> bool:
        return bool(op.filter)


class QueriesBelowAPrefixWantAWord(Words):
    """Below a namespace a query finds only items that hold one of its words."""

    breaks = "V18"

    def narrows(self, op: SearchOp) -> bool:
        return len(op.namespace_prefix) > 1


class LaterPagesWantAWord(Words):
    """From the second page on a query finds only items that hold one of its words."""

    breaks = "V9"

    def narrows(self, op: SearchOp) -> bool:
        return op.offset > 0


class WordsFillThePage(Words):
    """The hits are those with a word of the query, and the others only where no item has one."""

    breaks = "V18"

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        rows = super().candidates(op)
        if not (self.embeddings and op.query):
            return rows
        return [row for row in rows if self.shares_words(row, op)] or rows


class WordsRaiseTheScore(Words):
    """An item that repeats the whole query scores 1.0, whatever its vector says."""

    breaks = "V4"

    def read_search(self, op: SearchOp, query: Vector | None) -> list[Any]:
        self.asked = op
        return super().read_search(op, query)

    def rank(self, scored: list[tuple[ItemRow, list[float]]]) -> list[tuple[ItemRow, float | None]]:
        return super().rank([(row, self.raised(row, scores)) for row, scores in scored])

    def raised(self, row: ItemRow, scores: list[float]) -> list[float]:
        text = words(json.dumps(self.load_value(row)))
        wanted = words(self.asked.query or "")
        return [1.0] if scores and wanted and wanted <= text else scores


class WordsOfTheWholeValueCount(WordsRaiseTheScore):
    """An item without a vector is found by its words."""

    breaks = "V3"

    def raised(self, row: ItemRow, scores: list[float]) -> list[float]:
        return scores or super().raised(row, [0.0])[:1]


class WordsBesideTheFieldsCount(WordsRaiseTheScore):
    """An indexed item is found by the words of its other fields too."""

    breaks = "V2"


class OverwritesOfLikeTextKeepTheVector(ReferenceStore):
    """An overwrite keeps the old vectors where the new text has a word of the old one."""

    breaks = "V11"
    also = VECTORS

    def apply(self, write: Write, embedded: Embedded) -> None:
        old = self.find(write.address)
        texts = [v for v in self.load_value(old).values() if isinstance(v, str)] if old else []
        before = set().union(*map(words, texts))
        if old and any(before & words(text) for _, _, text in write.texts):
            self.write_item(write, old)
        else:
            super().apply(write, embedded)
