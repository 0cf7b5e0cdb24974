"""
How persistence is derived: which restarts acknowledged writes came through, for each memory type.
"""

from __future__ import annotations

from dataclasses import replace

from store_conformance.contract import MemoryType, Restart, Verdict, merge
from store_conformance.contract.survival import POWER_LOSS
from store_conformance.reports.campaigns import (
    FEW,
    Faults,
    damage_in_short,
    damage_words,
    kill_losses,
    lossy_settings,
    notes_of,
    under,
)
from store_conformance.reports.derived import Derived, Grade, not_measured
from store_conformance.reports.survival import KIND_TITLES, Survival
from store_conformance.reports.text import plural
from store_conformance.reports.view import BackendView

HOW = (
    "“No (declared)” if the backend does not declare persistence. Otherwise each kind of restart (new "
    "store object, new process, client kill -9, engine restart, engine kill -9) is judged for each memory "
    "type from the restart rows of E1 to E4: “No” if a new object or process already lost something, "
    "“Partly” if only a harsher one did, “Yes, through …” the harshest that passed if none failed. The "
    "harshest that counts is the engine's kill -9, or the client's where the backend needs no service; "
    "where that one could not be verified the value carries a reservation. Without restart rows: not "
    "measured."
)

HOW_FAULTS = (
    "With campaigns of faults (“store-conformance crash”), those of the same deployment, engine and options "
    "count: “Partly” with how many of how many if a kill or a power loss took something acknowledged or left "
    "a place that could not be read; “Yes, through power loss” if power losses took nothing, with a "
    f"reservation below {FEW} strikes; else “power loss not tried” stands beside the value, as a reservation."
)


def harshest_kind(view: BackendView) -> Restart:
    """The restart that a backend must come through: its engine's kill, or without one the client's."""
    told = [e for e in view.survival if e.kind.of_engine]
    tried = any(e.verdict is not Verdict.UNSUPPORTED for e in told)
    own_process = view.fact("services") == 0 and not tried
    return Restart.CLIENT_KILLED if own_process else Restart.ENGINE_KILLED


def level_verdicts(view: BackendView) -> dict[Restart, Verdict]:
    """One verdict for each kind of restart that was looked at, over the memory types."""
    by_kind: dict[Restart, list[Verdict]] = {}
    for entry in view.survival:
        by_kind.setdefault(entry.kind, []).append(entry.verdict)
    return {kind: merge(by_kind[kind]) for kind in Restart if kind in by_kind}


def lost_by(view: BackendView) -> tuple[Restart, ...]:
    """The kinds of restart that lost an acknowledged write, or what belongs to one."""
    levels = level_verdicts(view)
    return tuple(kind for kind, verdict in levels.items() if verdict is Verdict.FAIL)


def _note(kind: Restart, entries: list[Survival]) -> str:
    """``kill -9: procedural pass, semantic pass (240 writes covered)``."""
    told = ", ".join(
        f"{'all types' if e.memory is None else e.memory} {e.verdict}" for e in entries
    )
    writes = sum(e.writes or 0 for e in entries)
    return f"{KIND_TITLES[kind]}: {told}" + (
        f" ({plural(writes, 'write')} covered)" if writes else ""
    )


def _notes(view: BackendView) -> tuple[str, ...]:
    notes = []
    for kind in Restart:
        entries = [e for e in view.survival if e.kind == kind]
        if any(e.verdict is not Verdict.UNSUPPORTED for e in entries):
            notes.append(_note(kind, entries))
    seen = {e.memory for e in view.survival}
    absent = [str(m) for m in MemoryType if m not in seen]
    if seen and absent:
        notes.append(f"not measured: {', '.join(absent)}")
    return tuple(notes)


def _undeclared(view: BackendView) -> Derived:
    observed = [
        f"observed, {KIND_TITLES[e.kind]}: {e.observed}" for e in view.survival if e.observed
    ]
    return Derived(
        "No (declared)",
        Grade.BAD,
        "The backend declares that it does not offer persistence.",
        tuple(dict.fromkeys(observed)),
        tuple(dict.fromkeys(r.rule for e in view.survival for r in e.rows)),
        ("header: capabilities",),
    ).brief("No", "as declared")


def _lossy(
    passed: list[Restart],
    failed: tuple[Restart, ...],
    notes: tuple[str, ...],
    rules: tuple[str, ...],
    figures: tuple[str, ...],
) -> Derived:
    """The value where some kind of restart lost something."""
    lost = ", ".join(KIND_TITLES[kind] for kind in failed)
    if not passed or set(failed) & {Restart.OBJECT, Restart.PROCESS}:
        because = f"Restart rows failed: {lost}."
        value = f"No: lost by {lost}"
        return Derived(value, Grade.BAD, because, notes, rules, figures).brief(
            "No", f"lost by {lost}"
        )
    kept = KIND_TITLES[passed[-1]]
    because = f"Restart rows passed up to {kept} and failed for {lost}."
    value = f"Partly: through {kept}, lost by {lost}"
    partly = Derived(value, Grade.PARTLY, because, notes, rules, figures)
    return partly.brief("Partly", f"lost by {lost}")


