"""
Group K, aliasing: nothing that a caller holds is what the store holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.spoiling import (
    empty,
    lengthen,
    spoil,
    spoil_inside,
    spoil_item,
    spoil_top,
)
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.overlap import Job, overlapping, raised

NS = ("users", "u1")


# -- K10: no aliasing -----------------------------------------------------------------------------


def _nested() -> dict[str, Any]:
    return {"n": 1, "list": [1, 2], "dict": {"x": {"y": "deep"}}, "rows": [{"a": 1}]}


@case("K10", params={"top": spoil_top, "inside": spoil_inside})
def test_the_callers_dict_is_not_the_stored_one(lab: Lab, change: Callable[[Any], None]) -> None:
    """
    What the caller does with its dict after a put changes nothing in the store.

    If this fails, copy deeply (or serialise) on put; ``dict(value)`` copies the top level only.
    """
    store = lab.open()
    mine, batched = _nested(), _nested()
    store.put(NS, "a", mine)
    store.put(NS, "b", mine)
    store.batch([PutOp(NS, "c", batched)])
    lab.change(mine, change)
    lab.change(batched, change)

    for key in ("a", "b", "c"):
        lab.same(
            store.value(NS, key), _nested(), f"{key!r} after the caller changed the dict it had put"
        )


READERS: dict[str, Callable[[Subject], Any]] = {
    "get": lambda s: s.fetch(NS, "k"),
    "search": lambda s: s.search(NS)[0],
    "filter": lambda s: s.search(NS, filter={"n": 1})[0],
    "get in a batch": lambda s: s.batch([GetOp(NS, "k")])[0],
    "search in a batch": lambda s: s.batch([SearchOp(NS)])[0][0],
}


@case("K10", params=READERS)
def test_a_returned_value_is_the_readers_own(lab: Lab, read: Callable[[Subject], Any]) -> None:
    """
    What a reader does with a value it was given changes nothing in the store.

    If this fails, hand out copies: the item in memory is the only one.
    """
    store = lab.open()
    store.put(NS, "k", _nested())
    lab.change(read(store).value, spoil)

    lab.same(store.value(NS, "k"), _nested(), "get after a reader changed the value it was given")
    lab.same(store.search(NS)[0].value, _nested(), "search after a reader changed its value")


@case("K10")
def test_a_returned_item_is_the_readers_own(lab: Lab) -> None:
    """
    What a reader does with the attributes of an item it was given changes nothing in the store.

    If this fails, the store hands out the object that it keeps.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    for item in (store.fetch(NS, "k"), store.search(NS)[0]):
        lab.change(item, spoil_item)

    item = store.fetch(NS, "k")
    lab.same(
        (item.key, item.value, tuple(item.namespace)), ("k", {"n": 1}, NS), "the item, read again"
    )
    lab.equal(
        [(i.key, i.value) for i in store.search(NS)], [("k", {"n": 1})], "the items in search"
    )


@case("K10")
def test_two_readers_get_separate_objects(lab: Lab) -> None:
    """
    Two reads of one item share no object that can be changed.

    If this fails, look at a cache, or at a dict in memory that is handed out twice.
    """
    store = lab.open()
    store.put(NS, "k", _nested())
    pairs = {
        "two gets": [store.fetch(NS, "k"), store.fetch(NS, "k")],
        "two searches": [store.search(NS)[0], store.search(NS)[0]],
        "a get and a search": [store.fetch(NS, "k"), store.search(NS)[0]],
        "two gets of one batch": store.batch([GetOp(NS, "k"), GetOp(NS, "k")]),
        "two searches of one batch": [f[0] for f in store.batch([SearchOp(NS), SearchOp(NS)])],
    }
    for name, (one, other) in pairs.items():
        lab.change(one.value, spoil)
        lab.same(
            other.value, _nested(), f"{name}: the other reader's value after one changed its own"
        )


ALIKE: dict[str, tuple[Job, Callable[[Any], Any]]] = {
    "gets": (("get", (NS, "k"), {}), lambda item: item),
    "searches": (("search", (NS,), {}), lambda found: found[0]),
    "searches with a filter": (("search", (NS,), {"filter": {"n": 1}}), lambda found: found[0]),
}


@case("K10", needs=(Capability.ASYNC,), modes=(Mode.ASYNC,), params=ALIKE)
def test_readers_of_one_tick_get_separate_objects(
    lab: Lab, read: tuple[Job, Callable[[Any], Any]]
) -> None:
    """
    Callers that ask for the same at the same time share no object that can be changed.

    If this fails, look at a queue that joins equal calls and answers them with one result.
    """
    job, item_in = read
    store = lab.open()
    store.put(NS, "k", _nested())

    one, other = overlapping(store, [job, job])

    lab.equal(raised([one, other]), [], "what equal calls of one tick raised")
    lab.change(item_in(one).value, spoil)
    what = "what a caller of the same tick was given, after another changed its own"
    lab.same(item_in(other).value, _nested(), what)


@case("K10")
def test_returned_lists_are_the_readers_own(lab: Lab) -> None:
    """
    What a reader does with a list of results or of namespaces changes no later answer.

    If this fails, look at a cached list of results.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    for _ in range(2):
        found, names = store.search(NS), store.list_namespaces()
        lab.equal([i.key for i in found], ["k"], "the items, after an earlier answer was changed")
        lab.equal(names, [NS], "the namespaces, after an earlier answer was changed")
        lab.change(found, empty)
        lab.change(names, lengthen)
