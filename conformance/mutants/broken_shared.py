"""
Stores that share, fold or drop vectors to save some, and lose items by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from json import dumps
from typing import Any

from store_conformance.mutants.correct import UnscoredLast
from store_conformance.mutants.groups import ALL
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)

VECTORS = tuple(r for r in ALL if r[0] in "VXTOE")
"""What is checked by a query after something was written."""


class EqualTextsShareAVector(ReferenceStore):
    """Equal texts share one vector and nobody counts its items: it goes with the first of them."""

    breaks = "V15"
    also = VECTORS

    def remove_vectors(self, address: Address) -> None:
        self.connection.execute(
            "DELETE FROM vectors WHERE vector IN"
            " (SELECT vector FROM vectors WHERE namespace = ? AND key = ?)",
            address,
        )


class FoldedTextsShareAVector(ReferenceStore):
    """Vectors are remembered by the text in small letters, and the text that came first gives the vector."""

    breaks = "V12"
    also = VECTORS

    def remembered(self, embedded: Embedded) -> Embedded:
        known: dict[str, Vector] = self.__dict__.setdefault("known", {})
        documents = {t: known.setdefault(t.lower(), v) for t, v in embedded.documents.items()}
        return replace(embedded, documents=documents)

    def embed(self, plan: Plan) -> Embedded:
        return self.remembered(super().embed(plan))

    async def aembed(self, plan: Plan) -> Embedded:
        return self.remembered(await super().aembed(plan))


class BlankTextsShiftTheOthers(ReferenceStore):
    """Blank texts are left out on the way to the embedder, and the texts behind them get the vectors of others."""

    breaks = "V15"
    also = VECTORS

    def check_vectors(
        self, plan: Plan, documents: Sequence[Vector], queries: Sequence[Vector]
    ) -> Embedded:
        pairs = list(zip(plan.texts, documents))
        full = [vector for text, vector in pairs if text.strip()]
        rest = [vector for text, vector in pairs if not text.strip()]
        shifted = full + rest if len(pairs) == len(documents) else documents
        return super().check_vectors(plan, shifted, queries)


class OneBlankTextEmptiesTheBatch(ReferenceStore):
    """A batch in which one text is empty is stored without any vector."""

    breaks = "V15"
    also = VECTORS

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        if "" not in documents:
            super().write_vectors(write, documents)


class OnlySoManyVectors(UnscoredLast):
    """The index keeps the newest thousand vectors; items whose vector fell out come unscored at the end."""

    breaks = "V9"
    also = VECTORS

    def write_vectors(self, write: Write, documents: Any) -> None:
        super().write_vectors(write, documents)
        self.connection.execute(
            "DELETE FROM vectors WHERE rowid <= (SELECT max(rowid) FROM vectors) - 1000"
        )


class EqualPutKeepsTheTtl(ReferenceStore):
    """A put of the value that is there already is passed over, whatever its ttl."""

    breaks = "T3"
    also = ("K4", "K5", "T1", "T2", "T4", "T5", "T7", "T8", "X8", "O20", "E4")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        # As JSON, for which True is not 1.
        if old is None or dumps(self.load_value(old)) != dumps(
            self.decode_value(write.text or "{}")
        ):
            super().write_item(write, old)


class PartsOfABatchRunSideBySide(ReferenceStore):
    """A batch of more than five hundred is cut into parts, and which of them writes last is chance."""

    breaks = "O3"
    also = ("O1", "O2", "O4", "O5", "K13", "O23")

    def dedupe(self, ops: list[Any]) -> list[Any]:
        parts = [ops[start : start + 500] for start in range(0, len(ops), 500)]
        return super().dedupe([op for part in reversed(parts) for op in part])
