"""
Cases that wait run side by side, each of them once, and alone where their verdict surprises.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store_conformance.backends.factory import user_supplied
from store_conformance.backends.memory import MemoryBackend
from store_conformance.contract import Level, Mode, Verdict
from store_conformance.contract.records import Row
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.lab import Lab
from store_conformance.harness.runner import Outcome, run_case
from store_conformance.harness.settings import Settings
from store_conformance.harness.waiting import AT_ONCE, Job, WaitingCases
from store_conformance.mutants.broken_ttl import SearchNeverRefreshes
from store_conformance.mutants.reference import ItemRow, ReferenceStore
from store_conformance.runs.known import shipped_expectations
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession
from store_conformance.suite.register import all_cases


def waiting() -> list[CaseSpec]:
    return [spec for spec in all_cases() if spec.waits and not spec.params]


def jobs(count: int) -> list[Job]:
    return [Job(spec, "memory", Mode.SYNC, None) for spec in waiting()[:count]]


def outcome(job: Job, verdict: Verdict = Verdict.PASS) -> Outcome:
    row = Row(
        job.backend, job.spec.rule_id, Level.MUST, job.spec.case_id(None), job.mode, verdict, ""
    )
    return Outcome(row, (), Lab(MemoryBackend(), job.spec, job.mode, None, Settings()), None)


class Runs:
    """Runs jobs and counts them; ``verdicts`` are given one after the other, then passes."""

    def __init__(self, *verdicts: Verdict, together: int = 1) -> None:
        self.verdicts = list(verdicts)
        self.count: Counter[str] = Counter()
        self.prepared: list[str] = []
        self.gate = threading.Barrier(together, timeout=20)

    def __call__(self, job: Job) -> Outcome:
        self.count[job.spec.id] += 1
        self.gate.wait()
        return outcome(job, self.verdicts.pop(0) if self.verdicts else Verdict.PASS)

    def cases(self, given: list[Job]) -> WaitingCases:
        return WaitingCases(self, self.prepared.append, self.surprises, given)

    @staticmethod
    def surprises(what: Outcome) -> bool:
        return what.row.verdict == Verdict.FAIL


def test_they_run_at_the_same_time_and_once_each() -> None:
    given = jobs(8)
    run = Runs(together=8)  # none ends before all eight have begun
    cases = run.cases(given)

    taken = [cases.take(job).row.case for job in given]

    assert taken == [job.spec.id for job in given]
    assert run.count == Counter(job.spec.id for job in given)
    assert run.prepared == ["memory"]


def test_no_more_than_the_limit_run_at_once() -> None:
    given = jobs(AT_ONCE + 4)
    running, most, lock = 0, 0, threading.Lock()
    free = threading.Event()

    def run(job: Job) -> Outcome:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == AT_ONCE:
                free.set()
        assert free.wait(20)
        with lock:
            running -= 1
        return outcome(job)

    cases = WaitingCases(run, lambda name: None, lambda what: False, given)
    for job in given:
        cases.take(job)

    assert most == AT_ONCE


def test_a_surprise_is_run_again_alone() -> None:
    given = jobs(2)
    run = Runs(Verdict.FAIL, Verdict.FAIL)
    cases = run.cases(given)

    assert [cases.take(job).row.verdict for job in given] == [Verdict.PASS] * 2
    assert run.count == Counter({job.spec.id: 2 for job in given})


def test_a_case_that_was_not_announced_runs_where_it_is_asked_for() -> None:
    run = Runs()
    cases = run.cases([])

    assert cases.take(jobs(1)[0]).row.verdict == Verdict.PASS
    assert run.prepared == []


def test_where_no_thread_can_be_started_each_case_runs_when_it_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[str] = []

    def start(self: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(self.name)
        usual(self)

    usual = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    given, run = jobs(3), Runs()
    cases = run.cases(given)

    assert [cases.take(job).row.verdict for job in given] == [Verdict.PASS] * 3
    assert run.count == Counter({job.spec.id: 1 for job in given})


def test_what_breaks_in_the_thread_is_raised_where_it_is_taken() -> None:
    def broken(job: Job) -> Outcome:
        raise RuntimeError("ours")

    given = jobs(2)
    cases = WaitingCases(broken, lambda name: None, lambda what: False, given)
    for job in given:
        with pytest.raises(RuntimeError, match="ours"):
            cases.take(job)


def test_a_session_runs_what_waits_and_keeps_its_verdicts() -> None:
    backend = MemoryBackend()
    known = shipped_expectations("memory")
    session = RunSession({"memory": backend}, Selection(), Settings(), known)
    session.start()
    try:
        given = [
            Job(spec, "memory", mode, None)
            for spec in all_cases()
            if spec.waits and spec.rule_id == "K4"
            for mode in spec.modes
        ]
        assert len(given) > 4
        session.expect(given)
        rows = [session.run(j.spec, j.backend, j.mode, j.param).row for j in given]
        unexpected = [r for r in rows if r.verdict == Verdict.FAIL and r.expectation is None]
        assert unexpected == []
        assert any(r.verdict == Verdict.PASS for r in rows)
        assert any(r.waited > 0 for r in rows)
    finally:
        session.stop()


SLOW = """
import sys, time
sys.path.insert(0, {root!r})
from store_conformance.mutants.reference import ReferenceStore

