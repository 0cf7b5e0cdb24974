"""
O16 by every door: each documented way to open a store opens the same store.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.backends import DOORS, Backend
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.doors import Through
from store_conformance.suite.support.ranking import does_not_match, matches

D = ("d",)
LASTING = (Capability.PERSISTENCE,)
VALUE = {"text": "Äpfel 🍎", "n": [1, 2.5, None, True], "deep": {"a": {"b": {}}}}


def _through(lab: Lab) -> Backend:
    """The backend whose stores are opened by the door of this row; ends the case where there is none."""
    doors = lab.backend.doors(lab.mode)
    if lab.param not in doors:
        lab.unsupported(f"no such door: {lab.param}")
    return Through(doors[str(lab.param)])


def _works(lab: Lab, store: Subject, what: str) -> None:
    """Every call once, and again after a call that the store refuses."""
    for turn in (1, 2):
        store.put(D, "k", {**VALUE, "turn": turn})
        lab.same(store.value(D, "k"), {**VALUE, "turn": turn}, f"the item by {what}")
        store.batch([PutOp(("d", f"n{n % 3}"), f"k{n}", {"n": n}) for n in range(12)])
        found, item = store.batch([SearchOp(("d", "n1"), limit=20), GetOp(D, "k")])
        lab.equal(sorted(i.key for i in found), ["k1", "k10", "k4", "k7"], f"a search by {what}")
        lab.equal(item.value["turn"], turn, f"a get in a batch by {what}")
        lab.equal(store.keys(("d",), filter={"n": 5}), ["k5"], f"a filter by {what}")
        listed = sorted(store.list_namespaces(prefix=D))
        lab.equal(listed, [D, ("d", "n0"), ("d", "n1"), ("d", "n2")], f"a listing by {what}")
        store.delete(("d", "n2"), "k2")
        lab.equal(store.get(("d", "n2"), "k2"), None, f"a deleted item by {what}")
        lab.attempt(lambda: store.put(D, "bad", {"x": object(), "t": "a\x00b"}))


@case("O16", params={name: name for name in DOORS})
def test_every_documented_door_opens_a_store_that_works(lab: Lab, door: str) -> None:
    """
    A store that is opened in any documented way puts, gets, searches, filters, lists and deletes.

    If this fails, look at what ``from_conn_string`` sets that the way through the constructor leaves out.
    """
    through = _through(lab)
    _works(lab, lab.open(at=lab.location(), backend=through), f"the door {door!r}")


@case("O16", needs=LASTING, params={name: name for name in DOORS})
def test_what_one_door_wrote_the_others_read(lab: Lab, door: str) -> None:
    """
    What was acknowledged by one door is there for the usual one, and the other way round, after closing.

    If this fails, look at writes that stay in a transaction which nobody commits.
    """
    through = _through(lab)
    at = lab.location()
    store = lab.open(at=at, backend=through)
    store.put(D, "one", VALUE)
    store.put(D, "gone", {"n": 1})
    store.delete(D, "gone")
    store.batch([PutOp(("e",), f"k{n}", {"n": n}) for n in range(5)])
    # Another store object sees what was acknowledged while the first is open.
    beside = lab.open(at=at)
    lab.same(beside.value(D, "one"), VALUE, f"what the door {door!r} wrote, beside it")
    beside.put(D, "two", {"n": 2})
    store.close()
    beside.close()

    again = lab.open(at=at, backend=through)
    lab.equal(
        sorted(i.key for i in again.search(D)), ["one", "two"], "the items by that door again"
    )
    lab.equal(again.keys(("e",)), [f"k{n}" for n in range(5)], "the items of a batch")
    again.close()
    lab.equal(lab.open(at=at).keys(D), ["one", "two"], "the items by the usual door")


@case("O16", needs=(Capability.VECTORS,), params={name: name for name in DOORS})
def test_every_documented_door_opens_an_index(lab: Lab, door: str) -> None:
    """
    An index works by every door: put, overwrite, delete and query.
    """
    store = lab.open(at=lab.location(), backend=_through(lab), index=lab.index("text"))
    store.batch([PutOp(D, key, {"text": key}) for key in ("apple", "banana", "cherry")])
    store.put(D, "banana", {"text": "fig"})
    store.delete(D, "cherry")

    matches(lab, store, D, "apple", "apple", f"a text by the door {door!r}")
    matches(lab, store, D, "fig", "banana", "an overwritten text")
    does_not_match(lab, store, D, "banana", "banana", "it was overwritten")
    lab.equal(sorted(store.ranked(D, "cherry")), ["apple", "banana"], "a query for the deleted")


PARTIAL: dict[str, dict[str, Any]] = {
    "ttl without entries": {"ttl": {}},
    "ttl with refresh_on_read only": {"ttl": {"refresh_on_read": False}},
    "ttl with default_ttl only": {"ttl": {"default_ttl": 60}},
    "ttl with the interval only": {"ttl": {"sweep_interval_minutes": 60}},
    "index without fields": {"index": {"dims": 16}},
}


@case("O16", params=PARTIAL)
def test_a_partial_configuration_opens_a_store_that_works(lab: Lab, given: dict[str, Any]) -> None:
    """
    ``IndexConfig`` and ``TTLConfig`` need not be complete: what is left out has its default.

    If this fails, look for an entry that is read as if it were always there.
    """
    index, ttl = given.get("index"), given.get("ttl")
    needed = Capability.VECTORS if index else Capability.TTL
    if not lab.offers(needed):
        lab.unsupported(f"declared: no {needed}")
    store = lab.open(index=index and {**index, "embed": ExactEmbeddings()}, ttl=ttl)
    _works(lab, store, str(lab.param))
    if index:
        store.put(D, "apple", {"text": "apple"})
        lab.true("apple" in store.ranked(D, "apple", limit=100), "an item by a query", got=None)
    elif hasattr(store.raw, "sweep_ttl"):
        lab.equal(store.maintenance("sweep_ttl"), 0, "the count of a sweep of living items")
