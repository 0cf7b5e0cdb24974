"""
What is put into hand-written pages where they say so: the comparison, and how its rows are derived.
"""

from __future__ import annotations

from store_conformance.reports.comparison import FEATURES, HEADLINE
from store_conformance.reports.derived import SIGNS, Derived
from store_conformance.reports.markdown import escape, table
from store_conformance.reports.summary import comparison_rows, flags, what_ran
from website.published import PAGE, report

COMPARISON = "<!-- the comparison of the published runs -->"
DERIVATIONS = "<!-- how each row of the comparison is derived -->"


class MarkError(ValueError):
    """A page has no place for what belongs into it."""


def _put(text: str, mark: str, lines: list[str]) -> str:
    if text.count(mark) != 1:
        raise MarkError(f"the page must have the line {mark!r} once")
    return text.replace(mark, "\n".join(lines))


def filled(text: str) -> str:
    """The front page with the first screen of the published report."""
    heads = [
        f"[{view.name}](backends/{view.name}.md){' (emulated)' if view.emulated else ''}"
        for view in report().backends
    ]
    rows = [
        (f"**{feature.title}**", *(_cell(values[view.name]) for view in report().backends))
        for feature, values in comparison_rows(report())
    ]
    told = [f"{'; '.join(map(escape, what_ran(report())))}. [The page with all evidence]({PAGE})."]
    told += ["", f"Mind: {'; '.join(map(escape, flags(report())))}."] if flags(report()) else []
    return _put(text, COMPARISON, [*told, "", *table(("", *heads), rows)])


def _cell(value: Derived) -> str:
    sign = f"{SIGNS[value.grade]} " if SIGNS[value.grade] else ""
    return f"{sign}{escape(value.short)}" + (f"<br>{escape(value.detail)}" if value.detail else "")


def with_derivations(text: str) -> str:
    """The page about figures with the stated rule of each row of the comparison."""
    rows = [
        (f"**{feature.title}**", escape(f"{feature.how} {feature.how_faults}".strip(), 3000))
        for feature in (HEADLINE, *FEATURES)
    ]
    return _put(text, DERIVATIONS, table(("Row", "Its value follows from"), rows))
