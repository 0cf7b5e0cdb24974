"""
The comparison table: the guide's rows, each value derived from the run by a stated rule.

No figure here is typed in: a value names the rules, measurements and header facts that it follows
from, and where the run lacks them it is ``not measured``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from store_conformance.contract import Level, Verdict
from store_conformance.reports import backups, durability, readiness, sharing
from store_conformance.reports.derived import ComparisonRow, Derived, Feature, Grade, not_measured
from store_conformance.reports.text import NOT_MEASURED, milliseconds, number, plural
from store_conformance.reports.view import BackendView

VECTORS_HOW = (
    "“No (declared)” if the backend does not declare vectors. Otherwise from the rules of group V: "
    "“Yes” if at least one passed and none failed, “Yes, but N rules broken” if some failed, “No” if none "
    "passed and some failed. Recall is measured against exact cosine over the same vectors."
)
SETUP_HOW = (
    "From the backend's own facts: “Simple” is no service and at most two steps, “Medium” at most one "
    "service and at most five steps or a hosted service, “Involved” anything more. A store brought by a "
    "user states no set-up."
)
COST_HOW = (
    "“Hosted service” if the backend says so, “Self-hosted” if it needs a service, else “In the "
    "application's process”, with the licence as the backend states it and the bytes that one memory "
    "takes on disk as measured. An emulator says nothing about what its service costs."
)


def vector_search(view: BackendView) -> Derived:
    """Whether semantic search works, and which of its rules are broken."""
    if view.declares("vectors") is False:
        because = "The backend declares that it does not offer vectors."
        declared = Derived("No (declared)", Grade.BAD, because, figures=("header: capabilities",))
        return declared.brief("No", "as declared")
    passed = view.of_groups("V", Verdict.PASS)
    failed = view.of_groups("V", Verdict.FAIL)
    notes, figures = _vector_notes(view)
    if not passed and not failed:
        return not_measured("No rule of group V passed or failed.", *notes, figures=figures)
    tally = f"{len(passed)} of {plural(len(passed) + len(failed), 'rule')} of group V passed"
    if not failed:
        because = f"{tally}; none failed."
        good = Derived("Yes", Grade.GOOD, because, notes, passed, figures)
        return good.brief("Yes", f"{len(passed)} of {len(passed)} kept")
    because = f"{tally}; failed: {', '.join(failed)}."
    used = (*failed, *passed)
    broken = f"{len(failed)} of {len(used)} broken"
    if not passed:
        value = f"No: {', '.join(failed)} failed"
        return Derived(value, Grade.BAD, because, notes, used, figures).brief("No", broken)
    grave = view.of_groups("V", Verdict.FAIL, Level.MUST)
    value = f"Yes, but {plural(len(failed), 'rule')} broken: {', '.join(failed)}"
    notes = (*notes, f"MUST among them: {', '.join(grave) or 'none'}")
    return Derived(value, Grade.PARTLY, because, notes, used, figures).brief("Partly", broken)


def _vector_notes(view: BackendView) -> tuple[tuple[str, ...], tuple[str, ...]]:
    notes, figures = [], []
    lowest: dict[tuple[str, str], dict[str, float]] = {}
    for figure in view.measurements:
        if figure.name.startswith("recall.") and isinstance(figure.value, (int, float)):
            facts = figure.facts
            source = lowest.setdefault(
                (str(facts.get("corpus", "?")), str(facts.get("embedder", "?"))), {}
            )
            source[figure.name] = min(source.get(figure.name, 1.0), float(figure.value))
            figures.append(figure.name)
    for (corpus, embedder), values in lowest.items():
        told = ", ".join(f"{name.removeprefix('recall.')} {v:.3f}" for name, v in values.items())
        notes.append(f"recall {told} ({corpus}, {embedder})")
    timed = [t for t in view.latencies if t.operation == "search_semantic" and t.median is not None]
    if timed:
        medians = ", ".join(f"{milliseconds(t.median)} ms {t.mode}".strip() for t in timed)
        sizes = " and ".join(f"{n:,}" for n in sorted({t.items for t in timed if t.items}))
        notes.append(f"p50 {medians}" + (f" at {sizes} items" if sizes else ""))
        figures.append("latency.search_semantic")
    unsure = view.of_groups("V", Verdict.UNVERIFIED)
    if unsure:
        notes.append(f"not verified: {', '.join(unsure)}")
    return tuple(notes), tuple(dict.fromkeys(figures))


def _told(value: Any, noun: str) -> str:
    return plural(value, noun) if isinstance(value, int) else f"{noun}s {NOT_MEASURED}"


def set_up(view: BackendView) -> Derived:
    """What it takes to get the backend running."""
    services, steps = view.fact("services"), view.fact("setup_steps")
    size, first = view.fact("install_megabytes"), view.fact("seconds_to_first_put")
    count = len(steps) if isinstance(steps, (list, tuple)) else None
    first_put = (
        f"first put after {number(first)} s" if first is not None else f"first put {NOT_MEASURED}"
    )
    if view.emulated:
        first_put = f"first put {NOT_MEASURED} (emulated)"
    installed = f"{number(size)} MB installed" if size is not None else f"size {NOT_MEASURED}"
    if view.fact("engine_megabytes") is not None:
        installed += f", {number(view.fact('engine_megabytes'))} MB of the engine"
    if view.fact("seconds_to_start"):
        first_put += f", {number(view.fact('seconds_to_start'))} s until the engine is up"
    work = f"{_told(services, 'service')}, {_told(count, 'step')}"
    notes = (work, f"{installed}, {first_put}")
    facts = (
        *("services", "setup_steps", "install_megabytes", "engine_megabytes"),
        *("seconds_to_first_put", "seconds_to_start", "hosted"),
    )
    figures = tuple(f"header: {name}" for name in facts)
    unstated = view.deployment == "factory" and not steps
    if unstated or not isinstance(services, int) or count is None:
        why = "The backend states no services and steps of its set-up."
        kept = (installed, first_put)
        return not_measured(why, *kept, figures=figures)
    hosted = bool(view.fact("hosted"))
    because = f"{plural(services, 'service')}, {plural(count, 'step')}" + (
        ", hosted by a provider." if hosted else "."
    )
    if services == 0 and count <= 2 and not hosted:
        value, grade = "Simple", Grade.GOOD
    elif hosted or (services <= 1 and count <= 5):
        value, grade = "Medium", Grade.PLAIN
    else:
        value, grade = "Involved", Grade.PARTLY
    needs = "hosted" if hosted else plural(services, "server") if services else "no server"
    detail = f"{plural(count, 'step')}, {needs}"
    return Derived(value, grade, because, notes, (), figures).brief(value, detail)


def cost(view: BackendView) -> Derived:
    """Licence, who runs it, and what one memory takes on disk."""
    figures = ["header: licence", "header: hosted", "header: services"]
    sizes = [
        m.value
        for m in view.figures("disk.bytes_per_item")
        if isinstance(m.value, (int, float)) and not isinstance(m.value, bool)
    ]
    if view.emulated:
        disk = f"bytes per memory {NOT_MEASURED} (emulated)"
    elif sizes:
        disk = f"{number(max(sizes))} bytes per memory on disk"
        figures.append("disk.bytes_per_item")
    else:
        disk = f"bytes per memory {NOT_MEASURED}"
    licence = view.fact("licence")
    known = isinstance(licence, str) and licence not in ("", "unknown")
    notes = (f"licence {licence if known else 'not stated'}", disk)
    if view.fact("hosted") is None and not known:
        return not_measured(
            "The backend states neither licence nor host.", disk, figures=tuple(figures)
        )
    if view.emulated:
        why = "An emulator says nothing about what the service costs."
        return not_measured(why, *notes, figures=tuple(figures)).brief("Unknown", "emulated")
    if view.fact("hosted"):
        value, because = "Hosted service", "The backend says that its provider runs and bills it."
        word = "Hosted"
    elif view.deployment == "factory" and not known:
        return not_measured("A user-supplied store states no cost.", disk, figures=tuple(figures))
    elif view.fact("services"):
        value = word = "Self-hosted"
        because = f"It needs {plural(int(view.fact('services')), 'service')} that you run."
    else:
        value, because = "In the application's process", "It needs no service."
        word = "In-process"
    size = f"{number(max(sizes))} B each" if sizes else "size unknown"
    return Derived(value, Grade.PLAIN, because, notes, (), tuple(figures)).brief(word, size)


KEPT_HOW = (
    "Rules of the levels MUST and SHOULD of which every check passed, of those that the backend offers and "
    "that were run. Known (expected) failures count as broken. IMPL rules are recorded and not counted."
)


def kept(view: BackendView) -> Derived:
    """How many promises the backend keeps."""
    promises = view.promises
    by_verdict = {v: tuple(c.rule for c in promises if c.verdict is v) for v in Verdict}
    broken = by_verdict[Verdict.FAIL]
    unsure = (*by_verdict[Verdict.UNVERIFIED], *by_verdict[Verdict.ERROR])
    offered = len(promises) - len(by_verdict[Verdict.UNSUPPORTED])
    passed = by_verdict[Verdict.PASS]
    if not offered:
        return not_measured("No rule was checked.")
    value = f"{len(passed)} of {offered}"
    told = {
        "broken": len(broken),
        "not verified": len(unsure),
        "not offered": len(promises) - offered,
    }
    parts = [f"{count} {what}" for what, count in told.items() if count]
    because = f"{', '.join(parts) or 'None broken'}."
    grade = Grade.PARTLY if broken or unsure else Grade.GOOD
    if broken and not passed:
        grade = Grade.BAD
    names = [f"broken: {', '.join(broken)}"] if broken else []
    names += [f"not verified: {', '.join(unsure)}"] if unsure else []
    used = (*broken, *unsure, *passed)
    return Derived(value, grade, because, tuple(names), used).brief(
        value, parts[0] if parts else ""
    )


HEADLINE = Feature("kept", "Promises kept", KEPT_HOW, kept, behaviour=False)
"""What stands above the table: also of an emulator, whose column is marked as such."""
FEATURES = (
    Feature(
        "persistence",
        "Persistence",
        durability.HOW,
        durability.persistence,
        how_faults=durability.HOW_FAULTS,
    ),
    Feature("backup", "Backup", backups.HOW, backups.backup),
    Feature("vectors", "Vector search", VECTORS_HOW, vector_search),
    Feature("setup", "Set-up complexity", SETUP_HOW, set_up, behaviour=False),
    Feature("scalability", "Scalability", sharing.HOW, sharing.scalability),
    Feature("cost", "Cost", COST_HOW, cost, behaviour=False),
    Feature(
        "production",
        "Production ready",
        readiness.HOW,
        readiness.production_ready,
        how_faults=readiness.HOW_FAULTS,
    ),
    Feature(
        "best_for",
        "Best for",
        readiness.BEST_HOW,
        readiness.best_for,
        how_faults=readiness.BEST_HOW_FAULTS,
    ),
)


def compare(views: Iterable[BackendView]) -> tuple[ComparisonRow, ...]:
    """The table: a row a feature, a value a backend."""
    every = tuple(views)
    struck = any(view.faults is not None for view in every)
    return tuple(
        ComparisonRow(
            replace(feature, how=f"{feature.how} {feature.how_faults}".strip())
            if struck
            else feature,
            {view.name: feature.value(view) for view in every},
        )
        for feature in FEATURES
    )
