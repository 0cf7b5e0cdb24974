"""
Group F: filters, against what plain Python says of the same items.

Where the contract leaves a choice (a missing field, a null), the items in question are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import ge, gt, le, lt
from typing import Any

from conformance.case import case
from conformance.compat import SearchOp
from conformance.lab import Lab
from conformance.subject import Subject
from conformance.suite.shapes import LOOKALIKES, fill, values_of

NS = ("items",)
MISSING: Any = object()
Items = dict[str, dict[str, Any]]
RANGES: dict[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
REFUSALS = (ValueError, TypeError, NotImplementedError)


# -- the oracle -----------------------------------------------------------------------------------


def _kind(value: Any) -> str:
    if value is MISSING or value is None:
        return "missing" if value is MISSING else "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return type(value).__name__


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 equals 1.0, but neither equals true."""
    if _kind(one) != _kind(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(_equal(a, b) for a, b in zip(one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    return bool(one == other)


def _operate(operator: str, actual: Any, operand: Any) -> bool:
    if operator == "$eq":
        return _equal(actual, operand)
    if operator == "$ne":
        return not _equal(actual, operand)
    same = _kind(actual) == _kind(operand) and _kind(operand) in ("number", "str")
    return same and RANGES[operator](actual, operand)


def _passes(value: dict[str, Any], wanted: dict[str, Any]) -> bool:
    for name, condition in wanted.items():
        actual = value.get(name, MISSING)
        conditions = condition if isinstance(condition, dict) else {"$eq": condition}
        if not all(_operate(op, actual, operand) for op, operand in conditions.items()):
            return False
    return True


def _fields(values: Iterable[Any], name: str = "f") -> Items:
    """One item for each value of the field; ``MISSING`` makes an item without it."""
    return {f"i{n:03}": ({"n": n} if v is MISSING else {"n": n, name: v}) for n, v in enumerate(values)}


def _population(lab: Lab, items: Items) -> Subject:
    store = lab.open()
    fill(store, [(NS, key, value) for key, value in items.items()])
    return store


def _check(
    lab: Lab, store: Subject, items: Items, wanted: dict[str, Any], *, free: Iterable[str] = (), scope: Any = NS
) -> None:
    """The filter finds what the oracle says; keys in ``free`` may come or not."""
    expected = {key for key, value in items.items() if _passes(value, wanted)} - set(free)
    _check_keys(lab, store, items, wanted, expected, free=free, scope=scope)


def _check_keys(
    lab: Lab,
    store: Subject,
    items: Items,
    wanted: dict[str, Any],
    expected: set[str],
    *,
    free: Iterable[str] = (),
    scope: Any = NS,
) -> None:
    found = [i.key for i in store.search(scope, filter=wanted, limit=1000)]
    lab.equal(len(found), len(set(found)), f"each item once for the filter {wanted!r}")
    wrong = sorted(set(found) - expected - set(free))
    lost = sorted(expected - set(found))
    if wrong or lost:
        show = {key: _without_n(items[key]) for key in (*wrong, *lost)[:4] if key in items}
        lab.fail(
            f"the filter {wanted!r}: {len(lost)} items are not found, {len(wrong)} should not be: {show}",
            expected=sorted(expected),
            got=sorted(found),
        )


def _without_n(value: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in value.items() if k != "n"}


# -- F1: equality ---------------------------------------------------------------------------------

SCALARS: list[Any] = [
    *(2, 3, 9, 10, 11, 100, -1, -2, -10, 42, 1_000_000, -42),
    *(1.5, -1.5, 0.1, 4.99, 5.01, 1e-7, 10.5, 0.30000000000000004, 0.3),
    *("", "a", "A", "ab", "abc", "b", "a ", " a", "hello world", "Ada", "x", "é", "e\u0301", "漢字", "2024-05-17"),
    *(True, False, None, MISSING, True, False, None, MISSING),
]
OTHERS: list[Any] = [[], [2], ["a"], [[2]], {}, {"a": 2}, {"f": "a"}, [True], [None]]


@case("F1")
def test_a_plain_value_matches_exactly(lab: Lab) -> None:
    """
    ``{"f": value}`` finds the items whose field is that str, number or bool, and no others.

    If this fails, look at how the value is compared: as text, by a cast, by containment.
    """
    items = _fields([*SCALARS, *OTHERS])
    store = _population(lab, items)
    for value in [v for v in SCALARS if v is not None and v is not MISSING] + ["nothing", 7, -7.5, "A ", "AB", "hello"]:
        _check(lab, store, items, {"f": value})


@case("F1")
def test_null_matches_an_explicit_null(lab: Lab) -> None:
    """
    ``{"f": None}`` finds items whose field is null; a missing field may match as well, nothing else.

    If this fails, look at ``= NULL`` in SQL, which is never true.
    """
    items = _fields([*SCALARS, *OTHERS, "null", "None", 0, "", False])
    store = _population(lab, items)
    missing = [key for key, value in items.items() if "f" not in value]
    _check(lab, store, items, {"f": None}, free=missing)
    found = store.keys(NS, filter={"f": None})
    lab.observe("filter.null matches a missing field", bool(set(missing) & set(found)))


@case("F1")
def test_several_fields_are_all_met(lab: Lab) -> None:
    """
    Several fields of a filter are ANDed, in any order.

    If this fails, look for OR, or for a filter that stops after its first field.
    """
    items: Items = {
        f"i{a}{b}{c}": {"a": a, "b": f"b{b}", "c": bool(c)} for a in (2, 3, 4) for b in (0, 1, 2) for c in (0, 1)
    }
    items |= {"part1": {"a": 2}, "part2": {"a": 2, "b": "b1"}, "swap": {"a": "b1", "b": 2, "c": True}}
    store = _population(lab, items)
    wishes: list[dict[str, Any]] = [
        *({"a": 2, "b": "b1"}, {"b": "b1", "a": 2}, {"a": 2, "b": "b1", "c": True}, {"c": False, "a": 3}, {"b": "b2"}),
        *({"a": 2, "b": "none"}, {"a": 9, "b": "b1"}, {"c": True, "b": "b0", "a": 4}, {"a": 2, "missing": 1}),
    ]
    for wanted in wishes:
        _check(lab, store, items, wanted)
    for empty in ({}, None):
        _check_keys(lab, store, items, empty, set(items))  # type: ignore[arg-type]


@case("F1")
def test_whole_numbers_and_floats_are_equal_numbers(lab: Lab) -> None:
    """
    1 and 1.0 are the same number for a filter, whichever is stored and whichever is asked for.

    If this fails, numbers are compared as text or by type.
    """
    items = _fields([1, 1.0, 2, 2.0, -3, -3.0, 0, 0.0, 100, 1e2, 1.5, "1", "1.0", [1], MISSING])
    store = _population(lab, items)
    for number in (1, 1.0, 2, 2.0, -3, -3.0, 0, 0.0, 100, 100.0, 1.5, 3, 1.25):
        _check(lab, store, items, {"f": number})
        _check(lab, store, items, {"f": {"$eq": number}})


@case("F1")
def test_text_that_reads_like_a_number_is_text(lab: Lab) -> None:
    """
    "10" does not match 10, "true" does not match true, "null" does not match null; nor the reverse.

    If this fails, both sides are compared as text, or text is cast to a number.
    """
    items = _fields([10, "10", 9, "9", "10.0", 1.5, "1.5", True, "true", "True", False, "false", None, "null", "None", "", " 10", "1e1"])
    store = _population(lab, items)
    for value in (10, "10", 9, "9", "10.0", 1.5, "1.5", True, "true", "True", False, "false", "null", "None", "", "1e1"):
        _check(lab, store, items, {"f": value})
        _check(lab, store, items, {"f": {"$eq": value}})


@case("F1")
def test_text_that_reads_like_json_is_text(lab: Lab) -> None:
    """
    The text "[1,2]" does not match the list, the text '{"a":1}' not the object; nor the reverse.

    If this fails, lists and objects are compared by the text that the engine makes of them.
    """
    texts = ["[1,2]", "[1, 2]", "[]", "{}", '{"a":1}', '{"a": 1}', '["a"]', '"a"', "a"]
    items = _fields([*texts, [1, 2], [], {}, {"a": 1}, ["a"]])
    store = _population(lab, items)
    for text in texts:
        _check(lab, store, items, {"f": text})


TEXT_GROUPS = ("case", "whitespace", "invisible", "normal form", "numbers", "words")


@case("F1", params={name: LOOKALIKES[name] for name in TEXT_GROUPS})
def test_texts_that_look_alike_are_different(lab: Lab, texts: tuple[str, ...]) -> None:
    """
    A filter by a text finds that text only, not one of another case, spacing or normal form.

    If this fails, look at collations and at trimming.
    """
    items = _fields(texts)
    store = _population(lab, items)
    for text in texts:
        _check(lab, store, items, {"f": text})


@case("F1")
def test_a_filter_keeps_to_the_prefix(lab: Lab) -> None:
    """
    A filter finds items under the prefix only, by method and in a batch, for each search its own.

    If this fails, look at how the conditions of prefix and filter are joined (AND before OR).
    """
    store = lab.open()
    spaces = [("a",), ("a", "x"), ("ab",), ("b",), ("b", "a")]
    fill(store, [(ns, f"{'-'.join(ns)}{i}", {"f": i % 3, "g": "x"}) for ns in spaces for i in range(6)])

    wishes: list[dict[str, Any]] = [{"f": 1}, {"f": {"$gte": 1}}, {"f": {"$ne": 0}, "g": "x"}, {"f": None}, {"g": {"$eq": "y"}}]
    scopes = [("a",), ("a", "x"), ("b",), (), ("none",)]
    asked = [(scope, wanted) for scope in scopes for wanted in wishes]
    batch = store.batch([SearchOp(scope, filter=wanted, limit=1000) for scope, wanted in asked])
    for (scope, wanted), found in zip(asked, batch):
        expected = sorted(
            f"{'-'.join(ns)}{i}"
            for ns in spaces for i in range(6)
            if ns[: len(scope)] == scope and _passes({"f": i % 3, "g": "x"}, wanted)
        )  # fmt: skip
        lab.equal(store.keys(scope, filter=wanted), expected, f"the keys under {scope} for {wanted!r}")
        lab.equal(sorted(i.key for i in found), expected, f"the keys of a batch under {scope} for {wanted!r}")


# -- F2: $eq --------------------------------------------------------------------------------------


@case("F2")
def test_eq_is_the_plain_value_for_scalars(lab: Lab) -> None:
    """
    ``{"f": {"$eq": value}}`` finds what ``{"f": value}`` finds, for text, numbers and bools.

    If this fails, the two ways have code of their own that differs.
    """
    items = _fields([*SCALARS, *OTHERS])
    store = _population(lab, items)
    missing = [key for key, value in items.items() if "f" not in value]
    for value in [v for v in SCALARS if v is not MISSING] + ["nothing", 7]:
        free = missing if value is None else ()
        _check(lab, store, items, {"f": {"$eq": value}}, free=free)
        _check(lab, store, items, {"f": value}, free=free)


LISTS: list[Any] = [
    *([], [1], [2], [1, 2], [2, 1], [1, 2, 3], [1, 1], ["a"], ["a", "b"], ["b", "a"], ["A"], ["a", "b", "c"], ["1"]),
    *([[1, 2]], [[1], [2]], [1.5], [None], ["é😀", "it's"], ["a,b"], ['"'], [""], [1, "a", None, 2.5], [[]]),
]
NO_LISTS: list[Any] = [1, "a", "[1]", "[]", "", None, MISSING, {}, {"0": 1}, True, "1,2", "[1,2]", {"a": [1, 2]}]


@case("F2")
def test_eq_is_the_plain_value_for_lists(lab: Lab) -> None:
    """
    ``{"f": {"$eq": list}}`` finds what ``{"f": list}`` finds.

    If this fails, look at how a list is bound: as bytes, as text, as an array.
    """
    items = _fields([*LISTS, *(v for v in NO_LISTS if not isinstance(v, str))])
    store = _population(lab, items)
    for value in LISTS:
        _check(lab, store, items, {"f": {"$eq": value}})


# -- F3, F4, F5: ranges ---------------------------------------------------------------------------

NUMBERS: list[Any] = [
    *(2, 9, 9.5, 10, 100, -1, -2, -10, -9.5, 0, 1, 3, 99, 1000, 0.5, -0.5, 1e-9, 4.99, 5, 4.98, 1_000_000, 12, 1e15),
    *(-1e15, 10.25, 9.99, 11, 20, 3.0, 123456789, -123456789),
]


@case("F3")
def test_ranges_on_numbers_are_numeric(lab: Lab) -> None:
    """
    ``$gt``, ``$gte``, ``$lt`` and ``$lte`` compare numbers as numbers: 2 < 9 < 9.5 < 10 < 100.

    If this fails, numbers are compared as text ("10" < "9"); cast them.
    """
    items = _fields(NUMBERS)
    store = _population(lab, items)
    for operand in (2, 9, 9.5, 10, 100, 0, -1, -10, -9.25, 0.25, 4.99, 1e-9, 1_000_001, -2e15, 10.0):
        for operator in RANGES:
            _check(lab, store, items, {"f": {operator: operand}})


@case("F3")
def test_the_example_of_the_docs(lab: Lab) -> None:
    """
    The example of the docs, ``{"score": {"$gt": 4.99}}``, with its neighbours.

    If this fails, look at how the operand is bound.
    """
    items = _fields([4.99, 5.0, 4.98, 5, 10, 49.9, 0, -4.99, 4.991, 100.5], name="score")
    store = _population(lab, items)
    for operator in RANGES:
        _check(lab, store, items, {"score": {operator: 4.99}})
        _check(lab, store, items, {"score": {operator: 5}, "n": {"$lt": 8}})


WORDS = ["apple", "apricot", "banana", "a", "b", "z", "zebra", "m", "applesauce", "lemon", "app"]
DATES = ["2024-01-01", "2024-01-02", "2024-02-01", "2024-10-01", "2024-12-31", "2023-12-31", "2025-01-01", "1999-12-31"]
TIMES = ["2024-05-17T10:00:00+00:00", "2024-05-17T09:59:59+00:00", "2024-05-17T10:00:01+00:00", "2024-05-18T00:00:00+00:00"]


@case("F4", params={"words": WORDS, "dates": DATES, "times": TIMES, "digits": ["10", "9", "2", "100", "1", "20", "99"]})
def test_ranges_on_texts_are_lexicographic(lab: Lab, texts: list[str]) -> None:
    """
    ``$gt`` and its like compare texts letter by letter, so that ISO dates are in order.

    If this fails, texts are cast to numbers; "10" comes before "9" among texts.
    """
    items = _fields(texts)
    store = _population(lab, items)
    for operand in texts:
        for operator in RANGES:
            _check(lab, store, items, {"f": {operator: operand}})
    low, high = sorted(texts)[1], sorted(texts)[-2]
    _check(lab, store, items, {"f": {"$gte": low, "$lt": high}})


@case("F5")
def test_a_range_skips_items_without_the_field(lab: Lab) -> None:
    """
    Items whose field is missing or null match no range, and nothing is raised.

    If this fails, look at None in a comparison, and at a null that is taken for 0.
    """
    items = _fields([10, 50, 20, None, MISSING, 30, None, MISSING])  # two digits: see F6
    for item in items.values():
        item["t"] = "a" if "f" in item else None
    store = _population(lab, items)
    for operator in RANGES:
        for operand in (10, 15, 25.5, 50, 99):
            _check(lab, store, items, {"f": {operator: operand}})
        _check_keys(lab, store, items, {"nowhere": {operator: 1}}, set())
        for text in ("", "a", "zz"):
            _check(lab, store, items, {"t": {operator: text}})
            _check_keys(lab, store, items, {"nowhere": {operator: text}}, set())


@case("F5")
def test_a_range_of_numbers_skips_texts(lab: Lab) -> None:
    """
    A text is in no range of numbers, also if it reads like one, and nothing is raised.

    If this fails, look at casts: of text that is no number, and of text that is.
    """
    items = _fields([1, 5, 10, "1", "5", "50", "abc", "", "2024-01-01", " 5", "1e3", "-5", "NaN", "inf", -5, 7.5])
    store = _population(lab, items)
    for operator in RANGES:
        for operand in (0, 5, 7.5, -10, 1000):
            _check(lab, store, items, {"f": {operator: operand}})


@case("F5")
def test_a_range_of_texts_skips_numbers(lab: Lab) -> None:
    """
    A number is in no range of texts, and nothing is raised.

    If this fails, both sides are turned into text.
    """
    items = _fields([1, 5, 10, 2024, -5, 7.5, "1", "5", "a", "b", "2024-01-01", "zz", "10"])
    store = _population(lab, items)
    for operator in RANGES:
        for operand in ("5", "a", "2", "2024-01-01", "0", "zzz"):
            _check(lab, store, items, {"f": {operator: operand}})


@case("F5")
def test_a_range_skips_lists_and_objects(lab: Lab) -> None:
    """
    Lists and objects are in no range, of numbers or of texts, and nothing is raised.

    If this fails, look at comparisons across types.
    """
    items = _fields([1, 5, 10, "a", "m", [], [5], ["m"], {}, {"f": 5}, [[5]], {"m": "m"}, [1, 100]])
    store = _population(lab, items)
    for operator in RANGES:
        for operand in (0, 5, 100, "", "b", "~"):
            _check(lab, store, items, {"f": {operator: operand}})


@case("F5")
def test_a_range_of_numbers_skips_bools(lab: Lab) -> None:
    """
    true and false are in no range of numbers.

    If this fails, a bool is taken for 1 or 0.
    """
    items = _fields([2, -2, True, False, 10, True, False])
    store = _population(lab, items)
    for operator in RANGES:
        for operand in (0.5, -1, 5, -100, 100):
            _check(lab, store, items, {"f": {operator: operand}})


# -- F6, F7: $ne and several operators ------------------------------------------------------------


@case("F6")
def test_ne_finds_all_that_differ(lab: Lab) -> None:
    """
    ``$ne`` finds the items whose field is there and differs, whatever its type.

    If this fails, look at comparisons across types, and at text compared without its case.
    """
    values = [v for v in SCALARS if v is not None and v is not MISSING]
    items = _fields([*values, "2", "10", "true", None, MISSING])
    store = _population(lab, items)
    free = [key for key, value in items.items() if value.get("f") is None]
    for operand in [*values, "2", "10", "true", "nothing", 7]:
        _check(lab, store, items, {"f": {"$ne": operand}}, free=free)


@case("F6")
def test_ne_of_null_finds_what_is_not_null(lab: Lab) -> None:
    """
    ``{"$ne": None}`` finds every item whose field is there and not null.

    If this fails, look at ``!= NULL`` in SQL, which is never true.
    """
    items = _fields([2, "a", "", 0, False, True, "null", None, MISSING, 1.5])
    store = _population(lab, items)
    free = [key for key, value in items.items() if value.get("f") is None]
    _check(lab, store, items, {"f": {"$ne": None}}, free=free)


@case("F6")
def test_several_operators_are_all_met(lab: Lab) -> None:
    """
    Several operators below one field are ANDed, in any order.

    If this fails, look for an operator that overwrites or stops the others.
    """
    # Two digits only, so that a store which compares numbers as text is not accused here: that is F3's.
    items = _fields([*range(10, 60), 14.5, 15.5, 49.9])
    store = _population(lab, items)
    wishes: list[dict[str, Any]] = [
        *({"$gt": 14, "$lt": 20}, {"$lt": 20, "$gt": 14}, {"$gte": 15, "$lte": 15}, {"$gt": 15, "$lt": 15}, {"$gte": 50}),
        *({"$gt": 12, "$lt": 20, "$ne": 15}, {"$ne": 13, "$eq": 13}, {"$eq": 13, "$gt": 12}, {"$gt": 20, "$lt": 14}),
        *({"$gte": 11, "$gt": 12, "$lte": 19, "$lt": 19}, {"$ne": 13, "$lte": 13}, {"$eq": 14.5, "$ne": 14}),
        *({"$eq": 13, "$gt": 13}, {"$lt": 50, "$gt": 49.5}, {"$eq": 13, "$lt": 99, "$ne": 12}),
    ]
    for wanted in wishes:
        _check(lab, store, items, {"f": wanted})


@case("F6")
def test_operators_on_several_fields_are_all_met(lab: Lab) -> None:
    """
    Operators and plain values on several fields are ANDed; shown by filters drawn at random.

    If this fails, look at parameters that are bound in another order than their conditions.
    """
    rng = lab.rng
    items = {
        f"i{n:03}": {"a": rng.randint(10, 22), "b": rng.choice(WORDS), "c": rng.choice([11.5, 12.5, 20.5]), "d": rng.random() < 0.5}
        for n in range(80)
    }  # fmt: skip
    store = _population(lab, items)
    for _ in range(60):
        wanted: dict[str, Any] = {}
        for name in rng.sample(["a", "b", "c", "d"], rng.randint(2, 4)):
            value = rng.choice(list(items.values()))[name]
            operators = ["$eq", "$ne", *(RANGES if name in "ac" else ())]
            chosen = rng.sample(operators, rng.randint(1, 2))
            wanted[name] = value if rng.random() < 0.3 else {op: value for op in chosen}
        _check(lab, store, items, wanted)


@case("F7")
def test_what_ne_does_with_a_missing_field(lab: Lab) -> None:
    """
    Whether ``$ne`` finds items whose field is missing or null is the store's choice: recorded only.

    If this fails, the store raises for them.
    """
    items: Items = {"missing": {}, "null": {"f": None}, "other": {"f": "x"}, "same": {"f": "a"}}
    store = _population(lab, items)
    for operand in ("a", 1, True, None):
        found: list[str] = []
        error = lab.attempt(lambda operand=operand: found.extend(store.keys(NS, filter={"f": {"$ne": operand}})))  # type: ignore[misc]
        lab.observe(f"filter.$ne {operand!r} finds", type(error).__name__ if error else ", ".join(found))


# -- F8: unknown operators ------------------------------------------------------------------------

UNKNOWN = ("$unknown", "$equals", "$gtt", "$foo bar", "$", "$$gt")


@case("F8", params={name: name for name in UNKNOWN})
def test_an_unknown_operator_is_refused(lab: Lab, operator: str) -> None:
    """
    An unknown operator is refused with ValueError, whether or not an item has the field.

    If this fails, look for an operator that is skipped, or taken for a nested field.
    """
    store = _population(lab, {"has": {"f": 1}, "none": {"g": 1}})
    for name, operand in (("f", 1), ("f", "x"), ("f", [1, 2]), ("f", None), ("g", 1), ("nowhere", 1)):
        with lab.refuses(ValueError, f"the filter {({name: {operator: operand}})!r}"):
            store.search(NS, filter={name: {operator: operand}})
    with lab.refuses(ValueError, f"an operation with the unknown operator {operator!r}"):
        store.batch([SearchOp(NS, filter={"f": {operator: 1}})])
    lab.equal(store.keys(NS), ["has", "none"], "the keys after the refusals")


@case("F8")
def test_an_unknown_operator_beside_known_ones_is_refused(lab: Lab) -> None:
    """
    An unknown operator is refused also beside operators that are known and met.

    If this fails, look for a filter that is known by its first operator.
    """
    store = _population(lab, {"k": {"f": 5, "g": 1}})
    wishes: list[dict[str, Any]] = [
        *({"f": {"$gt": 1, "$unknown": 2}}, {"f": {"$unknown": 2, "$gt": 1}}, {"g": 1, "f": {"$unknown": 5}}),
        *({"f": {"$unknown": 5}, "g": 1}, {"f": 5, "g": {"$eq": 1, "$unknown": 1}}),
    ]
    for wanted in wishes:
        with lab.refuses(ValueError, f"the filter {wanted!r}"):
            store.search(NS, filter=wanted)


@case("F8")
def test_an_unknown_operator_that_is_not_reached(lab: Lab) -> None:
    """
    An unknown operator with no item to look at may pass; it is never answered by an item.

    If this fails, the operator is ignored, and everything matches.
    """
    store = _population(lab, {"k": {"f": 5, "g": 1}})
    wishes: dict[str, tuple[Any, dict[str, Any]]] = {
        "no item in scope": (("nowhere",), {"f": {"$unknown": 1}}),
        "after an operator that is not met": (NS, {"f": {"$gt": 9, "$unknown": 1}}),
        "after a field that is not met": (NS, {"g": 2, "f": {"$unknown": 1}}),
    }
    for name, (scope, wanted) in wishes.items():
        found: list[Any] = []
        error = lab.attempt(lambda s=scope, w=wanted: found.extend(store.search(s, filter=w)))  # type: ignore[misc]
        lab.observe(f"filter.unknown operator, {name}", type(error).__name__ if error else len(found))
        lab.true(error is None or isinstance(error, ValueError), f"refused with ValueError: {wanted!r}", got=error)
        lab.equal(found, [], f"items found by {wanted!r}")


@case("F8")
def test_a_field_may_start_with_a_dollar(lab: Lab) -> None:
    """
    At the top of a filter a name that starts with ``$`` is the name of a field.

    If this fails, the names at the top are checked as if they were operators.
    """
    items: Items = {"a": {"$price": 1}, "b": {"$price": 2}, "c": {"price": 1}, "d": {"$eq": 1}, "e": {"$gt": 1, "$price": "1"}}
    for n, item in enumerate(items.values()):
        item["$total"] = n
    store = _population(lab, items)
    _check_keys(lab, store, items, {"$price": 1}, {"a"})
    _check_keys(lab, store, items, {"$price": {"$eq": 2}}, {"b"})
    _check_keys(lab, store, items, {"$total": {"$gte": 3}}, {"d", "e"})
    _check_keys(lab, store, items, {"$eq": 1}, {"d"})
    _check_keys(lab, store, items, {"$gt": 1}, {"e"})


# -- F9, F10: lists and objects -------------------------------------------------------------------


@case("F9")
def test_a_list_matches_an_equal_list(lab: Lab) -> None:
    """
    A list matches a list of the same elements in the same order, and nothing else.

    If this fails, look for containment (``@>``, ``in``), sets, or a comparison up to the shorter.
    """
    items = _fields([*LISTS, *(v for v in NO_LISTS if not isinstance(v, str))])
    store = _population(lab, items)
    for value in [*LISTS, [3], [2, 1, 3], [1, 2, 3, 4], ["b"]]:
        _check(lab, store, items, {"f": value})


@case("F9")
def test_a_list_matches_no_text_of_itself(lab: Lab) -> None:
    """
    A list does not match the text that would be its JSON.

    If this fails, lists are compared by the text that the engine makes of them.
    """
    items = _fields([[1, 2], "[1,2]", "[1, 2]", [], "[]", ["a"], '["a"]', "a"])
    store = _population(lab, items)
    for value in ([1, 2], [], ["a"]):
        _check(lab, store, items, {"f": value})


@case("F9")
def test_an_element_does_not_match_its_list(lab: Lab) -> None:
    """
    A filter by a scalar does not match a list that contains it.

    If this fails, the engine matches arrays by any element.
    """
    items = _fields([2, [2], [2, 3], "a", ["a"], ["a", "b"], 1.5, [1.5], [[2]]])
    store = _population(lab, items)
    for value in (2, 3, "a", "b", 1.5):
        _check(lab, store, items, {"f": value})
        _check(lab, store, items, {"f": {"$eq": value}})


@case("F10")
def test_a_nested_object_is_matched_by_its_fields(lab: Lab) -> None:
    """
    ``{"f": {"b": 1}}`` finds items whose object has just that, and none where a named field differs.

    If this fails, look for a nested name that is taken for an operator, or objects compared as text.
    """
    objects: list[Any] = [{"b": 2}, {"b": 3}, {"c": 2}, {"b": "2"}, {"b": {"b": 2}}, {"B": 2}, {"b": None}, {"b": [2]}]
    two: list[Any] = [{"b": 2, "c": "x"}, {"c": "x", "b": 2}, {"b": 2, "c": "y"}, {"b": 4, "c": "x"}, {"c": "x"}]
    deep: list[Any] = [{"p": {"q": 7}}, {"p": {"q": 8}}, {"p": {"r": 7}}, {"q": 7}, {"p": 7}, {"p": {"p": {"q": 7}}}]
    others: list[Any] = [2, "b", [{"b": 2}], None, MISSING, {}, '{"b": 2}', {"f": {"b": 2}}, True]
    items = _fields([*objects, *two, *deep, *others])
    items["beside"] = {"b": 2, "p": {"q": 7}}
    store = _population(lab, items)
    wishes: list[dict[str, Any]] = [
        *({"b": 2}, {"b": 3}, {"c": 2}, {"b": "2"}, {"b": 2, "c": "x"}, {"c": "y", "b": 2}, {"p": {"q": 7}}),
        *({"p": {"q": 8}}, {"b": 9}, {"x": 1}, {"c": "x"}, {"b": [2]}, {"b": 4, "c": "x"}),
    ]
    for wanted in wishes:
        equal = {k for k, v in items.items() if _equal(v.get("f", MISSING), wanted)}
        partial = {k for k, v in items.items() if _contains(v.get("f", MISSING), wanted)}
        _check_keys(lab, store, items, {"f": wanted}, equal, free=partial - equal)
    found = store.keys(NS, filter={"f": {"b": 2}})
    more = {k for k, v in items.items() if _contains(v.get("f", MISSING), {"b": 2}) and v["f"] != {"b": 2}}
    lab.observe("filter.nested object with further fields", "matches" if more & set(found) else "does not match")


def _contains(actual: Any, wanted: Any) -> bool:
    """Whether the object has the wanted fields, whatever else it has."""
    if not isinstance(wanted, dict):
        return _equal(actual, wanted)
    return isinstance(actual, dict) and all(_contains(actual.get(k, MISSING), v) for k, v in wanted.items())


@case("F10")
def test_a_nested_object_beside_other_conditions(lab: Lab) -> None:
    """
    A nested object is ANDed with the other fields of the filter.

    If this fails, look at where the nested conditions go.
    """
    items: Items = {
        f"i{n:02}": {"owner": {"name": f"u{n % 3}", "age": 30 + n % 2}, "state": "open" if n % 4 else "done", "n": n}
        for n in range(24)
    }
    store = _population(lab, items)
    for name, age in (("u0", 30), ("u1", 31), ("u2", 32)):
        owner = {"name": name, "age": age}
        for rest in ({"state": "open"}, {"n": {"$gte": 6}}, {"state": "done", "n": {"$lt": 20}}):
            expected = {k for k, v in items.items() if v["owner"] == owner and _passes(v, rest)}
            _check_keys(lab, store, items, {"owner": owner, **rest}, expected)
            _check_keys(lab, store, items, {**rest, "owner": owner}, expected)


@case("F10")
def test_odd_objects_in_a_filter_raise_nothing_foreign(lab: Lab) -> None:
    """
    ``{}``, objects inside lists and operators below a nested field may match or be refused, no more.

    If this fails, an error of the engine or of the code comes through: refuse with ValueError instead.
    """
    items: Items = {"a": {"f": {}}, "b": {"f": [{"b": 1}]}, "c": {"f": {"b": {"c": 5}}}, "d": {"f": 1}, "e": {}, "g": {"f": []}}
    store = _population(lab, items)
    wishes: dict[str, Any] = {
        "{}": {}, "[{}]": [{}], "[{b: 1}]": [{"b": 1}], "{b: {$gt: 1}}": {"b": {"$gt": 1}}, "{b: {c: {$gt: 1}}}": {"b": {"c": {"$gt": 1}}},
        "{$eq: {}}": {"$eq": {}}, "{$eq: {b: {c: 5}}}": {"$eq": {"b": {"c": 5}}}, "{$ne: {}}": {"$ne": {}},
        "{$eq: [{b: 1}]}": {"$eq": [{"b": 1}]}, "{$gt: 1, b: 2}": {"$gt": 1, "b": 2}, "{b: {}}": {"b": {}},
        "{$gt: []}": {"$gt": []}, "{$lt: {}}": {"$lt": {}}, "{$gt: None}": {"$gt": None}, "{$gt: True}": {"$gt": True},
    }  # fmt: skip
    for name, condition in wishes.items():
        found: list[str] = []
        error = lab.attempt(lambda c=condition: found.extend(store.keys(NS, filter={"f": c})))  # type: ignore[misc]
        lab.observe(f"filter.{name}", type(error).__name__ if error else ", ".join(found) or "nothing")
        lab.true(error is None or isinstance(error, REFUSALS), f"the filter {({'f': condition})!r} is answered or refused",
                 expected="items, ValueError, TypeError or NotImplementedError", got=error)  # fmt: skip
    lab.equal(store.keys(NS), sorted(items), "the keys after these filters")


# -- F11, F12: types of numbers -------------------------------------------------------------------


@case("F11", params={"plain": None, "$eq": "$eq"})
def test_a_bool_is_no_number(lab: Lab, operator: str | None) -> None:
    """
    true does not match 1, false does not match 0, nor the reverse.

    If this fails, look at Python's ``True == 1``, and at engines that keep bools as integers.
    """
    items = _fields([True, False, 1, 0, 1.0, 0.0, "true", "1", True, False, None, [True], [1]])
    store = _population(lab, items)
    for value in (True, False, 1, 0, 1.0, 0.0):
        _check(lab, store, items, {"f": value if operator is None else {operator: value}})


@case("F11")
def test_a_bool_differs_from_a_number(lab: Lab) -> None:
    """
    ``{"$ne": True}`` finds 1, ``{"$ne": 1}`` finds true, and likewise for false and 0.

    If this fails, look at Python's ``True == 1``, and at engines that keep bools as integers.
    """
    items = _fields([True, False, 1, 0, 1.0, "true", 5])
    store = _population(lab, items)
    for value in (True, False, 1, 0):
        _check(lab, store, items, {"f": {"$ne": value}})


LARGE = [
    *(2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 2**53 + 3, -(2**53) - 1, -(2**53), 2**62, 2**62 + 1, 2**62 - 1),
    *(2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1, 10**18, 10**18 + 1, 1_700_000_000_123_456_789, 1_700_000_000_123_456_788),
]


@case("F12", params={"plain": None, "$eq": "$eq", "$ne": "$ne"})
def test_large_integers_match_exactly(lab: Lab, operator: str | None) -> None:
    """
    Integers up to 2**63-1 that differ by one are different for a filter.

    If this fails, numbers go through a float, which has 53 bits.
    """
    items = _fields(LARGE)
    store = _population(lab, items)
    for value in LARGE:
        _check(lab, store, items, {"f": value if operator is None else {operator: value}})


@case("F12")
def test_large_integers_are_in_order(lab: Lab) -> None:
    """
    Ranges tell integers apart that differ by one, up to 2**63-1.

    If this fails, numbers go through a float, which has 53 bits.
    """
    # Of one length and sign, so that a store which compares numbers as text is not accused here.
    for length in (16, 19):
        numbers = [n for n in LARGE if n > 0 and len(str(n)) == length]
        items = {f"{length} {n}": {"f": n} for n in numbers}
        store = _population(lab, items)
        for operator in RANGES:
            for value in numbers:
                _check(lab, store, items, {"f": {operator: value}})


# -- F13: names of fields -------------------------------------------------------------------------

NAMES: dict[str, tuple[str, ...]] = {
    "plain": ("a", "A", "snake_case", "kebab-case", "camelCase", "a1", "_", "x" * 200),
    "unicode": ("é", "e\u0301", "名前", "😀", "ß", "İ", "Ñandú"),
    "space": ("a b", " a", "a ", "a\tb", "a\nb", " "),
    "quotes": ("'", '"', "a'b", 'a"b', "`", "''", '""', "O'Brien"),
    "dollar": ("a$b", "$", "$a", "a$", "$$", "$1"),
    "dots": ("a.b", ".", "a.", ".a", "a..b", "$.a", "a.b.c"),
    "brackets": ("a[0]", "[0]", "[]", "a[b]", "{}", "{a}", "(a)", "a[*]"),
    "signs": ("%", "%s", "a%b", "?", ":a", "@", "#", "\\", "a\\b", "/", "a/b", "->", "a:b", "*", "~1", "&", "|", "--"),
    "digits": ("0", "1", "00", "-1", "1.5"),
    "empty": ("",),
    "words": ("key", "value", "namespace", "prefix", "select", "null", "true", "created_at", "updated_at", "id", "rowid", "__class__"),
}


@case("F13", params=NAMES)
def test_any_name_can_be_filtered(lab: Lab, names: tuple[str, ...]) -> None:
    """
    A filter takes the name of any field literally, and finds the items that have it.

    If this fails, look at names that are refused, or read as a path or a pattern.
    """
    decoys: Items = {"d1": {"a": {"b": 71, "c": 71, "": 71}, "b": 71}, "d2": {"a": [71, {"b": 71}]}, "d3": {"a": {"b": {"c": 71}}}}
    items: Items = {**decoys, "d4": {"other": 71, "Z": "t"}}
    for n, name in enumerate(names):
        items |= {f"n{n} 71": {name: 71}, f"n{n} 72": {name: 72, "z": 1}, f"n{n} t": {name: "t"}}
    store = _population(lab, items)
    for name in names:
        for wanted in (71, 72, "t", {"$eq": 71}, {"$eq": "t"}):
            _check(lab, store, items, {name: wanted})
        _check(lab, store, items, {name: 72, "z": 1})
    for first, second in zip(names, names[1:]):
        _check(lab, store, items, {first: 71, second: 71})

    full: Items = {f"all{n}": {name: n * 100 + 10 + i for i, name in enumerate(names)} for n in range(1, 5)}
    fill(store, [(("full",), key, value) for key, value in full.items()])
    for i, name in enumerate(names):
        for wanted in ({"$gt": 210 + i}, {"$lte": 310 + i, "$ne": 210 + i}):
            _check(lab, store, full, {name: wanted}, scope=("full",))


INJECTIONS = (
    *("x') = 71 OR 1=1 --", "x' OR '1'='1", "x') OR TRUE --", "x') IS NULL OR ('1'='1", "f') IS NOT NULL --", "'; DROP TABLE store; --"),
    *("x') UNION SELECT prefix, key, value, created_at, updated_at, NULL, NULL, NULL FROM store --", 'x" OR 1=1 --', "x\\' OR 1=1 --"),
    *("$.f", "f' || '", "x'::text = '71' OR '1", "%(x)s", "{f}", "f\x01", "x`) OR 1=1 --", "x); DELETE FROM store; --", "*/ OR 1=1 /*"),
)


@case("F13")
def test_no_name_changes_the_query(lab: Lab) -> None:
    """
    A name written to break out of its place finds nothing, breaks nothing and changes nothing.

    If this fails, a name is pasted into SQL: bind it as a parameter, or escape it.
    """
    items = _fields([71, 72, "t", None, [1]])
    store = _population(lab, items)
    fill(store, [(("secret",), "s", {"f": 71})])
    for name in INJECTIONS:
        for condition in (71, "t", {"$eq": 71}, {"$gt": 1}, {"$ne": 5}, {"$lte": "z"}, [1]):
            found: list[Any] = []
            error = lab.attempt(lambda n=name, c=condition: found.extend(store.search(NS, filter={n: c})))  # type: ignore[misc]
            lab.true(error is None or isinstance(error, REFUSALS), f"a field named {name!r} is answered or refused",
                     expected="no error of the engine", got=error)  # fmt: skip
            if condition != {"$ne": 5}:  # a missing field may match that
                lab.equal([i.key for i in found], [], f"items found by the filter {({name: condition})!r}")
            lab.true(all(tuple(i.namespace) == NS for i in found), "items of the prefix only", got=found)

    _check_untouched(lab, store, items)
    lab.equal(store.keys(("secret",)), ["s"], "the keys of the other namespace")


# -- F14: filter values are data ------------------------------------------------------------------

DATA: dict[str, tuple[str, ...]] = {
    "quotes": (*LOOKALIKES["quotes"], "' OR 1=1 --", "x' OR 'x'='x", "\\'", '\\"', '"', '","', "'||'", "';"),
    "patterns": LOOKALIKES["patterns"],
    "emoji": LOOKALIKES["emoji"],
    "escapes": ("\\n", "\n", "\\u0041", "A", "\\u00e9", "é", "\\\\n", "\t", "\\t", "\r\n", "\u2028", "\x01", "\x1f", "\x7f", "\\x00", "\\"),
    "json": ('{"a": 1}', "[1]", '"text"', "text", '\\"text\\"', "null", "$.a", "$", "$eq", "@", "{{x}}", "}", '"}', "']"),
}


@case("F14", params=DATA)
def test_values_in_a_filter_are_data(lab: Lab, texts: tuple[str, ...]) -> None:
    """
    A text in a filter is compared as it is, whatever SQL, JSON or a pattern would make of it.

    If this fails, the value is pasted into the query, or escaped once too little or too often.
    """
    items = _fields(texts)
    store = _population(lab, items)
    for text in texts:
        _check(lab, store, items, {"f": text})
        _check(lab, store, items, {"f": {"$eq": text}})
        _check(lab, store, items, {"f": {"$ne": text}})
    _check_untouched(lab, store, items)


@case("F14")
def test_values_inside_a_list_are_data(lab: Lab) -> None:
    """
    Texts inside a list of a filter are compared as they are.

    If this fails, look at how a list is written into the query.
    """
    lists = [[text] for text in (*DATA["quotes"], *DATA["escapes"], *DATA["emoji"], "%", "_")]
    items = _fields([*lists, ["'", '"', "\\"], ["a", "b'"]])
    store = _population(lab, items)
    for value in [*lists, ["'", '"', "\\"], ["a", "b'"], ["' OR 1=1 --", "x"]]:
        _check(lab, store, items, {"f": value})


@case("F14")
def test_texts_in_a_range_are_data(lab: Lab) -> None:
    """
    A text written to break out of its place neither breaks a range nor changes anything.

    If this fails, the operand of a range is pasted into the query.
    """
    items = _fields(["a", "b", "it's", "100%", "a\\b", "😀"])
    store = _population(lab, items)
    fill(store, [(("secret",), "s", {"f": "s"})])
    for text in dict.fromkeys((*DATA["quotes"], *DATA["patterns"], *DATA["escapes"], *DATA["emoji"])):
        for operator in ("$gt", "$lte"):
            found: list[Any] = []
            error = lab.attempt(lambda o=operator, t=text: found.extend(store.search(NS, filter={"f": {o: t}})))  # type: ignore[misc]
            lab.true(error is None or isinstance(error, REFUSALS), f"the range {operator} {text!r} is answered or refused",
                     expected="no error of the engine", got=error)  # fmt: skip
            lab.true({i.key for i in found} <= set(items), "items under the prefix only", got=found)
    _check_untouched(lab, store, items)
    lab.equal(store.keys(("secret",)), ["s"], "the keys of the other namespace")


def _check_untouched(lab: Lab, store: Subject, items: Items) -> None:
    got = dict(zip(items, values_of(store, [(NS, key) for key in items])))
    lab.equal(got, items, "the items after the filters")
