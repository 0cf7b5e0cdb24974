"""
Group F, shapes: unknown operators, lists and nested objects.
"""

from __future__ import annotations

from typing import Any

from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.accepted import names_taken, values_taken
from store_conformance.suite.support.filter_oracle import (
    LISTS,
    MISSING,
    NO_LISTS,
    NS,
    REFUSALS,
    Items,
    check,
    check_keys,
    equal,
    fields,
    passes,
    population,
)

# -- F8: unknown operators ------------------------------------------------------------------------

UNKNOWN = ("$unknown", "$equals", "$gtt", "$foo bar", "$", "$$gt")


@case("F8", params={name: name for name in UNKNOWN})
def test_an_unknown_operator_is_refused(lab: Lab, operator: str) -> None:
    """
    An unknown operator is refused with ValueError, whether or not an item has the field.

    If this fails, look for an operator that is skipped, or taken for a nested field.
    """
    store = population(lab, {"has": {"f": 1}, "none": {"g": 1}})
    for name, operand in (
        ("f", 1),
        ("f", "x"),
        ("f", [1, 2]),
        ("f", None),
        ("g", 1),
        ("nowhere", 1),
    ):
        with lab.refuses(ValueError, f"the filter { ({name: {operator: operand}})!r}"):
            store.search(NS, filter={name: {operator: operand}})
    bad, others = SearchOp(NS, filter={"f": {operator: 1}}), [SearchOp(NS), GetOp(NS, "has")]
    for what, ops in (
        ("alone", [bad]),
        ("first in a batch", [bad, *others]),
        ("last in a batch", [*others, bad]),
        ("beside a put", [PutOp(NS, "has", {"f": 1}), bad]),
    ):
        with lab.refuses(ValueError, f"an operation with the operator {operator!r}, {what}"):
            store.batch(ops)
    lab.equal(store.keys(NS), ["has", "none"], "the keys after the refusals")


UNKNOWN_BESIDE_KNOWN: tuple[dict[str, Any], ...] = (
    {"f": {"$gt": 1, "$unknown": 2}},
    {"f": {"$unknown": 2, "$gt": 1}},
    {"g": 1, "f": {"$unknown": 5}},
    {"f": {"$unknown": 5}, "g": 1},
    {"f": 5, "g": {"$eq": 1, "$unknown": 1}},
    {"f": {"$gt": 9, "$unknown": 2}},
    {"f": {"$unknown": 2, "$gt": 9}},
    {"f": {"$eq": 6, "$unknown": 2}},
)


@case("F8")
def test_an_unknown_operator_beside_known_ones_is_refused(lab: Lab) -> None:
    """
    An unknown operator is refused also beside known ones, met or not.

    If this fails, check every operator before the first item is compared.
    """
    store = population(lab, {"k": {"f": 5, "g": 1}})
    for wanted in UNKNOWN_BESIDE_KNOWN:
        with lab.refuses(ValueError, f"the filter {wanted!r}"):
            store.search(NS, filter=wanted)


@case("F8")
def test_an_unknown_operator_that_is_not_reached(lab: Lab) -> None:
    """
    An unknown operator with no item to look at may pass; it is never answered by an item.

    If this fails, the operator is ignored, and everything matches.
    """
    store = population(lab, {"k": {"f": 5, "g": 1}})
    wishes: dict[str, tuple[Any, dict[str, Any]]] = {
        "no item in scope": (("nowhere",), {"f": {"$unknown": 1}}),
        "after a field that is not met": (NS, {"g": 2, "f": {"$unknown": 1}}),
    }
    for name, (scope, wanted) in wishes.items():
        found: list[Any] = []
        error = lab.attempt(lambda: found.extend(store.search(scope, filter=wanted)))
        lab.observe(
            f"filter.unknown operator, {name}", type(error).__name__ if error else len(found)
        )
        lab.true(
            error is None or isinstance(error, ValueError),
            f"refused with ValueError: {wanted!r}",
            got=error,
        )
        lab.equal(found, [], f"items found by {wanted!r}")


