"""
Many runs over time: of each backend what every run said, and what keeps two of them from being compared.

A run becomes a few figures and is let go, so that a folder of any size can be read.  Latencies are told as
multiples of a ``get`` of the same run and mode: seconds of two days are seconds of two machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from store_conformance.contract import Verdict
from store_conformance.contract.observations import LatencyFacts
from store_conformance.contract.records import Row, Run
from store_conformance.reports.cells import is_news
from store_conformance.reports.latency import OPERATIONS, PREFIX
from store_conformance.reports.statistics import percentile
from store_conformance.reports.view import BackendView, read

REFERENCE = "get"
Operation = tuple[str, str]
"""An operation and its mode."""


@dataclass(frozen=True)
class Unread:
    """A file that is no run which can be compared, with the reason."""

    source: str
    reason: str


@dataclass(frozen=True)
class Point:
    """What one run said of one backend."""

    backend: str
    source: str
    moment: datetime
    suite: str
    kept: int
    offered: int
    """Promises that the store offers and that were checked or tried."""
    failures: int
    """Failed checks, known ones too."""
    news: int
    """Those that close a gate."""
    causes: int
    ratios: dict[Operation, float]
    """Median seconds an item, by those of a ``get`` in the same mode."""
    rules: frozenset[str]
    packages: dict[str, str]
    machine: tuple[Any, ...]
    marks: tuple[str, ...] = ()
    """What makes it another thing than the run before: a part of the suite, another version."""

    @property
    def day(self) -> str:
        return f"{self.moment:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Trend:
    """Every backend's runs, the earliest first."""

    points: tuple[Point, ...] = ()
    left_out: tuple[Unread, ...] = ()

    @property
    def backends(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(point.backend for point in self.points))

    def of(self, backend: str) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.backend == backend)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What was timed beside a ``get``, in the order of the reports."""
        seen = {key for point in self.points for key in point.ratios}
        known = {name: n for n, name in enumerate(OPERATIONS)}
        return tuple(
            sorted(seen, key=lambda k: (known.get(k[0], len(known)), k[0], k[1] != "sync"))
        )


def _moment(run: Run) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(run.header.get("started")))
    except ValueError:
        return None
    return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _ratios(view: BackendView) -> dict[Operation, float]:
    """Seconds an item of each operation, by those of the reference in the same mode."""
    seconds: dict[Operation, float] = {}
    for m in view.measurements:
        if m.name.startswith(PREFIX) and m.samples and m.mode:
            each = percentile(m.samples, 50) / LatencyFacts.read(m.facts).ops_per_call
            seconds[m.name.removeprefix(PREFIX), str(m.mode)] = each
    return {
        (name, mode): value / seconds[REFERENCE, mode]
        for (name, mode), value in seconds.items()
        if name != REFERENCE and seconds.get((REFERENCE, mode), 0.0) > 0
    }


def _cause(row: Row) -> str:
    """What likely caused the failure; runs of old versions do not tell, so there it is the rule."""
    return row.cause or row.rule


def _own_marks(run: Run, view: BackendView) -> Iterator[str]:
    """What must not be overlooked in a run by itself."""
    if view.emulated:
        yield "emulated"
    if run.footer.get("interrupted"):
        yield "interrupted"
    profile = run.header.get("profile", "default")
    if profile != "default":
        yield f"profile {profile}"
    chosen = run.header.get("selection") or {}
    if any(chosen.values()):
        yield "a part of the suite"


def _point(run: Run, view: BackendView, source: str, moment: datetime) -> Point:
    promises = view.promises
    failed = [
        row for cell in view.cells.values() for row in cell.rows if row.verdict is Verdict.FAIL
    ]
    machine = run.header.get("machine") or {}
    return Point(
        backend=view.name,
        source=source,
        moment=moment,
        suite=str(run.header.get("suite_version", "not told")),
        kept=sum(c.verdict is Verdict.PASS for c in promises),
        offered=sum(c.verdict is not Verdict.UNSUPPORTED for c in promises),
        failures=len(failed),
        news=sum(is_news(row) for cell in view.cells.values() for row in cell.rows),
        causes=len({_cause(row) for row in failed}),
        ratios=_ratios(view),
        rules=frozenset(view.cells),
        packages={str(k): str(v) for k, v in (view.fact("packages") or {}).items()},
        machine=tuple(machine.get(key) for key in ("system", "arch", "cpus", "python")),
        marks=tuple(_own_marks(run, view)),
    )


def _changes(before: Point, after: Point) -> Iterator[str]:
    """What is not the same as in the run before."""
    if before.suite != after.suite:
        yield f"suite {before.suite} → {after.suite}"
    more, fewer = after.rules - before.rules, before.rules - after.rules
    if more or fewer:
        yield f"rules: {len(more)} more, {len(fewer)} fewer"
    for name in sorted({*before.packages, *after.packages}):
        was, now = before.packages.get(name, "none"), after.packages.get(name, "none")
        if was != now:
            yield f"{name} {was} → {now}"
    if before.machine != after.machine:
        yield "another machine or Python"


def _in_order(points: list[Point]) -> Iterator[Point]:
    """The runs of one backend, each marked with what changed since the one before."""
    points.sort(key=lambda point: point.moment)
    for n, point in enumerate(points):
        changes = tuple(_changes(points[n - 1], point)) if n else ()
        yield replace(point, marks=(*point.marks, *changes))


def trend(runs: Iterable[tuple[str, Run] | Unread]) -> Trend:
    """The runs as they come, one at a time; what cannot be placed is left out with the reason."""
    series: dict[str, dict[datetime, Point]] = {}
    left_out: list[Unread] = []
    for entry in runs:
        if isinstance(entry, Unread):
            left_out.append(entry)
            continue
        source, run = entry
        moment = _moment(run)
        if moment is None:
            left_out.append(Unread(source, "does not say when it was started"))
            continue
        for view in read(run).backends:
            twin = series.setdefault(view.name, {}).get(moment)
            if twin is not None:
                left_out.append(
                    Unread(source, f"{view.name} started when that of {twin.source} did")
                )
            else:
                series[view.name][moment] = _point(run, view, source, moment)
    every = (p for points in series.values() for p in _in_order(list(points.values())))
    return Trend(tuple(every), tuple(left_out))
