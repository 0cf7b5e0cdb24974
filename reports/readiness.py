"""
How production readiness and the best use are derived: from persistence, sharing and broken promises.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from store_conformance.contract import Level, Verdict
from store_conformance.contract.survival import POWER_LOSS
from store_conformance.reports.campaigns import FEW, power_losses
from store_conformance.reports.derived import Derived, Grade, not_measured
from store_conformance.reports.durability import persistence, took
from store_conformance.reports.sharing import lost_writes, scalability
from store_conformance.reports.text import milliseconds
from store_conformance.reports.view import BackendView

SAFETY = ("K", "X", "N", "O", "E")
"""Groups whose broken MUST loses, mixes up or half-writes data, or breaks a memory type."""

FAULTS = ("P",)
"""The group whose broken MUST undoes what was acknowledged; older runs have none of it."""

HOW = (
    "“No” if the backend does not declare persistence, if a restart of any kind lost an acknowledged "
    "write, if a fault in the middle of a call undid one (P1), or if several writing processes lost one. “With reservations” if kill -9 (of the engine, or "
    "of the client where there is no engine) could not be verified, if several processes may not share "
    "the store or E6 did not pass, or if a MUST of the groups K, X, N, O, E failed or could not be "
    "verified. “Yes” if none of that holds. Not measured if persistence was not, or if one of those "
    "groups was not run. An expected failure counts like any other."
)
BEST_HOW = (
    "“Development and tests” if nothing persists by declaration; “nothing that must survive a restart” "
    "(or “a crash”) if one lost data; else “single-process applications” if processes may not share the "
    "store or E6 did not pass; else “production, run by a provider” for a hosted service and “production, "
    "several processes” for any other, or “several processes of one machine” where there is no server. A reservation about production is repeated, and the broken promises are named. Nothing here speaks of "
    "large scale: the suite does not measure it. Not measured if persistence or sharing was not."
)
HOW_FAULTS = (
    "With campaigns of faults: “No” also if a kill or a power loss took something acknowledged in the run's "
    "own setting; “With reservations” also if power losses were not tried, or fewer than "
    f"{FEW}, or a killed setup() left a place that could not be read."
)
BEST_HOW_FAULTS = (
    "With campaigns of faults: “nothing that must survive a crash” also if a kill took something "
    "acknowledged, “nothing that must survive a power loss” if only a power loss did."
)


@dataclass(frozen=True)
class Assessment:
    """The reasons that speak against a backend, by weight."""

    against: tuple[str, ...]
    reservations: tuple[str, ...]
    missing: tuple[str, ...]
    rules: tuple[str, ...]
    broken: tuple[str, ...]
    """Broken MUST rules of the groups in ``SAFETY``."""


def _against(view: BackendView, kept: Derived) -> list[str]:
    reasons = []
    if view.declares("persistence") is False:
        reasons.append("does not persist (declared)")
    elif took(view) or power_losses(view.faults):
        reasons.append(f"persistence: {kept.value}")
    if lost_writes(view):
        reasons.append("several processes lose writes")
    if view.of_groups(FAULTS, Verdict.FAIL, Level.MUST):
        reasons.append("a fault in the middle of a call undoes acknowledged writes")
    return reasons


def _reservations(view: BackendView, kept: Derived, shared: Derived) -> list[str]:
    reasons = []
    lost = took(view) or power_losses(view.faults)
    if kept.grade is Grade.PARTLY and not lost:
        reasons.append(f"persistence: {kept.value}")
    if shared.grade is Grade.UNKNOWN:
        reasons.append("several processes not measured")
    elif shared.grade is not Grade.GOOD:
        reasons.append(f"several processes: {shared.value}")
    failed = view.of_groups(SAFETY, Verdict.FAIL, Level.MUST)
    if failed:
        reasons.append(f"broken MUST: {', '.join(failed)}")
    unsure = [
        rule_id
        for verdict in (Verdict.UNVERIFIED, Verdict.ERROR)
        for rule_id in view.of_groups(SAFETY, verdict, Level.MUST)
    ]
    if unsure:
        reasons.append(f"not verified: {', '.join(unsure)}")
    return reasons


def assess(view: BackendView) -> Assessment:
    """Weigh everything that the run says against putting the backend into production."""
    kept, shared = persistence(view), scalability(view)
    against = _against(view, kept)
    ran = {rule_id.rstrip("0123456789") for rule_id in view.cells}
    missing = [f"group {group} was not run" for group in SAFETY if group not in ran]
    if kept.grade is Grade.UNKNOWN:
        missing.insert(0, "persistence was not measured")
    broken = view.of_groups(SAFETY, Verdict.FAIL, Level.MUST)
    rules = tuple(dict.fromkeys((*broken, *kept.rules, *shared.rules)))
    return Assessment(
        tuple(against), tuple(_reservations(view, kept, shared)), tuple(missing), rules, broken
    )


def _most(found: Assessment) -> str:
    """What weighs most against the backend, in a few words."""
    if found.against:
        return found.against[0].partition(":")[0].removesuffix(" (declared)")
    if found.broken:
        return f"{len(found.broken)} MUST broken"
    return found.reservations[0].partition(":")[0]


def _untried(view: BackendView) -> str:
    """What stands beside a use that no power loss was tried for, where the report has campaigns at all."""
    untried = view.faults is not None and not view.faults.struck(POWER_LOSS)
    return "; power loss not tried" if untried else ""


def production_ready(view: BackendView) -> Derived:
    """Whether anything in the run speaks against production."""
    ready = _ready(view)
    if view.faults is None or ready.detail != "persistence":
        return ready
    detail = persistence(view).detail
    return replace(ready, detail=_first(detail) if ready.grade is Grade.BAD else detail)


def _first(detail: str) -> str:
    """Of several things that were lost, the first, which weighs most."""
    return detail.partition("; ")[0]


def _ready(view: BackendView) -> Derived:
    found = assess(view)
    figures = ("header: capabilities",)
    if found.against:
        because = "Against it: " + "; ".join(found.against) + "."
        value = f"No: {found.against[0]}"
        notes = (*found.against[1:], *found.reservations)
        bad = Derived(value, Grade.BAD, because, notes, found.rules, figures)
        return bad.brief("No", _most(found))
    if found.missing:
        because = "Not enough was run: " + "; ".join(found.missing) + "."
        return not_measured(because, *found.reservations, figures=figures)
    if found.reservations:
        because = "Nothing rules it out; reservations: " + "; ".join(found.reservations) + "."
        partly = Derived(
            "With reservations", Grade.PARTLY, because, found.reservations, found.rules, figures
        )
        return partly.brief("With care", _most(found))
    through = "kill -9" if view.faults is None else "kill -9 and power losses"
    because = (
        f"Acknowledged writes came through {through}, several processes shared the store, and no MUST of "
        "the groups K, X, N, O and E failed."
    )
    yes = Derived("Yes", Grade.GOOD, because, (), found.rules, figures)
    return yes.brief("Yes", f"{len(view.of_groups(SAFETY, Verdict.PASS, Level.MUST))} MUST kept")


def _search(view: BackendView) -> str:
    """What tells backends without a broken promise apart: the slower p95 of a semantic search."""
    told = [
        t.figures.p95
        for t in view.latencies
        if t.operation == "search_semantic" and t.figures.p95 is not None
    ]
    return f"search {milliseconds(max(told))} ms" if told else "nothing broken"


def _for_nothing_lasting(
    kept: Derived, rules: tuple[str, ...], figures: tuple[str, ...], *, killed: bool
) -> Derived:
    """The use of what loses acknowledged writes; ``killed``: to a restart or a kill, not to a power loss alone."""
    what = "restart" if kept.grade is Grade.BAD else "crash"
    value = f"Nothing that must survive a {what if killed else 'power loss'}"
    bad = Derived(value, Grade.BAD, f"Persistence: {kept.value}.", (), rules, figures)
    return bad.brief("Throw-away" if killed else "Replaceable", _first(kept.detail))


def best_for(view: BackendView) -> Derived:
    """The use that the run supports, no larger than what it showed."""
    kept, shared, ready = persistence(view), scalability(view), production_ready(view)
    rules = tuple(dict.fromkeys((*kept.rules, *shared.rules)))
    figures = ("header: capabilities", "header: hosted")
    if view.declares("persistence") is False:
        because = "Nothing persists, as the backend declares."
        use = Derived("Development and tests", Grade.PLAIN, because, (), rules, figures)
        return use.brief("Development", "nothing persists")
    if took(view) or power_losses(view.faults):
        return _for_nothing_lasting(kept, rules, figures, killed=took(view))
    if kept.grade is Grade.UNKNOWN:
        return not_measured("Persistence was not measured.", figures=figures)
    if shared.grade is Grade.UNKNOWN:
        return not_measured("Sharing by several processes was not measured.", figures=figures)
    broken = tuple(r for r, cell in view.cells.items() if cell.verdict is Verdict.FAIL)
    notes: tuple[str, ...] = (
        (f"production ready: {ready.value}",) if ready.grade is not Grade.GOOD else ()
    )
    notes += (f"broken promises: {', '.join(broken) or 'none'}",)
    detail = (f"{len(broken)} broken" if broken else _search(view)) + _untried(view)
    if shared.grade is not Grade.GOOD:
        because = f"It persists ({kept.value}); several processes: {shared.value}."
        value = "Single-process applications"
        use = Derived(value, Grade.PLAIN, because, notes, rules, figures)
        return use.brief("Small apps", detail)
    because = f"It persists ({kept.value}) and several processes shared it (E6)."
    if view.fact("services") == 0 and not view.fact("hosted"):
        because += " It has no server that programs on other machines can reach."
        use = Derived(
            "Several processes of one machine", Grade.PLAIN, because, notes, rules, figures
        )
        return use.brief("Small apps", detail)
    how = "run by a provider" if view.fact("hosted") else "several processes"
    value = f"Production, {how}"
    return Derived(value, Grade.PLAIN, because, notes, rules, figures).brief("Production", detail)
