"""
What a store raises and answers is told by code of the store: it may hang, exit and say what no encoding has.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends.factory import user_supplied
from store_conformance.contract import Mode, Verdict
from store_conformance.contract.records import Row
from store_conformance.harness import runner
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.harness.text import message_of, represent
from store_conformance.pytest_plugin.items import failure_text
from store_conformance.suite.register import all_cases

CASE = next(s for s in all_cases() if s.rule_id == "K3" and Mode.SYNC in s.modes and not s.params)
STORE = """
import time
from langgraph.store.base import GetOp, PutOp
from langgraph.store.memory import InMemoryStore

class OddError(Exception):
    def __str__(self):
        {said}

class Odd:
    def __repr__(self):
        {shown}

class Store(InMemoryStore):
    def batch(self, ops):
        ops = list(ops)
        answers = super().batch(ops)
        {call}
        return answers

def open_store(at, index, ttl):
    return Store()
"""
RAISES = "raise OddError"
ANSWERS = """for item in answers:
            if hasattr(item, "value"):
                item.value = Odd()"""
HANGS, EXITS, PLAIN = "time.sleep(600)", "raise SystemExit(0)", "return 'plain'"


def _row(folder: Path, call: str, said: str = PLAIN, shown: str = PLAIN) -> Row:
    (folder / "shop.py").write_text(STORE.format(call=call, said=said, shown=shown), "utf-8")
    backend = user_supplied(f"{folder / 'shop.py'}:open_store", name="odd")
    backend.start()
    try:
        settings = Settings(timeout=1.0, confirm=False)
        return run_case(backend, CASE, Mode.SYNC, next(iter(CASE.expand())), settings).row
    finally:
        backend.stop()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"call": RAISES, "said": HANGS}, "it is stuck in __str__ (shop.py:8)"),
        ({"call": RAISES, "said": EXITS}, "raised OddError: <whose text raised SystemExit>"),
        ({"call": RAISES}, "raised OddError: plain"),
        ({"call": ANSWERS, "shown": HANGS}, "what the store raised or answered cannot be shown"),
        ({"call": ANSWERS, "shown": EXITS}, "the store's call ended with SystemExit: 0"),
        ({"call": ANSWERS}, "plain"),
    ],
)
def test_a_text_that_hangs_or_exits_costs_its_case_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str
) -> None:
    monkeypatch.setattr(runner, "TELL_SECONDS", 1.0)

    row = _row(tmp_path, **given)

    # Between calls, nothing tells a text that hangs from a case that is slow.
    between = given.get("shown") == HANGS
    if not between and "too slow to tell" in row.message:
        pytest.skip(f"unverified: the machine is busy; {row.message}")
    assert row.verdict is (Verdict.UNVERIFIED if between else Verdict.FAIL)
    assert told in f"{row.message} {row.got}"


def test_a_store_that_speaks_plainly_passes(tmp_path: Path) -> None:
    assert _row(tmp_path, "pass").verdict is Verdict.PASS


@pytest.mark.parametrize("make", [message_of, lambda error: represent(str(error))])
def test_what_no_encoding_has_is_told_as_an_escape(make: Callable[[Any], str]) -> None:
    told = make(RuntimeError("\udcff and \ud800"))

    assert "\\udcff and \\ud800" in told
    assert told.encode("utf-8")


def test_the_report_of_a_failed_test_can_be_sent(tmp_path: Path) -> None:
    row = _row(tmp_path, "raise RuntimeError('\\udcff')")

    assert failure_text(CASE.rule, row).encode("utf-8")
