"""
Moves from one backend to another as a case of their own (E7): what is whole passes, what loses is caught.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
from store_conformance.mutants.reference import Embedded, Plan, ReferenceStore
from store_conformance.suite.register import all_cases
from tests.backend_use import no_sqlite

PAIR: CaseSpec = next(s for s in all_cases() if s.id.endswith("move_to_every_other_backend"))


CARRIED: CaseSpec = next(s for s in all_cases() if s.id.endswith("carried_to_every_other_backend"))


class NeighboursAreEmbedded(ReferenceStore):
    """In a batch each text gets the vector of the next one."""

    def embed(self, plan: Plan) -> Embedded:
        made = super().embed(plan)
        texts, vectors = list(made.documents), list(made.documents.values())
        return Embedded(dict(zip(texts, [*vectors[1:], *vectors[:1]], strict=True)), made.queries)


class EmbedsAnew(ReferenceStore):
    """What it embeds is not the text as it is."""

    def embed(self, plan: Plan) -> Embedded:
        made = super().embed(replace(plan, texts=[f"{text} " for text in plan.texts]))
        return Embedded({text[:-1]: v for text, v in made.documents.items()}, made.queries)


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    private_engines.stop_private()


def moved(backend: Backend, to: str, mode: Mode = Mode.SYNC, *, spec: CaseSpec = PAIR) -> Verdict:
    backend.start()
    try:
        return run_case(backend, spec, mode, to, Settings(embed="exact")).row.verdict
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


@no_sqlite
@pytest.mark.parametrize(
    ("one", "to"), [("sqlite", "memory"), ("memory", "sqlite"), ("sqlite", "sqlite")]
)
def test_vectors_are_carried_between_stores_that_are_right(one: str, to: str) -> None:
    assert moved(create(one), to, spec=CARRIED) is Verdict.PASS


def test_without_a_store_that_tells_its_vectors_there_is_nothing_to_carry() -> None:
    assert moved(create("memory"), "memory", spec=CARRIED) is Verdict.UNSUPPORTED


@no_sqlite
@pytest.mark.parametrize(
    ("store", "verdict"),
    [
        (ReferenceStore, Verdict.PASS),
        (NeighboursAreEmbedded, Verdict.FAIL),
        (EmbedsAnew, Verdict.FAIL),
    ],
)
def test_a_store_that_spoils_carried_vectors_is_caught(
    store: type[ReferenceStore], verdict: Verdict
) -> None:
    given = user_supplied(f"{store.__module__}:{store.__name__}.open_store", name="given")

    assert moved(given, "sqlite", spec=CARRIED) is verdict


def test_an_engine_that_is_not_there_leaves_the_pair_unverified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> Backend:
        raise EngineUnavailableError(name, "it is not installed.")

    monkeypatch.setattr(private_engines, "create", absent)

    assert moved(create("memory"), "chroma") is Verdict.UNVERIFIED
