"""
V6: a distance that a store documents is not ignored, by any door.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.embedders import TableEmbeddings
from store_conformance.suite.support.scale import need_cosine
from store_conformance.suite.test_vector_scores import ORDERS, POINTS, QUERY

VECTORS = (Capability.VECTORS,)
D = ("d",)
NAME = "distance_type"
OTHER = {name: order for name, order in ORDERS.items() if name != "cosine"}

DOORS: dict[str, Callable[[Subject], list[Any]]] = {
    "a query": lambda s: s.search(D, query="ask", limit=20),
    "a query everywhere": lambda s: s.search((), query="ask", limit=20),
    "a filtered query": lambda s: s.search(D, query="ask", filter={"kind": "point"}, limit=20),
    "a query in a batch": lambda s: s.batch([SearchOp(D, query="ask", limit=20)])[0],
}


def _open(lab: Lab, distance: str, **more: Any) -> Subject:
    opened: list[Subject] = []
    embed = TableEmbeddings({**POINTS, "ask": QUERY})
    index = {**lab.index("text", embed=embed), NAME: distance}
    refused = lab.attempt(lambda: opened.append(lab.open(index=index, **more)))
    if refused is not None:
        lab.unsupported(
            f"refuses {NAME}={distance!r}: {type(refused).__name__}: {message_of(refused)}"
        )
    return opened[0]


def _inhabit(store: Subject) -> None:
    store.batch([PutOp(D, name, {"text": name, "kind": "point"}) for name in POINTS])


def _keys(found: list[Any]) -> list[str]:
    return [i.key for i in found]


def documents_distances(store: Any) -> bool:
    """Whether the type of the store's own ``index`` argument names ``distance_type``."""
    try:
        hints = typing.get_type_hints(type(store).__init__)
    except Exception:  # noqa: BLE001 - annotations that cannot be resolved say nothing
        return False
    types = [hints.get("index"), *typing.get_args(hints.get("index"))]
    return any(NAME in getattr(t, "__annotations__", {}) for t in types if inspect.isclass(t))


@case("V6", needs=VECTORS, params={name: name for name in OTHER})
def test_a_documented_distance_is_not_ignored(lab: Lab, distance: str) -> None:
    """
    A store that honours one distance, or whose index configuration names ``distance_type``, ranks by each
    that it takes.

    If this fails, look for a name of a distance that no code asks for.
    """
    need_cosine(lab)
    ranked = {}
    for name in OTHER:
        store = _open(lab, name)
        _inhabit(store)
        ranked[name] = _keys(store.search(D, query="ask"))
    honours = [name for name, keys in ranked.items() if keys != ORDERS["cosine"]]
    if not honours and not documents_distances(store.raw):
        lab.unsupported(f"does not document {NAME}: it ranks by cosine")
    ignored = ranked[distance] == ORDERS["cosine"]
    lab.true(not ignored, f"{distance} is not ignored", got="ranked by cosine", expected=distance)


@case("V6", needs=VECTORS, params={name: name for name in OTHER})
def test_a_distance_ranks_alike_by_every_door(lab: Lab, distance: str) -> None:
    """
    Whatever a store ranks by, it ranks by it with filter, in a batch, in pages and after a reopening.

    If this fails, look at a second query of the same search, written for cosine.
    """
    need_cosine(lab)
    store = _open(lab, distance)
    _inhabit(store)
    expected = _keys(store.search(D, query="ask"))
    lab.equal(sorted(expected), sorted(POINTS), "the items of a query")

    for name, door in DOORS.items():
        lab.equal(_keys(door(store)), expected, f"the ranking by {distance} of {name}")
    for offset in (0, 2, 3):
        page = _keys(store.search(D, query="ask", limit=2, offset=offset))
        part = expected[offset : offset + 2][: len(page)]  # a page cut short is V9's
        lab.equal(page, part, f"the page of the ranking by {distance} at offset {offset}")
    if lab.offers(Capability.PERSISTENCE):
        again = lab.reopen(store)
        lab.equal(_keys(again.search(D, query="ask")), expected, "the ranking after reopening")


@case("V6", needs=(*VECTORS, Capability.PERSISTENCE), params={name: name for name in OTHER})
def test_a_location_is_ranked_by_the_distance_it_is_opened_with(lab: Lab, distance: str) -> None:
    """
    What was put under another distance is ranked by the one of the opening, or that opening is refused.

    If this fails, look at an index that was made for one distance, and that nobody asks which.
    """
    need_cosine(lab)
    fresh = _open(lab, distance)
    _inhabit(fresh)
    expected = _keys(fresh.search(D, query="ask"))
    if expected == ORDERS["cosine"]:
        lab.unsupported(f"does not document {NAME}: it ranks by cosine")
    store = _open(lab, "cosine")
    _inhabit(store)
    index = {**store.index, NAME: distance}
    found: list[Any] = []

    def asked_again() -> None:
        found.extend(lab.reopen(store, index=index).search(D, query="ask"))

    refused = lab.attempt(asked_again)
    if refused is not None:
        lab.observe("distance_type.of another opening", "refused", error=message_of(refused))
        return
    lab.equal(_keys(found), expected, f"the ranking of a location that is opened with {distance}")
