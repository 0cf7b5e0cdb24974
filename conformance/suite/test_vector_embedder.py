"""
V12 to V15: how the embedder is used, and what its failures leave behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.embedders import (
    SPOILED,
    LoopMindingEmbeddings,
    TroubledEmbeddings,
    TwoSidedEmbeddings,
)
from store_conformance.suite.support.lateness import embeds_later, is_made_up_for, refused
from store_conformance.suite.support.ranking import (
    does_not_match,
    hits,
    in_order,
    matches,
    scores_like,
)
from store_conformance.suite.support.scale import by_cosine

VECTORS = (Capability.VECTORS,)
D = ("d",)
ALL = ["title", "body", "tags[*]"]


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
    # A store may ask for some vector of its own, to see its size.
    wrong = [text for text in embed.queries if "apple" in text or "banana" in text]
    lab.equal(wrong, [], "puts embed no query")
    store.search(D, query="cherry")
    texts = " ".join(embed.documents)  # a store may embed no sooner
    lab.true(
        "apple" in texts and "banana" in texts, "puts use embed_documents", got=embed.documents
    )
    store.search(D, query="A CHERRY Tree ")
    store.batch([SearchOp(D, query="damson"), SearchOp(D, query="elder", limit=1)])

    # A store may write something before and after a text, as some models want it.
    asked = " ".join(embed.queries)
    lab.true(
        all(word in asked for word in ("cherry", "damson", "elder")),
        "searches use embed_query",
        got=embed.queries,
    )
    lab.true("A CHERRY Tree " in asked, "a query is embedded as it is", got=embed.queries)
    texts = " ".join(embed.documents)
    wrong = [word for word in ("cherry", "damson", "elder") if word in texts.lower()]
    lab.equal(wrong, [], "no query is embedded as a document")


@case("V12", needs=VECTORS, modes=(Mode.ASYNC,))
def test_async_calls_do_not_embed_in_the_loop(lab: Lab) -> None:
    """
    Async calls await the embedder or use a thread: a blocking call would hold up the whole loop.

    What an opening asks, to see the size of a vector, is no call.  If this fails, look for an async method that embeds as its blocking twin does.
    """
    embed = LoopMindingEmbeddings()
    store = lab.indexed("text", embed=embed)
    embed.in_a_loop.clear()
    store.put(D, "k", {"text": "apple"})
    store.batch([PutOp(D, "l", {"text": "banana"}), SearchOp(D, query="banana")])
    store.search(D, query="apple")

    lab.equal(embed.in_a_loop, [], "the blocking methods of the embedder that a loop waited for")


@case("V12", needs=VECTORS)
def test_an_embedder_with_two_sides_ranks_by_both(lab: Lab) -> None:
    """
    A model that embeds queries and documents differently finds what it means.
    """
    store = lab.indexed("text", embed=TwoSidedEmbeddings())
    for word in ("apple", "banana", "cherry"):
        store.put(D, word, {"text": word})

    for query, best in (("banana", "apple"), ("cherry", "banana")):
        ranked = store.ranked(D, query)
        lab.equal(sorted(ranked), ["apple", "banana", "cherry"], f"the items for {query!r}")
        if by_cosine(lab):
            lab.equal(ranked[0], best, f"the best item for the query {query!r}")


@case("V12", needs=VECTORS)
def test_a_plain_function_is_an_embedder_too(lab: Lab) -> None:
    """
    ``embed`` may be a function from texts to vectors.
    """
    store = lab.indexed("text", embed=ExactEmbeddings().embed_documents)
    store.put(D, "near", {"text": "apple"})
    store.put(D, "far", {"text": "banana"})

    in_order(lab, store.ranked(D, "apple"), ["near", "far"], "keys for the query 'apple'")


@case("V12", needs=VECTORS)
def test_a_coroutine_function_is_an_embedder_too(lab: Lab) -> None:
    """
    ``embed`` may be an async function: it works, or the store says what ``ensure_embeddings`` says of it.

    The package's own wrapper of an async function refuses to embed for a sync caller, and a store whose
    async methods run the sync ones in a thread is such a caller.
    """
    embed = ExactEmbeddings().aembed_documents
    opened: list[Subject] = []
    problem = lab.attempt(lambda: opened.append(lab.indexed("text", embed=embed)))
    problem = problem or lab.attempt(lambda: opened[0].put(D, "near", {"text": "apple"}))
    stored = problem is None
    if stored and embeds_later(lab):
        problem = lab.attempt(lambda: opened[0].search(D, query="apple"))
    if problem is not None:
        own = _refusal_of(embed)
        lab.true(
            any(isinstance(e, (type(own), NotImplementedError)) for e in _causes(problem)),
            "an async function is refused as the package's own wrapper refuses it",
            got=problem,
            expected=own,
        )
        if opened and not stored:
            lab.equal(opened[0].get(D, "near"), None, "the item whose put was refused")
        lab.unsupported(f"an async function embeds for no sync caller: {problem}")
    store = opened[0]
    store.put(D, "far", {"text": "banana"})

    in_order(lab, store.ranked(D, "apple"), ["near", "far"], "keys for the query 'apple'")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from: a store may have classes of its own."""
    while error is not None:
        yield error
        error = error.__cause__


