"""
The harness against stores that are broken on purpose, and against correct ones.

Each broken store must be caught by the rule that its sin breaks, and what else it trips must follow
from the sin; a correct store must not fail at all.  The stores live in ``tests/controls`` of the source
checkout and are discovered there.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from conformance.case import CaseSpec, Mode, all_cases
from conformance.contract import Verdict, declared, rule
from conformance.results import Row
from conformance.runner import run_case
from conformance.settings import Settings

CONTROLS_DIR = Path(__file__).resolve().parent.parent / "tests" / "controls"


class ControlsMissingError(ValueError):
    """The controls are not installed; they come with the source checkout."""

    def __init__(self) -> None:
        super().__init__(
            f"the controls are not at {CONTROLS_DIR}; clone the project and run self-test from there"
        )


@dataclass(frozen=True)
class Judged:
    """One control or variant after the suite has run against it."""

    name: str
    breaks: str | None
    """The rule that must catch it; ``None`` for a correct store."""
    caught: bool
    stray: tuple[str, ...]
    """Rules that failed although neither the sin nor what follows from it explains it."""
    errors: tuple[str, ...]
    """Rows that blame the harness."""
    failed: tuple[str, ...]
    seconds: float
    evidence: tuple[str, ...] = field(default=())

    @property
    def good(self) -> bool:
        return (self.caught or self.breaks is None) and not self.stray and not self.errors


@lru_cache(maxsize=1)
def catalogue() -> ModuleType:
    """The module ``tests/controls/catalogue.py``; raises ``ControlsMissingError``."""
    path = CONTROLS_DIR / "catalogue.py"
    if not path.is_file():
        raise ControlsMissingError
    root = str(CONTROLS_DIR.parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    return importlib.import_module("tests.controls.catalogue")


def controls_of(rule_id: str) -> list[dict[str, Any]]:
    """The broken stores that a rule must catch; empty where the controls are not installed."""
    try:
        controls = catalogue().controls()
    except ControlsMissingError:
        return []
    return [
        {"name": c.name, "sin": " ".join((c.store.__doc__ or "").split())}
        for c in controls
        if c.breaks == rule_id
    ]


def _jobs(
    rule_id: str | None, modes: tuple[str, ...]
) -> Iterator[tuple[CaseSpec, Mode, str | None]]:
    """The runs of one rule's cases, or of all; restarts last, because they take longest."""
    specs = [s for s in all_cases() if rule_id in (None, s.rule_id)]
    for spec in sorted(specs, key=lambda s: s.serial):
        for mode in spec.modes:
            if not modes or mode in modes:
                for param in spec.expand():
                    yield spec, mode, param


def judge_store(name: str, *, whole: bool, seed: int) -> Judged:
    """
    Run the suite against one control or variant by name; ``whole``: all rules and not just its own.
    """
    from backends.factory import FactoryBackend

    module = catalogue()
    every = {c.name: c for c in (*module.controls(), *module.variants())}
    control = every[name]
    breaks = getattr(control, "breaks", None)
    reference = str(CONTROLS_DIR / control.reference)
    backend = FactoryBackend(reference, name=name, capabilities=declared(control.declares))
    own = breaks is not None and not whole
    settings = Settings(seed=seed, timeout=60, embed="exact", histories=3, steps=30)
    rows: list[Row] = []
    begin = time.perf_counter()
    backend.start()
    try:
        for spec, mode, param in _jobs(breaks if own else None, control.modes):
            outcome = run_case(backend, spec, mode, param, settings)
            rows += [outcome.row, *outcome.others]
            if own and any(r.rule == breaks and r.verdict == Verdict.FAIL for r in rows):
                break  # caught: the rest of its rule's cases would only say it again
    finally:
        from conformance.privately import stop_private

        stop_private()
        backend.stop()
    return _judged(name, breaks, tuple(getattr(control, "also", ())), rows, begin)


def _judged(
    name: str, breaks: str | None, also: tuple[str, ...], rows: list[Row], begin: float
) -> Judged:
    failed = sorted({r.rule for r in rows if r.verdict == Verdict.FAIL})
    bad = [r for r in rows if r.verdict in (Verdict.FAIL, Verdict.ERROR)]
    allowed = {breaks, *also}
    return Judged(
        name=name,
        breaks=breaks,
        caught=breaks in failed,
        stray=tuple(r for r in failed if r not in allowed),
        errors=tuple(f"{r.rule} {r.case}: {r.message}" for r in rows if r.verdict == Verdict.ERROR),
        failed=tuple(failed),
        seconds=time.perf_counter() - begin,
        evidence=tuple(f"{r.rule} {r.case} ({r.mode}): {r.message}" for r in bad[:8]),
    )


def _judge_one(arguments: tuple[str, bool, int]) -> Judged:
    name, whole, seed = arguments
    return judge_store(name, whole=whole, seed=seed)


def self_test(
    *, workers: int = 2, whole: bool = True, seed: int = 1, only: Iterable[str] = ()
) -> Iterator[Judged]:
    """Judge every control and every correct variant, in parallel processes, as they finish."""
    module = catalogue()
    names = [c.name for c in (*module.variants(), *module.controls())]
    wanted = [n for n in names if n in set(only)] if only else names
    jobs = [(n, whole, seed) for n in wanted]
    with ProcessPoolExecutor(max_workers=workers) as pool:
        yield from pool.map(_judge_one, jobs)


def uncovered() -> list[str]:
    """Rules without a case or (for MUST and SHOULD) without a control, and cases without a rule."""
    from conformance.contract import Level, rules

    cases = {s.rule_id for s in all_cases()}
    broken = {c.breaks for c in catalogue().controls()}
    problems = [f"rule {r.id} has no case" for r in rules() if r.id not in cases]
    problems += [
        f"rule {r.id} has no control"
        for r in rules()
        if r.level is not Level.IMPL and r.id not in broken
    ]
    problems += [f"control breaks unknown rule {b}" for b in broken if not _known(b)]
    return problems


def _known(rule_id: str) -> bool:
    try:
        rule(rule_id)
    except ValueError:
        return False
    return True
