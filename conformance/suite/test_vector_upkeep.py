"""
V11: what an overwrite leaves in the vector index.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.expiry import SOON, expiring, grace, sweep
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.ranking import (
    CLOSE,
    does_not_match,
    hits,
    matches,
    unscored,
)
from store_conformance.suite.support.scale import by_cosine

VECTORS = (Capability.VECTORS,)
LASTING = (Capability.VECTORS, Capability.PERSISTENCE)
D = ("d",)

FIELDS = ("title", "body[*]", "tags[*]")
"""The elements of an array are vectors of their own; several fields may be one text (V7)."""
OLD: dict[str, Any] = {"title": "apple", "body": ["banana"], "tags": ["cherry", "damson", "elder"]}
LONGER = ["fig", "grape", "hazel", "iris", "juniper"]
ALL = list(FIELDS)
"""The paths are given to each put, so that this does not hang on how ``fields`` is read."""

CHANGES: dict[str, tuple[dict[str, Any], Any, tuple[str, ...], tuple[str, ...]]] = {
    "text changed": ({**OLD, "title": "kiwi"}, ALL, ("kiwi", "banana", "elder"), ("apple",)),
    "field dropped": (
        {"title": "apple", "tags": OLD["tags"]},
        ALL,
        ("apple", "damson"),
        ("banana",),
    ),
    "only text dropped": ({"tags": OLD["tags"]}, ALL, ("cherry", "elder"), ("apple", "banana")),
    "field null": ({**OLD, "body": None}, ALL, ("apple", "damson"), ("banana",)),
    "shorter array": ({**OLD, "tags": ["cherry"]}, ALL, ("apple", "cherry"), ("damson", "elder")),
    "shorter by one": ({**OLD, "tags": ["cherry", "damson"]}, ALL, ("damson",), ("elder",)),
    "empty array": ({**OLD, "tags": []}, ALL, ("apple",), ("cherry", "damson", "elder")),
    "longer array": (
        {**OLD, "tags": LONGER},
        ALL,
        ("fig", "juniper", "apple"),
        ("cherry", "elder"),
    ),
    "nothing to index": ({"other": 1}, ALL, (), ("apple", "banana", "cherry", "elder")),
    "index=False": (OLD, False, (), ("apple", "banana", "cherry", "damson", "elder")),
    "other path": (OLD, ["body[*]"], ("banana",), ("apple", "cherry", "damson", "elder")),
}
"""The new value, its ``index`` argument, the words that must be found and those that must not."""


def _found_by(
    lab: Lab,
    store: Subject,
    present: tuple[str, ...],
    absent: tuple[str, ...],
    what: str,
    at: tuple[str, ...] = D,
    fresh: tuple[str, ...] | None = None,
) -> None:
    """``fresh``: where an equal item is that was put once; what its vectors are V3 and V7 ask."""
    for word in present:
        if fresh is None:
            matches(lab, store, at, word, "k", f"{word!r} of the new value, {what},")
        else:
            _scores_as_fresh(lab, store, word, at, fresh, what)
    for word in absent:
        check = does_not_match if present else unscored
        check(lab, store, at, word, "k", f"{what} the old vector of {word!r} is gone")


def _scores_as_fresh(
    lab: Lab, store: Subject, word: str, at: tuple[str, ...], fresh: tuple[str, ...], what: str
) -> None:
    got, wanted = (hits(lab, store, place, word).get("k") for place in (at, fresh))
    told = f"{what} the query {word!r} scores the item as it scores an equal one that was put once"
    if wanted is None or got is None or not by_cosine(lab):
        lab.equal(got is None, wanted is None, f"{told}, or not, as the other")
        return
    lab.true(abs(got - wanted) <= CLOSE, told, got=got, expected=wanted)


@case("V11", needs=VECTORS)
def test_an_overwrite_removes_the_old_vectors(lab: Lab) -> None:
    """
    After an overwrite an item is found by its new vectors only.

    If this fails, look for vectors that are upserted by path and never deleted.
    """
    store = lab.indexed(*FIELDS)
    for name, (value, index, present, absent) in CHANGES.items():
        at, fresh = ("d", plain(name)), ("fresh", plain(name))
        store.put(at, "k", OLD, index=ALL)
        store.put(at, "neighbour", OLD, index=ALL)
        store.put(fresh, "k", value, index=index)
        before = {word: hits(lab, store, at, word).get("neighbour") for word in ("apple", "elder")}

        store.put(at, "k", value, index=index)

        _found_by(lab, store, present, absent, f"after the overwrite ({name})", at, fresh)
        lab.equal(store.value(at, "k"), value, "the new value")
        for word, score in before.items():
            same = hits(lab, store, at, word).get("neighbour")
            lab.equal(same is None, score is None, f"{word!r} finds the item beside it, as before")
            if same is not None and score is not None and by_cosine(lab):
                told = f"the score for {word!r} of an item that was not overwritten"
                lab.true(abs(same - score) <= CLOSE, told, got=same, expected=score)


@case("V11", needs=VECTORS)
def test_an_overwrite_in_a_batch_removes_the_old_vectors(lab: Lab) -> None:
    """
    An overwrite in a batch, beside other puts, replaces the vectors as a single one does.
    """
    store = lab.indexed(*FIELDS)
    for name in ("text changed", "field dropped", "shorter array", "index=False"):
        value, index, present, absent = CHANGES[name]
        at, fresh = ("d", plain(name)), ("fresh", plain(name))
        store.batch([PutOp(at, "k", OLD, ALL), PutOp(at, "neighbour", {"title": "nutmeg"}, ALL)])
        store.put(fresh, "k", value, index=index)

        store.batch([PutOp(at, "new", {"title": "mango"}, ALL), PutOp(at, "k", value, index)])

        _found_by(
            lab, store, present, absent, f"after the overwrite in a batch ({name})", at, fresh
        )
        matches(lab, store, at, "mango", "new", "the other item of the batch")
        matches(lab, store, at, "nutmeg", "neighbour", "an item that was not overwritten")


@case("V11", needs=VECTORS)
def test_an_overwrite_with_the_default_drops_the_vectors_of_an_override(lab: Lab) -> None:
    """
    The vectors of ``index=[path]`` go when a later put indexes the configured field again.
    """
    store = lab.indexed("text")
    overridden = {"text": "apple", "other": ["banana", "cherry"]}
    store.put(D, "k", overridden, index=["other[*]"])
    found = hits(lab, store, D, "cherry").get("k")
    lab.true(found is not None, "the item is found by the overriding path", got=found)
    value = {"text": "apple"}

    store.put(D, "k", value)
    _found_by(lab, store, ("apple",), ("banana", "cherry"), "after a put with the default")
    store.put(D, "k", value, index=False)
    _found_by(lab, store, (), ("apple", "banana", "cherry"), "after a put with index=False")
    store.put(D, "k", value)
    _found_by(lab, store, ("apple",), ("banana", "cherry"), "after a put with the default again")


@case("V11", needs=VECTORS, params={"delete": "delete", "none": "none", "batch": "batch"})
def test_a_deleted_item_leaves_no_vectors_to_its_successor(lab: Lab, way: str) -> None:
    """
    A key that is used again after a delete is not found by the deleted text.
    """
    store = lab.indexed(*FIELDS)
    store.put(D, "k", OLD, index=ALL)
    if way == "batch":
        store.batch([PutOp(D, "k", None)])
    elif way == "none":
        store.put(D, "k", None)
    else:
        store.delete(D, "k")
    unscored(lab, store, D, "apple", "k", "the item was deleted")

    store.put(D, "k", OLD, index=False)
    _found_by(lab, store, (), ("apple", "elder"), "after a delete and a put with index=False")
    store.put(D, "k", {"title": "grape"})
    _found_by(lab, store, ("grape",), ("apple", "elder"), "after a delete and another put")


@case("V11", needs=(Capability.VECTORS, Capability.TTL), waits=True)
def test_an_expired_item_leaves_no_vectors_to_its_successor(lab: Lab) -> None:
    """
    A key that is used again after its item has expired, swept or not, is not found by the expired text.
    """
    store = expiring(lab, index=lab.index(*FIELDS), omit_expired=True)
    for at in (D, ("swept",)):
        store.put(at, "k", OLD, index=ALL, ttl=SOON)
    lab.sleep(grace(lab))
    store.put(D, "k", OLD, index=False)
    _found_by(lab, store, (), ("apple", "elder"), "after it expired and was put with index=False")
    sweep(store)
    store.put(("swept",), "k", OLD, index=False)
    for at in (D, ("swept",)):
        _found_by(lab, store, (), ("apple", "elder"), "after a sweep", at)
    store.put(D, "k", {"title": "grape"})
    _found_by(lab, store, ("grape",), ("apple", "elder"), "after another put")


UNINDEXED: dict[str, str] = {"overwritten": "put", "deleted": "delete", "deleted and put": "both"}


@case("V11", needs=LASTING, params=UNINDEXED)
def test_a_change_made_without_an_index_removes_the_old_vectors(lab: Lab, way: str) -> None:
    """
    An item that was changed while the store was open without ``index`` is not found by its old
    text.

    If this fails, look at whether a put without index knows of the vectors that an earlier one
    left.
    """
    store = lab.indexed("text")
    store.put(D, "k", {"text": "apple"})
    store.put(D, "kept", {"text": "banana"})

    plain = lab.reopen(store, index=None)
    if way != "put":
        plain.delete(D, "k")
    if way != "delete":
        plain.put(D, "k", {"text": "kiwi"})

    again = lab.reopen(plain, index=lab.index("text"))
    if way == "delete":
        lab.equal(again.get(D, "k"), None, "the deleted item")
    else:
        lab.equal(again.value(D, "k"), {"text": "kiwi"}, "the new value")
    does_not_match(lab, again, D, "apple", "k", "the item was changed without an index")
    matches(lab, again, D, "banana", "kept", "the item that was not touched")
