"""
The report's figures as tables of texts, the same for every format that shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from store_conformance.contract import Restart
from store_conformance.contract.records import Measurement
from store_conformance.contract.survival import Survival as Struck
from store_conformance.contract.survival import SurvivalFile
from store_conformance.reports.campaigns import setting_words
from store_conformance.reports.latency import Latency
from store_conformance.reports.model import Report
from store_conformance.reports.sharing import writers
from store_conformance.reports.survival import KIND_TITLES, Survival
from store_conformance.reports.text import ICONS, NOT_MEASURED, milliseconds, number, show
from store_conformance.reports.view import BackendView

NONE = "–"


@dataclass(frozen=True)
class Table:
    """A table of plain texts; ``figures`` are the columns that are numbers."""

    id: str
    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: frozenset[int] = frozenset()


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def marked(report: Report, name: str) -> str:
    """A backend's name, with a word where its engine is a stand-in."""
    return f"{name} (emulated)" if name in report.emulated else name


def _names(report: Report) -> tuple[str, ...]:
    return tuple(marked(report, name) for name in report.names)


# -- restarts ------------------------------------------------------------------------------------


def _survived(entry: Survival | None) -> str:
    if entry is None:
        return NOT_MEASURED
    told = f"{ICONS[entry.verdict]} {entry.verdict}"
    if entry.writes is not None:
        of = f"{entry.survived:,} of " if entry.survived is not None else ""
        told += f", {of}{entry.writes:,} writes"
    elif entry.observed and entry.verdict != "pass":
        told += f": {entry.observed}"
    return told


def restarts(report: Report) -> Table:
    """A row a backend and memory type, a column a kind of restart."""
    by_row: dict[tuple[str, str], dict[Restart, Survival]] = {}
    for entry in report.survival:
        by_row.setdefault((entry.backend, entry.memory_name), {})[entry.kind] = entry
    return Table(
        "restarts",
        "Restart survival",
        "What became of acknowledged writes, for each memory type: how many the check covered, and how many "
        "of them it found where it counted.",
        ("Backend", "Memory type", *(KIND_TITLES[kind] for kind in Restart)),
        tuple(
            (
                marked(report, backend),
                "all types" if memory == "any" else memory,
                *(_survived(entries.get(kind)) for kind in Restart),
            )
            for (backend, memory), entries in by_row.items()
        ),
    )


# -- faults --------------------------------------------------------------------------------------


def _verdict(one: Struck) -> str:
    word = f"{ICONS[one.verdict]} {one.verdict}"
    return f"{word}: {one.reason}" if one.reason else word


def _figures(one: Struck) -> tuple[str, ...]:
    """The counts of one fault; dashes where none struck."""
    if not one.kills and not one.missed:
        return (NONE,) * 9
    counts = (
        one.acknowledged, one.lost, one.stale, one.resurrected, one.torn_items, one.unreadable,
        one.altered + one.duplicated + one.disordered,
    )  # fmt: skip
    oldest = number(one.oldest_lost_seconds) if one.oldest_lost_seconds else NONE
    return (f"{one.kills:,} ({one.missed:,})", *map(_count, counts), oldest)


def _struck(report: Report, file: SurvivalFile) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The rows of one campaign, each after its backend; faults that alike could not strike share one."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for n, one in enumerate(file.results):
        where = ", ".join(filter(None, (one.deployment, setting_words(one.setting))))
        apart = str(n) if one.kills or one.missed else ""
        key = (apart, one.backend, where, _verdict(one), *_figures(one))
        alike.setdefault(key, []).append(one.fault)
    for (_, backend, where, verdict, *figures), faults in alike.items():
        row = (marked(report, backend), where, ", ".join(faults), verdict, *figures)
        yield backend, row


def survives(report: Report) -> Table:
    """A row for each backend, setting and fault of each campaign; the backends in the report's order."""
    place = {name: n for n, name in enumerate(report.names)}
    every = [found for file in report.campaigns for found in _struck(report, file)]
    every.sort(key=lambda found: place.get(found[0], len(place)))
    return Table(
        "survives",
        "What survives",
        "What faults left of acknowledged writes. Kills: strikes that count, and in brackets those that missed. "
        "Lost: not there. Stale: an older value is there. Back: deleted, and there again. Torn: an item whose "
        "value, vector or answers do not fit together. Unreadable: strikes after which the store could not be "
        "opened or read. Other: altered, twice there, or in no order that explains them. Oldest: "
        "how long before the strike the oldest of what was lost had been acknowledged. Campaigns are on one "
        "machine and with one seed each, and power losses those of an honest disk.",
        (
            "Backend", "Setting", "Fault", "Verdict", "Kills (missed)", "Acknowledged", "Lost", "Stale", "Back",
            "Torn", "Unreadable", "Other", "Oldest (s)",
        ),
        tuple(row for _, row in every),
        frozenset(range(4, 13)),
    )  # fmt: skip


# -- latency -------------------------------------------------------------------------------------


