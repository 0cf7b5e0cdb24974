"""
The report on a terminal, as the end of a run: a grid by group, the comparison, counts, then what is new.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from store_conformance.contract import Verdict
from store_conformance.contract.records import Run
from store_conformance.reports.cells import Finding, confirmation, shows_values
from store_conformance.reports.derived import SIGNS, Grade
from store_conformance.reports.model import Report, build_report
from store_conformance.reports.summary import comparison_rows, flags, group_tally, what_ran
from store_conformance.reports.text import ICONS, number, one_line, plural
from store_conformance.reports.view import BackendView

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.UNSUPPORTED: "dim",
    Verdict.UNVERIFIED: "yellow",
    Verdict.ERROR: "bold magenta",
}
_GRADES = {Grade.GOOD: "green", Grade.PARTLY: "yellow", Grade.BAD: "red", Grade.UNKNOWN: "dim"}

Command = Callable[[str, str], str]
"""From a backend and a rule to the command that runs just these."""
FIRST, EACH = 21, 16
"""Characters of the first column and of each backend's; what does not fit goes into a further table."""


def _title(view: BackendView) -> str:
    name = one_line(view.name, 30)
    return f"{name}\n(emulated)" if view.emulated else name


def _parts(report: Report, width: int) -> list[tuple[BackendView, ...]]:
    every, most = report.backends, max(1, (width - FIRST) // EACH)
    wide = (
        -(-len(every) // -(-len(every) // most)) if every else most
    )  # tables of about the same width
    return [every[start : start + wide] for start in range(0, len(every), wide)]


_SHORT = {Verdict.UNSUPPORTED: "unsup", Verdict.UNVERIFIED: "unver"}


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )


def _counts(report: Report) -> Table:
    from rich.text import Text

    table = _table("Rules by verdict (expected failures in brackets)")
    table.add_column("backend", no_wrap=True)
    for verdict in Verdict:
        head = f"{ICONS[verdict]} {_SHORT.get(verdict, verdict)}"
        table.add_column(head, justify="right", style=_STYLES[verdict], no_wrap=True)
    for name in ("seconds", "in store"):
        table.add_column(name, justify="right", no_wrap=True)
    for view in report.backends:
        counts = {str(v): str(view.rule_counts[str(v)]) for v in Verdict}
        if view.expected_failures:
            counts[str(Verdict.FAIL)] += f" ({view.expected_failures})"
        table.add_row(
            Text(_title(view)),
            *counts.values(),
            *(number(view.seconds[k]) if k in view.seconds else "–" for k in ("total", "in_store")),
        )
    return table


def _groups(report: Report, part: tuple[BackendView, ...]) -> Table:
    from rich.text import Text

    table = _table("Rules passed, by group")
    table.add_column("group", no_wrap=True, overflow="ellipsis")
    for view in part:
        table.add_column(Text(_title(view)), no_wrap=True)
    for grid in report.groups:
        tallies = [group_tally(view, grid) for view in part]
        table.add_row(
            Text(f"{grid.group.id}  {one_line(grid.group.title, 30)}"),
            *(Text(t, style="red" if ICONS[Verdict.FAIL] in t else "") for t in tallies),
        )
    return table


def _comparison(report: Report, part: tuple[BackendView, ...]) -> Table:
    from rich.text import Text

    table = _table("Comparison")
    table.add_column("", no_wrap=True)
    for view in part:
        table.add_column(Text(_title(view)), no_wrap=True)
    for feature, values in comparison_rows(report):
        cells = [values[view.name] for view in part]
        words = [f"{SIGNS[v.grade] or ' '} {v.short}" for v in cells]
        table.add_row(
            feature.title,
            *(Text(w, style=_GRADES.get(v.grade, "")) for w, v in zip(words, cells, strict=True)),
        )
    return table


def _recommendations(report: Report) -> list[str]:
    """A line for each kind of user."""
    lines = []
    for answer in report.recommendations:
        chosen = answer.chosen
        told = f"{chosen.backend}: {chosen.why}" if chosen else "none meets the conditions"
        broken = f"; {plural(chosen.broken, 'broken promise')}" if chosen and chosen.broken else ""
        unsure = f". {answer.reservation}" if chosen and answer.reservation else ""
        lines.append(one_line(f"{answer.kind.title}: {told}{broken}{unsure}", 600))
    return lines


def failure_lines(finding: Finding, run_path: str, again: Command | None = None) -> list[str]:
    """
    A failure in a few lines: what, expected and got, where known, and the commands that show it.

    ``again`` gives the command that runs one rule on one backend.
    """
    row, rule = finding.first, finding.rule
    mark = " (emulated)" if finding.emulated else ""
    known = " (expected)" if finding.expected else ""
    more = len(finding.evidence) - 1
    lines = [
        f"{ICONS[Verdict.FAIL]} {finding.backend}{mark} {rule.id} {rule.level}{known}: {row.message}",
        f"    case {row.case}" + (f" and {plural(more, 'more case')}" if more else ""),
    ]
    if shows_values(row):
        lines += [f"    expected {row.expected}", f"    got      {row.got}"]
    if row.expectation is not None:
        lines.append(f"    known: {row.expectation}")
    if finding.upstream:
        lines.append(f"    upstream: {finding.upstream}")
    if row.script:
        told = f"store-conformance repro {shlex.quote(run_path)} {rule.id}"
        lines.append(f"    reproducer ({confirmation(row)}): {told}")
    if again is not None:
        lines.append(f"    alone: {again(finding.backend, rule.id)}")
    return [
        one_line(line, 400) if n == 0 else f"    {one_line(line, 400)}"
        for n, line in enumerate(lines)
    ]


def _print_findings(
    out: Console, findings: Sequence[Finding], most: int, run_path: str, again: Command | None
) -> None:
    from rich.text import Text

    for finding in findings[:most]:
        head, *rest = failure_lines(finding, run_path, again)
        out.print(Text(head, style="yellow" if finding.expected else "red"), soft_wrap=True)
        for line in rest:
            out.print(Text(line), soft_wrap=True)
    if len(findings) > most:
        out.print(Text(f"… and {plural(len(findings) - most, 'more failed rule')} in the report"))


def print_tables(run: Run, console: Console | None = None) -> None:
    """Print the first screen: what was run, the comparison, for whom; then rules by group and the counts."""
    from rich.console import Console
    from rich.text import Text

    out, report = console or Console(), build_report(run)
    out.print(Text("; ".join(what_ran(report))), soft_wrap=True)
    for flag in flags(report):
        out.print(Text(f"! {one_line(flag, 400)}", style="yellow"), soft_wrap=True)
    for part in _parts(report, out.width):
        out.print(_comparison(report, part))
    if len(report.backends) > 1:
        out.print(Text("Which for whom", style="bold"))
        for line in _recommendations(report):
            out.print(Text(line), soft_wrap=True)
    for part in _parts(report, out.width):
        out.print(_groups(report, part))
    out.print(_counts(report))
    for name, why in report.absent.items():
        out.print(
            Text(one_line(f"? {name} was not run: {why}", 400), style="yellow"), soft_wrap=True
        )


def print_known(
    run: Run, console: Console | None = None, *, run_path: str, most: int = 400
) -> None:
    """Print the failures that were expected, each with its reason."""
    from rich.console import Console

    known = [f for f in build_report(run).findings if f.expected]
    _print_findings(console or Console(), known, most, run_path, None)


def print_news(
    run: Run,
    console: Console | None = None,
    *,
    run_path: str,
    again: Command | None = None,
    hint: str = "",
    most: int = 20,
) -> None:
    """
    Print what a person wants to know at the end: what was found that was not known, and how many.

    Unexpected failures first, then faults of the harness, then expectations that are stale; the known
    failures are one line, which ends with ``hint``.
    """
    from rich.console import Console
    from rich.text import Text

    out, report = console or Console(), build_report(run)
    new = [f for f in report.findings if not f.expected]
    known = len(report.findings) - len(new)
    _print_findings(out, new, most, run_path, again)
    for row in report.harness_errors[:most]:
        text = f"{ICONS[Verdict.ERROR]} harness fault: {row.backend} {row.rule} {row.case}: {row.message}"
        out.print(Text(one_line(text, 400), style=_STYLES[Verdict.ERROR]), soft_wrap=True)
    for row in report.stale[:most]:
        text = f"! stale expectation: {row.backend} {row.rule} {row.case} passes now ({row.expectation})"
        out.print(Text(one_line(text, 400), style="yellow"), soft_wrap=True)
    told = f"{plural(len(new), 'failed rule')} not known before" if new else "Nothing new failed"
    if known:
        told += f"; {plural(known, 'known failure')}{hint}"
    out.print(Text(f"{told}.", style="bold"), soft_wrap=True)
