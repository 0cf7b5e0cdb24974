"""
Group S, the results: what an answer is, after which filter, with which odd arguments.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import SearchItem, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import names_taken
from store_conformance.suite.support.ranking import scores_like
from store_conformance.suite.support.scale import by_cosine
from store_conformance.suite.support.shapes import Namespace, fill

NS = ("users", "u1")


def _addresses(items: list[Any]) -> list[tuple[Namespace, str]]:
    return [(tuple(i.namespace), i.key) for i in items]


# -- S7 to S10 ------------------------------------------------------------------------------------


@case("S7")
def test_results_are_search_items_without_score(lab: Lab) -> None:
    """
    A plain search gives SearchItems whose score is None.

    If this fails, look at rows turned into plain Items, or a score of 0 for no score.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i}", {"n": i, "kind": "note"}) for i in range(5)])
    answers = {
        "search": store.search(NS),
        "search with a filter": store.search(NS, filter={"kind": "note"}),
        "search under ()": store.search(()),
        "search in a batch": store.batch([SearchOp(NS)])[0],
    }
    for name, items in answers.items():
        lab.equal(len(items), 5, f"items found by {name}")
        for item in items:
            lab.true(
                isinstance(item, SearchItem),
                f"{name} gives SearchItems, which have a score",
                got=type(item).__name__,
                expected="SearchItem",
            )
            lab.true(item.score is None, f"the score in {name} is None", got=item.score)


def _score(item: Any) -> Any:
    """Of a plain Item ``None``: that it is no SearchItem is for `test_results_are_search_items_without_score`."""
    return getattr(item, "score", None)


NAMES_OF_ITEMS = {
    "score": 0.75,
    "key": "another",
    "namespace": ["another"],
    "prefix": "another",
    "value": {"n": -1},
    "created_at": "2001-02-03T04:05:06+00:00",
    "updated_at": "2001-02-03T04:05:06+00:00",
    "expires_at": "2001-02-03T04:05:06+00:00",
}
"""Fields of a value that are called like what a store knows of an item."""


@case("S7", params={"plain": False, "index": True})
def test_a_field_of_a_value_is_nothing_of_the_items_own(lab: Lab, indexed: bool) -> None:
    """
    Whatever the fields of a value are called, the score is the search's, and key and namespace are the item's.

    If this fails, look at a record that holds the fields of the value beside those of the item.
    """
    if indexed and not lab.offers(Capability.VECTORS):
        lab.unsupported("declared: no vectors")
    store = lab.indexed("text") if indexed else lab.open()
    names = {name: NAMES_OF_ITEMS[name] for name in names_taken(lab, NAMES_OF_ITEMS)}
    values = {
        "a": {"text": "apple", "sort": "note", **names},
        "b": {"text": "apple banana", "sort": "note"},
    }
    fill(store, [(NS, key, value) for key, value in values.items()])

    answers = {
        "a search": store.search(NS),
        "a search with a filter": store.search(NS, filter={"sort": "note"}),
        "a search in a batch": store.batch([SearchOp(NS)])[0],
    }
    for name, items in answers.items():
        lab.equal(sorted(i.key for i in items), ["a", "b"], f"the keys by {name}")
        lab.equal({i.namespace for i in items}, {NS}, f"the namespaces by {name}")
        lab.equal([_score(i) for i in items], [None, None], f"the scores by {name}")
        lab.equal({i.key: i.value for i in items}, values, f"the values by {name}")
    if indexed:
        found = store.search(NS, query="apple")
        lab.equal(sorted(i.key for i in found), ["a", "b"], "the keys by a query")
        store.put(NS, "a", {"text": "apple"})
        bare = {i.key: i.score for i in store.search(NS, query="apple")}
        for item in found if by_cosine(lab) else ():
            what = f"the score of {item.key!r}, beside that of a value without such fields"
            scores_like(lab, item.score, bare[item.key], what)


