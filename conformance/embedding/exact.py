"""
An embedder whose cosine can be computed by hand, and which remembers what it was asked.

It counts words of a fixed list and means nothing beyond that: rules use it, scenarios do not.
"""

from __future__ import annotations

import math
import re
from threading import Lock
from typing import Any

from langchain_core.embeddings import Embeddings

from store_conformance.embedding.errors import EmbeddingError

WORDS = (
    "apple",
    "banana",
    "cherry",
    "damson",
    "elder",
    "fig",
    "grape",
    "hazel",
    "iris",
    "juniper",
    "kiwi",
    "lemon",
    "mango",
    "nutmeg",
)
"""The known words; the n-th counts along the n-th axis."""

NONE_AXIS = len(WORDS)
"""The axis of texts without any known word, so that no vector is zero."""

MIN_DIMS = len(WORDS) + 1

_AXES = {word: axis for axis, word in enumerate(WORDS)}
_TOKEN = re.compile(r"\b([a-z]+)\b(?:\*(\d+(?:\.\d+)?))?")


class ExactEmbeddings(Embeddings):
    """
    Counts known words, ``apple*3`` as three apples; vectors are not normalised.

    Words count in lower case and whole only: neither ``Apple`` nor ``apples`` nor ``apple_pie`` is an
    apple.  ``documents`` and ``queries`` hold every text in the order in which it was asked for, by
    whichever twin.  A pickled copy has the same vectors and an empty record.
    """

    def __init__(self, dims: int = 16) -> None:
        if dims < MIN_DIMS:
            problem = f"the exact embedder cannot have {dims} dimensions"
            raise EmbeddingError(
                problem, f"take {MIN_DIMS} or more, one for each word and one more"
            )
        self.dims = dims
        self._lock = Lock()
        self._documents: list[str] = []
        self._queries: list[str] = []

    @property
    def name(self) -> str:
        """What `embedder_from_name` makes an equal one from."""
        return "exact" if self.dims == 16 else f"exact:{self.dims}"

    @property
    def documents(self) -> list[str]:
        """A copy of the texts embedded as documents so far."""
        with self._lock:
            return list(self._documents)

    @property
    def queries(self) -> list[str]:
        """A copy of the texts embedded as queries so far."""
        with self._lock:
            return list(self._queries)

    def forget(self) -> None:
        """Empty the record."""
        with self._lock:
            self._documents.clear()
            self._queries.clear()

    def vector(self, text: str) -> list[float]:
        """The vector of a text, unrecorded."""
        counts = [0.0] * self.dims
        for word, weight in _TOKEN.findall(text):
            if word in _AXES:
                counts[_AXES[word]] += float(weight or 1)
        if not any(counts):
            counts[NONE_AXIS] = 1.0
        return counts

    def cosine(self, a_text: str, b_text: str) -> float:
        """What a store that scores by cosine answers for these two texts."""
        a, b = self.vector(a_text), self.vector(b_text)
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        return dot / (math.hypot(*a) * math.hypot(*b))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._lock:
            self._documents.extend(texts)
        return [self.vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        with self._lock:
            self._queries.append(text)
        return self.vector(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.dims,))
