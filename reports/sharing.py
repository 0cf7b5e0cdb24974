"""
How scalability is derived: what happens when several processes write to one store.
"""

from __future__ import annotations

from collections.abc import Iterable

from store_conformance.contract import Verdict
from store_conformance.contract.observations import WriterFacts
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


def _seen(view: BackendView) -> tuple[WriterFacts, ...]:
    return tuple(WriterFacts.read(figure.facts) for figure in view.figures(FIGURE))


def _total(counts: Iterable[int | None]) -> int | None:
    """The sum of what was counted; ``None`` where nobody counted."""
    told = [count for count in counts if count is not None]
    return sum(told) if told else None


def lost_writes(view: BackendView) -> int | None:
    """Writes that several writing processes lost; ``None`` where nobody counted."""
    return _total(facts.lost for facts in _seen(view))


def _raised(facts: WriterFacts) -> int | None:
    return None if facts.errors is None else len(facts.errors)


def _note(facts: WriterFacts) -> str:
    """``3 writers, 75 writes, 0 lost, 0 errors, 680 writes a second``."""
    told = {"writes": facts.writes, "lost": facts.lost, "errors": _raised(facts)}
    parts = ["several writers" if facts.writers is None else plural(facts.writers, "writer")]
    parts += [f"{count:,} {what}" for what, count in told.items() if count is not None]
    if facts.per_second is not None:
        parts.append(f"{number(facts.per_second)} writes a second")
    return ", ".join(parts)


def writers(view: BackendView) -> dict[int, float]:
    """Writes a second by the number of writing processes, the slowest of several measurements."""
    paces: dict[int, float] = {}
    for facts in _seen(view):
        if facts.writers is not None and facts.per_second is not None:
            known = paces.get(facts.writers, facts.per_second)
            paces[facts.writers] = min(known, facts.per_second)
    return dict(sorted(paces.items()))


def pace(view: BackendView) -> str:
    """``2,620 writes/s of 3``: the pace of the most processes that were measured."""
    paces = writers(view)
    return f"{number(paces[max(paces)])} writes/s by {max(paces)}" if paces else ""


def _notes(view: BackendView) -> tuple[str, ...]:
    notes = []
    for figure in view.figures(FIGURE):
        mode = f" ({figure.mode})" if figure.mode else ""
        notes.append(_note(WriterFacts.read(figure.facts)) + mode)
    threads = view.cells.get("O12")
    if threads is not None and threads.verdict in (Verdict.PASS, Verdict.FAIL):
        notes.append(f"threads of one process (O12): {threads.word}")
    return tuple(dict.fromkeys(notes))


def _rules(view: BackendView) -> tuple[str, ...]:
    return tuple(r for r in ("E6", "O12") if r in view.cells)


def _with_errors(view: BackendView, errors: int, because: str) -> Derived:
    """Calls raised, and nothing was lost."""
    value, figures = "Several processes, with errors", (FIGURE,)
    partly = Derived(value, Grade.PARTLY, because, _notes(view), _rules(view), figures)
    return partly.brief("Errors", f"{plural(errors, 'call')} raised")


def _shared(view: BackendView, figures: tuple[str, ...]) -> Derived:
    because = "E6 passed: several processes shared one store without a lost write or an error."
    good = Derived("Several processes", Grade.GOOD, because, _notes(view), _rules(view), figures)
    paces = writers(view)
    return good.brief("Shared", f"{number(paces[max(paces)])} writes/s" if paces else "")


def scalability(view: BackendView) -> Derived:
    """What several writing processes do to one store."""
    notes, rules = _notes(view), _rules(view)
    if view.declares("processes") is False:
        because = "The backend declares that several processes cannot share one store."
        value, used = "Single process (declared)", ("header: capabilities",)
        declared = Derived(value, Grade.BAD, because, notes, rules, used)
        return declared.brief("One process", "as declared")
    cell = view.cells.get("E6")
    verdict = cell.verdict if cell else Verdict.UNVERIFIED
    lost, errors = lost_writes(view), _total(_raised(facts) for facts in _seen(view))
    figures = (FIGURE,) if view.figures(FIGURE) else ()
    if lost:
        writes = plural(lost, "acknowledged write")
        because = f"{writes} of several processes could not be read back."
        lossy = Derived("No: loses writes", Grade.BAD, because, notes, rules, figures)
        return lossy.brief("No", f"{plural(lost, 'write')} lost")
    if verdict is Verdict.FAIL and errors and lost == 0:
        raised = f"{plural(errors, 'call')} raised"
        return _with_errors(view, errors, f"E6 failed: {raised}, no acknowledged write was lost.")
    if verdict is Verdict.FAIL and cell is not None:
        because = f"E6 failed: {cell.reason}"
        failed = Derived("No: E6 failed", Grade.BAD, because, notes, rules, figures)
        return failed.brief("No", "E6 failed")
    if verdict is Verdict.PASS and errors:
        raised = f"{plural(errors, 'call')} of the timed writers raised"
        return _with_errors(view, errors, f"E6 passed, but {raised}.")
    if verdict is Verdict.PASS:
        return _shared(view, figures)
    missing = "The run has no row of E6 for this backend."
    why = f"E6 is {verdict}: {cell.reason}" if cell else missing
    return not_measured(why, *notes, figures=figures)
