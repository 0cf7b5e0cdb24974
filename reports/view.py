"""
A run as the reports see it: of each backend what it declared, what its rows say, what was measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from store_conformance.contract import Level, Rule, Verdict
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.contract.survival import SurvivalFile
from store_conformance.reports.campaigns import Faults, faults_of
from store_conformance.reports.cells import Cell, gather, is_emulated, rules_of
from store_conformance.reports.latency import Latency, timings
from store_conformance.reports.survival import Survival, survival


@dataclass(frozen=True)
class BackendView:
    """Everything in a run that is about one backend."""

    name: str
    facts: dict[str, Any]
    cells: dict[str, Cell]
    """By rule id, in the order of the contract."""
    measurements: tuple[Measurement, ...]
    survival: tuple[Survival, ...]
    latencies: tuple[Latency, ...]
    seconds: dict[str, float]
    """``total``, ``in_store`` and ``waited`` of the footer; empty where the footer has none."""
    faults: Faults | None = None
    """What campaigns of faults found; ``None`` if the report was given no campaign at all."""

    @property
    def emulated(self) -> bool:
        return is_emulated(self.facts)

    @property
    def deployment(self) -> str:
        return str(self.facts.get("deployment", "unknown"))

    def declares(self, capability: str) -> bool | None:
        """Whether the backend declares the capability; ``None`` if the header lists none at all."""
        listed = self.facts.get("capabilities")
        return capability in listed if isinstance(listed, (list, tuple)) else None

    def fact(self, name: str) -> Any:
        """A fact of the header, or ``None``."""
        return self.facts.get(name)

    @property
    def promises(self) -> tuple[Cell, ...]:
        """The cells that count as kept or broken: those of IMPL rules are recorded only."""
        return tuple(c for c in self.cells.values() if c.level is not Level.IMPL)

    def figures(self, name: str) -> tuple[Measurement, ...]:
        """The measurements of that name."""
        return tuple(m for m in self.measurements if m.name == name)

    def of_groups(
        self, groups: Iterable[str], verdict: Verdict, level: Level | None = None
    ) -> tuple[str, ...]:
        """The rules of those groups whose cell has that verdict (and level)."""
        wanted = set(groups)
        return tuple(
            rule_id
            for rule_id, cell in self.cells.items()
            if rule_id.rstrip("0123456789") in wanted
            and cell.verdict is verdict
            and level in (None, cell.level)
        )

    @property
    def rule_counts(self) -> dict[str, int]:
        """Rules by verdict of their cell, every verdict present."""
        counts = {str(v): 0 for v in Verdict}
        for cell in self.cells.values():
            counts[str(cell.verdict)] += 1
        return counts

    @property
    def row_counts(self) -> dict[str, int]:
        """Checks (rows) by verdict, every verdict present."""
        counts = {str(v): 0 for v in Verdict}
        for cell in self.cells.values():
            for verdict, count in cell.counts.items():
                counts[verdict] += count
        return counts

    @property
    def expected_failures(self) -> int:
        """Failed rules of which every failure was expected."""
        return sum(1 for c in self.cells.values() if c.verdict is Verdict.FAIL and c.expected)


@dataclass(frozen=True)
class RunView:
    """A run, read once: all that is derived comes from here, and nothing looks into the rows again."""

    header: dict[str, Any]
    footer: dict[str, Any]
    backends: tuple[BackendView, ...]
    """Those that ran, in the order of the header."""
    absent: dict[str, str]
    """Backends that were asked for and could not run, of which nothing was verified, with the reason."""
    rules: tuple[Rule, ...]
    """The rules that the backends' rows speak of, in the order of the contract."""
    rows: tuple[Row, ...]
    measurements: tuple[Measurement, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(view.name for view in self.backends)

    @property
    def interrupted(self) -> bool:
        return bool(self.footer.get("interrupted"))

    @property
    def truncated(self) -> bool:
        """Whether the file had no end, as its run was killed."""
        return bool(self.footer.get("truncated"))


def _absent(run: Run) -> dict[str, str]:
    ran = {row.backend for row in run.rows if row.verdict is not Verdict.UNVERIFIED}
    return {
        name: str(facts["absent"])
        for name, facts in run.header["backends"].items()
        if facts.get("absent") and name not in ran
    }


def _backend(
    name: str,
    facts: dict[str, Any],
    rows: list[Row],
    figures: list[Measurement],
    seconds: dict[str, float],
    campaigns: tuple[SurvivalFile, ...],
) -> BackendView:
    emulated = is_emulated(facts)
    cells = gather(name, rows, emulated)
    listed = facts.get("capabilities")
    persists = "persistence" in listed if isinstance(listed, (list, tuple)) else None
    return BackendView(
        name,
        facts,
        {rule.id: cells[rule.id] for rule in rules_of(rows)},
        tuple(figures),
        survival(name, rows, figures, persists=persists),
        timings(figures, emulated),
        seconds,
        faults_of(name, facts, campaigns) if campaigns else None,
    )


def read(run: Run, campaigns: tuple[SurvivalFile, ...] = ()) -> RunView:
    """The run as typed views: each row and measurement is put in its place once."""
    rows: dict[str, list[Row]] = {name: [] for name in run.backends}
    figures: dict[str, list[Measurement]] = {name: [] for name in run.backends}
    for row in run.rows:
        rows.setdefault(row.backend, []).append(row)
    for figure in run.measurements:
        figures.setdefault(figure.backend, []).append(figure)
    absent = _absent(run)
    by_backend = run.footer.get("seconds", {}).get("by_backend", {})
    ran = [name for name in run.backends if name not in absent]
    return RunView(
        run.header,
        run.footer,
        tuple(
            _backend(
                name,
                dict(run.header["backends"][name]),
                rows[name],
                figures[name],
                dict(by_backend.get(name, {})),
                campaigns,
            )
            for name in ran
        ),
        absent,
        rules_of(row for name in ran for row in rows[name]),
        run.rows,
        run.measurements,
    )


def rules_not_run(views: Iterable[BackendView]) -> dict[str, tuple[str, ...]]:
    """The rules that other backends of the report were checked for, by the name of each that was not."""
    each = {view.name: view.cells.keys() for view in views}
    every = sorted({rule for cells in each.values() for rule in cells}, key=_by_number)
    lacking = {n: tuple(r for r in every if r not in cells) for n, cells in each.items()}
    return {name: rules for name, rules in lacking.items() if rules}


def _by_number(rule: str) -> tuple[str, int]:
    return rule[0], int(rule[1:])
