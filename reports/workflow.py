"""
A run in a GitHub Actions workflow: the summary of a step in Markdown, and annotations.

``cat summary.md >> "$GITHUB_STEP_SUMMARY"`` shows the first, ``cat annotations.txt`` the second: GitHub
reads the commands from what a step prints, at most ten of a kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store_conformance.contract import Verdict
from store_conformance.contract.records import Row
from store_conformance.reports.cells import Finding, shows_values
from store_conformance.reports.derived import SIGNS
from store_conformance.reports.markdown import code, escape, folded, promise, table
from store_conformance.reports.model import Report
from store_conformance.reports.places import Place, place_of
from store_conformance.reports.summary import flags, what_ran
from store_conformance.reports.table import marked
from store_conformance.reports.text import ICONS, plural, visible

MOST_FINDINGS = 50
"""Of the summary: a step's may have a megabyte, and a reader less."""
MOST_ANNOTATIONS = 10
"""Of each kind: GitHub shows no more of one step."""


# -- the summary ---------------------------------------------------------------------------------


def _new(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if not finding.expected]


def _verdict(report: Report) -> str:
    """One sentence that says whether something is new."""
    new = len(_new(report))
    parts = [f"{plural(new, 'failed rule')} not known before"] if new else []
    if report.harness_errors:
        many = plural(len(report.harness_errors), "fault of the harness", "faults of the harness")
        parts.append(many)
    if report.stale:
        parts.append(plural(len(report.stale), "stale expectation"))
    known = len(report.findings) - new
    if parts:
        sign = ICONS[Verdict.FAIL]
    elif not report.rows:
        return f"{ICONS[Verdict.UNVERIFIED]} Nothing was checked."
    else:
        sign, parts = ICONS[Verdict.PASS], ["Nothing new failed"]
    if known:
        parts.append(plural(known, "known failure"))
    return f"{sign} {'; '.join(parts)}."


def _kept(report: Report) -> list[str]:
    rows = []
    for name in report.names:
        kept = report.kept[name]
        value = f"{SIGNS[kept.grade]} {escape(kept.value)}".strip()
        rows.append([escape(marked(report, name)), value, escape(kept.because)])
    rows += [
        [escape(name), f"{ICONS[Verdict.UNVERIFIED]} could not run", escape(why, 200)]
        for name, why in report.absent.items()
    ]
    return [*table(["store", "promises kept", "the others"], rows), ""]


def _line(finding: Finding) -> list[str]:
    row = finding.first
    where = escape(finding.backend) + (" (emulated)" if finding.emulated else "")
    seen = escape(row.message, 200)
    if shows_values(row):
        expected, got = (code(str(v), 100, in_table=True) for v in (row.expected, row.got))
        seen = f"{seen}<br>expected {expected}<br>got {got}"
    rule = finding.rule
    return [f"{escape(rule.id)} {rule.level}", where, promise(rule), seen]


def _findings(title: str, found: Sequence[Finding]) -> list[str]:
    head = ["rule", "store", "does not hold", "what was seen"]
    lines = [f"### {title}", "", *table(head, [_line(f) for f in found[:MOST_FINDINGS]]), ""]
    left = len(found) - MOST_FINDINGS
    return [*lines, f"… and {left:,} more in the report.", ""] if left > 0 else lines


def _rows(title: str, rows: Sequence[Row]) -> list[str]:
    lines = [
        f"- {escape(r.backend)} {escape(r.rule)} {code(r.case)}: "
        f"{escape(r.expectation if r.expectation is not None else r.message, 200)}"
        for r in rows[:MOST_FINDINGS]
    ]
    left = len(rows) - MOST_FINDINGS
    more = [f"- … and {left:,} more in the report"] if left > 0 else []
    return [f"### {title}", "", *lines, *more, ""]


def summary(report: Report) -> str:
    """The summary of the step."""
    new = _new(report)
    known = [finding for finding in report.findings if finding.expected]
    lines = [
        "## LangGraph store conformance",
        "",
        f"**{_verdict(report)}**",
        "",
        f"{'; '.join(map(escape, what_ran(report)))}.",
        "",
        *(f"- **{escape(flag)}**" for flag in flags(report)),
        "",
        *_kept(report),
    ]
    lines += _findings("Not known before", new) if new else []
    if report.harness_errors:
        lines += _rows("Faults of the harness", report.harness_errors)
    if report.stale:
        lines += _rows("Stale expectations: these pass now", report.stale)
    if known:
        told = [
            f"- {escape(f.rule.id)} {escape(f.backend)}: {escape(f.first.expectation or '', 200)}"
            for f in known[:MOST_FINDINGS]
        ]
        left = len(known) - MOST_FINDINGS
        told += [f"- … and {left:,} more in the report"] if left > 0 else []
        lines += folded(plural(len(known), "known failure"), told)
    return "\n".join(lines)


# -- annotations ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Annotation:
    kind: str
    """``error``, ``warning`` or ``notice``."""
    title: str
    text: str
    place: Place | None = None


def _data(text: str) -> str:
    """What stands behind a command, on one line, as GitHub's runner undoes it; a ``\\r`` is visible by now."""
    return visible(text).replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def command(told: Annotation) -> str:
    """The line that makes GitHub show it."""
    properties = {}
    if told.place is not None and not told.place.uri.startswith("file:"):
        properties = {"file": told.place.file, "line": str(told.place.line)}
    properties["title"] = told.title
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{told.kind} {listed}::{_data(told.text)}"


def _failure(report: Report, finding: Finding) -> Annotation:
    row = finding.first
    lines = [row.message]
    if shows_values(row):
        lines += [f"expected {row.expected}", f"got {row.got}"]
    mark = " (emulated)" if finding.emulated else ""
    title = f"{finding.backend}{mark} {finding.rule.id} {finding.rule.level}: {row.case}"
    return Annotation("error", title, "\n".join(lines), place_of(report, row))


def _every(report: Report) -> list[Annotation]:
    found = [_failure(report, finding) for finding in _new(report)]
    found += [
        Annotation("error", f"{r.backend} {r.rule}: fault of the harness", f"{r.case}: {r.message}")
        for r in report.harness_errors
    ]
    found += [
        Annotation(
            "error",
            f"{r.backend} {r.rule}: stale expectation",
            f"{r.case} passes now: {r.expectation}",
        )
        for r in report.stale
    ]
    found += [Annotation("warning", "Store conformance", flag) for flag in flags(report)]
    known = len(report.findings) - len(_new(report))
    if known:
        text = f"{plural(known, 'known failure')} expected"
        found.append(Annotation("notice", "Store conformance", text))
    return found


def annotation_lines(report: Report) -> str:
    """
    A line an annotation: an error for all that fails the gate, a warning for what must not be overlooked.

    Known failures are one notice.
    """
    lines = []
    every = _every(report)
    for kind in ("error", "warning", "notice"):
        of_kind = [told for told in every if told.kind == kind]
        if len(of_kind) > MOST_ANNOTATIONS:
            left = len(of_kind) - MOST_ANNOTATIONS + 1
            more = Annotation(kind, "Store conformance", f"and {left:,} more: see the report")
            of_kind = [*of_kind[: MOST_ANNOTATIONS - 1], more]
        lines += [command(told) for told in of_kind]
    return "".join(f"{line}\n" for line in lines)
