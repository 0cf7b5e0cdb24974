"""
Several callers at once: attacks on isolation, the order of calls on a key, and figures of stores whose truth is known.
"""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from store_conformance.contract import Mode, Verdict
from store_conformance.contract.observations import CounterFacts, DelayFacts, LookFacts
from store_conformance.contract.records import Measurement
from store_conformance.harness.backends import Backend, user_supplied
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.runner import Outcome, run_case
from store_conformance.harness.settings import Settings
from store_conformance.harness.signatures import check_signature
from store_conformance.mutants.catalogue import mutants
from store_conformance.oracle.intrusion import KINDS, THEMES, Attack, attacks, plain_attacks, twins
from store_conformance.oracle.linearizability import Call
from store_conformance.oracle.registers import Deed, Said, judge, meetings, plans
from store_conformance.reports.beside import beside
from store_conformance.reports.view import BackendView
from store_conformance.suite.register import cases_naming

HERE = Path(__file__).parent

# -- attacks ----------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_attacks_again_and_another_seed_others() -> None:
    first = list(islice(attacks(7), 20))

    assert first == list(islice(attacks(7), 20))
    assert first != list(islice(attacks(8), 20))


def test_no_intruder_lies_within_the_victims_namespace_or_around_it() -> None:
    for attack in islice(attacks(1), 300):
        for other in attack.intruders:
            shared = min(len(other), len(attack.victim))
            assert other[:shared] != attack.victim[:shared]
            assert all(label and "." not in label and "\x00" not in label for label in other)


def test_plain_attacks_have_identifiers_for_names_and_every_other_no_capitals() -> None:
    drawn = list(islice(plain_attacks(1), 40))

    for attack in drawn:
        keys = [key for key, _ in attack.items]
        names = [*keys, *(label for at in (attack.victim, *attack.intruders) for label in at)]
        assert all(re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,31}", name) for name in names)
        assert attack.intruders and attack.victim not in attack.intruders
    small = [attack.victim == tuple(map(str.lower, attack.victim)) for attack in drawn]
    assert all(small[::2]) and not all(small)


def test_twins_are_what_engines_take_for_the_same() -> None:
    letters, lengths, patterns, delimiters, _ = THEMES

    assert ("STRASSE",) in twins(("Straße",), letters)
    assert ("é",) in twins(("e\u0301",), letters)
    assert ("a ",) in twins(("a",), lengths)
    assert ("us",) in twins(("user",), lengths)
    assert ("__",) in twins(("ab",), patterns)
    assert ("a/b",) in twins(("a", "b"), delimiters)
    assert ("a", "b") in twins(("a/b",), delimiters)
    assert ("a%2Fb",) in twins(("a/b",), delimiters)


def test_every_smaller_attack_has_less_in_it() -> None:
    def weight(attack: Attack) -> int:
        probes = sum(1 + bool(p.query) + bool(p.conditions) for p in attack.probes)
        odd = sum(2 - (key == f"k{n}") for n, (key, _) in enumerate(attack.items))
        return len(attack.intruders) + probes + odd + len(attack.kinds)

    for attack in islice(attacks(3), 20):
        smaller = list(attack.smaller())
        assert smaller
        assert all(weight(s) < weight(attack) for s in smaller)


def _cases(rule_id: str) -> list[CaseSpec]:
    return [spec for spec in cases_naming(frozenset({rule_id})) if spec.rule_id == rule_id]


def _backend(reference: str) -> Backend:
    return user_supplied(reference, name="mine")


def _run(reference: str, spec: CaseSpec, param: str | None = None, **settings: Any) -> Outcome:
    backend = _backend(reference)
    backend.start()
    try:
        return run_case(backend, spec, Mode.SYNC, param, Settings(seed=1, **settings))
    finally:
        backend.stop()


def test_an_attack_that_comes_through_is_told_by_the_few_calls_that_it_needs() -> None:
    broken = next(m for m in mutants() if m.name == "quotes_in_filters_widen")

    outcome = _run(broken.reference, _cases("N9")[0])

    assert outcome.row.verdict is Verdict.FAIL
    assert "items of others" in outcome.row.message
    names = [call.name for call in outcome.lab.journal.calls()]
    assert names.count("search") <= 3, "the victim's own, and the intruder's"
    assert len(names) < 12
    assert "' OR " in repr(outcome.lab.journal.lines())


def test_without_histories_no_attack_is_made_and_nothing_is_told() -> None:
    plain = "store_conformance.mutants.reference:ReferenceStore.open_store"

    assert _run(plain, _cases("N9")[0], histories=0).row.verdict is Verdict.UNVERIFIED
    few = _run(plain, _cases("N9")[0], histories=2)
    assert few.row.verdict is Verdict.PASS
    (made,) = (m for m in few.measurements if m.name == "isolation.attacks")
    assert made.value == 4  # half of them: the other mode has the rest


def test_all_kinds_of_calls_are_in_an_attack() -> None:
    assert {kind for attack in islice(attacks(1), 2) for kind in attack.kinds} == set(KINDS)


# -- one order of each key ----------------------------------------------------------------------------


def _put(caller: str, began: int, ended: int, version: str | None) -> Said:
    return Said(caller, "k", Call(began, ended, version))


def _get(caller: str, began: int, ended: int, version: str | None) -> Said:
    return Said(caller, "k", Call(began, ended, version, reads=True))


