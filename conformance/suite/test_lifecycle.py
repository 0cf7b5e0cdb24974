"""
O14, O16 and O17: setup, close, reopen, and an index that comes later.
"""

from __future__ import annotations

import asyncio
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.conventions import needs_arguments
from store_conformance.suite.support.lateness import refused
from store_conformance.suite.support.ranking import in_order, matches

LASTING = (Capability.PERSISTENCE,)
LASTING_VECTORS = (Capability.PERSISTENCE, Capability.VECTORS)
D = ("d",)


def _with_setup(lab: Lab, store: Subject) -> Subject:
    if not callable(getattr(store.raw, "setup", None)):
        lab.unsupported("has no setup(): nothing to be called twice")
    if needs_arguments(getattr(store.raw, "setup")):  # noqa: B009 - no promise of BaseStore
        lab.unsupported("setup() cannot be called without arguments")
    return store


@case("O14")
def test_setup_may_be_called_again_and_again(lab: Lab) -> None:
    """
    ``setup()`` on a store that is set up and in use does nothing.

    If this fails, look for a migration that is not recorded, or a CREATE without IF NOT EXISTS.
    """
    store = _with_setup(lab, lab.open())
    for n in range(3):
        store.put(D, f"k{n}", {"n": n})
        store.maintenance("setup")

    lab.equal(store.keys(D), ["k0", "k1", "k2"], "all items after three setups")
    lab.equal(store.value(D, "k0"), {"n": 0}, "the first item after three setups")


@case("O14")
def test_setup_changes_no_item(lab: Lab) -> None:
    """
    ``setup()`` on a store in use leaves values, timestamps and namespaces as they are.

    If this fails, look for a migration that fills columns of rows that have them already.
    """
    store = _with_setup(lab, lab.open())
    for n in range(3):
        store.put((*D, f"n{n}"), f"k{n}", {"n": n})
    before = [store.fetch((*D, f"n{n}"), f"k{n}").dict() for n in range(3)]

    store.maintenance("setup")

    after = [store.fetch((*D, f"n{n}"), f"k{n}").dict() for n in range(3)]
    lab.equal(after, before, "the items after another setup")
    lab.equal(sorted(store.list_namespaces()), [(*D, f"n{n}") for n in range(3)], "the namespaces")


@case("O14", needs=LASTING)
def test_setup_on_a_location_that_has_been_used(lab: Lab) -> None:
    """
    A later opening may call ``setup()`` again, with the data that is there.
    """
    store = _with_setup(lab, lab.open())
    store.maintenance("setup")
    store.put(D, "k", {"n": 1})
    for n in range(2):
        store = lab.reopen(store)
        store.maintenance("setup")
        store.maintenance("setup")
        lab.equal(store.value(D, "k"), {"n": 1}, f"the item after reopening {n + 1}")
    store.put(D, "l", {"n": 2})
    lab.equal(store.keys(D), ["k", "l"], "all items")


@case("O14", needs=(Capability.VECTORS,))
def test_setup_keeps_the_vectors(lab: Lab) -> None:
    """
    ``setup()`` of a store with an index neither drops nor doubles the vectors.
    """
    store = _with_setup(lab, lab.indexed("text"))
    store.put(D, "k", {"text": "apple"})
    store.maintenance("setup")
    store.put(D, "l", {"text": "banana"})
    store.maintenance("setup")

    in_order(lab, store.ranked(D, "apple"), ["k", "l"], "the ranking after two setups")
    matches(lab, store, D, "apple", "k", "the item that was there before")


@case("O14", seconds=60)
def test_the_first_calls_come_all_at_once(lab: Lab) -> None:
    """
    A store whose setup is called lazily does not deadlock when its first calls come together.
    """
    store = lab.open()
    if lab.mode == Mode.ASYNC:

        async def work(raw: Any) -> list[Any]:
            calls = [raw.aput(D, f"k{n}", {"n": n}) for n in range(6)]
            gathered = asyncio.gather(*calls, raw.asearch(D), raw.alist_namespaces())
            return await asyncio.wait_for(gathered, 50)

        store.run(work)
    else:
        store.batch([PutOp(D, f"k{n}", {"n": n}) for n in range(6)])
    setup = getattr(store.raw, "setup", None)
    if callable(setup) and not needs_arguments(setup):
        store.maintenance("setup")

    lab.equal(store.keys(D), [f"k{n}" for n in range(6)], "all items of the first calls")


