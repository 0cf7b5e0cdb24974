"""
The report's figures as pictures: SVG for the page and for files, PNG for files.

They are drawn by matplotlib (the extra ``pictures``), which is imported only when something is drawn.  The
same report gives the same bytes: no dates, no random ids.  An SVG carries its own colours for dark mode;
shapes and labels say whatever colours say.
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from store_conformance.reports.campaigns import power_cuts
from store_conformance.reports.drawing import (
    BLUE,
    DARK,
    ORANGE,
    PAPER,
    SERIES,
    SOFT,
    STYLE,
    labels_of,
    new_figure,
)
from store_conformance.reports.latency import OPERATIONS, Latency
from store_conformance.reports.model import Report
from store_conformance.reports.pictures_trend import draw_trend, draw_trend_latency
from store_conformance.reports.sharing import writers
from store_conformance.reports.table import Table, marked
from store_conformance.reports.tables import (
    disk,
    latency,
    paces,
    recall,
    sizes,
    trend,
    trend_latencies,
)
from store_conformance.reports.tables_survival import survives
from store_conformance.reports.text import number, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HINT = "pip install 'langgraph-store-conformance[pictures]'"


@dataclass(frozen=True)
class Picture:
    """A drawn figure."""

    id: str
    """The id of the table with the same figures."""
    title: str
    alt: str
    """What it shows, for those who do not see it."""
    svg: str
    png: bytes = b""
    """Empty where only the SVG was asked for."""

    @property
    def address(self) -> str:
        """The SVG as an address for an ``img``: there its styles need no permission from the page."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode("ascii")


def can_draw() -> bool:
    """Whether matplotlib is installed; nothing is imported."""
    return find_spec("matplotlib") is not None


# -- drawing -------------------------------------------------------------------------------------


