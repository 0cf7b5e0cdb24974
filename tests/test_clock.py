"""
A clock that somebody sets while a case runs: a failure then tells nothing of the store, and a pass still does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import pytest

from store_conformance.backends.factory import user_supplied
from store_conformance.contract import Mode, Verdict
from store_conformance.contract.records import Row
from store_conformance.harness import clock
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.clock import WallClock
from store_conformance.harness.lab import Lab
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.suite.register import all_cases

Set = Callable[[float], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets the wall clock, as this package sees it, forward or back."""
    ahead = [0.0]
    monkeypatch.setattr(clock, "time", lambda: monotonic() + 1e9 + ahead[0])

    def forward(seconds: float) -> None:
        ahead[0] += seconds

    return forward


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-7200.0, "set back by 7200.0 s"), (86400.0, "set forward by"), (0.01, None), (0.0, None)],
)
def test_a_step_is_told_from_a_clock_that_is_slowed(
    set_clock: Set, seconds: float, said: str | None
) -> None:
    began = WallClock()

    set_clock(seconds)

    told = began.was_set()
    assert (told is None) if said is None else (told is not None and said in told)


def test_what_comes_between_two_looks_is_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes this process off its core between the look at the one clock and the other."""
    moments = iter([0.0, 3.0, 3.0, 3.001, 9.0, 9.001])
    monkeypatch.setattr(clock, "monotonic", lambda: next(moments))
    walls = iter([1003.0, 1003.0, 1009.0])
    monkeypatch.setattr(clock, "time", lambda: next(walls))

    assert WallClock().was_set() is None


def _ran(body: Callable[[Lab], None]) -> Row:
    spec: CaseSpec = replace(next(s for s in all_cases() if s.rule_id == "K3"), func=body)
    backend = user_supplied("langgraph.store.memory:InMemoryStore")
    try:
        return run_case(backend, spec, Mode.SYNC, None, Settings()).row
    finally:
        backend.stop()


@pytest.mark.parametrize(
    ("seconds", "holds", "verdict"),
    [
        (-7200.0, False, Verdict.UNVERIFIED),
        (-7200.0, True, Verdict.PASS),
        (0.0, False, Verdict.FAIL),
    ],
)
def test_a_failure_beside_a_clock_that_was_set_accuses_nobody(
    set_clock: Set, seconds: float, holds: bool, verdict: Verdict
) -> None:
    def body(lab: Lab) -> None:
        store = lab.open()
        set_clock(seconds)
        store.put(("a",), "k", {"n": 1})
        lab.equal(store.value(("a",), "k"), {"n": 1 if holds else 2}, "what was put")

    row = _ran(body)

    assert row.verdict is verdict, row.message
    assert ("clock was set back" in row.message) is (verdict is Verdict.UNVERIFIED)
