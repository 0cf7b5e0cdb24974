"""
Group X, the reach of a delete: nothing stays behind, and nothing else is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, ListNamespacesOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import keys_taken, spaces_taken
from store_conformance.suite.support.ranking import in_order
from store_conformance.suite.support.scale import by_cosine
from store_conformance.suite.support.shapes import (
    DELETERS,
    LOOKALIKES,
    Namespace,
    every_lookalike,
    fill,
    values_of,
    varied_text,
)

NS = ("users", "u1")

# -- X7: keys that begin alike --------------------------------------------------------------------

BEGIN_ALIKE = ("a", "a/b", "a:b", "a-b", "a_b", "a.b", "a b", "a%", "ab", "a#1", "aa", "b/a")


@case("X7", params=DELETERS)
def test_a_delete_takes_no_key_that_begins_alike(lab: Lab, delete: Callable[..., Any]) -> None:
    """
    A delete takes its own key, and none that goes on after it, whatever the next character is.

    If this fails, look for a delete by pattern, or for keys that are taken for paths.
    """
    store = lab.open()
    keys = keys_taken(lab, BEGIN_ALIKE)
    fill(store, [(NS, key, {"key": key}) for key in keys])
    delete(store, NS, "a")
    lab.equal(store.keys(NS), sorted(set(keys) - {"a"}), "the keys after 'a' was deleted")


# -- X4: nothing stays behind ---------------------------------------------------------------------


def _check_no_old_vector(lab: Lab, store: Subject) -> None:
    """A key whose text was deleted stands where an item stands that never had that text."""
    store.put(NS, "banana", {"text": "banana"})
    store.put(NS, "k", {"text": "banana"})
    scores = {i.key: i.score for i in store.search(NS, query="apple")}
    lab.true({"k", "banana"} <= set(scores), "both items are found by a query", got=scores)
    if not by_cosine(lab):
        return
    close = abs((scores["k"] or 0.0) - (scores["banana"] or 0.0)) < 1e-3
    lab.true(close, "a key used again scores by its new text alone, as an equal item does",
             expected=f"k like banana, {scores['banana']}", got=scores)  # fmt: skip
    store.put(NS, "k", {"text": "cherry"}, index=False)


@case("X4", needs=(Capability.VECTORS,), params=DELETERS)
def test_a_delete_removes_the_vectors(lab: Lab, delete: Callable[..., Any]) -> None:
    """
    A key that is used again is not found by the text that was deleted.

    If this fails, look at rows of vectors without a cascade, or with one that is switched off.
    """
    store = lab.indexed("text", "title")
    store.put(NS, "k", {"text": "apple", "title": "apple apple"})
    store.put(NS, "unindexed", {"text": "apple", "title": "apple grape"})
    for key in ("k", "unindexed"):
        delete(store, NS, key)
    store.put(NS, "unindexed", {"n": 1}, index=False)

    found = {i.key: i.score for i in store.search(NS, query="apple")}
    lab.true("k" not in found, "a deleted key is not found by its text", got=found)
    lab.equal(found.get("unindexed"), None, "the score of a key put again without an index")
    _check_no_old_vector(lab, store)


@case("X4", needs=(Capability.VECTORS,))
def test_a_delete_removes_every_vector_of_an_item(lab: Lab) -> None:
    """
    The vectors of all elements of a list go with the item, not only the first.

    If this fails, look at the key under which the vectors of one item are kept.
    """
    store = lab.indexed("notes[*]")
    store.put(NS, "k", {"notes": ["apple", "banana", "cherry"]})
    store.delete(NS, "k")
    store.put(NS, "k", {"notes": ["damson"]})
    store.put(NS, "same", {"notes": ["damson"]})

    for query in ("apple", "banana", "cherry"):
        scores = {i.key: i.score for i in store.search(NS, query=query)}
        lab.true({"k", "same"} <= set(scores), "both items are found by a query", got=scores)
        close = abs((scores["k"] or 0.0) - (scores["same"] or 0.0)) < 1e-3
        lab.true(
            close or not by_cosine(lab),
            f"the score for {query!r}, a text that was deleted",
            got=scores,
        )


@case("X4", needs=(Capability.VECTORS, Capability.PERSISTENCE))
def test_a_delete_without_index_removes_the_vectors(lab: Lab) -> None:
    """
    A delete through a store opened without ``index`` removes the vectors as well.

    If this fails, look at deletes of vectors that depend on the index configuration.
    """
    store = lab.indexed("text")
    store.put(NS, "k", {"text": "apple"})
    index = store.index
    plain = lab.reopen(store, index=None)
    plain.delete(NS, "k")
    again = lab.reopen(plain, index=index)

    in_order(lab, again.ranked(NS, "apple"), [], "what the deleted text finds after reopening")
    again.put(NS, "k", {"n": 1}, index=False)
    found = {i.key: i.score for i in again.search(NS, query="apple")}
    lab.equal(found.get("k"), None, "the score of the key put again without an index")


@case("X4", needs=(Capability.VECTORS, Capability.PERSISTENCE))
def test_a_delete_leaves_no_row(lab: Lab) -> None:
    """
    After a delete no table of a store kept in SQLite files has a row with the item's key or text.

    If this fails, look at foreign keys, which SQLite enforces only when a connection asks for it.
    """
    store = lab.indexed("text")
    mark = "k7f3a9c2e"
    store.put((f"n{mark}",), mark, {"text": f"apple {mark}"})
    store.put(NS, "stays", {"text": "banana"})
    store.put((f"n{mark}",), mark, {"text": f"cherry {mark}"})
    store.delete((f"n{mark}",), mark)
    store.close()

    files = [p for p in store.at.path.rglob("*") if p.is_file() and _is_sqlite(p)]
    if not files:
        lab.unsupported("the store keeps no SQLite file, so its tables cannot be looked into")
    rows = [row for path in files for row in _rows_with(path, mark)]
    lab.equal(rows, [], "rows that still hold the deleted item")


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\x00"


def _rows_with(path: Path, mark: str) -> list[str]:
    """Rows of any ordinary table that hold the text, as ``table: row``."""
    import sqlite3  # of the standard library, and only to look

    found: list[str] = []
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            try:
                rows = connection.execute(
                    'SELECT * FROM "{}"'.format(name.replace('"', '""'))
                ).fetchall()
            except sqlite3.Error:
                continue  # a virtual table of an extension that is not loaded here
            found += [f"{name}: {row!r}"[:200] for row in rows if mark in repr(row)]
    return found


# -- X5, X6: namespaces come and go with their items ----------------------------------------------


@case("X5", params=DELETERS)
def test_an_empty_namespace_is_not_listed(lab: Lab, delete: Callable[..., Any]) -> None:
    """
    When its last item is deleted, however often it was put, a namespace is no longer listed.

    If this fails, look for a registry of namespaces that only grows, or that counts puts.
    """
    store = lab.open()
    for n in (1, 2):  # an overwrite makes no second item
        fill(
            store,
            [(ns, key, {"n": n}) for ns in (("a",), ("a", "b"), ("c",)) for key in ("k1", "k2")],
        )
    delete(store, ("a",), "k1")
    lab.equal(
        sorted(store.list_namespaces()),
        [("a",), ("a", "b"), ("c",)],
        "while an item is left in each",
    )
    delete(store, ("a",), "k2")
    lab.equal(sorted(store.list_namespaces()), [("a", "b"), ("c",)], "after ('a',) was emptied")
    delete(store, ("a", "b"), "k1")
    delete(store, ("a", "b"), "k2")
    lab.equal(store.list_namespaces(), [("c",)], "after ('a', 'b') was emptied")
    lab.equal(store.list_namespaces(max_depth=1), [("c",)], "the same cut off at one label")
    lab.equal(store.list_namespaces(prefix=("a",)), [], "the namespaces under ('a',)")

    store.put(("a",), "k1", {"n": 2})
    lab.equal(
        sorted(store.list_namespaces()),
        [("a",), ("c",)],
        "after a put into a namespace that was empty",
    )


@case("X5")
def test_namespaces_that_one_batch_empties_are_not_listed(lab: Lab) -> None:
    """
    A batch that takes the last items of several namespaces takes all of them from the list, also beside puts.

    If this fails, look at whose namespace is looked at after a batch: that of one operation, or of each.
    """
    store = lab.open()
    emptied = [("a",), ("a", "b"), ("c",), ("d", "e", "f")]
    fill(store, [(ns, key, {"n": 1}) for ns in [*emptied, ("kept",)] for key in ("k1", "k2")])
    deletes = [PutOp(ns, key, None) for key in ("k1", "k2") for ns in emptied]
    store.batch([*deletes[:-1], PutOp(("kept",), "k1", None), PutOp(("new",), "k", {"n": 1})])
    listed = [("d", "e", "f"), ("kept",), ("new",)]
    lab.equal(sorted(store.list_namespaces()), listed, "the namespaces after a batch of deletes")
    store.batch([PutOp(("new",), "k", None), deletes[-1], PutOp(("kept",), "none", None)])
    lab.equal(store.list_namespaces(), [("kept",)], "the namespaces after a second batch")


@case("X5")
def test_ancestors_without_items_are_not_listed(lab: Lab) -> None:
    """
    A namespace exists by its own items: the parents of one that has items are not listed.

    If this fails, look for namespaces that are created level by level.
    """
    store = lab.open()
    lab.equal(store.list_namespaces(), [], "the namespaces of a store that holds nothing")
    store.put(("a", "b", "c"), "k", {"n": 1})
    lab.equal(store.list_namespaces(), [("a", "b", "c")], "the namespaces with one item")
    store.put(("a",), "k", {"n": 1})
    store.delete(("a", "b", "c"), "k")
    lab.equal(store.list_namespaces(), [("a",)], "after the deeper one was emptied")


READS: dict[str, Callable[[Subject], Any]] = {
    "get": lambda s: [s.get(("ghost", "x"), "k"), s.get(("ghost",), "other")],
    "get in a batch": lambda s: s.batch([GetOp(("ghost", "x"), "k"), GetOp(("ghost",), "other")]),
    "search": lambda s: [
        s.search(("ghost",)),
        s.search(("ghost", "x"), filter={"a": 1}, offset=3),
        s.search(("ghost", "y"), limit=1),
        s.batch([SearchOp(("ghost",)), SearchOp(("ghost", "z"), limit=0)]),
    ],
    "list": lambda s: [
        s.list_namespaces(prefix=("ghost",)),
        s.list_namespaces(suffix=("ghost",), max_depth=1),
        s.batch([ListNamespacesOp()]),
    ],
    "delete": lambda s: [s.delete(("ghost", "x"), "k"), s.delete(("ghost",), "other")],
    "delete in a batch": lambda s: s.batch(
        [PutOp(("ghost",), "k", None), PutOp(("ghost", "x"), "other", None)]
    ),
}


@case("X6", params=READS)
def test_asking_creates_nothing(lab: Lab, ask: Callable[[Subject], Any]) -> None:
    """
    Reads and deletes of what is missing create no item and no namespace.

    If this fails, look for a defaultdict, or a collection that is made when it is first asked for.
    """
    store = lab.open()
    ask(store)
    lab.equal(store.list_namespaces(), [], "the namespaces of a store into which nothing was put")
    lab.equal(store.search(()), [], "the items of a store into which nothing was put")
    store.put(NS, "k", {"n": 1})
    ask(store)
    lab.equal(store.list_namespaces(), [NS], "the namespaces after one put")
    lab.equal(
        [(i.namespace, i.key) for i in store.search(())], [(NS, "k")], "the items after one put"
    )


@case("X6")
def test_a_read_of_a_missing_key_creates_nothing(lab: Lab) -> None:
    """
    Reads and deletes of a missing key in a namespace that exists create no item.

    If this fails, look for setdefault, or an upsert that serves as a delete.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    store.get(NS, "none")
    store.batch([GetOp(NS, "none2"), PutOp(NS, "none3", None)])
    store.delete(NS, "none4")

    lab.equal(store.keys(NS), ["k"], "the keys after reads and deletes of others")


