"""
What a store changes in its process decides nothing of ours: Python's modules, the import path, the working
folder, the standard streams and the descriptors.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from store_conformance.backends.factory import user_supplied
from store_conformance.contract import Mode, Verdict
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.exhaustion import exhausted
from store_conformance.harness.lab import Lab
from store_conformance.harness.process.child import Child
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.runs.case_runs import MOST_IN_A_ROW, MOST_KILLED, Ends
from store_conformance.runs.hosted import HostedBackend
from store_conformance.runs.options import RunOptions, session_from_options, session_from_spec
from store_conformance.runs.session import RunSession
from store_conformance.suite.register import all_cases

CHANGED = """
import sys, os, random, tempfile, threading, time
{take}
import store_conformance.harness.lab as lab
{again}
sys.path[:] = []
os.chdir(tempfile.mkdtemp()); os.rmdir(os.getcwd())
time.sleep = time.monotonic = random.Random = threading.Thread = None
{regain}
ours = [lab.time.sleep, lab.time.monotonic, lab.random.Random]
print(all(map(callable, ours)), time.sleep, bool(sys.path), end=" ")
try:
    os.getcwd(); print("somewhere")
except OSError:
    print("nowhere")
"""
TAKE = "from store_conformance.harness.footing import regain_footing, take_footing; take_footing()"
WITH = {"take": TAKE, "again": "take_footing()", "regain": "regain_footing()"}
WITHOUT = dict.fromkeys(WITH, "")


@pytest.mark.skipif(os.name == "nt", reason="unverified: a folder in use cannot be removed there")
@pytest.mark.parametrize(
    ("lines", "seen"), [(WITH, "True None True somewhere"), (WITHOUT, "False None False nowhere")]
)
def test_our_modules_keep_their_own_and_the_store_what_it_changed(
    tmp_path: Path, lines: dict[str, str], seen: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHANGED.format(**lines)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert done.stdout.strip() == seen, done.stderr


FINDER = """
import sys
{take}
class Finder:
    def find_spec(self, name, path=None, target=None):
        raise RuntimeError(name)
finder = Finder()
sys.meta_path.insert(0, finder)
{regain}
def tried(code, **names):
    try:
        exec(code, names); return "found"
    except RuntimeError:
        return "raises"
print(tried("import store_conformance.contract.survival", __name__="store_conformance.a"), end=" ")
print(tried("import email.mime.audio", __name__="shop"), end=" ")
sys.meta_path.remove(finder)
print(tried("import email.mime.audio", __name__="shop"))
"""


@pytest.mark.parametrize(
    ("lines", "seen"), [(WITH, "found raises found"), (WITHOUT, "raises raises found")]
)
def test_a_finder_that_raises_is_the_stores_alone(lines: dict[str, str], seen: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FINDER.format(**lines)], capture_output=True, text=True, timeout=120
    )

    assert done.stdout.strip() == seen, done.stderr


STORE = """
import json, os, sys, time
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore
{sin}

@contextmanager
def open_store(at, index, ttl):
    yield InMemoryStore()
"""
SINS = {
    "takes the streams": "print('x' * 300_000)\nfor n in (0, 1, 2): os.close(n)",
    "lets nobody import": """
class Finder:
    def find_spec(self, name, path=None, target=None):
        raise RuntimeError(name)
