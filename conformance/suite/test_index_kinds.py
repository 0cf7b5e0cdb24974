"""
O16 for vectors: each documented kind of index, type of vector and distance makes a store that works.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.backends import INDEXES
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.ranking import descend

D = ("d",)
WORDS = ("apple", "banana", "cherry", "damson", "elder", "fig")


@case("O16", needs=(Capability.VECTORS,), params={name: name for name in INDEXES})
def test_every_documented_kind_of_index_finds_the_nearest(lab: Lab, kind: str) -> None:
    """
    Whatever kind of index, type of vector and distance is configured, a query finds the nearest item first.

    If this fails for one distance, look at the operator and at the index that was made for another one.
    """
    configurations = lab.backend.indexes().get(kind, ())
    if not configurations:
        lab.unsupported(f"no such kind of index: {kind}")
    for more in configurations:
        told = ", ".join(f"{name}={value}" for name, value in more.items())
        store = lab.open(index={**lab.index("text"), **more})
        store.put(D, "apple", {"text": "apple", "n": 0})
        store.batch([PutOp(D, word, {"text": word, "n": n}) for n, word in enumerate(WORDS)])
        store.put(D, "fig", {"text": "grape", "n": 5})
        store.delete(D, "elder")
        _finds(lab, store, told)
        if lab.offers(Capability.PERSISTENCE):
            store = lab.reopen(store)
            _finds(lab, store, f"{told}, reopened")
        lab.forget(store)


def _finds(lab: Lab, store: Subject, told: str) -> None:
    """Each item by its own text, whatever the place of the others is; a filter beside it."""
    there = {"apple": "apple", "banana": "banana", "cherry": "cherry", "grape": "fig"}
    for query, key in there.items():
        found: list[Any] = store.search(D, query=query, limit=20)
        descend(lab, found, f"the query {query!r} with {told}")
        lab.equal([i.key for i in found][:1], [key], f"the nearest to {query!r} with {told}")
        keys = sorted(i.key for i in found)
        lab.equal(keys, sorted({*WORDS} - {"elder"}), f"what is ranked with {told}")
    filtered = store.ranked(D, "apple", filter={"n": 3})
    lab.equal(filtered, ["damson"], f"a filter beside a query with {told}")