# -- X7: nothing else -----------------------------------------------------------------------------


def _neighbours(lab: Lab) -> list[tuple[Namespace, str]]:
    """
    Addresses that have something in common with ``(("a", "b"), "k")``.

    A special key that the store refuses is left out: whether it may is K11's question.
    """
    spaces = [
        ("a", "b"),
        ("a",),
        ("b",),
        ("a", "b", "c"),
        ("b", "a"),
        ("a", "c"),
        ("ab",),
        ("A", "b"),
        ("a", "b "),
    ]
    keys = [
        "k",
        "K",
        "k ",
        " k",
        "kk",
        "",
        "k\n",
        "b",
        "a",
        "a.k",
        "é",
        "e\u0301",
        "k%",
        "k_",
        "*",
        "1",
        "01",
    ]
    taken = keys_taken(lab, keys)
    return [(ns, key) for ns in spaces_taken(lab, spaces) for key in taken]


@case("X7")
def test_a_put_changes_no_other_item(lab: Lab) -> None:
    """
    An overwrite changes the one item that it names, among neighbours that resemble it.

    If this fails, look at the condition of the update: whole namespace and whole key, exactly.
    """
    store = lab.open()
    places = _neighbours(lab)
    fill(store, [(ns, key, {"at": [*ns, key]}) for ns, key in places])
    expected: list[Any] = [{"at": [*ns, key]} for ns, key in places]

    for at in range(0, len(places), 13):
        store.put(*places[at], {"new": at})
        expected[at] = {"new": at}
        got = values_of(store, places)
        wrong = [p for p, one, other in zip(places, got, expected) if one != other]
        lab.equal(wrong, [], f"items that are not as they should be after a put of {places[at]}")


