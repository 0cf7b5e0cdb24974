"""
Figures of two runs side by side, and whether they differ by more than their noise.

The noise of a latency is the middle half of its samples; that of a recall is what chance does to as many
questions (Wilson's interval, 95 %). A figure changed where the two intervals do not overlap. What was
measured once in each run has no known noise, and is told as that; a single timing is not compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from store_conformance.contract.records import Measurement, Run
from store_conformance.reports.latency import EMBEDDING, PREFIX
from store_conformance.reports.statistics import percentile
from store_conformance.reports.text import milliseconds, number

RECALL = "recall."
TIMES = ("s", "ms", "us", "µs", "ns")
_Z = 1.959964
"""Of a standard normal distribution, 95 % lies within so many deviations."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class FigureChange:
    """One figure in both runs; latencies in seconds."""

    backend: str
    name: str
    mode: str
    about: str
    """What tells it from others of its name, in words; may be empty."""
    unit: str
    before: float
    after: float
    noise: str
    """What the intervals are; empty: not known."""
    before_within: Interval | None
    after_within: Interval | None

    @property
    def clear(self) -> bool:
        """Whether the two intervals do not overlap."""
        if self.before_within is None or self.after_within is None:
            return False
        return (
            self.before_within[1] < self.after_within[0]
            or self.after_within[1] < self.before_within[0]
        )

    @property
    def ratio(self) -> float:
        return self.after / self.before if self.before else math.inf

    @property
    def word(self) -> str:
        if not self.clear:
            return "no clear change"
        up = self.after > self.before
        if self.unit == "s":
            return "slower" if up else "faster"
        return "higher" if up else "lower"

    @property
    def text(self) -> str:
        mode = f" ({self.mode})" if self.mode else ""
        about = f", {self.about}" if self.about else ""
        unit = {"s": " ms", "": ""}.get(self.unit, f" {self.unit}")
        told = f"{self._shown(self.before, self.before_within)} → {self._shown(self.after, self.after_within)}"
        factor = f", ×{number(self.ratio)}" if self.before else ""
        word = f", {self.word}" if self.noise else ""
        return f"{self.backend} {self.name}{mode}{about}: {told}{unit}{factor}{word}"

    def _shown(self, value: float, within: Interval | None) -> str:
        show = milliseconds if self.unit == "s" else number
        return (
            show(value)
            if within is None
            else f"{show(value)} ({show(within[0])}–{show(within[1])})"
        )


MIDDLE_HALF = "the middle half of the samples"
WILSON = "95 % interval for as many questions"


def wilson(share: float, questions: int) -> Interval:
    """The 95 % interval of a share that was seen in so many questions."""
    square = _Z * _Z
    centre = (share + square / (2 * questions)) / (1 + square / questions)
    spread = _Z * math.sqrt(share * (1 - share) / questions + square / (4 * questions**2))
    half = spread / (1 + square / questions)
    return max(0.0, centre - half), min(1.0, centre + half)


Key = tuple[object, ...]


def _timed(run: Run) -> dict[Key, Measurement]:
    return {
        (m.backend, m.name, m.mode, m.facts.get("n_items")): m
        for m in run.measurements
        if m.name.startswith(PREFIX) and m.name != EMBEDDING and m.samples
    }


def latency_changes(before: Run, after: Run) -> tuple[FigureChange, ...]:
    """Each operation that both runs timed, with as many items."""
    old = _timed(before)
    return tuple(_latency_change(old[key], new) for key, new in _timed(after).items() if key in old)


def _latency_change(old: Measurement, new: Measurement) -> FigureChange:
    items = new.facts.get("n_items")
    return FigureChange(
        new.backend,
        new.name.removeprefix(PREFIX),
        str(new.mode),
        f"{items:,} items" if isinstance(items, int) else "",
        "s",
        percentile(old.samples, 50),
        percentile(new.samples, 50),
        MIDDLE_HALF,
        (percentile(old.samples, 25), percentile(old.samples, 75)),
        (percentile(new.samples, 25), percentile(new.samples, 75)),
    )


def other_changes(before: Run, after: Run) -> tuple[FigureChange, ...]:
    """Recall and sizes that differ; what was not measured alike in both runs is not compared."""
    old = _single(before)
    found = []
    for key, new in _single(after).items():
        if key in old:
            change = _other_change(old[key], new)
            if change.clear or (not change.noise and number(change.before) != number(change.after)):
                found.append(change)
    return tuple(found)


def _single(run: Run) -> dict[Key, Measurement]:
    """The figures that stand for themselves; one that the run has twice under one name tells nothing."""
    seen: dict[Key, list[Measurement]] = {}
    for m in run.measurements:
        if _is_figure(m):
            key = (m.backend, m.name, m.mode, m.case, m.unit, *(m.facts.get(f) for f in _SAME))
            seen.setdefault(key, []).append(m)
    return {key: alike[0] for key, alike in seen.items() if len(alike) == 1}


_SAME = ("embedder", "of", "n_items", "stored")
"""Facts in which two measurements must agree to be of the same thing."""


def _is_figure(m: Measurement) -> bool:
    plain = isinstance(m.value, (int, float)) and not isinstance(m.value, bool)
    if not plain or m.samples or not math.isfinite(m.value):
        return False
    return m.name.startswith(RECALL) or bool(m.unit and m.unit not in TIMES)


def _other_change(old: Measurement, new: Measurement) -> FigureChange:
    asked, asks = _questions(old), _questions(new)
    known = asked is not None and asks is not None
    told = [str(new.facts[f]) for f in ("of", "embedder") if new.facts.get(f)]
    return FigureChange(
        new.backend,
        new.name,
        str(new.mode),
        ", ".join([*told, *([f"{asks} questions"] if known else [])]),
        new.unit,
        float(old.value),
        float(new.value),
        WILSON if known else "",
        wilson(old.value, asked) if known and asked is not None else None,
        wilson(new.value, asks) if known and asks is not None else None,
    )


def _questions(m: Measurement) -> int | None:
    """How many questions a recall is a share of."""
    if not m.name.startswith(RECALL) or not 0 <= m.value <= 1:
        return None
    count = m.facts.get("questions", m.facts.get("asked"))
    return count if isinstance(count, int) and count > 0 else None


def loudest_first(changes: Iterable[FigureChange]) -> list[FigureChange]:
    """Those that grew most first."""
    return sorted(changes, key=lambda c: -c.ratio)
