"""
X8 and K14: what reads leave behind (nothing), and what a store does with what it was handed (nothing either).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import (
    GetOp,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.expiry import TTL, expiring
from store_conformance.suite.support.picture import Address, picture, unchanged
from store_conformance.suite.support.ranking import in_order
from store_conformance.suite.support.scale import by_cosine

VECTORS = (Capability.VECTORS,)
D = ("d",)
AT: list[Address] = [(("d", f"n{n % 3}"), f"k{n}") for n in range(18)]
QUERIES = ("apple", "banana*2 cherry")

READS: dict[str, Callable[[Subject], Any]] = {
    "gets": lambda s: [s.get(ns, key) for ns, key in (*AT, *reversed(AT))],
    "gets of what is missing": lambda s: [s.get(ns, "none") for ns, _ in AT],
    "searches": lambda s: [s.search(D, limit=n, offset=n) for n in range(12)],
    "filters": lambda s: [
        s.search((), filter=f, limit=4) for f in ({"n": 2}, {"n": {"$gte": 3}}, {"kind": "note"})
    ],
    "a walk": lambda s: s.walk(D, page=4),
    "listings": lambda s: [
        s.list_namespaces(),
        s.list_namespaces(max_depth=1),
        s.list_namespaces(prefix=("d", "*")),
        s.list_namespaces(suffix=("n1",), limit=1),
    ],
    "a batch": lambda s: s.batch(
        [
            *(GetOp(ns, key) for ns, key in AT),
            SearchOp(D, filter={"kind": "note"}, limit=5),
            SearchOp((), limit=50, offset=3),
            ListNamespacesOp(match_conditions=None, max_depth=1, limit=10, offset=0),
        ]
    ),
}
QUERYING: dict[str, Callable[[Subject], Any]] = {
    "queries": lambda s: [s.search(D, query=q, limit=n) for q in QUERIES for n in (1, 5, 50)],
    "filtered queries": lambda s: [s.search((), query=q, filter={"kind": "note"}) for q in QUERIES],
    "a walk over a query": lambda s: s.walk(D, page=5, query="apple"),
    "queries in a batch": lambda s: s.batch([SearchOp(D, query=q, limit=9) for q in QUERIES]),
}


def _inhabit(store: Subject) -> None:
    for n, (namespace, key) in enumerate(AT):
        value = {"text": f"apple*{n + 1} banana", "n": n % 6, "kind": "note" if n % 2 else "task"}
        store.put(namespace, key, {**value, "deep": {"list": [n, None, {"x": n}]}})
    store.put(*AT[0], {"text": "cherry", "n": 2, "kind": "note"})
    store.put(*AT[1], {"text": "apple", "n": 3})


def _look(store: Subject, queries: tuple[str, ...] = ()) -> list[Any]:
    """Everything that a plain search gives, in its order, and the rankings."""
    plain = [(i.namespace, i.key, i.value, i.updated_at) for i in store.search((), limit=100)]
    return [plain, *(store.ranked((), query, limit=100) for query in queries)]


@case("X8")
def test_reads_leave_everything_as_it_was(lab: Lab) -> None:
    """
    Values, timestamps, namespaces, matches and the order of a search are after reads what they were.

    If this fails, look at reads that touch what they return: an access time, a cache, a moved row.
    """
    store = lab.open()
    _inhabit(store)
    before, seen = picture(store, AT), _look(store)

    for name, read in READS.items():
        for _ in range(2):
            read(store)
            lab.equal(_look(store), seen, f"the items and their order after {name}")
    unchanged(lab, before, picture(store, AT), "after reads")


@case("X8", needs=TTL)
def test_reads_that_refresh_leave_the_order_as_it_was(lab: Lab) -> None:
    """
    Reads that prolong the lives of some items leave all of them where they are.

    If this fails, look at an order by the time of expiry or of the last access, and at rows that an update moves.
    """
    store = expiring(lab, default_ttl=600.0, refresh_on_read=True)
    keys = [f"k{n:02}" for n in range(14)]
    store.batch([PutOp(D, key, {"n": 1}, ttl=600.0 + n % 3) for n, key in enumerate(keys)])
    seen = [i.key for i in store.search(D, limit=100, refresh_ttl=False)]
    store.get(D, keys[3], refresh_ttl=True)
    store.search(D, limit=2, offset=6, refresh_ttl=True)

    again = [i.key for i in store.search(D, limit=100, refresh_ttl=False)]
    lab.equal(again, seen, "the order of the items after reads that refresh some of them")


@case("X8", needs=VECTORS)
def test_reads_leave_the_vectors_as_they_were(lab: Lab) -> None:
    """
    A ranking is after reads of every kind what it was, with the scores it had.

    If this fails, look for ranks that learn from what was asked, and for vectors made at reading.
    """
    store = lab.indexed("text")
    _inhabit(store)
    scores = by_cosine(lab)
    before = picture(store, AT, QUERIES, scores=scores)
    seen = _look(store, QUERIES)

    for name, read in {**READS, **QUERYING}.items():
        read(store)
        lab.equal(_look(store, QUERIES), seen, f"the items and the rankings after {name}")
    unchanged(lab, before, picture(store, AT, QUERIES, scores=scores), "after reads")


# -- K14: what a caller hands in ------------------------------------------------------------------


@case("K14")
def test_a_value_is_not_changed_by_the_put(lab: Lab) -> None:
    """
    The dict that a caller puts is after the put what it was, and may be put again elsewhere.

    If this fails, look for names that the store adds to the value it was given, or takes from it.
    """
    store = lab.open()
    value = {"text": "apple", "n": 1, "deep": {"list": [1, {"x": None}], "empty": {}}}
    mine, kept = copy.deepcopy(value), copy.deepcopy(value)
    store.put(D, "a", mine)
    store.batch([PutOp(D, "b", mine), PutOp(("e",), "c", mine)])
    store.put(D, "a", mine)

    lab.same(mine, kept, "the caller's value after four puts of it")
    for at, key in ((D, "a"), (D, "b"), (("e",), "c")):
        lab.same(store.value(at, key), kept, f"the item {key!r} of the same value")


FILTERS: tuple[dict[str, Any], ...] = (
    {"n": 1},
    {"n": {"$gte": 1, "$lt": 9}},
    {"kind": "note", "n": {"$ne": 5}},
    {"tags": ["a", "b"]},
    {},
)


@case("K14")
def test_a_filter_is_not_changed_by_the_search(lab: Lab) -> None:
    """
    A filter is after the search what it was, and finds the same when it is used again.

    If this fails, look at conditions that are popped off, or rewritten in the caller's own dict.
    """
    store = lab.open()
    for n in range(6):
        store.put(D, f"k{n}", {"n": n, "kind": "note", "tags": ["a", "b"][: n + 1]})
    for wanted in FILTERS:
        mine = copy.deepcopy(wanted)
        first = store.keys(D, filter=mine)
        lab.same(mine, wanted, "the caller's filter after a search")
        lab.equal(store.keys(D, filter=mine), first, f"a second search by the same {wanted!r}")
        op = SearchOp(D, filter=mine, limit=100)
        one, two = store.batch([op, op])
        lab.equal(
            [i.key for i in one], [i.key for i in two], f"the same operation twice, {wanted!r}"
        )
        lab.same(mine, wanted, "the caller's filter after a batch")


@case("K14")
def test_operations_may_be_used_again(lab: Lab) -> None:
    """
    A list of operations is after the batch what it was, and does the same when it is used again.

    If this fails, look for a list that is sorted, emptied or filled in the caller's own hands.
    """
    store = lab.open()
    ops: list[Any] = [
        PutOp(D, "a", {"n": 1}),
        PutOp(("e",), "b", {"n": 2}),
        GetOp(D, "a"),
        SearchOp(D, filter={"n": 1}, limit=5),
        ListNamespacesOp(
            match_conditions=(MatchCondition(match_type="prefix", path=("d",)),),
            max_depth=1,
            limit=5,
            offset=0,
        ),
        PutOp(("e",), "c", None),
    ]
    mine, kept = list(ops), copy.deepcopy(ops)
    for _ in range(3):
        lab.equal(len(store.batch(mine)), len(ops), "one result for each operation")
        lab.equal(mine, kept, "the caller's operations after a batch")
    lab.equal(store.keys(()), ["a", "b"], "the items after the same batch three times")
    prefix, suffix = ["d"], ["d"]
    lab.attempt(lambda: store.list_namespaces(prefix=prefix, suffix=suffix))
    lab.equal((prefix, suffix), (["d"], ["d"]), "the caller's paths after a listing")


@case("K14", needs=VECTORS)
def test_an_index_configuration_may_be_used_again(lab: Lab) -> None:
    """
    The configuration of an index is after the opening and after puts what it was, and opens another
    store that ranks alike.

    If this fails, look for names of the store's own that are written into the caller's dict.
    """
    index = lab.index("text", "tags[*]")
    kept = {**index, "fields": list(index["fields"])}
    paths, named = ["title", "also", "a"], ["title", "also", "a"]
    for n in range(2):
        store = lab.open(index=index)
        store.put(D, "a", {"text": "apple", "tags": ["fig", "kiwi"]})
        store.put(D, "b", {"text": "banana", "title": "cherry"}, index=paths)
        best = store.ranked(D, "apple", limit=1)
        in_order(lab, best, ["a", "b"], f"the best of store {n + 1}", limit=1)
        best = store.ranked(D, "cherry", limit=1)
        in_order(lab, best, ["b", "a"], "the best by the caller's own paths", limit=1)
        lab.equal(dict(index), kept, f"the caller's index after store {n + 1}")
        store.batch([PutOp(D, "b", {"text": "banana", "title": "cherry"}, index=paths)])
        lab.equal(paths, named, "the caller's paths after a put")


@case("K14", needs=(Capability.TTL,))
def test_a_ttl_configuration_may_be_used_again(lab: Lab) -> None:
    """
    The configuration of the time to live is after the opening and after calls what it was.
    """
    kept: dict[str, Any]
    for kept in ({"default_ttl": 60, "refresh_on_read": False}, {"default_ttl": 60}, {}):
        ttl = dict(kept)
        for _ in range(2):
            store = lab.open(ttl=ttl)
            store.put(D, "a", {"n": 1})
            store.put(D, "b", {"n": 1}, ttl=5)
            store.search(D)
            lab.equal(ttl, kept, "the caller's ttl configuration")
