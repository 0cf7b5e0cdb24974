"""
V16 and K13 for vectors: texts to their end, and vectors to their last number.
"""

from __future__ import annotations

from store_conformance.contract import Capability
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.embedders import BackwardEmbeddings
from store_conformance.suite.support.ranking import matches
from store_conformance.suite.support.shapes import limit_named, put_large

VECTORS = (Capability.VECTORS,)
D = ("d",)
FRUIT = ("apple", "banana", "cherry")
FILLING = "all that is said here means nothing at all. "
LONG_TEXT = 6_000
LONG_QUERY = 1_500
CHAPTER = 70_000
"""More than a column of 16 bits holds, and than most models read."""
MANY_DIMENSIONS = 3_072
"""As widely used models have them."""


def _long(length: int, end: str) -> str:
    return f"{(FILLING * (length // len(FILLING) + 1))[:length]} {end}"


@case("V16", needs=VECTORS)
def test_long_texts_reach_the_embedder_to_their_end(lab: Lab) -> None:
    """
    Texts of some thousand characters that differ in their last word are told apart, as fields and as queries.

    If this fails, look for a text that is cut before the model does it, or a cache that looks at its beginning.
    """
    store = lab.indexed("text")
    store.put(D, FRUIT[0], {"text": _long(LONG_TEXT, FRUIT[0])})
    store.batch([PutOp(D, word, {"text": _long(LONG_TEXT, word)}) for word in FRUIT[1:]])

    for word in FRUIT:
        matches(lab, store, D, word, word, "the last word of a long text")
    error = lab.attempt(lambda: store.search(D, query=_long(LONG_QUERY, FRUIT[0])))
    if error is not None:
        lab.true(
            limit_named(error),
            "a long query is answered, or refused by an error that names the limit",
            got=error,
        )
        lab.observe("refused.query", LONG_QUERY, error=message_of(error, 160))
        return
    for word in FRUIT:
        matches(lab, store, D, _long(LONG_QUERY, word), word, "the last word of a long query")


@case("V16", needs=VECTORS)
def test_texts_of_many_pages_reach_the_embedder_to_their_end(lab: Lab) -> None:
    """
    A text as long as a chapter is embedded to its last word: how much of it counts is the model's own matter.

    If this fails, look for a cut at what some model takes (8,000 characters, 8,191 tokens) or a column holds.
    """
    store = lab.indexed("text")
    for word in FRUIT[:2]:
        value = {"text": _long(CHAPTER, word)}
        put_large(lab, store, D, word, value, f"a text of {CHAPTER} characters")

    for word in FRUIT[:2]:
        matches(lab, store, D, word, word, "the last word of a text of many pages")


@case("K13", needs=VECTORS)
def test_an_index_of_many_dimensions(lab: Lab) -> None:
    """
    An index of 3,072 dimensions ranks by all of them, or is refused by an error that names the limit.
    """
    embed: ExactEmbeddings = BackwardEmbeddings(MANY_DIMENSIONS)
    opened: list[Subject] = []

    def fill() -> None:
        opened.append(lab.indexed("text", embed=embed, dims=MANY_DIMENSIONS))
        opened[0].batch([PutOp(D, word, {"text": word}) for word in FRUIT])

    error = lab.attempt(fill)
    if error is not None:
        named = limit_named(error, "dim")
        lab.true(named, "a refused size of vectors is named", got=error)
        lab.unsupported(f"{MANY_DIMENSIONS} dimensions are refused: {message_of(error, 160)}")
    for word in FRUIT:
        matches(lab, opened[0], D, word, word, f"one of {MANY_DIMENSIONS} dimensions")
