"""
V2 and V12: names of indexed fields and queries that an engine may take for something of its own.
"""

from __future__ import annotations

from store_conformance.contract import Capability
from store_conformance.embedding.exact import WORDS, ExactEmbeddings
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import names_taken
from store_conformance.suite.support.ranking import matches

VECTORS = (Capability.VECTORS,)
DAY = 86_400.0
D = ("d",)

FIELD_NAMES = (
    *("value", "key", "namespace", "prefix", "created_at", "updated_at", "vector", "embedding"),
    *("score", "id", "_id", "metadata", "content", "ttl"),
)
"""Fields whose names stores have for columns of their own; as many as the embedder has words."""


@case("V2", needs=VECTORS)
def test_an_indexed_field_may_be_called_as_a_column_is(lab: Lab) -> None:
    """
    A field of any name is embedded, and takes the place of nothing else of its item.

    If this fails, look at indexed fields that are written beside the value, the times and the vector.
    """
    names = names_taken(lab, FIELD_NAMES)
    words = dict(zip(names, WORDS, strict=False))
    opened: list[Subject] = []
    refused = lab.attempt(lambda: opened.append(lab.indexed(*names)))
    if refused is not None:
        lab.observe("index.names_of_fields", "refused", error=repr(refused)[:160])
        lab.unsupported(f"refuses such fields: {type(refused).__name__}")
    store = opened[0]
    for name, word in words.items():
        store.put(D, name, {name: word, "other": [1, name]})
    store.put(("all",), "k", words)

    lab.same(store.value(("all",), "k"), words, "the value of an item with all of the fields")
    for name, word in words.items():
        item = store.fetch(D, name)
        lab.same(item.value, {name: word, "other": [1, name]}, f"the value with a field {name!r}")
        age = (item.updated_at - item.created_at).total_seconds()
        lab.true(0 <= age < DAY, f"the times beside a field {name!r} are those of its put", got=age)
        matches(lab, store, D, word, name, f"the text of the field {name!r}")


PATTERNS = (
    *("*", "%", "?", "_", "app*", "apple OR banana", "apple AND NOT banana", "-apple", "+apple"),
    *('"apple', "text:apple", "(apple", "apple)", "[apple]", "{apple}", "apple~2", "apple^3"),
    *("@apple", "$apple", "/apple/", "apple; --", "it's", "\\", "&", "|", "!", ":", "#"),
)
"""Texts that languages of queries have a meaning for: everything, alternatives, fields, comments."""


@case("V12", needs=VECTORS)
def test_a_query_is_a_text_and_no_pattern(lab: Lab) -> None:
    """
    A query of signs or words that a language of queries knows reaches the embedder as any other text.

    If this fails, look at a query that is also handed to a search by words, or taken for "everything".
    """
    embed = ExactEmbeddings()
    store = lab.indexed("text", embed=embed)
    for key in ("apple", "banana"):
        store.put(D, key, {"text": key})
    store.search(D, query="kiwi", limit=1)  # a store may embed no sooner
    not_asked = []
    for query in PATTERNS:
        embed.forget()
        store.search(D, query=query)
        if not any(query in text for text in embed.queries + embed.documents):
            not_asked.append(query)
    lab.equal(not_asked, [], "queries that do not reach the embedder as they are")
