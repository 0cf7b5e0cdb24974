"""
V11 to V15: what an overwrite, a wrong embedder and repeated texts leave in the vector index.
"""

from __future__ import annotations

from typing import Any

from conformance.case import case
from conformance.compat import PutOp, SearchOp
from conformance.contract import Capability
from conformance.embedding.exact import ExactEmbeddings
from conformance.lab import Lab
from conformance.subject import Subject
from conformance.suite._embedders import SPOILED, TroubledEmbeddings, TwoSidedEmbeddings
from conformance.suite._ranking import does_not_match, hits, matches, scores_like, unscored

VECTORS = (Capability.VECTORS,)
LASTING = (Capability.VECTORS, Capability.PERSISTENCE)
D = ("d",)

FIELDS = ("title", "body", "tags[*]")
OLD: dict[str, Any] = {"title": "apple", "body": "banana", "tags": ["cherry", "damson", "elder"]}
LONGER = ["fig", "grape", "hazel", "iris", "juniper"]
ALL = list(FIELDS)
"""The paths are given to each put, so that this does not hang on how ``fields`` is read."""

CHANGES: dict[str, tuple[dict[str, Any], Any, tuple[str, ...], tuple[str, ...]]] = {
    "text changed": ({**OLD, "title": "kiwi"}, ALL, ("kiwi", "banana", "elder"), ("apple",)),
    "field dropped": ({"title": "apple", "tags": OLD["tags"]}, ALL, ("apple", "damson"), ("banana",)),
    "field null": ({**OLD, "body": None}, ALL, ("apple", "damson"), ("banana",)),
    "shorter array": ({**OLD, "tags": ["cherry"]}, ALL, ("apple", "cherry"), ("damson", "elder")),
    "shorter by one": ({**OLD, "tags": ["cherry", "damson"]}, ALL, ("damson",), ("elder",)),
    "empty array": ({**OLD, "tags": []}, ALL, ("apple",), ("cherry", "damson", "elder")),
    "longer array": ({**OLD, "tags": LONGER}, ALL, ("fig", "juniper", "apple"), ("cherry", "elder")),
    "nothing to index": ({"other": 1}, ALL, (), ("apple", "banana", "cherry", "elder")),
    "index=False": (OLD, False, (), ("apple", "banana", "cherry", "damson", "elder")),
    "other path": (OLD, ["body"], ("banana",), ("apple", "cherry", "damson", "elder")),
}
"""The new value, its ``index`` argument, and the words that must and must not be found afterwards."""


def _found_by(
    lab: Lab,
    store: Subject,
    present: tuple[str, ...],
    absent: tuple[str, ...],
    what: str,
    at: tuple[str, ...] = D,
) -> None:
    for word in present:
        matches(lab, store, at, word, "k", f"{word!r} of the new value, {what},")
    for word in absent:
        check = does_not_match if present else unscored
        check(lab, store, at, word, "k", f"{what} the old vector of {word!r} is gone")


@case("V11", needs=VECTORS)
def test_an_overwrite_removes_the_old_vectors(lab: Lab) -> None:
    """
    After an overwrite an item is found by its new vectors only.

    If this fails, look for vectors that are upserted by path and never deleted.
    """
    store = lab.indexed(*FIELDS)
    for name, (value, index, present, absent) in CHANGES.items():
        at = ("d", name)
        store.put(at, "k", OLD, index=ALL)
        store.put(at, "neighbour", OLD, index=ALL)

        store.put(at, "k", value, index=index)

        _found_by(lab, store, present, absent, f"after the overwrite ({name})", at)
        lab.equal(store.value(at, "k"), value, "the new value")
        for word in ("apple", "elder"):
            matches(lab, store, at, word, "neighbour", "an item that was not overwritten")


@case("V11", needs=VECTORS)
def test_an_overwrite_in_a_batch_removes_the_old_vectors(lab: Lab) -> None:
    """
    An overwrite in a batch, beside other puts, replaces the vectors as a single one does.
    """
    store = lab.indexed(*FIELDS)
    for name in ("text changed", "field dropped", "shorter array", "index=False"):
        value, index, present, absent = CHANGES[name]
        at = ("d", name)
        store.batch([PutOp(at, "k", OLD, ALL), PutOp(at, "neighbour", {"title": "nutmeg"}, ALL)])

        store.batch([PutOp(at, "new", {"title": "mango"}, ALL), PutOp(at, "k", value, index)])

        _found_by(lab, store, present, absent, f"after the overwrite in a batch ({name})", at)
        matches(lab, store, at, "mango", "new", "the other item of the batch")
        matches(lab, store, at, "nutmeg", "neighbour", "an item that was not overwritten")


