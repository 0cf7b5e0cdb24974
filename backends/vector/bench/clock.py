"""
Taking times of things that are compared: one after the other in turn, so that a busy machine is as
busy for each of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Call = Callable[[int], object]


@dataclass(frozen=True)
class Times:
    """Milliseconds of one call."""

    p50: float
    p95: float
    calls: int


def interleaved(lanes: Mapping[str, Call], rounds: int, warm: int = 10) -> dict[str, Times]:
    """
    Every lane's call once a round, each round beginning with another lane.

    A call gets the number of its round; no number comes twice, so that it can take an item of its own.
    """
    names = list(lanes)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(warm + rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            lanes[name](number)
            passed = time.perf_counter() - started
            if number >= warm:
                taken[name].append(passed * 1000)
    return {name: summary(values) for name, values in taken.items()}


def summary(values: list[float]) -> Times:
    ordered = sorted(values)
    at95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return Times(statistics.median(ordered), at95, len(ordered))


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
