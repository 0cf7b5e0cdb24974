"""
One backend as the comparison sees it: what it declared, what its rows say, what was measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from store_conformance.contract import Level, Verdict
from store_conformance.contract.records import Measurement, Run
from store_conformance.reports.cells import Cell, gather, is_emulated, rules_of
from store_conformance.reports.latency import Latency, latencies
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


def _persists(facts: dict[str, Any]) -> bool | None:
    listed = facts.get("capabilities")
    return "persistence" in listed if isinstance(listed, (list, tuple)) else None


def absent(run: Run) -> dict[str, str]:
    """Backends that were asked for and could not run, of which nothing was verified, with the reason."""
    ran = {row.backend for row in run.rows if row.verdict is not Verdict.UNVERIFIED}
    return {
        name: str(facts["absent"])
        for name, facts in run.header["backends"].items()
        if facts.get("absent") and name not in ran
    }


def views(run: Run) -> tuple[BackendView, ...]:
    """The backends that ran, in the order of the header."""
    missing = absent(run)
    cells = gather(run)
    order = [rule.id for rule in rules_of(run.rows)]
    emulated = frozenset(n for n, facts in run.header["backends"].items() if is_emulated(facts))
    timed = latencies(run, emulated)
    by_backend = run.footer.get("seconds", {}).get("by_backend", {})
    return tuple(
        BackendView(
            name,
            dict(run.header["backends"][name]),
            {rule_id: cells[name, rule_id] for rule_id in order if (name, rule_id) in cells},
            tuple(m for m in run.measurements if m.backend == name),
            survival(
                run.rows, run.measurements, name, persists=_persists(run.header["backends"][name])
            ),
            tuple(t for t in timed if t.backend == name),
            dict(by_backend.get(name, {})),
        )
        for name in run.backends
        if name not in missing
    )
