"""
S10 by every door: an empty query is no query.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject

D = ("d",)
Query = str | None

DOORS: dict[str, Callable[[Subject, Query], list[Any]]] = {
    "a search": lambda s, q: s.search(D, query=q, limit=100),
    "a search everywhere": lambda s, q: s.search((), query=q, limit=100),
    "a search below": lambda s, q: s.search(("d", "n1"), query=q),
    "a filtered search": lambda s, q: s.search(D, query=q, filter={"odd": True}, limit=100),
    "a later page": lambda s, q: s.search(D, query=q, limit=4, offset=5),
    "a walk": lambda s, q: s.walk(D, page=5, query=q),
    "a batch": lambda s, q: s.batch([SearchOp(D, query=q, limit=100)])[0],
    "a batch of two": lambda s, q: [
        i for found in s.batch([SearchOp((), query=q), SearchOp(D, query=q)]) for i in found
    ],
}


@case("S10", needs=(Capability.VECTORS,), params={"without an index": False, "with an index": True})
def test_an_empty_query_is_no_query_by_any_door(lab: Lab, indexed: bool) -> None:
    """
    With ``query=""`` every kind of search finds what it finds without, in the same order and unscored.

    If this fails, look for a second place that asks whether there is a query.
    """
    store = lab.indexed("text") if indexed else lab.open()
    texts = ("apple", "banana cherry", "", "no known word")
    store.batch(
        [
            PutOp(("d", f"n{n % 2}"), f"k{n:02}", {"text": f"{texts[n % 4]}{n}", "odd": n % 2 == 1})
            for n in range(14)
        ]
    )
    store.put(("d", "n1"), "bare", {"odd": True}, index=False)

    for name, door in DOORS.items():
        plain, empty = door(store, None), door(store, "")
        lab.true(plain, f"{name} without a query finds something", got=plain)
        got, wanted = ([(i.namespace, i.key) for i in items] for items in (empty, plain))
        lab.equal(got, wanted, f"{name} with an empty query")
        lab.equal({i.score for i in empty}, {None}, f"the scores of {name} with an empty query")
