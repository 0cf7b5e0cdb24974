"""
The pytest plugin: picks backends, turns each case into items, runs them and writes the run file.

It is loaded by an entry point and does nothing until a backend is named (``--backend``, ``--store``).
Under pytest-xdist the controller starts the engines, the workers attach to them, and only the
controller writes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance.case import CaseSpec, Mode, all_cases, spec_of
from conformance.contract import Verdict
from conformance.results import Measurement, Row
from conformance.runner import run_case
from conformance.session import RunSession, Selection, session_from_options, session_from_spec
from conformance.waiting import Job

_SESSION = pytest.StashKey[RunSession]()
_DATA = "conformance_entries"


class Handover:
    """Gives pytest a session that somebody else has started and will stop."""

    def __init__(self, session: RunSession) -> None:
        self.session = session

    def __repr__(self) -> str:
        return "<Handover>"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of ``store-conformance run``, for ``pytest --pyargs conformance.suite``."""
    group = parser.getgroup("conformance", "LangGraph store conformance")
    group.addoption("--backend", action="append", default=[], help="a backend to check; repeatable")
    group.addoption(
        "--store", action="append", default=[], help="FILE.py:FUNCTION or package.module:FUNCTION"
    )
    group.addoption("--store-name", default=None, help="the name of the --store in the report")
    group.addoption(
        "--declare", default="", help="what the --store does not offer: no-vectors,no-ttl,..."
    )
    group.addoption(
        "--option", action="append", default=[], help="key=value for the --store's function"
    )
    group.addoption("--deployment", default=None, help="embedded, process, container or url")
    group.addoption("--url", default=None, help="the address of an engine of your own")
    group.addoption("--rule", action="append", default=[], help="only this rule; repeatable")
    group.addoption(
        "--rule-group", action="append", default=[], help="only this rule group; repeatable"
    )
    group.addoption(
        "--scenario", action="append", default=[], help="procedural, semantic or episodic"
    )
    group.addoption("--run-file", default=None, help="where to write the run file (JSON Lines)")
    group.addoption("--case-timeout", type=float, default=None, help="seconds for one case")
    group.addoption("--conformance-settings", default=None, help="the run's settings as JSON")
    group.addoption(
        "--expectations", action="append", default=[], help="a TOML file of expected failures"
    )


def _session(config: pytest.Config) -> RunSession | None:
    return config.stash.get(_SESSION, None)


def session_of(config: pytest.Config) -> RunSession | None:
    """The run that this pytest belongs to, for tests that are no cases; ``None`` without a backend."""
    return _session(config)


def carry(item: pytest.Item, entries: Sequence[Row | Measurement]) -> None:
    """Hand rows and measurements of a test that is no case to the run file, from any worker."""
    item.user_properties.append((_DATA, json.dumps([e.to_dict() for e in entries], default=repr)))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "conformance(rule, backend, mode): a conformance case")
    handed = next((p for p in config.pluginmanager.get_plugins() if isinstance(p, Handover)), None)
    if handed is not None:
        _adopt(config, handed.session)
        return
    options = config.option
    if getattr(options, "dist", "no") == "load":
        options.dist = "loadgroup"  # what kills an engine must not run beside its like
    worker = getattr(config, "workerinput", None)
    if worker is not None and "conformance" in worker:
        session = session_from_spec(json.loads(worker["conformance"]))
        config.add_cleanup(session.stop)
        _adopt(config, session)
    elif options.backend or options.store:
        _start_own(config)


def _adopt(config: pytest.Config, session: RunSession) -> None:
    config.stash[_SESSION] = session
    # What stores log is not our output; the verdicts say what went wrong.
    logging.getLogger().addHandler(logging.NullHandler())


