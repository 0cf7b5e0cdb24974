"""
K6, O1, V10 and V18: what a query sees and gives, as the same search without it would.

The code of a semantic search is often one of its own, with a namespace condition, a filter and a decoder of its own.
"""

from __future__ import annotations

from itertools import cycle
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
from store_conformance.suite.support.accepted import spaces_taken, without_refused
from store_conformance.suite.support.families import FAMILIES
from store_conformance.suite.support.filter_oracle import MISSING, Items, fields

VECTORS = (Capability.VECTORS,)
Namespace = tuple[str, ...]
D = ("d",)


# -- V18: the namespace ---------------------------------------------------------------------------

RESEMBLING: dict[str, list[Namespace]] = {
    "cut otherwise": FAMILIES["arrangement"],
    **{
        f"separators {n + 1}": [("a",), ("b",), *FAMILIES["separators"][n * 92 : n * 92 + 92]]
        for n in range(3)
    },
    "case and space": [*FAMILIES["case"][:30], *FAMILIES["whitespace"][:30]],
    "normal forms": [*FAMILIES["normal form"], *FAMILIES["invisible"][:15]],
}


@case("V18", needs=VECTORS, params=RESEMBLING)
def test_a_query_finds_no_namespace_that_only_resembles_its_prefix(
    lab: Lab, spaces: list[Namespace]
) -> None:
    """
    A query under a namespace gives the items of that one and those below it, never of one that resembles it.

    If this fails, look at the namespace condition of the semantic search: it is not that of the plain one.
    """
    store = lab.indexed("text")
    spaces = spaces_taken(lab, dict.fromkeys(spaces))
    store.batch([PutOp(ns, "k", {"text": f"apple*{n + 2} fig"}) for n, ns in enumerate(spaces)])
    below = {
        prefix: sorted(ns for ns in spaces if ns[: len(prefix)] == prefix)
        for prefix in [(), *spaces]
    }
    # A page just large enough shows a condition that is looked at after the nearest were taken; a larger one shows
    # what was not left out.
    limits = [max(len(found), 1) if n % 2 else 100 for n, found in enumerate(below.values())]
    answers = store.batch(
        [SearchOp(ns, query="apple", limit=limit) for ns, limit in zip(below, limits, strict=True)]
    )
    for (prefix, expected), limit, found in zip(below.items(), limits, answers, strict=True):
        got = sorted(tuple(i.namespace) for i in found)
        lab.equal(
            got, expected, f"the namespaces that a query finds under {prefix!r} with limit={limit}"
        )


# -- V10: the filter ------------------------------------------------------------------------------

VALUES: list[Any] = [
    *(2, 9, 10, 100, -2, -10, 1.5, 10.5, 0, 1, "", "a", "A", "ab", "a ", "b", "2", "10", "é"),
    *("it's", "a%", True, False, None, MISSING, [], [2], ["a"], ["a", "b"], ["b", "a"], [[2]]),
    *({"b": 2}, {"b": 3}, {"b": 2, "c": "x"}, {"b": {"c": 1}}),
]
CONDITIONS: list[dict[str, Any]] = [
    *({"f": v} for v in VALUES if v is not MISSING and v not in ([], "")),
    *({"f": {"$eq": v}} for v in (2, "a", True, [2], None)),
    *({"f": {"$ne": v}} for v in (2, "a", True)),
    *({"f": {op: v}} for op in ("$gt", "$gte", "$lt", "$lte") for v in (9, 1.5, "a")),
    *({"f": {"$gt": 1, "$lt": 10}}, {"f": {"$gte": 2, "$ne": 9}}, {"f": {"$lte": -2}}),
    *({"f": 2, "n": 0}, {"f": 2, "n": 1}, {"n": {"$lt": 4}, "f": {"$gt": 9}}, {"n": {"$gte": 6}}),
]
"""Whether a store takes each of them, and what it finds by it alone, is judged by group F."""
SPREAD: list[Namespace] = [D, ("d", "n0"), ("d", "n0", "deeper"), ("dd",), D]
"""The namespace of each item in turn: the one that is asked for, some below it, and one beside it."""