sys.meta_path.insert(0, Finder())
""",
    "takes the clock and the path": "sys.path[:] = []; time.sleep = time.monotonic_ns = None",
    "nothing": "",
}


@pytest.fixture
def supplied(tmp_path: Path) -> Callable[[str], str]:
    def write(sin: str) -> str:
        (tmp_path / "shop.py").write_text(STORE.format(sin=sin), "utf-8")
        return f"{tmp_path / 'shop.py'}:open_store"

    return write


@pytest.mark.parametrize("sin", SINS)
def test_a_child_process_answers_whatever_the_store_takes_from_it(
    supplied: Callable[[str], str], sin: str
) -> None:
    backend = user_supplied(supplied(""))
    reference = supplied(SINS[sin])  # only the other process imports this text
    assert reference == f"{backend.spec().details['factory']}"
    child = Child(backend, backend.location(), mode=Mode.SYNC)
    try:
        child.call("put", ("a",), "k", {"n": 1})
        assert child.call("get", ("a",), "k")["value"] == {"n": 1}
    finally:
        child.end()
        backend.stop()


# -- a store that is loaded when its first case comes ------------------------------------------------


def _worker(reference: str, ends: Ends | None = None) -> RunSession:
    """The session of a worker of a run of this store."""
    owner = session_from_options(RunOptions(stores=(reference,), rules=("K3",)))
    if ends is not None:
        owner.ends = ends
    return session_from_spec(owner.spec())


def _first(session: RunSession) -> tuple[Verdict, str]:
    job = next(session.jobs())
    row = session.run(job.spec, job.backend, job.mode, job.param).row
    return row.verdict, row.message


def test_a_worker_loads_the_store_with_its_first_case(supplied: Callable[[str], str]) -> None:
    reference = supplied("")
    session = _worker(reference)
    before = type(session.backends["shop"])

    assert _first(session)[0] is Verdict.PASS
    assert type(session.backends["shop"]) is not before
    session.stop()


def test_what_cannot_be_loaded_again_is_told_by_every_case(supplied: Callable[[str], str]) -> None:
    session = _worker(supplied(""))
    place = Path(str(session.backends["shop"].spec().details["factory"]).rpartition(":")[0])
    place.unlink()

    verdict, message = _first(session)

    assert verdict is Verdict.UNVERIFIED
    assert "no process in which its cases could run" in message and "no file" in message


@pytest.mark.parametrize(
    ("killed", "in_a_row", "given_up"),
    [(MOST_IN_A_ROW, MOST_IN_A_ROW, True), (MOST_KILLED, 1, True), (MOST_KILLED - 1, 1, False)],
)
def test_a_store_that_ends_one_process_after_the_other_is_given_none(
    supplied: Callable[[str], str], killed: int, in_a_row: int, given_up: bool
) -> None:
    counts = {"killed": Counter(shop=killed), "in_a_row": Counter(shop=in_a_row)}

    verdict, message = _first(_worker(supplied(""), Ends(**counts)))

    assert verdict is (Verdict.UNVERIFIED if given_up else Verdict.PASS)
    assert ("processes" in message) is given_up


def test_a_case_that_comes_to_its_own_end_ends_the_row(supplied: Callable[[str], str]) -> None:
    session = session_from_options(RunOptions(stores=(supplied(""),), rules=("K3",)))
    job = next(session.jobs())
    for _ in range(MOST_IN_A_ROW):
        session.record_killed(job, ())
    assert session.ends.given_up("shop")

    session.record(session.run(job.spec, job.backend, job.mode, job.param).row)

    assert session.ends.given_up("shop") is None
    session.stop()


def test_cases_that_no_process_took_up_are_told(supplied: Callable[[str], str]) -> None:
    session = session_from_options(RunOptions(stores=(supplied(""),), rules=("K3",)))
    session.record_lost(next(session.jobs()))

    session.record_never_begun("no worker is left")

    rows = session.recording.rows
    assert len(rows) == session.count_cases()
    assert Counter(r.verdict for r in rows)[Verdict.FAIL] == 1
    assert all("no worker is left" in r.message for r in rows if r.verdict is not Verdict.FAIL)


# -- a process that has run out of something ---------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "spent"),
    [
        (OSError(24, "Too many open files"), True),
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (OSError(2, "No such file"), False),
        (RuntimeError("another"), False),
    ],
)
def test_our_own_error_in_a_process_that_has_run_out_is_no_fault_of_the_harness(
    error: Exception, spent: bool
) -> None:
    def out_of_it(lab: Lab) -> None:
        Lab.location(lab)  # which raises, in code of ours

    backend = user_supplied("langgraph.store.memory:InMemoryStore")
    backend.location = lambda: _raise(error)  # type: ignore[method-assign, assignment, misc]
    spec: CaseSpec = replace(next(s for s in all_cases() if s.rule_id == "K3"), func=out_of_it)

    row = run_case(backend, spec, Mode.SYNC, None, Settings()).row

    assert (exhausted(error) is not None) is spent
    assert row.verdict is (Verdict.UNVERIFIED if spent else Verdict.ERROR), row.message


def _raise(error: Exception) -> None:
    raise error


# -- a process that a store forks --------------------------------------------------------------------

FORKS = """
import os, time
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

@contextmanager
def open_store(at, index, ttl):
    {fork}
    yield InMemoryStore()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="unverified: no fork here")
@pytest.mark.parametrize("fork", ["os.fork()", "os.fork() or time.sleep(60)", "pass"])
def test_a_fork_of_a_child_process_does_not_answer_in_its_name(tmp_path: Path, fork: str) -> None:
    (tmp_path / "shop.py").write_text(FORKS.format(fork=fork), "utf-8")
    backend = user_supplied(f"{tmp_path / 'shop.py'}:open_store")
    child = Child(backend, backend.location(), mode=Mode.SYNC)
    try:
        for n in range(20):
            child.call("put", ("a",), f"k{n}", {"n": n})
            assert child.call("get", ("a",), f"k{n}")["value"] == {"n": n}
    finally:
        child.kill()
        child.end()
        backend.stop()


LEAVES = """
import subprocess, sys
from langgraph.store.memory import InMemoryStore

def open_store(at):
    {leaves}
    return InMemoryStore()
"""


@pytest.mark.skipif(os.name == "nt", reason="unverified: sessions are POSIX's")
@pytest.mark.parametrize("leaves", [True, False])
def test_what_a_store_leaves_running_keeps_nobody_waiting(tmp_path: Path, leaves: bool) -> None:
    """A daemon holds the pipes of the process that started it."""
    daemon = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)"
    text = LEAVES.format(leaves=daemon if leaves else "pass")
    (tmp_path / "shop.py").write_text(text, "utf-8")
    backend = HostedBackend(f"{tmp_path / 'shop.py'}:open_store", seconds=60.0)
    backend.check(60.0)
    begin = time.monotonic()

    stopping = threading.Thread(target=backend.stop, daemon=True)
    stopping.start()
    stopping.join(50.0)

    assert not stopping.is_alive(), f"{time.monotonic() - begin:.0f} s"
