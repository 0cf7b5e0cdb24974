"""
K1, K3, K4, V15, X7: what a put, an overwrite or a delete must leave apart although it is equal, near or of one name.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.accepted import without_refused
from store_conformance.suite.support.ranking import does_not_match, matches

D = ("d",)
VECTORS = (Capability.VECTORS,)
OWN = {
    "key": "another key",
    "namespace": ["another", "namespace"],
    "prefix": "another.prefix",
    "value": {"value": 1},
    "score": 0.5,
    "created_at": "2001-02-03T04:05:06+00:00",
    "updated_at": "2002-03-04T05:06:07+00:00",
    "expires_at": "2003-04-05T06:07:08+00:00",
    "ttl_minutes": 0,
    "text": "a text",
    "embedding": [0.25, 0.75],
}
"""Fields of a value, named like what a store keeps beside it."""
NEAR = timedelta(days=2)


@case("K1")
def test_fields_named_like_the_items_own_are_fields(lab: Lab) -> None:
    """
    A value may have fields called key, namespace, created_at and so on: they are the value's, not the item's.

    If this fails, look for one record in which the value's fields lie beside the store's own.
    """
    value = without_refused(lab, OWN)
    store = lab.open()
    store.put(D, "k", {"n": 1})
    store.put(D, "k", value)
    store.batch([PutOp(("e",), "k", value)])

    for namespace in (D, ("e",)):
        for item in (store.fetch(namespace, "k"), *store.search(namespace)):
            lab.same(item.value, value, "the value")
            lab.equal((item.namespace, item.key), (namespace, "k"), "where the item says it is")
            for name in ("created_at", "updated_at"):
                when = getattr(item, name)
                # Whether it has a zone is K5's.
                when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
                recent = abs(when - datetime.now(timezone.utc)) < NEAR
                lab.true(recent, f"{name} is the item's own", got=when)


@case("K3")
def test_a_value_that_python_takes_for_equal_replaces(lab: Lab) -> None:
    """
    A put of true over 1 replaces, though ``True == 1``: at the top, in a list and in an object.

    If this fails, look for a put that is left out because the old value is equal to the new one.
    """
    store = lab.open()
    turns: list[dict[str, Any]] = [
        {"a": 1, "b": [0, 1], "c": {"d": 1}, "e": ""},
        {"a": True, "b": [False, True], "c": {"d": True}, "e": ""},
        {"a": 1, "b": [0, True], "c": {"d": 1}, "e": ""},
        {"a": 1, "b": [False, 1], "c": {"d": 1}, "e": ""},
    ]
    for number, value in enumerate(turns):
        if number % 2:
            store.put(D, "k", value)
        else:
            store.batch([PutOp(D, "k", value)])
        lab.same(store.value(D, "k"), value, f"the value after put {number + 1}")


@case("K3", needs=VECTORS)
def test_a_query_gives_the_value_of_the_last_put(lab: Lab) -> None:
    """
    An overwrite that leaves the indexed text as it is replaces the value for queries and their filters, too.

    If this fails, look for a copy of the value beside the vector, which is written with the vector only.
    """
    store = lab.indexed("text")
    for n in range(3):
        store.put(D, "k", {"text": "apple", "n": n, f"only{n}": n})
        store.put(D, "other", {"text": "banana", "n": 9})
        (found,) = [i for i in store.search(D, query="apple") if i.key == "k"]
        lab.same(found.value, {"text": "apple", "n": n, f"only{n}": n}, "the value by a query")
        for m in range(3):
            keys = store.ranked(D, "apple", filter={"n": m})
            lab.equal(keys, ["k"] if m == n else [], f"a query filtered by n={m}")


@case("K4", needs=VECTORS)
def test_a_query_shows_the_timestamps_of_get(lab: Lab) -> None:
    """
    A search with a query gives the same created_at and updated_at as get, after an overwrite as well.
    """
    store = lab.indexed("text")
    store.put(D, "k", {"text": "apple"})
    lab.sleep(0.05)
    for text in ("apple", "banana"):
        store.put(D, "k", {"text": text})
        item = store.fetch(D, "k")
        (found,) = store.search(D, query=text)
        lab.equal(
            (found.created_at, found.updated_at),
            (item.created_at, item.updated_at),
            "the timestamps by a query, beside those by get",
        )


@case("X7", needs=VECTORS)
def test_an_overwrite_leaves_the_vectors_of_equal_texts(lab: Lab) -> None:
    """
    Items with one text each have their own vector: an overwrite of one leaves the others' where they are.

    If this fails, look for vectors that are shared by text, or removed by it.
    """
    store = lab.indexed("text")
    for namespace, key in ((D, "a"), (D, "b"), (("e",), "a")):
        store.put(namespace, key, {"text": "apple"})

    store.put(D, "a", {"text": "banana"})
    matches(lab, store, ("d",), "apple", "b", "an equal text was overwritten elsewhere")
    matches(lab, store, ("e",), "apple", "a", "an equal text was overwritten elsewhere")
    store.put(D, "b", {"text": "apple"}, index=False)
    matches(lab, store, ("e",), "apple", "a", "an equal text is no longer indexed elsewhere")


@case("X7")
def test_a_namespace_that_is_emptied_takes_nothing_along(lab: Lab) -> None:
    """
    When the last item of a namespace is deleted, what lies below, above and beside it stays.

    If this fails, look for a namespace that is removed like a folder.
    """
    spaces = [("a",), ("a", "b"), ("a", "b", "c"), ("a", "d"), ("ab",), ("b",)]
    for emptied in spaces:
        store = lab.open()
        store.batch([PutOp(space, key, {"n": 1}) for space in spaces for key in ("k", "l")])
        store.delete(emptied, "k")
        store.batch([PutOp(emptied, "l", None)])

        left = [space for space in spaces if space != emptied]
        there = sorted((i.namespace, i.key) for i in store.search((), limit=100))
        wanted = sorted((space, key) for space in left for key in ("k", "l"))
        lab.equal(there, wanted, f"the items after {emptied!r} was emptied")
        listed = set(store.list_namespaces())  # whether the empty one still is is X5's
        lab.true(set(left) <= listed, "the namespaces that are left", got=sorted(listed))


@case("X7")
def test_stores_at_different_places_share_nothing(lab: Lab) -> None:
    """
    Two stores of one process, each at a place of its own, keep the same address apart, whatever was read before.

    If this fails, look for a cache or a dict that belongs to the class or the module and not to the store.
    """
    one, other = lab.open(), lab.open()
    one.put(D, "k", {"of": "one"})
    one.put(("first",), "k", {"n": 1})
    lab.equal(one.value(D, "k"), {"of": "one"}, "the item of the first store")
    lab.true(("first",) in one.list_namespaces(), "the first store lists its namespace")
    lab.equal(one.keys(D, filter={"of": "one"}), ["k"], "what a filter finds in the first store")

    lab.equal(other.get(D, "k"), None, "get in a second store that holds nothing")
    lab.equal(other.search(()), [], "search in a second store that holds nothing")
    lab.true(("first",) not in other.list_namespaces(), "the second store does not list it")
    other.put(D, "k", {"of": "other"})
    lab.equal(other.keys(D, filter={"of": "one"}), [], "what a filter finds in the second store")
    lab.equal(
        one.value(D, "k"), {"of": "one"}, "the item of the first store, after a put elsewhere"
    )
    other.delete(D, "k")
    lab.equal(other.get(D, "k"), None, "get in the second store after its delete")
    lab.equal(one.value(D, "k"), {"of": "one"}, "the first store's item, after a delete elsewhere")


@case("V3", needs=VECTORS)
def test_an_item_that_was_not_indexed_is_indexed_by_a_later_put(lab: Lab) -> None:
    """
    ``index=False`` and paths count for their own put: the next one without ``index`` embeds the fields again.
    """
    store = lab.indexed("text")
    for key, index in (("a", False), ("b", ["title"])):
        store.put(D, key, {"text": "apple", "title": "fig"}, index=index)
        store.put(D, key, {"text": "cherry"})
        matches(lab, store, D, "cherry", key, f"put again after index={index!r}")
        store.batch([PutOp(D, key, {"text": "kiwi"}, False)])
        store.batch([PutOp(D, key, {"text": "grape"})])
        matches(lab, store, D, "grape", key, "put again in a batch after index=False")


@case("S1")
def test_a_search_sees_what_was_written_below_since(lab: Lab) -> None:
    """
    A search that is asked again finds what was put, changed and deleted meanwhile in namespaces below its prefix.

    If this fails, look for answers that are kept until something is written in the very same namespace.
    """
    store = lab.open()
    below = ("d", "below", "deeper")
    store.put(D, "k", {"n": 1})
    store.put(below, "old", {"n": 1})

    def answers() -> list[list[Any]]:
        return [
            sorted((i.key, i.value["n"]) for i in store.search(D)),
            store.keys(D, filter={"n": 1}),
            sorted(i.key for i in store.search(("d", "below"), limit=5)),
        ]

    lab.equal(answers(), [[("k", 1), ("old", 1)], ["k", "old"], ["old"]], "the first answers")
    store.put(below, "new", {"n": 1})
    expected = [[("k", 1), ("new", 1), ("old", 1)], ["k", "new", "old"], ["new", "old"]]
    lab.equal(answers(), expected, "the same searches after a put below")
    store.put(below, "old", {"n": 2})
    expected = [[("k", 1), ("new", 1), ("old", 2)], ["k", "new"], ["new", "old"]]
    lab.equal(answers(), expected, "the same searches after an overwrite below")
    store.delete(below, "new")
    lab.equal(
        answers(),
        [[("k", 1), ("old", 2)], ["k"], ["old"]],
        "the same searches after a delete below",
    )


@case("K6")
def test_one_part_at_several_places_of_a_value(lab: Lab) -> None:
    """
    A value may hold the same list or dict at several places: that is no circle.
    """
    part = {"tags": ["a", "b"], "deep": {"n": [1, 2]}}
    value = {"first": part, "second": part, "list": [part["tags"], part["tags"], part]}
    store = lab.open()
    store.put(D, "k", value)
    store.batch([PutOp(D, "l", value), PutOp(D, "m", value)])

    for key in ("k", "l", "m"):
        lab.same(store.value(D, key), value, "a value with one part at several places")


BLANK = {"empty": "", "blanks": " \n "}


@case("V15", needs=VECTORS, params=BLANK)
def test_blank_texts_leave_the_others_their_own_vectors(lab: Lab, blank: str) -> None:
    """
    Items and fields without text, or with blanks alone, in a batch: each of the others is found by its own text.

    If this fails, look at texts that are left out on the way to the embedder, and at vectors that are matched to
    texts by their place.
    """
    store = lab.indexed("title", "text")
    # One blank text in each batch: several would be identical texts, which are another case's.
    batches: list[dict[str, dict[str, str]]] = [
        {"none": {"text": blank}, "apple": {"text": "apple"}, "fig": {"text": "fig"}},
        {"banana": {"title": blank, "text": "banana"}, "cherry": {"title": "cherry"}},
    ]
    keys = {key for values in batches for key in values}
    for values in batches:
        ops = [PutOp(D, key, value) for key, value in values.items()]
        refused = lab.attempt(partial(store.batch, ops))
        if refused is not None:
            lab.unsupported(f"a text without a word is refused: {refused!r}")

    for word in ("apple", "banana", "cherry", "fig"):
        matches(lab, store, D, word, word, f"{word!r} in a batch with blank texts")
        for other in keys - {word}:
            does_not_match(lab, store, D, word, other, "its text is another")
