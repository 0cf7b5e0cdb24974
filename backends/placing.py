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
    """
    The places that were made here, with how often each was opened; thread safe.

    A place has to be empty when its one and only opening looks at it.  Openings are counted before they
    look or make anything, so one that finds something and is the only one has found somebody else's.
    """

    def __init__(self) -> None:
        self._openings: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        with self._lock:
            self._openings[name] = 0

    def enter(self, name: str) -> None:
        """Count an opening that is about to look."""
        with self._lock:
            if name in self._openings:
                self._openings[name] += 1

    def alone(self, name: str) -> bool:
        """Whether the place has been opened once, and nowhere but here."""
        with self._lock:
            return self._openings.get(name) == 1

    def unopened(self, name: str) -> bool:
        with self._lock:
            return self._openings.get(name) == 0

    def handed_over(self) -> None:
        """Other processes may open what was made so far: nothing is known of it any more."""
        with self._lock:
            self._openings.clear()

    def forget(self, name: str) -> None:
        with self._lock:
            self._openings.pop(name, None)
