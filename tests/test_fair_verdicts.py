"""
What keeps a correct store from being accused: kinds of values, own scores, the weakest rule, conventions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from store_conformance.backends.factory import user_supplied
from store_conformance.contract import Capability, Mode, declared
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.compat import GetOp, PutOp, operation
from store_conformance.harness.errors import CheckFailedError, UnsupportedError
from store_conformance.harness.lab import Lab, type_difference
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.mutants import catalogue
from store_conformance.mutants.catalogue import Mutant, Variant
from store_conformance.oracle import explanation
from store_conformance.oracle.model import Model, ModelItem
from store_conformance.suite.register import all_cases
from store_conformance.suite.support.accepted import (
    keys_taken,
    names_taken,
    refusals,
    spaces_taken,
    without_refused,
)
from store_conformance.suite.support.conventions import fitted, needs_arguments
from store_conformance.suite.support.limits import in_one_batch, limits_taken, listings_taken
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.scale import COSINES, TEXTS, Scale, judge_scale, scale_of


class Text(str):
    __slots__ = ()


class Table(dict[str, Any]):
    pass


class Row(list[Any]):
    pass


class Opaque:
    pass


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (Table(a=Row([Text("x"), 1, None])), {"a": ["x", 1, None]}),
        ({"a": "x"}, Table(a=Text("x"))),
        ({"t": [1, [2]]}, {"t": (1, (2,))}),
        ({"x": float("nan")}, {"x": float("nan")}),
        (Opaque(), Opaque()),
    ],
)
def test_equal_values_in_other_classes_are_the_same(got: Any, expected: Any) -> None:
    assert type_difference(got, expected) is None


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ({"a": True}, {"a": 1}),
        ({"a": 1.0}, {"a": 1}),
        ({"a": 1}, {"a": True}),
        ({"a": Text("y")}, {"a": "x"}),
        (Table(a=1), {"a": 1, "b": 2}),
        (Row([1]), (1, 2)),
        ({"a": (1,)}, {"a": [1]}),
        ({"x": 0.0}, {"x": -0.0}),
        (Opaque(), object()),
    ],
)
def test_other_values_and_other_kinds_differ(got: Any, expected: Any) -> None:
    assert type_difference(got, expected) is not None


# -- scores ----------------------------------------------------------------------------------------


def _ordered(scores: dict[str, float | None]) -> dict[str, Any]:
    return dict(sorted(scores.items(), key=lambda pair: -(pair[1] or 0.0)))


def test_the_cosine_is_seen() -> None:
    assert judge_scale(_ordered({**COSINES})) is Scale.COSINE


def test_another_number_for_each_vector_is_another_scale() -> None:
    assert judge_scale(_ordered({k: (1 + s) / 2 for k, s in COSINES.items()})) is Scale.OTHER


@pytest.mark.parametrize(("off", "scale"), [(0.001, Scale.COSINE), (0.008, Scale.OTHER)])
def test_the_cosine_of_coarse_vectors_is_another_scale(off: float, scale: Scale) -> None:
    coarse: dict[str, float | None] = {
        key: round(cosine / off) * off for key, cosine in COSINES.items()
    }
    assert judge_scale(_ordered(coarse)) is scale


def test_the_scale_is_asked_under_keys_that_every_store_takes() -> None:
    assert all(key.isalnum() and key.islower() for key in TEXTS)


def test_equal_vectors_that_score_apart_are_the_stores_own() -> None:
    ranks = {key: 1 / (60 + place) for place, key in enumerate(_ordered({**COSINES}))}
    assert judge_scale(ranks) is Scale.OWN


@pytest.mark.parametrize(
    "found",
    [
        {},
        {**COSINES, "half": None},
        dict(sorted(COSINES.items(), key=lambda pair: pair[1])),
        _ordered({key: 1 - score for key, score in COSINES.items()}),
    ],
)
def test_broken_scores_are_judged_as_cosines(found: dict[str, Any]) -> None:
    assert judge_scale(found) is Scale.COSINE


def _lab(name: str) -> Lab:
    every: list[Variant | Mutant] = [*catalogue.variants(), *catalogue.mutants()]
    store = next(s for s in every if s.name == name)
    backend = user_supplied(store.reference, name=name, capabilities=declared(store.declares))
    return Lab(backend, _case("vectors::the_best_match_comes_first"), Mode.SYNC, None, Settings())


def _case(case_id: str) -> CaseSpec:
    return next(s for s in all_cases() if s.id == case_id)


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("plain", Scale.COSINE),
        ("words_beside_vectors", Scale.OWN),
        ("fused_ranks", Scale.OWN),
        ("scores_in_percent", Scale.OWN),
        ("scores_are_halved", Scale.OTHER),
        ("worst_first", Scale.COSINE),
        ("score_is_the_distance", Scale.COSINE),
    ],
)
def test_the_scale_of_a_store_is_declared_or_seen(name: str, scale: Scale) -> None:
    lab = _lab(name)
    lab.backend.start()
    try:
        assert scale_of(lab) is scale
        assert lab.journal.count == 0, "the case's own record is left alone"
    finally:
        lab.close()
        lab.backend.stop()


def test_own_scores_leave_the_numbers_out_and_not_the_rest() -> None:
    lab = _lab("fused_ranks")
    lab.backend.start()
    try:
        numbers = _case("vector_scores::the_score_is_the_cosine")
        row = run_case(lab.backend, numbers, Mode.SYNC, None, Settings()).row
        assert (row.verdict, row.message.split(":")[0]) == ("unsupported", "scores")
        rest = _case("vectors::the_best_match_comes_first")
        assert run_case(lab.backend, rest, Mode.SYNC, None, Settings()).row.verdict == "pass"
    finally:
        lab.backend.stop()


def test_declarations_of_scores_and_of_text_search() -> None:
    assert Capability.COSINE in declared(())
    assert Capability.COSINE not in declared(("own-scores",))
    assert Capability.COSINE not in declared(("no-cosine",))
    assert Capability.COSINE not in declared(("no-vectors",))
    assert Capability.TEXT not in declared(())
    assert Capability.TEXT in declared(("no-vectors", "text"))


def test_what_only_a_declaration_says_is_in_no_other() -> None:
    asked = {Capability.TTL_OF_CALLS, Capability.JSONB, Capability.TEXT}

    assert not asked & declared(())
    assert declared(("no-ttl-config", "jsonb", "text")) - declared(()) == asked
    assert Capability.TTL_OF_CALLS not in declared(("no-ttl-config", "no-ttl"))


# -- the weakest rule ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("have", "wanted", "feature"),
    [
        (3, {"$gt": 2}, "operator"),
        ("x", {"$gt": 2}, "absent"),
        ("2024", {"$gt": "2023"}, "strings"),
        (2**53 - 1, {"$gt": 2}, "large"),
        (True, 1, "bool"),
        (1, True, "bool"),
        ([1], [1], "list"),
        ({"p": 1}, {"p": 1}, "object"),
        ("a", "a", "equal"),
        (1, {"$ne": 1}, "unequal"),
        (1, {"$eq": 1}, "equal"),
    ],
)
def test_a_condition_is_blamed_on_the_weakest_rule_that_explains_it(
    have: Any, wanted: Any, feature: str
) -> None:
    assert explanation.of_condition(have, wanted) == feature


def test_a_missing_item_needs_one_wrong_condition_and_an_extra_one_all() -> None:
    item = ModelItem(("a",), "k", {"n": 1, "d": "2024"})
    both = {"n": {"$gt": 2}, "d": {"$gt": "2025"}}
    assert explanation.of_missing(item, (), both) == "strings"
    assert explanation.of_extra(item, (), both) == "operator", "F3 is broken, whatever F4 is"
    assert explanation.of_extra(item, (), {"d": {"$gt": "2025"}}) == "strings"
    assert explanation.of_extra(item, ("*",), {}) == "star"
    assert explanation.of_extra(item, ("b",), {}) == "search"


@pytest.mark.parametrize(
    ("have", "may", "must"),
    [
        ({"p": 1}, True, True),
        ({"p": 1, "q": 2}, True, False),  # whether further fields matter is the store's choice
        ({"p": {"x": 1, "y": 2}}, False, False),
        ({"q": 1}, False, False),
        (None, False, False),
    ],
)
def test_a_history_leaves_free_what_objects_with_further_fields_match(
    have: Any, may: bool, must: bool
) -> None:
    model = Model()
    model.put(("a",), "k", {"o": have})
    found = model.search((), {"o": {"p": 1}})
    assert (bool(found.certain), bool(found.certain or found.free)) == (must, may)


def test_a_refusal_is_blamed_on_what_was_in_scope() -> None:
    model = Model()
    model.put(("a",), "k", {"n": "text"})
    model.put(("b",), "k", {"n": 1})
    condition = {"n": {"$gt": 2}}
    assert explanation.of_refusal(model, ("a",), condition, "operator") == "absent"
    assert explanation.of_refusal(model, ("b",), condition, "operator") == "operator"
    model.put(("c",), "k", {"n": "text", "b": True})
    both = {"b": True, "n": {"$gt": "a"}}
    assert explanation.of_refusal(model, ("c",), both, "bool") == "strings", "no bool is refused"


@pytest.mark.parametrize(
    ("name", "rule_id"),
    [
        ("batches_in_order", "O2"),
        ("ranges_over_text_are_refused", "F4"),
        ("nested_filters_are_refused", "F10"),
    ],
)
def test_a_history_accuses_under_the_weak_rule_and_not_under_its_own(
    name: str, rule_id: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFORMANCE_HISTORIES", str(tmp_path / "kept"))
    lab = _lab(name)
    lab.backend.start()
    try:
        spec = _case("histories::any_history_answers_as_the_model_does")
        outcome = run_case(lab.backend, spec, Mode.SYNC, None, Settings(histories=12, steps=30))
    finally:
        lab.backend.stop()
    assert outcome.row.verdict == "pass", outcome.row.message
    found = {row.rule for row in outcome.others}
    assert rule_id in found and found <= {rule_id, "F5"}


# -- refusals and conventions ----------------------------------------------------------------------


def test_what_is_refused_by_name_leaves_the_population() -> None:
    lab = _lab("odd_text_is_refused")
    lab.backend.start()
    try:
        assert keys_taken(lab, ["k", "k ", "", "a b"]) == ["k", "a b"]
        assert spaces_taken(lab, [("a",), ("a\n",), ("a", "b c")]) == [("a",), ("a", "b c")]
        assert list(refusals(lab, [(("a\n",), "k"), (("b c",), "k")])) == [(("a\n",), "k")]
        (told,) = [o for o in lab.observations if o["value"] == 2]
        assert told["name"] == "refused.left_out"
    finally:
        lab.close()
        lab.backend.stop()


def test_names_of_fields_that_are_refused_leave_the_value() -> None:
    value = {"a": [{"b.c": 1, "d": 2}], "$e": 3, "id": 4}
    for name, left in (("plain", value), ("names_of_fields", {"a": [{"d": 2}]})):
        lab = _lab(name)
        lab.backend.start()
        try:
            assert without_refused(lab, value) == left
            assert names_taken(lab, ["n", "x y", "_id"])[:2] == ["n", "x y"]
            assert bool(lab.observations) is (name != "plain")
        finally:
            lab.close()
            lab.backend.stop()


def test_limits_that_are_refused_by_name_are_left_out() -> None:
    for name, limits in (("plain", [10, 1000, 1001]), ("limits_are_named", [10, 1000])):
        lab = _lab(name)
        lab.backend.start()
        try:
            store = lab.open()
            assert limits_taken(lab, store, (10, 1000, 1001)) == limits
            assert listings_taken(lab, store, (10, 1000, 1001)) == limits
            assert bool(lab.observations) is (name != "plain")
            many = [GetOp(("d",), f"k{n}") for n in range(501)]
            if name == "plain":
                assert in_one_batch(lab, store, many) == [None] * 501
            else:
                with pytest.raises(UnsupportedError, match="501 operations"):
                    in_one_batch(lab, store, many)
        finally:
            lab.close()
            lab.backend.stop()


def test_an_error_that_names_no_limit_leaves_nothing_out() -> None:
    lab = _lab("plain")
    lab.backend.start()
    try:
        with pytest.raises(CheckFailedError, match="names the limit"):
            in_one_batch(lab, lab.open(), [object()] * 501)
    finally:
        lab.close()
        lab.backend.stop()


def test_a_description_becomes_a_plain_name() -> None:
    assert plain("put over put") == "put_over_put"
    assert plain("$eq of a list") == "eq_of_a_list"
    assert plain("index=False") == "index_false"
    assert plain("{}") == "_"


def test_arguments_are_given_as_a_method_takes_them() -> None:
    def by_position(interval: float = 1) -> None: ...

    def by_name(*, interval: float = 1) -> None: ...

    def not_at_all() -> None: ...

    def needed(schema: str) -> None: ...

    assert fitted(by_position, 2.0) == ((2.0,), {})
    assert fitted(by_name, 2.0) == ((), {"interval": 2.0})
    assert fitted(not_at_all, 2.0) == ((), {})
    assert fitted(by_position) == ((), {})
    assert needs_arguments(needed)
    assert not needs_arguments(by_name)


# -- old releases -----------------------------------------------------------------------------------


class OldPut(NamedTuple):
    """The put of a release without an index."""

    namespace: tuple[str, ...]
    key: str
    value: Any


def test_an_operation_leaves_out_what_came_later_than_the_release() -> None:
    assert operation(OldPut, ("a",), "k", {}, index=False) == OldPut(("a",), "k", {})
    assert operation(PutOp, ("a",), "k", {}, index=False).index is False
    with pytest.raises(TypeError):
        OldPut(("a",), "k", {}, index=False)  # type: ignore[call-arg]
