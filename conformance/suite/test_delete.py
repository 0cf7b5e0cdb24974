"""
Group X, deletes: what is deleted is gone everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.ranking import in_order
from store_conformance.suite.support.shapes import DELETERS, fill, values_of

NS = ("users", "u1")
DELETED = 240
"""More than a store takes from its index for a page of ten, with what it takes more in case some do not match."""

# -- X1: gone everywhere --------------------------------------------------------------------------


@case("X1")
def test_a_deleted_item_is_gone(lab: Lab) -> None:
    """
    After a delete, neither get nor search nor a filter finds the item.

    If this fails, look at caches and at tombstones that one of the reads does not know.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    store.put(NS, "stays", {"n": 1})
    store.search(NS)
    store.delete(NS, "k")

    lab.equal(store.get(NS, "k"), None, "get after delete")
    lab.equal(
        values_of(store, [(NS, "k"), (NS, "stays")]),
        [None, {"n": 1}],
        "gets in a batch after delete",
    )
    lab.equal(store.keys(NS), ["stays"], "the keys in search after delete")
    lab.equal(store.keys((), filter={"n": 1}), ["stays"], "the keys by filter after delete")
    lab.equal(len(store.search(NS, limit=1, offset=1)), 0, "items on the second page of one")


def _read_every_way(store: Subject) -> list[Any]:
    """What each kind of read that needs no index finds of the key ``k``."""
    listed = [*store.search(NS), *store.search(NS, filter={"n": 1})]
    return [
        store.get(NS, "k"),
        *store.batch([GetOp(NS, "k")]),
        *[item for item in listed if item.key == "k"],
    ]


@case("X1", params=DELETERS)
def test_what_was_read_is_gone_after_a_delete(lab: Lab, delete: Callable[..., Any]) -> None:
    """
    No read finds a deleted item, however it was deleted and however it was read before.

    If this fails, look at caches of reads that one way of deleting does not clear.
    """
    store = lab.open()
    for again in ("first", "second"):
        store.put(NS, "k", {"n": 1})
        lab.equal(len(_read_every_way(store)), 4, f"reads that find the item, the {again} time")
        delete(store, NS, "k")
        found = [item for item in _read_every_way(store) if item is not None]
        lab.equal(found, [], f"what reads find after the {again} delete")


@case("X1")
def test_deletes_at_scale_leave_the_others(lab: Lab) -> None:
    """
    Deletes of some hundred items among many leave exactly the others, also while pages are read.

    If this fails, look at bulk deletes and at how pages are counted after them.
    """
    store = lab.open()
    keys = [f"k{i:03}" for i in range(600)]
    fill(store, [(NS, key, {"n": i}) for i, key in enumerate(keys)])
    gone = set(keys[::3])
    fill(store, [(NS, key, None) for key in sorted(gone)])
    for key in keys[1:60:3]:
        store.delete(NS, key)
        gone.add(key)
        store.search(NS, limit=3)

    left = [key for key in keys if key not in gone]
    lab.equal(store.keys(NS), left, "the keys after the deletes")
    got = values_of(store, [(NS, key) for key in keys])
    lab.equal(
        [key for key, value in zip(keys, got) if value is not None], left, "the keys found by get"
    )


