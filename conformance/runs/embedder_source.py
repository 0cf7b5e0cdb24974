"""
The embedders of cases as source that needs nothing of ours, each an object of LangChain's ``Embeddings``.
"""

from __future__ import annotations

import copy
from typing import Any

from store_conformance.embedding.exact import NONE_AXIS, WORDS, ExactEmbeddings
from store_conformance.suite.support.embedders import TroubledEmbeddings, WaitingEmbeddings

_EXACT = f"""import re
from langchain_core.embeddings import Embeddings
WORDS = {" ".join(WORDS)!r}.split()
class Exact(Embeddings):  # counts words, one axis each; one more for texts with none of them
    def __init__(self, dims): self.dims, self.texts, self.queries = dims, [], []
    def vector(self, text):
        row = [0.0] * self.dims
        for word, weight in re.findall(r"\\b([a-z]+)\\b(?:\\*(\\d+(?:\\.\\d+)?))?", text):
            if word in WORDS: row[WORDS.index(word)] += float(weight or 1)
        if not any(row): row[{NONE_AXIS}] = 1.0
        return row
    def embed_documents(self, texts):
        self.texts += texts
        return [self.vector(t) for t in texts]
    def embed_query(self, text):
        self.queries.append(text)
        return self.vector(text)
    async def aembed_documents(self, texts): return self.embed_documents(texts)
    async def aembed_query(self, text): return self.embed_query(text)"""

_TROUBLED = """class Troubled(Exact):  # answers wrongly where a text holds the word "trouble"
    def embed_documents(self, texts):
        vectors = super().embed_documents(texts)
        return spoiled(texts, vectors) if any("trouble" in t for t in texts) else vectors
    def embed_query(self, text): return (self.embed_documents([text]) or [[]])[0]
def spoiled(texts, vectors):
    {how}"""

_HOW = {
    "raises": 'raise RuntimeError("the embedder is down")',
    "none at all": "return []",
    "too few": "return vectors[:-1]",
    "too many": "return [*vectors, vectors[-1]]",
    "too short": "return [v[:-4] for v in vectors]",
    "too long": "return [[*v, 0.5, 0.5, 0.5, 0.5] for v in vectors]",
    "one too short": 'return [v[:-1] if "trouble" in t else v for t, v in zip(texts, vectors)]',
}

_GIVEN = """from langchain_core.embeddings import Embeddings
class Given(Embeddings):  # the vectors of the texts below, axis by axis
    def __init__(self, dims, documents, queries):
        self.dims, self.documents, self.queries = dims, documents, queries
    def row(self, axes): return [axes.get(n, 0.0) for n in range(self.dims)]
    def embed_documents(self, texts): return [self.row(self.documents[t]) for t in texts]
    def embed_query(self, text): return self.row(self.queries[text])
    async def aembed_documents(self, texts): return self.embed_documents(texts)
    async def aembed_query(self, text): return self.embed_query(text)"""


def embedder_source(embedder: Any, name: str) -> tuple[list[str], str] | None:
    """
    Definitions, and the line that makes ``name`` embed as ``embedder`` did; ``None`` where none can.
    """
    kind = type(embedder)
    if kind is ExactEmbeddings:
        return [_EXACT], f"{name} = Exact({embedder.dims})"
    if kind is TroubledEmbeddings and embedder.kind in _HOW:
        how = _TROUBLED.replace("{how}", _HOW[embedder.kind])
        return [_EXACT, how], f"{name} = Troubled({embedder.dims})"
    if not isinstance(embedder, ExactEmbeddings) or isinstance(embedder, WaitingEmbeddings):
        return None  # what it does in time, or outside of us, is not in the record
    same = copy.copy(embedder)  # a copy has a record of its own
    try:
        documents = {t: _axes(same.embed_documents([t])[0]) for t in embedder.documents}
        queries = {t: _axes(same.embed_query(t)) for t in (*embedder.documents, *embedder.queries)}
    except Exception:  # noqa: BLE001 - an embedder that fails on purpose
        return None
    return [_GIVEN], f"{name} = Given({embedder.dims}, {documents!r}, {queries!r})"


def _axes(vector: list[float]) -> dict[int, float]:
    return {n: x for n, x in enumerate(vector) if x}