@case("X7", params=DELETERS)
def test_a_delete_removes_no_other_item(lab: Lab, delete: Callable[..., Any]) -> None:
    """
    A delete removes the one item that it names, among neighbours that resemble it.

    If this fails, look at the condition of the delete: whole namespace and whole key, exactly.
    """
    store = lab.open()
    places = _neighbours(lab)
    fill(store, [(ns, key, {"at": [*ns, key]}) for ns, key in places])
    expected: list[Any] = [{"at": [*ns, key]} for ns, key in places]

    for at in range(0, len(places), 13):
        delete(store, *places[at])
        expected[at] = None
        got = values_of(store, places)
        wrong = [p for p, one, other in zip(places, got, expected) if one != other]
        lab.equal(wrong, [], f"items that are not as they should be after {places[at]} was deleted")


@case("X7", params=LOOKALIKES)
def test_a_delete_of_a_lookalike_removes_nothing_else(lab: Lab, keys: tuple[str, ...]) -> None:
    """
    A delete by a key that resembles others leaves those, whichever of them it is.

    If this fails, look at collations, LIKE and trimming in the delete.
    """
    store = lab.open()
    left = keys_taken(lab, keys)
    fill(store, [(NS, key, {"is": key}) for key in left])

    for key in list(left):
        store.delete(NS, key)
        left.remove(key)
        got = values_of(store, [(NS, k) for k in [*left, key]])
        lab.equal(
            got, [*({"is": k} for k in left), None], f"the items left after {key!r} was deleted"
        )


