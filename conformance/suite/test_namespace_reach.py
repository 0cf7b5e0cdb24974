"""
N7 by every door: a tuple that cannot be a namespace reaches no item of one that can, in any release.

Refusing such a tuple is N1 to N3; here it may be refused or find nothing.
"""

from __future__ import annotations

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

Namespace = tuple[str, ...]

HOMES: tuple[Namespace, ...] = (("a",), ("a", "b"), ("a", "b", "c"), ("b",), ("a", "bc"))
OTHERS: tuple[Namespace, ...] = (
    *(("a.b",), ("a.b", "c"), ("a", "b.c"), ("a.b.c",), ("a.",), (".a",), ("a", "b."), ("a", ".b")),
    *(("a", ""), ("", "a"), ("a", "", "b"), ("",), ("a", "b", "")),
    *(("a\x00b",), ("a\x00",), ("a", "b\x00"), ("a\x00", "b")),
)
"""Tuples with a label that cannot be, each of which some joined form takes for a home."""


def _condition(kind: Any, path: Namespace) -> ListNamespacesOp:
    match = MatchCondition(match_type=kind, path=path)
    return ListNamespacesOp(match_conditions=(match,), max_depth=None, limit=100, offset=0)


READS: dict[str, Callable[[Subject, Namespace], Any]] = {
    "get": lambda s, at: s.get(at, "k"),
    "search": lambda s, at: s.search(at, limit=100),
    "search with a filter": lambda s, at: s.search(at, filter={"n": 1}, limit=100),
    "list by prefix": lambda s, at: s.list_namespaces(prefix=at),
    "list by suffix": lambda s, at: s.list_namespaces(suffix=at),
    "get in a batch": lambda s, at: s.batch([GetOp(at, "k")])[0],
    "search in a batch": lambda s, at: s.batch([SearchOp(at, limit=100)])[0],
    "list by prefix in a batch": lambda s, at: s.batch([_condition("prefix", at)])[0],
    "list by suffix in a batch": lambda s, at: s.batch([_condition("suffix", at)])[0],
}
WRITES: dict[str, Callable[[Subject, Namespace], Any]] = {
    "delete": lambda s, at: s.delete(at, "k"),
    "put": lambda s, at: s.put(at, "k", {"n": "foreign"}),
    "put of None": lambda s, at: s.put(at, "k", None),
    "delete in a batch": lambda s, at: s.batch([PutOp(at, "k", None)]),
    "put in a batch": lambda s, at: s.batch([PutOp(at, "k", {"n": "foreign"})]),
}


def _inhabit(store: Subject) -> None:
    for home in HOMES:
        store.put(home, "k", {"n": 1, "text": "apple", "home": list(home)})


@case("N7", params=READS)
def test_no_read_reaches_another_tuples_item(
    lab: Lab, read: Callable[[Subject, Namespace], Any]
) -> None:
    """
    A read by a tuple with an impossible label is refused or finds nothing: never the item of another tuple.

    If this fails, look at labels that are joined before they are checked.
    """
    store = lab.open()
    _inhabit(store)
    for at in OTHERS:
        answers: list[Any] = []
        lab.attempt(lambda at=at: answers.append(read(store, at)))  # type: ignore[misc]
        found = answers[0] if answers else None
        lab.true(not found, f"{at!r} finds nothing or is refused", got=found, expected="nothing")


@case("N7", params=WRITES)
def test_no_write_reaches_another_tuples_item(
    lab: Lab, write: Callable[[Subject, Namespace], Any]
) -> None:
    """
    A put or delete by a tuple with an impossible label is refused, or changes no item of another tuple.

    If this fails, look at labels that are joined before they are checked.
    """
    store = lab.open()
    _inhabit(store)
    for at in OTHERS:
        lab.attempt(lambda at=at: write(store, at))  # type: ignore[misc]
        for home in HOMES:
            item = store.get(home, "k")
            expected = {"n": 1, "text": "apple", "home": list(home)}
            lab.equal(item and item.value, expected, f"the item in {home!r} after {at!r}")


@case("N7", needs=(Capability.VECTORS,))
def test_no_query_reaches_another_tuples_item(lab: Lab) -> None:
    """
    A query below a tuple with an impossible label is refused or finds nothing.
    """
    store = lab.indexed("text")
    _inhabit(store)
    for at in OTHERS:
        found: list[Any] = []
        lab.attempt(lambda at=at: found.extend(store.search(at, query="apple", limit=9)))  # type: ignore[misc]
        lab.equal(found, [], f"the items that a query below {at!r} finds")
