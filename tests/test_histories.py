"""
Random histories: silent on correct stores, loud on broken ones, under the right rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis.database import DirectoryBasedExampleDatabase

from store_conformance.backends.base import Backend
from store_conformance.backends.factory import user_supplied
from store_conformance.contract import Level, Mode, declared, rule
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.journal import Call, Journal
from store_conformance.harness.lab import Lab
from store_conformance.harness.runner import Outcome, run_case
from store_conformance.harness.settings import Settings
from store_conformance.mutants import catalogue
from store_conformance.oracle import histories, history
from store_conformance.oracle.comparison import Divergence
from store_conformance.oracle.features import FEATURES
from store_conformance.oracle.histories import explore
from store_conformance.suite.register import all_cases

pytestmark = pytest.mark.slow

EVERYTHING = frozenset(FEATURES)
STORES: dict[str, catalogue.Mutant | catalogue.Variant] = {
    **{m.name: m for m in catalogue.mutants()},
    **{v.name: v for v in catalogue.variants()},
}


def spec(vectors: bool) -> CaseSpec:
    name = "any_history_with_vectors_answers" if vectors else "any_history_answers"
    return next(s for s in all_cases() if s.id.startswith(f"histories::{name}"))


@contextmanager
def brought(name: str) -> Iterator[Backend]:
    """A mutant or variant as a backend."""
    chosen = STORES[name]
    backend = user_supplied(chosen.reference, name=name, capabilities=declared(chosen.declares))
    backend.start()
    try:
        yield backend
    finally:
        backend.stop()


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFORMANCE_HISTORIES", str(tmp_path / "kept"))
    # A busy machine gets as many histories as a quiet one.
    monkeypatch.setattr(f"{spec(False).func.__module__}.BUDGET_SECONDS", 120.0)


def whole(
    name: str, *, vectors: bool = False, seed: int = 1, mode: Mode = Mode.SYNC, many: int = 12
) -> Outcome:
    settings = Settings(seed=seed, histories=many, steps=30)
    with brought(name) as backend:
        return run_case(backend, spec(vectors), mode, None, settings)


def once(
    name: str, *, seed: int = 1, examples: int = 8, steps: int = 25, vectors: bool = False,
    on: frozenset[str] = EVERYTHING, kept: Any = None,
) -> Divergence | None:  # fmt: skip
    with brought(name) as backend:
        lab = Lab(backend, spec(vectors), Mode.SYNC, None, Settings(seed=seed))
        try:
            return explore(
                lab, on, vectors=vectors, examples=examples, steps=steps, seed=seed, database=kept
            )
        finally:
            lab.close()


# -- correct stores ------------------------------------------------------------------------------------


@pytest.mark.parametrize("vectors", [False, True])
@pytest.mark.parametrize(("name", "mode"), [("plain", Mode.SYNC), ("loop_bound", Mode.ASYNC)])
def test_a_correct_store_never_diverges(name: str, mode: Mode, vectors: bool) -> None:
    outcome = whole(name, vectors=vectors, mode=mode)
    assert outcome.row.verdict == "pass", outcome.row.message
    assert outcome.others == ()


# -- broken stores -------------------------------------------------------------------------------------

SINS = [
    ("get_answers_with_the_row", "K1", False),
    ("first_value_wins", "K3", False),
    ("overwrite_resets_created_at", "K4", False),
    ("namespaces_stay_listed", "X5", False),
    ("prefix_is_completed_text", "S1", False),
    ("gt_is_gte", "F3", False),
    ("conditions_are_ored", "L1", False),
    ("worst_first", "V4", True),
    ("old_vectors_stay", "V11", True),
]


@pytest.mark.parametrize(("name", "rule_id", "vectors"), SINS)
def test_a_broken_store_is_found_under_the_right_rule(
    name: str, rule_id: str, vectors: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "SHRINK_SECONDS", 0.2)  # how short it is does not matter here
    for rounds in (1, 4):  # its one sin is found first, as a rule under the right name
        monkeypatch.setattr(f"{spec(False).func.__module__}.ROUNDS", rounds)
        outcome = whole(name, vectors=vectors, many=60)
        if rule_id in {r.rule for r in outcome.others}:
            break
    assert rule_id in {r.rule for r in outcome.others}
    assert all(r.message.startswith("random history: ") for r in outcome.others)
    if rule(rule_id).level is Level.MUST:
        assert outcome.row.verdict == "fail", "a store's fault is never the harness's"
        assert rule_id in outcome.row.message
    else:
        assert outcome.row.verdict == "pass", "E9 is a MUST and accuses of nothing less"


def test_a_history_is_shrunk() -> None:
    found = once("overwrite_resets_created_at")
    assert found is not None
    assert (found.rule_id, found.feature) == ("K4", "created")
    puts = [line for line in found.history if line.startswith("put(")]
    assert len(puts) == 2, f"two puts show it, and nothing else is needed: {found.history}"
    assert len(found.history) <= 8


def test_what_is_known_is_steered_around() -> None:
    assert once("overwrite_resets_created_at", on=EVERYTHING - {"created"}) is None


def test_the_case_goes_on_after_a_divergence() -> None:
    outcome = whole("overwrite_resets_created_at")
    features = [o for o in outcome.lab.observations if o["name"] == "histories"]
    assert [o["value"] for o in features] == [1], "one divergence, then silence without its feature"


# -- seeds and what is kept ------------------------------------------------------------------------------


def test_what_was_found_is_kept_and_found_again(tmp_path: Path) -> None:
    kept = DirectoryBasedExampleDatabase(tmp_path / "db")
    name, steps = "overwrite_resets_created_at", 12

    first = once(name, kept=kept, examples=40, steps=steps)
    again = once(name, seed=99, kept=kept, examples=1, steps=steps)

    assert first is not None
    assert any(p.is_file() for p in (tmp_path / "db").rglob("*")), "nothing was kept"
    assert again is not None, "the kept history was not tried"


def calls(monkeypatch: pytest.MonkeyPatch, seed: int, steps: int = 12) -> list[str]:
    """Every call of a few histories of a correct store, in order."""
    seen: list[str] = []

    class Recording(Journal):
        def add(self, call: Call) -> None:
            seen.append(call.text())
            super().add(call)

    monkeypatch.setattr(history, "Journal", Recording)
    assert once("plain", seed=seed, examples=3, steps=steps) is None
    return seen


def test_the_seed_chooses_the_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    first = calls(monkeypatch, 7)
    assert first == calls(monkeypatch, 7)
    assert first != calls(monkeypatch, 8)


def test_the_number_of_steps_is_settable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(calls(monkeypatch, 7, steps=2)) < len(calls(monkeypatch, 7, steps=25))


def test_no_histories_verify_nothing() -> None:
    with brought("plain") as backend:
        outcome = run_case(backend, spec(False), Mode.SYNC, None, Settings(histories=0))
    assert outcome.row.verdict == "unverified"