@case("V11", needs=VECTORS)
def test_an_overwrite_with_the_default_drops_the_vectors_of_an_override(lab: Lab) -> None:
    """
    The vectors of ``index=[path]`` go when a later put indexes the configured field again.
    """
    store = lab.indexed("text")
    overridden = {"text": "apple", "other": ["banana", "cherry"]}
    store.put(D, "k", overridden, index=["other[*]"])
    matches(lab, store, D, "cherry", "k", "the overriding path")
    value = {"text": "apple"}

    store.put(D, "k", value)
    _found_by(lab, store, ("apple",), ("banana", "cherry"), "after a put with the default")
    store.put(D, "k", value, index=False)
    _found_by(lab, store, (), ("apple", "banana", "cherry"), "after a put with index=False")
    store.put(D, "k", value)
    _found_by(lab, store, ("apple",), ("banana", "cherry"), "after a put with the default again")


@case("V11", needs=VECTORS, params={"delete": "delete", "none": "none", "batch": "batch"})
def test_a_deleted_item_leaves_no_vectors_to_its_successor(lab: Lab, way: str) -> None:
    """
    A key that is used again after a delete is not found by the deleted text.
    """
    store = lab.indexed(*FIELDS)
    store.put(D, "k", OLD, index=ALL)
    if way == "batch":
        store.batch([PutOp(D, "k", None)])
    elif way == "none":
        store.put(D, "k", None)
    else:
        store.delete(D, "k")
    unscored(lab, store, D, "apple", "k", "the item was deleted")

    store.put(D, "k", OLD, index=False)
    _found_by(lab, store, (), ("apple", "elder"), "after a delete and a put with index=False")
    store.put(D, "k", {"title": "grape"})
    _found_by(lab, store, ("grape",), ("apple", "elder"), "after a delete and another put")


UNINDEXED: dict[str, str] = {"overwritten": "put", "deleted": "delete", "deleted and put": "both"}


@case("V11", needs=LASTING, params=UNINDEXED)
def test_a_change_made_without_an_index_removes_the_old_vectors(lab: Lab, way: str) -> None:
    """
    An item that was changed while the store was open without ``index`` is not found by its old text.

    If this fails, look at whether a put without index knows of the vectors that an earlier one left.
    """
    store = lab.indexed("text")
    store.put(D, "k", {"text": "apple"})
    store.put(D, "kept", {"text": "banana"})

    plain = lab.reopen(store, index=None)
    if way != "put":
        plain.delete(D, "k")
    if way != "delete":
        plain.put(D, "k", {"text": "kiwi"})

    again = lab.reopen(plain, index=lab.index("text"))
    if way == "delete":
        lab.equal(again.get(D, "k"), None, "the deleted item")
    else:
        lab.equal(again.value(D, "k"), {"text": "kiwi"}, "the new value")
    does_not_match(lab, again, D, "apple", "k", "the item was changed without an index")
    matches(lab, again, D, "banana", "kept", "the item that was not touched")


@case("V12", needs=VECTORS)
def test_queries_go_to_embed_query_and_documents_to_embed_documents(lab: Lab) -> None:
    """
    The embedder's two methods are used for what they are named after.

    If this fails, look for one code path that embeds queries and documents alike.
    """
    embed = ExactEmbeddings()
    store = lab.indexed("text", embed=embed)
    store.put(D, "k", {"text": "apple"})
    store.batch([PutOp(D, "l", {"text": "banana"})])
    texts = " ".join(embed.documents)
    lab.true("apple" in texts and "banana" in texts, "puts use embed_documents", got=embed.documents)
    lab.equal(embed.queries, [], "puts embed no query")
    store.search(D, query="cherry")
    store.search(D, query="A CHERRY Tree ")
    store.batch([SearchOp(D, query="damson"), SearchOp(D, query="elder", limit=1)])

    lab.true(
        set(embed.queries) >= {"cherry", "damson", "elder"}, "searches use embed_query", got=embed.queries
    )
    lab.true("A CHERRY Tree " in embed.queries, "a query is embedded as it is", got=embed.queries)
    wrong = {"cherry", "damson", "elder"} & set(embed.documents)
    lab.equal(wrong, set(), "no query is embedded as a document")


@case("V12", needs=VECTORS)
def test_an_embedder_with_two_sides_ranks_by_both(lab: Lab) -> None:
    """
    A model that embeds queries and documents differently finds what it means.
    """
    store = lab.indexed("text", embed=TwoSidedEmbeddings())
    for word in ("apple", "banana", "cherry"):
        store.put(D, word, {"text": word})

    lab.equal(store.ranked(D, "banana")[0], "apple", "the best item for the query 'banana'")
    lab.equal(store.ranked(D, "cherry")[0], "banana", "the best item for the query 'cherry'")


