"""
Workers that are not heard of any more are ended from outside; those that are only slow, or rest, are not.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store_conformance.backends.engines.processes import descendants, kill_tree, runs
from store_conformance.backends.polling import wait_until
from store_conformance.contract import Mode
from store_conformance.harness.settings import Settings
from store_conformance.harness.waiting import Job
from store_conformance.harness.watchdog import beat_file, read_beat, read_stacks
from store_conformance.pytest_plugin import cases
from store_conformance.pytest_plugin.items import case_label
from store_conformance.pytest_plugin.supervising import IDLE, KILLED, LOOKS, Owing, Supervisor
from store_conformance.runs.case_runs import MOST_KILLED
from store_conformance.runs.options import RunOptions, session_from_options
from store_conformance.runs.session import RunSession

WORKER = """
import os, signal, sys, time
from pathlib import Path
from store_conformance.harness import watchdog
watchdog.guard_process(Path(sys.argv[1]))
watchdog.feed(float(sys.argv[2]))
if sys.argv[3] == "rests":
    watchdog.rest()
print("ready", flush=True)
if sys.argv[3] == "stops":
    os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(60)
"""

SLEEPS = "import time; time.sleep(600)"


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="unverified: no such signal here")
@pytest.mark.parametrize(
    ("seconds", "what", "ended"),
    [(-60, "stops", True), (60, "stops", False), (-60, "rests", False)],
)
def test_a_worker_that_stands_still_beyond_its_time_is_killed(
    tmp_path: Path, seconds: float, what: str, ended: bool
) -> None:
    stacks = tmp_path / "gw0.txt"
    # Its own watchdog is taken away, as a store may do: there is no time-out in the past.
    script = (
        "import faulthandler\nfaulthandler.dump_traceback_later = lambda *a, **k: None\n" + WORKER
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", script, str(stacks), str(seconds), what],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
        supervisor = Supervisor(tmp_path)
        supervisor.stop()
        for _ in range(LOOKS - 1):
            supervisor.look()
        assert worker.poll() is None  # the whole run may have been stopped for a while
        for _ in range(2):
            supervisor.look()
        if ended:
            assert worker.wait(20) == -signal.SIGKILL
            assert read_stacks(stacks) == (KILLED,)
            assert read_beat(beat_file(stacks)) is None
        else:
            assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()


def test_a_process_that_is_no_worker_is_not_ended_whatever_a_store_writes(tmp_path: Path) -> None:
    script = f"import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}])\nprint(p.pid, flush=True); p.wait()"
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        stranger = int(parent.stdout.readline())
        beat = beat_file(tmp_path / "gw0.txt")
        beat.write_text(f"{stranger} 1.0\n", "ascii")
        supervisor = Supervisor(tmp_path)
        supervisor.stop()
        for _ in range(LOOKS + 1):
            supervisor.look()
        supervisor.end_all()

        assert runs(stranger) and not beat.exists()
    finally:
        kill_tree(parent.pid)
        parent.communicate()


RESTING = {
    "rests": "time.sleep(600)",
    "computes": "while True: pass",
    "waits for a child": "subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])",
}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="unverified: no such signal here")
@pytest.mark.parametrize(
    ("what", "owes", "ended"),
    [
        ("rests", True, True),
        ("rests", False, False),
        ("computes", True, False),
        ("waits for a child", True, False),
    ],
)
def test_a_worker_that_does_nothing_although_it_has_cases_is_killed(
    tmp_path: Path, what: str, owes: bool, ended: bool
) -> None:
    script = f"import subprocess, sys, time; print('ready', flush=True)\n{RESTING[what]}"
    worker = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
        if what == "waits for a child":
            assert wait_until(lambda: bool(descendants(worker.pid)), 20)
        supervisor = Supervisor(tmp_path, lambda: [Owing(worker.pid, "gw0")] if owes else [])
        supervisor.stop()

        def killed() -> bool:
            supervisor.look_for_idle(0.2)
            return worker.poll() is not None

        assert wait_until(killed, 20 if ended else 2, pause=0.1) is ended
        assert read_stacks(tmp_path / "gw0.txt") == ((IDLE,) if ended else ())
    finally:
        kill_tree(worker.pid)
        worker.communicate()


def test_who_is_in_a_case_is_not_idle(tmp_path: Path) -> None:
    worker = subprocess.Popen([sys.executable, "-c", SLEEPS])
    try:
        beat = beat_file(tmp_path / "gw0.txt")
        supervisor = Supervisor(tmp_path, lambda: [Owing(worker.pid, "gw0")])
        supervisor.stop()
        beat.write_text(f"{worker.pid} 9e9\n", "ascii")
        for _ in range(3):
            supervisor.look_for_idle(0.0)
        assert worker.poll() is None
        beat.write_text(f"{worker.pid} 0\n", "ascii")

        def killed() -> bool:
            supervisor.look_for_idle(0.0)
            return worker.poll() is not None

        assert wait_until(killed, 20, pause=0.1)
    finally:
        worker.kill()
        worker.wait()


TAKES_DESCRIPTORS = """
import os, sys
from pathlib import Path
from store_conformance.harness import watchdog
from store_conformance.harness.process import pipes
watchdog.guard_process(Path(sys.argv[1]))
commands, answers = pipes.own_pipes()
if sys.argv[2] == "closed":
    os.closerange(3, 256)
    own = [os.open(sys.argv[3], os.O_CREAT | os.O_RDWR) for _ in range(40)]
    os.write(own[0], b"the user's")