class Slow(ReferenceStore):
    def execute(self, plan, embedded, turn):
        time.sleep(0.08)
        return super().execute(plan, embedded, turn)

def open_store(at, index, ttl):
    return Slow.open_store(at, index, ttl)
"""


@pytest.mark.slow
def test_a_slow_store_is_given_items_that_live_longer(tmp_path: Path) -> None:
    """Within five seconds it cannot do all the reads; that is no reason to know nothing of it."""
    file = tmp_path / "slow_store.py"
    file.write_text(SLOW.format(root=str(Path(__file__).resolve().parent.parent)))
    backend = user_supplied(f"{file}:open_store")
    spec = next(
        s for s in all_cases() if s.id == "ttl_refresh::what_refreshes_an_item_and_what_does_not"
    )
    backend.start()
    try:
        done = run_case(backend, spec, Mode.SYNC, "by default", Settings(embed="exact"))
    finally:
        backend.stop()

    assert done.row.verdict == Verdict.PASS, done.row.message
    assert done.row.seconds > 7, "the first, short lives were enough"


class WholeMinutes(ReferenceStore):
    """What a refresh gives is counted in whole minutes, as by PostgresStore."""

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        counted = [row._replace(ttl=row.ttl and float(round(row.ttl))) for row in rows]
        super().refresh(counted, wanted)


class WholeMinutesAndNoSearch(WholeMinutes, SearchNeverRefreshes):
    """And searches do not refresh."""


@pytest.mark.slow
def test_a_store_that_counts_whole_minutes_hides_no_other_fault_of_its_refreshes() -> None:
    """An item of seconds is gone with its first refresh there, so only longer lives tell the two apart."""
    seconds, minutes = (
        next(s for s in all_cases() if s.id == f"ttl_refresh::what_refreshes_an_item_{which}")
        for which in ("and_what_does_not", "of_more_than_half_a_minute")
    )

    def told(store: type[ReferenceStore], spec: CaseSpec, param: str | None) -> str:
        backend = user_supplied(f"{store.__module__}:{store.__name__}.open_store")
        backend.start()
        try:
            row = run_case(backend, spec, Mode.SYNC, param, Settings(embed="exact")).row
        finally:
            backend.stop()
        assert row.verdict in (Verdict.PASS, Verdict.FAIL), row.message
        return row.message if row.verdict is Verdict.FAIL else ""

    stores = (ReferenceStore, WholeMinutes, WholeMinutesAndNoSearch)
    with ThreadPoolExecutor(6) as pool:
        long = [pool.submit(told, store, minutes, None) for store in stores]
        short = [pool.submit(told, s, seconds, "refresh_on_read=True") for s in stores]

    right, counted, both = (one.result() for one in long)
    assert right == ""
    assert counted.endswith("an item whose only refresh, for its own ttl, was long ago")
    assert "where a search with limit=1 and offset=1 gave ['b']" in both
    assert "a search" not in counted
    alike = [one.result() for one in short]
    assert alike[0] == ""
    assert alike[1] == alike[2] != ""
