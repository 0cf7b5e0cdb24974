"""
A trend as tables, and these on a terminal, in Markdown and as JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from store_conformance.reports.table import NONE, Table
from store_conformance.reports.text import number, one_line, plural
from store_conformance.reports.trend import REFERENCE, Point, Trend

if TYPE_CHECKING:
    from rich.console import Console

NOTE = (
    "A mark says what keeps a run from being compared with the one before. Kept: promises of MUST and SHOULD of "
    "which every check passed. Causes: failures with likely one cause counted once."
)
NOTE_LATENCY = (
    f"The median of an operation, an item, as a multiple of a {REFERENCE} of the same run and mode: machines "
    "differ from day to day, and so do seconds."
)


def verdicts(trend: Trend) -> Table:
    """A row a run of each backend."""
    return Table(
        "trend",
        "Over time",
        NOTE,
        ("Backend", "Started (UTC)", "Suite", "Kept", "Failures (new)", "Causes", "Marks"),
        tuple(
            (
                point.backend,
                point.day,
                point.suite,
                f"{point.kept} of {point.offered}",
                f"{point.failures:,} ({point.news:,})",
                f"{point.causes:,}",
                "; ".join(point.marks) or NONE,
            )
            for point in trend.points
        ),
        frozenset({3, 4, 5}),
    )


def latencies(trend: Trend) -> Table:
    """A row a run, a column an operation."""
    return Table(
        "trend-latency",
        "Latency over time",
        NOTE_LATENCY,
        ("Backend", "Started (UTC)", *(f"{name} ({mode})" for name, mode in trend.operations)),
        tuple(
            (point.backend, point.day, *(_multiple(point, key) for key in trend.operations))
            for point in trend.points
            if point.ratios
        ),
        frozenset(range(2, 2 + len(trend.operations))),
    )


def movements(trend: Trend) -> Table:
    """A row an operation of each backend: from where to where, for a narrow place."""
    rows = []
    for name in trend.backends:
        for key in trend.operations:
            told = [point.ratios[key] for point in trend.of(name) if key in point.ratios]
            if told:
                change = f"×{number(told[-1] / told[0])}" if told[0] else NONE
                between = f"{number(min(told))} – {number(max(told))}"
                rows.append((name, *key, number(told[0]), number(told[-1]), change, between))
    return Table(
        "trend-movements",
        f"Latency over time, as multiples of a {REFERENCE} of the same run",
        "",
        ("Backend", "Operation", "Mode", "First", "Last", "Change", "Lowest – highest"),
        tuple(rows),
        frozenset({3, 4, 5, 6}),
    )


def _multiple(point: Point, key: tuple[str, str]) -> str:
    return f"×{number(point.ratios[key])}" if key in point.ratios else NONE


def headlines(trend: Trend) -> list[str]:
    """A sentence for each backend: from where to where."""
    told = []
    for name in trend.backends:
        first, *_, last = (*trend.of(name)[:1], *trend.of(name))
        count = plural(len(trend.of(name)), "run")
        told.append(
            f"{name}: {count}; kept {first.kept} of {first.offered} → {last.kept} of {last.offered}, "
            f"failures {first.failures} → {last.failures}, causes {first.causes} → {last.causes}"
        )
    return told


def _left_out(trend: Trend) -> list[str]:
    return [f"{entry.source}: {entry.reason}" for entry in trend.left_out]


def to_markdown(trend: Trend) -> str:
    """The trend as Markdown, for a page or a comment."""
    from store_conformance.reports.markdown import escape, table

    lines = ["# Conformance over time", "", *(f"- {escape(line)}" for line in headlines(trend)), ""]
    for made in (verdicts(trend), latencies(trend)):
        if made.rows:
            rows = [[escape(cell) for cell in row] for row in made.rows]
            lines += [f"## {made.title}", "", escape(made.note, 1000), ""]
            lines += [*table(made.head, rows), ""]
    if trend.left_out:
        lines += ["## Left out", "", *(f"- {escape(line)}" for line in _left_out(trend)), ""]
    return "\n".join(lines)


def to_values(trend: Trend) -> dict[str, Any]:
    """The trend for a program."""
    return {
        "reference": REFERENCE,
        "points": [_of_point(point) for point in trend.points],
        "left_out": [{"source": u.source, "reason": u.reason} for u in trend.left_out],
    }


def _of_point(point: Point) -> dict[str, Any]:
    return {
        "backend": point.backend,
        "source": point.source,
        "started": point.moment.isoformat(),
        "suite_version": point.suite,
        "kept": point.kept,
        "offered": point.offered,
        "failures": point.failures,
        "new_failures": point.news,
        "causes": point.causes,
        "latency": [
            {"operation": name, "mode": mode, "multiple": value}
            for (name, mode), value in point.ratios.items()
        ],
        "packages": point.packages,
        "marks": list(point.marks),
    }


def to_json(trend: Trend) -> str:
    # ASCII: lone surrogates of a nasty name must not end the command.
    return json.dumps(to_values(trend), indent=2) + "\n"


def print_trend(trend: Trend, console: Console | None = None) -> None:
    """The sentences, then the tables."""
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    out = console or Console()
    for line in headlines(trend):
        out.print(Text(one_line(line)), soft_wrap=True)
    for made in (verdicts(trend), movements(trend)):
        if made.rows:
            grid = Grid(title=made.title, title_justify="left")
            for n, head in enumerate(made.head):
                right = n in made.figures
                grid.add_column(head, justify="right" if right else "left")
            for row in made.rows:
                grid.add_row(*(Text(one_line(cell)) for cell in row))
            out.print(grid)
    for line in _left_out(trend):
        out.print(Text(f"left out: {one_line(line)}"), soft_wrap=True)
