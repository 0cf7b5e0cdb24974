"""
What changed between two runs: unexpected ones first, then what was fixed, then latencies.

A latency counts as changed only where the middle halves of the two sample sets do not overlap;
anything less is noise between two runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store_conformance.contract import Verdict
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.reports.cells import is_expected
from store_conformance.reports.latency import EMBEDDING, PREFIX
from store_conformance.reports.statistics import percentile
from store_conformance.reports.text import milliseconds, number, one_line, plural

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


@dataclass(frozen=True)
class LatencyChange:
    """The medians of one operation, in seconds, in both runs."""

    backend: str
    operation: str
    mode: str
    before: float
    after: float
    clear: bool
    """Whether the middle halves of the samples do not overlap."""

    @property
    def ratio(self) -> float:
        return self.after / self.before if self.before else float("inf")

    @property
    def word(self) -> str:
        if not self.clear:
            return "no clear change"
        return "slower" if self.after > self.before else "faster"


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
    latencies: tuple[LatencyChange, ...]

    @property
    def newly_failing(self) -> tuple[Row, ...]:
        """Failures and errors that were not there before and that nobody expected."""
        rows = [*(change.after for change in self.new_failures), *self.appeared]
        return tuple(row for row in rows if not is_expected(row))


def _by_key(rows: Iterable[Row]) -> dict[tuple[str, str, str, str], Row]:
    return {(r.backend, r.rule, r.case, r.mode): r for r in rows}


def _versions(before: Run, after: Run) -> tuple[str, ...]:
    told = []
    for name, facts in after.header["backends"].items():
        old = before.header["backends"].get(name)
        if old is None:
            told.append(f"{name}: only in the later run")
            continue
        ours, theirs = facts.get("packages") or {}, old.get("packages") or {}
        for package in sorted({*ours, *theirs}):
            if ours.get(package) != theirs.get(package):
                was, now = theirs.get(package, "absent"), ours.get(package, "absent")
                told.append(f"{name}: {package} {was} → {now}")
        if facts.get("engine") != old.get("engine"):
            told.append(f"{name}: engine {old.get('engine')} → {facts.get('engine')}")
    told += [
        f"{name}: only in the earlier run"
        for name in before.header["backends"]
        if name not in after.header["backends"]
    ]
    return tuple(told)


def _timed(run: Run) -> dict[tuple[object, ...], Measurement]:
    return {
        (m.backend, m.name, m.mode, m.facts.get("n_items")): m
        for m in run.measurements
        if m.name.startswith(PREFIX) and m.name != EMBEDDING and m.samples
    }


def _latencies(before: Run, after: Run) -> tuple[LatencyChange, ...]:
    old, changes = _timed(before), []
    for key, new in _timed(after).items():
        if key not in old:
            continue
        was, now = old[key].samples, new.samples
        apart = percentile(was, 75) < percentile(now, 25) or percentile(now, 75) < percentile(
            was, 25
        )
        changes.append(
            LatencyChange(
                new.backend,
                new.name.removeprefix(PREFIX),
                new.mode,
                percentile(was, 50),
                percentile(now, 50),
                apart,
            )
        )
    return tuple(changes)


def compare(before: Run, after: Run) -> RunDiff:
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
        _versions(before, after),
        _latencies(before, after),
    )


def _sections(diff: RunDiff) -> list[tuple[str, list[str]]]:
    appeared = [
        f"{r.backend} {r.rule} ({r.case}, {r.mode}): new check, {r.verdict}"
        f"{' (expected)' if is_expected(r) else ''}: {one_line(r.message, 160)}"
        for r in diff.appeared
    ]
    gone = Counter(f"{r.backend} {r.rule}" for r in diff.missing)
    clear = [t for t in diff.latencies if t.clear]
    times = [
        f"{t.backend} {t.operation} ({t.mode}): {milliseconds(t.before)} → {milliseconds(t.after)} ms, "
        f"×{number(t.ratio)}, {t.word}"
        for t in sorted(clear, key=lambda t: -t.ratio)
    ]
    if diff.latencies and not clear:
        times = [f"no clear change in {plural(len(diff.latencies), 'operation')}"]
    return [
        ("Newly failing", [c.text for c in diff.new_failures] + appeared),
        ("Fixed", [c.text for c in diff.fixed]),
        ("Other verdicts changed", [c.text for c in diff.changed]),
        ("No longer checked", [f"{name}: {plural(n, 'check')}" for name, n in gone.items()]),
        ("Versions", list(diff.versions)),
        ("Latency", times),
    ]


def headline(diff: RunDiff) -> str:
    """The diff in one sentence."""
    return (
        f"{plural(len(diff.newly_failing), 'new failure')}, {len(diff.fixed)} fixed, "
        f"{plural(len(diff.changed), 'other changed verdict')}, "
        f"{plural(len(diff.missing), 'check')} gone, {diff.added} added"
    )


def to_markdown(diff: RunDiff) -> str:
    """The diff as a Markdown document."""
    from store_conformance.reports.markdown import escape

    lines = ["# Conformance: what changed", "", headline(diff) + "."]
    for title, entries in _sections(diff):
        if entries:
            lines += ["", f"## {title}", "", *(f"- {escape(entry)}" for entry in entries)]
    return "\n".join(lines) + "\n"


def print_diff(diff: RunDiff, console: Console | None = None) -> None:
    """Print the diff; empty sections are left out."""
    from rich.console import Console
    from rich.text import Text

    out = console or Console()
    out.print(Text(headline(diff), style="bold"))
    for title, entries in _sections(diff):
        if entries:
            out.print()
            out.print(Text(title, style="red bold" if title == "Newly failing" else "bold"))
            for entry in entries:
                out.print(Text(f"  {one_line(entry, 400)}"), soft_wrap=True)