@case("X1")
def test_a_deleted_key_can_be_used_again(lab: Lab) -> None:
    """
    A put after a delete makes the item anew, with nothing of the old value or with an equal one, time and again.

    If this fails, look at tombstones that outlive the new item, and at a put that is taken for an earlier one.
    """
    store = lab.open()
    for n in range(12):
        value = {f"only{n // 3}": n // 3}  # an equal one, and then another
        store.put(NS, "k", value)
        lab.same(store.value(NS, "k"), value, f"the value put after {n} deletes")
        lab.equal(store.keys(NS), ["k"], "the keys in search")
        store.delete(NS, "k")
        lab.equal(store.get(NS, "k"), None, "get after delete")
        lab.equal(store.keys(NS), [], "the keys in search after delete")


@case("X1")
def test_an_overwritten_item_is_deleted(lab: Lab) -> None:
    """
    An item that was overwritten, some or many times, is gone after one delete.

    If this fails, look for older versions that come back.
    """
    store = lab.open()
    for times in (1, 2, 7):
        for n in range(times + 1):
            store.put(NS, "k", {"version": n})
        store.delete(NS, "k")
        lab.equal(store.get(NS, "k"), None, f"get after {times} overwrites and a delete")
        lab.equal(store.search(NS), [], f"search after {times} overwrites and a delete")


@case("X1", needs=(Capability.VECTORS,))
def test_a_deleted_item_is_not_found_by_meaning(lab: Lab) -> None:
    """
    After a delete, a semantic search does not find the item, and fills its page with the others.

    If this fails, look at the vectors that stay behind and take places in the ranking.
    """
    store = lab.indexed("text")
    for n in range(6):
        store.put(NS, f"apple{n}", {"text": "apple " * (n + 1)})
    store.put(NS, "mixed", {"text": "apple banana"})
    store.put(NS, "banana", {"text": "banana"})
    for n in range(6):
        store.delete(NS, f"apple{n}")

    in_order(
        lab,
        store.ranked(NS, "apple", limit=2),
        ["mixed", "banana"],
        "the best two after the deletes",
    )
    lab.equal(sorted(store.ranked(NS, "apple", limit=10)), ["banana", "mixed"], "all that are left")


@case("X1", needs=(Capability.VECTORS,))
def test_many_deleted_items_take_no_place_among_the_nearest(lab: Lab) -> None:
    """
    However many items were deleted that lay nearer than all others, a query finds those that are left.

    If this fails, look at vectors that stay behind, and at a join with the items after the nearest were taken.
    """
    store = lab.indexed("text")
    fill(store, [(NS, f"near{n}", {"text": f"apple, {n}"}) for n in range(DELETED)])
    store.put(NS, "far", {"text": "apple banana*3"})
    fill(store, [(NS, f"near{n}", None) for n in range(DELETED)])

    for limit in (1, 10):
        found = store.ranked(NS, "apple", limit=limit)
        lab.equal(found, ["far"], f"the nearest {limit} after {DELETED} nearer ones were deleted")


# -- X2, X3: deletes of nothing, deletes by put ---------------------------------------------------


@case("X2", params=DELETERS)
def test_deleting_what_is_missing_does_nothing(lab: Lab, delete: Callable[..., Any]) -> None:
    """
    A delete of an item that is not there raises nothing and changes nothing.

    If this fails, look at deletes that expect a row.
    """
    store = lab.open()
    delete(store, ("nowhere",), "k")
    store.put(NS, "k", {"n": 1})
    store.put(NS, "twice", {"n": 1})
    delete(store, NS, "twice")
    delete(store, NS, "twice")
    for ns, key in (
        (NS, "none"),
        (NS[:1], "k"),
        ((*NS, "sub"), "k"),
        (("x",), "k"),
        (NS, "K"),
    ):
        delete(store, ns, key)

    lab.same(store.value(NS, "k"), {"n": 1}, "the item that no delete named")
    lab.equal(store.keys(()), ["k"], "all keys")
    lab.true(NS in store.list_namespaces(), "the namespace that holds an item is listed")


@case("X2")
def test_delete_returns_nothing(lab: Lab) -> None:
    """
    A delete gives None, whether the item was there or not; in a batch too.

    If this fails, look at a count or flag of the engine that is handed on.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    lab.equal(store.delete(NS, "k"), None, "what a delete of an item gives")
    lab.equal(store.delete(NS, "k"), None, "what a delete of a missing item gives")
    ops = [PutOp(NS, "k", None), PutOp(("nowhere",), "k", None)]
    lab.equal(store.batch(ops), [None, None], "what deletes in a batch give")


@case("X3", params={name: d for name, d in DELETERS.items() if name != "delete"})
def test_a_put_of_none_deletes(lab: Lab, delete: Callable[..., Any]) -> None:
    """
    A put of None is a delete: the item is gone, and no item with the value None is there.

    If this fails, look for a null that is stored as a value.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    store.put(NS, "stays", {"n": 2})
    for key in ("k", "never_was"):
        store.get(NS, key)  # a cache must learn of the delete too
        delete(store, NS, key)

    lab.equal(store.get(NS, "k"), None, "get after the put of None")
    lab.equal(
        [(i.key, i.value) for i in store.search(NS)], [("stays", {"n": 2})], "the items in search"
    )
    store.put(NS, "k", {"n": 3})
    lab.same(store.value(NS, "k"), {"n": 3}, "the value put after that")


@case("X3")
def test_puts_and_deletes_mix_in_a_batch(lab: Lab) -> None:
    """
    A batch of puts and deletes of different keys does all of them.

    If this fails, look at how the puts of a batch are split by their value.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i:02}", {"n": i}) for i in range(60)])
    ops = [PutOp(NS, f"k{i:02}", None if i % 2 else {"n": -i}) for i in range(60)]
    lab.equal(
        store.batch([*ops, PutOp(("other",), "k00", None)]), [None] * 61, "what the batch gives"
    )

    got = values_of(store, [(NS, f"k{i:02}") for i in range(60)])
    lab.equal(got, [None if i % 2 else {"n": -i} for i in range(60)], "the values after the batch")
