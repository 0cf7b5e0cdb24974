"""
F11 at depth: true and 1 stay apart within lists and objects, beside a query and in a batch.
"""

from __future__ import annotations

import asyncio
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.filter_oracle import (
    NS,
    check,
    fields,
    finds_wholes,
    population,
)

LISTS: list[Any] = [
    [True],
    [1],
    [False],
    [0],
    [True, 1],
    [1, True],
    [[True]],
    [[1]],
    ["true"],
]
OBJECTS: list[Any] = [
    {"b": True},
    {"b": 1},
    {"b": False},
    {"b": 0},
    {"b": {"c": True}},
    {"b": {"c": 1}},
]


@case("F11")
def test_a_bool_in_a_list_is_no_number(lab: Lab) -> None:
    """
    ``[true]`` does not match ``[1]``, nor ``[false]`` ``[0]``, nor the reverse, at any depth.

    If this fails, look at lists that are compared as a whole by Python's ``==``.
    """
    finds_wholes(lab, ["text"], "F9")
    items = fields(LISTS)
    store = population(lab, items)
    for value in LISTS:
        check(lab, store, items, {"f": value})


@case("F11")
def test_a_bool_in_an_object_is_no_number(lab: Lab) -> None:
    """
    ``{"b": true}`` does not match ``{"b": 1}``, nor the reverse, at any depth.

    If this fails, look at objects that are compared as a whole by Python's ``==``.
    """
    finds_wholes(lab, {"b": "text"}, "F10")
    items = fields(OBJECTS)
    store = population(lab, items)
    for n, wanted in enumerate(OBJECTS):
        found = store.keys(NS, filter={"f": wanted})
        lab.equal(found, [f"i{n:03}"], f"the items found by { ({'f': wanted})!r}")


@case("F11", needs=(Capability.VECTORS,))
def test_a_bool_is_no_number_beside_a_query_or_in_a_batch(lab: Lab) -> None:
    """
    Beside a query and in a batch true matches true, and 1 matches 1, as in a search of its own.
    """
    store = lab.indexed("text")
    values: list[Any] = [True, False, 1, 0]
    store.batch([PutOp(NS, f"k{n}", {"f": v, "text": f"apple, {n}"}) for n, v in enumerate(values)])
    ops = [SearchOp(NS, filter={"f": value}, limit=9) for value in values]
    for n, (value, found) in enumerate(zip(values, store.batch(ops), strict=True)):
        lab.equal([i.key for i in found], [f"k{n}"], f"the items of {value!r} in a batch")
        ranked = store.keys(NS, query="apple", filter={"f": value})
        lab.equal(ranked, [f"k{n}"], f"the items of {value!r} beside a query")


ALIKE: list[Any] = [True, 1, False, 0, [True], [1], "1"]
"""Filters some of which Python takes for equal, and no two of which mean the same."""


@case("F11", needs=(Capability.ASYNC,), modes=(Mode.ASYNC,))
def test_a_bool_is_no_number_for_callers_of_one_tick(lab: Lab) -> None:
    """
    Searches that are made at once are answered each by its own filter, as they are one after the other.

    If this fails, look at a queue that joins calls by Python's ``==``, for which true is 1.
    """
    store = lab.open()
    store.batch([PutOp(NS, f"k{n}", {"f": value}) for n, value in enumerate(ALIKE)])
    alone: list[tuple[Any, list[str]]] = []
    for wanted in ALIKE:
        # Whether a store takes a list in a filter, and what it finds by it alone, is for other cases.
        lab.attempt(lambda w=wanted: alone.append((w, store.keys(NS, filter={"f": w}))))  # type: ignore[misc]

    async def at_once(raw: Any) -> list[Any]:
        return await asyncio.gather(*(raw.asearch(NS, filter={"f": w}) for w, _ in alone))

    for (wanted, keys), found in zip(alone, store.run(at_once), strict=True):
        beside = sorted(item.key for item in found)
        lab.equal(beside, keys, f"the items found by { ({'f': wanted})!r} beside other searches")