def _of_operation(timed: Latency) -> tuple[str, str, str]:
    return timed.operation, timed.mode, _count(timed.items)


def _three(timed: Latency | None) -> str:
    if timed is None:
        return NOT_MEASURED
    figures = (timed.median, timed.figures.p95, timed.figures.p99)
    return " / ".join(milliseconds(seconds) for seconds in figures)


def latency(report: Report) -> Table:
    """A row an operation, a column a backend: p50, p95 and p99."""
    by_row: dict[tuple[str, str, str], dict[str, Latency]] = {}
    for timed in report.latencies:
        by_row.setdefault(_of_operation(timed), {})[timed.backend] = timed
    return Table(
        "latency",
        "Latency",
        "p50 / p95 / p99 in milliseconds a call; only the store's call is inside the clock. p99 from 100 "
        "samples up.",
        ("Operation", "Mode", "Items", *_names(report)),
        tuple(
            (*place, *(_three(of.get(name)) for name in report.names))
            for place, of in by_row.items()
        ),
        frozenset(range(2, 3 + len(report.names))),
    )


def latency_samples(report: Report) -> Table:
    """Every timed operation with all its figures."""
    return Table(
        "latency-all",
        "Latency, every figure (ms)",
        "",
        ("Operation", "Backend", "Mode", "Items", "n", "p50", "p95", "p99", "max", "ops/s"),
        tuple(
            (
                t.operation,
                marked(report, t.backend),
                t.mode,
                _count(t.items),
                str(t.figures.n),
                milliseconds(t.median),
                milliseconds(t.figures.p95),
                milliseconds(t.figures.p99),
                milliseconds(t.figures.maximum),
                NONE if t.figures.per_second is None else number(t.figures.per_second),
            )
            for t in report.latencies
        ),
        frozenset(range(3, 10)),
    )


def embedding(report: Report) -> Table:
    return Table(
        "embedding",
        "Time to embed one text (ms)",
        "In no other figure.",
        ("Backend", "n", "p50", "p95", "max"),
        tuple(
            (
                marked(report, t.backend),
                str(t.figures.n),
                milliseconds(t.median),
                milliseconds(t.figures.p95),
                milliseconds(t.figures.maximum),
            )
            for t in report.embedding
        ),
        frozenset(range(1, 5)),
    )


# -- other figures -------------------------------------------------------------------------------


def paces(report: Report) -> Table:
    """Writes a second against the number of writing processes."""
    told = {view.name: writers(view) for view in report.backends}
    counts = sorted({count for by_count in told.values() for count in by_count})
    return Table(
        "writers",
        "Writes a second against processes",
        "Acknowledged writes a second of all processes together, the slowest of several measurements.",
        ("Backend", *(f"{n} process{'es' if n > 1 else ''}" for n in counts)),
        tuple(
            (
                marked(report, name),
                *(number(by_count[n]) if n in by_count else NOT_MEASURED for n in counts),
            )
            for name, by_count in told.items()
        )
        if counts
        else (),
        frozenset(range(1, 1 + len(counts))),
    )


def sizes(view: BackendView) -> tuple[float, ...]:
    """Bytes that one memory takes on disk, as each measurement found."""
    return tuple(
        float(m.value)
        for m in view.figures("disk.bytes_per_item")
        if isinstance(m.value, (int, float)) and not isinstance(m.value, bool)
    )


def disk(report: Report) -> Table:
    """Bytes per memory, the largest of several measurements."""
    told = [(marked(report, view.name), sizes(view)) for view in report.backends]
    return Table(
        "disk",
        "Bytes per memory on disk",
        "The largest of several measurements.",
        ("Backend", "Bytes"),
        tuple((name, number(max(found)) if found else NOT_MEASURED) for name, found in told)
        if any(found for _, found in told)
        else (),
        frozenset({1}),
    )


LEFT_KINDS = ("threads", "tasks", "files", "sockets", "connections", "processes", "temporary_files")


def _left(view: BackendView) -> dict[str, int]:
    """What closing left after some openings, by kind, the most of several measurements."""
    most: dict[str, int] = {}
    for figure in view.figures("left.after_close"):
        if isinstance(figure.value, dict):
            for kind, count in figure.value.items():
                if isinstance(count, int):
                    most[kind] = max(most.get(kind, 0), count)
    return most


def left(report: Report) -> Table:
    """What is left when a store was closed, and what the whole run left."""
    told = {view.name: _left(view) for view in report.backends}
    openings = {
        m.facts.get("openings") for v in report.backends for m in v.figures("left.after_close")
    }
    after = " or ".join(str(n) for n in sorted(n for n in openings if isinstance(n, int)))
    in_all = report.footer.get("left") or {}
    whole = ", ".join(f"{count} {kind}" for kind, count in in_all.items()) or "nothing"
    return Table(
        "left",
        "What closing leaves",
        f"More than before, after {after or 'some'} openings that were closed again, the most of several measurements;"
        " connections are those that the server counts. What stays below the number of openings is no leak"
        " (a pool or a cache that all of them share)."
        f" The processes of the run held at their end, beside what they began with: {whole}.",
        ("Backend", *(kind.replace("_", " ").capitalize() for kind in LEFT_KINDS)),
        tuple(
            (
                marked(report, name),
                *(str(found[kind]) if kind in found else NOT_MEASURED for kind in LEFT_KINDS),
            )
            for name, found in told.items()
        )
        if any(told.values())
        else (),
        frozenset(range(1, 1 + len(LEFT_KINDS))),
    )


