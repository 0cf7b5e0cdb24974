"""
Verdict rows gathered by backend and rule: cells, counts and findings.

A failure that an expectation names stays a failure of the store; it is only told apart from an unexpected one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from store_conformance.contract import Level, Rule, Verdict, merge, rules
from store_conformance.contract.records import Row


def is_expected(row: Row) -> bool:
    """Whether the row fails as an expectation said it would."""
    return row.verdict is Verdict.FAIL and row.expectation is not None


def is_stale(row: Row) -> bool:
    """Whether the row passes although an expectation says that it fails."""
    return row.verdict is Verdict.PASS and row.expectation is not None


def is_news(row: Row) -> bool:
    """Whether the row fails the gate: a failure nobody expected, a harness error, a stale expectation."""
    unexpected = row.verdict is Verdict.FAIL and row.expectation is None
    return unexpected or row.verdict is Verdict.ERROR or is_stale(row)


def confirmation(row: Row) -> str:
    """Whether the row's reproducer did reproduce, in words."""
    if row.confirmed is None:
        return "not tried"
    return "confirmed in a clean process" if row.confirmed else "unconfirmed: it did not reproduce"


def shows_values(row: Row) -> bool:
    """Whether the row's expected and got tell a reader anything: both there and not the same text."""
    return row.expected != row.got


@dataclass(frozen=True)
class Cell:
    """What one backend did about one rule, over all cases and modes."""

    backend: str
    rule: str
    level: Level
    verdict: Verdict
    rows: tuple[Row, ...]
    emulated: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """Rows by verdict, in the order of the verdicts, without zeros."""
        seen = Counter(row.verdict for row in self.rows)
        return {str(v): seen[v] for v in Verdict if seen[v]}

    @property
    def expected(self) -> bool:
        """Whether every failure in the cell was expected (and there is one)."""
        failed = [row for row in self.rows if row.verdict is Verdict.FAIL]
        return bool(failed) and all(row.expectation is not None for row in failed)

    @property
    def word(self) -> str:
        """The verdict as the reports name it: IMPL rules are ``recorded``, not passed."""
        if self.level is Level.IMPL and self.verdict is Verdict.PASS:
            return "recorded"
        return (
            "fail (expected)"
            if self.expected and self.verdict is Verdict.FAIL
            else str(self.verdict)
        )

    @property
    def reason(self) -> str:
        """The message of the first row with the cell's verdict."""
        return next((r.message for r in self.rows if r.verdict is self.verdict), "")


@dataclass(frozen=True)
class Evidence:
    """
    Rows of one case that ended alike in several modes, told once.

    Alike is the same message: what was expected and got (a timestamp, say) is that of ``row``.
    """

    row: Row
    rows: tuple[Row, ...]

    @property
    def modes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(row.mode) for row in self.rows))


@dataclass(frozen=True)
class Finding:
    """A failed rule of one backend with its evidence."""

    backend: str
    rule: Rule
    evidence: tuple[Evidence, ...]
    emulated: bool

    @property
    def first(self) -> Row:
        """The row to show where there is room for one: one that is not known, with a reproducer if any."""
        rows = [e.row for e in self.evidence]
        rows = [r for r in rows if r.expectation is None] or rows
        return next((r for r in rows if r.script), rows[0])

    @property
    def expected(self) -> bool:
        return all(e.row.expectation is not None for e in self.evidence)

    @property
    def upstream(self) -> str | None:
        return next((e.row.upstream for e in self.evidence if e.row.upstream), None)


@lru_cache(maxsize=1)
def _by_id() -> dict[str, Rule]:
    return {rule.id: rule for rule in rules()}


def known_rule(row: Row) -> Rule:
    """The rule of a row; one that this version's contract lacks is made up from the row."""
    known = _by_id().get(row.rule)
    return known or Rule(row.rule, row.level, "(not in the contract of this version)", "")


def rules_of(rows: Iterable[Row]) -> tuple[Rule, ...]:
    """The rules that the rows speak of, in the order of the contract, unknown ones last."""
    seen = {row.rule: known_rule(row) for row in rows}
    order = {r.id: position for position, r in enumerate(rules())}
    return tuple(sorted(seen.values(), key=lambda r: (order.get(r.id, len(order)), r.id)))


def gather(backend: str, rows: Iterable[Row], emulated: bool) -> dict[str, Cell]:
    """One cell for each rule of which the backend has a row."""
    by_rule: dict[str, list[Row]] = {}
    for row in rows:
        by_rule.setdefault(row.rule, []).append(row)
    return {
        rule_id: Cell(
            backend,
            rule_id,
            known_rule(alike[0]).level,
            merge(row.verdict for row in alike),
            tuple(alike),
            emulated or any(row.emulated for row in alike),
        )
        for rule_id, alike in by_rule.items()
    }


def is_emulated(facts: dict[str, object]) -> bool:
    """Whether a backend's entry in the header says that its engine is a stand-in."""
    return facts.get("deployment") == "emulated"


def evidence_of(rows: Iterable[Row]) -> tuple[Evidence, ...]:
    """Rows with modes that ended alike folded into one."""
    folded: dict[tuple[str | None, ...], list[Row]] = {}
    for row in rows:
        key = (row.case, row.verdict, row.message, row.expectation)
        folded.setdefault(key, []).append(row)
    told = []
    for alike in folded.values():
        best = next((r for r in alike if r.script), alike[0])
        told.append(Evidence(best, tuple(alike)))
    return tuple(told)


def findings(cells: Iterable[Cell]) -> tuple[Finding, ...]:
    """The failed cells as findings, in the order of the contract, then of the backends."""
    failed = [cell for cell in cells if cell.verdict is Verdict.FAIL]
    order = {r.id: n for n, r in enumerate(rules_of(row for cell in failed for row in cell.rows))}
    failed.sort(key=lambda cell: order[known_rule(cell.rows[0]).id])
    return tuple(
        Finding(
            cell.backend,
            known_rule(cell.rows[0]),
            evidence_of(r for r in cell.rows if r.verdict is Verdict.FAIL),
            cell.emulated,
        )
        for cell in failed
    )
