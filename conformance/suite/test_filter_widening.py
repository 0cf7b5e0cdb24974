"""
F1, F5, F6, F10 and V10: a filter that names a field narrows, whatever it says and whatever stands beside it.

A condition that a store does not know what to do with must not become no condition.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import without_refused
from store_conformance.suite.support.filter_oracle import (
    LISTS,
    MISSING,
    NS,
    REFUSALS,
    Items,
    check,
    equal,
    fields,
    passes,
    population,
)

VECTORS = (Capability.VECTORS,)

ABSENT: Items = {
    "empty": {},
    "elsewhere": {"g": "a"},
    "below": {"g": {"f": "a"}},
    "in_a_list": {"g": [{"f": "a"}]},
    "other_case": {"F": "a"},
    "longer_name": {"ff": "a"},
    "dotted_name": {"f.b": 1},
}
"""Items without the field 'f'; those that the store refuses for a name are left out by ``_absent``."""
PRESENT: Items = {
    "text": {"f": "a"},
    "other_text": {"f": "b"},
    "number": {"f": 2},
    "object": {"f": {"b": 2}},
    "two_fields": {"f": {"b": 2, "c": 3}},
    "list": {"f": [1, 2]},
    "empty_object": {"f": {}},
}
CONDITIONS: dict[str, Any] = {
    "text": "a",
    "number": 2,
    "list": [1, 2],
    "$eq": {"$eq": "a"},
    "$eq of a list": {"$eq": [1, 2]},
    "range": {"$gte": 1},
    "range of text": {"$lt": "b"},
    "range to zero": {"$lte": 0},
    "range and $ne": {"$ne": 5, "$gt": 1},
    "nothing like it": "none of them",
}


def _absent(lab: Lab) -> Items:
    return {key: value for key, value in ABSENT.items() if without_refused(lab, value) == value}


@case("F1", params={"by method": False, "in a batch": True})
def test_a_filter_finds_no_item_without_its_field(lab: Lab, batched: bool) -> None:
    """
    Whatever a filter asks of a field, an item without that field is not found, alone or in a batch.

    If this fails, look at conditions that are dropped because their field is missing.
    """
    items = {**_absent(lab), **PRESENT}
    store = population(lab, items)
    conditions: list[dict[str, Any]] = [
        *({"f": c} for c in CONDITIONS.values() if not _is_range(c) and c != {"$eq": [1, 2]}),
        *({"f": "a", "g": g} for g in ("a", "b")),
        *({"g": "a", "f": c} for c in ("a", [1, 2], {"$eq": 2})),
    ]
    if not batched:
        for wanted in conditions:
            check(lab, store, items, wanted)
        return
    answers = store.batch([SearchOp(NS, filter=wanted, limit=100) for wanted in conditions])
    for wanted, found in zip(conditions, answers, strict=True):
        expected = sorted(key for key, value in items.items() if passes(value, wanted))
        lab.equal(sorted(i.key for i in found), expected, f"the filter {wanted!r} in a batch")


def _is_range(condition: Any) -> bool:
    return isinstance(condition, dict) and any(op[1:3] in ("gt", "lt") for op in condition)


@case("F5")
def test_a_range_beside_ne_finds_no_item_without_the_field(lab: Lab) -> None:
    """
    A range beside ``$ne`` is a range still: an item without the field is not found.

    If this fails, look for an operator that decides for those that follow.
    """
    items: Items = {**_absent(lab), "two": {"f": 2}, "nine": {"f": 9}, "null": {"f": None}}
    store = population(lab, items)
    for wanted in (
        {"$ne": 9, "$gt": 1},
        {"$gt": 1, "$ne": 9},
        {"$ne": 9, "$lte": 5},
        {"$ne": "x", "$gte": 9},
        {"$ne": None, "$lt": 5},
    ):
        check(lab, store, items, {"f": wanted})


@case("F6")
def test_ne_of_a_list_or_an_object_finds_all_that_differ(lab: Lab) -> None:
    """
    ``$ne`` with a list or an object leaves out the item that equals it, and no other that has the field.

    If this fails, look at how a list is bound: bytes or text never equal it.
    """
    items = fields([*LISTS, 1, "a", "[1]", True, {"a": 1}, {}, {"a": [1, 2]}, None, MISSING])
    store = population(lab, items)
    free = [key for key, value in items.items() if value.get("f") is None]
    for value in LISTS[:14]:
        check(lab, store, items, {"f": {"$ne": value}}, free=free)
    for value in ({"a": 1}, {"a": [1, 2]}):
        found: list[str] = []
        error = lab.attempt(lambda v=value: found.extend(store.keys(NS, filter={"f": {"$ne": v}})))  # type: ignore[misc]
        if error is None:
            same = [k for k in found if equal(items[k].get("f"), value)]
            lab.equal(same, [], f"the items equal to {value!r} that $ne finds")


OBJECTS: dict[str, Any] = {
    "{}": {},
    "{b: {}}": {"b": {}},
    "{b: 2}": {"b": 2},
    "{b: 2, c: 3}": {"b": 2, "c": 3},
    "{none: 1}": {"none": 1},
    "{b: {c: 1}}": {"b": {"c": 1}},
}


@case("F10", params=OBJECTS)
def test_an_object_in_a_filter_matches_objects_only(lab: Lab, wanted: dict[str, Any]) -> None:
    """
    An object as condition, the empty one too, finds no item without the field, and none whose field is
    no object or differs in a field it names.

    If this fails, look at a loop over the object's entries that adds no condition when there are none.
    """
    items = {**_absent(lab), **PRESENT, "null": {"f": None}, "nested": {"f": {"b": {"c": 1}}}}
    store = population(lab, items)
    for scope in (NS, ()):
        found: list[str] = []
        error = lab.attempt(lambda s=scope: found.extend(store.keys(s, filter={"f": wanted})))  # type: ignore[misc]
        if error is not None:
            lab.true(
                isinstance(error, REFUSALS) and wanted in ({}, {"b": {}}),
                f"the filter { ({'f': wanted})!r} is answered",
                expected="items (the empty object may be refused)",
                got=error,
            )
            return
        wrong = [key for key in found if not _may_match(items[key].get("f", MISSING), wanted)]
        lab.equal(wrong, [], f"items that { ({'f': wanted})!r} must not find")
    with_more = {"f": wanted, "g": "a"}
    lab.equal(store.keys(NS, filter=with_more), [], f"the items found by {with_more!r}")


def _may_match(actual: Any, wanted: dict[str, Any]) -> bool:
    """Whether it is an object that has the named fields; those of an inner empty object are free."""
    if not isinstance(actual, dict):
        return False
    for name, inner in wanted.items():
        at = actual.get(name, MISSING)
        if isinstance(inner, dict) and not _may_match(at, inner):
            return False
        if not isinstance(inner, dict) and not equal(at, inner):
            return False
    return True


# -- beside a query -------------------------------------------------------------------------------


def _indexed(lab: Lab, items: Items) -> Subject:
    """All items with a text, so that a query finds each of them."""
    store = lab.indexed("text")
    store.batch(
        [PutOp(NS, key, {**value, "text": f"apple, {key}"}) for key, value in items.items()]
    )
    return store


@case("V10", needs=VECTORS, params=CONDITIONS)
def test_a_filter_beside_a_query_finds_no_item_without_its_field(lab: Lab, condition: Any) -> None:
    """
    Beside a query a filter finds what it finds alone, and no item without the field it names.

    If this fails, look at the code for filters of the semantic search: it is not that of the plain one.
    """
    items = {
        **_absent(lab),
        "text": {"f": "a"},
        "later": {"f": "b"},
        "zero": {"f": 0},
        "two": {"f": 2},
    }
    items["list"] = {"f": [1, 2]}
    store = _indexed(lab, items)
    alone: list[str] = []
    refused = lab.attempt(lambda: alone.extend(store.keys(NS, filter={"f": condition}, limit=100)))
    if refused is not None:
        lab.unverified(f"the store refuses this filter without a query too: {refused!r}")
    for query in ("apple", "banana"):
        found = store.keys(NS, query=query, filter={"f": condition}, limit=100)
        absent = [key for key in found if key in ABSENT]
        lab.equal(absent, [], f"items without the field that {condition!r} finds beside {query!r}")
        lab.equal(found, alone, f"what {condition!r} finds beside the query {query!r} and alone")


@case("V10", needs=VECTORS)
def test_ne_and_null_say_the_same_beside_a_query(lab: Lab) -> None:
    """
    Whatever a store has chosen for ``$ne`` and null where the field is missing, it holds beside a query.
    """
    items: Items = {**_absent(lab), "null": {"f": None}, "text": {"f": "a"}, "two": {"f": 2}}
    store = _indexed(lab, items)
    for condition in (None, {"$ne": "a"}, {"$ne": 2}, {"$ne": None}, {"$eq": None}):
        alone = set(store.keys(NS, filter={"f": condition}, limit=100))
        beside = set(store.keys(NS, query="apple", filter={"f": condition}, limit=100))
        lab.equal(
            sorted(beside), sorted(alone), f"what {condition!r} finds beside a query and alone"
        )
