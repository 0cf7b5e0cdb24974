"""
How scalability is derived: what happens when several processes write to one store.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Verdict
from store_conformance.contract.records import Measurement
from store_conformance.reports.derived import Derived, Grade, not_measured
from store_conformance.reports.text import number, plural
from store_conformance.reports.view import BackendView

HOW = (
    "“Single process (declared)” if the backend does not declare that processes may share it. Otherwise "
    "from rule E6 and the processes.writers measurement: “Several processes” if E6 passed and no write "
    "was lost and no call raised, “Several processes, with errors” if calls raised but nothing was lost, "
    "“No: loses writes” if a write was lost. Without either: not measured."
)
FIGURE = "processes.writers"


def counted(figures: tuple[Measurement, ...], fact: str) -> int | None:
    """The sum of a fact over the measurements, or ``None`` if none of them counts it."""
    values = [f.facts.get(fact) for f in figures]
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    lengths = [len(v) for v in values if isinstance(v, (list, tuple))]
    return int(sum(numbers)) + sum(lengths) if numbers or lengths else None


def lost_writes(view: BackendView) -> int | None:
    """Writes that several writing processes lost; ``None`` where nobody counted."""
    return counted(view.figures(FIGURE), "lost")


def _writers(facts: dict[str, Any]) -> str:
    writers = facts.get("writers")
    return plural(writers, "writer") if isinstance(writers, int) else "several writers"


def _rate(facts: dict[str, Any]) -> str:
    rates = facts.get("per_second")
    listed = rates if isinstance(rates, (list, tuple)) else [rates]
    told = [number(r) for r in listed if isinstance(r, (int, float)) and not isinstance(r, bool)]
    return f", {' / '.join(told)} writes a second" if told else ""


def _notes(view: BackendView) -> tuple[str, ...]:
    notes = []
    for figure in view.figures(FIGURE):
        facts = figure.facts
        parts = [_writers(facts)]
        for fact in ("writes", "lost", "errors"):
            count = counted((figure,), fact)
            if count is not None:
                parts.append(f"{count:,} {fact}")
        mode = f" ({figure.mode})" if figure.mode else ""
        notes.append(", ".join(parts) + _rate(facts) + mode)
    threads = view.cells.get("O12")
    if threads is not None and threads.verdict in (Verdict.PASS, Verdict.FAIL):
        notes.append(f"threads of one process (O12): {threads.word}")
    return tuple(dict.fromkeys(notes))


def scalability(view: BackendView) -> Derived:
    """What several writing processes do to one store."""
    if view.declares("processes") is False:
        return Derived(
            "Single process (declared)",
            Grade.BAD,
            "The backend declares that several processes cannot share one store.",
            _notes(view),
            tuple(r for r in ("E6", "O12") if r in view.cells),
            ("header: capabilities",),
        )
    cell = view.cells.get("E6")
    verdict = cell.verdict if cell else Verdict.UNVERIFIED
    lost, errors = lost_writes(view), counted(view.figures(FIGURE), "errors")
    rules = tuple(r for r in ("E6", "O12") if r in view.cells)
    figures = (FIGURE,) if view.figures(FIGURE) else ()
    notes = _notes(view)
    if lost:
        because = (
            f"{plural(lost, 'acknowledged write')} of several processes could not be read back."
        )
        return Derived("No: loses writes", Grade.BAD, because, notes, rules, figures)
    if verdict is Verdict.FAIL and errors and lost == 0:
        because = f"E6 failed: {plural(errors, 'call')} raised, no acknowledged write was lost."
        value = "Several processes, with errors"
        return Derived(value, Grade.PARTLY, because, notes, rules, figures)
    if verdict is Verdict.FAIL and cell is not None:
        return Derived(
            "No: E6 failed", Grade.BAD, f"E6 failed: {cell.reason}", notes, rules, figures
        )
    if verdict is Verdict.PASS and errors:
        because = f"E6 passed, but {plural(errors, 'call')} of the timed writers raised."
        value = "Several processes, with errors"
        return Derived(value, Grade.PARTLY, because, notes, rules, figures)
    if verdict is Verdict.PASS:
        because = "E6 passed: several processes shared one store without a lost write or an error."
        return Derived("Several processes", Grade.GOOD, because, notes, rules, figures)
    why = (
        f"E6 is {verdict}: {cell.reason}" if cell else "The run has no row of E6 for this backend."
    )
    return not_measured(why, *notes, figures=figures)
