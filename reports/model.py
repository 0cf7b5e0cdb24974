"""
The report of a run as data: what every format prints, and no format computes for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from store_conformance.contract import Group, Rule, UnknownRuleError, Verdict, group
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.reports.caveats import caveats
from store_conformance.reports.cells import (
    Cell,
    Finding,
    findings,
    is_news,
    is_stale,
    rules_of,
)
from store_conformance.reports.comparison import compare
from store_conformance.reports.derived import ComparisonRow
from store_conformance.reports.latency import Latency, embedding_times, latencies
from store_conformance.reports.portability import PortabilityRow, portability
from store_conformance.reports.survival import Survival
from store_conformance.reports.view import BackendView, absent, views


@dataclass(frozen=True)
class GroupGrid:
    """The rules of one group that the run has rows of."""

    group: Group
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Report:
    """Everything that a report says of a run."""

    header: dict[str, Any]
    footer: dict[str, Any]
    backends: tuple[BackendView, ...]
    comparison: tuple[ComparisonRow, ...]
    groups: tuple[GroupGrid, ...]
    findings: tuple[Finding, ...]
    harness_errors: tuple[Row, ...]
    stale: tuple[Row, ...]
    """Rows that pass although an expectation says that they fail."""
    survival: tuple[Survival, ...]
    latencies: tuple[Latency, ...]
    embedding: tuple[Latency, ...]
    portability: tuple[PortabilityRow, ...]
    recall: tuple[Measurement, ...]
    troubles: tuple[Measurement, ...]
    figures: tuple[Measurement, ...]
    """Measurements that no other table shows."""
    absent: dict[str, str]
    """Backends that were asked for and could not run, with the reason."""
    caveats: tuple[str, ...]
    """What the tables cannot say."""
    rows: tuple[Row, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(view.name for view in self.backends)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for grid in self.groups for rule in grid.rules)

    @property
    def counts(self) -> dict[str, int]:
        """Checks by verdict over all backends, every verdict present."""
        counts = {str(v): 0 for v in Verdict}
        for row in self.rows:
            counts[str(row.verdict)] += 1
        return counts

    @property
    def unexpected(self) -> int:
        """Rows that fail the gate."""
        return sum(1 for row in self.rows if is_news(row))

    @property
    def emulated(self) -> tuple[str, ...]:
        return tuple(view.name for view in self.backends if view.emulated)

    def cell(self, backend: str, rule_id: str) -> Cell | None:
        """The cell, or ``None`` where the rule was not run on that backend."""
        return next(
            (view.cells.get(rule_id) for view in self.backends if view.name == backend), None
        )


def _group(rule: Rule) -> Group:
    try:
        return group(rule.group)
    except UnknownRuleError:
        return Group(rule.group, "rules of another version")


def _groups(rules: tuple[Rule, ...]) -> tuple[GroupGrid, ...]:
    by_group: dict[Group, list[Rule]] = {}
    for rule in rules:
        by_group.setdefault(_group(rule), []).append(rule)
    return tuple(GroupGrid(g, tuple(of_group)) for g, of_group in by_group.items())


_TOLD = ("latency.", "recall.", "trouble.")


def build_report(run: Run) -> Report:
    """The report of a run (of one file, or merged from several)."""
    every = views(run)
    table, told = portability(run)
    rest = tuple(
        m
        for position, m in enumerate(run.measurements)
        if position not in told and not m.name.startswith(_TOLD)
    )
    cells = [cell for view in every for cell in view.cells.values()]
    names = {view.name for view in every}
    emulated = frozenset(view.name for view in every if view.emulated)
    return Report(
        header=run.header,
        footer=run.footer,
        backends=every,
        comparison=compare(every),
        groups=_groups(rules_of(row for row in run.rows if row.backend in names)),
        findings=findings(cells),
        harness_errors=tuple(r for r in run.rows if r.verdict is Verdict.ERROR),
        stale=tuple(r for r in run.rows if is_stale(r)),
        survival=tuple(s for view in every for s in view.survival),
        latencies=latencies(run, emulated),
        embedding=embedding_times(run),
        portability=table,
        recall=tuple(m for m in run.measurements if m.name.startswith("recall.")),
        troubles=tuple(m for m in run.measurements if m.name.startswith("trouble.")),
        figures=rest,
        absent=absent(run),
        caveats=caveats(run, every),
        rows=run.rows,
    )