def test_calls_that_one_order_explains_are_no_disorder() -> None:
    said = [
        _put("a", 0, 9, "a1"),
        _put("b", 1, 8, "b1"),
        _get("c", 2, 3, "b1"),
        _get("c", 4, 5, "a1"),
    ]

    assert meetings(said) == 5
    assert not judge(said, {"k": "a1"}, 10).disordered


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(
            [_put("a", 0, 1, "a1"), _get("a", 2, 3, None)], id="the own write is not read"
        ),
        pytest.param(
            [
                _put("a", 0, 1, "a1"),
                _put("a", 2, 9, "a2"),
                _get("b", 3, 4, "a2"),
                _get("b", 5, 6, "a1"),
            ],
            id="a reader goes back",
        ),
        pytest.param([_put("a", 0, 1, "a1"), _put("b", 2, 3, None)], id="a deleted one is back"),
    ],
)
def test_calls_that_no_order_explains_are_told_with_their_times(said: list[Said]) -> None:
    (told,) = judge(said, {"k": "a1"}, 10).disordered

    assert told.startswith("k: no order of its")
    assert "a put a1 0.0-0.0" in told


@pytest.mark.parametrize("last", ["b1", None])
def test_a_disorder_looks_the_same_whoever_called_and_whatever_was_there(last: str | None) -> None:
    """An expectation pins what it looks like, and the next run has other callers in it."""

    def kind(said: list[Said], after: str | None) -> str:
        disordered = list(judge(said, {"k": after}, 10).disordered)
        assert disordered
        return check_signature("O23", "keys that no order explains", [], disordered).kind

    back = [_put("a", 0, 1, "a1"), _put("b", 2, 3, None)]
    lost = [_put("three", 0, 1, "b1"), _put("four", 2, 3, "d1"), _get("two", 4, 5, last)]

    assert kind(back, "a1") == kind(lost, last)


def test_plans_name_no_version_twice_and_are_the_same_for_a_seed() -> None:
    planned = plans(Random(4), ("a", "b"), ("k0", "k1"), 20)
    versions = [s.version for own in planned.values() for s in own if s.deed is Deed.PUT]

    assert len(versions) == len(set(versions)) > 5
    assert planned == plans(Random(4), ("a", "b"), ("k0", "k1"), 20)


# -- figures ------------------------------------------------------------------------------------------

PLAIN = "store_conformance.mutants.reference:ReferenceStore.open_store"


def _figure(store: str, rule_id: str, name: str, param: str | None = None) -> Measurement:
    reference = PLAIN if store == "plain" else f"{HERE / 'beside_stores.py'}:{store}.open_store"
    outcome = _run(reference, _cases(rule_id)[0], param)
    assert outcome.row.verdict is Verdict.PASS, outcome.row.message
    (found,) = (m for m in outcome.measurements if m.name == name)
    return found


def test_a_search_that_lags_is_told_with_how_long_and_one_that_does_not_as_at_once() -> None:
    lagging = DelayFacts.read(
        _figure("SearchesLag", "O24", "concurrency.delay.plain", "plain").facts
    )
    quick = DelayFacts.read(_figure("plain", "O24", "concurrency.delay.plain", "plain").facts)

    assert lagging.late == lagging.puts
    assert lagging.p50_ms is not None
    assert lagging.p50_ms >= 20
    assert (quick.late, quick.unseen, quick.max_ms) == (0, 0, 0.0)


def test_batches_that_are_written_key_by_key_are_seen_in_part_and_others_whole() -> None:
    torn = LookFacts.read(_figure("BatchesTrickle", "O25", "concurrency.batches", "gets").facts)
    whole = LookFacts.read(_figure("plain", "O25", "concurrency.batches", "gets").facts)

    assert torn.half
    assert whole.looks
    assert whole.half == 0


def test_increments_are_counted_as_they_were_acknowledged() -> None:
    facts = CounterFacts.read(_figure("plain", "O26", "concurrency.counter").facts)

    assert facts.callers == 4
    assert facts.increments is not None
    assert facts.lost is not None
    assert 0 <= facts.lost < facts.increments


def _view(*figures: Measurement) -> BackendView:
    return BackendView("mine", {}, {}, figures, (), (), {})


def _measured(name: str, facts: dict[str, object], value: object = 0) -> Measurement:
    return Measurement("mine", f"concurrency.{name}", value, Mode.SYNC, facts=facts)


def test_the_reports_row_says_each_figure_and_leaves_out_what_was_not_measured() -> None:
    late = DelayFacts(30, 7, 1, 2.0, 9.5, 12.0)
    (row,) = beside(
        _view(
            _measured("delay.plain", DelayFacts(30, 0, 0, 0.0, 0.0, 0.0).to_dict()),
            _measured("delay.filter", late.to_dict()),
            _measured("batches", LookFacts(480, 3, 60).to_dict()),
            _measured("batches", LookFacts(20, 1, 6).to_dict()),
            _measured("counter", CounterFacts(4, 100, 75).to_dict()),
            _measured("registers", {"calls": 48}, 17),
        )
    )

    assert row.delays["plain"] == "at once, 30 puts"
    assert "7 of 30 late; 1 never" in row.delays["filter"]
    assert row.delays["query"] == ""
    assert row.batches == "4 of 500 looks"
    assert row.counter == "75 of 100, by 4"
    assert row.met == "17 meetings of 48 calls"
    assert not list(beside(_view()))
