"""
A page for each published backend: how it comes up, its limits and settings, what it keeps and breaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from store_conformance.contract import Verdict
from store_conformance.contract.survival import SurvivalFile
from store_conformance.harness.backends import create
from store_conformance.reports.cells import Finding
from store_conformance.reports.markdown import escape, table
from store_conformance.reports.summary import comparison_rows
from store_conformance.reports.table import Table
from store_conformance.reports.tables import latency_samples, recall
from store_conformance.reports.tables_survival import restarts, survives
from store_conformance.reports.text import ICONS, number, safe_link, show
from store_conformance.reports.view import BackendView
from website.published import report

FOLDER = "backends"
FACTS = (
    ("store", "Store"),
    ("engine", "Engine in the published run"),
    ("licence", "Licence"),
    ("services", "Services to run"),
    ("setup_steps", "To set it up"),
    ("install_megabytes", "Megabytes of its packages"),
    ("engine_megabytes", "Megabytes of its engine"),
    ("seconds_to_start", "Seconds until the engine is up"),
    ("seconds_to_first_put", "Seconds to the first put"),
    ("capabilities", "Offers"),
)


def pages() -> dict[str, str]:
    """Each page by its place in the site."""
    return {f"{FOLDER}/{view.name}.md": _page(view) for view in report().backends}


def _page(view: BackendView) -> str:
    lines = [f"# {view.name}", ""]
    if view.emulated:
        lines += [
            "The published run is of an **emulator**. It says nothing about the service itself.",
            "",
        ]
    lines += ["How each engine comes up: [engines](../ENGINES.md).", "", *_facts(view)]
    lines += [*_options(view.name), *_compared(view), *_broken(view), *_figures(view)]
    return "\n".join(lines) + "\n"


def _words(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "; ".join(map(show, value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    return show(value)


def _facts(view: BackendView) -> Iterator[str]:
    rows = [
        (title, escape(_words(view.fact(key))))
        for key, title in FACTS
        if view.fact(key) is not None
    ]
    yield from (*table(("What", ""), rows), "")
    for key, title in (
        ("limits", "Limits"),
        ("settings", "Settings of the published run"),
        ("packages", "Versions"),
    ):
        values = view.fact(key)
        if isinstance(values, dict) and values:
            told = [(escape(str(k)), escape(_words(v))) for k, v in values.items()]
            yield from (f"## {title}", "", *table(("What", ""), told), "")


def _options(name: str) -> Iterator[str]:
    """What ``--deployment`` and ``--option`` take, as the backend's class says."""
    kind = type(create(name))
    deployments = [str(d) for d in getattr(kind, "DEPLOYMENTS", ())]
    options: dict[str, str] = getattr(kind, "OPTIONS", {})
    yield from ("## How to choose", "", f"- `store-conformance run -b {name}`")
    if deployments:
        yield "- `--deployment` takes " + ", ".join(f"`{d}`" for d in deployments)
    for option, help in options.items():
        yield f"- `--option {option}=...`: {escape(help)}"
    yield ""


def _compared(view: BackendView) -> Iterator[str]:
    yield from ("## In the comparison", "")
    rows = []
    for feature, values in comparison_rows(report()):
        value = values[view.name]
        why = " ".join([escape(value.because), *(f"{escape(n).rstrip('.')}." for n in value.notes)])
        rows.append((feature.title, escape(value.value), why))
    yield from (*table(("Row", "Value", "From what it follows"), rows), "")


def _broken(view: BackendView) -> Iterator[str]:
    yield from ("## Broken promises", "")
    own = [finding for finding in report().findings if finding.backend == view.name]
    if not own:
        yield from ("None in the published run.", "")
    else:
        yield from (*table(("Rule", "Promise", "What happens", "Upstream"), map(_row, own)), "")
    unsure = [
        f"[{rule_id}](../rules/{rule_id}.md)"
        for rule_id, cell in view.cells.items()
        if cell.verdict is Verdict.UNVERIFIED
    ]
    if unsure:
        yield from (f"{ICONS[Verdict.UNVERIFIED]} Not verified: {', '.join(unsure)}.", "")


def _row(finding: Finding) -> tuple[str, ...]:
    rule, link = finding.rule, safe_link(finding.upstream)
    said = finding.first.expectation or finding.first.message
    upstream = escape(finding.upstream or "none known")
    return (
        f"[{rule.id}](../rules/{rule.id}.md) ({rule.level})",
        escape(rule.title or rule.promise),
        escape(said, 400),
        f"[{upstream}]({link})" if link else upstream,
    )


def _figures(view: BackendView) -> Iterator[str]:
    """The report's tables of figures, as they are for this backend alone."""
    alone = replace(
        report(),
        backends=(view,),
        latencies=tuple(t for t in report().latencies if t.backend == view.name),
        survival=view.survival,
        recall=tuple(m for m in report().recall if m.backend == view.name),
        campaigns=_campaigns(view.name),
    )
    for made in (restarts(alone), survives(alone), latency_samples(alone), recall(alone)):
        if made.rows:
            yield from (f"## {made.title}", "", *_told(made), "")
    yield "How each of them is measured, and what it cannot say: [figures](../FIGURES.md)."


def _campaigns(name: str) -> tuple[SurvivalFile, ...]:
    found = []
    for file in report().campaigns:
        results = tuple(one for one in file.results if one.backend == name)
        if results:
            found.append(replace(file, results=results))
    return tuple(found)


def _told(made: Table) -> Iterable[str]:
    if made.note:
        yield from (escape(made.note, 1000), "")
    yield from table(made.head, [[escape(cell, 300) for cell in row] for row in made.rows])
