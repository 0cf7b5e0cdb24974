"""
A picture of what a store holds, by every way of asking, to compare it with a later one; no case itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject

Address = tuple[tuple[str, ...], str]
Picture = dict[str, Any]

FILTERS: tuple[dict[str, Any], ...] = (
    {"kind": "note"},
    {"n": 2},
    {"n": {"$gt": 1}},
    {"flag": True},
    {"kind": "note", "n": {"$lte": 2}},
    {"nothing": 1},
)
PREFIXES: tuple[tuple[str, ...], ...] = ((), ("d",), ("d", "below"), ("e",), ("none",))


def picture(
    store: Subject,
    addresses: Iterable[Address],
    queries: Iterable[str] = (),
    *,
    scores: bool = True,
) -> Picture:
    """
    The answers of get, search, filter, query and list, by what was asked.

    Plain searches are without order; a ranking keeps its scores, rounded, and the items of each.  Without
    ``scores``, which a store of its own scale may move with time, it says which items have one.
    """
    seen: Picture = {}
    for namespace, key in addresses:
        item = store.get(namespace, key)
        seen[f"get({namespace!r}, {key!r})"] = item and _whole(item)
    for prefix in PREFIXES:
        found = store.search(prefix, limit=1000)
        seen[f"search({prefix!r})"] = sorted(map(_whole, found), key=repr)
        listed = store.list_namespaces(prefix=prefix or None, limit=1000)
        seen[f"list_namespaces(prefix={prefix!r})"] = sorted(listed)
    for wanted in FILTERS:
        seen[f"search(filter={wanted!r})"] = _filtered(store, wanted)
    for query in queries:
        found = store.search((), query=query, limit=1000)
        seen[f"search(query={query!r})"] = sorted(
            (i.namespace, i.key, i.score and (round(i.score, 3) if scores else "a score"))
            for i in found
        )
    return seen


def _filtered(store: Subject, wanted: dict[str, Any]) -> object:
    """What a filter finds, or that it raises, which it may do before and after alike: group F judges that."""
    try:
        found = store.search((), filter=wanted, limit=1000)
    except StoreRaisedError as error:
        return f"raises {type(error.cause).__name__}"
    return sorted((i.namespace, i.key) for i in found)


def _whole(item: Any) -> tuple[Any, ...]:
    return item.namespace, item.key, item.value, item.created_at, item.updated_at


def unchanged(lab: Lab, before: Picture, after: Picture, what: str) -> None:
    """Both pictures are equal, values of the same types."""
    for asked, expected in before.items():
        lab.same(after[asked], expected, f"{asked} {what}")
