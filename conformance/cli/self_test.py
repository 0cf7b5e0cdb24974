"""
The harness against stores that are broken on purpose, and against correct ones.

Each broken store must be caught by the rule that its sin breaks, and what else it trips must follow
from the sin; a correct store must not fail at all.  The stores live in `store_conformance.mutants`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from zlib import crc32

from store_conformance.contract import Mode, UnknownRuleError, UserError, Verdict, declared, rule
from store_conformance.contract.hints import nearest
from store_conformance.contract.records import Row
from store_conformance.harness.backends import (
    Backend,
    forget_folders,
    own_folder,
    remove_folder,
    user_supplied,
)
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.leftovers import keep_what_is_here
from store_conformance.harness.private_engines import stop_private
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.mutants.catalogue import Mutant, Variant, mutants, variants
from store_conformance.mutants.packs import packed
from store_conformance.runs.profiles import few_variants
from store_conformance.suite.register import all_cases

TIMEOUT = 60.0
WAITING_AT_ONCE = 12
"""Cases of items that expire mostly wait, so several wait together."""
LONG_SECONDS = 100.0
"""A case with a time-out of its own above this is left out of a quick look."""
DRAWN = ("E9", "N9")
"""The rules of random histories and attacks; any sin may trip them."""


@dataclass(frozen=True)
class Judged:
    """One mutant or variant after the suite has run against it."""

    name: str
    breaks: str | None
    """The rule that must catch it; ``None`` for a correct store."""
    caught: bool
    false_positives: tuple[str, ...]
    """Rules that failed although neither the sin nor what follows from it explains it."""
    errors: tuple[str, ...]
    """Rows that blame the harness."""
    failed: tuple[str, ...]
    seconds: float
    evidence: tuple[str, ...] = field(default=())

    @property
    def good(self) -> bool:
        return (self.caught or self.breaks is None) and not self.false_positives and not self.errors


def mutants_of(rule_id: str) -> list[dict[str, Any]]:
    """The broken stores that a rule must catch."""
    return [
        {"name": c.name, "sin": " ".join((c.store.__doc__ or "").split())}
        for c in mutants()
        if c.breaks == rule_id
    ]


CaseRun = tuple[CaseSpec, Mode, "str | None"]
"""One run: a case, its mode and its parameter."""


def _jobs(rule_id: str | None, modes: tuple[str, ...]) -> Iterator[CaseRun]:
    """The runs of one rule's cases, or of all; what takes long by nature comes last."""
    specs = [s for s in all_cases() if rule_id in (None, s.rule_id) and not s.thorough]
    for spec in sorted(specs, key=lambda s: (s.serial, s.seconds or 0.0)):
        for mode in _offered(spec, modes):
            for param in spec.expand():
                yield spec, mode, param


def quick_jobs(
    name: str,
    modes: tuple[str, ...],
    allowed: tuple[str | None, ...] = (),
    one_in: int = 1,
) -> Iterator[CaseRun]:
    """
    A few runs of each case that is not long by nature; of another store, others of its parameters.

    ``allowed`` are the rules that the store may fail: whether it does says nothing of it, and what it breaks is
    looked for by all cases of that rule.  ``one_in`` takes so many cases for one, other ones for another store.
    """
    for spec in all_cases():
        offered = _offered(spec, modes)
        if crc32(f"{name} {spec.id}".encode()) % one_in:
            continue
        if offered and not (spec.thorough or _is_long(spec) or spec.rule_id in allowed):
            for mode, param in few_variants(spec, offered, salt=name):
                yield spec, mode, param


def _offered(spec: CaseSpec, modes: tuple[str, ...]) -> list[Mode]:
    return [m for m in spec.modes if not modes or m in modes]


def _as_caught_soonest(jobs: Iterable[CaseRun]) -> Iterator[list[CaseRun]]:
    """
    The runs of one rule in the order in which a broken store is found with the least of them.

    Most sins show in either mode, so that all cases come in one mode before any comes in the other.  Each list
    may be run side by side: it is one run, or runs that wait.
    """

    def costs(job: CaseRun) -> tuple[bool, bool, int]:
        spec, mode, _ = job
        return _is_long(spec), spec.waits, spec.modes.index(mode)

    for (_, waits, _), alike in groupby(sorted(jobs, key=costs), key=costs):
        runs = list(alike)
        yield from [runs] if waits else [[run] for run in runs]


def _is_long(spec: CaseSpec) -> bool:
    """Whether a quick look leaves the case out: kills, other processes, loads, random histories."""
    return spec.serial or (spec.seconds or 0.0) > LONG_SECONDS


def _settings(breaks: str | None, seed: int) -> Settings:
    """What proves the checks in little time; a sin that only histories show gets the usual number."""
    if breaks in DRAWN:
        return Settings(seed=seed, timeout=TIMEOUT, embed="exact")
    return Settings(seed=seed, timeout=TIMEOUT, embed="exact", histories=3, steps=30)


@contextmanager
def _histories_elsewhere() -> Iterator[None]:
    """What histories find in a broken store is not kept: it must be found anew each time."""
    folder = own_folder("self-test", None)
    before = os.environ.get("CONFORMANCE_HISTORIES")
    os.environ["CONFORMANCE_HISTORIES"] = str(folder)
    try:
        yield
    finally:
        remove_folder(folder)
        if before is None:
            del os.environ["CONFORMANCE_HISTORIES"]
        else:
            os.environ["CONFORMANCE_HISTORIES"] = before


