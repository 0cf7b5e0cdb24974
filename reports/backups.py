"""
How the row about backups is derived: which ways brought everything back, and what a copy of files in use held.
"""

from __future__ import annotations

from store_conformance.contract import Verdict
from store_conformance.contract.observations import BackupFacts
from store_conformance.reports.derived import Derived, Grade
from store_conformance.reports.text import plural
from store_conformance.reports.view import BackendView

RULE = "E10"
FAMILY = "backup."
IN_USE = f"{FAMILY}in_use"
HOW = (
    "“No (declared)” if the backend does not declare persistence. Otherwise from the rule E10, which backs up "
    "by the engine's own means, restores into an empty engine and looks for everything: “Yes, by …” the ways "
    "that brought it back if none failed, “Partly” if some did, “No” if none brought it back. A copy of files in use is "
    "reported and decides nothing. “Not tried” if E10 was not run, or there was no way to try it."
)


def backup(view: BackendView) -> Derived:
    """Whether a backup by the engine's own means brings everything back."""
    if view.declares("persistence") is False:
        because = "The backend declares that it does not offer persistence."
        declared = Derived("No (declared)", Grade.BAD, because, figures=("header: capabilities",))
        return declared.brief("No", "as declared")
    cell = view.cells.get(RULE)
    figures = [m for m in view.measurements if m.name.startswith(FAMILY)]
    ways = list(dict.fromkeys(m.name for m in figures if m.name != IN_USE))
    if cell is None:
        return _not_tried(f"{RULE} was not run.", "")
    if cell.verdict is Verdict.FAIL:
        return _failed(view, ways)
    if cell.verdict is not Verdict.PASS or not ways:
        rows = [row for row in cell.rows if row.verdict is not Verdict.PASS]
        return _not_tried(rows[0].message if rows else f"{RULE} told nothing.", "see E10")
    covered = sum(BackupFacts.read(m.facts).writes_covered or 0 for m in figures if m.name in ways)
    named = " and ".join(way.removeprefix(FAMILY) for way in ways)
    because = f"{RULE} passed: {plural(covered, 'write')} looked for after a restore, none lost."
    good = Derived(f"Yes, by {named}", Grade.GOOD, because, _notes(view), (RULE,), _names(view))
    return good.brief("Yes", f"by {named}")


def _failed(view: BackendView, ways: list[str]) -> Derived:
    because = f"{RULE} failed; its cell shows which way and what was missing."
    value, grade = ("Partly", Grade.PARTLY) if ways else ("No", Grade.BAD)
    named = " and ".join(way.removeprefix(FAMILY) for way in ways)
    detail = f"restored by {named}" if ways else "nothing came back whole"
    made = Derived(f"{value}: {detail}", grade, because, _notes(view), (RULE,), _names(view))
    return made.brief(value, detail)


def _not_tried(because: str, detail: str) -> Derived:
    return Derived("not tried", Grade.UNKNOWN, because).brief("Not tried", detail)


def _names(view: BackendView) -> tuple[str, ...]:
    names = (m.name for m in view.measurements if m.name.startswith(FAMILY))
    return tuple(dict.fromkeys(names))


def _notes(view: BackendView) -> tuple[str, ...]:
    notes = []
    for figure in view.measurements:
        facts = BackupFacts.read(figure.facts)
        if figure.name == IN_USE:
            told = f"a copy of files in use ({figure.mode}): {figure.value}"
            notes.append(f"{told} ({facts.said})" if facts.said else told)
        elif figure.name.startswith(FAMILY) and facts.command:
            notes.append(f"{figure.name.removeprefix(FAMILY)}: {facts.command}")
    return tuple(dict.fromkeys(notes))
