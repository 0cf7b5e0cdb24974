"""
Group F, equality: plain values, ``$eq``, ``$ne`` and several conditions at once.
"""

from __future__ import annotations

from typing import Any

from store_conformance.harness.case import case
from store_conformance.harness.compat import SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.accepted import values_taken
from store_conformance.suite.support.filter_oracle import (
    LISTS,
    MISSING,
    NO_LISTS,
    NS,
    OTHERS,
    RANGES,
    SCALARS,
    Items,
    check,
    check_keys,
    fields,
    passes,
    population,
)
from store_conformance.suite.support.shapes import LOOKALIKES, fill

# -- F1: equality ---------------------------------------------------------------------------------


@case("F1")
def test_a_plain_value_matches_exactly(lab: Lab) -> None:
    """
    ``{"f": value}`` finds the items whose field is that str, number or bool, and no others.

    If this fails, look at how the value is compared: as text, by a cast, by containment.
    """
    items = fields([*SCALARS, *OTHERS])
    store = population(lab, items)
    for value in [v for v in SCALARS if v is not None and v is not MISSING] + [
        "nothing",
        7,
        -7.5,
        "A ",
        "AB",
        "hello",
    ]:
        check(lab, store, items, {"f": value})


@case("F1")
def test_null_matches_an_explicit_null(lab: Lab) -> None:
    """
    ``{"f": None}`` finds items whose field is null; a missing field may match as well, nothing else.

    If this fails, look at ``= NULL`` in SQL, which is never true.
    """
    items = fields([*SCALARS, *OTHERS, "null", "None", 0, "", False])
    store = population(lab, items)
    missing = [key for key, value in items.items() if "f" not in value]
    check(lab, store, items, {"f": None}, free=missing)
    found = store.keys(NS, filter={"f": None})
    lab.observe("filter.null matches a missing field", bool(set(missing) & set(found)))


@case("F1")
def test_several_fields_are_all_met(lab: Lab) -> None:
    """
    Several fields of a filter are ANDed, in any order.

    If this fails, look for OR, or for a filter that stops after its first field.
    """
    items: Items = {
        f"i{a}{b}{c}": {"a": a, "b": f"b{b}", "c": bool(c)}
        for a in (0, 2, 3, 4)
        for b in (0, 1, 2)
        for c in (0, 1)
    }
    items |= {
        "part1": {"a": 2},
        "part2": {"a": 2, "b": "b1"},
        "swap": {"a": "b1", "b": 2, "c": True},
    }
    store = population(lab, items)
    wishes: list[dict[str, Any]] = [
        *(
            {"a": 2, "b": "b1"},
            {"b": "b1", "a": 2},
            {"a": 2, "b": "b1", "c": True},
            {"c": False, "a": 3},
            {"b": "b2"},
        ),
        *(
            {"a": 0},  # what Python takes for nothing is a value like others
            {"b": "b2", "a": 0},
            {"a": 2, "b": "none"},
            {"a": 9, "b": "b1"},
            {"c": True, "b": "b0", "a": 4},
            {"a": 2, "missing": 1},
        ),
    ]
    for wanted in wishes:
        check(lab, store, items, wanted)
    nothing: list[Any] = [{}, None]
    for empty in nothing:
        check_keys(lab, store, items, empty, set(items))


@case("F11")
def test_whole_numbers_and_floats_are_equal_numbers(lab: Lab) -> None:
    """
    1 and 1.0 are the same number for a filter, whichever is stored and whichever is asked for.

    If this fails, numbers are compared as text or by type.
    """
    items = fields([1, 1.0, 2, 2.0, -3, -3.0, 0, 0.0, 100, 1e2, 1.5, "1", "1.0", [1], MISSING])
    store = population(lab, items)
    for number in (1, 1.0, 2, 2.0, -3, -3.0, 0, 0.0, 100, 100.0, 1.5, 3, 1.25):
        check(lab, store, items, {"f": number}, one_kind=True)
        check(lab, store, items, {"f": {"$eq": number}}, one_kind=True)


LIKE_NUMBERS: list[Any] = [10, "10", 9, "9", "10.0", 1.5, "1.5"]
LIKE_WORDS: list[Any] = [True, "true", "True", False, "false"]


@case("F1")
def test_text_that_reads_like_a_number_is_text(lab: Lab) -> None:
    """
    "10" does not match 10, "true" does not match true, "null" does not match null; nor the reverse.

    If this fails, both sides are compared as text, or text is cast to a number.
    """
    items = fields([*LIKE_NUMBERS, *LIKE_WORDS, None, "null", "None", "", " 10", "1e1"])
    store = population(lab, items)
    for value in (*LIKE_NUMBERS, *LIKE_WORDS, "null", "None", "", "1e1"):
        check(lab, store, items, {"f": value})
        check(lab, store, items, {"f": {"$eq": value}})