@case("O16", needs=LASTING)
def test_what_was_acknowledged_survives_close_and_reopen(lab: Lab) -> None:
    """
    Puts, overwrites, deletes and batches are found as they were by the next store object.

    If this fails, look for writes that are committed or flushed by something else than the put.
    """
    store = lab.open()
    value = {"text": "Äpfel 🍎", "n": [1, 2.5, None, True], "deep": {"a": {"b": {}}}}
    store.put(D, "plain", value)
    store.put(D, "overwritten", {"n": 1})
    store.put(D, "overwritten", {"n": 2})
    store.put(D, "deleted", {"n": 1})
    store.delete(D, "deleted")
    store.batch([PutOp(("e", f"n{n % 3}"), f"k{n}", {"n": n}) for n in range(30)])
    store.batch([PutOp(("e", "n0"), "k0", None), PutOp(("e", "n1"), "k1", {"n": 100})])
    before = store.fetch(D, "plain")

    again = lab.reopen(store)

    lab.same(again.value(D, "plain"), value, "the value after reopening")
    lab.equal(again.value(D, "overwritten"), {"n": 2}, "the overwritten item after reopening")
    lab.equal(again.get(D, "deleted"), None, "the deleted item after reopening")
    lab.equal(again.keys(("e",)), sorted(f"k{n}" for n in range(1, 30)), "the items of the batch")
    lab.equal(again.value(("e", "n1"), "k1"), {"n": 100}, "an item of the second batch")
    names = [D, ("e", "n0"), ("e", "n1"), ("e", "n2")]
    lab.equal(sorted(again.list_namespaces()), names, "the namespaces after reopening")
    item = again.fetch(D, "plain")
    lab.equal(
        (item.created_at, item.updated_at),
        (before.created_at, before.updated_at),
        "the timestamps after reopening",
    )


@case("O16", needs=LASTING)
def test_a_single_put_as_the_last_act_survives(lab: Lab) -> None:
    """
    One put, directly before the store is closed, is there afterwards, time after time.
    """
    store = lab.open()
    for n in range(4):
        store.put(D, f"k{n}", {"n": n})
        store = lab.reopen(store)
        lab.equal(
            store.keys(D), [f"k{m}" for m in range(n + 1)], f"the items after reopening {n + 1}"
        )
    store.delete(D, "k0")
    store = lab.reopen(store)
    lab.equal(store.keys(D), ["k1", "k2", "k3"], "the items after a delete and a reopening")


@case("O16", needs=LASTING)
def test_what_is_acknowledged_after_a_refusal_survives(lab: Lab) -> None:
    """
    Calls that are refused leave nothing behind by which later ones are lost when the store is closed.

    If this fails, look for a transaction that a refused call has opened and nobody ends.
    """
    store = lab.open()
    for n in range(3):
        store.put(D, f"k{n}", {"n": n})
    refused: list[Any] = [
        lambda: store.put(("a.b",), "k", {"n": 1}),
        lambda: store.put(D, "k0", {"n": object(), "text": "a\x00b"}),
        lambda: store.batch([PutOp(D, "k1", {"n": "never"}), object()]),
        lambda: store.search(D, filter={"n": {"$nonsense": 1}}),
    ]
    errors = [lab.attempt(call) for call in refused]
    lab.true(errors[0] is not None, "a bad namespace is refused")
    taken = store.value(D, "k0") if errors[1] is None else {"n": 0}
    store.put(D, "k2", {"n": "overwritten"})
    store.put(D, "late", {"n": 3})
    store.delete(D, "k1")
    store.batch([PutOp(D, "last", {"n": 4})])

    again = lab.reopen(store)

    found = {i.key: i.value["n"] for i in again.search(D, limit=100) if i.key != "k0"}
    lab.equal(
        found, {"k2": "overwritten", "late": 3, "last": 4}, "the items after refusals and reopening"
    )
    if errors[1] is not None:
        lab.same(again.value(D, "k0"), taken, "the item whose overwrite was refused")


