"""
A table of plain texts, which every format renders in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass

from store_conformance.reports.model import Report

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


def count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def marked(report: Report, name: str) -> str:
    """A backend's name, with a word where its engine is a stand-in."""
    return f"{name} (emulated)" if name in report.emulated else name


def names_of(report: Report) -> tuple[str, ...]:
    return tuple(marked(report, name) for name in report.names)
