"""
Which of the backends for whom, why, and what will bite: each follows from the run by a stated rule.

A kind of user has conditions that a backend must meet, figures by which those that meet them are ordered,
and the groups of promises that such a user needs first.  Nothing is typed in about any backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from store_conformance.contract import Level, Rule, Verdict
from store_conformance.reports.cells import known_rule
from store_conformance.reports.derived import EMULATED, Grade
from store_conformance.reports.durability import came_through, persistence, took
from store_conformance.reports.readiness import SAFETY, production_ready
from store_conformance.reports.sharing import pace, scalability, writers
from store_conformance.reports.text import milliseconds, number, plural
from store_conformance.reports.view import BackendView

MOST_BITES = 4
RECALL_FROM = 0.95
_LAST = float("inf")


@dataclass(frozen=True)
class Bite:
    """A broken promise that a user of that kind meets."""

    rule: Rule
    known: bool
    """Whether the failure was expected."""

    @property
    def text(self) -> str:
        """The promise that does not hold, in plain words."""
        return self.rule.title or self.rule.promise


@dataclass(frozen=True)
class Candidate:
    """A backend that meets the conditions, with the figures that speak for it and what speaks against."""

    backend: str
    why: str
    bites: tuple[Bite, ...]
    """The first of the broken promises, those that weigh most for this user first."""
    broken: int
    """How many promises are broken in all."""
    lacks: tuple[str, ...]
    """Capabilities that the backend declares not to offer."""
    own: bool
    """Whether the store's code is this project's, written with the checks at hand."""


@dataclass(frozen=True)
class UserKind:
    """Somebody who chooses a store: what the store must do for them, and what they compare."""

    id: str
    title: str
    how: str
    refuse: Callable[[BackendView], str]
    """Why the backend is no candidate; empty if it is one."""
    order: Callable[[BackendView], tuple[float, ...]]
    """Smaller is better."""
    why: Callable[[BackendView], str]
    first: tuple[str, ...]
    """Groups of promises in the order in which such a user meets them; the others follow."""
    reservation: Callable[[tuple[BackendView, ...]], str] = lambda views: ""
    """What the run cannot say to such a user."""
    how_faults: str = ""
    """What campaigns of faults add to the conditions, where the report was given some."""


@dataclass(frozen=True)
class Recommendation:
    """The answer to one kind of user."""

    kind: UserKind
    candidates: tuple[Candidate, ...]
    """The best first; empty where no backend meets the conditions."""
    refused: dict[str, str]
    """The other backends, with the condition that each does not meet."""
    reservation: str

    @property
    def chosen(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None


# -- figures of one backend ----------------------------------------------------------------------


def _steps(view: BackendView) -> tuple[float, ...]:
    """Services, steps of the set-up, seconds to the first put; what is not stated comes last."""
    services, steps = view.fact("services"), view.fact("setup_steps")
    first = view.fact("seconds_to_first_put")
    return (
        services if isinstance(services, int) else _LAST,
        len(steps) if isinstance(steps, (list, tuple)) and steps else _LAST,
        first if isinstance(first, (int, float)) else _LAST,
    )


def _broken(view: BackendView, level: Level | None = None) -> tuple[str, ...]:
    return tuple(
        rule_id
        for rule_id, cell in view.cells.items()
        if cell.verdict is Verdict.FAIL and level in (None, cell.level)
    )


def _p95(view: BackendView, operation: str) -> float | None:
    """The slower of sync and async."""
    told = [t.figures.p95 for t in view.latencies if t.operation == operation and t.figures.p95]
    return max(told) if told else None


def _recall(view: BackendView) -> float | None:
    """The lowest recall of the index against exact search."""
    told = [
        float(m.value)
        for m in view.measurements
        if m.name.startswith("recall.index") and isinstance(m.value, (int, float))
    ]
    return min(told) if told else None


def _set_up_words(view: BackendView) -> str:
    services, steps = view.fact("services"), view.fact("setup_steps")
    first = view.fact("seconds_to_first_put")
    told = "no service" if services == 0 else plural(int(services), "service")
    told += f", {plural(len(steps), 'step')} to set up"
    return told + (f", first put after {number(first)} s" if first is not None else "")


def _timed_words(view: BackendView, operation: str, what: str) -> str:
    p95 = _p95(view, operation)
    return f"95 of 100 {what} within {milliseconds(p95)} ms" if p95 is not None else ""


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _kept_through(view: BackendView) -> str:
    return came_through(view)


def is_ours(view: BackendView) -> bool:
    """Whether the store itself comes from this project (its adapters do, the official stores do not)."""
    return str(view.fact("store") or "").startswith(("store_conformance.", "backends."))


# -- conditions ----------------------------------------------------------------------------------


def _unstated(view: BackendView) -> str:
    if view.emulated:
        return EMULATED
    services, steps = view.fact("services"), view.fact("setup_steps")
    known = isinstance(services, int) and isinstance(steps, (list, tuple)) and steps
    return "" if known else "what it takes to set it up is not stated"


def _loses(view: BackendView) -> str:
    if view.emulated:
        return EMULATED
    kept = persistence(view)
    if kept.grade is Grade.UNKNOWN:
        return "persistence was not measured"
    if view.declares("persistence") is False:
        return "does not persist, as it declares"
    return kept.value if took(view) else ""


def _refuse_small(view: BackendView) -> str:
    return _loses(view) or _unstated(view)


def _refuse_production(view: BackendView) -> str:
    lost = _loses(view) or _unstated(view)
    if lost:
        return lost
    if not view.fact("services") and not view.fact("hosted"):
        return "has no server that programs on other machines can reach"
    shared = scalability(view)
    if shared.grade is not Grade.GOOD:
        return f"several processes: {shared.value}"
    return "" if production_ready(view).grade is not Grade.BAD else production_ready(view).value


def _refuse_large(view: BackendView) -> str:
    refused = _refuse_production(view)
    if refused:
        return refused
    recall = _recall(view)
    if recall is None:
        return "recall of its index was not measured"
    return "" if recall >= RECALL_FROM else f"recall of its index is {recall:.3f}"


def _least_broken(view: BackendView) -> tuple[float, ...]:
    return (
        len(view.of_groups(SAFETY, Verdict.FAIL, Level.MUST)),
        len(_broken(view, Level.MUST)),
        len(_broken(view)),
    )


def _broken_words(view: BackendView) -> str:
    broken = len(_broken(view, Level.MUST))
    if not broken:
        return "no MUST rule is broken"
    grave = len(view.of_groups(SAFETY, Verdict.FAIL, Level.MUST))
    return f"{plural(broken, 'broken MUST rule')}, {grave} about lost or mixed-up data"


def _unfound(view: BackendView) -> int:
    """Broken MUST rules about search by meaning, plain search and listing."""
    return len(view.of_groups(("V", "S", "L"), Verdict.FAIL, Level.MUST))


def _pace(view: BackendView) -> float:
    paces = writers(view)
    return paces[max(paces)] if paces else 0.0


def _not_large(views: tuple[BackendView, ...]) -> str:
    sizes = sorted({t.items for v in views for t in v.latencies if t.items})
    counts = sorted({n for v in views for n in writers(v)})
    seen = [f"{' and '.join(number(s) for s in sizes)} items"] if sizes else []
    seen += [f"{' and '.join(map(str, counts))} writing processes"] if counts else []
    told = f"; the largest that was measured is {' and '.join(seen)}" if seen else ""
    return f"Large scale was not measured{told}: this says where to begin measuring, and no more."


KINDS = (
    UserKind(
        "development",
        "Development",
        "Of the backends whose set-up is known: fewest services, then fewest steps, then the shortest time "
        "to the first put. Nothing need survive.",
        _unstated,
        lambda view: (*_steps(view), len(_broken(view))),
        _set_up_words,
        ("K", "S", "F", "V", "X", "N", "L", "O"),
    ),
    UserKind(
        "small",
        "Small applications",
        "Of those that lost no acknowledged write in any restart that was tried: fewest services, then "
        "fewest steps, then the fewest broken MUST rules.",
        _refuse_small,
        lambda view: (*_steps(view)[:2], len(_broken(view, Level.MUST)), len(_broken(view))),
        lambda view: _joined(
            _set_up_words(view), _kept_through(view), _timed_words(view, "put", "puts")
        ),
        ("E", "T", "K", "S", "F", "V", "X"),
        how_faults="Nor in a kill of a campaign of faults; what power losses took is told, and refuses nobody.",
    ),
    UserKind(
        "production",
        "Production",
        "Of those that lost no acknowledged write, that several processes shared without loss or error and "
        "that programs on other machines can reach: fewest broken MUST rules of the groups K, X, N, O, E, "
        "then of all groups, then fewest broken rules, then the fastest semantic search (p95).",
        _refuse_production,
        lambda view: (*_least_broken(view), _p95(view, "search_semantic") or _LAST),
        lambda view: _joined(
            _broken_words(view),
            _kept_through(view),
            f"processes share it ({pace(view) or 'pace not measured'})",
            _timed_words(view, "search_semantic", "semantic searches"),
        ),
        ("E", "O", "V", "K", "X", "N", "F", "S"),
        how_faults="Nor in a kill or a power loss of a campaign of faults; one that was not tried refuses nobody.",
    ),
    UserKind(
        "large",
        "Large scale",
        f"Of those fit for production with an index whose recall is at least {RECALL_FROM}: fewest "
        "broken MUST rules about finding things (groups V, S, L), then most writes a second by the most "
        "processes that were measured, then the fastest semantic search (p95).",
        _refuse_large,
        lambda view: (_unfound(view), -_pace(view), _p95(view, "search_semantic") or _LAST),
        lambda view: _joined(
            f"{plural(_unfound(view), 'broken MUST rule')} about finding things",
            pace(view),
            _timed_words(view, "search_semantic", "semantic searches"),
            f"recall of the index {_recall(view):.3f}",
        ),
        ("V", "S", "L", "O", "E", "F"),
        _not_large,
    ),
)
_CAPABILITIES = ("persistence", "processes", "ttl", "vectors", "threads", "async", "sync")


def _candidate(view: BackendView, kind: UserKind) -> Candidate:
    failed = [c for c in view.cells.values() if c.verdict is Verdict.FAIL]
    place = {group: n for n, group in enumerate(kind.first)}
    ordered = sorted(
        failed,
        key=lambda c: (
            c.level is not Level.MUST,
            place.get(known_rule(c.rows[0]).group, len(place)),
        ),
    )
    return Candidate(
        view.name,
        kind.why(view),
        tuple(Bite(known_rule(c.rows[0]), c.expected) for c in ordered[:MOST_BITES]),
        len(failed),
        tuple(c for c in _CAPABILITIES if view.declares(c) is False),
        is_ours(view),
    )


def _with_faults(kind: UserKind) -> UserKind:
    return replace(kind, how=f"{kind.how} {kind.how_faults}".strip())


def recommend(views: Iterable[BackendView]) -> tuple[Recommendation, ...]:
    """An answer for each kind of user."""
    every = tuple(views)
    struck = any(view.faults is not None for view in every)
    answers = []
    for kind in (_with_faults(kind) for kind in KINDS) if struck else KINDS:
        refused = {view.name: kind.refuse(view) for view in every}
        fit = sorted((v for v in every if not refused[v.name]), key=kind.order)
        answers.append(
            Recommendation(
                kind,
                tuple(_candidate(view, kind) for view in fit),
                {name: why for name, why in refused.items() if why},
                kind.reservation(every),
            )
        )
    return tuple(answers)