@case("F8")
def test_a_field_may_start_with_a_dollar(lab: Lab) -> None:
    """
    At the top of a filter a name that starts with ``$`` is the name of a field.

    If this fails, the names at the top are checked as if they were operators.
    """
    items: Items = {
        "a": {"$price": 1},
        "b": {"$price": 2},
        "c": {"price": 1},
        "d": {"$eq": 1},
        "e": {"$gt": 1, "$price": "1"},
    }
    for n, item in enumerate(items.values()):
        item["$total"] = n
    if len(names_taken(lab, ("$price", "$eq", "$gt", "$total"))) < 4:
        lab.unsupported("names of fields that start with $ are refused by name, which F13 judges")
    store = population(lab, items)
    check_keys(lab, store, items, {"$price": 1}, {"a"})
    check_keys(lab, store, items, {"$price": {"$eq": 2}}, {"b"})
    check_keys(lab, store, items, {"$total": {"$gte": 3}}, {"d", "e"})
    check_keys(lab, store, items, {"$eq": 1}, {"d"})
    check_keys(lab, store, items, {"$gt": 1}, {"e"})


# -- F9, F10: lists and objects -------------------------------------------------------------------


@case("F9")
def test_a_list_matches_an_equal_list(lab: Lab) -> None:
    """
    A list matches a list of the same elements in the same order, and nothing else.

    If this fails, look for containment (``@>``, ``in``), sets, or a comparison up to the shorter.
    """
    others = values_taken(lab, [v for v in NO_LISTS if not isinstance(v, str)])
    lists = values_taken(lab, LISTS)
    items = fields([*lists, *others])
    store = population(lab, items)
    for value in [*lists, [3], [2, 1, 3], [1, 2, 3, 4], ["b"]]:
        check(lab, store, items, {"f": value})


@case("F9")
def test_a_list_matches_no_text_of_itself(lab: Lab) -> None:
    """
    A list does not match the text that would be its JSON.

    If this fails, lists are compared by the text that the engine makes of them.
    """
    items = fields([[1, 2], "[1,2]", "[1, 2]", [], "[]", ["a"], '["a"]', "a"])
    store = population(lab, items)
    for value in ([1, 2], [], ["a"]):
        check(lab, store, items, {"f": value})


@case("F9")
def test_an_element_does_not_match_its_list(lab: Lab) -> None:
    """
    A filter by a scalar does not match a list that contains it.

    If this fails, the engine matches arrays by any element.
    """
    items = fields([2, [2], [2, 3], "a", ["a"], ["a", "b"], 1.5, [1.5], [[2]]])
    store = population(lab, items)
    for value in (2, 3, "a", "b", 1.5):
        check(lab, store, items, {"f": value})
        check(lab, store, items, {"f": {"$eq": value}})


ONE_FIELD: list[Any] = [
    {"b": 2}, {"b": 3}, {"c": 2}, {"b": "2"}, {"b": {"b": 2}}, {"B": 2}, {"b": None}, {"b": [2]}
]  # fmt: skip
TWO_FIELDS: list[Any] = [
    {"b": 2, "c": "x"}, {"c": "x", "b": 2}, {"b": 2, "c": "y"}, {"b": 4, "c": "x"}, {"c": "x"}
]  # fmt: skip
OBJECTS_IN_OBJECTS: list[Any] = [
    {"p": {"q": 7}}, {"p": {"q": 8}}, {"p": {"r": 7}}, {"q": 7}, {"p": 7}, {"p": {"p": {"q": 7}}}
]  # fmt: skip
NOT_LIKE_THEM: list[Any] = [
    2, "b", [{"b": 2}], None, MISSING, {}, '{"b": 2}', {"f": {"b": 2}}, True
]  # fmt: skip
OBJECTS_ASKED_FOR: list[dict[str, Any]] = [
    {"b": 2}, {"b": 3}, {"c": 2}, {"b": "2"}, {"b": 2, "c": "x"}, {"c": "y", "b": 2},
    {"p": {"q": 7}}, {"p": {"q": 8}}, {"b": 9}, {"x": 1}, {"c": "x"}, {"b": [2]},
    {"b": 4, "c": "x"},
]  # fmt: skip


