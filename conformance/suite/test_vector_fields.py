"""
V2, V3 and V16: which texts of a value are embedded, and that they arrive as they are.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from store_conformance.contract import Capability
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import names_taken
from store_conformance.suite.support.ranking import (
    does_not_match,
    hits,
    matches,
    scores_like,
    unscored,
)
from store_conformance.suite.support.scale import by_cosine
from store_conformance.suite.support.shapes import fill

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
    "parts": [{"list": [{"t": "hazel"}, {"t": "iris"}]}, {"list": [{"t": "juniper"}]}, {}],
}

PATHS: dict[str, tuple[str, ...]] = {
    "meta.title": ("apple",),
    "meta.deep.er": ("lemon",),
    "notes[0].text": ("banana",),
    "notes[-1].text": ("damson",),
    "notes[*].text": ("banana", "cherry", "damson"),
    "notes[*].by.name": ("grape",),
    "parts[*].list[*].t": ("hazel", "iris", "juniper"),
    "parts[0].list[-1].t": ("iris",),
    "tags[*]": ("elder", "fig"),
    "tags[1]": ("fig",),
    "tags[-2]": ("elder",),
    "tags[7]": (),
    "tags[-3]": (),
    "meta.missing": (),
    "notes[*].missing": (),
    "text.below": (),
}
"""Paths and the texts that each finds in `VALUE`, every one of which is a vector of its own."""

SETS = {
    "objects": ("meta.title", "meta.deep.er"),
    "elements": ("notes[0].text", "tags[-2]"),
    "last": ("notes[-1].text", "tags[1]"),
    "every": ("notes[*].text", "notes[*].by.name", "tags[*]"),
    "nested arrays": ("parts[*].list[*].t",),
    "nothing": ("tags[7]", "tags[-3]", "meta.missing", "notes[*].missing", "text.below"),
}


def _embeds(lab: Lab, store: Subject, key: str, words: tuple[str, ...], what: str) -> None:
    """
    The item has one vector for each of the words, and none for other words of its value.

    Where scores are the store's own, the texts that the embedder was given tell.
    """
    if words and not by_cosine(lab):
        store.search(D, query="kiwi", limit=1)  # a store may embed no sooner
        embedded = [_known_words(text) for text in store.index["embed"].documents]
        missing = sorted(word for word in words if {word} not in embedded)
        lab.equal(missing, [], f"texts that {what} names and that are not embedded")
    for word in words:
        matches(lab, store, D, word, key, f"the text {word!r} that {what} names")
    for word in sorted({"nutmeg", "apple", "cherry", "elder"} - set(words)):
        check = does_not_match if words else unscored
        check(lab, store, D, word, key, f"{what} does not name {word!r}")


@case("V2", needs=VECTORS, params=SETS)
def test_the_configured_paths_choose_what_is_embedded(lab: Lab, paths: tuple[str, ...]) -> None:
    """
    The texts that the paths of ``fields`` find are embedded, each as a vector, and nothing else is.

    Whether two fields are two vectors or one is V7's; the elements of an array are one each.  If this fails,
    look at whether the store reads ``fields`` of its index configuration at all.
    """
    store = lab.indexed(*paths)
    store.put(D, "k", VALUE)

    words = tuple(word for path in paths for word in PATHS[path])
    if len(paths) > 1 and words:
        _reach_the_embedder(lab, store, words, f"fields={list(paths)}")
        for path in (path for path in paths if "[*]" in path):
            for word in PATHS[path]:
                matches(lab, store, D, word, "k", f"the element {word!r} of {path}")
    else:
        _embeds(lab, store, "k", words, f"fields={list(paths)}")
    lab.equal(store.value(D, "k"), VALUE, "the value is stored whole")
    lab.equal(store.keys(D), ["k"], "a plain search finds the item")


def _reach_the_embedder(lab: Lab, store: Subject, words: tuple[str, ...], what: str) -> None:
    """Each of the words is in a text that the embedder was given, and no other word of the value is."""
    store.search(D, query="kiwi", limit=1)  # a store may embed no sooner
    known = _known_words(" ".join(store.index["embed"].documents))
    lab.equal(sorted(known), sorted(set(words)), f"words of {what}")


def _known_words(text: str) -> set[str]:
    """
    The words of `VALUE` in a text that the embedder was given, whatever a store writes around them.

    A model may want a name, a ``passage:`` or an instruction before its texts.
    """
    known = {word for found in PATHS.values() for word in found} | {"nutmeg"}
    return {word for word in known if word in text.lower()}


@case("V3", needs=VECTORS)
def test_the_index_argument_chooses_what_is_embedded(lab: Lab) -> None:
    """
    ``put(index=[path])`` embeds the texts of that path instead of the configured field.
    """
    store = lab.indexed("text")
    keys = {path: f"path{n}" for n, path in enumerate(PATHS)}
    for path, key in keys.items():
        store.put(D, key, VALUE, index=[path])
    store.put(D, "default", {"text": "kiwi"})

    for path, words in PATHS.items():
        _embeds(lab, store, keys[path], words, f"index=[{path!r}]")
    matches(lab, store, D, "kiwi", "default", "an item put without index=")
    lab.equal(store.value(D, keys["tags[7]"]), VALUE, "the value is stored whole")


@case("V3", needs=VECTORS)
def test_the_index_argument_may_name_the_whole_value(lab: Lab) -> None:
    """
    What ``put(index=["$"])`` embeds is recorded: the paths that are promised do not include it.

    ``"$"`` is documented for the configuration's ``fields`` only, and upstream has an open issue about it.
    """
    store = lab.indexed("text")
    store.put(D, "whole", {"title": "apple", "inner": {"n": "banana"}}, index=["$"])
    store.put(D, "path", {"title": "apple"}, index=["title"])

    found = hits(lab, store, D, "banana")
    embedded = (found.get("whole") or 0.0) > 0.5
    lab.observe("portability.index_dollar", "the whole value" if embedded else "nothing")
    scores_like(
        lab, hits(lab, store, D, "apple").get("path"), 1.0, "the item put with a plain path"
    )


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
    parts = (
        "apple",
        "banana",
        "3",
    )  # how the document is written is the store's: JSON, lines, YAML
    lab.true(
        any(all(part in text.lower() for part in parts) for text in embed.documents),
        "one text handed to the embedder holds the whole value",
        got=embed.documents,
        expected=value,
    )


FAMILIAR = (
    *("text", "content", "page_content", "memory", "data", "value", "body", "description"),
    *("summary", "document", "message", "title", "question", "kind", "metadata", "name"),
)
"""Names that stores, tools and vector databases give to the text of an item."""


@case("V2", needs=VECTORS)
def test_a_field_of_any_name_is_but_a_part_of_the_whole_value(lab: Lab) -> None:
    """
    Without ``fields`` the whole value is embedded, whatever its fields are called.

    If this fails, look for a field such as "text" that is embedded in place of the value.
    """
    store = lab.open(index={"dims": 16, "embed": ExactEmbeddings()})
    names = names_taken(lab, FAMILIAR)
    fill(store, [(D, name.replace("_", ""), {name: "apple", "beside": "banana"}) for name in names])

    for word in ("apple", "banana"):
        found = hits(lab, store, D, word)
        for name in names:
            what = f"the word {word!r} in a value with the field {name!r}"
            scores_like(lab, found.get(name.replace("_", "")), 2**-0.5, what)


@case("V2", needs=VECTORS)
def test_only_the_configured_field_reaches_the_embedder(lab: Lab) -> None:
    """
    A field that is not configured is not embedded, not even as part of another text.
    """
    embed = ExactEmbeddings()
    store = lab.indexed("text", embed=embed)
    store.put(D, "k", {"text": "apple", "secret": "banana"})
    store.put(D, "other", {"text": "cherry", "secret": "apple"})
    asked = embed.documents

    scores_like(lab, hits(lab, store, D, "apple").get("k"), 1.0, "the item whose text is 'apple'")
    does_not_match(lab, store, D, "banana", "k", "the field 'secret' is not configured")
    does_not_match(lab, store, D, "apple", "other", "the field 'secret' is not configured")
    lab.true(
        not any("banana" in text for text in asked),
        "the embedder never sees the field 'secret'",
        got=asked,
    )


@case("V2", needs=VECTORS)
def test_each_of_several_fields_is_embedded(lab: Lab) -> None:
    """
    Every configured field is embedded: an item is found by each of them.
    """
    store = lab.indexed("title", "meta.note", "tags[*]", "body")
    store.put(
        D,
        "k",
        {"title": "apple", "meta": {"note": "banana"}, "tags": ["cherry", "fig"], "body": "grape"},
    )
    store.put(D, "other", {"title": "kiwi", "body": "lemon"})

    for word in ("apple", "banana", "cherry", "fig", "grape"):
        found = hits(lab, store, D, word)
        lab.true(found.get("k") is not None, f"the item whose field holds {word!r}", got=found)
        if by_cosine(lab):
            lab.true((found["k"] or 0) > 0.1, f"the item is like {word!r}", got=found)
        does_not_match(lab, store, D, word, "other", "another item does not hold it")


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
    asked = embed.documents

    lab.equal(store.keys(D), ["empty", "half", "none", "null"], "every item is stored")
    matches(lab, store, D, "apple", "half", "the field that the item has")
    matches(lab, store, D, "banana", "null", "the field that is not null")
    for key in ("none", "empty"):
        unscored(lab, store, D, "cherry", key, "the item has none of the fields")
    strange = [t for t in asked if t in ("", "null", "None", "{}", "[]")]
    lab.equal(strange, [], "nothing is embedded in place of a missing field")


@case("V2", needs=VECTORS)
def test_values_that_are_no_text_are_embedded_as_text(lab: Lab) -> None:
    """
    A configured field may hold a number, a bool, a list or a dict: the put works and the item is
    found.
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
        "empty_list": [],
        "empty_text": "",
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
        store.batch(
            [PutOp(D, "hidden", {"text": "apple"}, index=False), PutOp(D, "seen", {"text": "kiwi"})]
        )
    else:
        store.put(D, "hidden", {"text": "apple"}, index=False)
        store.put(D, "seen", {"text": "kiwi"})
    asked = embed.documents

    unscored(lab, store, D, "apple", "hidden", "the item was put with index=False")
    matches(lab, store, D, "kiwi", "seen", "the item beside it")
    lab.equal(store.value(D, "hidden"), {"text": "apple"}, "get finds the item")
    lab.equal(store.keys(D), ["hidden", "seen"], "a plain search finds the item")
    lab.equal(store.keys(D, filter={"text": "apple"}), ["hidden"], "a filter finds the item")
    lab.equal(store.list_namespaces(), [D], "the namespace is listed")
    lab.true(not any("apple" in t for t in asked), "its text is not embedded", got=asked)


