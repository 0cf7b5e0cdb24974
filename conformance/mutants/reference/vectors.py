"""
Texts become vectors, and items are ranked by theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from operator import mul
from typing import Any

from langgraph.store.base import PutOp, get_text_at_path

from store_conformance.mutants.reference.rows import Address, Embedded, ItemRow, Plan, Vector, Write
from store_conformance.mutants.reference.sweeping import Sweeping


class Vectors(Sweeping):
    """
    What is embedded, how a vector is kept, and what ranks above what.
    """

    # embedding

    def fields(self, op: PutOp) -> list[str]:
        if not self.index_config or op.index is False:
            return []
        return (self.index_config.get("fields") or ["$"]) if op.index is None else op.index

    def texts_to_embed(self, op: PutOp, text: str) -> Iterator[tuple[str, int, str]]:
        paths = list(dict.fromkeys(self.fields(op)))
        value = self.decode_value(text) if paths else {}
        for path in paths:
            for number, found in enumerate(self.texts_at(value, path)):
                yield path, number, found

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return get_text_at_path(value, path)

    def embed(self, plan: Plan) -> Embedded:
        if not self.embeddings:
            return Embedded()
        documents = self.embeddings.embed_documents(plan.texts) if plan.texts else []
        queries = [self.embeddings.embed_query(query) for query in plan.queries]
        return self.check_vectors(plan, documents, queries)

    async def aembed(self, plan: Plan) -> Embedded:
        if not self.embeddings:
            return Embedded()
        documents = await self.embeddings.aembed_documents(plan.texts) if plan.texts else []
        queries = [await self.embeddings.aembed_query(query) for query in plan.queries]
        return self.check_vectors(plan, documents, queries)

    def check_vectors(
        self, plan: Plan, documents: Sequence[Vector], queries: Sequence[Vector]
    ) -> Embedded:
        if len(documents) != len(plan.texts):
            raise ValueError(f"Got {len(documents)} embeddings for {len(plan.texts)} texts.")
        for vector in (*documents, *queries):
            self.check_vector(vector)
        return Embedded(
            dict(zip(plan.texts, documents, strict=True)),
            dict(zip(plan.queries, queries, strict=True)),
        )

    def check_vector(self, vector: Vector) -> None:
        dims = (self.index_config or {}).get("dims")
        if dims is not None and len(vector) != dims:
            raise ValueError(f"An embedding has {len(vector)} dimensions, the index {dims}.")
        if not all(map(math.isfinite, vector)):
            raise ValueError("An embedding holds a number that is not finite.")

    # keeping

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        for path, number, text in write.texts:
            self.check_dims(len(documents[text]))
            self.connection.execute(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?)",
                (*write.address, path, number, self.encode_vector(documents[text])),
            )

    def check_dims(self, dims: int) -> None:
        """The first vector decides for the location, whatever index it is opened with later."""
        self.connection.execute("INSERT OR IGNORE INTO facts VALUES ('dims', ?)", (str(dims),))
        found = self.connection.execute("SELECT value FROM facts WHERE name = 'dims'").fetchone()
        if int(found[0]) != dims:
            raise ValueError(f"The location holds vectors of {found[0]} dimensions, not {dims}.")

    # ranking

    def similarity(self, query: Vector, vector: Vector) -> float:
        kind = (self.index_config or {}).get("distance_type") or "cosine"
        if kind == "l2":
            return -math.dist(query, vector)
        dot = math.fsum(map(mul, query, vector))
        return dot if kind == "inner_product" else self.cosine(dot, query, vector)

    def cosine(self, dot: float, query: Vector, vector: Vector) -> float:
        """A zero vector is like nothing, so it stands below everything that has a direction."""
        lengths = math.hypot(*query) * math.hypot(*vector)
        return max(-1.0, min(1.0, dot / lengths)) if lengths else -1.0

    def ranked(self, rows: list[ItemRow], query: Vector) -> list[tuple[ItemRow, float | None]]:
        scores: dict[Address, list[float]] = {row.address: [] for row in rows}
        for namespace, key, data in self.connection.execute(
            "SELECT namespace, key, vector FROM vectors"
        ):
            if (namespace, key) in scores:
                scores[namespace, key].append(self.score(query, self.decode_vector(data)))
        return self.rank([(row, scores[row.address]) for row in rows])

    def score(self, query: Vector, vector: Vector) -> float:
        if len(query) != len(vector):
            raise ValueError(
                f"The location holds vectors of {len(vector)} dimensions, the query {len(query)}."
            )
        return self.similarity(query, vector)

    def rank(self, scored: list[tuple[ItemRow, list[float]]]) -> list[tuple[ItemRow, float | None]]:
        hits: list[tuple[ItemRow, float | None]] = [(row, max(s)) for row, s in scored if s]
        return sorted(hits, key=lambda hit: -(hit[1] or 0.0))
