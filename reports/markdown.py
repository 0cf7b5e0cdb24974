"""
The report as Markdown: tables and footnotes that GitHub renders, readable as plain text too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from store_conformance.contract import Rule
from store_conformance.reports.cells import Finding, confirmation, shows_values
from store_conformance.reports.derived import SIGNS, Derived, Grade
from store_conformance.reports.latency import Latency
from store_conformance.reports.model import Report
from store_conformance.reports.survival import KIND_TITLES
from store_conformance.reports.text import (
    ICONS,
    milliseconds,
    number,
    one_line,
    safe_link,
    show,
    slugs,
    visible,
)
from store_conformance.reports.view import BackendView

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$])")
_TICKS = re.compile(r"`+")


def escape(text: str, limit: int = 600) -> str:
    """The text on one line with everything escaped that Markdown or HTML would take as markup."""
    return _SPECIAL.sub(r"\\\1", one_line(text, limit).replace("&", "&amp;"))


def code(text: str, limit: int = 300, *, in_table: bool = False) -> str:
    """The text as inline code, whatever backticks it holds; a bar would end a table's cell."""
    flat = one_line(text, limit)
    flat = flat.replace("|", "\\|") if in_table else flat
    fence = "`" * (max((len(t) for t in _TICKS.findall(flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def block(text: str, language: str = "") -> list[str]:
    """The text as a fenced block that its own backticks cannot end."""
    safe = visible(text).rstrip("\n")
    fence = "`" * max(3, max((len(t) for t in _TICKS.findall(safe)), default=0) + 1)
    return [f"{fence}{language}", safe, fence]


def promise(rule: Rule) -> str:
    """A rule's promise, whose own backticks are markup and may stay."""
    parts = re.split(r"(`[^`]*`)", visible(rule.promise))
    return "".join(
        p.replace("|", "\\|") if p.startswith("`") else _SPECIAL.sub(r"\\\1", p) for p in parts if p
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of cells that are escaped already."""
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join('---' for _ in head)}|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def _name(view: BackendView) -> str:
    return f"{escape(view.name)} (emulated)" if view.emulated else escape(view.name)


def _value(derived: Derived, note: str) -> str:
    sign = SIGNS[derived.grade]
    head = f"{sign} {escape(derived.value)}".strip()
    if derived.grade is not Grade.UNKNOWN:
        head = f"**{head}**"
    extra = "".join(f"<br>{escape(n)}" for n in derived.notes)
    return f"{head}[^{note}]{extra}"


def _comparison(report: Report) -> list[str]:
    anchors = slugs(report.names)
    head = ["", *(_name(v) for v in report.backends)]
    rows, notes = [], []
    for row in report.comparison:
        cells = [f"**{row.feature.title}**"]
        for view in report.backends:
            derived = row.values[view.name]
            note = f"{row.feature.id}-{anchors[view.name]}"
            cells.append(_value(derived, note))
            used = [*derived.rules, *derived.figures]
            source = f" From: {escape(', '.join(used), 2000)}." if used else ""
            notes.append(f"[^{note}]: {escape(view.name)}: {escape(derived.because, 2000)}{source}")
        rows.append(cells)
    lines = ["## Comparison", "", *table(head, rows), ""]
    lines += ["How each row is derived:", ""]
    lines += [f"- **{r.feature.title}**: {escape(r.feature.how, 2000)}" for r in report.comparison]
    return [*lines, "", *notes, ""]


def _verdicts(report: Report) -> list[str]:
    head = ["backend", "store", "engine", "deployment", "rules passed", "failed", "unsupported"]
    head += ["unverified", "error", "checks", "seconds", "in store"]
    rows = []
    for view in report.backends:
        rules, seconds = view.rule_counts, view.seconds
        known = f" ({view.expected_failures} expected)" if view.expected_failures else ""
        rows.append(
            [
                _name(view),
                escape(str(view.fact("store") or "")),
                escape(str(view.fact("engine") or "")),
                escape(view.deployment),
                f"{rules['pass']} of {sum(rules.values())}",
                f"{rules['fail']}{known}",
                str(rules["unsupported"]),
                str(rules["unverified"]),
                str(rules["error"]),
                f"{sum(view.row_counts.values()):,}",
                number(seconds.get("total")) if seconds else "–",
                number(seconds.get("in_store")) if seconds else "–",
            ]
        )
    return ["## Verdicts", "", *table(head, rows), ""]


def _grid(report: Report) -> list[str]:
    lines = ["## Every rule", ""]
    head = ["rule", "level", *(_name(v) for v in report.backends), "promise"]
    for grid in report.groups:
        rows = []
        for rule in grid.rules:
            cells = []
            for view in report.backends:
                cell = view.cells.get(rule.id)
                cells.append(f"{ICONS[cell.verdict]} {cell.word}" if cell else "not run")
            rows.append([rule.id, str(rule.level), *cells, promise(rule)])
        lines += [f"### {grid.group.id}: {escape(grid.group.title)}", "", *table(head, rows), ""]
    return lines


def _finding(finding: Finding) -> list[str]:
    rule, mark = finding.rule, " (emulated)" if finding.emulated else ""
    lines = [f"### {escape(finding.backend)}{mark}: {rule.id} ({rule.level})", ""]
    lines += [
        f"Promise: {promise(rule)}" + (f" ({escape(rule.source)})" if rule.source else ""),
        "",
    ]
    for evidence in finding.evidence:
        row = evidence.row
        lines.append(f"- {code(row.case)} ({', '.join(evidence.modes)}): {escape(row.message)}")
        if shows_values(row):
            lines += [f"  - expected: {code(str(row.expected))}", f"  - got: {code(str(row.got))}"]
        if row.expectation is not None:
            lines.append(f"  - expected failure: {escape(row.expectation)}")
        if row.upstream:
            link = safe_link(row.upstream)
            shown = (
                f"<{one_line(link, 500)}>"
                if link and not re.search(r"[<>\s]", link)
                else escape(row.upstream)
            )
            lines.append(f"  - upstream: {shown}")
    first = finding.first
    if first.history:
        lines += ["", "Last calls:", "", *block("\n".join(first.history))]
    if first.script:
        lines += ["", f"Reproducer ({confirmation(first)}):", ""]
        lines += block(first.script, "python")
    return [*lines, ""]


def _findings(report: Report) -> list[str]:
    lines = ["## Findings", ""]
    if not report.findings:
        lines += ["No rule failed.", ""]
    for finding in report.findings:
        lines += _finding(finding)
    for title, rows in (
        ("Faults of the harness", report.harness_errors),
        ("Stale expectations (the check passes now)", report.stale),
    ):
        if rows:
            lines += [f"### {title}", ""]
            for row in rows:
                text = row.expectation if row in report.stale else row.message
                where = f"{escape(row.backend)} {escape(row.rule)} {code(row.case)} ({row.mode})"
                lines.append(f"- {where}: {escape(str(text))}")
            lines.append("")
    return lines


def _survival(report: Report) -> list[str]:
    if not report.survival:
        return []
    head = [
        "backend",
        "restart",
        "memory type",
        "verdict",
        "writes covered",
        "survived",
        "observed",
    ]
    rows = [
        [
            escape(s.backend),
            KIND_TITLES[s.kind],
            s.memory_name,
            f"{ICONS[s.verdict]} {s.verdict}",
            "–" if s.writes is None else f"{s.writes:,}",
            "–" if s.survived is None else f"{s.survived:,}",
            escape(s.observed) or "–",
        ]
        for s in report.survival
    ]
    return ["## Restart survival", "", *table(head, rows), ""]


def _latency_row(timed: Latency) -> list[str]:
    figures = timed.figures
    return [
        escape(timed.operation),
        escape(timed.backend) + (" (emulated)" if timed.emulated else ""),
        escape(timed.mode),
        "–" if timed.items is None else f"{timed.items:,}",
        str(figures.n),
        milliseconds(timed.median),
        milliseconds(figures.p95),
        milliseconds(figures.p99),
        milliseconds(figures.maximum),
        "–" if figures.per_second is None else number(figures.per_second),
    ]


def _latencies(report: Report) -> list[str]:
    if not report.latencies:
        return []
    head = ["operation", "backend", "mode", "items", "n", "p50", "p95", "p99", "max", "ops/s"]
    lines = [
        "## Latency (ms)",
        "",
        "Only the store's call is inside the clock. p99 from 100 samples up.",
        "",
    ]
    lines += table(head, [_latency_row(t) for t in report.latencies])
    if report.embedding:
        lines += ["", "Time to embed one text (ms), in none of the figures above:", ""]
        head = ["backend", "n", "p50", "p95", "max"]
        rows = [
            [
                escape(t.backend),
                str(t.figures.n),
                milliseconds(t.median),
                milliseconds(t.figures.p95),
                milliseconds(t.figures.maximum),
            ]
            for t in report.embedding
        ]
        lines += table(head, rows)
    return [*lines, ""]


def _portability(report: Report) -> list[str]:
    if not report.portability:
        return []
    rows = []
    for row in report.portability:
        cells = []
        for name in report.names:
            choices = row.answers.get(name, ())
            told = [
                escape(c.text) + (f" ({', '.join(c.modes)})" if len(choices) > 1 else "")
                for c in choices
            ]
            cells.append("<br>".join(told) or "not measured")
        question = f": {escape(row.question)}" if row.question else ""
        rows.append([f"{row.rule.id}{question}", *cells, "yes" if row.differs else "no"])
    head = ["what", *(_name(v) for v in report.backends), "differs"]
    return ["## Portability: what the contract leaves to the backend", "", *table(head, rows), ""]


def _figures(report: Report) -> list[str]:
    every = (*report.recall, *report.figures, *report.troubles)
    if not every:
        return []
    rows = [
        [
            escape(m.backend),
            escape(m.name),
            escape(m.mode),
            escape(f"{show(m.value)} {m.unit}".strip()),
            escape(", ".join(f"{k} {show(v)}" for k, v in m.facts.items())),
        ]
        for m in every
    ]
    return [
        "## Recall and other measurements",
        "",
        *table(["backend", "name", "mode", "value", "facts"], rows),
        "",
    ]


def _facts(report: Report) -> list[str]:
    header = report.header
    keys = (
        "suite",
        "suite_version",
        "started",
        "command",
        "selection",
        "settings",
        "machine",
        "corpus",
    )
    rows = [[key, code(show(header[key]), 800, in_table=True)] for key in keys if key in header]
    for view in report.backends:
        for key in ("packages", "engine", "settings", "limits", "capabilities", "setup_steps"):
            if view.fact(key):
                rows.append(
                    [f"{escape(view.name)}: {key}", code(show(view.fact(key)), 800, in_table=True)]
                )
    return ["## The run", "", *table(["what", "value"], rows), ""]


def render(report: Report) -> str:
    """The Markdown document."""
    counts = ", ".join(f"{n:,} {word}" for word, n in report.counts.items())
    started = escape(str(report.header.get("started", "")))
    lines = [
        "# LangGraph store conformance",
        "",
        f"{', '.join(_name(v) for v in report.backends)}. Started {started}. Checks: {counts}.",
        "",
        *_comparison(report),
        *_verdicts(report),
        "## What this report cannot say",
        "",
        *(f"- {escape(sentence, 2000)}" for sentence in report.caveats),
        "",
        *_survival(report),
        *_latencies(report),
        *_portability(report),
        *_grid(report),
        *_findings(report),
        *_figures(report),
        *_facts(report),
    ]
    return "\n".join(lines)
