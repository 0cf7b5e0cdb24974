"""
An engine that somebody takes away in the middle of a run is told once and held against nobody; a store
that breaks its own connection, process or engine is found.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store_conformance.backends.base import Engine
from store_conformance.contract import Level, Mode, Verdict, declared
from store_conformance.contract.errors import EXIT_OK, EXIT_UNVERIFIED
from store_conformance.contract.records import Row, Run
from store_conformance.harness.backends import user_supplied
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.harness.waiting import Job
from store_conformance.runs import health
from store_conformance.runs.gate import judge_run
from store_conformance.runs.health import NOT_RUN, STOPPED
from store_conformance.runs.judging import judge
from store_conformance.runs.policy import Policy
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession
from store_conformance.suite.register import all_cases
from tests.backend_use import HERE

CASES = 14
SETTINGS = Settings(timeout=30.0, embed="exact")


class Server(Engine):
    """The small server in a process of its own, which keeps its port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        port = self._folder / "port"
        again = [port.read_text()] if port.exists() else []
        port.unlink(missing_ok=True)
        command = [sys.executable, str(HERE / "gone_stores.py"), str(self._folder), *again]
        self._process = subprocess.Popen(command)
        while not port.exists() or not port.read_text():
            assert self._process.poll() is None
            time.sleep(0.02)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    stop = kill


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("GONE_STORES", str(tmp_path))
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def _session(function: str, engine: Engine | None = None) -> RunSession:
    backend: Any = user_supplied(
        f"{HERE / 'gone_stores.py'}:{function}",
        name=function,
        capabilities=declared(("no-vectors", "no-ttl")),
    )
    backend.engine = lambda: engine
    session = RunSession({function: backend}, Selection(), SETTINGS)
    session.start()
    (Path(os.environ["GONE_STORES"]) / "begun").touch()
    return session


def _jobs(name: str) -> list[Job]:
    """Some plain cases that any store passes which keeps what it is given."""
    plain = ("K1", "K2", "K3", "S1", "S2", "S5", "S6")
    chosen = [s for s in all_cases() if s.rule_id in plain and not s.serial and not s.waits]
    return [
        Job(s, name, Mode.SYNC, next(iter(s.expand()))) for s in chosen if Mode.SYNC in s.modes
    ][:CASES]


def _run(session: RunSession, jobs: list[Job], enemy: Any = None) -> list[Any]:
    rows = []
    for number, job in enumerate(jobs):
        if enemy is not None and number == CASES // 2:
            enemy()
        rows.append(session.run(job.spec, job.backend, job.mode, job.param).row)
    return rows


def test_a_server_that_somebody_kills_is_told_once_and_the_rest_is_left(server: Server) -> None:
    session = _session("remote")
    try:
        rows = _run(session, _jobs("remote"), server.kill)
    finally:
        session.stop()
    half = CASES // 2
    assert {r.verdict for r in rows[:half]} == {Verdict.PASS}
    assert {r.verdict for r in rows[half:]} == {Verdict.UNVERIFIED}
    assert rows[half].message.startswith(STOPPED)
    assert all(
        r.message.startswith(NOT_RUN) and rows[half].case in r.message for r in rows[half + 1 :]
    )
    assert all(r.calls == 0 for r in rows[half + 1 :])


def test_a_server_that_comes_back_is_not_gone(server: Server) -> None:
    session = _session("remote")
    jobs = _jobs("remote")

    def restart() -> None:
        server.kill()
        server.start()

    try:
        rows = _run(session, jobs, restart)
    finally:
        session.stop()
    assert {r.verdict for r in rows} == {Verdict.PASS}


def test_a_store_that_closes_its_own_connection_is_found(server: Server) -> None:
    session = _session("closes_its_connection")
    try:
        rows = _run(session, _jobs("closes_its_connection"))
    finally:
        session.stop()
    assert Verdict.FAIL in {r.verdict for r in rows}
    assert not any(STOPPED in r.message or NOT_RUN in r.message for r in rows)


def test_a_store_that_breaks_its_own_process_is_found(server: Server) -> None:
    session = _session("closes_for_all")
    try:
        rows = _run(session, _jobs("closes_for_all"))
    finally:
        session.stop()
    assert rows[0].verdict == Verdict.PASS
    assert rows[-1].verdict == Verdict.FAIL
    assert not any(STOPPED in r.message or NOT_RUN in r.message for r in rows)


