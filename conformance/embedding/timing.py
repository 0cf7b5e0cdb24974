"""
How long embedding took, so that it can be reported apart from a store's own time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from time import perf_counter

from langchain_core.embeddings import Embeddings

from store_conformance.embedding.wrapping import Wrapper


@dataclass(frozen=True)
class EmbeddingTime:
    """Seconds in the embedder and the texts that it was given, since the start or the last reset."""

    seconds: float = 0.0
    documents: int = 0
    queries: int = 0

    @property
    def texts(self) -> int:
        """All texts, whichever way they came."""
        return self.documents + self.queries


class TimedEmbeddings(Wrapper):
    """
    Sums the seconds spent inside ``inner``.

    Calls that overlap in time count in full each, so with several threads the sum may exceed what a
    clock on the wall shows.  A call that raises counts too: its time was spent.
    """

    def __init__(self, inner: Embeddings) -> None:
        super().__init__(inner)
        self._lock = Lock()
        self._time = EmbeddingTime()

    @property
    def time(self) -> EmbeddingTime:
        """The sums so far."""
        with self._lock:
            return self._time

    @property
    def seconds(self) -> float:
        """The seconds so far."""
        return self.time.seconds

    @property
    def texts(self) -> int:
        """The texts so far."""
        return self.time.texts

    def reset(self) -> EmbeddingTime:
        """Start again from zero; what was counted until now is returned."""
        with self._lock:
            before, self._time = self._time, EmbeddingTime()
        return before

    @contextmanager
    def _clock(self, documents: int, queries: int) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
        finally:
            seconds = perf_counter() - start
            with self._lock:
                was = self._time
                self._time = EmbeddingTime(
                    was.seconds + seconds, was.documents + documents, was.queries + queries
                )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._clock(len(texts), 0):
            return self.inner.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        with self._clock(0, 1):
            return self.inner.embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._clock(len(texts), 0):
            return await self.inner.aembed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        with self._clock(0, 1):
            return await self.inner.aembed_query(text)
