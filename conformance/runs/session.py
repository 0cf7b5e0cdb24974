"""
One run: its backends, what was selected, and what is known of both.

It knows neither pytest's items nor the command line; `store_conformance.pytest_plugin.cases` drives it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from store_conformance.contract import Mode, UserError, Verdict
from store_conformance.contract.checked import CheckedLine
from store_conformance.contract.records import Measurement, Row
from store_conformance.contract.secrets import redact, redact_text
from store_conformance.harness.backends import (
    Backend,
    BackendError,
    EngineUnavailableError,
    SuppliedBackend,
    from_spec,
)
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.exhaustion import exhausted
from store_conformance.harness.footing import regain_footing
from store_conformance.harness.leftovers import count_quickly, more_than
from store_conformance.harness.loops import HungError
from store_conformance.harness.private_engines import stop_private
from store_conformance.harness.runner import Outcome, not_run
from store_conformance.harness.settings import Settings
from store_conformance.harness.waiting import AT_ONCE, Job, WaitingCases
from store_conformance.runs import lost
from store_conformance.runs.awaited import AwaitedBackend
from store_conformance.runs.case_runs import CaseRuns, Ends
from store_conformance.runs.expectations import Expectation
from store_conformance.runs.health import NEVER_OPENED
from store_conformance.runs.hosted import HostedBackend, StoreLostError
from store_conformance.runs.known import KnownFailures
from store_conformance.runs.preparing import prepare
from store_conformance.runs.recording import Recording, header_of
from store_conformance.runs.resuming import CaseKey, Earlier, earlier_run
from store_conformance.runs.scripts import Scripts
from store_conformance.runs.selection import Selection
from store_conformance.runs.starting import EngineStarts, Started, ended_meanwhile
from store_conformance.runs.trial import FOR_EACH_WORKER
from store_conformance.runs.workers import choose_workers

FOREIGN = (SuppliedBackend, HostedBackend, AwaitedBackend)
"""What a user's store is to a run."""


def _here(backend: Backend) -> Backend:
    """The backend itself, or that of another process as this one opens it."""
    if not isinstance(backend, HostedBackend):
        return backend
    here = from_spec(backend.spec())
    here.capabilities = backend.capabilities
    return here


def never_opened(error: StoreLostError) -> str:
    """Why a store of the user's has no rows."""
    return f"{NEVER_OPENED}: {error}"


def _replace(backends: dict[str, Backend], now: Mapping[str, Backend]) -> None:
    """In its place, as others hold the same dict."""
    backends.clear()
    backends.update(now)


def _key_of(job: Job) -> CaseKey:
    return job.backend, job.spec.rule_id, job.spec.case_id(job.param), str(job.mode)


