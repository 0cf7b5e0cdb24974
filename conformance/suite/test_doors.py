"""
O16 by every door: each documented way to open a store opens the same store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.backends import DOORS
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, Item, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import keys_taken, spaces_taken
from store_conformance.suite.support.docstrings import missing, shown_imports
from store_conformance.suite.support.doors import through
from store_conformance.suite.support.ranking import does_not_match, matches

D = ("d",)
LASTING = (Capability.PERSISTENCE,)
VALUE = {"text": "Äpfel 🍎", "n": [1, 2.5, None, True], "deep": {"a": {"b": {}}}}


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
    opened = through(lab, door)
    _works(lab, lab.open(at=lab.location(), backend=opened), f"the door {door!r}")


@case("O16", needs=LASTING, params={name: name for name in DOORS})
def test_what_one_door_wrote_the_others_read(lab: Lab, door: str) -> None:
    """
    What was acknowledged by one door is there for the usual one, and the other way round, after closing.

    If this fails, look at writes that stay in a transaction which nobody commits.
    """
    opened = through(lab, door)
    at = lab.location()
    store = lab.open(at=at, backend=opened)
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

    again = lab.open(at=at, backend=opened)
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
    store = lab.open(at=lab.location(), backend=through(lab, door), index=lab.index("text"))
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


def _reads(
    lab: Lab, store: Subject, home: tuple[str, ...], written: dict[str, Any], told: str
) -> None:
    """The store finds just these items, with their values and times."""
    found = {i.key: i for i in store.search(home, limit=100)}
    lab.equal(sorted(found), sorted(written), f"the keys of {told}")
    for key, item in written.items():
        lab.same(store.value(home, key), item.value, told)
        times = (found[key].created_at, found[key].updated_at)
        lab.equal(times, (item.created_at, item.updated_at), f"the times of {told}")
    listed = store.list_namespaces()
    lab.true(home in listed, f"a namespace of {told}", got=listed)


HALVES = (Capability.SYNC, Capability.ASYNC, Capability.PERSISTENCE)


def _written(store: Subject, home: tuple[str, ...], keys: Sequence[str]) -> dict[str, Item]:
    """What the store keeps for these keys after a batch, an overwrite and a delete."""
    store.batch([PutOp(home, key, {**VALUE, "text": f"kiwi*{n}"}) for n, key in enumerate(keys)])
    store.put(home, "k", {"text": "apple", "turn": 2})
    store.put(home, "gone", {"text": "banana"})
    store.delete(home, "gone")
    return {key: store.fetch(home, key) for key in keys}


@case("O16", needs=HALVES, modes=(Mode.SYNC,))
def test_what_one_half_wrote_the_other_reads(lab: Lab) -> None:
    """
    What the store of async callers wrote the store of sync callers reads at the same place, and the reverse.

    If this fails, look for two classes that write one item in two forms.
    """
    keys = keys_taken(lab, ["k", "K", "k1", "k 1", "ä"])
    index = lab.index("text") if lab.offers(Capability.VECTORS) else None
    at = lab.location()
    for writer, reader in ((Mode.ASYNC, Mode.SYNC), (Mode.SYNC, Mode.ASYNC)):
        home = spaces_taken(lab, [("halves", f"{writer} Äpfel 🍎"), ("halves", str(writer))])[0]
        one = lab.open(at=at, index=index, mode=writer)
        written = _written(one, home, keys)
        one.close()

        other = lab.open(at=at, index=index, mode=reader)
        told = f"what the {writer} half wrote, by the {reader} half"
        _reads(lab, other, home, written, told)
        if index:
            matches(lab, other, home, "apple", "k", f"a vector of {told}")
            does_not_match(lab, other, home, "banana", "k", f"a vector of {told}")
        other.put(home, "k", {"text": "cherry", "turn": 3})
        other.delete(home, keys[1])
        other.close()

        again = lab.open(at=at, index=index, mode=writer)
        left = sorted({*keys} - {keys[1]})
        lab.equal(again.keys(home), left, "the items that the other half left")
        lab.equal(again.value(home, "k")["turn"], 3, "an item that the other half overwrote")
        if index:
            matches(lab, again, home, "cherry", "k", "a vector that the other half wrote")
            does_not_match(lab, again, home, "apple", "k", "the other half overwrote it")
        again.close()


@case("O16")
def test_what_the_examples_of_the_class_import_is_there(lab: Lab) -> None:
    """
    A name that the class's docstring imports from its own package can be imported from there.

    If this fails, look at what the package's ``__init__`` exports.
    """
    shown = shown_imports(type(lab.open().raw))
    if not shown:
        lab.unsupported("the docstring of the class imports nothing of its own package")
    wrong = {f"from {m} import {n}": why for m, n in shown if (why := missing(m, n)) is not None}
    lab.equal(wrong, {}, "imports of the docstring that do not work")


@case("O16")
def test_a_store_that_was_asked_nothing_can_be_closed(lab: Lab) -> None:
    """
    A store may be opened and closed without a call, and its place is as good as before.

    If this fails, look for a task, a pool or a client that close ends and only a call begins.
    """
    at = lab.location()
    for turn in (1, 2):
        error = lab.attempt(lambda: lab.open(at=at).close())
        lab.true(error is None, f"opening {turn} is closed without a call", got=error)
    store = lab.open(at=at)
    store.put(D, "k", VALUE)
    lab.same(store.value(D, "k"), VALUE, "an item after openings without a call")