@case("F1")
def test_text_that_reads_like_json_is_text(lab: Lab) -> None:
    """
    The text "[1,2]" does not match the list, the text '{"a":1}' not the object; nor the reverse.

    If this fails, lists and objects are compared by the text that the engine makes of them.
    """
    texts = ["[1,2]", "[1, 2]", "[]", "{}", '{"a":1}', '{"a": 1}', '["a"]', '"a"', "a"]
    items = fields([*texts, [1, 2], [], {}, {"a": 1}, ["a"]])
    store = population(lab, items)
    for text in texts:
        check(lab, store, items, {"f": text})


TEXT_GROUPS = ("case", "whitespace", "invisible", "normal form", "numbers", "words")
BEGIN_ALIKE = tuple("x" * length + end for length in (127, 254, 1_022) for end in ("a", "b"))
"""Texts of sizes at which an index may end, equal but for their last character."""


@case("F1", params={**{name: LOOKALIKES[name] for name in TEXT_GROUPS}, "long": BEGIN_ALIKE})
def test_texts_that_look_alike_are_different(lab: Lab, texts: tuple[str, ...]) -> None:
    """
    A filter by a text finds that text only, not one of another case, spacing, normal form or end.

    If this fails, look at collations and at trimming, and at an index of the first characters.
    """
    items = fields(texts)
    store = population(lab, items)
    for text in texts:
        check(lab, store, items, {"f": text})


@case("F1")
def test_a_filter_keeps_to_the_prefix(lab: Lab) -> None:
    """
    A filter finds items under the prefix only, by method and in a batch, for each search its own.

    If this fails, look at how the conditions of prefix and filter are joined (AND before OR).
    """
    store = lab.open()
    spaces = [("a",), ("a", "x"), ("ab",), ("b",), ("b", "a")]
    fill(
        store,
        [(ns, f"{'-'.join(ns)}{i}", {"f": i % 3, "g": "x"}) for ns in spaces for i in range(6)],
    )

    wishes: list[dict[str, Any]] = [
        {"f": 1},
        {"f": {"$gte": 1}},
        {"f": {"$ne": 0}, "g": "x"},
        {"f": None},
        {"g": {"$eq": "y"}},
    ]
    scopes = [("a",), ("a", "x"), ("b",), (), ("none",)]
    asked = [(scope, wanted) for scope in scopes for wanted in wishes]
    batch = store.batch([SearchOp(scope, filter=wanted, limit=100) for scope, wanted in asked])
    for (scope, wanted), found in zip(asked, batch):
        expected = sorted(
            f"{'-'.join(ns)}{i}"
            for ns in spaces for i in range(6)
            if ns[: len(scope)] == scope and passes({"f": i % 3, "g": "x"}, wanted)
        )  # fmt: skip
        lab.equal(
            store.keys(scope, filter=wanted), expected, f"the keys under {scope} for {wanted!r}"
        )
        lab.equal(
            sorted(i.key for i in found),
            expected,
            f"the keys of a batch under {scope} for {wanted!r}",
        )


# -- F2: $eq --------------------------------------------------------------------------------------


@case("F2")
def test_eq_is_the_plain_value_for_scalars(lab: Lab) -> None:
    """
    ``{"f": {"$eq": value}}`` finds what ``{"f": value}`` finds, for text, numbers and bools.

    If this fails, the two ways have code of their own that differs.
    """
    items = fields([*SCALARS, *OTHERS, 5, 5.0, "5", "5.0", 10, 10.0, "true", "null"])
    store = population(lab, items)
    missing = [key for key, value in items.items() if "f" not in value]
    for value in [v for v in SCALARS if v is not MISSING] + [
        "nothing",
        7,
        5,
        5.0,
        "5",
        10,
        10.0,
        "true",
    ]:
        free = missing if value is None else ()
        check(lab, store, items, {"f": {"$eq": value}}, free=free)
        check(lab, store, items, {"f": value}, free=free)


@case("F2")
def test_eq_is_the_plain_value_for_lists(lab: Lab) -> None:
    """
    ``{"f": {"$eq": list}}`` finds what ``{"f": list}`` finds.

    If this fails, look at how a list is bound: as bytes, as text, as an array.
    """
    others = values_taken(lab, [v for v in NO_LISTS if not isinstance(v, str)])
    lists = values_taken(lab, LISTS)
    items = fields([*lists, *others])
    store = population(lab, items)
    for value in lists:
        check(lab, store, items, {"f": {"$eq": value}})