@case("S7", needs=(Capability.VECTORS,))
def test_an_index_gives_a_plain_search_no_score(lab: Lab) -> None:
    """
    Also in a store with an index, a search without a query gives items without score.

    If this fails, look at the branch that is taken when an index is configured.
    """
    store = lab.indexed("text")
    store.put(NS, "a", {"text": "apple"})
    store.put(NS, "b", {"text": "banana"}, index=False)
    for name, items in (
        ("search", store.search(NS)),
        ("filter", store.search(NS, filter={"text": {"$ne": "x"}})),
    ):
        lab.equal(sorted(i.key for i in items), ["a", "b"], f"keys by {name} without a query")
        lab.equal([i.score for i in items], [None, None], f"scores by {name} without a query")


@case("S7")
def test_nothing_found_is_an_empty_list(lab: Lab) -> None:
    """
    A search without a match gives [], whatever the reason.

    If this fails, look for None, or an exception about an unknown namespace.
    """
    store = lab.open()
    lab.equal(store.search(("nowhere",)), [], "search in a store that holds nothing")
    store.put(NS, "k", {"n": 1})
    for name, answer in (
        ("an unknown namespace", store.search(("nowhere",))),
        ("a namespace below", store.search((*NS, "sub"))),
        ("a filter that none fits", store.search(NS, filter={"n": 2})),
        ("a filter on a missing field", store.search(NS, filter={"m": 1})),
        ("an offset past the end", store.search(NS, offset=5)),
        ("an operation", store.batch([SearchOp(("nowhere",), filter={"n": 1})])[0]),
    ):
        lab.equal(answer, [], f"the answer for {name}")


@case("S8")
def test_the_filter_comes_before_the_limit(lab: Lab) -> None:
    """
    Limit and offset count the items that pass the filter, not those before it.

    If this fails, a page is read first and filtered then: matches at the end are lost.
    """
    store = lab.open()
    count = 120
    kinds = [
        "first" if i < 12 else "last" if i >= 108 else "rare" if i % 37 == 0 else "common"
        for i in range(count)
    ]
    fill(store, [(NS, f"k{i:03}", {"kind": kind, "n": i}) for i, kind in enumerate(kinds)])

    for kind in ("first", "last", "rare", "common"):
        expected = [f"k{i:03}" for i in range(count) if kinds[i] == kind]
        wanted = {"kind": kind}
        lab.equal(store.keys(NS, filter=wanted), expected, f"all items of the kind {kind!r}")
        lab.equal(
            len(store.search(NS, filter=wanted)),
            min(10, len(expected)),
            f"items of {kind!r}, default limit",
        )
        for limit, offset in (
            (1, 0),
            (2, 0),
            (2, 1),
            (5, 0),
            (5, 3),
            (5, 10),
            (7, 7),
            (12, 0),
            (100, 1),
            (3, 200),
        ):
            page = {i.key for i in store.search(NS, filter=wanted, limit=limit, offset=offset)}
            many = max(0, min(limit, len(expected) - offset))
            lab.equal(len(page), many, f"items of {kind!r} with limit {limit} and offset {offset}")
            lab.true(page <= set(expected), f"only items of {kind!r} in the page", got=sorted(page))


@case("S8")
def test_walking_through_a_filter_finds_every_match_once(lab: Lab) -> None:
    """
    A walk with a filter gives every match exactly once, by equality and by range.

    If this fails, look at pages counted before the filter, and at ties in the order.
    """
    store = lab.open()
    for i in range(100, 190):  # one by one: items of one batch may have one time, which is for S5
        store.put(NS, f"k{i}", {"third": i % 3 == 0, "n": i})
    for wanted, expected in (
        ({"third": True}, [f"k{i}" for i in range(102, 190, 3)]),
        ({"n": {"$gte": 145}}, [f"k{i}" for i in range(145, 190)]),
        ({"third": True, "n": {"$lt": 145}}, [f"k{i}" for i in range(102, 145, 3)]),
    ):
        for page in (1, 4, 10, 44):
            found = [i.key for i in store.walk(NS, page=page, filter=wanted)]
            lab.equal(
                sorted(found), expected, f"the items of a walk in pages of {page} with {wanted}"
            )


