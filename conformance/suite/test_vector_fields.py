"""
V2, V3 and V16: which texts of a value are embedded, and that they arrive as they are.
"""

from __future__ import annotations

import json
from typing import Any

from conformance.case import case
from conformance.compat import PutOp
from conformance.contract import Capability
from conformance.embedding.exact import ExactEmbeddings
from conformance.lab import Lab
from conformance.subject import Subject
from conformance.suite._ranking import does_not_match, hits, matches, scores_like, unscored

VECTORS = (Capability.VECTORS,)
D = ("d",)

VALUE = {
    "text": "nutmeg",
    "meta": {"title": "apple", "deep": {"er": "lemon"}},
    "notes": [
        {"text": "banana", "by": {"name": "grape"}},
        {"text": "cherry"},
        {"text": "damson", "by": None},
    ],
    "tags": ["elder", "fig"],
}

PATHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "nested": ("meta.title", ("apple",)),
    "nested twice": ("meta.deep.er", ("lemon",)),
    "first element": ("notes[0].text", ("banana",)),
    "last element": ("notes[-1].text", ("damson",)),
    "every element": ("notes[*].text", ("banana", "cherry", "damson")),
    "below every element": ("notes[*].by.name", ("grape",)),
    "every string": ("tags[*]", ("elder", "fig")),
    "second string": ("tags[1]", ("fig",)),
    "last but one": ("tags[-2]", ("elder",)),
    "past the end": ("tags[7]", ()),
    "before the start": ("tags[-3]", ()),
    "missing": ("meta.missing", ()),
    "missing in every element": ("notes[*].missing", ()),
    "below a string": ("text.below", ()),
}
"""A path and the texts that it finds in `VALUE`, each of which is a vector of its own."""


def _embeds(lab: Lab, store: Subject, words: tuple[str, ...], what: str) -> None:
    """The item ``k`` has one vector for each of the words, and none for other words of its value."""
    for word in words:
        matches(lab, store, D, word, "k", f"the text {word!r} that {what} names")
    for word in {"nutmeg", "apple", "cherry", "elder"} - set(words):
        check = does_not_match if words else unscored
        check(lab, store, D, word, "k", f"{what} does not name {word!r}")


@case("V2", needs=VECTORS, params=PATHS)
def test_the_configured_path_chooses_what_is_embedded(
    lab: Lab, expected: tuple[str, tuple[str, ...]]
) -> None:
    """
    The texts that a path of ``fields`` finds are embedded, each as a vector of its own, and nothing else.

    If this fails, look at whether the store reads ``fields`` of its index configuration at all.
    """
    path, words = expected
    store = lab.indexed(path)
    store.put(D, "k", VALUE)

    _embeds(lab, store, words, f"fields=[{path!r}]")
    lab.equal(store.value(D, "k"), VALUE, "the value is stored whole")
    lab.equal(store.keys(D), ["k"], "a plain search finds the item")


@case("V3", needs=VECTORS, params=PATHS)
def test_the_index_argument_chooses_what_is_embedded(
    lab: Lab, expected: tuple[str, tuple[str, ...]]
) -> None:
    """
    ``put(index=[path])`` embeds the texts of that path instead of the configured field.
    """
    path, words = expected
    store = lab.indexed("text")
    store.put(D, "k", VALUE, index=[path])
    store.put(D, "default", {"text": "kiwi"})

    _embeds(lab, store, words, f"index=[{path!r}]")
    matches(lab, store, D, "kiwi", "default", "an item put without index=")
    lab.equal(store.value(D, "k"), VALUE, "the value is stored whole")


WHOLE: dict[str, dict[str, Any]] = {
    "absent": {},
    "none": {"fields": None},
    "dollar": {"fields": ["$"]},
}


