"""
A store that gives no answer while a case asks it about itself costs that case, and no other one its verdict.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends.factory import user_supplied
from store_conformance.contract import Mode, Verdict, declared
from store_conformance.harness.backends import Backend, create
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.lab import Lab
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.suite.register import all_cases
from store_conformance.suite.support.turns import turn

SETTINGS = Settings(timeout=1.0, embed="exact", confirm=False)
STORE = """
import threading
from langgraph.store.memory import InMemoryStore

class Store(InMemoryStore):
    def batch(self, ops):
        ops = list(ops)
        if len(ops) > 2 and any("%" in str(getattr(op, "key", "")) for op in ops):
            threading.Event().wait(60)
        return super().batch(ops)

def open_store(at, index, ttl):
    return Store()
"""


def _spec(statement: str) -> CaseSpec:
    return next(s for s in all_cases() if s.id.endswith(f"::{statement}"))


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[Backend]:
    """A store that hangs when it is asked which odd keys it takes."""
    (tmp_path / "shop.py").write_text(STORE, "utf-8")
    capabilities = declared(("no-persistence", "no-processes", "no-ttl"))
    backend = user_supplied(
        f"{tmp_path / 'shop.py'}:open_store", name="stuck", capabilities=capabilities
    )
    backend.start()
    yield backend
    backend.stop()


def test_a_store_that_hangs_when_it_is_asked_fails_and_keeps_no_other_waiting(
    stuck: Backend,
) -> None:
    spec = _spec("get_of_what_is_missing_is_none")
    memory = create("memory")
    memory.start()

    def run(backend: Backend) -> Any:
        return run_case(backend, spec, Mode.SYNC, None, SETTINGS).row

    rows = [run(stuck), run(memory), run(stuck)]
    memory.stop()

    assert rows[1].verdict is Verdict.PASS, rows[1].message
    for row in (rows[0], rows[2]):  # a machine that others keep busy is not blamed on a store
        assert row.verdict in (Verdict.FAIL, Verdict.UNVERIFIED)
        assert row.verdict is Verdict.UNVERIFIED or "no answer within 1 s" in row.message


def _lab(backend: Backend) -> Lab:
    return Lab(backend, _spec("get_of_what_is_missing_is_none"), Mode.SYNC, None, SETTINGS)


def test_a_turn_is_waited_for_until_its_case_is_given_up(stuck: Backend) -> None:
    first, second, taken = _lab(stuck), _lab(stuck), threading.Event()

    def wait() -> None:
        with turn(second):
            taken.set()

    with turn(first), turn(first):
        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        assert not taken.wait(0.2)
        first.abandon()
        assert taken.wait(20)
        waiting.join()


def test_a_turn_that_ended_is_free_and_other_stores_have_their_own(stuck: Backend) -> None:
    begin = time.monotonic()
    for _ in range(2):
        with turn(_lab(stuck)), turn(_lab(create("memory"))):
            pass
    assert time.monotonic() - begin < 20
