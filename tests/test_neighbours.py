"""
What a store does to the process that it runs in reaches neither the other stores of the run nor the run itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store_conformance.contract.records import Row
from store_conformance.pytest_plugin import cases, running
from store_conformance.pytest_plugin.interrupts import ENDING, HandsOn, Interrupts
from store_conformance.pytest_plugin.scheduling import CaseScheduling
from store_conformance.runs.options import RunOptions, session_from_options
from store_conformance.runs.run_file import read_run

STORE = """
import asyncio, json, os, signal, sys, threading, uuid
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        raise RuntimeError("no loop of this policy")

done = []

def once():
    if not done:
        done.append(1)
        {sin}

class Store(InMemoryStore):
    def batch(self, ops):
        once()
        return super().batch(ops)

    async def abatch(self, ops):
        once()
        return await super().abatch(ops)

@contextmanager
def open_store(at, index, ttl):
    yield Store(index=index)
"""


def _run(folder: Path, sin: str, *words: str) -> tuple[int, str, list[Row]]:
    (folder / "shop.py").write_text(STORE.format(sin=sin), "utf-8")
    asked = ["run", "--store", "shop.py:open_store", "--rule", "K3", "--out", "out", *words]
    done = subprocess.run(
        [sys.executable, "-m", "store_conformance.cli", *asked, "--no-confirm"],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr, list(read_run(folder / "out").rows)


def _verdicts(rows: list[Row], backend: str) -> Counter[str]:
    return Counter(str(row.verdict) for row in rows if row.backend == backend)


def test_what_a_store_changes_in_its_process_reaches_no_other_store(tmp_path: Path) -> None:
    sin = "asyncio.set_event_loop_policy(Policy()); InMemoryStore.get = None"

    code, said, rows = _run(tmp_path, sin, "-b", "memory", "-n", "0")

    assert code == 1, said
    assert set(_verdicts(rows, "memory")) == {"pass"}
    assert _verdicts(rows, "shop")["fail"]
    assert "memory: in processes of its own" in said and "shop: in processes of its own" in said


def test_hooks_and_classes_that_a_store_takes_away_change_no_verdict(tmp_path: Path) -> None:
    hooks = "threading.excepthook = sys.excepthook = sys.unraisablehook = None"

    code, said, rows = _run(tmp_path, f"{hooks}; json.JSONEncoder = uuid.uuid4 = None")

    assert code == 0, said
    assert set(_verdicts(rows, "shop")) == {"pass"}


@pytest.mark.skipif(os.name == "nt", reason="unverified: no process groups there")
def test_a_store_that_interrupts_its_process_fails_there_and_the_run_goes_on(
    tmp_path: Path,
) -> None:
    code, said, rows = _run(tmp_path, "os.killpg(os.getpgrp(), signal.SIGINT)", "-n", "2")

    verdicts = _verdicts(rows, "shop")
    failed = {row.message for row in rows if str(row.verdict) == "fail"}
    assert code == 1, said
    assert set(verdicts) == {"pass", "fail"} and verdicts["fail"] <= 2
    assert all("sent its own process SIGINT" in message for message in failed)


@pytest.mark.parametrize("told", [True, False])
def test_a_case_of_which_nothing_was_told_has_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """As where a store moves its process into a file system of its own (chroot), and its worker ends in silence."""
    (tmp_path / "shop.py").write_text(STORE.format(sin="pass"), "utf-8")
    store = (f"{tmp_path / 'shop.py'}:open_store",)
    session = session_from_options(RunOptions(stores=store, rules=("L4",)))

    def pytest_run(run: Any, *given: Any, **more: Any) -> int:
        for job in run.jobs() if told else ():
            run.record(run.run(job.spec, job.backend, job.mode, job.param).row)
        return 0

    monkeypatch.setattr(running, "_pytest", pytest_run)
    running._run_together(session, None)  # type: ignore[arg-type]
    session.stop()

    rows = session.recording.rows
    assert len(rows) == session.count_cases()
    assert {str(r.verdict) for r in rows} == ({"pass"} if told else {"unverified"})
    assert all("told nothing" in r.message for r in rows) is not told


# -- its parts -----------------------------------------------------------------------------------------


def test_each_store_of_a_users_is_apart_and_ours_are_together(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(STORE.format(sin="pass"), "utf-8")
    store = (f"{tmp_path / 'shop.py'}:open_store",)
    session = session_from_options(RunOptions(backends=("sqlite", "memory"), stores=store))

    assert session.apart() == [["sqlite", "memory"], ["shop"]]
    every = session.count_cases()
    with session.only(["shop"]):
        assert session.names() == ["shop"] and session.runs_foreign_code
        alone = session.count_cases()
    with session.only(["sqlite", "memory"]):
        assert not session.runs_foreign_code
        assert session.count_cases() == every - alone
    assert session.names() == ["sqlite", "memory", "shop"]


def test_a_signal_is_the_stores_until_the_run_says_that_it_ends(tmp_path: Path) -> None:
    told = Interrupts(tmp_path)

    assert not told.take()
    told._obey(2, None)
    assert told.take() and not told.take()
    HandsOn(tmp_path, ()).pytest_sessionfinish()
    assert (tmp_path / ENDING).exists()
    with pytest.raises(KeyboardInterrupt):
        told._obey(2, None)


def test_a_worker_whose_run_is_gone_obeys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Interrupts(tmp_path)
    monkeypatch.setattr(os, "getppid", lambda: 1 << 30)

    with pytest.raises(KeyboardInterrupt):
        told._obey(2, None)


def test_ctrl_c_is_handed_on_to_workers_that_live(tmp_path: Path) -> None:
    sent: list[tuple[str, int]] = []

    def worker(name: str, ended: int | None) -> Any:
        process = SimpleNamespace(
            poll=lambda: ended, send_signal=lambda number: sent.append((name, number))
        )
        return SimpleNamespace(gateway=SimpleNamespace(_io=SimpleNamespace(popen=process)))

    HandsOn(tmp_path, (worker("a", None), worker("b", 1))).pytest_keyboard_interrupt()

    assert sent == [("a", 2)]


class _Worker:
    """What a scheduler sees of a worker."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.shutting_down = False
        self.gateway = SimpleNamespace(id=str(id(self)))

    def send_runtest_some(self, cases: list[int]) -> None:
        self.sent += cases

    def shutdown(self) -> None:
        self.shutting_down = True