def _rows(axes: Axes, labels: list[str]) -> None:
    """A line a backend, the first on top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _timed(axes: Axes, line: float, timed: Latency) -> None:
    """p50 as a dot, p95 as a diamond, p99 as a bar, on one line; async is hollow."""
    colour = BLUE if timed.mode == "sync" else ORANGE
    face = colour if timed.mode == "sync" else PAPER
    figures = (timed.median, timed.figures.p95, timed.figures.p99)
    told = [(s * 1000, shape) for s, shape in zip(figures, ("o", "D", "|"), strict=True) if s]
    if not told:
        return
    axes.plot([v for v, _ in told], [line] * len(told), color=colour, linewidth=1, zorder=2)
    for value, shape in told:
        axes.plot(
            [value], [line], shape, color=colour, markerfacecolor=face, markersize=4.5, zorder=3
        )


def _log(axes: Axes) -> None:
    """Milliseconds on a log scale, with labels enough also where they span less than two decades."""
    from matplotlib.ticker import LogLocator

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    if high < 100 * low:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    axes.xaxis.set_minor_formatter(lambda value, _: "")


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    def key(label: str, **style: Any) -> Line2D:
        return Line2D([], [], linestyle="none", markersize=5, label=label, **style)

    figure.legend(
        handles=[
            key("p50", marker="o", color=SOFT),
            key("p95", marker="D", color=SOFT),
            key("p99", marker="|", color=SOFT),
            key("sync (filled)", marker="o", color=BLUE),
            key("async (hollow)", marker="o", color=ORANGE, markerfacecolor=PAPER),
        ],
        loc="outside upper left",
        ncols=5,
    )


def _latency(report: Report) -> tuple[Figure, str] | None:
    timed = [t for t in report.latencies if t.median]
    known = [op for op in OPERATIONS if any(t.operation == op for t in timed)]
    every = [*known, *dict.fromkeys(t.operation for t in timed if t.operation not in known)]
    if not every:
        return None
    across = min(len(every), 4)
    down = -(-len(every) // across)
    place = {name: n for n, name in enumerate(report.names)}
    figure = new_figure(11.5, 0.8 + down * (0.9 + 0.27 * len(place)))
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes, operation in zip(grid.flat, every, strict=False):
        for t in timed:
            if t.operation == operation and t.backend in place:
                _timed(axes, place[t.backend] + (-0.17 if t.mode == "sync" else 0.17), t)
        axes.set_title(operation)
        _rows(axes, labels_of(report, report.names))
        _log(axes)
    for axes in list(grid.flat)[len(every) :]:
        axes.set_axis_off()
    figure.supxlabel("milliseconds a call, log scale", fontsize=9, color=SOFT)
    _legend(figure)
    told = ", ".join(every)
    return figure, f"p50, p95 and p99 of {told} for each backend, sync and async, on a log scale."


def _bars(report: Report, values: dict[str, float], unit: str) -> Figure:
    figure = new_figure(7, 0.7 + 0.32 * len(report.names))
    axes = figure.subplots()
    for line, name in enumerate(report.names):
        if name in values:
            axes.barh(line, values[name], height=0.6, color=BLUE)
            axes.annotate(
                number(values[name]),
                (values[name], line),
                (4, 0),
                textcoords="offset points",
                va="center",
            )
        else:
            axes.annotate(
                "not measured",
                (0, line),
                (4, 0),
                textcoords="offset points",
                va="center",
                color=SOFT,
            )
    _rows(axes, labels_of(report, report.names))
    axes.set_xlabel(unit)
    axes.margins(x=0.12)
    axes.set_xlim(left=0)
    return figure


def _writers(report: Report) -> tuple[Figure, str] | None:
    told = {view.name: writers(view) for view in report.backends}
    counts = sorted({n for by_count in told.values() for n in by_count})
    if not counts:
        return None
    if len(counts) == 1:
        only = counts[0]
        values = {name: of[only] for name, of in told.items() if only in of}
        alt = f"Writes a second of {only} processes, a bar a backend."
        return _bars(report, values, f"acknowledged writes a second, {only} processes"), alt
    figure = new_figure(7, 4)
    axes = figure.subplots()
    for position, (name, label) in enumerate(
        zip(report.names, labels_of(report, report.names), strict=True)
    ):
        if told[name]:
            colour, shape = SERIES[position % len(SERIES)]
            axes.plot(
                list(told[name]), list(told[name].values()), marker=shape, color=colour, label=label
            )
    axes.set_yscale("log")
    axes.set_xticks(counts)
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    axes.tick_params(axis="y", labelcolor=SOFT)
    axes.set_xlabel("writing processes")
    axes.set_ylabel("acknowledged writes a second, log scale")
    figure.legend(loc="outside right upper")
    return figure, f"Writes a second of {', '.join(map(str, counts))} processes, a line a backend."


def _recall(report: Report) -> tuple[Figure, str] | None:
    lowest: dict[tuple[str, str], float] = {}
    for m in report.recall:
        if isinstance(m.value, (int, float)) and m.backend in report.names:
            key = (m.name.removeprefix("recall."), m.backend)
            lowest[key] = min(lowest.get(key, 1.0), float(m.value))
    if not lowest:
        return None
    measures = list(dict.fromkeys(name for name, _ in lowest))
    figure = new_figure(7, 0.9 + 0.32 * len(report.names))
    axes = figure.subplots()
    for position, measure in enumerate(measures):
        colour, shape = SERIES[position % len(SERIES)]
        found = [
            (lowest[measure, name], line)
            for line, name in enumerate(report.names)
            if (measure, name) in lowest
        ]
        axes.plot(
            [v for v, _ in found],
            [y for _, y in found],
            shape,
            color=colour,
            label=measure,
            clip_on=False,
        )
    _rows(axes, labels_of(report, report.names))
    axes.set_xlim(0, 1)
    axes.set_xlabel("recall, the lowest of several")
    figure.legend(loc="outside right upper")
    return figure, f"{' and '.join(measures)} recall of each backend, from 0 to 1."


def _disk(report: Report) -> tuple[Figure, str] | None:
    values = {view.name: max(sizes(view)) for view in report.backends if sizes(view)}
    if not values:
        return None
    return _bars(report, values, "bytes per memory on disk"), "Bytes per memory, a bar a backend."


def _power(report: Report) -> tuple[Figure, str] | None:
    """The share that power losses took: zero is a figure, too, and written as one."""
    cuts = power_cuts(report.campaigns)
    if not cuts:
        return None
    figure = new_figure(9, 0.7 + 0.32 * len(cuts))
    axes = figure.subplots()
    for line, cut in enumerate(cuts.values()):
        share = cut.share * 100
        axes.barh(line, share, height=0.6, color=BLUE)
        told = f"{number(share)} % of {cut.acknowledged:,}"
        told += f", {cut.unreadable} of {cut.strikes} unreadable" if cut.unreadable else ""
        axes.annotate(told, (share, line), (4, 0), textcoords="offset points", va="center")
    _rows(axes, [one_line(f"{marked(report, name)}: {where}", 60) for name, where in cuts])
    axes.set_xlabel("% of acknowledged writes that power losses took")
    axes.set_xlim(0, max(1.0, 1.3 * axes.get_xlim()[1]))
    alt = "Share of acknowledged writes that power losses took, a bar a backend and setting."
    return figure, alt


_Maker = Callable[[Report], "tuple[Figure, str] | None"]
_PICTURES: tuple[tuple[Callable[[Report], Table], _Maker], ...] = (
    (latency, _latency),
    (paces, _writers),
    (recall, _recall),
    (disk, _disk),
    (survives, _power),
    (trend, draw_trend),
    (trend_latencies, draw_trend_latency),
)
"""A table of figures, and what draws it: the picture has the table's id and title."""


# -- writing -------------------------------------------------------------------------------------


def _dark_rules() -> str:
    rules = "".join(
        f'[style*="{way}: {light}"]{{{way}:{dark} !important}}'
        for light, dark in DARK.items()
        for way in ("fill", "stroke")
    )
    font = "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif !important}"
    return f"<style>{font}@media (prefers-color-scheme:dark){{{rules}}}</style>"


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    head = text.index(">") + 1
    return text[:head] + _dark_rules() + text[head:]


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=144, metadata={"Software": None})
    return out.getvalue()


def draw(report: Report, *, png: bool = False) -> tuple[Picture, ...]:
    """Every picture that the run has figures for; none without matplotlib."""
    wanted = [(made, paint) for make, paint in _PICTURES if (made := make(report)).rows]
    if not wanted or not can_draw():
        return ()
    import matplotlib  # a second and 80 MB: here only

    drawn = []
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a name in letters that the font lacks is no user's business
        matplotlib.rcdefaults()  # what the user or the process set is not the report's
        matplotlib.rcParams.update(STYLE)
        for table, paint in wanted:
            painted = paint(report)
            if painted is not None:
                figure, alt = painted
                pixels = _png(figure) if png else b""
                drawn.append(Picture(table.id, table.title, alt, _svg(figure), pixels))
    return tuple(drawn)
