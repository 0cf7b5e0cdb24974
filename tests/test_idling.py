"""
Who uses the processor while a case sleeps: told by thread, so that what was busy before is left out.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from store_conformance.harness import idling
from store_conformance.harness.idling import Spent, Thread, busy_now, used_while_waiting

TRIES = 100
"""On a loaded machine a busy thread may have no turn in many windows, which not every system tells."""


@contextmanager
def thread_that(works: Callable[[threading.Event], object]) -> Iterator[Thread]:
    ended = threading.Event()
    thread = threading.Thread(target=works, args=(ended,), daemon=True)
    thread.start()
    assert thread.native_id is not None
    try:
        yield os.getpid(), thread.native_id
    finally:
        ended.set()
        thread.join()


def spin(ended: threading.Event) -> None:
    while not ended.is_set():
        time.sleep(0)


def test_a_thread_that_asks_again_and_again_is_seen() -> None:
    with thread_that(spin) as busy:
        assert any(used_while_waiting(0.1).get(busy, 0.0) > 0.0 for _ in range(TRIES))
        assert any(busy in busy_now(0.1) for _ in range(TRIES))


HERE = (1, 1)
"""A thread of whose account the tests below tell."""


def share_of(
    monkeypatch: pytest.MonkeyPatch, begin: Spent, *later: Spent, seconds: float = 1.0
) -> float:
    """What is told of a thread that had this account at the beginning, and these at the looks that followed."""
    accounts = iter((begin, *later, *[later[-1]] * 10_000))
    clock = iter(seconds * n for n in range(10_000))
    monkeypatch.setattr(idling, "_spent", lambda: {HERE: next(accounts)})
    monkeypatch.setattr(idling, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=abs))
    return used_while_waiting(seconds)[HERE]


def test_time_spent_waiting_for_a_processor_is_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    starved = share_of(monkeypatch, Spent(0.0), Spent(0.01, waiting=0.98, turns=10))
    resting = share_of(monkeypatch, Spent(0.0), Spent(0.01, waiting=0.0, turns=10))

    assert starved == pytest.approx(0.5)
    assert resting == pytest.approx(0.01)


def test_a_thread_that_never_sleeps_is_busy_whatever_it_got(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert share_of(monkeypatch, Spent(0.0), Spent(0.001, ready=True)) == 1.0


def test_a_thread_that_was_about_to_work_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = (Spent(0.0, ready=True), Spent(0.001, waiting=0.9))

    assert share_of(monkeypatch, Spent(0.0), *looks) < 0.04


def test_waking_a_thread_costs_something(monkeypatch: pytest.MonkeyPatch) -> None:
    assert share_of(monkeypatch, Spent(0.0), Spent(0.001, turns=10_000)) == pytest.approx(0.2)
    assert share_of(monkeypatch, Spent(0.0), Spent(0.001, turns=10)) == pytest.approx(0.001)


def test_neither_one_that_waits_nor_the_caller_is() -> None:
    with thread_that(threading.Event.wait) as waiting:
        # The first look may fall into the thread's beginning.
        used = [used_while_waiting(0.1) for _ in range(3)][-1]

        assert used[waiting] == 0.0
        assert (os.getpid(), threading.get_native_id()) not in used
