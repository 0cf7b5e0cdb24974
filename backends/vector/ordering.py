"""
Who may write when: locks for keys in this process, and the order of writes that wait for an embedder.

Neither reaches another process; there the engine's own order decides.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

_STRIPES = 64


class KeyLocks:
    """Mutual exclusion for ids, a fixed number of locks for any number of ids."""

    def __init__(self) -> None:
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    @contextmanager
    def holding(self, ids: Iterable[str]) -> Iterator[None]:
        stripes = sorted({int(id[:8], 16) % _STRIPES for id in ids})
        with ExitStack() as stack:
            for stripe in stripes:  # always in the same order, so that two batches cannot deadlock
                stack.enter_context(self._locks[stripe])
            yield


class Order:
    """
    The order in which writes were issued, kept while they wait for their vectors.

    Without it a put with a slow embedder would overwrite a later one with a fast embedder.  Nobody
    waits: a write that was overtaken is left out, as if it had been overwritten at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._issued = 0
        self._pending: set[int] = set()
        self._newest: dict[str, int] = {}

    @contextmanager
    def turn(self) -> Iterator[int]:
        """The number of a call, from its issue until nothing of it can be written any more."""
        number = self.take()
        try:
            yield number
        finally:
            self.leave(number)

    def take(self) -> int:
        with self._lock:
            self._issued += 1
            self._pending.add(self._issued)
            return self._issued

    def leave(self, number: int) -> None:
        with self._lock:
            self._pending.discard(number)
            if not self._pending:
                self._newest.clear()

    def overtaken(self, id: str, number: int) -> bool:
        with self._lock:
            return self._newest.get(id, 0) > number

    def written(self, ids: Iterable[str], number: int) -> None:
        """To be called under the locks of these ids, once they were written."""
        with self._lock:
            if self._pending != {number}:
                self._newest.update(dict.fromkeys(ids, number))


class Clock:
    """Microseconds since 1970 that never repeat within this process, even if the clock is set back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def tick(self) -> int:
        with self._lock:
            self._last = max(time.time_ns() // 1000, self._last + 1)
            return self._last

    @staticmethod
    def now() -> int:
        return time.time_ns() // 1000
