"""
Embeds the same text once a process, so that comparing backends costs one embedding and not one each.
"""

from __future__ import annotations

from threading import Lock

from langchain_core.embeddings import Embeddings

from store_conformance.embedding.wrapping import Wrapper

Vector = list[float]


class CachedEmbeddings(Wrapper):
    """
    Keeps every vector it was given, documents and queries apart: some models tell them from another.

    Threads that ask for the same new text at the same moment may each embed it; the lock is not held
    meanwhile, so that a slow provider still works on several calls at once.
    """

    def __init__(self, inner: Embeddings) -> None:
        super().__init__(inner)
        self._lock = Lock()
        self._documents: dict[str, Vector] = {}
        self._queries: dict[str, Vector] = {}

    def embed_documents(self, texts: list[str]) -> list[Vector]:
        missing = self._missing(texts)
        if missing:
            self._keep(missing, self.inner.embed_documents(missing))
        return self._kept(texts)

    async def aembed_documents(self, texts: list[str]) -> list[Vector]:
        missing = self._missing(texts)
        if missing:
            self._keep(missing, await self.inner.aembed_documents(missing))
        return self._kept(texts)

    def embed_query(self, text: str) -> Vector:
        with self._lock:
            known = self._queries.get(text)
        return (
            list(known)
            if known is not None
            else self._keep_query(text, self.inner.embed_query(text))
        )

    async def aembed_query(self, text: str) -> Vector:
        with self._lock:
            known = self._queries.get(text)
        return (
            list(known)
            if known is not None
            else self._keep_query(text, await self.inner.aembed_query(text))
        )

    def _missing(self, texts: list[str]) -> list[str]:
        with self._lock:
            return [text for text in dict.fromkeys(texts) if text not in self._documents]

    def _keep(self, texts: list[str], vectors: list[Vector]) -> None:
        with self._lock:
            self._documents.update(zip(texts, vectors, strict=True))

    def _kept(self, texts: list[str]) -> list[Vector]:
        # Copies: whoever is given a vector may change it.
        with self._lock:
            return [list(self._documents[text]) for text in texts]

    def _keep_query(self, text: str, vector: Vector) -> Vector:
        with self._lock:
            self._queries[text] = vector
        return list(vector)