@case("O16", needs=LASTING)
def test_two_locations_are_two_stores(lab: Lab) -> None:
    """
    What is written at one location is not seen at another one, before and after reopening.
    """
    one, two = lab.open(), lab.open()
    one.put(D, "k", {"at": "one"})
    two.put(D, "k", {"at": "two"})
    two.put(D, "l", {"at": "two"})

    lab.equal(one.value(D, "k"), {"at": "one"}, "the item of the first location")
    one = lab.reopen(one)
    lab.equal(one.keys(D), ["k"], "the items of the first location after reopening")
    lab.equal(one.value(D, "k"), {"at": "one"}, "its item after reopening")
    lab.equal(two.keys(D), ["k", "l"], "the items of the second location")


@case("O17", needs=LASTING_VECTORS)
def test_an_index_can_be_added_to_existing_data(lab: Lab) -> None:
    """
    Opened with ``index`` for the first time, a location keeps its items readable and indexes new
    ones.

    If this fails, look at migrations for vectors that expect an empty database.
    """
    store = lab.open()
    for n in range(5):
        store.put(D, f"old{n}", {"text": "apple", "n": n})

    again = lab.reopen(store, index=lab.index("text"))

    lab.equal(again.value(D, "old3"), {"text": "apple", "n": 3}, "an old item")
    lab.equal(again.keys(D), [f"old{n}" for n in range(5)], "a plain search for the old items")
    lab.equal(again.keys(D, filter={"n": 2}), ["old2"], "a filter over the old items")
    again.put(D, "new", {"text": "apple"})
    matches(lab, again, D, "apple", "new", "an item put with the index")
    found = [i.key for i in again.search(D, query="apple", limit=20) if i.score is not None]
    lab.equal(found, ["new"], "the items with a score: the only indexed one")
    again.put(D, "old1", {"text": "banana"})
    matches(lab, again, D, "banana", "old1", "an old item that was overwritten")
    again.delete(D, "old2")
    lab.equal(again.get(D, "old2"), None, "an old item that was deleted")


@case("O17", needs=LASTING_VECTORS)
def test_other_dims_than_those_of_the_location_are_refused(lab: Lab) -> None:
    """
    An index of other dims is refused when it is opened, at the put or, where texts are embedded later, at the
    query; and nothing is lost by it.

    If this fails, look at whether the size of a vector is checked against the ones that are stored.
    """
    store = lab.indexed("text")
    store.put(D, "k", {"text": "apple"})
    store.search(D, query="apple")  # a store may embed no sooner
    store.close()

    opened: list[Subject] = []
    taken = ["k"]
    index = lab.index("text", dims=24)
    if lab.attempt(lambda: opened.append(lab.open(at=store.at, index=index))) is None:
        other = opened[0]
        what = "a put of 24 numbers where the location holds vectors of 16"
        if refused(lab, lambda: other.put(D, "new", {"text": "banana"}), what):
            lab.equal(other.get(D, "new"), None, "the item whose put was refused")
        else:
            taken = ["k", "new"]
            with lab.refuses(Exception, f"a query after {what}"):
                other.search(D, query="banana")
        lab.equal(other.value(D, "k"), {"text": "apple"}, "the old item under the other index")
        other.close()

    again = lab.open(at=store.at, index=lab.index("text"))
    lab.equal(again.keys(D), taken, "all items under the old index again")
    matches(lab, again, D, "apple", "k", "the old vector under the old index again")


@case("O17", needs=LASTING_VECTORS)
def test_other_fields_than_before_lose_no_item(lab: Lab) -> None:
    """
    Opened with other ``fields``, a location keeps its items in plain searches and in rankings.

    By which of the fields the old ones are found, that of their put or the new one, is the store's choice.
    """
    store = lab.indexed("title")
    for n in range(4):
        store.put(D, f"old{n}", {"title": "apple", "body": "banana", "n": n})

    again = lab.reopen(store, index=lab.index("body"))

    again.put(D, "new", {"title": "cherry", "body": "damson"})
    every = ["new", *(f"old{n}" for n in range(4))]
    lab.equal(again.keys(D), every, "a plain search")
    for query in ("apple", "damson"):
        scored = [i.key for i in again.search(D, query=query, limit=20) if i.score is not None]
        lab.equal(sorted(scored), every, f"the items that the query {query!r} ranks")