@case("V3", needs=VECTORS, params={"none named": [], "missing ones": ["missing", "meta.none"]})
def test_paths_at_which_nothing_is_embed_nothing(lab: Lab, paths: list[str]) -> None:
    """
    A list of paths is the whole list: with none in it, or none that the value has, the configured field is
    not embedded instead.  An empty list may be refused.

    If this fails, look for ``index or fields``: an empty list is not None.
    """
    store = lab.indexed("text")
    error = lab.attempt(lambda: store.put(D, "hidden", {"text": "apple"}, index=paths))
    if error is not None:
        lab.true(not paths and isinstance(error, ValueError),
                 f"index={paths} is taken, or refused with ValueError if it is empty", got=error)  # fmt: skip
        lab.unsupported(f"an empty list of paths is refused: {str(error)[:160]}")
    store.put(D, "seen", {"text": "kiwi"})
    store.batch([PutOp(D, "also", {"text": "apple"}, index=paths)])

    for key in ("hidden", "also"):
        does_not_match(lab, store, D, "apple", key, f"the item was put with index={paths}")
    matches(lab, store, D, "kiwi", "seen", "the item beside them")
    lab.equal(store.keys(D), ["also", "hidden", "seen"], "a plain search finds the items")


@case("V3", needs=VECTORS, params={"put": False, "batch": True})
def test_several_paths_in_the_index_argument(lab: Lab, batched: bool) -> None:
    """
    ``index=[...]`` with several paths embeds each of them, and not the configured field.
    """
    store = lab.indexed("text")
    paths = ["meta.title", "notes[*].text", "missing"]
    if batched:
        store.batch([PutOp(D, "k", VALUE, index=paths), PutOp(D, "l", {"a": "iris"}, index=["a"])])
    else:
        store.put(D, "k", VALUE, index=paths)
        store.put(D, "l", {"a": "iris"}, index=["a"])

    _embeds(lab, store, "k", ("apple", "banana", "cherry", "damson"), f"index={paths}")
    matches(lab, store, D, "iris", "l", "another item with another path")