@case("V12", needs=VECTORS)
def test_a_plain_function_is_an_embedder_too(lab: Lab) -> None:
    """
    ``embed`` may be a function from texts to vectors.
    """
    store = lab.indexed("text", embed=ExactEmbeddings().embed_documents)
    store.put(D, "near", {"text": "apple"})
    store.put(D, "far", {"text": "banana"})

    lab.equal(store.ranked(D, "apple"), ["near", "far"], "keys for the query 'apple'")


@case("V12", needs=VECTORS, modes=("async",))
def test_a_coroutine_function_is_an_embedder_too(lab: Lab) -> None:
    """
    ``embed`` may be an async function where the async API is used.
    """
    store = lab.indexed("text", embed=ExactEmbeddings().aembed_documents)
    store.put(D, "near", {"text": "apple"})
    store.put(D, "far", {"text": "banana"})

    lab.equal(store.ranked(D, "apple"), ["near", "far"], "keys for the query 'apple'")


def _untouched(lab: Lab, store: Subject, what: str) -> None:
    """The item ``old`` has its old value and vector, and the store works."""
    lab.equal(store.value(D, "old"), {"text": "apple"}, f"the old value after {what}")
    matches(lab, store, D, "apple", "old", f"the old vector after {what}")
    store.put(D, "later", {"text": "banana"})
    matches(lab, store, D, "banana", "later", f"an item put after {what}")


@case("V13", needs=VECTORS, params={"put": False, "batch": True})
def test_a_put_whose_embedding_fails_stores_nothing(lab: Lab, batched: bool) -> None:
    """
    When the embedder raises, the put raises too, and neither a new nor an old item is changed.

    If this fails, look for a row that is written before its vectors are known.
    """
    store = lab.indexed("text", embed=TroubledEmbeddings("raises"))
    store.put(D, "old", {"text": "apple"})
    bad = {"text": "trouble kiwi"}

    def write(key: str) -> None:
        if batched:
            store.batch([PutOp(D, "side", {"text": "fig"}), PutOp(D, key, bad), PutOp(D, "gone", None)])
        else:
            store.put(D, key, bad)

    for key in ("new", "old"):
        with lab.refuses(Exception, f"a put of {key!r} whose embedding raises"):
            write(key)
    lab.equal(store.get(D, "new"), None, "the new item is not stored")
    lab.equal(store.get(D, "side"), None, "nothing else of the failed batch is stored")
    lab.equal(store.keys(D), ["old"], "a plain search")
    does_not_match(lab, store, D, "kiwi", "old", "the embedding failed")
    _untouched(lab, store, "the failed put")


@case("V13", needs=VECTORS)
def test_a_put_that_needs_no_embedding_works_while_the_embedder_is_down(lab: Lab) -> None:
    """
    An item that is not indexed, a delete and a plain read do not need the embedder.
    """
    store = lab.indexed("text", embed=TroubledEmbeddings("raises"))
    store.put(D, "k", {"text": "trouble"}, index=False)
    store.put(D, "l", {"other": "trouble"}, index=["text"])

    lab.equal(store.keys(D), ["k", "l"], "both are stored")
    store.delete(D, "k")
    lab.equal(store.keys(D), ["l"], "one is deleted")


@case("V13", needs=VECTORS)
def test_a_query_whose_embedding_fails_raises_and_harms_nothing(lab: Lab) -> None:
    """
    A query that cannot be embedded raises instead of answering with nothing or everything.
    """
    store = lab.indexed("text", embed=TroubledEmbeddings("raises"))
    store.put(D, "old", {"text": "apple"})

    with lab.refuses(Exception, "a search whose query cannot be embedded"):
        store.search(D, query="trouble")
    with lab.refuses(Exception, "a batch with a query that cannot be embedded"):
        store.batch([SearchOp(D, query="trouble"), PutOp(D, "side", {"text": "fig"})])
    lab.equal(store.get(D, "side"), None, "the put beside the failed query is not stored")
    _untouched(lab, store, "the failed query")


@case("V14", needs=VECTORS, params={kind: kind for kind in SPOILED})
def test_vectors_of_wrong_number_or_size_are_refused(lab: Lab, kind: str) -> None:
    """
    An answer of the embedder with the wrong number or size of vectors is an error, nothing is stored.

    If this fails, look for a zip of texts and vectors that stops at the shorter one.
    """
    store = lab.indexed("text", embed=TroubledEmbeddings(kind))
    store.put(D, "old", {"text": "apple"})

    for key in ("new", "old"):
        with lab.refuses(Exception, f"a put of {key!r} for which the embedder gives {kind}"):
            store.put(D, key, {"text": "trouble kiwi"})
    with lab.refuses(Exception, f"a batch for which the embedder gives {kind}"):
        store.batch([PutOp(D, "first", {"text": "fig"}), PutOp(D, "last", {"text": "trouble"})])

    lab.equal(store.keys(D), ["old"], "nothing of the refused puts is stored")
    does_not_match(lab, store, D, "kiwi", "old", "the put was refused")
    _untouched(lab, store, "the refused puts")


