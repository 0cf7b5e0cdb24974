"""
Stores that embed after the put, and lose by it what they have acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from store_conformance.mutants.broken_vector import OldVectorsStay
from store_conformance.mutants.correct_lazy import EmbedsWhenAsked, IndexIsRefreshed
from store_conformance.mutants.reference import Address, Embedded, ItemRow, Plan, Vector, Write


class ForgetsWhatFailed(EmbedsWhenAsked):
    """Texts that wait are struck off the list before they are embedded, so an embedder that fails once loses them."""

    breaks = "V13"
    also = ("V14", "V12", "V4", "V9", "O17", "O10")

    @contextmanager
    def struck_off(self, plan: Plan) -> Iterator[None]:
        try:
            yield
        except Exception:
            with self.transaction():
                for text in plan.texts:
                    self.connection.execute("DELETE FROM waiting WHERE text = ?", (text,))
            raise

    def embed(self, plan: Plan) -> Embedded:
        with self.struck_off(plan):
            return super().embed(plan)

    async def aembed(self, plan: Plan) -> Embedded:
        with self.struck_off(plan):
            return await super().aembed(plan)


class KeepsWhatCame(EmbedsWhenAsked):
    """Waiting texts and the vectors that came are paired without a look at their number and size."""

    breaks = "V14"
    also = ("V13", "V12", "O17")

    def check_vectors(self, plan: Plan, documents: Any, queries: Any) -> Embedded:
        return Embedded(
            dict(zip(plan.texts, documents, strict=False)),
            dict(zip(plan.queries, queries, strict=False)),
        )

    def check_dims(self, dims: int) -> None:
        return None

    def score(self, query: Vector, vector: Vector) -> float:
        return self.similarity(query, vector) if len(query) == len(vector) else -1.0


class OldVectorsStayInALateIndex(IndexIsRefreshed):
    """What an index that is refreshed now and then knew of an item it never forgets, however long one waits."""

    breaks = "V11"
    also = OldVectorsStay.also

    def apply(self, write: Write, embedded: Embedded) -> None:
        self.overwrites = write.text is not None and self.find(write.address) is not None
        super().apply(write, embedded)

    def remove_vectors(self, address: Address) -> None:
        if not self.overwrites:
            super().remove_vectors(address)


class LateIndexTakesOneAtATime(IndexIsRefreshed):
    """Each refresh of an index takes in the last put of a place, and the others never."""

    breaks = "V9"
    also = (
        "S3",
        "X7",
        *(
            "V1",
            "V2",
            "V3",
            "V4",
            "V5",
            "V7",
            "V10",
            "V11",
            "V12",
            "V13",
            "V14",
            "V15",
            "V16",
            "V17",
            "V18",
        ),
        *(
            "O2",
            "O4",
            "O7",
            "O9",
            "O10",
            "O11",
            "O12",
            "O16",
            "O17",
            "X1",
            "X4",
            "X8",
            "E2",
            "E3",
            "E4",
            "E5",
            "E6",
            "K6",
        ),
    )

    def ranked(self, rows: list[ItemRow], query: Vector) -> list[tuple[ItemRow, float | None]]:
        last: dict[int, ItemRow] = {}
        for row in sorted(rows, key=lambda row: row.updated_at):
            last[row.updated_at // 5_000] = row
        return super().ranked(list(last.values()), query)