def _refusal_of(embed: Any) -> Exception:
    """What the package's own wrapper raises when a sync caller asks it to embed."""
    from langgraph.store.base import ensure_embeddings  # not in every release

    try:
        ensure_embeddings(embed).embed_documents(["apple"])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the measure
        return error
    return ValueError("nothing")


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

    A store that embeds after it has acknowledged takes the put, and finds the item once the embedder is well.

    If this fails, look for a row that is written before its vectors are known.
    """
    embed = TroubledEmbeddings("raises")
    store = lab.indexed("text", embed=embed)
    store.put(D, "old", {"text": "apple"})
    bad = {"text": "trouble kiwi"}

    def write(key: str, at: tuple[str, ...] = D) -> None:
        if batched:
            store.batch(
                [PutOp(D, "side", {"text": "fig"}), PutOp(at, key, bad), PutOp(D, "none", None)]
            )
        else:
            store.put(at, key, bad)

    for key in ("new", "old"):
        if not refused(lab, partial(write, key), f"a put of {key!r} whose embedding raises"):
            write("old")
            is_made_up_for(lab, store, embed, ["new", "old"])
            return
    with lab.refuses(Exception, "a put into a new namespace whose embedding raises"):
        write("new", ("new",))
    lab.equal(store.get(D, "new"), None, "the new item is not stored")
    lab.equal(store.list_namespaces(), [D], "the namespaces after the failed puts")
    # Whether the rest of a batch is stored is O4's.
    found = [key for key in store.keys(D) if key != "side"]
    lab.equal(found, ["old"], "the items whose embedding failed, in a plain search")
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
        store.batch([SearchOp(D, query="trouble"), SearchOp(D, query="fig")])
    _untouched(lab, store, "the failed query")


@case("V14", needs=VECTORS, params={kind: kind for kind in SPOILED})
def test_vectors_of_wrong_number_or_size_are_refused(lab: Lab, kind: str) -> None:
    """
    An answer of the embedder with the wrong number or size of vectors is an error, nothing is
    stored.  A store that embeds after it has acknowledged keeps none of these vectors either.

    If this fails, look for a zip of texts and vectors that stops at the shorter one.
    """
    embed = TroubledEmbeddings(kind)
    store = lab.indexed("text", embed=embed)
    store.put(D, "old", {"text": "apple"})

    write = partial(store.put, D, value={"text": "trouble kiwi"})
    for key in ("new", "old"):
        what = f"a put of {key!r} for which the embedder gives {kind}"
        if not refused(lab, partial(write, key=key), what):
            write(key="old")
            is_made_up_for(lab, store, embed, ["new", "old"])
            return
    with lab.refuses(Exception, f"a batch for which the embedder gives {kind}"):
        store.batch([PutOp(D, "first", {"text": "fig"}), PutOp(D, "last", {"text": "trouble"})])

    # Whether the rest of a batch is stored is O4's.
    found = [key for key in store.keys(D) if key != "first"]
    lab.equal(found, ["old"], "nothing of the refused puts is stored")
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
    ``dims`` of the configuration is checked against what the embedder gives, at the latest by the
    put.
    """
    index = {"dims": 16, "embed": ExactEmbeddings(dims=dims), "fields": ["text"]}
    opened: list[Subject] = []
    if lab.attempt(lambda: opened.append(lab.open(index=index))) is not None:
        return

    store = opened[0]
    what = f"a put of {dims} numbers where dims is 16"
    taken = ["k"]
    if refused(lab, lambda: store.put(D, "k", {"text": "apple"}), what):
        lab.equal(store.get(D, "k"), None, "nothing is stored")
        taken = []
    else:
        with lab.refuses(Exception, f"a query after {what}"):
            store.search(D, query="apple")
    store.put(D, "plain", {"text": "apple"}, index=False)
    lab.equal(store.keys(D), [*taken, "plain"], "an unindexed item is stored")