@case("V3", needs=VECTORS)
def test_what_the_root_path_means_in_the_index_argument(lab: Lab) -> None:
    """
    Whether ``put(index=["$"])`` embeds the whole value, as ``fields=["$"]`` does, is recorded.
    """
    store = lab.indexed("text")
    refused = lab.attempt(lambda: store.put(D, "k", {"a": "iris", "b": "kiwi"}, index=["$"]))
    if refused is None:
        lab.equal(store.value(D, "k"), {"a": "iris", "b": "kiwi"}, "the value is stored")
    found = hits(lab, store, D, "iris kiwi")

    lab.observe("index.root_path", "refused" if refused else "score", score=found.get("k"))


@case("V3", needs=VECTORS)
def test_items_of_one_batch_keep_their_own_index_argument(lab: Lab) -> None:
    """
    In a batch every put follows its own ``index``: default, paths, False.
    """
    store = lab.indexed("text")
    value = {"text": "apple", "other": "banana", "list": [{"t": "cherry"}, {"t": "damson"}]}
    choices: dict[str, Any] = {
        "text": ["text"],
        "other": ["other"],
        "none": False,
        "each": ["list[*].t"],
    }
    ops = [PutOp(D, key, value, index=index) for key, index in choices.items()]
    store.batch([*ops[:2], PutOp(D, "default", {"text": "elder"}), *ops[2:]])

    wanted = {
        "default": ("elder",),
        "text": ("apple",),
        "other": ("banana",),
        "none": (),
        "each": ("cherry", "damson"),
    }
    for word in ("apple", "banana", "cherry", "damson", "elder"):
        found = hits(lab, store, D, word)
        best = sorted(key for key, score in found.items() if score is not None and score > 0.5)
        expected = sorted(key for key, words in wanted.items() if word in words)
        if by_cosine(lab):
            lab.equal(best, expected, f"the items with a vector of {word!r}")
        scored = sorted(key for key, score in found.items() if score is not None)
        lab.equal(scored, sorted(k for k in wanted if wanted[k]), "the items with any vector")