@case("F10")
def test_a_nested_object_is_matched_by_its_fields(lab: Lab) -> None:
    """
    ``{"f": {"b": 1}}`` finds items whose object has just that, and none where a named field differs.

    If this fails, look for a nested name that is taken for an operator, or objects compared as text.
    """
    items = fields([*ONE_FIELD, *TWO_FIELDS, *OBJECTS_IN_OBJECTS, *NOT_LIKE_THEM])
    items["beside"] = {"b": 2, "p": {"q": 7}}
    store = population(lab, items)
    for wanted in OBJECTS_ASKED_FOR:
        exact = {k for k, v in items.items() if equal(v.get("f", MISSING), wanted)}
        partial = {k for k, v in items.items() if _contains(v.get("f", MISSING), wanted)}
        check_keys(lab, store, items, {"f": wanted}, exact, free=partial - exact)
    found = store.keys(NS, filter={"f": {"b": 2}})
    more = {
        k
        for k, v in items.items()
        if _contains(v.get("f", MISSING), {"b": 2}) and v["f"] != {"b": 2}
    }
    lab.observe(
        "filter.nested object with further fields",
        "matches" if more & set(found) else "does not match",
    )


def _contains(actual: Any, wanted: Any) -> bool:
    """Whether the object has the wanted fields, whatever else it has."""
    if not isinstance(wanted, dict):
        return equal(actual, wanted)
    return isinstance(actual, dict) and all(
        _contains(actual.get(k, MISSING), v) for k, v in wanted.items()
    )


@case("F10")
def test_a_nested_object_beside_other_conditions(lab: Lab) -> None:
    """
    A nested object is ANDed with the other fields of the filter.

    If this fails, look at where the nested conditions go.
    """
    items: Items = {
        f"i{n:02}": {
            "owner": {"name": f"u{n % 3}", "age": 30 + n % 2},
            "state": "open" if n % 4 else "done",
            "n": n,
        }
        for n in range(24)
    }
    store = population(lab, items)
    for name, age in (("u0", 30), ("u1", 31), ("u2", 32)):
        owner = {"name": name, "age": age}
        for rest in ({"state": "open"}, {"n": {"$gte": 6}}, {"state": "done", "n": {"$lt": 20}}):
            expected = {k for k, v in items.items() if v["owner"] == owner and passes(v, rest)}
            check_keys(lab, store, items, {"owner": owner, **rest}, expected)
            check_keys(lab, store, items, {**rest, "owner": owner}, expected)


@case("F10")
def test_odd_objects_in_a_filter_raise_nothing_foreign(lab: Lab) -> None:
    """
    ``{}``, objects inside lists and operators below a nested field may match or be refused, no more.

    If this fails, an error of the engine or of the code comes through: refuse with ValueError instead.
    """
    items: Items = {
        "a": {"f": {}},
        "b": {"f": [{"b": 1}]},
        "c": {"f": {"b": {"c": 5}}},
        "d": {"f": 1},
        "e": {},
        "g": {"f": []},
    }
    store = population(lab, items)
    wishes: dict[str, Any] = {
        "{}": {}, "[{}]": [{}], "[{b: 1}]": [{"b": 1}], "{b: {$gt: 1}}": {"b": {"$gt": 1}}, "{b: {c: {$gt: 1}}}": {"b": {"c": {"$gt": 1}}},
        "{$eq: {}}": {"$eq": {}}, "{$eq: {b: {c: 5}}}": {"$eq": {"b": {"c": 5}}}, "{$ne: {}}": {"$ne": {}},
        "{$eq: [{b: 1}]}": {"$eq": [{"b": 1}]}, "{$gt: 1, b: 2}": {"$gt": 1, "b": 2}, "{b: {}}": {"b": {}},
        "{$gt: []}": {"$gt": []}, "{$lt: {}}": {"$lt": {}}, "{$gt: None}": {"$gt": None}, "{$gt: True}": {"$gt": True},
    }  # fmt: skip
    for name, condition in wishes.items():
        found: list[str] = []
        error = lab.attempt(lambda: found.extend(store.keys(NS, filter={"f": condition})))
        lab.observe(
            f"filter.{name}", type(error).__name__ if error else ", ".join(found) or "nothing"
        )
        lab.true(error is None or isinstance(error, REFUSALS), f"the filter {({'f': condition})!r} is answered or refused",
                 expected="items, ValueError, TypeError or NotImplementedError", got=error)  # fmt: skip
    lab.equal(store.keys(NS), sorted(items), "the keys after these filters")
