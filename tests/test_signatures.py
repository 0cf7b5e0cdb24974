"""
What a failure looks like: the same fault gives one text for every seed, machine and Python, another fault another.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from store_conformance.harness.errors import CheckFailedError, StoreRaisedError
from store_conformance.harness.signatures import Signature, difference, normal, signature_of
from store_conformance.harness.text import contrasted, represent

MOMENT = datetime(2026, 11, 28, tzinfo=timezone.utc)
SEARCH = ("put(('a',), 'k', {}) -> None", "search(('a',)) -> []", "close() -> None")


def of_check(message: str, expected: Any, got: Any, rule: str = "S1") -> Signature:
    failure = CheckFailedError(message, expected=expected, got=got)
    return signature_of(rule, message, failure, SEARCH)


def of_exception(call: str, error: Exception, rule: str = "S1") -> Signature:
    return signature_of(rule, "?", StoreRaisedError(call, error), SEARCH)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<Task at 0x7f3a> of key 'k17'", "<Task at 0x55d0> of key 'other'"),
        ("no file /tmp/abc/store.db", "no file /home/me/x/y.db"),
        ("no file C:\\work\\a.db", "no file D:\\b\\c\\d.db"),
        (
            "item 6b3a1f0e-0000-4000-8000-00000000002a",
            "item 11111111-2222-4333-8444-555555555555",
        ),
        ("at 2026-11-28T14:30:12+00:00 it was 3", "at 2025-01-01T00:00:00.123Z it was 1_000"),
        ("the keys ['a', 'b', 'c'] of {'x': {'y': 1}}", "the keys ['kiwi'] of {'z': []}"),
        ("batch([PutOp(('a',), key='k', value={'n': 1})])", "batch([GetOp(('b', 'c')), 7])"),
        ("2 items: {'i001': {'f': 1}}", "17 items: {'i004': {'f': [{'deep': 'x'}]}, 'i9': {}}"),
        ("seconds: 1.25e-05", "seconds: -3.0"),
        ('column "a" of 12 rows\nLINE 1: select', 'column "b" of 3 rows\nLINE 7: insert'),
    ],
)
def test_data_leaves_no_trace(one: str, other: str) -> None:
    assert normal(one) == normal(other)
    assert "…" in normal(one)
    for text in (one, other):
        assert normal(normal(text)) == normal(text), "it is its own normal form"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "float() argument must be a string, not 'NoneType'",
            "float() argument must be, not 'list'",
        ),
        ("'Item' object has no attribute 'score'", "'Item' object has no attribute 'key'"),
        ("value is 'a' (str), not 1 (int)", "value is 1.0 (float), not 1 (int)"),
        ("an unknown operator", "an unknown column"),
        ("the caller's dict isn't kept", "the reader's dict isn't kept"),
    ],
)
def test_what_went_wrong_stays(one: str, other: str) -> None:
    assert normal(one) != normal(other)


def test_a_long_text_is_cut_and_its_end_still_counts() -> None:
    words = " ".join(["word"] * 100)
    one, other = of_check(f"{words} one", None, None), of_check(f"{words} two", None, None)

    assert len(one.kind) < 240
    assert one.kind != other.kind


@pytest.mark.parametrize(
    ("expected", "got", "how"),
    [
        (["a", "b"], ["a"], "elements missing"),
        (["a"], ["a", "b"], "further elements"),
        (["a"], ["a", "a"], "elements repeated"),
        (["a", "b"], ["b", "a"], "another order"),
        (["a"], [], "an empty answer"),
        ("the item", None, "got None"),
        (3, 2, "a smaller int"),
        ({"a": 1}, {"a": "1"}, "a str, not an int"),
        ({"a": 1}, {"b": 1}, "keys missing and further keys"),
        (MOMENT, MOMENT + timedelta(seconds=1), "a later time"),
        (MOMENT, MOMENT.replace(tzinfo=None), "a time without a zone"),
        (True, False, "False"),
        (1.0, float("nan"), "a smaller float"),
        (None, float("nan"), "got NaN"),
        ([], ["KeyError('a1')", "KeyError('b2')"], "KeyError: …"),
        ([], ["a put of 'x' raised ValueError"], "a put of … raised ValueError"),
    ],
)
def test_a_difference_in_a_few_words(expected: Any, got: Any, how: str) -> None:
    assert difference(expected, got) == how


def test_a_subclass_that_is_equal_differs_in_nothing() -> None:
    assert difference({"a": 1}, OrderedDict(a=1)) == ""


def test_an_answer_that_breaks_when_it_is_looked_at_has_a_difference_too() -> None:
    class Broken(dict[str, Any]):
        def keys(self) -> Any:
            raise RuntimeError("no")

    assert difference({"a": 1}, Broken(a=1)).startswith("an answer of type Broken")
    assert represent(Broken())


def test_another_exception_another_call_or_another_answer_looks_different() -> None:
    looks = [
        of_exception("get(('a',), 'k')", ValueError("no such key: 'k1'")).kind,
        of_exception("get(('a',), 'k')", KeyError("no such key: 'k1'")).kind,
        of_exception("search(('a',))", ValueError("no such key: 'k1'")).kind,
        of_exception("get(('a',), 'k')", ValueError("the table is gone")).kind,
        of_check("the items", ["a"], []).kind,
        of_check("the items", ["a"], ["a", "b"]).kind,
        of_check("the other items", ["a"], []).kind,
    ]
    assert len(set(looks)) == len(looks)
    assert looks[0] == of_exception("get(('b',), 'x7')", ValueError("no such key: 'q'")).kind


def test_one_cause_is_one_text_over_rules_where_the_fault_is_told_by_itself() -> None:
    error = ValueError("Unsupported operator: name")
    other = ValueError("Unsupported operator: b")
    assert of_exception("search(1)", error).cause == of_exception("search(2)", other, "F9").cause
    changed = "after {}: value['n'] is 1.0 (float), not 1 (int)"
    one = of_check(changed.format("a put"), {"n": 1}, {"n": 1.0}, "K6")
    two = of_check(changed.format("a restart"), {"n": 2}, {"n": 2.0}, "E4")
    assert one.cause == two.cause == "search: float where int was expected"
    assert one.kind != two.kind
    missing = [of_check("items", ["a"], [], rule).cause for rule in ("S1", "V9")]
    assert len(set(missing)) == 2, "that something is missing has as many causes as rules"


def test_of_two_long_lists_only_what_differs_is_told() -> None:
    many = [("a", f"label {n}") for n in range(90)]

    assert contrasted(many, [*many[1:], ("b",)]) == (
        "1 missing of 90: ('a', 'label 0')",
        "1 unexpected of 90: ('b',)",
    )
    assert contrasted(many, [*many, many[0]])[0] == "all 90 of them"
    assert contrasted([1, 2], [2]) == ("[1, 2]", "[2]")
    assert "more]..." in contrasted(many, many[::-1])[0]
    assert contrasted(many, [])[1] == "[]"