@case("V14", needs=VECTORS)
def test_a_query_vector_of_wrong_size_is_refused(lab: Lab) -> None:
    """
    A query vector of another size than the index is an error, not a ranking by a part of it.
    """
    embed = TroubledEmbeddings("too short")
    store = lab.indexed("text", embed=embed)
    store.put(D, "old", {"text": "apple"})

    for kind in ("too short", "too long"):
        embed.kind = kind
        with lab.refuses(Exception, f"a query vector that is {kind}"):
            store.search(D, query="trouble apple")
    _untouched(lab, store, "the refused query")


@case("V14", needs=VECTORS, params={"smaller": 15, "larger": 24})
def test_an_embedder_of_other_dims_than_configured_is_refused(lab: Lab, dims: int) -> None:
    """
    ``dims`` of the configuration is checked against what the embedder gives, at the latest by the put.
    """
    index = {"dims": 16, "embed": ExactEmbeddings(dims=dims), "fields": ["text"]}
    opened: list[Subject] = []
    if lab.attempt(lambda: opened.append(lab.open(index=index))) is not None:
        return

    store = opened[0]
    with lab.refuses(Exception, f"a put of {dims} numbers where dims is 16"):
        store.put(D, "k", {"text": "apple"})
    lab.equal(store.get(D, "k"), None, "nothing is stored")
    store.put(D, "plain", {"text": "apple"}, index=False)
    lab.equal(store.keys(D), ["plain"], "an unindexed item is stored")


@case("V15", needs=VECTORS, params={"put": False, "batch": True})
def test_identical_texts_are_fine(lab: Lab, batched: bool) -> None:
    """
    Items with the same text, in one batch or one after the other, are all found by it.

    If this fails, look at how texts are deduplicated before they are embedded, and joined afterwards.
    """
    store = lab.indexed("text")
    texts = ["apple", "banana", "apple", "cherry", "banana", "apple", "damson"]
    ops = [PutOp((*D, f"n{n % 2}"), f"k{n}", {"text": text}) for n, text in enumerate(texts)]
    if batched:
        store.batch(ops)
    else:
        for op in ops:
            store.put(op.namespace, op.key, op.value)

    for word in ("apple", "banana", "cherry", "damson"):
        found = hits(lab, store, D, word)
        for n, text in enumerate(texts):
            expected = 1.0 if text == word else 0.0
            scores_like(lab, found.get(f"k{n}"), expected, f"k{n} ({text}) for the query {word!r}")


@case("V15", needs=VECTORS)
def test_identical_texts_in_two_fields_of_one_item_are_fine(lab: Lab) -> None:
    """
    An item may hold the same text in two fields and twice in one array.
    """
    store = lab.indexed("title", "body", "tags[*]")
    same = {"title": "apple", "body": "apple", "tags": ["fig", "fig", "apple"]}
    store.put(D, "same", same, index=ALL)
    store.put(D, "other", {"title": "kiwi", "body": "apple", "tags": []}, index=ALL)

    for word, keys in (("apple", {"same", "other"}), ("fig", {"same"}), ("kiwi", {"other"})):
        found = hits(lab, store, D, word)
        best = {key for key, score in found.items() if score is not None and score > 0.99}
        lab.equal(best, keys, f"the items that hold {word!r}")
        lab.equal(len(found), 2, "each item once")


@case("V15", needs=VECTORS)
def test_identical_and_different_queries_share_a_batch(lab: Lab) -> None:
    """
    Several queries in a batch, equal or not, with and without text, each get their own answer.
    """
    store = lab.indexed("text")
    for word in ("apple", "banana", "cherry"):
        store.put(D, word, {"text": f"{word}*4 fig"})
        store.put(("e",), f"{word}-e", {"text": word})
    asked = ["apple", None, "banana", "apple", "cherry", "", "banana"]

    results = store.batch(
        [SearchOp(D if n % 3 else ("e",), query=query, limit=1 if query else 10) for n, query in enumerate(asked)]
    )

    for n, (query, found) in enumerate(zip(asked, results, strict=True)):
        suffix = "" if n % 3 else "-e"
        if query:
            lab.equal([i.key for i in found], [query + suffix], f"answer {n}, to the query {query!r}")
        else:
            lab.equal(len(found), 3, f"answer {n}, to query={query!r}")
            lab.equal([i.score for i in found], [None] * 3, f"scores of answer {n}")
