"""
What the tables of a run cannot say, in sentences that follow from the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from store_conformance.contract import Verdict
from store_conformance.reports.statistics import P99_FROM
from store_conformance.reports.text import number, plural
from store_conformance.reports.view import BackendView, RunView, rules_not_run


def _selection(header: dict[str, Any]) -> Iterator[str]:
    selection = header.get("selection") or {}
    skipped = selection.get("skip") or ()
    if skipped:
        yield (
            f"Not run, as asked: {plural(len(skipped), 'rule')} ({', '.join(map(str, skipped))}), "
            "unverified here, which is not passed."
        )
    chosen = [
        f"{kind} {', '.join(map(str, names))}"
        for kind, names in selection.items()
        if names and kind != "skip"
    ]
    if chosen:
        yield (
            f"Only a part was checked ({'; '.join(chosen)}): a rule that is not listed was not run, "
            "which is neither good nor bad."
        )


def _resumed(header: dict[str, Any]) -> Iterator[str]:
    """That a run was made in parts: seconds and what was left are of all of them, or of the last alone."""
    for one in header.get("merged") or (header,):
        parts = one.get("resumed") or ()
        if parts:
            yield (
                f"A run was cut off or interrupted and resumed, {_times(len(parts))}, "
                f"the last time with {number(parts[-1]['rows'])} of its cases done: "
                "they were not run again, and how long it took is known only about."
            )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _machines(header: dict[str, Any]) -> Iterator[str]:
    merged = header.get("merged")
    if not merged:
        return
    machines = {repr(sorted((m.get("machine") or {}).items())) for m in merged}
    settings = {repr(sorted((m.get("settings") or {}).items())) for m in merged}
    corpora = {repr((m.get("corpus") or {}).get("digest")) for m in merged}
    told = f"The report merges {plural(len(merged), 'run')}"
    if len(machines) > 1:
        yield f"{told} from different machines: latencies and seconds do not compare across backends."
    else:
        yield f"{told} taken one after the other on one kind of machine."
    if len(settings) > 1:
        yield "The merged runs used different settings (see the run's facts)."
    if len(corpora) > 1:
        yield "The merged runs used different corpora: recall does not compare across backends."


def _earlier(run: RunView) -> Iterator[str]:
    """That a merged run is of a state of the suite with fewer rules."""
    for name, rules in rules_not_run(run.backends).items() if run.header.get("merged") else ():
        yield (
            f"{name} was run when the suite had fewer rules, or with others: {', '.join(rules)} were not run on it, "
            "so that its numbers of promises do not compare with those of the others."
        )


def _verdicts(views: tuple[BackendView, ...]) -> Iterator[str]:
    unsure = sum(view.rule_counts[str(Verdict.UNVERIFIED)] for view in views)
    if unsure:
        yield (
            f"{plural(unsure, 'cell is', 'cells are')} unverified: the check could not tell. "
            "Unverified is not passed."
        )
    errors = sum(view.row_counts[str(Verdict.ERROR)] for view in views)
    if errors:
        yield f"{plural(errors, 'check')} ended in a fault of the harness and says nothing of a store."
    known = sum(view.expected_failures for view in views)
    if known:
        yield (
            f"{plural(known, 'failed cell')} had been expected: known to be broken, which is not the "
            "same as right."
        )


def _latencies(views: tuple[BackendView, ...]) -> Iterator[str]:
    timed = [t for view in views for t in view.latencies]
    if not timed:
        yield "No latency was measured in this run."
        return
    sizes = sorted({t.items for t in timed if t.items})
    at = f" at {' and '.join(number(s) for s in sizes)} items" if sizes else ""
    yield (
        f"Latencies were taken one call at a time{at} by one client beside its engine: they rank no "
        "backend under load or over a network."
    )
    few = sum(1 for t in timed if t.figures.n < P99_FROM)
    if few:
        yield (
            f"{plural(few, 'operation has', 'operations have')} fewer than {P99_FROM} samples, so no "
            "p99 is given there."
        )


def caveats(run: RunView) -> tuple[str, ...]:
    """The sentences, those that weigh most first."""
    told: list[str] = []
    views = run.backends
    if run.truncated:
        told.append(
            "The run file is truncated: its run was cut off, and has no end. What had not been reached is missing, "
            "not passed; `store-conformance run --resume` goes on with it."
        )
    elif run.interrupted:
        told.append("The run was interrupted: what had not been reached is missing, not passed.")
    told += [f"{name} could not run and is not compared: {why}" for name, why in run.absent.items()]
    emulated = [view.name for view in views if view.emulated]
    if emulated:
        told.append(
            f"{', '.join(emulated)} ran on an emulator. Its verdicts speak of the adapter and the "
            "emulator and say nothing about the service."
        )
    told.extend(_selection(run.header))
    told.extend(_resumed(run.header))
    told.extend(_machines(run.header))
    told.extend(_earlier(run))
    told.extend(_verdicts(views))
    told.extend(_latencies(views))
    told.append(
        "A pass means that no check saw the promise broken on this machine with these versions and "
        "this seed; it proves nothing about inputs that no check tried."
    )
    return tuple(told)