@case("V2", needs=VECTORS, params=WHOLE)
def test_by_default_the_whole_value_is_embedded_as_one_text(lab: Lab, more: dict[str, Any]) -> None:
    """
    Without ``fields``, and with ``["$"]``, the whole JSON document is embedded as one vector.
    """
    embed = ExactEmbeddings()
    store = lab.open(index={"dims": 16, "embed": embed, **more})
    value = {"title": "apple", "inner": {"list": [{"n": "banana"}], "count": 3}}
    store.put(D, "k", value)

    scores_like(lab, hits(lab, store, D, "banana").get("k"), 2**-0.5, "a word deep in the value")
    scores_like(lab, hits(lab, store, D, "apple banana").get("k"), 1.0, "both words of the value")
    lab.true(
        any(_parsed(text) == value for text in embed.documents),
        "the text handed to the embedder is the value as JSON",
        got=embed.documents,
        expected=value,
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


@case("V2", needs=VECTORS)
def test_only_the_configured_field_reaches_the_embedder(lab: Lab) -> None:
    """
    A field that is not configured is not embedded, not even as part of another text.
    """
    embed = ExactEmbeddings()
    store = lab.indexed("text", embed=embed)
    store.put(D, "k", {"text": "apple", "secret": "banana"})
    store.put(D, "other", {"text": "cherry", "secret": "apple"})

    scores_like(lab, hits(lab, store, D, "apple").get("k"), 1.0, "the item whose text is 'apple'")
    does_not_match(lab, store, D, "banana", "k", "the field 'secret' is not configured")
    does_not_match(lab, store, D, "apple", "other", "the field 'secret' is not configured")
    lab.true(
        not any("banana" in text for text in embed.documents),
        "the embedder never sees the field 'secret'",
        got=embed.documents,
    )


@case("V2", needs=VECTORS)
def test_each_of_several_fields_is_embedded(lab: Lab) -> None:
    """
    Every configured field is a vector of its own: an item is found by each of them.
    """
    store = lab.indexed("title", "meta.note", "tags[*]", "body")
    store.put(
        D, "k", {"title": "apple", "meta": {"note": "banana"}, "tags": ["cherry", "fig"], "body": "grape"}
    )
    store.put(D, "other", {"title": "kiwi", "body": "kiwi"})

    for word in ("apple", "banana", "cherry", "fig", "grape"):
        matches(lab, store, D, word, "k", f"the field that holds {word!r}")
        does_not_match(lab, store, D, word, "other", "another item holds 'kiwi' only")


@case("V2", needs=VECTORS)
def test_missing_fields_are_skipped(lab: Lab) -> None:
    """
    An item that lacks a field, or holds null there, is stored and indexed by what it has.
    """
    embed = ExactEmbeddings()
    store = lab.indexed("title", "body", embed=embed)
    store.put(D, "half", {"title": "apple"})
    store.put(D, "null", {"title": None, "body": "banana"})
    store.put(D, "none", {"other": "cherry"})
    store.put(D, "empty", {})

    lab.equal(store.keys(D), ["empty", "half", "none", "null"], "every item is stored")
    matches(lab, store, D, "apple", "half", "the field that the item has")
    matches(lab, store, D, "banana", "null", "the field that is not null")
    for key in ("none", "empty"):
        unscored(lab, store, D, "cherry", key, "the item has none of the fields")
    strange = [t for t in embed.documents if t in ("", "null", "None", "{}", "[]")]
    lab.equal(strange, [], "nothing is embedded in place of a missing field")


@case("V2", needs=VECTORS)
def test_values_that_are_no_text_are_embedded_as_text(lab: Lab) -> None:
    """
    A configured field may hold a number, a bool, a list or a dict: the put works and the item is found.
    """
    embed = ExactEmbeddings()
    store = lab.indexed("field", embed=embed)
    values: dict[str, Any] = {
        "int": 42,
        "zero": 0,
        "float": 3.5,
        "true": True,
        "false": False,
        "list": ["apple", "fig"],
        "dict": {"a": "banana", "b": [1, None]},
        "empty list": [],
        "empty text": "",
    }
    for key, value in values.items():
        store.put(D, key, {"field": value})

    for key, value in values.items():
        lab.equal(store.value(D, key), {"field": value}, f"the item whose field is {value!r}")
    matches(lab, store, D, "apple fig", "list", "a list embedded as one text")
    matches(lab, store, D, "banana", "dict", "a dict embedded as one text")
    lab.observe("embedded.texts", sorted(t for t in embed.documents if len(t) < 40))


@case("V3", needs=VECTORS, params={"put": False, "batch": True})
def test_index_false_keeps_an_item_out_of_the_ranking_only(lab: Lab, batched: bool) -> None:
    """
    ``index=False`` embeds nothing; the item stays in get, plain search and list.
    """
    embed = ExactEmbeddings()
    store = lab.indexed("text", embed=embed)
    if batched:
        store.batch([PutOp(D, "hidden", {"text": "apple"}, index=False), PutOp(D, "seen", {"text": "kiwi"})])
    else:
        store.put(D, "hidden", {"text": "apple"}, index=False)
        store.put(D, "seen", {"text": "kiwi"})

    unscored(lab, store, D, "apple", "hidden", "the item was put with index=False")
    matches(lab, store, D, "kiwi", "seen", "the item beside it")
    lab.equal(store.value(D, "hidden"), {"text": "apple"}, "get finds the item")
    lab.equal(store.keys(D), ["hidden", "seen"], "a plain search finds the item")
    lab.equal(store.keys(D, filter={"text": "apple"}), ["hidden"], "a filter finds the item")
    lab.equal(store.list_namespaces(), [D], "the namespace is listed")
    lab.true("apple" not in embed.documents, "its text is not embedded", got=embed.documents)


@case("V3", needs=VECTORS, params={"put": False, "batch": True})
def test_several_paths_in_the_index_argument(lab: Lab, batched: bool) -> None:
    """
    ``index=[...]`` with several paths embeds each of them, and not the configured field.
    """
    store = lab.indexed("text")
    paths = ["meta.title", "notes[*].text", "missing"]
    if batched:
        store.batch(
            [PutOp(D, "k", VALUE, index=paths), PutOp(D, "whole", {"a": "iris", "b": "kiwi"}, index=["$"])]
        )
    else:
        store.put(D, "k", VALUE, index=paths)
        store.put(D, "whole", {"a": "iris", "b": "kiwi"}, index=["$"])

    _embeds(lab, store, ("apple", "banana", "cherry", "damson"), f"index={paths}")
    matches(lab, store, D, "iris kiwi", "whole", "the whole value under index=['$']")


@case("V3", needs=VECTORS)
def test_items_of_one_batch_keep_their_own_index_argument(lab: Lab) -> None:
    """
    In a batch every put follows its own ``index``: default, paths, False.
    """
    store = lab.indexed("text")
    value = {"text": "apple", "other": "banana", "list": [{"t": "cherry"}, {"t": "damson"}]}
    choices: dict[str, Any] = {"default": None, "other": ["other"], "none": False, "each": ["list[*].t"]}
    store.batch([PutOp(D, key, value, index=index) for key, index in choices.items()])

    wanted = {"default": ("apple",), "other": ("banana",), "none": (), "each": ("cherry", "damson")}
    for word in ("apple", "banana", "cherry", "damson"):
        found = hits(lab, store, D, word)
        best = sorted(key for key, score in found.items() if score is not None and score > 0.5)
        expected = sorted(key for key, words in wanted.items() if word in words)
        lab.equal(best, expected, f"the items with a vector of {word!r}")


TEXTS = {
    "german": "Äpfel für Zoë",
    "japanese": "りんご と バナナ",
    "emoji": "👩‍👩‍👧 🍎 apple",
    "rtl": "תפוח שלום",
    "mixed": 'quote " backslash \\ line\nbreak ñ',
}


@case("V16", needs=VECTORS, params=TEXTS)
def test_text_reaches_the_embedder_as_it_is(lab: Lab, text: str) -> None:
    """
    Non-ASCII text is embedded unescaped, as a field and as a query.
    """
    embed = ExactEmbeddings()
    store = lab.indexed("text", embed=embed)
    store.put(D, "k", {"text": text})
    store.search(D, query=f"{text}?")

    asked = embed.documents + embed.queries
    lab.true(text in asked, "the field arrives as it is", got=asked, expected=text)
    lab.true(f"{text}?" in asked, "the query arrives as it is", got=asked, expected=f"{text}?")


@case("V16", needs=VECTORS, params={"whole value": "$", "dict field": "inner", "list field": "list"})
def test_documents_reach_the_embedder_unescaped(lab: Lab, path: str) -> None:
    """
    A value or a part of it that is embedded as JSON holds its characters, not ``\\u`` escapes.
    """
    embed = ExactEmbeddings()
    store = lab.indexed(path, embed=embed)
    store.put(D, "k", {"inner": {"Straße": "Äpfel 🍎"}, "list": ["Äpfel 🍎"]})

    lab.true(embed.documents, "something is embedded", got=embed.documents)
    text = " ".join(embed.documents)
    lab.true("Äpfel 🍎" in text, "the text is not escaped", got=text, expected="... Äpfel 🍎 ...")
    lab.true("\\u" not in text, "no character is escaped", got=text)