def test_a_worker_that_ends_while_another_one_starts_costs_no_case() -> None:
    option = SimpleNamespace(loadscopereorder=False)
    config: Any = SimpleNamespace(option=option, getvalue=lambda name: ["2*popen"])
    scheduling = CaseScheduling(config)
    cases = [f"a.py::case{n}" for n in range(12)]
    old, other, new = _Worker(), _Worker(), _Worker()
    for worker in (old, other):
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, cases)
    scheduling.schedule()
    under_way = cases[other.sent[0]]

    scheduling.add_node(new)  # in place of one that ended before; it has told no cases yet
    assert scheduling.remove_node(other) == under_way
    assert not new.sent
    scheduling.add_node_collection(new, cases)
    scheduling.schedule()
    for worker in (old, new):
        for number in _sent(worker):
            scheduling.mark_test_complete(worker, number)

    done = {cases[n] for worker in (old, new) for n in worker.sent}
    assert done == set(cases) - {under_way}


def test_a_worker_owes_something_when_it_has_enough_or_is_to_end() -> None:
    option = SimpleNamespace(loadscopereorder=False)
    config: Any = SimpleNamespace(option=option, getvalue=lambda name: ["2*popen"])
    scheduling = CaseScheduling(config)
    one, new = _Worker(), _Worker()
    for worker in (one, _Worker()):
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, [f"a.py::case{n}" for n in range(12)])
    scheduling.schedule()
    scheduling.add_node(new)

    assert one in scheduling.owing() and new not in scheduling.owing()
    for unit in scheduling.assigned_work[one].values():
        unit.update(dict.fromkeys(unit, True))
    assert one not in scheduling.owing()  # it waits for us
    one.shutdown()
    assert one in scheduling.owing()


def _sent(worker: _Worker) -> Any:
    """The cases of a worker, also those that it is given meanwhile."""
    place = 0
    while place < len(worker.sent):
        yield worker.sent[place]
        place += 1


# -- a worker that the system ends ---------------------------------------------------------------------------


class _Ended:
    """What a recorder is told of: workers that ended with a code, under a case."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ended = 7
        monkeypatch.setattr(cases, "ended_so_far", lambda: self.ended)
        self.recorder = cases._Recorder(SimpleNamespace())  # type: ignore[arg-type]

    def by(self, code: int) -> bool:
        process = SimpleNamespace(wait=lambda timeout: code)
        worker = SimpleNamespace(gateway=SimpleNamespace(_io=SimpleNamespace(popen=process)))
        return self.recorder._ended_for_memory(worker)


def test_what_the_system_ended_for_want_of_memory_is_told_from_what_ended_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = _Ended(monkeypatch)

    assert not told.by(-9)  # killed, but not for memory
    told.ended += 2
    assert not told.by(-11) and not told.by(0)
    assert told.by(-9) and told.by(-9) and not told.by(-9)


@pytest.mark.parametrize("for_memory", [True, False])
def test_a_store_is_not_accused_of_memory_that_is_lacking(tmp_path: Path, for_memory: bool) -> None:
    (tmp_path / "shop.py").write_text(STORE.format(sin="pass"), "utf-8")
    store = (f"{tmp_path / 'shop.py'}:open_store",)
    session = session_from_options(RunOptions(stores=store, rules=("K3",)))

    session.record_killed(next(session.jobs()), (), for_memory=for_memory)

    row = session.recording.rows[0]
    assert str(row.verdict) == ("unverified" if for_memory else "fail")
    assert ("want of memory" in row.message) is for_memory
    assert session.ends.killed["shop"] == 1
