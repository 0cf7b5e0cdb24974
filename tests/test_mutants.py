"""
The harness against its mutants: every broken store is caught by its own rule, no correct one is accused.

Where ``CI`` is set, every broken store is judged and every correct one meets every case; elsewhere half of the broken
ones, and the correct ones meet a sixth of the cases, other ones in each store.
A failure prints what the suite saw.  ``store-conformance self-test`` shows the whole matrix.
"""

from __future__ import annotations

import multiprocessing
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from store_conformance.cli import self_test as selftest
from store_conformance.contract import Level, UserError, rules
from store_conformance.mutants.catalogue import mutants, variants
from store_conformance.mutants.packs import packed, packs
from store_conformance.suite.register import all_cases
from tests.covered import in_ci

SEED = 1
BROKEN = [m.name for m in mutants()]
CORRECT = [v.name for v in variants()]

ONE_IN = 1 if in_ci() else 6
"""Of so many cases one is run on each correct store: all of them are a third of what the tests compute."""

WHOLE = ("plain", "loop_bound")
"""Variants that run everything in CI, kills and loads too; the others run the quick part, several in one store."""

in_ci_alone = pytest.mark.skipif(
    not in_ci(), reason="unverified: a store is judged by all cases where CI is set"
)


def _draw(name: str) -> int:
    """A number that hangs on nothing but the name."""
    return zlib.crc32(name.encode())


def one_a_group(names: Iterable[str]) -> list[str]:
    """
    One mutant of each group of rules; the same in every run.

    It hangs on the names alone, so that a new mutant rarely puts another one in its place.
    """
    breaks = {c.name: c.breaks for c in mutants()}
    chosen: dict[str, str] = {}
    for name in sorted(names, key=_draw):
        chosen.setdefault(breaks[name][0], name)
    return sorted(chosen.values())


FEW = frozenset(one_a_group(BROKEN))
"""The mutants that are judged in the quick tests, too."""


TELLING = [
    m.name
    for m in mutants()
    if m.name in FEW and not {r.id for r in rules()} <= {m.breaks, *m.also}
]
"""Of these, the mutants that may not fail every rule."""


def briefly(name: str) -> str:
    """The first of a pack and how many are with it: pytest shows no long names."""
    first, *others = name.split("+")
    return f"{first}+{len(others)}" if others else first


def told(one: selftest.Judged) -> str:
    """The evidence as lines."""
    return "\n".join([f"{one.name}: breaks {one.breaks}, failed {one.failed}", *one.evidence])


# ``whole``: computes for long; conftest.py spreads these among the tests that mostly wait.


@pytest.mark.slow
@pytest.mark.whole
@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=in_ci_alone) for name in WHOLE),
        *(p.name for p in packed() if p.name not in WHOLE),
    ],
    ids=briefly,
)
def test_a_correct_store_is_not_accused(name: str) -> None:
    brief = name not in WHOLE
    one = selftest.judge_store(
        name, whole=True, seed=SEED, quick=brief, one_in=ONE_IN if brief else 1
    )

    assert not one.false_positives, told(one)
    assert not one.errors, told(one)


@pytest.mark.slow
@pytest.mark.whole
@pytest.mark.left_to_ci
@pytest.mark.parametrize("name", TELLING)
def test_a_broken_store_trips_no_rule_beyond_its_sin(name: str) -> None:
    one = selftest.judge_store(name, whole=True, seed=SEED, quick=True, one_in=ONE_IN)

    assert one.good, told(one)


def _marks(name: str) -> list[pytest.MarkDecorator]:
    if name in FEW:
        return []
    left = _draw(name) % 2 == 1  # half of them, and not other ones when a new one comes
    return [pytest.mark.slow, *([pytest.mark.left_to_ci] if left else [])]


@pytest.mark.parametrize("name", [pytest.param(n, marks=_marks(n)) for n in BROKEN])
def test_a_broken_store_is_caught_by_its_rule(name: str) -> None:
    one = selftest.judge_store(name, whole=False, seed=SEED)

    assert one.caught, told(one)
    assert not one.errors, told(one)


def test_few_are_left_out_of_those_that_trip_no_other_rule() -> None:
    assert len(TELLING) >= len(FEW) - 1


def test_every_correct_store_is_in_one_pack_and_behaves_in_it_as_alone() -> None:
    assert sorted(v.name for members in packs() for v in members) == sorted(CORRECT)
    assert len(packs()) < len(CORRECT)
    for members, pack in zip(packs(), packed()):
        for variant in members:
            own = {n: f for n, f in vars(variant.store).items() if callable(f)}
            assert {n: getattr(pack.store, n) for n in own} == {
                n: getattr(variant.store, n) for n in own
            }


def test_every_rule_has_cases_and_mutants_and_every_case_a_rule() -> None:
    known = {r.id for r in rules()}

    assert selftest.uncovered() == []
    assert [s.id for s in all_cases() if s.rule_id not in known] == []


@pytest.mark.parametrize("level", [Level.MUST, Level.SHOULD])
def test_rules_of_each_level_have_mutants(level: Level) -> None:
    broken = {c.breaks for c in mutants()}

    assert {r.id for r in rules() if r.level is level} <= broken


def test_names_in_the_catalogue_are_unique() -> None:
    names = [*BROKEN, *CORRECT]

    assert sorted(names) == sorted(set(names))


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean"):
        list(selftest.self_test(only=["plian"]))


def test_a_sample_is_a_part_of_the_cases_and_another_part_for_another_store() -> None:
    def cases(name: str, one_in: int) -> set[str]:
        return {spec.id for spec, _, _ in selftest.quick_jobs(name, (), one_in=one_in)}

    every = cases("plain", 1)
    samples = [cases(name, 3) for name in ("plain", "hash_order", "two_halves")]

    assert all(sample < every for sample in samples)
    assert all(len(every) / 4 < len(sample) < len(every) / 2 for sample in samples)
    assert len(set.union(*samples)) > len(every) / 2
    assert every == cases("hash_order", 1)


def test_what_a_worker_left_goes_with_a_self_test_that_nobody_wants_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFORMANCE_SCRATCH", str(tmp_path))
    others = set(multiprocessing.active_children())
    judged = selftest.self_test(
        workers=1, whole=False, only=["text_is_trimmed", "keys_are_trimmed"]
    )
    next(judged)
    (worker,) = set(multiprocessing.active_children()) - others
    of_worker = tmp_path / f"conformance-text_is_trimmed-pid{worker.pid}-made"
    of_another = tmp_path / f"conformance-text_is_trimmed-pid{os.getpid()}-made"  # it lives
    of_worker.mkdir()
    of_another.mkdir()

    judged.close()  # type: ignore[attr-defined]

    assert not of_worker.exists()
    assert of_another.exists()
