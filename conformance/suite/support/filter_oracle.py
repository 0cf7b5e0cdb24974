"""
What a filter should find, by plain Python over the same items, and the check of it; no case itself.

Where the contract leaves a choice (a missing field, a null), a case names the items that are free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import ge, gt, le, lt
from typing import Any

from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.oracle.explanation import names_a_bound
from store_conformance.suite.support.shapes import fill, values_of

NS = ("items",)
MISSING: Any = object()
Items = dict[str, dict[str, Any]]
RANGES: dict[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
REFUSALS = (ValueError, TypeError, NotImplementedError)


SCALARS: list[Any] = [
    *(2, 3, 9, 10, 11, 100, -1, -2, -10, 42, 1_000_000, -42),
    *(1.5, -1.5, 0.1, 4.99, 5.01, 1e-7, 10.5, 0.30000000000000004, 0.3),
    *(
        "",
        "a",
        "A",
        "ab",
        "abc",
        "b",
        "a ",
        " a",
        "hello world",
        "Ada",
        "x",
        "é",
        "e\u0301",
        "漢字",
        "2024-05-17",
    ),
    *(True, False, None, MISSING, True, False, None, MISSING),
]
OTHERS: list[Any] = [[], [2], ["a"], [[2]], {}, {"a": 2}, {"f": "a"}, [True], [None]]
LISTS: list[Any] = [
    *(
        [],
        [1],
        [2],
        [1, 2],
        [2, 1],
        [1, 2, 3],
        [1, 1],
        ["a"],
        ["a", "b"],
        ["b", "a"],
        ["A"],
        ["a", "b", "c"],
        ["1"],
    ),
    *([1, 2, 3, 4, 5], [1, 2, 3, 4], ["a", "b", "c", "d"]),
    *(
        [[1, 2]],
        [[1], [2]],
        [1.5],
        [None],
        ["é😀", "it's"],
        ["a,b"],
        ['"'],
        [""],
        [1, "a", None, 2.5],
        [[]],
    ),
]
NO_LISTS: list[Any] = [
    1,
    "a",
    "[1]",
    "[]",
    "",
    None,
    MISSING,
    {},
    {"0": 1},
    True,
    "1,2",
    "[1,2]",
    {"a": [1, 2]},
]


def kind(value: Any) -> str:
    if value is MISSING or value is None:
        return "missing" if value is MISSING else "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return type(value).__name__


def equal(one: Any, other: Any, one_kind: bool = True) -> bool:
    """Equality of JSON values: 1 equals 1.0 where numbers are of one kind; neither equals true."""
    if kind(one) != kind(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(equal(a, b, one_kind) for a, b in zip(one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k], one_kind) for k in one)
    return bool(one == other) and (one_kind or type(one) is type(other))


def operate(operator: str, actual: Any, operand: Any, one_kind: bool = True) -> bool:
    if operator == "$eq":
        return equal(actual, operand, one_kind)
    if operator == "$ne":
        return not equal(actual, operand, one_kind)
    same = kind(actual) == kind(operand) and kind(operand) in ("number", "str")
    return same and RANGES[operator](actual, operand)


def passes(value: dict[str, Any], wanted: dict[str, Any], one_kind: bool = True) -> bool:
    for name, condition in wanted.items():
        actual = value.get(name, MISSING)
        conditions = condition if isinstance(condition, dict) else {"$eq": condition}
        if not all(operate(op, actual, given, one_kind) for op, given in conditions.items()):
            return False
    return True


def fields(values: Iterable[Any], name: str = "f") -> Items:
    """One item for each value of the field; ``MISSING`` makes an item without it."""
    return {
        f"i{n:03}": ({"n": n} if v is MISSING else {"n": n, name: v}) for n, v in enumerate(values)
    }


def population(lab: Lab, items: Items) -> Subject:
    store = lab.open()
    fill(store, [(NS, key, value) for key, value in items.items()])
    return store


def finds_wholes(lab: Lab, whole: Any, judge: str) -> None:
    """
    Ends the case as unsupported where a filter by an equal list or object finds nothing, or is refused.

    Whether it finds one is ``judge``'s question; other rules ask what is told apart inside.
    """
    store = population(lab, fields([whole]))
    found: list[str] = []
    refused = lab.attempt(lambda: found.extend(store.keys(NS, filter={"f": whole})))
    if isinstance(refused, REFUSALS):
        lab.unsupported(
            f"the filter { ({'f': whole})!r} is refused, which {judge} judges: {refused}"[:200]
        )
    if refused is None and not found:
        lab.unsupported(
            f"the filter { ({'f': whole})!r} finds no equal value, which {judge} judges"
        )


def operands_taken(lab: Lab, operands: Iterable[Any]) -> list[Any]:
    """The operands of a range without the texts, where a range over text is refused, which is F4's to judge."""
    store = lab.open()
    store.put(NS, "k", {"f": "b"})
    refused = lab.attempt(lambda: store.search(NS, filter={"f": {"$gt": "a"}}))
    if not isinstance(refused, REFUSALS):
        return list(operands)
    lab.observe("refused.ranges_over_text", str(refused)[:80])
    return [operand for operand in operands if not isinstance(operand, str)]


def check(
    lab: Lab,
    store: Subject,
    items: Items,
    wanted: dict[str, Any],
    *,
    free: Iterable[str] = (),
    scope: Any = NS,
    one_kind: bool = False,
) -> None:
    """
    The filter finds what the oracle says; keys in ``free`` may come or not.

    Whether 1 matches 1.0 is F11's, which says ``one_kind``; elsewhere an item that it decides about is free.
    """
    if not one_kind:
        apart = [k for k, v in items.items() if passes(v, wanted) != passes(v, wanted, False)]
        free = {*free, *apart}
    expected = {key for key, value in items.items() if passes(value, wanted)} - set(free)
    check_keys(lab, store, items, wanted, expected, free=free, scope=scope)


def check_keys(
    lab: Lab,
    store: Subject,
    items: Items,
    wanted: dict[str, Any],
    expected: set[str],
    *,
    free: Iterable[str] = (),
    scope: Any = NS,
) -> None:
    try:
        found = [i.key for i in store.search(scope, filter=wanted, limit=1000)]
    except StoreRaisedError as error:
        said = message_of(error.cause, 2000)
        if not isinstance(error.cause, REFUSALS) or not names_a_bound(said, wanted):
            raise
        lab.observe("refused.large_bounds", said[:80])  # which F12 allows
        return
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


def check_untouched(lab: Lab, store: Subject, items: Items) -> None:
    got = dict(zip(items, values_of(store, [(NS, key) for key in items])))
    lab.equal(got, items, "the items after the filters")
