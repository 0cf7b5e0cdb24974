"""
What every picture of a report shares: colours, shapes, style, an empty figure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from store_conformance.reports.model import Report
from store_conformance.reports.table import marked
from store_conformance.reports.text import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT, LINE, PAPER = "#1c2128", "#545d68", "#d9dde2", "#ffffff"
BLUE, ORANGE = "#0072b2", "#d55e00"
SERIES = (
    ("#0072b2", "o"), ("#d55e00", "s"), ("#009e73", "^"), ("#cc79a7", "D"),
    ("#56b4e9", "v"), ("#e69f00", "P"), ("#8a6d00", "X"), ("#545d68", "*"),
)  # fmt: skip
"""Okabe and Ito's colours, which colour-blind people tell apart, each with a shape of its own."""
DARK = {
    INK: "#e3e6ea", SOFT: "#a6afba", LINE: "#333a43", PAPER: "#191d22", BLUE: "#56b4e9", ORANGE: "#ff9d5c",
    "#009e73": "#34d3a6", "#cc79a7": "#eba5cb", "#8a6d00": "#d9bb4a",
}  # fmt: skip
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "store-conformance",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.facecolor": PAPER,
    "axes.labelcolor": SOFT,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": LINE,
    "ytick.labelcolor": INK,
    "figure.facecolor": PAPER,
    "legend.frameon": False,
    "path.simplify": False,
    "text.parse_math": False,
}


def new_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def labels_of(report: Report, names: Iterable[str]) -> list[str]:
    """The backends' names as a picture has room for them."""
    return [one_line(marked(report, name), 28) for name in names]
