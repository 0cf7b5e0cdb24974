"""
The first screen's words, the same in every format: what was run, and what must not be overlooked.
"""

from __future__ import annotations

from datetime import datetime, timezone

from store_conformance.contract import Verdict
from store_conformance.reports.comparison import HEADLINE
from store_conformance.reports.derived import Derived, Feature, Grade
from store_conformance.reports.model import GroupGrid, Report
from store_conformance.reports.text import ICONS, number, plural
from store_conformance.reports.view import BackendView, rules_not_run

GRADE_WORDS = {
    Grade.GOOD: "holds",
    Grade.PARTLY: "in part",
    Grade.BAD: "does not",
    Grade.PLAIN: "a fact",
    Grade.UNKNOWN: "not measured",
}
"""What the sign of a grade says."""


def _when(started: object) -> str:
    """The start of the run in UTC, to the minute; what is no date is told as it is."""
    try:
        moment = datetime.fromisoformat(str(started))
    except ValueError:
        return str(started)
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M}" + (" UTC" if moment.tzinfo else "")


def _machine(report: Report) -> str:
    facts = report.header.get("machine") or {}
    told = [str(facts[key]) for key in ("system", "arch") if facts.get(key)]
    cpus, memory, python = (facts.get(key) for key in ("cpus", "memory_gb", "python"))
    parts = [" ".join(told)] if told else []
    parts += [plural(cpus, "CPU")] if isinstance(cpus, int) else []
    parts += [f"{number(memory)} GB"] if isinstance(memory, (int, float)) else []
    parts += [f"Python {python}"] if python else []
    return ", ".join(parts)


def what_ran(report: Report) -> tuple[str, ...]:
    """What was run, when and on what."""
    counts = (
        plural(len(report.backends), "system"),
        plural(len(report.rules), "rule"),
        plural(len(report.rows), "check"),
    )
    told = (
        ", ".join(counts),
        f"started {_when(report.header['started'])}"
        if report.header.get("started")
        else "start not recorded",
        _machine(report),
        f"suite {report.header['suite_version']}" if report.header.get("suite_version") else "",
    )
    return tuple(part for part in told if part)


def is_part(report: Report) -> bool:
    """Whether rules, groups, scenarios or a profile were chosen, or rules skipped."""
    return any((report.header.get("selection") or {}).values())


def flags(report: Report) -> tuple[str, ...]:
    """What a reader must not take for a whole, verified run of real engines."""
    told = []
    if report.truncated:
        told.append("truncated: the run was cut off, and what is missing was not run")
    elif report.interrupted:
        told.append("interrupted: what is missing was not run")
    if is_part(report):
        told.append("only a part was run")
    if report.emulated:
        told.append(f"emulated: {', '.join(report.emulated)}")
    lacking = rules_not_run(report.backends) if report.header.get("merged") else {}
    if lacking:
        told.append(
            f"fewer rules: {', '.join(f'{name} ({len(rules)} not run)' for name, rules in lacking.items())}"
        )
    if report.absent:
        told.append(f"could not run: {', '.join(report.absent)}")
    unsure = sum(view.rule_counts[str(Verdict.UNVERIFIED)] for view in report.backends)
    if unsure:
        told.append(f"{plural(unsure, 'cell')} unverified")
    if report.harness_errors:
        told.append(
            plural(len(report.harness_errors), "fault of the harness", "faults of the harness")
        )
    if report.stale:
        told.append(plural(len(report.stale), "stale expectation"))
    return tuple(told)


def comparison_rows(report: Report) -> tuple[tuple[Feature, dict[str, Derived]], ...]:
    """The table of the first screen: promises kept, then the features."""
    rows = [(row.feature, row.values) for row in report.comparison]
    return ((HEADLINE, report.kept), *rows)


def group_tally(view: BackendView, grid: GroupGrid) -> str:
    """``12/14 ✗2``: passed rules of the group, then those that failed or could not be told."""
    cells = [view.cells[r.id] for r in grid.rules if r.id in view.cells]
    if not cells:
        return "not run"
    passed = sum(1 for c in cells if c.verdict is Verdict.PASS)
    told = [f"{passed}/{len(cells)}"]
    for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.UNVERIFIED, Verdict.UNSUPPORTED):
        count = sum(1 for c in cells if c.verdict is verdict)
        if count:
            told.append(f"{ICONS[verdict]}{count}")
    return " ".join(told)