@case("S8")
def test_a_few_matches_among_many_are_found(lab: Lab) -> None:
    """
    A filter finds its few matches among 1,500 items, wherever they stand.

    If this fails, look for a fixed number of candidates that is filtered afterwards.
    """
    store = lab.open()
    rare = {0, 1, 77, 749, 750, 1111, 1498, 1499}
    fill(store, [(NS, f"k{i:04}", {"rare": i in rare, "n": i}) for i in range(1500)])
    expected = [f"k{i:04}" for i in sorted(rare)]

    lab.equal(
        sorted(i.key for i in store.search(NS, filter={"rare": True})),
        expected,
        "matches with limit 10",
    )
    lab.equal(len(store.search(NS, filter={"rare": True}, limit=3)), 3, "matches with limit 3")
    lab.equal(
        len(store.search(NS, filter={"rare": True}, limit=5, offset=5)),
        3,
        "matches from the sixth on",
    )
    for i in (0, 750, 1499):
        lab.equal(
            [x.key for x in store.search(NS, filter={"n": i}, limit=1)],
            [f"k{i:04}"],
            f"the item with n {i}",
        )


@case("S9")
def test_what_odd_limits_do(lab: Lab) -> None:
    """
    Negative, missing and huge limits and offsets are the store's choice: recorded only.

    If this fails, the store does not work after such a search was tried.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i:02}", {"n": i}) for i in range(15)])
    shapes: dict[str, dict[str, Any]] = {
        "limit=-1": {"limit": -1}, "limit=-5": {"limit": -5}, "limit=None": {"limit": None},
        "offset=-1": {"offset": -1}, "offset=None": {"offset": None}, "limit=2**31": {"limit": 2**31},
        "limit=2**63": {"limit": 2**63}, "offset=2**31": {"offset": 2**31}, "offset=2**63": {"offset": 2**63},
        "limit=2.5": {"limit": 2.5},
    }  # fmt: skip
    for name, shape in shapes.items():
        answer: list[Any] = []
        error = lab.attempt(lambda: answer.extend(store.search(NS, **shape)))
        lab.observe(f"search.{name}", type(error).__name__ if error else len(answer))
    lab.equal(len(store.search(NS)), 10, "items found by a plain search after these")


@case("S10")
def test_an_empty_query_is_no_query(lab: Lab) -> None:
    """
    ``query=""`` and ``query=None`` give what a search without a query gives.

    If this fails, look for ``query is not None`` where ``if query`` belongs.
    """
    _check_empty_query(lab, lab.open())


@case("S10", needs=(Capability.VECTORS,))
def test_an_empty_query_is_no_query_with_an_index(lab: Lab) -> None:
    """
    Also in a store with an index, an empty query is no query: all items, without score.

    If this fails, the empty text is embedded and ranked by.
    """
    _check_empty_query(lab, lab.indexed("text"))


def _check_empty_query(lab: Lab, store: Subject) -> None:
    for n, text in enumerate(("apple", "banana", "cherry apple", "")):
        store.put(NS, f"k{n}", {"text": text, "n": n})
    store.put(NS, "k4", {"other": 1, "n": 4})
    store.put(NS, "k5", {"text": "apple", "n": 5}, index=False)
    whole = _addresses(store.search(NS))
    lab.equal(
        sorted(key for _, key in whole), [f"k{n}" for n in range(6)], "items found without a query"
    )

    for query in ("", None) if lab.offers(Capability.VECTORS) else (None,):
        found = store.search(NS, query=query)
        lab.equal(
            _addresses(found), whole, f"items found with query={query!r}, in the order without"
        )
        lab.equal([_score(i) for i in found], [None] * 6, f"the scores with query={query!r}")
        some = store.search(NS, query=query, filter={"n": {"$gte": 2}}, limit=2, offset=1)
        plain = store.search(NS, filter={"n": {"$gte": 2}}, limit=2, offset=1)
        lab.equal(_addresses(some), _addresses(plain), f"a filtered page with query={query!r}")
        op = SearchOp(NS, query=query)
        lab.equal(_addresses(store.batch([op])[0]), whole, f"an operation with query={query!r}")
