"""
Runs over time as pictures: what was kept, and latencies as multiples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from store_conformance.reports.drawing import PAPER, SERIES, SOFT, labels_of, new_figure
from store_conformance.reports.model import Report
from store_conformance.reports.text import number
from store_conformance.reports.trend import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Value = Callable[[Point], "float | None"]


def _over_time(report: Report, panels: list[tuple[str, _Value]], *, log: bool) -> Figure:
    """A panel a figure, a line a backend; a run that cannot be compared with the one before is hollow."""
    from matplotlib.dates import AutoDateLocator

    names = report.history.backends
    figure = new_figure(11.5, 1 + 2.6 * -(-len(panels) // 3))
    grid = figure.subplots(-(-len(panels) // 3), min(len(panels), 3), squeeze=False)
    for axes, (title, value) in zip(grid.flat, panels, strict=False):
        for position, name in enumerate(names):
            colour, shape = SERIES[position % len(SERIES)]
            told = [(p, v) for p in report.history.of(name) if (v := value(p)) is not None]
            axes.plot([p.moment for p, _ in told], [v for _, v in told], color=colour, zorder=2)
            for point, found in told:
                face = PAPER if point.marks else colour
                axes.plot(
                    [point.moment], [found], shape, color=colour, markerfacecolor=face, zorder=3
                )
        axes.set_title(title)
        axes.xaxis.set_major_locator(AutoDateLocator(maxticks=5))  # type: ignore[no-untyped-call]
        axes.tick_params(axis="x", labelrotation=30)
        axes.tick_params(axis="y", labelcolor=SOFT)
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value_, _: number(value_))
            axes.yaxis.set_minor_formatter(lambda value_, _: "")
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    _legend(figure, labels_of(report, names))
    return figure


def _legend(figure: Figure, labels: list[str]) -> None:
    from matplotlib.lines import Line2D

    figure.legend(
        handles=[
            Line2D([], [], color=SERIES[n % len(SERIES)][0], marker=SERIES[n % len(SERIES)][1], label=label)
            for n, label in enumerate(labels)
        ],
        loc="outside upper left",
        ncols=5,
    )  # fmt: skip


def draw_trend(report: Report) -> tuple[Figure, str] | None:
    if all(len(report.history.of(name)) < 2 for name in report.history.backends):
        return None  # one run is no trend
    panels: list[tuple[str, _Value]] = [
        ("% of promises kept", lambda p: 100 * p.kept / p.offered if p.offered else None),
        ("failed checks", lambda p: p.failures),
        ("likely causes", lambda p: p.causes),
    ]
    alt = (
        "Promises kept, failed checks and causes over time, a line a backend; hollow where a run differs "
        "from the one before in more than time."
    )
    return _over_time(report, panels, log=False), alt


def draw_trend_latency(report: Report) -> tuple[Figure, str] | None:
    if all(len(report.history.of(name)) < 2 for name in report.history.backends):
        return None

    def of(key: tuple[str, str]) -> _Value:
        return lambda point: point.ratios.get(key)

    modes = {mode for _, mode in report.history.operations}
    shown = "sync" if "sync" in modes else "async"
    panels = [(f"{k[0]} ({k[1]})", of(k)) for k in report.history.operations if k[1] == shown]
    alt = f"Latencies over time as multiples of a get of the same run, {shown}, a line a backend."
    return _over_time(report, panels, log=True), alt