@dataclass
class RunSession:
    """A run in progress; ``start`` brings the engines up, ``stop`` ends them."""

    backends: dict[str, Backend]
    selection: Selection
    settings: Settings
    expectations: tuple[Expectation, ...] = ()
    owner: bool = True
    """Whether this process started the engines and writes the run file (no xdist worker)."""
    optional: frozenset[str] = frozenset()
    """Backends that were not asked for by name: they may be absent."""
    absent: dict[str, str] = field(default_factory=dict)
    """Backends that were left out, and why; they are not among ``backends``."""
    ends: Ends = field(default_factory=Ends)
    """How cases of each backend ended that did not end by themselves."""
    left: list[str] = field(default_factory=list)
    """Threads that a store left in a worker of the run, and that ended with it."""
    left_in_all: Counter[str] = field(default_factory=Counter)
    """What the workers held more at their end than before their first case, by kind."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What was given to the backends with ``--option``."""
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    command: str = ""
    """What started the run, where that was not our command line."""
    workers: int = 0
    """How many processes run cases; lowered by ``start`` where connections are few."""
    at_once: int = AT_ONCE
    """How many waiting cases a process runs side by side."""
    spare: dict[str, int] = field(default_factory=dict)
    """How many connections a backend may have at once, where they are few."""
    recording: Recording = field(default_factory=Recording)
    earlier: Earlier | None = None
    """The part of this run that was made before, where it goes on."""
    done: frozenset[CaseKey] = frozenset()
    """The cases that part has, and that are not run again."""
    waiting: WaitingCases = field(init=False)
    known: KnownFailures = field(init=False)
    case_runs: CaseRuns = field(init=False)
    _scripts: Scripts = field(init=False)
    _held_before: dict[str, int] | None = None
    _starts: EngineStarts | None = None

    def __post_init__(self) -> None:
        self.known = KnownFailures(self.expectations, self.backends, self.facts)
        self.case_runs = CaseRuns(
            self.backends, self.selection, self.settings, self.facts, self.known, self.ends
        )
        self._scripts = Scripts(
            self.backends, self.facts, self.known, confirm=self.settings.confirm
        )
        self.expect(())

    def names(self) -> list[str]:
        return list(self.backends)

    def choose_workers(self, asked: int | None) -> None:
        """Take as many processes as asked; ``None``: as the cores and the cases call for."""
        self.workers = choose_workers(asked, self.count_cases(), self.count_waiting())

    def count_cases(self) -> int:
        """How many cases the run will go through: each once a backend, mode and parameter."""
        return sum(1 for _ in self.jobs())

    def count_waiting(self) -> int:
        """How many of them mostly wait, on backends that have what they need."""
        return sum(
            job.spec.waits and job.spec.needs <= self.backends[job.backend].capabilities
            for job in self.jobs()
        )

    def jobs(self) -> Iterator[Job]:
        """The cases that the run will go through; those that an earlier part of it has are left out."""
        return (job for job in self._every_job() if not self.is_done(job))

    def _every_job(self) -> Iterator[Job]:
        for spec in self.selection.cases():
            for name in self.backends:
                for mode, param in self.variants(spec, name):
                    yield Job(spec, name, mode, param)

    def variants(self, spec: CaseSpec, name: str) -> tuple[tuple[Mode, str | None], ...]:
        """The modes and parameters that a case is run with on the backend of that name."""
        return self.selection.variants(spec, self.backends[name].capabilities)

    def case_keys(self) -> frozenset[CaseKey]:
        """Every case of the run, whether it is done already or not."""
        return frozenset(map(_key_of, self._every_job()))

    def is_done(self, job: Job) -> bool:
        """Whether an earlier part of this run has the case's verdict."""
        return bool(self.done) and _key_of(job) in self.done

    def go_on_with(self, path: Path) -> Earlier:
        """Go on with the run in that file; raises ``UserError`` where there is none, or it is another one."""
        self.earlier = earlier_run(path, self.case_keys())
        self.done = self.earlier.done
        self.earlier.check_asked(self.header())
        self.earlier.check_names([*self.names(), *self.absent])
        return self.earlier

    # -- life ---------------------------------------------------------------------------------

    def begin_to_start(self) -> None:
        """
        Let every engine come up, side by side, while this process goes on; returns at once.

        ``start`` waits for them, ``stop`` too.
        """
        if self._starts is None:
            self._starts = EngineStarts(self.backends)

    def start(
        self,
        say: Callable[[str], object] = lambda text: None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """
        Bring every engine up, side by side; an ``optional`` one that is not there is left out and said.

        ``meanwhile`` is called while they start.  When this raises, ``stop`` ends those that run, and the run
        file says why.
        """
        try:
            self.begin_to_start()
            assert self._starts is not None
            for name, started in ended_meanwhile(self._starts, meanwhile).items():
                self._take_up(name, started, say)
            header = self.header()
            if self.earlier is not None:
                self.earlier.check_backends(header["backends"])
                header = self.earlier.header(header, header["started"])
        except BaseException as error:
            self.recording.could_not_begin(error)
            raise
        if self.recording.opened:
            self.recording.settle(header, self.earlier.entries if self.earlier is not None else ())
        for name, why in self.absent.items():
            self.record(lost.absent(name, why))

    def _take_up(self, name: str, started: Started, say: Callable[[str], object]) -> None:
        """A backend whose engine is up is tried and described; of one that is not up, the run is told or ends."""
        error, begin = started.error, time.perf_counter()
        if error is None:
            try:
                self._prepare(name)
            except StoreLostError as raised:
                error = raised
        if isinstance(error, StoreLostError):
            say(self.lose(name, error))
            return
        if error is not None:
            left_out = isinstance(error, EngineUnavailableError) and name in self.optional
            if not left_out or len(self.backends) == 1:
                raise error
            say(f"left out: {error}")
            self.absent[name] = str(error)
            del self.backends[name]
            return
        self.facts[name]["seconds_to_start"] = round(started.seconds, 3)
        self.recording.spend(name, started.seconds + time.perf_counter() - begin)

    def lose(self, name: str, error: StoreLostError) -> str:
        """
        Go on without a store whose own code ended before its first case, and say so.

        Raises the error where no other backend is left.
        """
        if len(self.backends) == 1:
            raise error
        self.backends.pop(name).stop()
        self.absent[name] = never_opened(error)
        return f"left out: {name}: {error}"

    @property
    def runs_foreign_code(self) -> bool:
        """Whether a store of the run comes from the user and not from the packages of our backends."""
        return any(isinstance(b, FOREIGN) for b in self.backends.values())

    def apart(self) -> list[list[str]]:
        """
        The backends by who may share a process: what a user's store changes in its own must reach no other.

        Ours go first, and are together; each store of the user's is by itself.
        """
        foreign = [name for name, b in self.backends.items() if isinstance(b, FOREIGN)]
        ours = [name for name in self.backends if name not in foreign]
        return [ours] * bool(ours) + [[name] for name in foreign]

    @contextlib.contextmanager
    def only(self, names: Sequence[str]) -> Iterator[None]:
        """The run as one of these backends, for the block."""
        before = dict(self.backends)
        _replace(self.backends, {name: before[name] for name in names})
        try:
            yield
        finally:
            _replace(self.backends, before)

    def _prepare(self, name: str) -> None:
        """Try and describe a backend; where connections are few, fewer cases run side by side."""
        backend = self.backends[name]
        wanted = FOR_EACH_WORKER * max(1, self.workers)
        if isinstance(backend, HostedBackend):
            prepared = backend.prepare(self.settings.timeout, wanted)
        else:
            prepared = prepare(backend, self.settings.timeout, wanted)
        self.facts[name] = prepared.facts
        if self.options:
            self.facts[name]["options"] = redact(dict(self.options))
        if prepared.spare is not None:
            self.spare[name] = prepared.spare
            self.workers = max(1, min(self.workers, prepared.spare // FOR_EACH_WORKER))
            self.at_once = max(1, min(self.at_once, prepared.spare // 2))
            self._note_connections(name)

    def _note_connections(self, name: str) -> None:
        self.facts[name]["settings"] = {
            **self.facts[name]["settings"],
            "connections at once": f"{self.spare[name]} beside the run's own, so {self.workers or 1}"
            f" process(es) and {self.at_once} waiting case(s) at a time",
        }

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """For what is measured in this process: users' stores are loaded into it, for the block."""
        before = dict(self.backends)
        self.backends.update({name: _here(backend) for name, backend in before.items()})
        try:
            yield
        finally:
            for name, backend in self.backends.items():
                if backend is not before[name]:
                    backend.stop()
            self.backends.update(before)

    def stop(self, say: Callable[[str], object] = lambda text: None) -> None:
        """End every engine; what one of them could not clear away is said, and costs no report."""
        starts, self._starts = self._starts, None
        if starts is not None:
            starts.ended()  # whose engine would stay behind
        stop_private()
        for backend in self.backends.values():
            try:
                backend.stop()
            except UserError as error:
                say(redact_text(str(error)))

    def spec(self) -> dict[str, Any]:
        """What a worker needs to attach to this run, as JSON."""
        return {
            "backends": {name: backend.spec().to_dict() for name, backend in self.backends.items()},
            "capabilities": {
                name: sorted(str(c) for c in b.capabilities) for name, b in self.backends.items()
            },
            "selection": self.selection.to_spec(),
            "settings": self.settings.to_dict(),
            "expectations": [dataclasses.asdict(e) for e in self.expectations],
            "facts": self.facts,
            "at_once": self.at_once,
            "ends": self.ends.to_dict(),
            "done": sorted(self.done),
        }

    # -- cases --------------------------------------------------------------------------------

    def run(self, spec: CaseSpec, backend: str, mode: Mode, param: str | None) -> Outcome:
        """Run one case and mark a failure that was expected."""
        job = Job(spec, backend, mode, param)
        try:
            return self._marked(job)
        except Exception as error:
            spent = exhausted(error)
            if spent is None:
                raise
            return not_run(self.backends[backend], spec, mode, param, self.settings, spent)

    def interrupted(self, outcome: Outcome) -> Outcome:
        """The outcome of a case in which the store sent its own process SIGINT, which ends an application."""
        return dataclasses.replace(
            outcome, row=self.known.marked(lost.interrupted(outcome.row)), others=()
        )

    def _marked(self, job: Job) -> Outcome:
        spec, backend = job.spec, job.backend
        self._load(backend)
        regain_footing()
        if self._held_before is None:
            self._held_before = count_quickly()
        outcome = self.waiting.take(job) if spec.waits else self.case_runs.run(job)
        self.ends.hung[backend] += isinstance(outcome.failure, HungError)
        row = self.known.marked(self._scripts.scripted(outcome))
        others = tuple(
            self.known.marked(r) for r in outcome.others if not self.selection.skips(r.rule)
        )
        if others and row.verdict is Verdict.FAIL and all(r.expectation for r in others):
            # The case failed by these divergences alone, and each is known.
            row = dataclasses.replace(row, expectation=others[0].expectation)
        return dataclasses.replace(outcome, row=row, others=others)

    def _load(self, name: str) -> None:
        """Load a user's store into this process, unless that was tried before or it has ended too many."""
        awaited = self.backends[name]
        if not isinstance(awaited, AwaitedBackend):
            return
        if name in self.case_runs.not_loaded or self.ends.given_up(name) is not None:
            return
        try:
            self.backends[name] = awaited.loaded()
        except UserError as error:
            self.case_runs.not_loaded[name] = str(error)

    def left_behind(self) -> dict[str, int]:
        """What this process holds more than before its first case."""
        if self._held_before is None:
            return {}
        gc.collect()
        return more_than(self._held_before, count_quickly())

    def expect(self, jobs: Iterable[Job]) -> None:
        """Tell which waiting cases this process is going to run, so that it may run them at once."""
        self.waiting = WaitingCases(
            self.case_runs.run, self._touch, self.case_runs.surprises, jobs, at_once=self.at_once
        )

    def _touch(self, backend: str) -> None:
        """Bring up what a backend attaches to when it is first used: threads must not all begin that."""
        self._load(backend)
        with contextlib.suppress(BackendError):  # the cases will meet it and say so
            owner = self.backends[backend]
            owner.discard(owner.location())

    # -- the run file -------------------------------------------------------------------------

    def header(self) -> dict[str, Any]:
        absent = {n: {"absent": why} for n, why in self.absent.items()}
        backends = {**{name: {} for name in self.backends}, **self.facts, **absent}
        return header_of(self.settings, self.selection, backends, self.command)

    def selected_expectations(self) -> list[Expectation]:
        """The expectations whose rules this run checks."""
        by_rule = {spec.rule_id for spec in self.selection.cases()}
        return [e for e in self.expectations if e.rule in by_rule]

    def open_file(self, path: str | None) -> None:
        """Begin the run file; before ``start``, so that a run that ends early leaves one that says so."""
        if path is not None and self.owner:
            self.recording.open(Path(path), self.header())

    def look(self, say: Callable[[str], object]) -> None:
        """The production checklist of the user's own databases, into the run file."""
        from store_conformance.runs.checklists import look

        look(self.backends.values(), self.record, say)

    def record(self, entry: Row | Measurement | CheckedLine) -> None:
        if isinstance(entry, Row):
            self.ends.in_a_row[entry.backend] = 0
        self.recording.add(entry)

    def record_killed(self, job: Job, stacks: Sequence[str], *, for_memory: bool = False) -> None:
        """
        A case whose process ended under it; ``stacks`` say where it stood, if its watchdog did that.

        ``for_memory``: the system did, as there was no memory left.
        """
        self.ends.killed[job.backend] += 1
        self.ends.hung[job.backend] += bool(stacks)
        self.ends.in_a_row[job.backend] += 1
        made = lost.out_of_memory if for_memory else lost.killed
        self.recording.add(self.known.marked(made(job, stacks, self.settings.seed)))

    def record_lost(self, job: Job) -> None:
        """A case that ended and told nothing."""
        self.record(self.known.marked(lost.lost(job, self.settings.seed)))

    def record_never_begun(self, why: str) -> None:
        """Every case that was to run and has no row yet."""
        done = {(r.backend, r.case, r.mode) for r in self.recording.rows}
        for job in self.jobs():
            if (job.backend, job.spec.case_id(job.param), job.mode) not in done:
                self.record(lost.never_begun(job, why, self.settings.seed))

    def close_file(self, *, interrupted: bool) -> None:
        left = self.left_in_all + Counter(self.left_behind())
        before = self.earlier.seconds if self.earlier is not None else 0.0
        self.recording.close(interrupted=interrupted, left=left, before=before)
