"""
What changed between two runs: unexpected ones first, then what was repaired, then rules, versions and figures.

A rule or check that is gone was not repaired.  A figure counts as changed only beyond its noise.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Verdict, merge
from store_conformance.contract.records import Row, Run
from store_conformance.reports.cells import is_expected
from store_conformance.reports.diff_figures import (
    FigureChange,
    latency_changes,
    loudest_first,
    other_changes,
)
from store_conformance.reports.diff_settings import setting_changes, version_changes
from store_conformance.reports.text import one_line, plural

if TYPE_CHECKING:
    from rich.console import Console

_BAD = (Verdict.FAIL, Verdict.ERROR)


@dataclass(frozen=True)
class Change:
    """A check that ended in another way than before."""

    before: Row
    after: Row

    @property
    def text(self) -> str:
        mode = f", {self.after.mode}" if self.after.mode else ""
        known = " (expected)" if is_expected(self.after) else ""
        return (
            f"{self.after.backend} {self.after.rule} ({self.after.case}{mode}): "
            f"{self.before.verdict} → {self.after.verdict}{known}: {one_line(self.after.message, 160)}"
        )

    @property
    def looks(self) -> str:
        """A failure of both runs: what it looked like, and what it looks like now."""
        was, now = self.before.failure_kind or "", self.after.failure_kind or ""
        return f"{place(self.after)}: {one_line(was, 160)} → {one_line(now, 160)}"


def place(row: Row) -> str:
    """Which check of which backend."""
    mode = f", {row.mode}" if row.mode else ""
    return f"{row.backend} {row.rule} ({row.case}{mode}){' (expected)' if is_expected(row) else ''}"


@dataclass(frozen=True)
class RuleChange:
    """A rule that only one of the runs has a check of, on a backend that both have."""

    backend: str
    rule: str
    verdict: Verdict
    """How it stood in the run that has it."""
    checks: int

    @property
    def text(self) -> str:
        return f"{self.backend} {self.rule}: {self.verdict} ({plural(self.checks, 'check')})"


@dataclass(frozen=True)
class RunDiff:
    """What is new in a run against an earlier one."""

    new_failures: tuple[Change, ...]
    appeared: tuple[Row, ...]
    """Failures of checks that the earlier run did not have."""
    fixed: tuple[Change, ...]
    changed: tuple[Change, ...]
    """Other verdicts that are not the same, such as pass to unverified."""
    missing: tuple[Row, ...]
    """Checks of the earlier run that the later one did not do."""
    added: int
    """Checks that only the later run did."""
    versions: tuple[str, ...]
    latencies: tuple[FigureChange, ...]
    """Every operation that both runs timed."""
    looks_different: tuple[Change, ...] = ()
    """Failures of both runs that look different now."""
    new_rules: tuple[RuleChange, ...] = ()
    vanished_rules: tuple[RuleChange, ...] = ()
    settings: tuple[str, ...] = ()
    figures: tuple[FigureChange, ...] = ()
    """Other figures that changed, or that differ and were measured once in each run."""
    notes: tuple[str, ...] = ()
    """What to know first, such as that one run is of a part only."""

    @property
    def newly_failing(self) -> tuple[Row, ...]:
        """Failures and errors that were not there before and that nobody expected."""
        rows = [*(change.after for change in self.new_failures), *self.appeared]
        return tuple(row for row in rows if not is_expected(row))


def _by_key(rows: Iterable[Row]) -> dict[tuple[str, str, str, str], Row]:
    return {(r.backend, r.rule, r.case, r.mode): r for r in rows}


def _rules_only_in(these: Run, those: Run) -> tuple[RuleChange, ...]:
    """Rules with checks in the first run and none in the second, of backends that both have."""
    other = {(r.backend, r.rule) for r in those.rows}
    shared = {*these.backends} & {*those.backends}
    alone: dict[tuple[str, str], list[Verdict]] = {}
    for r in these.rows:
        if r.backend in shared and (r.backend, r.rule) not in other:
            alone.setdefault((r.backend, r.rule), []).append(r.verdict)
    return tuple(
        RuleChange(backend, rule, merge(verdicts), len(verdicts))
        for (backend, rule), verdicts in alone.items()
    )


def _looks_different(old: Row, new: Row) -> bool:
    """Whether both failed, both say how that looks, and it is not the same."""
    kinds = (old.failure_kind, new.failure_kind)
    both = old.verdict is new.verdict is Verdict.FAIL
    return both and None not in kinds and kinds[0] != kinds[1]


def compare(before: Run, after: Run, notes: tuple[str, ...] = ()) -> RunDiff:
    """What is new in ``after``; checks are the same if backend, rule, case and mode are."""
    old, new = _by_key(before.rows), _by_key(after.rows)
    changes = [
        Change(old[key], row)
        for key, row in new.items()
        if key in old and old[key].verdict is not row.verdict
    ]
    worse = tuple(c for c in changes if c.after.verdict in _BAD and c.before.verdict not in _BAD)
    fixed = tuple(
        c for c in changes if c.before.verdict in _BAD and c.after.verdict is Verdict.PASS
    )
    told = {*map(id, worse), *map(id, fixed)}
    return RunDiff(
        worse,
        tuple(r for key, r in new.items() if key not in old and r.verdict in _BAD),
        fixed,
        tuple(c for c in changes if id(c) not in told),
        tuple(r for key, r in old.items() if key not in new),
        sum(1 for key in new if key not in old),
        version_changes(before, after),
        latency_changes(before, after),
        tuple(
            Change(old[key], row)
            for key, row in new.items()
            if key in old and _looks_different(old[key], row)
        ),
        _rules_only_in(after, before),
        _rules_only_in(before, after),
        setting_changes(before, after),
        other_changes(before, after),
        notes,
    )


NEWLY = "Newly failing"
_FIRST = (NEWLY, "Failures that look different now")
"""What a reader of a pull request must see without opening anything."""


def _sections(diff: RunDiff) -> list[tuple[str, list[str]]]:
    appeared = [
        f"{place(r)}: new check, {r.verdict}: {one_line(r.message, 160)}" for r in diff.appeared
    ]
    vanished = {(v.backend, v.rule) for v in diff.vanished_rules}
    gone = Counter(
        f"{r.backend} {r.rule}" for r in diff.missing if (r.backend, r.rule) not in vanished
    )
    clear = loudest_first(c for c in (*diff.latencies, *diff.figures) if c.clear)
    noise = ", ".join(dict.fromkeys(c.noise for c in clear))
    figures = [c.text for c in clear]
    if diff.latencies and not any(c.clear for c in diff.latencies):
        figures.append(f"no clear change in {plural(len(diff.latencies), 'latency', 'latencies')}")
    once = [c.text for c in diff.figures if not c.noise]
    return [
        (NEWLY, [c.text for c in diff.new_failures] + appeared),
        ("Failures that look different now", [c.looks for c in diff.looks_different]),
        ("Fixed", [c.text for c in diff.fixed]),
        ("Rules that vanished, which repairs nothing", [v.text for v in diff.vanished_rules]),
        ("New rules", [v.text for v in diff.new_rules]),
        ("Other verdicts changed", [c.text for c in diff.changed]),
        ("No longer checked", [f"{name}: {plural(n, 'check')}" for name, n in gone.items()]),
        ("Versions", list(diff.versions)),
        ("Settings", list(diff.settings)),
        (f"Figures beyond their noise ({noise})" if noise else "Figures", figures),
        ("Figures measured once in each run, of unknown noise", once),
    ]


def headline(diff: RunDiff) -> str:
    """The diff in one sentence."""
    more = [
        f"{len(diff.looks_different)} looking different" if diff.looks_different else "",
        f"{plural(len(diff.vanished_rules), 'rule')} vanished" if diff.vanished_rules else "",
        plural(len(diff.new_rules), "new rule") if diff.new_rules else "",
    ]
    counts = (
        plural(len(diff.newly_failing), "new failure"),
        f"{len(diff.fixed)} fixed",
        plural(len(diff.changed), "other changed verdict"),
        f"{plural(len(diff.missing), 'check')} gone",
        f"{diff.added} added",
        *more,
    )
    return ", ".join(filter(None, counts))


MOST_IN_COMMENT = 40
"""Lines of one section in Markdown; with them a comment stays within what code hosts take."""
MOST_OF_COMMENT = 60_000
"""Characters of a comment; GitHub takes 65,536."""


def to_markdown(diff: RunDiff) -> str:
    """The diff as Markdown that fits into a comment: what newly fails is open, the rest is folded."""
    from store_conformance.reports.markdown import escape

    lines = ["# Conformance: what changed", "", headline(diff) + "."]
    lines += ["", *(f"> {escape(note)}" for note in diff.notes)] if diff.notes else []
    left = MOST_OF_COMMENT
    for title, entries in _sections(diff):
        if not entries:
            continue
        shown = [f"- {escape(entry, 400)}" for entry in entries[:MOST_IN_COMMENT]]
        while shown and sum(map(len, shown)) > left:
            shown.pop()
        left -= sum(map(len, shown))
        if len(shown) < len(entries):
            shown.append(f"- … and {len(entries) - len(shown)} more")
        if title in _FIRST:
            lines += ["", f"## {title}", "", *shown]
        else:
            summary = f"<summary>{title} ({len(entries)})</summary>"
            lines += ["", f"<details>{summary}", "", *shown, "", "</details>"]
    return "\n".join(lines) + "\n"


def to_json(diff: RunDiff) -> str:
    """The diff for a program; latencies and their intervals are in seconds."""
    data = {
        "headline": headline(diff),
        "notes": diff.notes,
        "newly_failing": [_of_row(r) for r in diff.newly_failing],
        "worse": [_of_change(c) for c in diff.new_failures],
        "failing_new_checks": [_of_row(r) for r in diff.appeared],
        "looks_different": [_of_change(c) for c in diff.looks_different],
        "fixed": [_of_change(c) for c in diff.fixed],
        "changed": [_of_change(c) for c in diff.changed],
        "vanished_rules": [asdict(v) for v in diff.vanished_rules],
        "new_rules": [asdict(v) for v in diff.new_rules],
        "no_longer_checked": [_of_row(r) for r in diff.missing],
        "added": diff.added,
        "versions": diff.versions,
        "settings": diff.settings,
        "figures": [
            {**asdict(c), "changed": c.clear, "word": c.word}
            for c in (*diff.latencies, *diff.figures)
        ],
    }
    # ASCII: lone surrogates of a nasty value must not end the command.
    return json.dumps(data, indent=2) + "\n"


def _of_row(row: Row) -> dict[str, Any]:
    return {
        "backend": row.backend,
        "rule": row.rule,
        "case": row.case,
        "mode": str(row.mode),
        "verdict": row.verdict,
        "expected": is_expected(row),
        "message": row.message,
        "failure_kind": row.failure_kind,
    }


def _of_change(change: Change) -> dict[str, Any]:
    return {
        **_of_row(change.after),
        "before": {
            "verdict": change.before.verdict,
            "message": change.before.message,
            "failure_kind": change.before.failure_kind,
        },
    }


def to_text(diff: RunDiff) -> str:
    """The diff for a terminal, without colours; empty sections are left out."""
    lines = [*diff.notes, headline(diff)]
    for title, entries in _sections(diff):
        if entries:
            lines += ["", title, *(f"  {one_line(entry, 400)}" for entry in entries)]
    return "\n".join(lines) + "\n"


def print_diff(diff: RunDiff, console: Console | None = None) -> None:
    """Print the diff with its headings in bold."""
    from rich.console import Console
    from rich.text import Text

    out = console or Console()
    titles = {title for title, _ in _sections(diff)}
    for line in to_text(diff).splitlines():
        style = "red bold" if line == NEWLY else "bold" if line in {*titles, headline(diff)} else ""
        out.print(Text(line, style=style), soft_wrap=True)
