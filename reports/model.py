"""
The report of a run as data: what every format prints, and no format computes for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from store_conformance.contract import Group, Rule, UnknownRuleError, Verdict, group
from store_conformance.contract.checked import CheckedLine
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.contract.survival import SurvivalFile
from store_conformance.reports.campaigns import campaign_caveats
from store_conformance.reports.caveats import caveats
from store_conformance.reports.cells import (
    Cell,
    Finding,
    findings,
    is_news,
    is_stale,
)
from store_conformance.reports.comparison import HEADLINE, compare
from store_conformance.reports.derived import ComparisonRow, Derived
from store_conformance.reports.latency import Latency, embedding_times, in_order
from store_conformance.reports.portability import PortabilityRow, portability
from store_conformance.reports.recommendation import Recommendation, recommend
from store_conformance.reports.survival import Survival
from store_conformance.reports.trend import Trend
from store_conformance.reports.view import BackendView, read


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
    kept: dict[str, Derived]
    """How many promises each backend keeps."""
    comparison: tuple[ComparisonRow, ...]
    recommendations: tuple[Recommendation, ...]
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
    campaigns: tuple[SurvivalFile, ...] = ()
    """Campaigns of faults that the report was given."""
    checks: tuple[CheckedLine, ...] = ()
    """The production checklist of the databases that the run was pointed at."""
    history: Trend = field(default_factory=Trend)
    """This run and earlier ones, where the report was given some."""

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
    def interrupted(self) -> bool:
        return bool(self.footer.get("interrupted"))

    @property
    def truncated(self) -> bool:
        """Whether the file of the run had no end, as the run was killed."""
        return bool(self.footer.get("truncated"))

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


def _left_out(history: Trend) -> tuple[str, ...]:
    return tuple(f"Not told over time: {u.source}: {u.reason}." for u in history.left_out)


_TOLD = ("latency.", "recall.", "trouble.")


def build_report(
    run: Run, campaigns: Iterable[SurvivalFile] = (), history: Trend | None = None
) -> Report:
    """
    The report of a run (of one file, or merged from several), of campaigns of faults, and of runs over time.
    """
    files, over_time = tuple(campaigns), history or Trend()
    view = read(run, files)
    every = view.backends
    table, told = portability(view)
    rest = tuple(
        m
        for position, m in enumerate(view.measurements)
        if position not in told and not m.name.startswith(_TOLD)
    )
    return Report(
        header=view.header,
        footer=view.footer,
        backends=every,
        kept={backend.name: HEADLINE.value(backend) for backend in every},
        comparison=compare(every),
        recommendations=recommend(every),
        groups=_groups(view.rules),
        findings=findings(cell for backend in every for cell in backend.cells.values()),
        harness_errors=tuple(r for r in view.rows if r.verdict is Verdict.ERROR),
        stale=tuple(r for r in view.rows if is_stale(r)),
        survival=tuple(s for backend in every for s in backend.survival),
        latencies=in_order((t for backend in every for t in backend.latencies), view.names),
        embedding=embedding_times(view.measurements),
        portability=table,
        recall=tuple(m for m in view.measurements if m.name.startswith("recall.")),
        troubles=tuple(m for m in view.measurements if m.name.startswith("trouble.")),
        figures=rest,
        absent=view.absent,
        caveats=(*caveats(view), *campaign_caveats(files, view.names), *_left_out(over_time)),
        rows=view.rows,
        campaigns=files,
        checks=run.checks,
        history=over_time,
    )
