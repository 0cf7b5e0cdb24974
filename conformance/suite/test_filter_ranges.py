"""
Group F, order: ranges on numbers and texts, and the numbers that are hard to compare.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.filter_oracle import (
    MISSING,
    NS,
    RANGES,
    REFUSALS,
    check,
    check_keys,
    fields,
    operands_taken,
    population,
)

# -- F3, F4, F5: ranges ---------------------------------------------------------------------------

NUMBERS: list[Any] = [
    *(
        2,
        9,
        9.5,
        10,
        100,
        -1,
        -2,
        -10,
        -9.5,
        0,
        1,
        3,
        99,
        1000,
        0.5,
        -0.5,
        1e-9,
        4.99,
        5,
        4.98,
        1_000_000,
        12,
        1e15,
    ),
    *(-1e15, 10.25, 9.99, 11, 20, 3.0, 123456789, -123456789),
]


@case("F3")
def test_ranges_on_numbers_are_numeric(lab: Lab) -> None:
    """
    ``$gt``, ``$gte``, ``$lt`` and ``$lte`` compare numbers as numbers: 2 < 9 < 9.5 < 10 < 100.

    If this fails, numbers are compared as text ("10" < "9"); cast them.
    """
    items = fields(NUMBERS)
    store = population(lab, items)
    for operand in (
        2,
        9,
        9.5,
        10,
        100,
        0,
        -1,
        -10,
        -9.25,
        0.25,
        4.99,
        1e-9,
        1_000_001,
        -2e15,
        10.0,
    ):
        for operator in RANGES:
            check(lab, store, items, {"f": {operator: operand}})


NEIGHBOURS = [
    *(1_700_000_000, 1_700_000_001, 1_700_000_000.5, 1_700_000_000.500001),
    *(0.1, 0.1 + 1e-12, 0.3, 0.1 + 0.2, 16_777_216, 16_777_217, 1e-12, 1.1e-12),
    *(1_700_000_000_123, 1_700_000_000_124),
]
"""Numbers that are one in single precision: moments in (milli)seconds, fractions, beyond 2**24."""


@case("F3")
def test_numbers_close_together_are_told_apart(lab: Lab) -> None:
    """
    Numbers that differ in the tenth digit or later are in order, and equal only to themselves.

    If this fails, look for a numeric column or index of single precision.
    """
    items = fields(NEIGHBOURS)
    store = population(lab, items)
    for number in NEIGHBOURS:
        for operator in RANGES:
            check(lab, store, items, {"f": {operator: number}})
        check(lab, store, items, {"f": number})


@case("F3")
def test_the_example_of_the_docs(lab: Lab) -> None:
    """
    The example of the docs, ``{"score": {"$gt": 4.99}}``, with its neighbours.

    If this fails, look at how the operand is bound.
    """
    items = fields([4.99, 5.0, 4.98, 5, 10, 49.9, 0, -4.99, 4.991, 100.5], name="score")
    store = population(lab, items)
    for operator in RANGES:
        check(lab, store, items, {"score": {operator: 4.99}})
        check(lab, store, items, {"score": {operator: 5}, "n": {"$lt": 8}})


WORDS = ["apple", "apricot", "banana", "a", "b", "z", "zebra", "m", "applesauce", "lemon", "app"]
DATES = [
    "2024-01-01",
    "2024-01-02",
    "2024-02-01",
    "2024-10-01",
    "2024-12-31",
    "2023-12-31",
    "2025-01-01",
    "1999-12-31",
]
TIMES = [
    "2024-05-17T10:00:00+00:00",
    "2024-05-17T09:59:59+00:00",
    "2024-05-17T10:00:01+00:00",
    "2024-05-18T00:00:00+00:00",
]


@case(
    "F4",
    params={
        "words": WORDS,
        "dates": DATES,
        "times": TIMES,
        "digits": ["10", "9", "2", "100", "1", "20", "99"],
    },
)
def test_ranges_on_texts_are_lexicographic(lab: Lab, texts: list[str]) -> None:
    """
    ``$gt`` and its like compare texts letter by letter, so that ISO dates are in order.

    If this fails, texts are cast to numbers; "10" comes before "9" among texts.
    """
    items = fields(texts)
    store = population(lab, items)
    for operand in texts:
        for operator in RANGES:
            check(lab, store, items, {"f": {operator: operand}})
    low, high = sorted(texts)[1], sorted(texts)[-2]
    check(lab, store, items, {"f": {"$gte": low, "$lt": high}})


@case("F5")
def test_a_range_skips_items_without_the_field(lab: Lab) -> None:
    """
    Items whose field is missing or null match no range, and nothing is raised.

    If this fails, look at None in a comparison, and at a null that is taken for 0.
    """
    items = fields([10, 50, 20, None, MISSING, 30, None, MISSING])  # two digits: see F6
    for item in items.values():
        item["t"] = "a" if "f" in item else None
    store = population(lab, items)
    texts = operands_taken(lab, ("", "a", "zz"))
    for operator in RANGES:
        for operand in (10, 15, 25.5, 50, 99):
            check(lab, store, items, {"f": {operator: operand}})
        check_keys(lab, store, items, {"nowhere": {operator: 1}}, set())
        for text in texts:
            check(lab, store, items, {"t": {operator: text}})
            check_keys(lab, store, items, {"nowhere": {operator: text}}, set())


@case("F5")
def test_a_range_of_numbers_skips_texts(lab: Lab) -> None:
    """
    A text is in no range of numbers, also if it reads like one, and nothing is raised.

    If this fails, look at casts: of text that is not a number, and of text that is.
    """
    items = fields(
        [
            1,
            5,
            10,
            "1",
            "5",
            "50",
            "abc",
            "",
            "2024-01-01",
            " 5",
            "1e3",
            "-5",
            "NaN",
            "inf",
            -5,
            7.5,
        ]
    )
    store = population(lab, items)
    for operator in RANGES:
        for operand in (0, 5, 7.5, -10, 1000):
            check(lab, store, items, {"f": {operator: operand}})


@case("F5")
def test_a_range_of_texts_skips_numbers(lab: Lab) -> None:
    """
    A number is in no range of texts, and nothing is raised.

    If this fails, both sides are turned into text.
    """
    items = fields([1, 5, 10, 2024, -5, 7.5, "1", "5", "a", "b", "2024-01-01", "zz", "10"])
    texts = operands_taken(lab, ("5", "a", "2", "2024-01-01", "0", "zzz"))
    if not texts:
        lab.unsupported("a range over text is refused")
    store = population(lab, items)
    for operator in RANGES:
        for operand in texts:
            check(lab, store, items, {"f": {operator: operand}})


@case("F5")
def test_a_range_skips_lists_and_objects(lab: Lab) -> None:
    """
    Lists and objects are in no range, of numbers or of texts, and nothing is raised.

    If this fails, look at comparisons across types.
    """
    items = fields([1, 5, 10, "a", "m", [], [5], ["m"], {}, {"f": 5}, [[5]], {"m": "m"}, [1, 100]])
    store = population(lab, items)
    operands = operands_taken(lab, (0, 5, 100, "", "b", "~"))
    for operator in RANGES:
        for operand in operands:
            check(lab, store, items, {"f": {operator: operand}})


@case("F5")
def test_a_range_of_numbers_skips_bools(lab: Lab) -> None:
    """
    true and false are in no range of numbers.

    If this fails, a bool is taken for 1 or 0.
    """
    items = fields([2, -2, True, False, 10, True, False])
    store = population(lab, items)
    for operator in RANGES:
        for operand in (0.5, -1, 5, -100, 100):
            check(lab, store, items, {"f": {operator: operand}})


# -- F11, F12: types of numbers -------------------------------------------------------------------


@case("F11", params={"plain": None, "$eq": "$eq"})
def test_a_bool_is_no_number(lab: Lab, operator: str | None) -> None:
    """
    true does not match 1, false does not match 0, nor the reverse.

    If this fails, look at Python's ``True == 1``, and at engines that keep bools as integers.
    """
    items = fields([True, False, 1, 0, 1.0, 0.0, "true", "1", True, False, None, [True], [1]])
    store = population(lab, items)
    for value in (True, False, 1, 0, 1.0, 0.0):
        check(lab, store, items, {"f": value if operator is None else {operator: value}})


@case("F11")
def test_a_bool_differs_from_a_number(lab: Lab) -> None:
    """
    ``{"$ne": True}`` finds 1, ``{"$ne": 1}`` finds true, and likewise for false and 0.

    If this fails, look at Python's ``True == 1``, and at engines that keep bools as integers.
    """
    items = fields([True, False, 1, 0, 1.0, "true", 5])
    store = population(lab, items)
    for value in (True, False, 1, 0):
        check(lab, store, items, {"f": {"$ne": value}})


LARGE = [
    *(
        2**53 - 1,
        2**53,
        2**53 + 1,
        2**53 + 2,
        2**53 + 3,
        -(2**53) - 1,
        -(2**53),
        2**62,
        2**62 + 1,
        2**62 - 1,
    ),
    *(
        2**63 - 1,
        2**63 - 2,
        -(2**63),
        -(2**63) + 1,
        10**18,
        10**18 + 1,
        1_700_000_000_123_456_789,
        1_700_000_000_123_456_788,
    ),
]


@case("F12", params={"plain": None, "$eq": "$eq", "$ne": "$ne"})
def test_large_integers_match_exactly(lab: Lab, operator: str | None) -> None:
    """
    Integers up to 2**63-1 that differ by one are different for a filter.

    If this fails, numbers go through a float, which has 53 bits.
    """
    items = fields(LARGE)
    store = population(lab, items)
    for value in LARGE:
        check(lab, store, items, {"f": value if operator is None else {operator: value}})


@case("F12")
def test_large_integers_are_in_order(lab: Lab) -> None:
    """
    Ranges tell integers apart that differ by one, up to 2**63-1.

    If this fails, numbers go through a float, which has 53 bits.
    """
    # Of one length and sign, so that a store which compares numbers as text is not accused here.
    for length in (16, 19):
        numbers = [n for n in LARGE if n > 0 and len(str(n)) == length]
        items = {f"n{length}_{n}": {"f": n} for n in numbers}
        store = population(lab, items)
        for operator in RANGES:
            for value in numbers:
                check(lab, store, items, {"f": {operator: value}})


@case("F12")
def test_an_infinite_limit_is_beyond_every_number(lab: Lab) -> None:
    """
    Every number is below infinity and above minus infinity; a store may refuse the two, as JSON has neither.

    If this fails, look for a number that is written into a query as text.
    """
    refused = lab.attempt(lambda: lab.open().put(NS, "k", {"f": 1e300}))
    far = 1e30 if refused is not None else 1e300  # whether so large a float is taken is K8's
    items = fields([*NUMBERS, 2**53 + 1, far, -far, MISSING, None])
    store = population(lab, items)
    for operator in RANGES:
        for operand in (math.inf, -math.inf):
            wanted = {"f": {operator: operand}}
            refused = lab.attempt(functools.partial(store.search, NS, filter=wanted))
            if isinstance(refused, REFUSALS):
                lab.observe("refused.infinite_limit", operator, error=str(refused)[:80])
                continue
            check(lab, store, items, wanted)
