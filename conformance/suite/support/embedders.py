"""
Embedders that misbehave, wait or answer from a table, for the cases that need one.

All of them are exact for texts that do not call for trouble.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from store_conformance.embedding.exact import WORDS, ExactEmbeddings

TROUBLE = "trouble"
"""A text with this word brings on what a `TroubledEmbeddings` does wrong."""

SLOW = "slow"
GATE = "gate"

Vectors = list[list[float]]


class EmbedderDownError(RuntimeError):
    """What a `TroubledEmbeddings` of the kind ``raises`` raises."""


WELL = "well"
"""The kind of a `TroubledEmbeddings` that is in trouble no more."""

SPOILED: dict[str, Callable[[list[str], Vectors], Vectors]] = {
    "none at all": lambda texts, vectors: [],
    "too few": lambda texts, vectors: vectors[:-1],
    "too many": lambda texts, vectors: [*vectors, vectors[-1]],
    "too short": lambda texts, vectors: [v[:-4] for v in vectors],
    "too long": lambda texts, vectors: [[*v, 0.5, 0.5, 0.5, 0.5] for v in vectors],
    "one too short": lambda texts, vectors: [
        v[:-1] if TROUBLE in t else v for t, v in zip(texts, vectors, strict=True)
    ],
}
"""Ways in which an answer has the wrong number or size of vectors."""


class TroubledEmbeddings(ExactEmbeddings):
    """
    Answers wrongly, or raises, whenever a text holds the word ``trouble``.

    Like a real provider it fails for the whole call: texts that are embedded together with the bad
    one
    share its fate.
    """

    def __init__(self, kind: str = "raises", dims: int = 16) -> None:
        super().__init__(dims)
        self.kind = kind

    def embed_documents(self, texts: list[str]) -> Vectors:
        vectors = super().embed_documents(texts)
        if self.kind == WELL or not any(TROUBLE in text for text in texts):
            return vectors
        if self.kind == "raises":
            raise EmbedderDownError("the embedder is down")
        return SPOILED[self.kind](list(texts), vectors)

    def embed_query(self, text: str) -> list[float]:
        vector = super().embed_query(text)
        if self.kind == WELL or TROUBLE not in text:
            return vector
        if self.kind == "raises":
            raise EmbedderDownError("the embedder is down")
        spoiled = SPOILED[self.kind]([text], [vector])
        return spoiled[0] if spoiled else []

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.kind, self.dims))


class WaitingEmbeddings(ExactEmbeddings):
    """
    Takes its time for some texts, in the caller's way of waiting: the async twins do not block the
    loop.

    A text with the word ``slow`` waits ``seconds``.  One with ``gate`` sets ``entered`` and waits
    until
    ``release`` is set, at most ``patience`` seconds.
    """

    def __init__(self, seconds: float = 0.15, patience: float = 3.0, dims: int = 16) -> None:
        super().__init__(dims)
        self.seconds = seconds
        self.patience = patience
        self.entered = threading.Event()
        self.release = threading.Event()
        self.awaited = False
        """Whether a text that takes its time was embedded by an async twin."""

    def embed_documents(self, texts: list[str]) -> Vectors:
        self._wait(texts)
        return super().embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        self._wait([text])
        return super().embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> Vectors:
        await self._await(texts)
        return super().embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        await self._await([text])
        return super().embed_query(text)

    def _wait(self, texts: Sequence[str]) -> None:
        if any(SLOW in t for t in texts):
            time.sleep(self.seconds)
        if any(GATE in t for t in texts):
            self.entered.set()
            self.release.wait(self.patience)

    async def _await(self, texts: Sequence[str]) -> None:
        self.awaited = self.awaited or any(SLOW in t or GATE in t for t in texts)
        if any(SLOW in t for t in texts):
            await asyncio.sleep(self.seconds)
        if any(GATE in t for t in texts):
            self.entered.set()
            end = time.monotonic() + self.patience
            while not self.release.is_set() and time.monotonic() < end:
                await asyncio.sleep(0.002)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.seconds, self.patience, self.dims))


class TableEmbeddings(ExactEmbeddings):
    """Gives the vector of the first name of its table that the text holds, filled up with zeros."""

    def __init__(self, table: Mapping[str, Sequence[float]], dims: int = 16) -> None:
        super().__init__(dims)
        self.table = {name: [*map(float, v)] for name, v in table.items()}

    def vector(self, text: str) -> list[float]:
        for name, vector in self.table.items():
            if name in text:
                return [*vector, *[0.0] * (self.dims - len(vector))]
        return super().vector(text)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.table, self.dims))


class TwoSidedEmbeddings(ExactEmbeddings):
    """
    Embeds a document one word further than a query, as models with two sides do in earnest.

    The query ``banana`` is nearest to the document ``apple``.  Whoever embeds both by the same
    method
    finds the document ``banana`` instead.
    """

    def embed_documents(self, texts: list[str]) -> Vectors:
        return [self._turned(v) for v in super().embed_documents(texts)]

    def _turned(self, vector: list[float]) -> list[float]:
        words = vector[: len(WORDS)]
        return [words[-1], *words[:-1], *vector[len(WORDS) :]]


class BackwardEmbeddings(ExactEmbeddings):
    """Has all that it says in the last numbers of its vectors."""

    def vector(self, text: str) -> list[float]:
        return super().vector(text)[::-1]


class LoopMindingEmbeddings(ExactEmbeddings):
    """Notes which of its blocking methods were called where a loop runs, which stands still meanwhile."""

    def __init__(self, dims: int = 16) -> None:
        super().__init__(dims)
        self.in_a_loop: list[str] = []

    def _note(self, method: str) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # no loop runs in this thread
            return
        self.in_a_loop.append(method)

    def embed_documents(self, texts: list[str]) -> Vectors:
        self._note("embed_documents")
        return super().embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        self._note("embed_query")
        return super().embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> Vectors:
        return super().embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return super().embed_query(text)


class CancelledEmbeddings(WaitingEmbeddings):
    """Is cancelled as soon as it is given trouble."""

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        if any("trouble" in text for text in texts):
            raise asyncio.CancelledError
        return await super().aembed_documents(texts)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if any("trouble" in text for text in texts):
            raise asyncio.CancelledError
        return super().embed_documents(texts)