# -- F6, F7: $ne and several operators ------------------------------------------------------------


@case("F6")
def test_ne_finds_all_that_differ(lab: Lab) -> None:
    """
    ``$ne`` finds the items whose field is there and differs, whatever its type.

    If this fails, look at comparisons across types, and at text compared without its case.
    """
    values = [v for v in SCALARS if v is not None and v is not MISSING]
    items = fields([*values, "2", "10", "true", None, MISSING])
    store = population(lab, items)
    free = [key for key, value in items.items() if value.get("f") is None]
    for operand in [*values, "2", "10", "true", "nothing", 7]:
        check(lab, store, items, {"f": {"$ne": operand}}, free=free)


@case("F6")
def test_ne_of_null_finds_what_is_not_null(lab: Lab) -> None:
    """
    ``{"$ne": None}`` finds every item whose field is there and not null.

    If this fails, look at ``!= NULL`` in SQL, which is never true.
    """
    items = fields([2, "a", "", 0, False, True, "null", None, MISSING, 1.5])
    store = population(lab, items)
    free = [key for key, value in items.items() if value.get("f") is None]
    check(lab, store, items, {"f": {"$ne": None}}, free=free)


@case("F6")
def test_several_operators_are_all_met(lab: Lab) -> None:
    """
    Several operators below one field are ANDed, in any order.

    If this fails, look for an operator that overwrites or stops the others.
    """
    # Two digits only, so that a store which compares numbers as text is not accused here: that is F3's.
    items = fields([*range(10, 60), 14.5, 15.5, 49.9])
    store = population(lab, items)
    wishes: list[dict[str, Any]] = [
        *(
            {"$gt": 14, "$lt": 20},
            {"$lt": 20, "$gt": 14},
            {"$gte": 15, "$lte": 15},
            {"$gt": 15, "$lt": 15},
            {"$gte": 50},
        ),
        *(
            {"$gt": 12, "$lt": 20, "$ne": 15},
            {"$ne": 13, "$eq": 13},
            {"$eq": 13, "$gt": 12},
            {"$gt": 20, "$lt": 14},
        ),
        *(
            {"$gte": 11, "$gt": 12, "$lte": 19, "$lt": 19},
            {"$ne": 13, "$lte": 13},
            {"$eq": 14.5, "$ne": 14},
        ),
        *({"$eq": 13, "$gt": 13}, {"$lt": 50, "$gt": 49.5}, {"$eq": 13, "$lt": 99, "$ne": 12}),
    ]
    for wanted in wishes:
        check(lab, store, items, {"f": wanted})


@case("F6")
def test_operators_on_several_fields_are_all_met(lab: Lab) -> None:
    """
    Operators and plain values on several fields are ANDed; shown by filters drawn at random.

    If this fails, look at parameters that are bound in another order than their conditions.
    """
    rng = lab.rng
    items = {
        f"i{n:03}": {"a": rng.randint(10, 22), "b": rng.choice(["apple", "banana", "a", "zebra", "app"]), "c": rng.choice([11.5, 12.5, 20.5]), "d": rng.random() < 0.5}
        for n in range(80)
    }  # fmt: skip
    store = population(lab, items)
    for _ in range(60):
        wanted: dict[str, Any] = {}
        for name in rng.sample(["a", "b", "c", "d"], rng.randint(2, 4)):
            value = rng.choice(list(items.values()))[name]
            operators = ["$eq", "$ne", *(RANGES if name in "ac" else ())]
            chosen = rng.sample(operators, rng.randint(1, 2))
            wanted[name] = value if rng.random() < 0.3 else dict.fromkeys(chosen, value)
        check(lab, store, items, wanted)


@case("F7")
def test_what_ne_does_with_a_missing_field(lab: Lab) -> None:
    """
    Whether ``$ne`` finds items whose field is missing or null is the store's choice: recorded only.

    If this fails, the store raises for them.
    """
    items: Items = {"missing": {}, "null": {"f": None}, "other": {"f": "x"}, "same": {"f": "a"}}
    store = population(lab, items)
    for operand in ("a", 1, True, None):
        found: list[str] = []
        error = lab.attempt(lambda: found.extend(store.keys(NS, filter={"f": {"$ne": operand}})))
        lab.observe(
            f"filter.$ne {operand!r} finds", type(error).__name__ if error else ", ".join(found)
        )