class _Run:
    """The rows of one store under the suite; what a mutant's own rule needs comes last."""

    def __init__(self, backend: Backend, breaks: str | None, settings: Settings) -> None:
        self.rows: list[Row] = []
        self._backend = backend
        self._breaks = breaks
        self._settings = settings

    def _one(self, job: CaseRun) -> None:
        outcome = run_case(self._backend, *job, self._settings)
        # What a history finds beside its rule is sorted roughly; it accuses a correct store only.
        self.rows.extend([outcome.row, *(outcome.others if self._breaks is None else ())])

    def every(self, jobs: Iterable[CaseRun]) -> None:
        """All of them; those that wait do it side by side."""
        waiting = []
        for job in jobs:
            if job[0].waits:
                waiting.append(job)
            else:
                self._one(job)
        self._side_by_side(waiting)

    def _side_by_side(self, jobs: list[CaseRun]) -> None:
        with ThreadPoolExecutor(WAITING_AT_ONCE) as pool:
            list(pool.map(self._one, jobs))

    def until_caught(self, jobs: Iterable[CaseRun]) -> None:
        """As few of them as it takes until the mutant's rule has failed."""
        for together in _as_caught_soonest(jobs):
            if any(r.rule == self._breaks and r.verdict is Verdict.FAIL for r in self.rows):
                break
            self._side_by_side(together)


def judge_store(
    name: str, *, whole: bool, seed: int, quick: bool = False, one_in: int = 1
) -> Judged:
    """
    Run the suite against one mutant, variant or pack by name; ``whole``: all rules and not just its own.

    ``quick`` runs each case in one mode and with a few parameters, and leaves out those that are long by nature and
    those of rules that the store may fail, except for the rule that it breaks.  ``one_in`` makes it a sample: one case
    of so many, other ones for another store.
    """
    every: list[Mutant | Variant] = [*mutants(), *variants(), *packed()]
    store = next(s for s in every if s.name == name)
    breaks = store.breaks
    backend = user_supplied(store.reference, name=name, capabilities=declared(store.declares))
    run = _Run(backend, breaks, _settings(breaks, seed))
    begin = time.perf_counter()
    backend.start()
    all_cases()  # is a part of what stays
    keep_what_is_here()
    try:
        with _histories_elsewhere():
            if breaks is None or whole:
                run.every(
                    quick_jobs(name, store.modes, (breaks, *store.also), one_in)
                    if quick
                    else _jobs(None, store.modes)
                )
            if breaks is not None and (quick or not whole):
                run.until_caught(_jobs(breaks, store.modes))
    finally:
        stop_private()
        backend.stop()
    return _judged(name, breaks, store.also, run.rows, begin)


def _judged(
    name: str, breaks: str | None, also: tuple[str, ...], rows: list[Row], begin: float
) -> Judged:
    failed = sorted({r.rule for r in rows if r.verdict is Verdict.FAIL})
    bad = [r for r in rows if r.verdict in (Verdict.FAIL, Verdict.ERROR)]
    allowed = {breaks, *also}
    return Judged(
        name=name,
        breaks=breaks,
        caught=breaks in failed,
        false_positives=tuple(r for r in failed if r not in allowed),
        errors=tuple(f"{r.rule} {r.case}: {r.message}" for r in rows if r.verdict is Verdict.ERROR),
        failed=tuple(failed),
        seconds=time.perf_counter() - begin,
        evidence=tuple(f"{r.rule} {r.case} ({r.mode}): {r.message}" for r in bad[:8]),
    )


def _judge_one(arguments: tuple[str, bool, int, bool]) -> Judged:
    if _ending.is_set():
        raise KeyboardInterrupt
    name, whole, seed, quick = arguments
    return judge_store(name, whole=whole, seed=seed, quick=quick)


def self_test(
    *,
    workers: int = 2,
    whole: bool = True,
    quick: bool = False,
    seed: int = 1,
    only: Iterable[str] = (),
) -> Iterator[Judged]:
    """Judge every mutant and every correct variant, in parallel processes, as they finish."""
    names = [*(v.name for v in variants()), *(m.name for m in mutants())]
    asked = set(only)
    for name in sorted(asked - set(names)):
        near = nearest(name, names, cutoff=0.3)
        hint = f"did you mean {near!r}?" if near else "`rules RULE` lists the mutants of a rule"
        raise UserError(f"no mutant or variant is called {name!r}", hint)
    wanted = [n for n in names if n in asked] if asked else names
    jobs = [(n, whole, seed, quick) for n in wanted]
    ended: list[int] = []
    try:
        with ProcessPoolExecutor(max_workers=workers, initializer=_end_as_by_ctrl_c) as pool:
            try:
                yield from pool.map(_judge_one, jobs)
            except BaseException:  # also when nobody wants the rest
                workers_left = multiprocessing.active_children()
                ended += [worker.pid for worker in workers_left if worker.pid is not None]
                for worker in workers_left:
                    worker.terminate()
                raise
    finally:
        # A worker that was told to end while it made a folder did not know of it yet.
        for pid in ended:
            forget_folders(pid)


_ending = threading.Event()
"""Set in a worker that was told to end: what it was to judge next is not begun."""


def _end_as_by_ctrl_c() -> None:
    """A worker that is told to end cleans up first."""

    def interrupt(number: int, frame: Any) -> None:
        _ending.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)


def uncovered() -> list[str]:
    """Rules without a case or (for MUST and SHOULD) without a mutant, and cases without a rule."""
    from store_conformance.contract import Level, rules

    cases = {s.rule_id for s in all_cases()}
    broken = {c.breaks for c in mutants()}
    problems = [f"rule {r.id} has no case" for r in rules() if r.id not in cases]
    problems += [
        f"rule {r.id} has no mutant"
        for r in rules()
        if r.level is not Level.IMPL and r.id not in broken
    ]
    problems += [f"a mutant breaks unknown rule {b}" for b in broken if not _known(b)]
    return problems


def _known(rule_id: str) -> bool:
    try:
        rule(rule_id)
    except UnknownRuleError:
        return False
    return True
