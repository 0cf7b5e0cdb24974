"""
Whatever a store raises is a finding in the words of every case: one without a text, and one that ends programs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends.factory import user_supplied
from store_conformance.contract import Mode, Verdict, declared
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.loops import LoopThread
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.suite.register import all_cases

SETTINGS = Settings(timeout=20.0, embed="exact", histories=1, steps=10, confirm=False)
RULES = ("K2", "L2", "N4", "S2", "S7", "S8")
"""Those that ask for large pages and batches, and for odd keys: such refusals are read."""
STORE = """
from langgraph.store.memory import InMemoryStore

class UnspeakableError(ValueError):
    def __str__(self):
        raise RuntimeError("no text")

class Store(InMemoryStore):
    def batch(self, ops):
        ops = list(ops)
        if {when}:
            raise {error}
        return super().batch(ops)

    async def abatch(self, ops):
        ops = list(ops)
        if {when}:
            raise {error}
        return await super().abatch(ops)

def open_store(at, index, ttl):
    return Store(index=index)
"""


def verdicts(
    folder: Path, when: str, error: str, wanted: Callable[[CaseSpec], bool], *modes: Mode
) -> Counter[Verdict]:
    (folder / "shop.py").write_text(STORE.format(when=when, error=error), "utf-8")
    backend = user_supplied(
        f"{folder / 'shop.py'}:open_store",
        name="shop",
        capabilities=declared(("no-persistence", "no-processes", "no-ttl")),
    )
    backend.start()
    try:
        return Counter(
            run_case(backend, spec, mode, next(iter(spec.expand())), SETTINGS).row.verdict
            for spec in all_cases()
            if wanted(spec) and not (spec.serial or spec.waits)
            for mode in modes
            if mode in spec.modes
        )
    finally:
        backend.stop()


def test_an_error_without_a_text_is_an_error_of_the_store_in_every_case(tmp_path: Path) -> None:
    def wanted(spec: CaseSpec) -> bool:
        return spec.rule_id in RULES and spec.seconds is None

    found = verdicts(tmp_path, "len(ops) > 1", "UnspeakableError", wanted, Mode.SYNC)

    assert found[Verdict.ERROR] == 0
    assert found[Verdict.FAIL] > 8


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt", "GeneratorExit"])
def test_what_ends_a_program_fails_the_case_at_once_in_both_modes(
    tmp_path: Path, error: str
) -> None:
    found = verdicts(tmp_path, "True", error, lambda s: s.rule_id == "N4", Mode.SYNC, Mode.ASYNC)

    assert found == {Verdict.FAIL: 2}


async def _exits() -> None:
    raise SystemExit(3)


async def _waits_for_one_that_exits() -> None:
    await asyncio.gather(_exits(), asyncio.sleep(0.01))


async def _goes_on_beside() -> int:
    beside = asyncio.ensure_future(_exits())
    await asyncio.sleep(0.01)
    return 5 if beside.done() and isinstance(beside.exception(), SystemExit) else 0


@pytest.mark.parametrize("work", [_exits, _waits_for_one_that_exits])
def test_a_task_that_exits_is_heard_of(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = LoopThread()
    with pytest.raises(SystemExit):
        loop.run(work())
    assert loop.run(_goes_on_beside()) == 5
    loop.close()
    assert loop._thread is not None and not loop._thread.is_alive()
