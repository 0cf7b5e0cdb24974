"""
How a run is shared out: how many processes, what begins first, and that the rows are the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store_conformance.harness.settings import Settings
from store_conformance.pytest_plugin import cases
from store_conformance.runs import workers
from store_conformance.runs.options import RunOptions, session_from_options
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession
from store_conformance.runs.workers import FEW, MANY_WAIT, MOST, choose_workers, usable_cores

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workers")]  # they share a run


def test_the_cores_of_this_process_count_and_not_those_of_the_machine() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system binds no process to a core")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert usable_cores() == len(before)


@pytest.mark.parametrize(
    ("asked", "cores", "cases", "waiting", "chosen"),
    [
        (None, 2, FEW + 1, MANY_WAIT, 2),
        (None, 2, FEW + 1, MANY_WAIT + 1, 4),
        (None, 2, FEW, MANY_WAIT + 1, 0),
        (None, 1, FEW + 1, 0, 1),
        (None, 4 * MOST, FEW + 1, MANY_WAIT + 1, MOST),
        (0, 4, 10_000, 1_000, 0),
        (3, 2, 1, 1_000, 3),
    ],
)
def test_workers_are_as_asked_or_by_cores_and_cases(
    monkeypatch: pytest.MonkeyPatch,
    asked: int | None,
    cores: int,
    cases: int,
    waiting: int,
    chosen: int,
) -> None:
    monkeypatch.setattr(workers, "usable_cores", lambda: cores)

    assert choose_workers(asked, cases, waiting) == chosen


def test_cases_that_wait_count_where_a_backend_has_what_they_need() -> None:
    counted = {
        name: session_from_options(RunOptions(backends=(name,), groups=("T",))).count_waiting()
        for name in ("memory", "sqlite")
    }

    assert counted["memory"] < MANY_WAIT < counted["sqlite"]


def test_a_session_counts_what_it_will_run() -> None:
    session = session_from_options(RunOptions(backends=("memory", "sqlite"), rules=("K2",)))
    alone = RunSession({}, Selection(), Settings())

    assert session.count_cases() == 2 * sum(
        len(s.modes) * max(1, len(s.params)) for s in session.selection.cases()
    )
    assert alone.count_cases() == 0


def rows(folder: Path, *words: str) -> tuple[str, list[tuple[str, ...]]]:
    """What a run printed, and its verdicts in the order in which they came."""
    done = subprocess.run(
        [sys.executable, "-m", "store_conformance.cli", "run", *words, "--out", "out"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (folder / "out/run.jsonl").read_text().splitlines()]
    found = [r for r in lines if r["kind"] == "verdict"]
    return done.stdout, [(r["backend"], r["case"], r["mode"], r["verdict"]) for r in found]


WORDS = ("-b", "memory,sqlite", "--rule", "K1,K2,K4,E6")


@pytest.fixture(scope="module")
def in_one(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, ...]]:
    """The verdicts of a run in one process."""
    return rows(tmp_path_factory.mktemp("one"), *WORDS, "-n", "0")[1]


def test_two_processes_give_the_rows_of_one(in_one: list[tuple[str, ...]], tmp_path: Path) -> None:
    _, two = rows(tmp_path, *WORDS, "-n", "2")

    assert sorted(in_one) == sorted(two)
    assert len(set(in_one)) == len(in_one) > 40


def test_what_keeps_a_process_busy_for_long_begins_first(in_one: list[tuple[str, ...]]) -> None:
    kinds = [case.split("::")[0] for backend, case, _, _ in in_one if backend == "sqlite"]

    assert kinds.index("timestamps") == 0
    assert kinds.index("processes") < kinds.index("keyvalue")


@pytest.mark.parametrize("given", ["two", "-1", "1.5"])
def test_a_wrong_number_of_processes_is_refused(tmp_path: Path, given: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "store_conformance.cli", "run", "-n", given],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 2
    assert "write auto, 1, 2" in done.stderr


@pytest.mark.parametrize(
    ("tx", "dist", "asked"), [(["popen", "2*popen"], "load", 3), ([], "no", 0)]
)
def test_xdist_is_told_to_start_fewer_where_connections_are_few(
    tx: list[str], dist: str, asked: int
) -> None:
    option = SimpleNamespace(tx=tx, dist=dist, numprocesses=len(tx))
    config: Any = SimpleNamespace(option=option, getvalue=lambda name: getattr(option, name))

    assert cases._workers_asked(config) == asked
    if asked:
        cases._lower_workers(config, 1)
        assert (option.tx, option.numprocesses) == (["popen"], 1)
