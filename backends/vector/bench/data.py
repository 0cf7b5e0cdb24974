"""
The items of a measurement: seeded, and with vectors that lie as those of texts do.

Vectors are drawn around topics, and topics around a common direction, so that there are near and far
ones; independent random directions would all be equally far from each other, which no index likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

DIMS = 384
PER_NAMESPACE = 100
"""Items of one user; a search of one user has the same work to do however many others there are."""
_TOPICS = 200
_SUBJECTS = ("meetings", "food", "travel", "music", "the project", "family", "health", "books")


class Items:
    """Item ``n`` of any number of items, the same in every run."""

    def __init__(self, count: int, seed: int = 7) -> None:
        random = np.random.default_rng(seed)
        common = random.standard_normal(DIMS)
        topics = common + 1.5 * random.standard_normal((_TOPICS, DIMS))
        self._topic = random.integers(_TOPICS, size=count)
        own = random.standard_normal((count, DIMS), dtype=np.float32)
        self._vectors = topics[self._topic].astype(np.float32) + 0.8 * own

    @staticmethod
    def namespace(n: int) -> tuple[str, ...]:
        return ("users", f"u{n // PER_NAMESPACE}", "memories")

    @staticmethod
    def key(n: int) -> str:
        return f"m{n % PER_NAMESPACE}"

    def value(self, n: int, version: int = 0) -> dict[str, Any]:
        topic = int(self._topic[n])
        subject = _SUBJECTS[topic % len(_SUBJECTS)]
        return {
            "text": f"{n} is about {subject}: said in passing, to be remembered for a long time",
            "topic": topic,
            "version": version,
            "tags": [subject, f"t{topic}"],
            "source": {"thread": f"thread-{n // 7}", "turn": n % 7},
        }

    def vector(self, n: int) -> list[float]:
        found: list[float] = self._vectors[n].tolist()
        return found

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The embedder: looks the vector up by the number a text begins with."""
        return [self.vector(int(text.split(" ", 1)[0])) for text in texts]