@case("V10", needs=VECTORS, params={"its namespace": D, "the whole store": ()})
def test_a_filter_says_beside_a_query_what_it_says_alone(lab: Lab, scope: Namespace) -> None:
    """
    A filter beside a query finds what it finds without one, whatever it asks, also under the empty prefix.

    If this fails, look at how the semantic search joins the namespace's condition and the filter's.
    """
    items: Items = {k: without_refused(lab, v) for k, v in fields(VALUES).items()}
    store = lab.indexed("text")
    store.batch(
        [PutOp(ns, k, {**v, "text": f"apple {k}"}) for ns, (k, v) in zip(cycle(SPREAD), items.items())]
    )  # fmt: skip
    answered = 0
    for wanted in CONDITIONS:
        # As with the namespaces: a page just large enough, and one that is larger.
        alone: list[str] = []
        refused = lab.attempt(lambda w=wanted: alone.extend(store.keys(scope, filter=w, limit=100)))  # type: ignore[misc]
        if refused is None:
            answered += 1
            limit = 100 if scope else max(len(alone), 1)
            beside = store.keys(scope, query="apple", filter=wanted, limit=limit)
            lab.equal(
                beside, alone, f"what {wanted!r} finds under {scope!r}, beside a query and alone"
            )
    if not answered:
        lab.unverified("the store refuses every filter without a query too")


# -- K6: the items --------------------------------------------------------------------------------


@case("K6", needs=VECTORS)
def test_a_query_gives_the_value_as_get_gives_it(lab: Lab) -> None:
    """
    The value of an item that a query finds is the one that was put: whole, equal and of the same JSON types.

    If this fails, look at the decoder of the semantic search, and at what is copied beside the vector.
    """
    value = without_refused(
        lab,
        {
            "text": "apple",
            "numbers": [0, 1, -1, 2.5, 2**53, 10.5],
            "int": 3,
            "float": 2.5,
            "true": True,
            "false": False,
            "none": None,
            "empty": "",
            "deep": {"a": {"b": [{"c": None}, []]}, "d": {}, "list": [[1, "1"], ["é", 'quo"te']]},
            "score": "mine",
            "key": 1,
            "namespace": ["x"],
            "value": {"y": 1},
            "vector": [1, 2],
        },
    )
    store = lab.indexed("text")
    store.put(("d", "e"), "k", value)
    store.put(D, "other", {"text": "apple banana*9"})
    for found in (
        store.search(D, query="apple", limit=10),
        store.search(D, query="apple", filter={"int": 3}),
        store.batch([SearchOp((), query="apple", limit=5)])[0],
    ):
        got = [i for i in found if i.key == "k"]
        lab.equal([i.namespace for i in got], [("d", "e")], "the namespace of the item in a query")
        lab.same(got[0].value, value, "the value in a query")


# -- O1: the batch --------------------------------------------------------------------------------

FRUITS = ("apple", "banana", "cherry", "fig")
BELOW = (MatchCondition(match_type="prefix", path=D),)


def _mixed() -> list[tuple[Any, Any]]:
    """
    Operations and their answers, as ``_plain`` tells them.

    Made where they are asked for: an old release has no ``query`` to make an operation with.
    """
    return [
        (GetOp(("d", "fig"), "fig"), "fig"),
        (SearchOp(D, query="cherry", limit=1), ["cherry"]),
        (
            ListNamespacesOp(match_conditions=BELOW, max_depth=None, limit=10, offset=0),
            [("d", fruit) for fruit in FRUITS],
        ),
        (SearchOp(("d", "banana"), limit=10), ["banana"]),
        (PutOp(("w",), "new", {"text": "kiwi"}), None),
        (SearchOp(D, query="apple", limit=1), ["apple"]),
        (GetOp(("d", "fig"), "none"), None),
        (SearchOp(("d", "fig"), query="banana", limit=10), ["fig"]),
        (SearchOp(D, limit=10), list(FRUITS)),
        (SearchOp(D, query="banana", limit=1), ["banana"]),
    ]


@case("O1", needs=VECTORS)
def test_queries_keep_their_places_beside_other_operations(lab: Lab) -> None:
    """
    Queries in a batch are answered at their places, each by its own text, whatever stands between them.

    If this fails, the places among the queries are taken for places in the batch.
    """
    store = lab.indexed("text")
    store.batch([PutOp(("d", fruit), fruit, {"text": fruit}) for fruit in FRUITS])
    mixed = _mixed()
    for shift in (0, 1, 5):
        ops = [*mixed[shift:], *mixed[:shift]]
        got = store.batch([op for op, _ in ops])
        lab.equal(
            [_plain(r) for r in got],
            [expected for _, expected in ops],
            f"results at the places of their operations, of which {shift} were moved to the end",
        )


def _plain(result: Any) -> Any:
    """A result without what differs from store to store."""
    if isinstance(result, list):
        return sorted(r if isinstance(r, tuple) else r.key for r in result)
    return result if result is None else result.key
