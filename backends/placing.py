"""
The proof of place: before anything is written, a location is shown to be ours and nobody else's.

What lies between a client and its engine (a pooler, a proxy, a gateway) may drop, ignore or rewrite the
setting that leads to a location; the store would then work among a user's own rows.  So a backend looks
at where it is through the very client and settings that the store will use, at each opening, and raises
``UnprovenPlaceError`` where that is not the place that was asked for.
"""

from __future__ import annotations

import threading

from store_conformance.backends.base import EngineUnavailableError

UNTOUCHED = "nothing was written"


class UnprovenPlaceError(EngineUnavailableError):
    """A location is not shown to be ours alone, so nothing was written there."""


class Fresh:
    """Names of places that were made and not opened yet; thread safe."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        with self._lock:
            self._names.add(name)

    def take(self, name: str) -> bool:
        """Whether this is the first opening of a place made here: then it has to be empty."""
        with self._lock:
            fresh = name in self._names
            self._names.discard(name)
        return fresh

    def has(self, name: str) -> bool:
        with self._lock:
            return name in self._names