@pytest.mark.skipif(os.name != "posix", reason="kills by a signal")
def test_an_engine_of_ours_tells_who_killed_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same death twice, by somebody else and by the store: told apart when the engine is back."""
    session = _session("remote", server)
    jobs = _jobs("remote")
    case = jobs[CASES // 2]
    import store_conformance.runs.case_runs as running

    runs = [0]

    def beside(*args: Any, **kwargs: Any) -> Any:
        """Somebody kills the server while this case is about to run, once."""
        if args[1] is case.spec and not runs[0]:
            runs[0] = 1
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        return run_case(*args, **kwargs)

    monkeypatch.setattr(running, "run_case", beside)
    try:
        rows = _run(session, jobs)
    finally:
        session.stop()
    told = [r for r in rows if r.verdict != Verdict.PASS]
    assert [r.case for r in told] == [case.spec.case_id(case.param)]
    assert told[0].verdict == Verdict.UNVERIFIED, told[0].message
    assert "the engine was gone" in told[0].message


@pytest.mark.skipif(os.name != "posix", reason="kills by a signal")
def test_a_store_that_kills_its_own_engine_is_found(server: Server) -> None:
    session = _session("kills_its_server", server)
    try:
        rows = _run(session, _jobs("kills_its_server")[:6])
    finally:
        session.stop()
    failed = [r for r in rows if r.verdict == Verdict.FAIL]
    assert failed, [(r.case, r.verdict, r.message) for r in rows]
    told = "its engine was gone after this case, and again"
    assert all(told in r.message for r in failed), [r.message for r in failed]
    assert Verdict.PASS in {r.verdict for r in rows}


def _row(message: str = "", verdict: Verdict = Verdict.UNVERIFIED, case: str = "keys::a") -> Row:
    return Row(
        backend="mine", rule="K1", level=Level.MUST, case=case, mode=Mode.SYNC, verdict=verdict, message=message
    )  # fmt: skip


@pytest.mark.parametrize("left", [STOPPED, NOT_RUN])
def test_a_run_that_lost_its_store_cannot_hold(left: str) -> None:
    """Also when the row of the case where it began is missing, and whatever passed before."""
    passed = _row(verdict=Verdict.PASS)
    lost = [_row(f"{left} in keys::b (sync)", case=f"keys::{c}") for c in "bcd"]
    run = Run({"backends": {"mine": {}}}, (passed, *lost), (), {})

    gate = judge_run(run)
    assert (gate.code, len(gate.beside)) == (EXIT_UNVERIFIED, 1)
    assert judge_run(replace(run, rows=(passed,))).code == EXIT_OK
    judgement = judge([run], Policy())
    assert len(judgement.unchecked) == 1
    assert not judge([replace(run, rows=(passed,))], Policy()).unchecked


def test_where_it_began_is_told_by_a_waiting_case_too(server: Server) -> None:
    """A waiting case whose end surprises is run again alone, but not when nothing answers any more."""
    session = _session("remote")
    jobs = _jobs("remote")[:6]
    waiting = [replace(j, spec=replace(j.spec, waits=True)) for j in jobs]
    try:
        server.kill()
        session.facts["remote"] = {"answers": ["sync", "async"]}
        session.expect(waiting)
        rows = _run(session, waiting)
    finally:
        session.stop()

    assert sum(r.message.startswith(STOPPED) for r in rows) == 1
    assert all(r.message.startswith((STOPPED, NOT_RUN)) for r in rows)


@pytest.mark.parametrize(
    ("place", "answers", "tries"), [("slow", True, 3), ("silent", False, 3), ("refuses", False, 1)]
)
def test_a_place_that_is_slow_is_waited_for_and_one_that_refuses_is_not(
    monkeypatch: pytest.MonkeyPatch, place: str, answers: bool, tries: int
) -> None:
    asked = []

    def use(*_: object) -> None:
        asked.append(place)
        if place == "refuses":
            raise ConnectionRefusedError
        time.sleep(0.6 if place == "slow" else 2.0)

    monkeypatch.setattr(health, "_use_here", use)
    monkeypatch.setattr(health, "PATIENCE", (0.1, 0.1, 1.2))
    monkeypatch.setattr(health, "PAUSE", 0.0)
    backend: Any = SimpleNamespace(engine=object)

    assert health.Health(backend, answered=[Mode.SYNC]).answers(Mode.SYNC) == answers
    assert len(asked) == tries


@pytest.mark.skipif(os.name != "posix", reason="kills by a signal")
def test_the_gate_says_that_the_store_stopped_and_cannot_hold(
    server: Server, tmp_path: Path
) -> None:
    """A whole run, whose server dies while it is under way."""
    run_file = tmp_path / "out" / "run.jsonl"
    command = ["run", "--store", f"{HERE / 'gone_stores.py'}:remote", "--name", "mine"]
    command += ["--declare", "no-vectors,no-ttl", "--rule", "K1,K2,K3,K5", "--out", "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "store_conformance.cli", *command],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while process.poll() is None and (
        not run_file.exists() or run_file.read_text().count("\n") < 8
    ):
        time.sleep(0.05)
    server.kill()
    shown, _ = process.communicate(timeout=300)

    assert process.returncode == 3, shown
    assert shown.count(STOPPED) == 1
    assert "Traceback" not in shown
    rows = [json.loads(line) for line in run_file.read_text().splitlines()]
    verdicts = {r["verdict"] for r in rows if r.get("kind") == "verdict"}
    assert {"pass", "unverified"} <= verdicts <= {"pass", "unverified", "unsupported"}
