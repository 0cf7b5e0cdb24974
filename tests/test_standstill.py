"""
A time-out alone is no finding: a call is stuck when nothing moves and nothing is waited for from outside.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store_conformance.contract import Level, Mode, Verdict
from store_conformance.contract.records import Row
from store_conformance.harness.errors import CaseEnded
from store_conformance.harness.journal import Call, Journal
from store_conformance.harness.loops import PATIENCE, HungError, run_bounded
from store_conformance.harness.runner import Outcome
from store_conformance.harness.standstill import Standstill
from store_conformance.runs.health import Health

SCRIPT = """
import socket, threading, time
from store_conformance.harness.loops import HungError, Watch, run_bounded

lock = threading.Lock()
lock.acquire()
server = socket.create_server(("127.0.0.1", 0))

def waits_for_a_lock():
    with lock:
        pass

def computes():
    while True:
        sum(range(1000))

def waits_for_an_answer():
    with socket.create_connection(server.getsockname()) as connection:
        connection.recv(1)

try:
    begin = time.monotonic()
    run_bounded({body}, 0.6, "case", Watch(lambda: begin))
except HungError as error:
    print(error.verdict.value, error.seen.moved, error.seen.connected)
    print(error)
"""


@pytest.mark.parametrize(
    ("body", "seen", "said"),
    [
        ("waits_for_a_lock", "fail False False", "stuck in waits_for_a_lock"),
        ("computes", "unverified True False", "too slow to tell"),
        ("waits_for_an_answer", "unverified False True", "too slow to tell"),
    ],
)
def test_a_call_is_stuck_when_nothing_moves_and_nothing_is_waited_for(
    body: str, seen: str, said: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("{body}", body))

    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )

    first, second = done.stdout.splitlines()
    assert first == seen, done.stderr
    assert said in second


SPINS = "import os, sys; os.sched_setaffinity(0, [int(sys.argv[1])])\nwhile True: pass"
STARVED = """
import hashlib, os, sys, time
from store_conformance.harness.loops import HungError, Watch, run_bounded

def computes_where_another_has_the_core():
    os.sched_setaffinity(0, [int(sys.argv[1])])
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)

try:
    begin = time.monotonic()
    run_bounded(computes_where_another_has_the_core, 0.6, "case", Watch(lambda: begin))
except HungError as error:
    print(error.verdict.value, error.seen.moved, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a thread waits for")
def test_a_call_that_gets_no_core_is_not_stuck(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(STARVED)
    core = str(max(os.sched_getaffinity(0)))
    # No child of the process that is looked at: its time would count as that process's own.
    with subprocess.Popen([sys.executable, "-c", SPINS, core]) as spinner:
        try:
            done = subprocess.run(
                [sys.executable, str(script), core],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        finally:
            spinner.kill()

    assert done.stdout.split() == ["unverified", "True"], done.stderr


@pytest.mark.parametrize(
    ("first", "verdict"), [("raises", Verdict.FAIL), ("answers", Verdict.UNVERIFIED)]
)
def test_a_store_whose_calls_all_end_with_its_own_time_out_fails_after_one(
    first: str, verdict: Verdict
) -> None:
    journal, begin = Journal(), time.monotonic()

    def calls() -> None:
        for number in range(1000):
            time.sleep(0.05)
            raised = (
                None if first == "answers" and number == 0 else TimeoutError("no answer in 50 ms")
            )
            journal.add(Call(0, "get", (("a",), "k"), {}, raised=raised))

    with pytest.raises(CaseEnded) as ended:
        run_bounded(calls, 0.4, "case", journal.watch())

    assert ended.value.verdict is verdict
    if verdict is Verdict.FAIL:
        assert "get(('a',), 'k') -> raised TimeoutError" in str(ended.value)
    else:
        assert time.monotonic() - begin >= PATIENCE * 0.4


def test_an_answer_that_is_kept_no_more_still_counts() -> None:
    journal = Journal()
    for number in range(200):
        raised = TimeoutError("no answer") if number != 50 else None
        journal.add(Call(0, "get", (("a",), "k"), {}, raised=raised))
        assert (journal.only_errors() is None) == (number == 0 or number >= 50)


class _Health(Health):
    """One whose look at a fresh place takes as long as the test says."""

    def __init__(self, took: float | None) -> None:
        super().__init__(SimpleNamespace(engine=lambda: None), answered=[Mode.SYNC])  # type: ignore[arg-type]
        self.took = took

    def _answers(self, mode: Mode) -> bool:
        time.sleep(self.took or 0.0)
        return self.took is not None


def _slow(level: Level = Level.MUST, operations: int = 1) -> Outcome:
    seen = Standstill(moved=True, connected=True, place="recv (x.py:1)", load="load 9.0 on 2 cores")
    error = HungError(2.0, seen)
    row = Row(
        backend="mine",
        rule="K1",
        level=level,
        case="keyvalue::x",
        mode=Mode.SYNC,
        verdict=error.verdict,
        message=str(error),
    )
    lab: Any = SimpleNamespace(mode=Mode.SYNC, journal=Journal(operations=operations))
    return Outcome(row, (), lab, error)


@pytest.mark.parametrize(
    ("took", "verdict", "said"),
    [
        (0.0, Verdict.FAIL, "while a fresh place answered in"),
        (0.5, Verdict.UNVERIFIED, "load 9.0 on 2 cores"),
        (None, Verdict.UNVERIFIED, "load 9.0 on 2 cores"),
    ],
)
def test_a_call_without_an_answer_is_stuck_when_a_fresh_place_answers_at_once(
    took: float | None, verdict: Verdict, said: str
) -> None:
    found = _Health(took).judged(_slow(), lambda: pytest.fail("the case is not run again"))

    assert found.row.verdict is verdict
    assert said in found.row.message


@pytest.mark.parametrize(
    ("operations", "verdict"), [(10, Verdict.FAIL), (3_900, Verdict.UNVERIFIED)]
)
def test_a_batch_of_thousands_may_take_as_much_longer_as_it_is_larger(
    operations: int, verdict: Verdict
) -> None:
    slow = _slow(operations=operations)

    found = _Health(0.02).judged(slow, lambda: pytest.fail("the case is not run again"))

    assert found.row.verdict is verdict


def test_no_rule_of_observation_fails_for_it() -> None:
    found = _Health(0.0).judged(_slow(Level.IMPL), lambda: pytest.fail("the case is not run again"))

    assert found.row.verdict is Verdict.UNVERIFIED