@case("X7")
def test_a_delete_by_a_pattern_removes_nothing(lab: Lab) -> None:
    """
    A delete of a missing key that reads like a pattern removes no item that it would match.

    If this fails, look for LIKE, GLOB, a regular expression or a path in the delete.
    """
    store = lab.open()
    keys = keys_taken(lab, ["abc", "abd", "a", "b", "key-1", "key-2", "k.x"])
    places = [(ns, key) for ns in (("p",), ("p", "q"), ("pq",)) for key in keys]
    fill(store, [(ns, key, {"at": [*ns, key]}) for ns, key in places])
    patterns = [
        "%",
        "_",
        "*",
        "?",
        "a%",
        "ab_",
        "ab?",
        "a*",
        "[a-z]",
        "key-%",
        ".*",
        "a|b",
        "k",
        "x",
        "null",
    ]
    for pattern in keys_taken(lab, ["", *patterns]):
        store.delete(("p",), pattern)
    patterns_of_spaces = [("p%",), ("_",), ("*",), ("p*",), ("p", "*"), ("p", "%"), ("[p]",)]
    for ns in spaces_taken(lab, patterns_of_spaces):
        for key in keys_taken(lab, ("abc", "%", "*")):
            store.delete(ns, key)

    got = values_of(store, places)
    lab.equal([p for p, v in zip(places, got) if v is None], [], "items that a pattern removed")


