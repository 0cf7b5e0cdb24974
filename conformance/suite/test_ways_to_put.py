"""
One promise by every way of putting: alone, in a batch, beside reads, with each argument, and after a reopening.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, ListNamespacesOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.expiry import (
    SOON,
    TTL,
    expiring,
    grace,
    says_ttl,
    sweep,
    there,
)
from store_conformance.suite.support.openings import opened_again
from store_conformance.suite.support.ranking import does_not_match, hits, matches, unscored
from store_conformance.suite.support.scale import by_cosine
from store_conformance.suite.support.shapes import fill

NS = ("ways", "u1")
VECTORS = (Capability.VECTORS,)
LONG = 600.0
COARSE_TICK = 1.05
"""Seconds in which a clock of whole seconds has moved."""

Put = Callable[[Subject, str, dict[str, Any], dict[str, Any]], Any]
"""Of a store, a key, a value, and the arguments of the put."""


def _beside(key: str) -> list[PutOp]:
    """Puts that have something in common with the one of the key."""
    return [PutOp(NS, f"{key}_too", {"n": 0}), PutOp((*NS, "sub"), f"{key}_sub", {"n": 0})]


WAYS: dict[str, Put] = {
    "put": lambda s, key, value, how: s.put(NS, key, value, **how),
    "op": lambda s, key, value, how: s.batch([PutOp(NS, key, value, **how)]),
    "batch": lambda s, key, value, how: s.batch(
        [_beside(key)[0], PutOp(NS, key, value, **how), _beside(key)[1]]
    ),
    "reads": lambda s, key, value, how: s.batch(
        [GetOp(NS, key), SearchOp(NS, limit=2), PutOp(NS, key, value, **how), ListNamespacesOp()]
    ),
}
INDEX: dict[str, dict[str, Any]] = {
    "default": {},
    "unindexed": {"index": False},
    "paths": {"index": ["title"]},
}
"""What a put may say of the index; it has no effect where the store has none."""


def _each() -> Iterator[tuple[str, Put, dict[str, Any]]]:
    """A key for each way with each argument."""
    for way, put in WAYS.items():
        for name, how in INDEX.items():
            yield f"{way}_{name}", put, how


def _with_index(lab: Lab) -> Any:
    return lab.index("text") if lab.offers(Capability.VECTORS) else None


def _openings(lab: Lab, store: Subject) -> Iterator[tuple[Subject, str]]:
    """The store as it is, and opened again where it keeps what it has."""
    yield store, "now"
    again = opened_again(lab, store)
    if again is not None:
        yield again, "reopened"


@case("K4", waits=True)
def test_no_way_of_overwriting_moves_the_creation(lab: Lab) -> None:
    """
    Whatever an overwrite comes with, a batch, an index argument, a ttl, an opening of its own: the item was created
    when it was.

    If this fails, look at times that are kept in memory, and at inserts that are made by another path.
    """
    store = lab.open(index=_with_index(lab))
    keys = [key for key, _, _ in _each()]
    fill(store, [(NS, key, {"n": 0, "text": f"apple {key}"}) for key in keys])
    created = {key: store.fetch(NS, key).created_at for key in keys}
    lab.sleep(COARSE_TICK)

    for opened, when in _openings(lab, store):
        more = {"ttl": LONG} if says_ttl(opened) and lab.offers(Capability.TTL) else {}
        for arguments in ({}, more) if more else ({},):
            for key, put, how in _each():
                put(opened, key, {"n": 1, "text": "fig", "title": when}, {**how, **arguments})
            now = {key: opened.fetch(NS, key).created_at for key in keys}
            lab.equal(now, created, f"created_at of items overwritten {when}, {arguments}")


def _lives(lab: Lab, before: float | None, after: float | None) -> tuple[list[str], list[str]]:
    """All keys of items that had one life and were given another, in every way; and those that are there at its end."""
    store = expiring(lab, index=_with_index(lab), refresh_on_read=False)
    first = {"ttl": before} if before is not None else {}
    then = {"ttl": after} if after is not None else {}
    keys = [key for key, _, _ in _each()]
    for key in keys:
        for when in ("now", "reopened"):
            store.put(NS, f"{key}_{when}", {"n": 1, "text": "apple"}, **first)
    every: list[str] = []
    for opened, when in _openings(lab, store):
        for key, put, how in _each():
            every.append(f"{key}_{when}")
            put(opened, every[-1], {"n": 2, "text": "fig"}, {**how, **then})
        store = opened
    lab.sleep(grace(lab))
    sweep(store)
    return every, there(store, NS, every)


@case("T2", needs=TTL, waits=True, params={"longer": (SOON, LONG), "shorter": (LONG, SOON)})
def test_every_way_of_overwriting_gives_the_new_ttl(lab: Lab, lives: tuple[float, float]) -> None:
    """
    An overwrite with a ttl gives the item that time, whatever it had: in a batch, with an index argument, after a
    reopening.

    If this fails, look for an upsert that keeps the old expiry, on one of the paths that lead to it.
    """
    every, left = _lives(lab, *lives)
    lab.equal(left, every if lives[1] == LONG else [], "the items that are there after a while")


@case("T3", needs=TTL, waits=True)
def test_every_way_of_overwriting_without_a_ttl_clears_it(lab: Lab) -> None:
    """
    An overwrite without a ttl makes the item live on: in a batch, with an index argument, after a reopening.

    If this fails, look for an upsert that keeps the old expiry where none is given.
    """
    every, left = _lives(lab, SOON, None)
    lab.equal(left, every, "the items that are there after a while")


TWO = {"text": "apple", "title": "banana"}


def _found(lab: Lab, store: Subject, key: str, word: str, what: str) -> None:
    """
    The query finds the item by its vector, whether the configured field is embedded or the whole value.

    Whether ``fields`` of the configuration is followed is V2's.
    """
    got = hits(lab, store, NS, word).get(key)
    near = got is not None and (got > 0.5 or not by_cosine(lab))
    lab.true(near, f"{what}, so {word!r} finds it", got=got, expected="more than 0.5")


@case("V3", needs=VECTORS, params=WAYS)
def test_an_equal_value_is_indexed_as_its_last_put_says(lab: Lab, put: Put) -> None:
    """
    A put of an equal value with another ``index`` embeds what that one names, also after a reopening.

    If this fails, look for a put that is passed over because the value is the same, and at what was once left out.
    """
    store = lab.open(index=lab.index("text"))
    for key in ("first", "again"):
        put(store, key, TWO, {"index": False})
    put(store, "first", TWO, {})
    _found(lab, store, "first", "apple", "a put without index=False came after one with it")
    put(store, "first", TWO, {"index": ["title"]})
    matches(lab, store, NS, "banana", "first", "a put of an equal value with index=['title']")
    store = opened_again(lab, store) or lab.open(index=lab.index("text"))
    put(store, "again", TWO, {"index": ["title"]})
    matches(lab, store, NS, "banana", "again", "index=['title'] after an earlier index=False")


@case("V11", needs=VECTORS, params=WAYS)
def test_an_equal_value_keeps_no_vector_that_its_last_put_leaves_out(lab: Lab, put: Put) -> None:
    """
    A put of an equal value with ``index=False``, or with other paths, takes the earlier vectors away.

    If this fails, look for a put that is passed over because the value is the same.
    """
    store = lab.open(index=lab.index("text"))
    for key, how in (("off", {"index": False}), ("moved", {"index": ["title"]})):
        put(store, key, TWO, {"index": ["text"]})
        put(store, key, TWO, how)
    unscored(lab, store, NS, "apple", "off", "the same value was put again with index=False")
    what = "the same value was put again with index=['title']"
    does_not_match(lab, store, NS, "apple", "moved", what)
    matches(lab, store, NS, "banana", "moved", what)