def persistence(view: BackendView) -> Derived:
    """What restarts, and faults where a campaign was given, leave of acknowledged writes."""
    restarted = _through_restarts(view)
    if view.faults is None or view.declares("persistence") is False:
        return restarted
    return _through_faults(restarted, view, view.faults)


def came_through(view: BackendView) -> str:
    """In words for a recommendation: what acknowledged writes came through, or how many did not."""
    lossy = view.faults is not None and damage_words(view.faults.own)
    detail = persistence(view).detail
    return (
        f"of acknowledged writes {detail}"
        if lossy
        else f"acknowledged writes came through {detail}"
    )


def _through_faults(restarted: Derived, view: BackendView, faults: Faults) -> Derived:
    """The value of the restarts with what campaigns of faults add to it."""
    marks = tuple(dict.fromkeys(f"crash.{one.fault}" for one in faults.own))
    base = replace(
        restarted,
        notes=(*restarted.notes, *notes_of(faults)),
        figures=(*restarted.figures, *marks),
    )
    kills = faults.struck(POWER_LOSS)
    untried = "" if kills else "; power loss not tried"
    harm = damage_words(faults.own)
    if harm:
        short = damage_in_short(faults.own)
        return _harmed(base, harm, short, untried, lossy=bool(lost_by(view)))
    if lost_by(view) or base.grade is Grade.UNKNOWN:
        return base
    if untried:
        value, detail = f"{base.value}{untried}", f"{base.detail}{untried}"
        return replace(base, value=value, detail=detail, grade=Grade.PARTLY)
    few = kills < FEW
    detail = plural(kills, "power loss", "power losses") + (", too few to tell" if few else "")
    lossy = lossy_settings(faults)
    if lossy:
        detail += f"; not {under(lossy[0])}" if len(lossy) == 1 else f"; {len(lossy)} settings lose"
    grade = Grade.PARTLY if few else base.grade
    value = f"Yes, through power loss{' (too few to tell)' if few else ''}"
    return replace(base, value=value, detail=detail, grade=grade)


def _harmed(base: Derived, harm: str, short: str, untried: str, *, lossy: bool) -> Derived:
    """The value where a fault took something, ``short`` in its cell; ``lossy``: a restart did so, too."""
    because = f"{base.because} A campaign of faults found: {harm}."
    detail = f"{short}; {base.detail}" if lossy else f"{short}{untried}"
    if base.grade is Grade.BAD:
        return replace(base, value=f"{base.value}; {harm}", because=because, detail=detail)
    value = f"{base.value}; {harm}" if lossy else f"Partly: {harm}{untried}"
    harmed = replace(base, value=value, because=because, grade=Grade.PARTLY)
    return harmed.brief("Partly", detail)


def took(view: BackendView) -> bool:
    """Whether a restart, or a kill of a campaign, lost something that had been acknowledged."""
    return bool(lost_by(view) or kill_losses(view.faults))


def _through_restarts(view: BackendView) -> Derived:
    """What a restart leaves of acknowledged writes."""
    if view.declares("persistence") is False:
        return _undeclared(view)
    levels = level_verdicts(view)
    rules = tuple(dict.fromkeys(r.rule for e in view.survival for r in e.rows))
    figures = tuple(dict.fromkeys(f"restart.{kind}" for kind in levels))
    passed = [kind for kind, verdict in levels.items() if verdict is Verdict.PASS]
    failed = lost_by(view)
    notes = _notes(view)
    if failed:
        return _lossy(passed, failed, notes, rules, figures)
    if not passed:
        why = (
            "No restart row of this backend passed or failed."
            if levels
            else "The run has no restart row of this backend."
        )
        return not_measured(why, *notes, figures=figures)
    kinds = list(Restart)
    needed = kinds[: kinds.index(harshest_kind(view)) + 1]
    open_kinds = [KIND_TITLES[kind] for kind in needed if kind not in passed]
    if open_kinds:
        notes = (*notes, f"not verified: {', '.join(open_kinds)}")
    return Derived(
        f"Yes, through {KIND_TITLES[passed[-1]]}",
        Grade.PARTLY if open_kinds else Grade.GOOD,
        "Restart rows passed for " + ", ".join(KIND_TITLES[k] for k in passed) + "; none failed.",
        notes,
        rules,
        figures,
    ).brief("Yes", KIND_TITLES[passed[-1]])