TEXTS = {
    "german": "Äpfel für Zoë",
    "japanese": "りんご と バナナ",
    "emoji": "👩‍👩‍👧 🍎 apple",
    "rtl": "תפוח שלום",
    "mixed": 'quote " backslash \\ line\nbreak ñ',
}


@case("V16", needs=VECTORS)
def test_no_character_is_lost_on_the_way_to_the_embedder(lab: Lab) -> None:
    """
    Non-ASCII text is embedded unescaped, as a field and as a query.

    What stands before and after it, its white space, its normal form and its capitals are V12's.
    """
    fields, queries = _embedded_texts(lab)
    for what, asked in (("field", fields), ("query", queries)):
        everything = _folded(" ".join(asked))
        for text in TEXTS.values():
            missing = [word for word in text.split() if _folded(word) not in everything]
            lab.equal(missing, [], f"words of the {what} {text!r} that are not in {asked}")


@case("V12", needs=VECTORS)
def test_texts_reach_the_embedder_as_they_are(lab: Lab) -> None:
    """
    Capitals, white space and normal forms of fields and queries are left to the model.

    A store may write something before and after a text, as some models want it.  If this fails, look at
    a text that is tidied up before it is embedded.
    """
    fields, queries = _embedded_texts(lab)
    for text in TEXTS.values():
        for what, asked in (("field", fields), ("query", queries)):
            arrived = any(text in got for got in asked)
            lab.true(arrived, f"the {what} arrives as it is", got=asked, expected=text)
    _texts_that_resemble_one_another(lab)


def _texts_that_resemble_one_another(lab: Lab) -> None:
    """Texts that differ in capitals or in white space have vectors of their own; as queries, too."""
    store = lab.indexed("text")
    words = {
        "Apple": 0.0,
        "apple": 1.0,
        "APPLE": 0.0,
        "banana *2": 0.0,
        "apple *3": 1.0,
        "Fig": 0.0,
    }
    for n, text in enumerate(words):
        store.put(("alike",), f"k{n}", {"text": text}, index=["text"])
    store.search(("alike",), query="Apple")
    found = hits(lab, store, ("alike",), "apple")
    for n, (text, score) in enumerate(words.items()):
        what = f"{text!r} for the query 'apple', among texts that resemble it"
        scores_like(lab, found.get(f"k{n}"), score, what)


def _embedded_texts(lab: Lab) -> tuple[list[str], list[str]]:
    """What the embedder was given for `TEXTS` as fields, and for the same as queries."""
    embed = ExactEmbeddings()
    store = lab.indexed("text", embed=embed)
    for key, text in TEXTS.items():
        store.put(D, key, {"text": text}, index=["text"])
    store.search(D, query="kiwi", limit=1)  # a store may embed no sooner
    fields = embed.documents + embed.queries
    embed.forget()
    for text in TEXTS.values():
        store.search(D, query=text, limit=1)
    return fields, embed.queries + embed.documents


def _folded(text: str) -> str:
    """The text without what a store may tidy up and lose no character: capitals and the normal form."""
    return unicodedata.normalize("NFC", text).casefold()


@case("V16", needs=VECTORS)
def test_documents_reach_the_embedder_unescaped(lab: Lab) -> None:
    """
    A value or a part of it that is embedded as JSON holds its characters, not ``\\u`` escapes.
    """
    embed = ExactEmbeddings()
    store = lab.indexed("$", embed=embed)
    name = (names_taken(lab, ["Straße"]) or ["street"])[0]
    value = {"inner": {name: "Äpfel 🍎"}, "list": ["Äpfel 🍎"]}
    for n, index in enumerate((None, ["inner"], ["list"])):
        embed.forget()
        store.put(D, f"k{n}", value, index=index)
        store.search(D, query="kiwi", limit=1)  # a store may embed no sooner

        text = " ".join(embed.documents)
        arrived = _folded("Äpfel 🍎") in _folded(text)
        lab.true(arrived, f"index={index}: the text is not escaped", got=text)
        lab.true("\\u" not in text, f"index={index}: no character is escaped", got=text)