def _start_own(config: pytest.Config) -> None:
    """For ``pytest --pyargs conformance.suite``: this pytest owns the engines and the run file."""
    from backends.base import BackendError

    try:
        session = session_from_options(config.option)
        config.add_cleanup(session.stop)
        if not config.option.collectonly:
            session.start()
            session.open_file(config.option.run_file)
    except (BackendError, ValueError) as error:
        raise pytest.UsageError(str(error)) from None
    _adopt(config, session)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the engines are."""
    session = _session(node.config)
    if session is not None:
        node.workerinput["conformance"] = json.dumps(session.spec())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what the selection names; without a backend the cases cannot run at all."""
    session = _session(config)
    if session is None:
        return
    selection = session.selection
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        spec = getattr(item, "spec", None)
        (kept if not isinstance(spec, CaseSpec) or selection.takes(spec) else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    # What waits comes first: its waits overlap, and no worker ends with them.
    items[:] = sorted(kept, key=lambda item: not _waits(item))
    session.expect(item.job for item in items if isinstance(item, CaseItem) and _waits(item))


def _waits(item: pytest.Item) -> bool:
    return isinstance(item, CaseItem) and item.spec.waits


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> list[pytest.Item] | None:
    """One item a backend, mode and parameter for each case."""
    spec = spec_of(obj)
    if spec is None or obj.__module__ != collector.obj.__name__:
        return None
    session = _session(collector.config)
    names = session.names() if session is not None else ["no-backend"]
    items: list[pytest.Item] = []
    for backend in names:
        for mode in spec.modes:
            for param in spec.expand():
                label = "-".join(p for p in (backend, mode, param) if p)
                items.append(
                    CaseItem.from_parent(
                        collector,
                        name=f"{name}[{label}]",
                        spec=spec,
                        backend=backend,
                        mode=mode,
                        param=param,
                    )
                )
    return items


class CaseFailedError(Exception):
    """A case did not pass; ``row`` says how."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.message)
        self.row = row


def _counts(row: Row) -> bool:
    """Whether a row makes its pytest item fail."""
    return row.verdict in (Verdict.FAIL, Verdict.ERROR) and row.expectation is None


class CaseItem(pytest.Item):
    """One case, on one backend, in one mode, with one parameter."""

    def __init__(
        self, *, spec: CaseSpec, backend: str, mode: Mode, param: str | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.backend = backend
        self.mode: Mode = mode
        self.param = param
        self.obj = spec.func
        # Groups stay together: a worker that runs one of its cases runs them all.
        if spec.serial or spec.waits:
            kind = "serial" if spec.serial else "waiting"
            self.add_marker(pytest.mark.xdist_group(f"{kind}-{backend}"))

    @property
    def job(self) -> Job:
        return Job(self.spec, self.backend, self.mode, self.param)

    def runtest(self) -> None:
        session = _session(self.config)
        if session is None:
            pytest.skip("name a backend: --backend NAME or --store FILE.py:FUNCTION")
        outcome = session.run(self.spec, self.backend, self.mode, self.param)
        entries: list[Row | Measurement] = [outcome.row, *outcome.others, *outcome.measurements]
        self.user_properties.append(
            (_DATA, json.dumps([e.to_dict() for e in entries], default=repr))
        )
        row = outcome.row
        if row.verdict in (Verdict.UNSUPPORTED, Verdict.UNVERIFIED):
            pytest.skip(f"{row.verdict}: {row.message}")
        if row.expectation is not None:
            pytest.xfail(f"expected: {row.expectation}")
        found = next((r for r in (row, *outcome.others) if _counts(r)), None)
        if found is not None:
            raise CaseFailedError(found)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, pytest.xfail.Exception):
            # Known, and told in the run: pytest would parse whole modules to show where it was raised.
            return str(excinfo.value)
        if not isinstance(excinfo.value, CaseFailedError):
            return str(super().repr_failure(excinfo))
        row = excinfo.value.row
        lines = [
            f"{row.rule} ({row.level}) {row.verdict}: {row.message}",
            f"  promise: {self.spec.rule.promise}",
        ]
        if row.expected is not None:
            lines += [f"  expected: {row.expected}", f"  got:      {row.got}"]
        lines += ["  last calls:", *(f"    {line}" for line in row.history)]
        lines.append(f"  again: {session_command(row)}")
        return "\n".join(lines)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.spec.func.__code__.co_firstlineno, self.name


def session_command(row: Row) -> str:
    """The command that runs just this rule on this backend."""
    return f"store-conformance run --backend {row.backend} --rule {row.rule}"


def entries_of(report: pytest.TestReport) -> list[Row | Measurement]:
    """The rows and measurements that a finished item carries."""
    found: list[Row | Measurement] = []
    for name, value in report.user_properties:
        if name == _DATA:
            for data in json.loads(str(value)):
                kind = Row if data["kind"] == "verdict" else Measurement
                found.append(kind.from_dict(data))
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, Any, Any]:
    """Close the run file that this pytest opened, also when the loop is interrupted."""
    run = _session(session.config)
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

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        for entry in entries_of(report):
            self.run.record(entry)
        if report.failed and not entries_of(report):
            self.run.record_crash(report.nodeid, str(report.longrepr))


def pytest_sessionstart(session: pytest.Session) -> None:
    run = _session(session.config)
    if run is not None and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_Recorder(run), "conformance-recorder")


__all__ = [
    "CaseItem",
    "Selection",
    "all_cases",
    "carry",
    "entries_of",
    "run_case",
    "session_of",
]
