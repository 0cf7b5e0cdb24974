"""
Whether a history of one key is linearizable: whether all callers can agree on one order of it.

Each key is a register.  The check is that of Wing and Gong with Lowe's memory of what was seen: it looks for an order
in which every operation takes effect at one moment between its begin and its end.  An operation without an
end may take effect at any later moment, or never.  The search is bounded by a number of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

STEPS = 200_000


class Order(str, Enum):
    """What the search came to."""

    FOUND = "found"
    """There is such an order: linearizable."""
    NONE = "none"
    """There is none: the callers saw what no single register does."""
    UNKNOWN = "unknown"
    """The steps were used up before either was known."""


@dataclass(frozen=True)
class Call:
    """One operation on the register; times need only be comparable with each other."""

    began: float
    ended: float | None
    """``None``: it never returned, or raised."""
    value: str | None
    """What a write wrote, or a read read; ``None`` for a deletion and for nothing."""
    reads: bool = False


def linearizable(calls: Sequence[Call], first: str | None = None, *, steps: int = STEPS) -> Order:
    """Whether there is an order of these calls on a register that holds ``first`` in the beginning."""
    # What a read gave that did not end, nobody has seen.
    told = [c for c in calls if not (c.reads and c.ended is None)]
    search = _Search(sorted(told, key=lambda c: c.began), steps)
    return search.run(first)


class _Search:
    def __init__(self, calls: list[Call], steps: int) -> None:
        self._calls = calls
        self._steps = steps
        self._done = (1 << len(calls)) - 1
        self._must = sum(1 << n for n, c in enumerate(calls) if c.ended is not None)

    def run(self, first: str | None) -> Order:
        """Depth first; what is known of a set of finished calls and a value is never tried twice."""
        seen = {(0, first)}
        stack = [(0, first)]
        while stack:
            if self._steps <= 0:
                return Order.UNKNOWN
            taken, value = stack.pop()
            if taken & self._must == self._must:
                return Order.FOUND
            for number in self._next(taken):
                self._steps -= 1
                call = self._calls[number]
                if call.reads and call.value != value:
                    continue
                after = (taken | 1 << number, value if call.reads else call.value)
                if after not in seen:
                    seen.add(after)
                    stack.append(after)
        return Order.NONE

    def _next(self, taken: int) -> list[int]:
        """The calls that may come next: those that began before any open one had ended."""
        found: list[int] = []
        earliest = float("inf")
        for number, call in enumerate(self._calls):
            if taken >> number & 1:
                continue
            if call.began > earliest:
                break
            found.append(number)
            if call.ended is not None:
                earliest = min(earliest, call.ended)
        return found