@case("X7")
def test_an_equal_value_under_another_key_is_another_item(lab: Lab) -> None:
    """
    Items with equal values live on their own: changing or deleting one leaves the others.

    If this fails, look for values that are stored once and shared.
    """
    store = lab.open()
    places = [(ns, key) for ns in (NS, ("users", "u2")) for key in ("a", "b", "c")]
    for ns, key in places:
        store.put(ns, key, {"text": "the same", "list": [1]})
    store.put(NS, "a", {"text": "changed"})
    store.delete(NS, "b")

    same = {"text": "the same", "list": [1]}
    lab.equal(
        values_of(store, places),
        [{"text": "changed"}, None, same, same, same, same],
        "the six values",
    )


@case("X7")
def test_large_values_of_one_key_keep_apart(lab: Lab) -> None:
    """
    Large values, which a store may keep elsewhere, are each item's own where key, namespace or both are others.

    If this fails, look at the name under which a large value is kept beside its row.
    """
    store = lab.open()
    places = [(ns, key) for ns in (NS, ("users", "u2")) for key in ("a", "b")]
    text = varied_text(120_000)
    values = [{"text": text[n:] + text[:n], "n": n} for n in range(len(places))]
    for (ns, key), value in zip(places, values, strict=True):
        error = lab.attempt(partial(store.put, ns, key, value))
        if error is not None or store.value(*places[0]) not in values:
            lab.unsupported("a value of 120 kB is not kept as it is, which K6 and K13 judge")
    lab.same(values_of(store, places), values, "the large values")

    store.put(*places[0], {"n": "small"})
    store.delete(*places[3])
    left = [{"n": "small"}, *values[1:3], None]
    lab.same(values_of(store, places), left, "the values after an overwrite and a delete")


@case("X7", needs=(Capability.VECTORS,))
def test_a_delete_leaves_the_vectors_of_others(lab: Lab) -> None:
    """
    After a delete, items of the same key elsewhere and of equal text are still found by meaning.

    If this fails, look at the condition of the delete of vectors.
    """
    store = lab.indexed("text")
    places = [
        (("a",), "k"),
        (("a", "b"), "k"),
        (("b",), "k"),
        (("a",), "K"),
        (("a",), "k2"),
        (("a",), "k "),
    ]
    taken = keys_taken(lab, [key for _, key in places])
    places = [place for place in places if place[1] in taken]
    for ns, key in places:
        store.put(ns, key, {"text": "apple"})
    store.put(("a",), "far", {"text": "banana"})
    store.delete(("a",), "k")

    found = [
        (tuple(i.namespace), i.key)
        for i in store.search((), query="apple", limit=len(places) - 1)
        if i.score is not None
    ]
    lab.equal(sorted(found), sorted(places[1:]), "the items that the text still finds")


@case("X7")
def test_many_keys_deleted_one_by_one(lab: Lab) -> None:
    """
    Each delete takes one item away: the count goes down by one at a time, to none.

    If this fails, look at deletes that match by part of the key.
    """
    store = lab.open()
    keys = sorted(keys_taken(lab, {*every_lookalike()[::5], *(f"k{i}" for i in range(25))}))
    fill(store, [(NS, key, {"n": 1}) for key in keys])
    for n, key in enumerate(keys, start=1):
        store.delete(NS, key)
        lab.equal(
            len(store.search(NS, limit=1000)),
            len(keys) - n,
            f"items left after {key!r} was deleted",
        )