def _recall_place(figure: Measurement) -> tuple[str, str]:
    return figure.name.removeprefix("recall."), str(figure.mode)


def recall(report: Report) -> Table:
    """A row a measure, a column a backend, the lowest value of several; the corpus is told once."""
    by_row: dict[tuple[str, str], dict[str, float]] = {}
    for figure in report.recall:
        if isinstance(figure.value, (int, float)):
            of = by_row.setdefault(_recall_place(figure), {})
            of[figure.backend] = min(of.get(figure.backend, 1.0), float(figure.value))
    sources = dict.fromkeys(
        f"{show(m.facts.get('corpus', 'corpus not told'))}, embedder {show(m.facts.get('embedder', '?'))}"
        for m in report.recall
    )
    return Table(
        "recall",
        "Recall",
        "Index: against exact cosine over the same vectors. Evidence: against labelled answers. Measured on "
        f"{' and '.join(sources)}."
        if sources
        else "",
        ("Measure", "Mode", *_names(report)),
        tuple(
            (
                *place,
                *(f"{of[name]:.3f}" if name in of else NOT_MEASURED for name in report.names),
            )
            for place, of in sorted(by_row.items())
        ),
        frozenset(range(2, 2 + len(report.names))),
    )


def measurements(report: Report) -> Table:
    """What no other table shows."""
    return Table(
        "measurements",
        "Other measurements",
        "",
        ("Name", "Backend", "Mode", "Value", "Facts"),
        tuple(
            (
                m.name,
                marked(report, m.backend),
                str(m.mode),
                f"{show(m.value)} {m.unit}".strip(),
                ", ".join(f"{k} {show(v)}" for k, v in m.facts.items()),
            )
            for m in (*report.figures, *report.troubles)
        ),
    )


# -- the run -------------------------------------------------------------------------------------


def own_share(view: BackendView) -> str:
    """Which part of the seconds that no case waited for was spent outside the store."""
    total, inside = view.seconds.get("total"), view.seconds.get("in_store")
    busy = (total or 0.0) - view.seconds.get("waited", 0.0)
    return NONE if busy <= 0 or inside is None else f"{max(0.0, 1 - inside / busy):.0%}"


def seconds(report: Report) -> Table:
    def told(view: BackendView, key: str) -> str:
        return number(view.seconds[key]) if key in view.seconds else NONE

    return Table(
        "seconds",
        "Seconds",
        "Of the cases added up; what they waited for (items that expire) is nobody's share.",
        (
            "Backend",
            "Total",
            "In the store",
            "Waited",
            "The harness's own share",
            "To the first put",
        ),
        tuple(
            (
                marked(report, view.name),
                told(view, "total"),
                told(view, "in_store"),
                told(view, "waited"),
                own_share(view),
                number(view.fact("seconds_to_first_put")),
            )
            for view in report.backends
        ),
        frozenset(range(1, 6)),
    )


HEADER_FACTS = (
    "suite",
    "suite_version",
    "started",
    "command",
    "selection",
    "settings",
    "machine",
    "corpus",
)
BACKEND_FACTS = (
    "store", "packages", "engine", "deployment", "licence", "capabilities", "setup_steps", "settings", "limits",
)  # fmt: skip


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {show(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "\n".join(show(entry) for entry in value) or "none"
    return "none" if value is None else show(value)


def run_facts(report: Report) -> Table:
    """The run's settings and machine; merged runs, a row each."""
    rows = [
        (key.replace("_", " "), _told(report.header[key]))
        for key in HEADER_FACTS
        if key in report.header
    ]
    rows += [
        (f"merged run {n}", _told(part))
        for n, part in enumerate(report.header.get("merged") or (), 1)
    ]
    return Table("run", "Settings and machine", "", ("What", "Value"), tuple(rows))


def backend_facts(report: Report) -> Table:
    return Table(
        "backends",
        "Backends",
        "",
        ("What", *_names(report)),
        tuple(
            (key.replace("_", " "), *(_told(view.fact(key)) for view in report.backends))
            for key in BACKEND_FACTS
        ),
    )


TABLES: tuple[Callable[[Report], Table], ...] = (
    restarts,
    survives,
    latency,
    latency_samples,
    embedding,
    paces,
    recall,
    disk,
    left,
    measurements,
    seconds,
    run_facts,
    backend_facts,
)


def tables(report: Report) -> dict[str, Table]:
    """Those that have a row, by id."""
    made: Iterable[Table] = (make(report) for make in TABLES)
    return {table.id: table for table in made if table.rows}