@case("V15", needs=VECTORS, params={"put": False, "batch": True})
def test_identical_texts_are_fine(lab: Lab, batched: bool) -> None:
    """
    Items with the same text, in one batch or one after the other, are all found by it, also when one of them
    was deleted or overwritten.

    If this fails, look at how texts are deduplicated before they are embedded and joined afterwards, and at a
    vector that several items share.
    """
    store = lab.indexed("text")
    texts = ["apple", "banana", "apple", "cherry", "banana", "apple", "damson"]
    ops = [PutOp((*D, f"n{n % 2}"), f"k{n}", {"text": text}) for n, text in enumerate(texts)]
    if batched:
        store.batch(ops)
    else:
        for op in ops:
            store.put(op.namespace, op.key, op.value)

    def look(texts: list[str]) -> None:
        for word in ("apple", "banana", "cherry", "damson"):
            found = hits(lab, store, D, word)
            for n, text in enumerate(texts):
                expected = 1.0 if text == word else 0.0
                if text:
                    scores_like(
                        lab, found.get(f"k{n}"), expected, f"k{n} ({text}) for the query {word!r}"
                    )

    look(texts)
    # What shares its text with others takes nothing of theirs along, nor does an overwrite by an equal value.
    for op in (ops[0], ops[5], ops[0]):
        store.put(op.namespace, op.key, op.value)
    store.delete(ops[2].namespace, "k2")
    store.put(ops[4].namespace, "k4", {"text": "damson"})
    look(["apple", "banana", "", "cherry", "damson", "apple", "damson"])


LARGE = 257
"""No multiple of what embedders are asked for at once (32, 64, 96, 100, 128)."""


@case("V15", needs=VECTORS)
def test_each_text_of_a_large_batch_has_its_own_vector(lab: Lab) -> None:
    """
    Of 257 items in one batch, whose texts are all different, each is found by its own text.

    If this fails, look at texts that are embedded in parts, and at how the parts are put together.
    """
    store = lab.indexed("text")
    texts = [f"apple*{n // 2 + 1} banana*{LARGE - n}" for n in range(LARGE)]
    store.batch([PutOp(D, f"k{n:03}", {"text": text}) for n, text in enumerate(texts)])

    cosine = ExactEmbeddings().cosine
    found = hits(lab, store, D, "apple", limit=2 * LARGE)
    lab.equal(len(found), LARGE, "the items of a large batch that a query finds")
    for n, text in enumerate(texts):
        what = f"item {n} of a batch of {LARGE}"
        scores_like(lab, found.get(f"k{n:03}"), cosine("apple", text), what)


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
        best = {key for key, score in found.items() if score is not None and score > 0.1}
        if by_cosine(lab):  # whether each field has a vector of its own is V7's
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
    asked = ["apple", None, "banana", "apple", "cherry", None, "banana"]

    results = store.batch(
        [
            SearchOp(D if n % 3 else ("e",), query=query, limit=1 if query else 10)
            for n, query in enumerate(asked)
        ]
    )

    for n, (query, found) in enumerate(zip(asked, results, strict=True)):
        suffix = "" if n % 3 else "-e"
        if query:
            others = [w + suffix for w in ("apple", "banana", "cherry") if w != query]
            ranking = [query + suffix, *others]
            keys = [i.key for i in found]
            in_order(lab, keys, ranking, f"answer {n}, to the query {query!r}", limit=1)
        else:
            lab.equal(len(found), 3, f"answer {n}, to query={query!r}")
            lab.equal([i.score for i in found], [None] * 3, f"scores of answer {n}")