watchdog.feed(60)
watchdog.rest()
try:
    pipes.send(answers, "told")
except OSError:
    pass
os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="unverified: descriptors differ there")
@pytest.mark.parametrize(("what", "told"), [("closed", ""), ("open", "told\n")])
def test_what_a_store_opens_in_the_place_of_our_files_is_not_written_to(
    tmp_path: Path, what: str, told: str
) -> None:
    words = [str(tmp_path / "gw0.txt"), what, str(tmp_path / "mine")]
    done = subprocess.run(
        [sys.executable, "-c", TAKES_DESCRIPTORS, *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout == told
    if what == "closed":
        assert (tmp_path / "mine").read_text("utf-8") == "the user's"
    else:
        assert beat_file(tmp_path / "gw0.txt").read_text("ascii").split()[1] == "0.000"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="unverified: no such signal here")
@pytest.mark.parametrize(("what", "ended"), [("works", True), ("rests", False)])
def test_at_once_means_that_no_case_is_waited_for(tmp_path: Path, what: str, ended: bool) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path / "gw0.txt"), "600", what],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
        supervisor = Supervisor(tmp_path)
        supervisor.stop()
        supervisor.end_all()
        assert (worker.wait(20) == -signal.SIGKILL) if ended else worker.poll() is None
    finally:
        worker.kill()
        worker.wait()


@pytest.fixture
def session() -> RunSession:
    return session_from_options(
        RunOptions(backends=("memory",), rules=("K3",), settings=Settings())
    )


def _job(session: RunSession) -> Job:
    spec = session.selection.cases()[0]
    return Job(spec, "memory", Mode.SYNC, next(iter(spec.expand())))


def _reported(session: RunSession, **more: Any) -> Any:
    job = _job(session)
    label = case_label(job.backend, job.mode, job.param)
    nodeid = f"{job.spec.func.__module__}::{job.spec.func.__name__}[{label}]@serial"
    given = {"when": "call", "failed": False, "user_properties": [], "longrepr": "", **more}
    return SimpleNamespace(nodeid=nodeid, **given)


def test_a_case_that_ended_without_a_verdict_is_not_lost(session: RunSession) -> None:
    cases._Recorder(session).pytest_runtest_logreport(_reported(session))

    (row,) = session.recording.rows
    assert (row.backend, row.rule, str(row.verdict)) == ("memory", "K3", "fail")
    assert "verdict was lost" in row.message


def test_a_fault_of_the_harness_stays_one(session: RunSession) -> None:
    report = _reported(session, failed=True, longrepr="KeyError")
    cases._Recorder(session).pytest_runtest_logreport(report)

    assert [str(row.verdict) for row in session.recording.rows] == ["error"]


@pytest.mark.parametrize(("killed", "verdict"), [(MOST_KILLED, "unverified"), (1, "pass")])
def test_a_store_that_ended_very_many_processes_is_given_up(
    session: RunSession, killed: int, verdict: str
) -> None:
    job = _job(session)
    for _ in range(killed):
        session.record_killed(job, ())
    worker = RunSession(session.backends, session.selection, session.settings)
    worker.ends.killed.update(
        session.spec()["ends"]["killed"]
    )  # as the worker that comes next is told

    row = worker.run(job.spec, job.backend, job.mode, job.param).row

    assert str(row.verdict) == verdict
    assert ("processes that ran cases" in row.message) is (verdict == "unverified")
    session.stop()


@pytest.mark.parametrize(
    ("stacks", "said"),
    [
        (("Thread 1", "in batch"), "with the interpreter's lock held"),
        ((KILLED,), "killed from outside"),
        ((), "ended from within"),
    ],
)
def test_how_a_worker_ended_is_told(
    session: RunSession, stacks: tuple[str, ...], said: str
) -> None:
    session.record_killed(_job(session), stacks)

    assert said in session.recording.rows[0].message
    assert session.ends.hung["memory"] == bool(stacks)
