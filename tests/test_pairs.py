"""
Moves from one backend to another as a case of their own (E7): what is whole passes, what loses is caught.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from store_conformance.backends.base import EngineUnavailableError
from store_conformance.backends.registry import BUILT_IN, create
from store_conformance.contract import Mode, Verdict
from store_conformance.harness import private_engines
from store_conformance.harness.backends import Backend, user_supplied
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.mutants.catalogue import mutants
from store_conformance.suite.register import all_cases
from tests.backend_use import no_sqlite

PAIR: CaseSpec = next(s for s in all_cases() if s.id.endswith("move_to_every_other_backend"))


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    private_engines.stop_private()


def moved(backend: Backend, to: str, mode: Mode = Mode.SYNC) -> Verdict:
    backend.start()
    try:
        return run_case(backend, PAIR, mode, to, Settings(embed="exact")).row.verdict
    finally:
        backend.stop()


def test_there_is_a_row_for_every_shipped_backend() -> None:
    assert tuple(PAIR.expand()) == BUILT_IN


@no_sqlite
@pytest.mark.parametrize("mode", list(Mode))
def test_memories_move_between_stores_that_are_right(mode: Mode) -> None:
    assert moved(create("sqlite"), "memory", mode) is Verdict.PASS
    assert moved(create("memory"), "sqlite", mode) is Verdict.PASS
    assert moved(create("sqlite"), "sqlite", mode) is Verdict.PASS


def test_a_store_that_loses_some_is_caught() -> None:
    broken = next(m for m in mutants() if m.name == "big_values_are_cut_at_import")

    assert moved(user_supplied(broken.reference, name="broken"), "memory") is Verdict.FAIL


def test_an_engine_that_is_not_there_leaves_the_pair_unverified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> Backend:
        raise EngineUnavailableError(name, "it is not installed.")

    monkeypatch.setattr(private_engines, "create", absent)

    assert moved(create("memory"), "chroma") is Verdict.UNVERIFIED
