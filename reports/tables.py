"""
The report's figures as tables of texts, the same for every format that shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from store_conformance.contract.records import Measurement
from store_conformance.reports.beside import FAMILY, KINDS, beside
from store_conformance.reports.latency import Latency
from store_conformance.reports.model import Report
from store_conformance.reports.sharing import writers
from store_conformance.reports.table import NONE, Table, count, marked, names_of
from store_conformance.reports.tables_checklist import checklist
from store_conformance.reports.tables_run import backend_facts, run_facts, seconds
from store_conformance.reports.tables_survival import restarts, survives
from store_conformance.reports.text import NOT_MEASURED, milliseconds, number, show
from store_conformance.reports.trend_formats import latencies as trend_latency
from store_conformance.reports.trend_formats import verdicts as trend_verdicts
from store_conformance.reports.view import BackendView

# -- latency -------------------------------------------------------------------------------------


def _of_operation(timed: Latency) -> tuple[str, str, str]:
    return timed.operation, timed.mode, count(timed.items)


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
        ("Operation", "Mode", "Items", *names_of(report)),
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
                count(t.items),
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
        ("Measure", "Mode", *names_of(report)),
        tuple(
            (
                *place,
                *(f"{of[name]:.3f}" if name in of else NOT_MEASURED for name in report.names),
            )
            for place, of in sorted(by_row.items())
        ),
        frozenset(range(2, 2 + len(report.names))),
    )


def concurrency(report: Report) -> Table:
    """What was seen where callers were at work at once; a row a backend and mode."""
    return Table(
        "concurrency",
        "Callers at once",
        "Nothing here is a failure. How long an acknowledged put takes until a search of its namespace shows it (by a plain "
        "search, by one with a filter, with a query), in milliseconds; at once: the first search showed each. Batches: looks "
        "at all keys of a batch beside it that showed a part of it. Increments: lost ones of a counter by get and put, as the "
        "interface has no compare-and-swap. Meetings: pairs of calls of one key that overlapped, all in an order that each "
        "caller could agree with unless O23 failed.",
        (
            "Backend", "Mode", "Search shows a put", "With a filter", "With a query", "Batches seen in part",
            "Increments lost", "Meetings",
        ),
        tuple(
            (
                marked(report, view.name),
                one.mode,
                *(one.delays[kind] or NOT_MEASURED for kind in KINDS),
                *(text or NOT_MEASURED for text in (one.batches, one.counter, one.met)),
            )
            for view in report.backends
            for one in beside(view)
        ),
    )  # fmt: skip


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
            if not m.name.startswith(FAMILY)
        ),
    )


# -- over time -----------------------------------------------------------------------------------


def trend(report: Report) -> Table:
    return trend_verdicts(report.history)


def trend_latencies(report: Report) -> Table:
    return trend_latency(report.history)


# -- all of them ---------------------------------------------------------------------------------

TABLES: tuple[Callable[[Report], Table], ...] = (
    restarts,
    survives,
    latency,
    latency_samples,
    embedding,
    paces,
    recall,
    disk,
    concurrency,
    left,
    trend,
    trend_latencies,
    measurements,
    seconds,
    run_facts,
    backend_facts,
    checklist,
)


def tables(report: Report) -> dict[str, Table]:
    """Those that have a row, by id."""
    made: Iterable[Table] = (make(report) for make in TABLES)
    return {table.id: table for table in made if table.rows}
