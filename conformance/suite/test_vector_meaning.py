"""
V2 to V4, V9 to V11, V17 and V18 where nearness needs no common word and a common word is no nearness.

A search for words beside the vectors, before them or in their place is not seen by texts whose nearness
is the words they share.  Here "physician" is what "doctor" means and "spin doctor" is something else.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability
from store_conformance.embedding.meaning import MeaningEmbeddings
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.ranking import hits, scores_like
from store_conformance.suite.support.scale import by_cosine

VECTORS = (Capability.VECTORS,)
LASTING = (Capability.VECTORS, Capability.PERSISTENCE)
D = ("d",)

NEAR = {
    "synonym": "physician",
    "other_synonym": "the medic of the village",
    "weighted": "physician*9 happy",
}
"""Near to the query 'doctor', without a word in common."""
FAR = {
    "phrase": "spin doctor",
    "phrase_with_more": "a spin doctor and a car pool",
    "nothing": "sausage",
    "unknown_words": "words that no list knows",
}
"""Far from the query 'doctor', some with a word in common."""


def _store(lab: Lab, *fields: str) -> Subject:
    return lab.indexed(*fields, embed=MeaningEmbeddings())


def _puts(at: tuple[str, ...], texts: dict[str, str], **more: Any) -> list[PutOp]:
    return [PutOp(at, key, {"text": text, **more}) for key, text in texts.items()]


@case("V10", needs=VECTORS)
def test_a_filtered_query_finds_matches_without_a_common_word(lab: Lab) -> None:
    """
    With filter and query every match is found, also if no word of the query is in its text.

    If this fails, look for a search for words that narrows the candidates before vectors are compared.
    """
    store = _store(lab)
    store.batch([*_puts(D, {**NEAR, **FAR}, kind="note", n=1), *_puts(D, {"x": "doctor"}, n=2)])

    everything = sorted([*NEAR, *FAR])
    for wanted in ({"kind": "note"}, {"n": 1}, {"n": {"$lt": 2}}, {"kind": "note", "n": 1}):
        found = hits(lab, store, D, "doctor", filter=wanted)
        lab.equal(sorted(found), everything, f"the matches of {wanted} for the query 'doctor'")
    found = hits(lab, store, D, "freezing", filter={"kind": "note"})
    lab.equal(sorted(found), everything, "the matches for a query that no text is about")


@case("V18", needs=VECTORS)
def test_a_query_below_a_prefix_needs_no_common_word(lab: Lab) -> None:
    """
    A query under a prefix gives all of its items, although only items elsewhere share its words.

    If this fails, look for a search for words that is asked first, or whose hits fill the page.
    """
    store = _store(lab)
    mine, deep = ("users", "me"), ("users", "me", "notes")
    elsewhere = {f"k{n}": f"doctor*{n + 1} number {n}" for n in range(60)}
    store.batch([*_puts(("users", "other"), elsewhere), *_puts(mine, NEAR), *_puts(deep, FAR)])

    for query in ("doctor", "the doctor number 7", "savings institute"):
        found = hits(lab, store, mine, query)
        lab.equal(sorted(found), sorted([*NEAR, *FAR]), f"what the prefix gives for {query!r}")
    lab.equal(sorted(hits(lab, store, deep, "doctor")), sorted(FAR), "what the deeper one gives")


@case("V9", needs=VECTORS, params={"alone": None, "filtered": {"kind": "note"}})
def test_pages_of_a_query_hold_items_without_a_common_word(lab: Lab, wanted: Any) -> None:
    """
    Walking a ranking gives every item once, those that share the query's words and those that do not.

    If this fails, look for pages that continue another ranking than the first page's.
    """
    store = _store(lab)
    texts = ("doctor {}", "physician {}", "spin doctor {}", "sausage {}", "medic*2 hound {}")
    keys = [f"k{n:02}" for n in range(40)]
    store.batch(
        [
            PutOp(D, key, {"text": texts[n % len(texts)].format(n), "kind": "note"})
            for n, key in enumerate(keys)
        ]
    )

    for page in (3, 7, 40):
        found = [i.key for i in store.walk(D, page=page, query="doctor", filter=wanted)]
        lab.equal(sorted(found), keys, f"each item once by pages of {page}")


@case("V4", needs=VECTORS)
def test_what_means_the_same_comes_before_what_says_the_same(lab: Lab) -> None:
    """
    The nearest in meaning comes first, and texts that merely repeat the query's words come last.

    If this fails, look at a rank by words that is mixed into the rank by vectors.
    """
    store = _store(lab)
    store.batch(_puts(D, {"far": "a spin doctor, no more", "other": "spin doctor spin doctor"}))
    store.batch(_puts(D, {"near": "physician", "between": "medic hound", "same": "doctor"}))
    embed = MeaningEmbeddings()

    found = hits(lab, store, D, "doctor")
    for key, text in (("near", "physician"), ("between", "medic hound"), ("same", "doctor")):
        scores_like(lab, found.get(key), embed.cosine(text, "doctor"), f"{text!r} for 'doctor'")
    for key in ("far", "other"):
        scores_like(lab, found.get(key), 0.0, "'spin doctor' for 'doctor'")
    if not by_cosine(lab):
        return  # what comes first is the store's own affair
    best = store.ranked(D, "doctor", limit=2)
    lab.equal(sorted(best), ["near", "same"], "the best two for 'doctor'")
    lab.equal(store.ranked(D, "joyful hound", limit=1), ["between"], "the best for 'joyful hound'")
    best = store.ranked(D, "publicist", limit=2)
    lab.equal(sorted(best), ["far", "other"], "the best two for the other meaning")


@case("V3", needs=VECTORS)
def test_what_is_not_indexed_is_not_scored_for_its_words(lab: Lab) -> None:
    """
    An item put with ``index=False`` or with another path is no match for the words it holds.

    If this fails, look at a search for words that reads the whole value.
    """
    store = _store(lab, "text")
    store.put(D, "hidden", {"text": "doctor"}, index=False)
    store.put(D, "other_path", {"text": "doctor", "title": "hound"}, index=["title"])
    store.put(D, "near", {"text": "physician"})

    found = hits(lab, store, D, "doctor")
    lab.equal(found.get("hidden"), None, "the score of an item that is not indexed")
    scores_like(lab, found.get("other_path"), 0.0, "an item whose words are not indexed")
    scores_like(lab, found.get("near"), 1.0, "an item without a common word")


@case("V2", needs=VECTORS)
def test_words_outside_the_indexed_fields_are_no_match(lab: Lab) -> None:
    """
    Words of a field that is not among ``fields`` count for nothing, whatever the query is.

    If this fails, look at a search for words that reads the whole value.
    """
    store = _store(lab, "text")
    store.put(D, "beside", {"text": "sausage", "title": "doctor doctor", "tags": ["doctor"]})
    store.put(D, "near", {"text": "physician", "title": "sausage"})

    for query, match, other in (("doctor", "near", "beside"), ("hot dog", "beside", "near")):
        found = hits(lab, store, D, query)
        scores_like(lab, found.get(match), 1.0, f"the item {match!r} for {query!r}")
        scores_like(lab, found.get(other), 0.0, f"the item {other!r} for {query!r}")


@case("V11", needs=VECTORS)
def test_an_overwritten_meaning_is_gone(lab: Lab) -> None:
    """
    After an overwrite an item is found by its new meaning, and no longer by its old one.

    If this fails, look at vectors that are kept because the new text has the same words.
    """
    store = _store(lab)
    for n, (old, new) in enumerate((("doctor", "spin doctor"), ("hot dog", "dog"), ("flu", "car"))):
        at = ("d", str(n))
        store.put(at, "k", {"text": old})
        store.put(at, "k", {"text": new})
        scores_like(lab, hits(lab, store, at, new).get("k"), 1.0, f"{new!r} over {old!r}")
        scores_like(lab, hits(lab, store, at, old).get("k"), 0.0, f"{old!r}, overwritten,")


@case("V17", needs=LASTING)
def test_meaning_survives_a_reopening(lab: Lab) -> None:
    """
    After a reopening a query finds by meaning what it found before, and nothing for its words alone.
    """
    store = _store(lab)
    store.batch([*_puts(D, NEAR), *_puts(D, FAR)])
    before = hits(lab, store, D, "doctor")

    after = hits(lab, lab.reopen(store), D, "doctor")

    lab.equal(sorted(after), sorted(before), "the items found by 'doctor' after reopening")
    for key, score in before.items():
        scores_like(lab, after[key], score or 0.0, f"the item {key!r} after reopening")


@case("V17", needs=LASTING, serial=True)
def test_another_process_finds_by_meaning(lab: Lab) -> None:
    """
    A new process that opens the location finds by meaning, without a common word.
    """
    store = _store(lab)
    store.batch([*_puts(D, NEAR), *_puts(D, FAR)])
    store.close()

    child = lab.child(store.at, embed="meaning", fields=("text",))
    found = {i["key"]: i["score"] for i in child.call("search", D, query="doctor")}

    lab.equal(sorted(found), sorted([*NEAR, *FAR]), "what another process finds for 'doctor'")
    scores_like(lab, found["synonym"], 1.0, "'physician' for 'doctor' in another process")
    scores_like(lab, found["phrase"], 0.0, "'spin doctor' for 'doctor' in another process")
