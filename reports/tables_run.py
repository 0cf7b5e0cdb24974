"""
What a report says of the run itself as tables: seconds, settings and machine, the backends' facts.
"""

from __future__ import annotations

from typing import Any

from store_conformance.reports.model import Report
from store_conformance.reports.table import NONE, Table, marked, names_of
from store_conformance.reports.text import number, show
from store_conformance.reports.view import BackendView


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
    "resumed",
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
        ("What", *names_of(report)),
        tuple(
            (key.replace("_", " "), *(_told(view.fact(key)) for view in report.backends))
            for key in BACKEND_FACTS
        ),
    )
