"""
Stores that embed after the put, and lose by it what they have acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from store_conformance.mutants.correct_lazy import EmbedsWhenAsked
from store_conformance.mutants.reference import Embedded, Plan, Vector


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
