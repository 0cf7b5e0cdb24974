"""
One run: its backends, what was selected, its expectations and its run file.

It knows neither pytest's items nor the command line; `store_conformance.pytest_plugin.cases` drives it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import shlex
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from store_conformance.contract import (
    Level,
    Mode,
    Verdict,
)
from store_conformance.contract.checked import CheckedLine
from store_conformance.contract.records import Measurement, Row
from store_conformance.contract.secrets import redact
from store_conformance.harness.backends import (
    Backend,
    BackendError,
    EngineUnavailableError,
    SuppliedBackend,
    from_spec,
)
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.leftovers import count_quickly, more_than
from store_conformance.harness.loops import HungError
from store_conformance.harness.private_engines import stop_private
from store_conformance.harness.runner import Outcome, not_run, run_case
from store_conformance.harness.settings import Settings
from store_conformance.harness.signatures import normal
from store_conformance.harness.waiting import AT_ONCE, Job, WaitingCases
from store_conformance.runs.expectations import Expectation, read_expectations
from store_conformance.runs.facts import corpus_facts, machine, suite_version
from store_conformance.runs.health import NOT_RUN, STOPPED, Health
from store_conformance.runs.hosted import HostedBackend
from store_conformance.runs.preparing import prepare
from store_conformance.runs.profiles import profile
from store_conformance.runs.resuming import CaseKey, Earlier, earlier_run
from store_conformance.runs.run_file import RunWriter
from store_conformance.runs.selection import Selection
from store_conformance.runs.starting import start_side_by_side
from store_conformance.runs.trial import FOR_EACH_WORKER

IMPATIENT_SECONDS = 15.0
MOST_KILLED = 30
"""So many processes a store may end: each costs the start of another, and the run must come to an end."""
CONFIRM_SECONDS = 60.0
"""What running reproducers may take in all; a quarter of it is for causes that were confirmed before."""


_SPENT = ("seconds", "in_store", "waited", "calls")
"""What the rounds of a case spend together."""


def shipped_expectations(backend: str) -> tuple[Expectation, ...]:
    """The expectations that come with the project for one backend; empty where there are none."""
    found = resources.files("store_conformance").joinpath("expected") / f"{backend}.toml"
    if not found.is_file():
        return ()
    with resources.as_file(found) as path:
        return read_expectations(path)


def inherited_expectations(backend: str, parts: Iterable[str]) -> tuple[Expectation, ...]:
    """
    What is known of the stores that a backend is made of, and may show through it.

    Never stale: whether a case reaches such a store depends on the namespaces that it uses.  Of no
    kind: what shows through another store looks as that one makes it.
    """
    return tuple(
        dataclasses.replace(e, backend=backend, why=f"{part}: {e.why}", kinds=())
        for part in parts
        for e in shipped_expectations(part)
    )


def _here(backend: Backend) -> Backend:
    """The backend itself, or that of another process as this one opens it."""
    if not isinstance(backend, HostedBackend):
        return backend
    here = from_spec(backend.spec())
    here.capabilities = backend.capabilities
    return here


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
    """Backends that were left out, and why."""
    rows: list[Row] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Threads that a store left in a worker of the run, and that ended with it."""
    left_in_all: Counter[str] = field(default_factory=Counter)
    """What the workers held more at their end than before their first case, by kind."""
    trouble: list[str] = field(default_factory=list)
    """What went wrong beside the verdicts."""
    confirming: float = 0.0
    """Seconds spent in running reproducers."""
    hung: Counter[str] = field(default_factory=Counter)
    """How many cases of a backend ended by their time-out."""
    killed: Counter[str] = field(default_factory=Counter)
    """How many cases of a backend ended the process that ran them."""
    tried: set[str] = field(default_factory=set)
    """Cases whose reproducer was run: one confirmation a case is enough."""
    shown: set[tuple[str, str]] = field(default_factory=set)
    """Backends and causes of which one script was confirmed."""
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
    waiting: WaitingCases = field(init=False)
    _health: dict[str, Health] = field(default_factory=dict)
    _held: dict[str, tuple[Expectation, ...]] = field(default_factory=dict)
    _avoided: dict[str, frozenset[str]] = field(default_factory=dict)
    _held_before: dict[str, int] | None = None
    earlier: Earlier | None = None
    """The part of this run that was made before, where it goes on."""
    done: frozenset[CaseKey] = frozenset()
    """The cases that part has, and that are not run again."""
    _path: Path | None = None
    _writer: RunWriter | None = None
    _begin: float = 0.0
    _spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def __post_init__(self) -> None:
        self.expect(())

    def names(self) -> list[str]:
        return list(self.backends)

    def count_cases(self) -> int:
        """How many cases the run will go through: each once a backend, mode and parameter."""
        return len(self.case_keys() - self.done)

    def case_keys(self) -> frozenset[CaseKey]:
        """Every case of the run, whether it is done already or not."""
        return frozenset(
            (name, spec.rule_id, spec.case_id(param), str(mode))
            for spec in self.selection.cases()
            for name in self.names()
            for mode in spec.modes
            for param in spec.expand()
        )

    def is_done(self, job: Job) -> bool:
        """Whether an earlier part of this run has the case's verdict."""
        spec = job.spec
        key = (job.backend, spec.rule_id, spec.case_id(job.param), str(job.mode))
        return key in self.done

    def go_on_with(self, path: Path) -> Earlier:
        """Go on with the run in that file; raises ``UserError`` where there is none, or it is another one."""
        self.earlier = earlier_run(path, self.case_keys())
        self.done = self.earlier.done
        self.earlier.check_asked(self.header())
        self.earlier.check_names(self.names())
        return self.earlier

    # -- life ---------------------------------------------------------------------------------

    def start(
        self,
        say: Callable[[str], object] = lambda text: None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """
        Bring every engine up, side by side; an ``optional`` one that is not there is left out and said.

        ``meanwhile`` is called while they start.  When this raises, ``stop`` ends those that run.
        """
        self._begin = time.perf_counter()
        for name, started in start_side_by_side(self.backends, meanwhile).items():
            error = started.error
            if error is not None:
                left_out = isinstance(error, EngineUnavailableError) and name in self.optional
                if not left_out or len(self.backends) == 1:
                    raise error
                say(f"left out: {error}")
                self.absent[name] = str(error)
                del self.backends[name]
                continue
            begin = time.perf_counter()
            self._prepare(name)
            self.facts[name]["seconds_to_start"] = round(started.seconds, 3)
            self._spent[name] += started.seconds + time.perf_counter() - begin
        if self._path is not None:
            self._begin_cases(self._path)
            for name, why in self.absent.items():
                self.record(
                    Row(name, "E4", Level.MUST, "engine", Mode.SYNC, Verdict.UNVERIFIED, why)
                )

    def _begin_cases(self, path: Path) -> None:
        """Complete the header; of a run that goes on, the file stays as it was until here."""
        header = self.header()
        if self._writer is not None:
            self._writer.begin_again(header)
            return
        assert self.earlier is not None
        self.earlier.check_backends(header["backends"])
        kept = self.earlier.entries
        self._writer = RunWriter(path, self.earlier.header(header, header["started"]), kept)
        for row in kept:
            if isinstance(row, Row):
                self._count(row)

    @property
    def runs_foreign_code(self) -> bool:
        """Whether a store of the run comes from the user and not from the packages of our backends."""
        foreign = (SuppliedBackend, HostedBackend)
        return any(isinstance(b, foreign) for b in self.backends.values())

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
        before = self.backends
        self.backends = {name: _here(backend) for name, backend in before.items()}
        try:
            yield
        finally:
            for name, backend in self.backends.items():
                if backend is not before[name]:
                    backend.stop()
            self.backends = before

    def stop(self) -> None:
        stop_private()
        for backend in self.backends.values():
            backend.stop()

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
            "hung": dict(self.hung),
            "killed": dict(self.killed),
            "done": sorted(self.done),
        }

    # -- cases --------------------------------------------------------------------------------

    def run(self, spec: CaseSpec, backend: str, mode: Mode, param: str | None) -> Outcome:
        """Run one case and mark a failure that was expected."""
        if self._held_before is None:
            self._held_before = count_quickly()
        job = Job(spec, backend, mode, param)
        outcome = self.waiting.take(job) if spec.waits else self._outcome(job)
        self.hung[backend] += isinstance(outcome.failure, HungError)
        row = self._marked(self._scripted(outcome))
        others = tuple(self._marked(r) for r in outcome.others if not self.selection.skips(r.rule))
        if others and row.verdict is Verdict.FAIL and all(r.expectation for r in others):
            # The case failed by these divergences alone, and each is known.
            row = dataclasses.replace(row, expectation=others[0].expectation)
        return dataclasses.replace(outcome, row=row, others=others)

    def left_behind(self) -> dict[str, int]:
        """What this process holds more than before its first case."""
        if self._held_before is None:
            return {}
        gc.collect()
        return more_than(self._held_before, count_quickly())

    def expect(self, jobs: Iterable[Job]) -> None:
        """Tell which waiting cases this process is going to run, so that it may run them at once."""
        self.waiting = WaitingCases(
            self._outcome, self._touch, self._surprises, jobs, at_once=self.at_once
        )

    def _touch(self, backend: str) -> None:
        """Bring up what a backend attaches to when it is first used: threads must not all begin that."""
        with contextlib.suppress(BackendError):  # the cases will meet it and say so
            owner = self.backends[backend]
            owner.discard(owner.location())

    def _surprises(self, outcome: Outcome) -> bool:
        """Whether this is neither a pass nor a failure that was expected; a hang takes too long to repeat."""
        row = outcome.row
        if row.verdict in (Verdict.PASS, Verdict.UNSUPPORTED) or row.message.startswith(STOPPED):
            return False
        return not isinstance(outcome.failure, HungError) and self.expected(row) is None

    def _outcome(self, job: Job) -> Outcome:
        """Run a case, unless its engine is gone, and see whether a failure tells of the store."""
        backend = self.backends[job.backend]
        if self.selection.skips(job.spec.rule_id):
            why = f"skipped: --skip {job.spec.rule_id}"
            return not_run(backend, job.spec, job.mode, job.param, self.settings, why)
        killed = self.killed[job.backend]
        if killed >= MOST_KILLED:
            why = f"not run: the store had ended {killed} processes that ran cases of it"
            return not_run(backend, job.spec, job.mode, job.param, self.settings, why)
        health = self._health_of(job.backend)
        if health.gone is not None:
            why = f"{NOT_RUN} in {health.gone}"
            return not_run(backend, job.spec, job.mode, job.param, self.settings, why)

        def run() -> Outcome:
            return self._rounds(backend, job)

        outcome = run()
        if outcome.row.verdict == Verdict.FAIL and self.expected(outcome.row) is not None:
            return outcome
        return health.judged(outcome, run)

    def _rounds(self, backend: Backend, job: Job) -> Outcome:
        """Run a case as often as the profile asks, with another seed each time, until it does not pass."""
        before: list[Row] = []
        for number in range(profile(self.selection.profile).rounds_of(job.spec)):
            outcome = run_case(
                backend,
                job.spec,
                job.mode,
                job.param,
                dataclasses.replace(self.settings, seed=self.settings.seed + number),
                avoid=self._avoid(job.backend),
                patience=self._patience(job.backend),
            )
            before.append(outcome.row)
            if outcome.row.verdict is not Verdict.PASS or outcome.others:
                break
        sums = {name: sum(getattr(r, name) for r in before) for name in _SPENT}
        return dataclasses.replace(outcome, row=dataclasses.replace(outcome.row, **sums))

    def _health_of(self, name: str) -> Health:
        first = self.facts.get(name, {}).get("seconds_to_first_put")
        health = Health(self.backends[name], answered=first is not None)
        return self._health.setdefault(name, health)

    def _scripted(self, outcome: Outcome) -> Row:
        """A failed row with its reproducer, run in a clean process if that was asked for."""
        from store_conformance.runs.repro import confirm, reproducer

        row = outcome.row
        if row.verdict is not Verdict.FAIL:
            return row
        versions = self.facts.get(row.backend, {}).get("packages", {})
        backend = self.backends[row.backend]
        try:
            made = reproducer(outcome, backend, versions)
        except Exception as error:  # noqa: BLE001 - a finding without script is better than none
            self.trouble.append(f"no reproducer for {row.case}: {error!r}")
            return row
        if made is None:
            return row
        row = dataclasses.replace(row, script=made.text)
        if not self.settings.confirm or not self._worth_confirming(row):
            return row
        begin = time.perf_counter()
        at = backend.location()
        try:
            snippet = backend.snippet(at, outcome.lab.mode)
            environment = snippet.environment if snippet is not None else {}
            shown = confirm(made.text, environment).confirmed
            if shown and row.cause is not None:
                self.shown.add((row.backend, row.cause))
            return dataclasses.replace(row, confirmed=shown)
        finally:
            backend.discard(at)
            self.confirming += time.perf_counter() - begin

    def _worth_confirming(self, row: Row) -> bool:
        """
        Whether to run the script now: one for each cause comes first, then one for each case.

        `repro` runs the rest when asked; a broken store has very many.
        """
        case = row.case.split("[")[0]
        if case in self.tried or self.expected(row) is not None:
            return False
        again = (row.backend, row.cause or "") in self.shown
        if self.confirming > (CONFIRM_SECONDS / 4 if again else CONFIRM_SECONDS):
            return False
        self.tried.add(case)
        return True

    def _marked(self, row: Row) -> Row:
        """The row with the reason why its failure was expected, or how what was expected looks."""
        if row.verdict is not Verdict.FAIL:
            return row
        if row.failure_kind is None:  # no case ended with it: a process or an engine did
            kind = normal(row.message)
            row = dataclasses.replace(row, failure_kind=kind, cause=kind)
        known = self.expected(row)
        if known is not None:
            return dataclasses.replace(row, expectation=known.why, upstream=known.upstream)
        about = [e for e in self._holding(row.backend) if e.matches(row)]
        if not about:
            return row
        kinds = [kind for e in about for kind in e.kinds_of(row)]
        return dataclasses.replace(row, unlike=" | ".join(kinds) or "no failure of this case")

    def _patience(self, backend: str) -> float | None:
        """A shorter time-out once a store has hung three times: the run must come to an end."""
        return min(self.settings.timeout, IMPATIENT_SECONDS) if self.hung[backend] >= 3 else None

    def _avoid(self, backend: str) -> frozenset[str]:
        """What random histories exclude, because an expectation says so."""
        if backend not in self._avoided:
            self._avoided[backend] = frozenset(
                feature for e in self._holding(backend) for feature in e.excluded()
            )
        return self._avoided[backend]

    def expected(self, row: Row) -> Expectation | None:
        """The first expectation of this case that the failure looks like."""
        return next(
            (e for e in self._holding(row.backend) if e.matches(row) and e.covers(row)), None
        )

    def _holding(self, backend: str) -> tuple[Expectation, ...]:
        """The expectations that hold for the versions of this backend; they do not change in a run."""
        if backend not in self._held:
            packages = self.facts.get(backend, {}).get("packages", {})
            known = (*self.expectations, *self.inherited)
            self._held[backend] = tuple(
                e for e in known if e.backend == backend and e.holds_for(packages)
            )
        return self._held[backend]

    @cached_property
    def inherited(self) -> tuple[Expectation, ...]:
        """What is known of the stores that the run's backends are made of; never stale."""
        return tuple(
            e
            for name, backend in self.backends.items()
            for e in inherited_expectations(name, backend.parts)
        )

    # -- the run file -------------------------------------------------------------------------

    def header(self) -> dict[str, Any]:
        return {
            "suite": "langgraph-store-conformance",
            "suite_version": suite_version(),
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "command": self.command or shlex.join(["store-conformance", *sys.argv[1:]]),
            "profile": self.selection.profile,
            "selection": self.selection.to_dict(),
            "settings": self.settings.to_dict(),
            "seed": self.settings.seed,
            "machine": machine(),
            "corpus": corpus_facts(self.settings),
            "backends": {**self.facts, **{n: {"absent": why} for n, why in self.absent.items()}},
        }

    def selected_expectations(self) -> list[Expectation]:
        """The expectations whose rules this run checks."""
        by_rule = {spec.rule_id for spec in self.selection.cases()}
        return [e for e in self.expectations if e.rule in by_rule]

    def open_file(self, path: str | None) -> None:
        """Begin the run file; before ``start``, so that a run that ends early leaves one that says so."""
        if path is not None and self.owner:
            self._path = Path(path)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._begin = time.perf_counter()
            if self.earlier is None:
                self._writer = RunWriter(self._path, self.header())

    def look(self, say: Callable[[str], object]) -> None:
        """The production checklist of the user's own databases, into the run file."""
        from store_conformance.runs.checklists import look

        look(self.backends.values(), self.record, say)

    def record(self, entry: Row | Measurement | CheckedLine) -> None:
        if isinstance(entry, Row):
            self._count(entry)
        if self._writer is not None:
            self._writer.add(entry)

    def _count(self, row: Row) -> None:
        self.rows.append(row)
        self._spent[row.backend] += row.seconds

    def record_killed(self, job: Job, stacks: Sequence[str]) -> None:
        """
        A case whose process ended under it: by its watchdog (``stacks`` say where) or by the store.

        Both are the store's doing: what ran in that process beside it was the harness, which does not
        end it, and Python, which stood still.
        """
        self.killed[job.backend] += 1
        self.hung[job.backend] += bool(stacks)
        if len(stacks) > 1:
            held = "the process stood still with the interpreter's lock held"
            message = f"hung, killed: {held} for longer than the time-out"
        elif stacks:
            message = f"hung, {stacks[-1]}"
        else:
            message = "the process that ran the case was ended from within (a crash of native code, or an exit)"
        self._record_without_verdict(job, message, stacks)

    def record_lost(self, job: Job) -> None:
        """A case that ended and told nothing: what the harness tells with was taken from it."""
        said = "the case's verdict was lost: something of Python's own was changed in its process"
        self._record_without_verdict(job, said, ())

    def _record_without_verdict(self, job: Job, message: str, history: Sequence[str]) -> None:
        spec = job.spec
        row = Row(
            job.backend, spec.rule_id, spec.rule.level, spec.case_id(job.param), job.mode,
            Verdict.FAIL, message, history=tuple(history), scenario=spec.scenario,
            seed=self.settings.seed,
        )  # fmt: skip
        self.record(self._marked(row))

    def record_crash(self, nodeid: str, text: str) -> None:
        """A case whose process died or whose item broke: our fault until shown otherwise."""
        self.record(
            Row("?", "?", Level.MUST, nodeid, "?", Verdict.ERROR, f"no verdict: {text[-300:]}")
        )

    def close_file(self, *, interrupted: bool) -> None:
        if self._writer is not None:
            before = self.earlier.seconds if self.earlier is not None else 0.0
            self._writer.close(
                seconds=time.perf_counter() - self._begin + before,
                by_backend=dict(self._spent),
                interrupted=interrupted,
                left=dict(self.left_in_all + Counter(self.left_behind())),
            )
            self._writer = None
