"""
The suite as pytest items: turns each case into items, runs them and writes the run file.

`store_conformance.pytest_plugin.plugin` registers it by ``join`` when a run of ours is asked for.  Under
pytest-xdist the controller starts the engines, the workers attach to them, and only the controller writes.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import logging
import shlex
import signal
import sys
from collections.abc import Generator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from store_conformance.contract import UserError
from store_conformance.harness import watchdog
from store_conformance.harness.backends import own_folder, remove_folder
from store_conformance.harness.case import CaseSpec, spec_of
from store_conformance.harness.leftovers import keep_what_is_here
from store_conformance.harness.memory import ended_so_far, go_first
from store_conformance.harness.process.forks import keep_from_forks, pipes_of_now
from store_conformance.harness.process.strays import end_unmarked_children
from store_conformance.harness.settings import Settings
from store_conformance.harness.waiting import Job
from store_conformance.harness.watchdog import read_stacks
from store_conformance.pytest_plugin.groups import keep_groups
from store_conformance.pytest_plugin.interrupts import HandsOn, Interrupts, exit_code, process_of
from store_conformance.pytest_plugin.items import (
    INTERRUPTS,
    MARKER,
    SESSION,
    CaseItem,
    case_items,
    case_label,
    entries_of,
    session_of,
)
from store_conformance.pytest_plugin.order import put_in_order
from store_conformance.pytest_plugin.plugin import WORKER_INPUT
from store_conformance.pytest_plugin.quiet import silence
from store_conformance.pytest_plugin.supervising import Owing, Supervisor
from store_conformance.runs.lost import crashed
from store_conformance.runs.opening import OPEN_SECONDS, open_each
from store_conformance.runs.options import RunOptions, session_from_options, session_from_spec
from store_conformance.runs.profiles import DEFAULT, profile
from store_conformance.runs.session import RunSession
from store_conformance.runs.streams import lead_nowhere, lingering_threads

_CASES_ONLY = pytest.StashKey[bool]()
_STACKS = pytest.StashKey[Path]()
_WORKERS = pytest.StashKey[list[Any]]()
_LEFT = "conformance_left"
_HELD = "conformance_held"
ANY_NUMBER = "1000000"


class Handover:
    """
    Gives pytest a session that somebody else has started and will stop.

    ``cases``: all cases are items of this pytest, and no file is collected, so that no ``conftest.py``,
    no option and no folder of anybody decides which cases run.
    """

    def __init__(self, session: RunSession, *, cases: bool) -> None:
        self.session = session
        self.cases = cases

    def __repr__(self) -> str:
        return "<Handover>"

    def pytest_configure(self, config: pytest.Config) -> None:
        _adopt(config, self.session)
        config.stash[_CASES_ONLY] = self.cases
        join(config)


class OwnModule(pytest.Module):
    """A module of ours, imported by its own name wherever its file lies."""

    dotted: str

    def _getobj(self) -> ModuleType:
        return importlib.import_module(self.dotted)


_THIS = sys.modules[__name__]


def join(config: pytest.Config) -> None:
    """Make the cases part of this pytest run; a second call does nothing."""
    if not config.pluginmanager.is_registered(_THIS):
        config.pluginmanager.register(_THIS, "store-conformance-cases")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    options = config.option
    if getattr(options, "dist", "no") == "load":
        options.dist = "loadgroup"  # what kills an engine must not run beside its like
    if getattr(options, "maxworkerrestart", None) is None:
        # The run itself gives a store up that ends too many; xdist would leave the rest without a verdict.
        options.maxworkerrestart = ANY_NUMBER
    if session_of(config) is not None:
        return
    worker = getattr(config, "workerinput", {})
    if WORKER_INPUT in worker:
        handed = json.loads(worker[WORKER_INPUT])
        session = session_from_spec(handed["run"])
        config.add_cleanup(session.stop)
        config.stash[_CASES_ONLY] = handed["cases"]
        _adopt(config, session)
        if handed["cases"] and session.runs_foreign_code:
            lead_nowhere()
            go_first()
            keep_from_forks(pipes_of_now())
            config.stash[INTERRUPTS] = Interrupts(Path(handed["stacks"]))
            config.stash[INTERRUPTS].guard()
        watchdog.guard_process(_stacks(Path(handed["stacks"]), worker["workerid"]))
        config.add_cleanup(watchdog.release_process)
    elif options.conformance_backend or options.conformance_store:
        _start_own(config)


def _options(config: pytest.Config) -> RunOptions:
    """The options of the command line with our prefix, as those of a run."""
    given = config.option
    return RunOptions(
        backends=tuple(given.conformance_backend),
        stores=tuple(given.conformance_store),
        store_name=given.conformance_store_name,
        declare=given.conformance_declare or "",
        options=tuple(given.conformance_option),
        deployment=given.conformance_deployment,
        url=given.conformance_url,
        rules=tuple(given.conformance_rule),
        groups=tuple(given.conformance_rule_group),
        scenarios=tuple(given.conformance_scenario),
        skip=tuple(r.strip() for text in given.conformance_skip for r in text.split(",")),
        profile=given.conformance_profile or DEFAULT,
        expectations=tuple(Path(p) for p in given.conformance_expectations),
        settings=_settings(
            given.conformance_settings,
            given.conformance_timeout,
            given.conformance_profile or DEFAULT,
        ),
    )


def _settings(text: str | None, timeout: float | None, profile_name: str) -> Settings:
    chosen = profile(profile_name)
    many = {"histories": chosen.histories, "steps": chosen.steps}
    settings = Settings.from_dict({**many, **(json.loads(text) if text else {})})
    return settings if timeout is None else dataclasses.replace(settings, timeout=timeout)


def _adopt(config: pytest.Config, session: RunSession) -> None:
    config.stash[SESSION] = session
    # What stores log is not our output; the verdicts say what went wrong.
    logging.getLogger().addHandler(logging.NullHandler())


def _start_own(config: pytest.Config) -> None:
    """For ``pytest --pyargs store_conformance.suite``: this pytest owns the engines and the run file."""
    from store_conformance.contract.secrets import redact_text
    from store_conformance.harness.backends import VectorStoreError

    try:
        workers = _workers_asked(config)
        # Where others run the cases, nothing of a user's store is loaded into this process.
        session = session_from_options(_options(config), hosted=bool(workers))
        config.add_cleanup(partial(session.stop, partial(print, file=sys.stderr)))
        session.command = shlex.join(["pytest", *map(str, config.invocation_params.args)])
        _refuse_absent(session)
        if not config.option.collectonly:
            session.workers = workers
            session.open_file(config.option.conformance_run_file)
            for _ in open_each(session, min(session.settings.timeout, OPEN_SECONDS)):
                _refuse_absent(session)
            session.start()
            _refuse_absent(session)
            if session.workers < workers:
                _lower_workers(config, session.workers)
    except (UserError, VectorStoreError, OSError) as error:
        raise pytest.UsageError(redact_text(str(error))) from None
    _adopt(config, session)


def _refuse_absent(session: RunSession) -> None:
    """A run that passes without a store that was asked for would say too much: pytest knows no gate."""
    for name, why in session.absent.items():
        raise UserError(f"{name}: {why}", "store-conformance run goes on with the others")


def _workers_asked(config: pytest.Config) -> int:
    """How many processes xdist is about to start; 0 without it."""
    tx = getattr(config.option, "tx", None) or []
    if not tx or getattr(config.option, "dist", "no") == "no":
        return 0
    from xdist.workermanage import parse_tx_spec_config

    return len(parse_tx_spec_config(config))


def _lower_workers(config: pytest.Config, workers: int) -> None:
    """Let xdist, which has not begun yet, start fewer: the engine allows few connections."""
    from xdist.workermanage import parse_tx_spec_config

    config.option.tx = parse_tx_spec_config(config)[:workers]
    config.option.numprocesses = workers


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the engines are."""
    session = session_of(node.config)
    if session is not None:
        handed = {
            "run": session.spec(),
            "cases": node.config.stash.get(_CASES_ONLY, False),
            "stacks": str(_stacks_folder(node.config)),
        }
        node.workerinput[WORKER_INPUT] = json.dumps(handed)
        node.config.stash.setdefault(_WORKERS, []).append(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Cases that end their worker need a scheduler that goes on with the others."""
    if config.option.dist != "loadgroup" or session_of(config) is None:
        return None
    from store_conformance.pytest_plugin.scheduling import CaseScheduling

    return CaseScheduling(config, log)


def _stacks_folder(config: pytest.Config) -> Path:
    """Where the workers' watchdogs write; made when first asked for, removed at the end."""
    if _STACKS not in config.stash:
        folder = own_folder("stacks", None)  # which a later run removes if we are killed
        config.stash[_STACKS] = folder
        config.add_cleanup(lambda: remove_folder(folder))
    return config.stash[_STACKS]


def _stacks(folder: Path, worker: str) -> Path:
    return folder / f"{worker}.txt"


def pytest_collection(session: pytest.Session) -> bool | None:
    """In a run of ours the items come from the register of cases and not from files."""
    config = session.config
    if not config.stash.get(_CASES_ONLY, False) or config.pluginmanager.hasplugin("dsession"):
        return None
    modules: dict[str, OwnModule] = {}
    session.items = []
    for spec in config.stash[SESSION].selection.cases():
        dotted = spec.func.__module__
        if dotted not in modules:
            path = Path(spec.func.__code__.co_filename)
            modules[dotted] = OwnModule.from_parent(session, path=path, nodeid=dotted)
            modules[dotted].dotted = dotted
        session.items += case_items(modules[dotted], spec.func.__name__, spec)
    config.hook.pytest_collection_modifyitems(session=session, config=config, items=session.items)
    config.hook.pytest_collection_finish(session=session)
    session.testscollected = len(session.items)
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what the selection names; without a backend the cases cannot run at all."""
    session = session_of(config)
    if session is None:
        return
    selection = session.selection
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        spec = getattr(item, "spec", None)
        taken = not isinstance(spec, CaseSpec) or selection.takes(spec)
        if taken and isinstance(item, CaseItem):
            taken = not session.is_done(item.job)
        (kept if taken else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = put_in_order(kept, parallel=hasattr(config, "workerinput"))
    session.expect(item.job for item in items if isinstance(item, CaseItem) and _waits(item))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """What kills an engine must not run beside its like, and what waits does it with its like."""
    keep_groups(session.config, (i for i in session.items if isinstance(i, CaseItem)))
    if session.config.stash.get(_CASES_ONLY, False):
        keep_what_is_here()  # this process is the run's own


def _waits(item: pytest.Item) -> bool:
    return isinstance(item, CaseItem) and item.spec.waits


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> list[pytest.Item] | None:
    """One item a backend, mode and parameter for each case."""
    spec = spec_of(obj)
    if spec is None or obj.__module__ != collector.obj.__name__:
        return None
    return list(case_items(collector, name, spec))


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, Any, Any]:
    """Close the run file that this pytest opened, also when the loop is interrupted."""
    run = session_of(session.config)
    handed = any(isinstance(p, Handover) for p in session.config.pluginmanager.get_plugins())
    if run is None or handed:
        return (yield)
    try:
        result = yield
    except BaseException:
        run.close_file(interrupted=True)
        raise
    run.close_file(interrupted=False)
    return result


class _Recorder:
    """Writes what the items bring, in the process that owns the run file."""

    def __init__(self, run: RunSession) -> None:
        self.run = run
        self._for_memory = ended_so_far()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            entries = entries_of(report)
            for entry in entries:
                self.run.record(entry)
            job = None if entries or report.failed else _job_of(report.nodeid, self.run)
            if job is not None:
                self.run.record_lost(job)
                return
        # A case that was cut off has a report of its own kind: `pytest_handlecrashitem` records it.
        if report.failed and report.when in ("setup", "call") and not entries_of(report):
            self.run.record(crashed(report.nodeid, str(report.longrepr)))

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        """A worker ended in the middle of a case: killed by its watchdog, or by the store."""
        stacks = read_stacks(_stacks(_stacks_folder(report.node.config), report.node.gateway.id))
        job = _job_of(crashitem, self.run)
        if job is None:
            self.run.record(crashed(crashitem, str(report.longrepr)))
        else:
            self.run.record_killed(job, stacks, for_memory=self._ended_for_memory(report.node))

    def _ended_for_memory(self, worker: Any) -> bool:
        """Whether it was the system that ended this worker, for want of memory."""
        if (
            exit_code(worker) != -getattr(signal, "SIGKILL", 9)
            or ended_so_far() <= self._for_memory
        ):
            return False
        self._for_memory += (
            1  # each is one process, and several may end before one of them is heard of
        )
        return True


def _job_of(nodeid: str, run: RunSession) -> Job | None:
    """The case that a controller knows by its node id only; xdist adds a group to it."""
    place, _, given = nodeid.partition("[")
    module, _, name = place.rpartition("::")
    wanted = given.rpartition("]")[0]
    for job in run.jobs():
        func = job.spec.func
        label = case_label(job.backend, job.mode, job.param)
        if (func.__module__, func.__name__, label) == (module, name, wanted):
            return job
    return None


def _owing(config: pytest.Config) -> list[Owing]:
    """The workers from which something is to come, where our scheduler shares the cases out."""
    scheduler = getattr(config.pluginmanager.getplugin("dsession"), "sched", None)
    nodes: list[Any] = getattr(scheduler, "owing", list)()
    found = ((process_of(node), str(node.gateway.id)) for node in nodes)
    return [Owing(process.pid, worker) for process, worker in found if process is not None]


def left_processes() -> list[str]:
    """What a store started without our environment, and what ends here: later nobody could tell that it is ours."""
    return [f"process {name!r}" for name in end_unmarked_children()]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells its controller which threads and processes it leaves: they end with its own."""
    output = getattr(session.config, "workeroutput", None)
    run = session_of(session.config)
    if output is not None:
        output[_LEFT] = [*lingering_threads(), *left_processes()]
        output[_HELD] = run.left_behind() if run is not None else {}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """What a worker that ended told of its threads; one that crashed told nothing."""
    del error
    run = session_of(node.config)
    if run is not None:
        told = getattr(node, "workeroutput", {})
        run.left += told.get(_LEFT, [])
        run.left_in_all.update(told.get(_HELD, {}))


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    run = session_of(config)
    if run is not None and hasattr(config, "workerinput"):
        if config.stash.get(_CASES_ONLY, False):
            silence(config)
    elif run is not None:
        config.pluginmanager.register(_Recorder(run), "conformance-recorder")
        if config.pluginmanager.hasplugin("dsession"):
            owing = partial(_owing, config)
            config.add_cleanup(Supervisor(_stacks_folder(config), owing).stop)
            workers = config.stash.setdefault(_WORKERS, [])
            config.pluginmanager.register(
                HandsOn(_stacks_folder(config), workers), "conformance-interrupts"
            )
