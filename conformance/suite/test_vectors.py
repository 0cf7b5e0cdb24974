"""
V1, V4 and V7 to V8: what a semantic search answers, and what it answers where there is no index.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.embedders import TableEmbeddings
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.ranking import (
    CLOSE,
    descend,
    hits,
    in_order,
    is_score,
    scores_like,
)
from store_conformance.suite.support.scale import by_cosine

VECTORS = (Capability.VECTORS,)
D = ("d",)

GRADED = {f"step{n:02}": {"text": f"apple*{20 - n} banana*{n}"} for n in range(15)}
"""Ever less apple: every pair of items has a different score for the query 'apple'."""


@case("V1")
def test_without_an_index_a_query_is_no_semantic_search(lab: Lab) -> None:
    """
    Without ``index`` a query is left out of account, finds items by their words, or is refused.

    Which of them is recorded.  A refusal is a NotImplementedError; whatever is answered holds the item with
    the query's word, and scores nothing by what it cannot know.  If this fails, look at what decides between
    plain and semantic search: the query alone must not.
    """
    store = lab.open()
    for key, text in (("one", "apple"), ("two", "banana"), ("three", "")):
        store.put(D, key, {"text": text})
    store.put(("d", "below"), "four", {"n": 4})
    store.put(("e",), "elsewhere", {"text": "apple"})

    found = _asked(lab, store, D, query="apple", limit=100)

    keys = [i.key for i in found]
    lab.equal(len(set(keys)), len(keys), "each item once")
    lab.true({"one"} <= set(keys) <= {"one", "two", "three", "four"}, "what the query finds",
             got=keys, expected="all items of the prefix, or those with the word 'apple'")  # fmt: skip
    scores = {i.key: i.score for i in found if getattr(i, "score", None) is not None}
    others = [score for key, score in scores.items() if key != "one"]
    lab.true(
        not scores or ("one" in scores and all(scores["one"] > score for score in others)),
        "without an index no item has a score, or the one with the word has the best",
        got=scores,
    )
    descend(lab, found, "a query without an index")
    lab.observe("query.without_index", "all items" if len(keys) == 4 else "by words")


def _asked(lab: Lab, store: Subject, prefix: tuple[str, ...], **search: Any) -> list[Any]:
    """The answer to a query of a store without an index; ends the case where it is refused by name."""
    answers: list[Any] = []
    error = lab.attempt(lambda: answers.extend(store.search(prefix, **search)))
    if error is None:
        return answers
    lab.true(
        isinstance(error, NotImplementedError) and not lab.offers(Capability.TEXT),
        "a query without an index is answered, or refused with NotImplementedError",
        got=error,
    )
    lab.observe("query.without_index", "refused", error=message_of(error, 160))
    lab.unsupported(f"refuses a query without an index: {message_of(error)}")
    return []


@case("V1")
def test_without_an_index_the_index_argument_is_ignored(lab: Lab) -> None:
    """
    A store without ``index`` takes ``index=False`` and ``index=[...]`` and stores the item as any
    other.
    """
    store = lab.open()

    store.put(D, "none", {"text": "apple"}, index=False)
    store.put(D, "paths", {"text": "banana", "a": [{"b": 1}]}, index=["text", "a[*].b", "missing"])
    store.batch(
        [
            PutOp(D, "batched", {"text": "cherry"}, index=["text"]),
            PutOp(D, "unindexed", {"text": "damson"}, index=False),
        ]
    )

    lab.equal(store.value(D, "none"), {"text": "apple"}, "the item put with index=False")
    lab.equal(
        store.value(D, "paths"), {"text": "banana", "a": [{"b": 1}]}, "the item put with paths"
    )
    every = ["batched", "none", "paths", "unindexed"]
    lab.equal(store.keys(D), every, "a search finds every item, however its index argument was")
    lab.equal(store.keys(D, filter={"text": "apple"}), ["none"], "a filter finds it too")


@case("V1")
def test_without_an_index_filter_and_paging_still_work_beside_a_query(lab: Lab) -> None:
    """
    A query without an index does not disturb the filter, the limit and the offset beside it.
    """
    store = lab.open()
    store.batch([PutOp(D, f"k{n:02}", {"text": "apple", "odd": n % 2 == 1}) for n in range(24)])

    def asked(**search: Any) -> list[str]:
        return sorted(i.key for i in _asked(lab, store, D, query="apple", **search))

    odd = [f"k{n:02}" for n in range(1, 24, 2)]
    lab.equal(asked(filter={"odd": True}, limit=100), odd, "the filter decides")
    lab.equal(asked(limit=100), [f"k{n:02}" for n in range(24)], "each item comes once")
    lab.equal(len(asked()), 10, "the default limit is ten")
    lab.equal(len(asked(limit=20, offset=20)), 4, "items past the twentieth")


@case("V4", needs=VECTORS)
def test_the_best_match_comes_first(lab: Lab) -> None:
    """
    Semantic results are ordered by score, best first.

    If this fails, look at the direction of the ORDER BY for the configured distance.
    """
    store = lab.indexed("text")
    store.put(D, "far", {"text": "banana"})
    store.put(D, "near", {"text": "apple"})
    store.put(D, "between", {"text": "apple banana"})

    in_order(
        lab, store.ranked(D, "apple"), ["near", "between", "far"], "keys for the query 'apple'"
    )
    in_order(
        lab, store.ranked(D, "banana"), ["far", "between", "near"], "keys for the query 'banana'"
    )
    descend(lab, store.search(D, query="apple"), "the query 'apple'")


@case("V4", needs=VECTORS, params={"one by one": False, "in one batch": True})
def test_fifteen_graded_items_come_in_the_order_of_their_scores(lab: Lab, batched: bool) -> None:
    """
    The whole answer is in the order of the scores, whatever the order of the puts was.
    """
    store = lab.indexed("text")
    keys = sorted(GRADED)
    lab.rng.shuffle(keys)
    if batched:
        store.batch([PutOp(D, key, GRADED[key]) for key in keys])
    else:
        for key in keys:
            store.put(D, key, GRADED[key])

    expected = sorted(GRADED)
    in_order(lab, store.ranked(D, "apple", limit=50), expected, "all items, best first")
    in_order(lab, store.ranked(D, "apple", limit=4), expected, "the best four", limit=4)
    in_order(lab, store.ranked(D, "apple"), expected, "the best ten by default", limit=10)
    for limit, offset in ((4, 3), (5, 5), (4, 8)):
        descend(lab, store.search(D, query="apple", limit=limit, offset=offset), f"offset={offset}")


MAGNITUDES = ("apple", "apple banana*3", "apple banana*40", "apple banana*700", "apple banana*30000",
              "banana")  # fmt: skip
"""From the nearest to the farthest of 'apple': 1, 0.3, 0.02, 0.001, 0.00003 and 0."""
SIGNED = {"one": (1, 0), "near": (0.3, 1), "nought": (0, 1), "against": (-0.03, 1),
          "farther": (-0.5, 1), "opposite": (-1, 0)}  # fmt: skip
"""On either side of what is at a right angle to 'one', nearest first."""


@case("V4", needs=VECTORS)
def test_scores_of_every_size_are_in_order(lab: Lab) -> None:
    """
    Scores between 1 and a few millionths come in the order of numbers, and so do negative ones.

    If this fails, look at scores that are compared as text ('3e-05' is a small number) or by their size.
    """
    store = lab.indexed("text")
    keys = [f"k{n}" for n in range(len(MAGNITUDES))]
    texts = dict(zip(keys, MAGNITUDES, strict=True))
    for key in sorted(keys, key=lambda key: texts[key]):
        store.put(D, key, {"text": texts[key]})
    in_order(lab, store.ranked(D, "apple"), keys, "the items, best first")
    for limit in range(1, len(keys)):
        found = store.ranked(D, "apple", limit=limit)
        in_order(lab, found, keys, f"the best {limit}", limit=limit)

    signed = lab.indexed("text", embed=TableEmbeddings(SIGNED))
    for key in sorted(SIGNED, reverse=True):
        signed.put(D, key, {"text": key})
    in_order(lab, signed.ranked(D, "one"), list(SIGNED), "items on both sides, best first")


@case("V4", needs=VECTORS)
def test_the_order_of_a_ranking_does_not_follow_namespaces_or_keys(lab: Lab) -> None:
    """
    Items of several namespaces are ranked together.
    """
    store = lab.indexed("text")
    store.put(("d", "z"), "a", {"text": "apple*3 banana"})
    store.put(("d", "a"), "z", {"text": "apple banana*3"})
    store.put(("d",), "m", {"text": "apple"})
    store.put(("d", "m", "deep"), "m", {"text": "apple banana"})
    store.put(("e",), "best", {"text": "apple"})

    order = [(i.namespace, i.key) for i in store.search(D, query="apple")]
    expected = [(D, "m"), (("d", "z"), "a"), (("d", "m", "deep"), "m"), (("d", "a"), "z")]
    in_order(lab, order, expected, "items of all namespaces below ('d',), best first")
    everywhere = store.search((), query="apple", limit=20)
    lab.equal(len(everywhere), 5, "the empty prefix ranks every item")
    descend(lab, everywhere, "a query over everything")


@case("V4", needs=VECTORS)
def test_scores_are_on_the_items_and_only_on_ranked_ones(lab: Lab) -> None:
    """
    Ranked items carry their score; a plain search of the same store has none.
    """
    store = lab.indexed("text")
    store.batch([PutOp(D, key, value) for key, value in GRADED.items()])

    ranked = store.search(D, query="apple", limit=15)
    lab.true(all(is_score(i.score) for i in ranked), "each has a score", got=ranked[:2])
    values = {i.key: i.value for i in ranked}
    lab.equal(values, GRADED, "the values come with the ranked items")
    lab.equal({i.namespace for i in ranked}, {D}, "the namespace comes with the ranked items")
    found = store.search(D, query=None, limit=50)  # whether an empty query is one is S10's
    lab.equal(len(found), 15, "a search without a query finds all items")
    lab.equal({i.score for i in found}, {None}, "the scores without a query")


@case("V9", needs=VECTORS)
def test_a_ranking_without_room_or_without_items_is_empty(lab: Lab) -> None:
    """
    A query over nothing, with no room, or past the end gives an empty list.
    """
    store = lab.indexed("text")
    lab.equal(store.search(D, query="apple"), [], "a query over an empty store")
    store.put(D, "k", {"text": "apple"})

    lab.equal(store.search(("other",), query="apple"), [], "a query over an empty namespace")
    lab.equal(store.search(D, query="apple", limit=0), [], "a query with limit=0")
    lab.equal(store.search(D, query="apple", offset=5), [], "a query past the end")
    in_order(lab, store.ranked(D, "apple", limit=1000), ["k"], "a limit above the number of items")


SHAPES = {
    "best first": ["apple", "fig", "grape", "hazel"],
    "best last": ["fig", "grape", "hazel", "apple"],
    "best between": ["fig", "apple", "grape"],
    "one alone": ["apple"],
}


@case("V7", needs=VECTORS)
def test_an_item_scores_as_its_best_vector(lab: Lab) -> None:
    """
    An item with several vectors is found once, with the score of its nearest one.

    If this fails, look at how vectors become items: by the best, not by the first, last or mean.
    """
    store = lab.indexed("tags[*]")
    for shape, tags in SHAPES.items():
        at = ("d", plain(shape))
        store.put(at, "tagged", {"tags": tags}, index=["tags[*]"])
        store.put(at, "other", {"tags": ["apple banana", "cherry"]}, index=["tags[*]"])

        found = hits(lab, store, at, "apple")
        scores_like(lab, found.get("tagged"), 1.0, f"the item with a tag 'apple', {shape},")
        scores_like(lab, found.get("other"), 2**-0.5, "the item with a tag 'apple banana'")
        in_order(lab, list(found), ["tagged", "other"], "each item once, best first")


def _fields_are_one_text(lab: Lab, store: Subject, both: list[str]) -> bool:
    """Whether an item of two fields scores as one whose only field holds both texts, in either order."""
    at = ("d", "joined")
    words = {"title": "apple", "body": "kiwi"}
    store.put(at, "two", words, index=both)
    store.put(at, "one", {"title": "apple kiwi"}, index=both)
    if not by_cosine(lab):
        return False
    for word in words.values():
        found = hits(lab, store, at, word)
        two, one = found.get("two"), found.get("one")
        if two is None or one is None or abs(two - one) > CLOSE:
            return False
    return True


@case("V7", needs=VECTORS)
def test_an_item_scores_as_its_best_field(lab: Lab) -> None:
    """
    With two fields the better one decides, whichever it is, unless a store makes one text of them.

    The docs say "separately" of the elements of an array only; whether fields are one text is recorded.
    """
    store = lab.indexed("title", "body")
    both = ["title", "body"]
    one_text = _fields_are_one_text(lab, store, both)
    lab.observe("vectors.fields", "one text" if one_text else "each by itself")
    if one_text:
        lab.unsupported("several fields of an item are one text, and so one vector")
    for field in both:
        at = ("d", field)
        store.put(at, "k", {"title": "fig", "body": "kiwi", field: "apple"}, index=both)
        store.put(at, "rival", {"title": "apple*2 kiwi", "body": "apple kiwi"}, index=both)

        found = hits(lab, store, at, "apple")
        scores_like(lab, found.get("k"), 1.0, f"the item whose {field} is 'apple'")
        in_order(lab, list(found), ["k", "rival"], "each item once, best first")


@case("V7", needs=VECTORS)
def test_an_item_with_thirty_vectors_does_not_crowd_out_others(lab: Lab) -> None:
    """
    However many near vectors one item has, it takes one place of the answer.

    If this fails, look for a LIMIT that is applied to vectors before they become items.
    """
    store = lab.indexed("tags[*]")
    every = ["tags[*]"]
    store.put(D, "many", {"tags": [f"apple*{30 + n} banana" for n in range(30)]}, index=every)
    for n in range(6):
        store.put(D, f"few{n}", {"tags": [f"apple cherry*{n + 1}"]}, index=every)

    expected = ["many", *(f"few{n}" for n in range(6))]
    for limit in (1, 2, 5, 6, 7, 20):
        got = store.ranked(D, "apple", limit=limit)
        in_order(lab, got, expected, f"the best {limit} items, each once", limit=limit)


@case("V7", needs=VECTORS)
def test_thirty_items_with_five_vectors_each_all_come_once(lab: Lab) -> None:
    """
    A limit counts items, not vectors, for many items with many vectors too.
    """
    store = lab.indexed("tags[*]", "text")
    paths = ["tags[*]", "text"]
    for n in range(30):
        words = [f"apple*{n + 2}", f"fig*{n + 2}", f"apple*{n + 2} kiwi", f"iris*{n + 2}"]
        store.put(D, f"k{n:02}", {"text": f"apple*{n + 40}", "tags": words}, index=paths)

    for limit in (7, 30, 100):
        found = hits(lab, store, D, "apple", limit=limit)
        lab.equal(len(found), min(limit, 30), f"items for limit={limit}")
        for key, score in found.items():
            scores_like(lab, score, 1.0, f"the item {key} with a tag 'apple'")
    for limit, offset in ((7, 7), (5, 5), (10, 10), (20, 10)):
        hits(lab, store, D, "apple", limit=limit, offset=offset)


@case("V8", needs=VECTORS)
def test_what_a_query_does_with_unindexed_items(lab: Lab) -> None:
    """
    Whether a query also returns unindexed items, unscored, is the store's choice.
    """
    store = lab.indexed("text")
    store.put(D, "scored", {"text": "apple"})
    store.put(D, "unindexed", {"text": "apple"}, index=False)
    store.put(D, "fieldless", {"other": 1})

    found = store.search(D, query="apple", limit=10)

    names = [i.key for i in found if i.score is None]
    lab.observe(
        "query.unindexed_items", "appended without score" if names else "left out", keys=names
    )
    lab.observe("query.first", found[0].key if found else None)
