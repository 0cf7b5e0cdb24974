"""
Runs that were asked for a part of the contract, and what they left out.
"""

from __future__ import annotations

from store_conformance.contract import UserError
from store_conformance.contract.records import Run
from store_conformance.runs.profiles import DEFAULT, QUICK, profile
from store_conformance.runs.selection import Selection


def selection_of(run: Run) -> Selection:
    """What the run was asked to check, by its header; rules that are not known any more are left out."""
    chosen = run.header.get("selection") or {}
    try:
        return Selection.named(
            chosen.get("rules", ()),
            chosen.get("groups", ()),
            chosen.get("scenarios", ()),
            chosen.get("skip", ()),
            run.header.get("profile") or DEFAULT,
        )
    except UserError as error:
        raise UserError(
            f"the run's header asks for what this version does not know: {error.problem}",
            "judge it with the version that wrote it",
        ) from None


def is_partial(run: Run) -> bool:
    """Whether the run was asked for less than the whole contract."""
    chosen = selection_of(run)
    return not chosen.everything or bool(chosen.skip) or chosen.profile == QUICK


def partial_lines(run: Run) -> list[str]:
    """Why the run is only a part of the contract, in sentences; empty for the whole."""
    chosen = selection_of(run)
    who = ", ".join(run.backends)
    told = []
    if chosen.profile == QUICK:
        told.append(f"{who}: a partial run, of the quick profile: {profile(QUICK).tells}")
    if chosen.skip:
        told.append(f"{who}: a partial run, which skipped {', '.join(chosen.skip)}")
    if not chosen.everything:
        asked = [*chosen.rules, *chosen.groups, *(str(s) for s in chosen.scenarios)]
        told.append(f"{who}: a partial run, of {', '.join(asked)} alone")
    return told


def left_out(run: Run) -> tuple[set[str], set[str]]:
    """The rules that were skipped, and those of which the run's profile or selection left cases out."""
    from store_conformance.suite.register import all_cases

    chosen = selection_of(run)
    if not is_partial(run):
        return set(), set()
    return set(chosen.skip), {s.rule_id for s in all_cases() if not chosen.takes(s)}
