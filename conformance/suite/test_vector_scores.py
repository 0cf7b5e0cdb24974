"""
V5 and V6: scores that can be computed by hand, for each distance.
"""

from __future__ import annotations

import math
from typing import Any

from store_conformance.contract import Capability
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.embedders import TableEmbeddings
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.ranking import CLOSE, descend, hits, scores_exactly
from store_conformance.suite.support.scale import need_cosine

VECTORS = (Capability.VECTORS,)
D = ("d",)

PAIRS: dict[str, tuple[str, str]] = {
    "identical": ("apple", "apple"),
    "identical words": ("apple banana cherry", "cherry apple banana"),
    "longer vector": ("apple*9", "apple"),
    "shorter vector": ("apple", "apple*9"),
    "very long vector": ("apple*5000 banana*5000", "apple"),
    "half": ("apple banana", "apple"),
    "weighted": ("apple*2 banana", "apple banana"),
    "little": ("apple banana*7", "apple"),
    "many words": ("apple banana cherry damson elder fig grape", "grape hazel iris"),
    "nothing in common": ("banana", "apple"),
}


@case("V5", needs=VECTORS)
def test_the_score_is_the_cosine(lab: Lab) -> None:
    """
    The score is the cosine of the two vectors: 1.0 for equal directions, 0.0 for nothing in common.

    If this fails, look at whether a distance is turned into a similarity, and whether vectors of
    any
    length are normalised.
    """
    need_cosine(lab)
    embed = ExactEmbeddings()
    store = lab.indexed("text", embed=embed)
    for name, (text, query) in PAIRS.items():
        at = ("d", plain(name))
        store.put(at, "k", {"text": text})
        store.put(at, "other", {"text": "mango"})

        found = hits(lab, store, at, query)
        scores_exactly(lab, found.get("k"), embed.cosine(text, query), f"{text!r} for {query!r}")
        scores_exactly(lab, found.get("other"), 0.0, "an item with nothing in common")


@case("V5", needs=VECTORS)
def test_identical_text_scores_one_within_float32(lab: Lab) -> None:
    """
    The same text scores 1.0 within float32, and never more than 1.0 by more than rounding.
    """
    need_cosine(lab)
    store = lab.indexed("text")
    texts = [
        "apple",
        "apple*3 banana*7 fig",
        "mango*11 nutmeg*13",
        "unknown words only",
        "elder " * 50,
    ]
    for n, text in enumerate(texts):
        store.put(D, f"k{n}", {"text": text})

    for n, text in enumerate(texts):
        score = hits(lab, store, D, text).get(f"k{n}")
        lab.true(
            score is not None and abs(score - 1.0) < CLOSE,
            f"the text {text[:30]!r} scores 1.0 for itself",
            got=score,
            expected=1.0,
        )


@case("V5", needs=VECTORS)
def test_opposite_directions_score_minus_one(lab: Lab) -> None:
    """
    The cosine is below zero for vectors that point away: it is neither clipped nor squeezed to
    0..1.
    """
    need_cosine(lab)
    embed = TableEmbeddings({"north": (1, 0), "south": (-2, 0), "east": (0, 3), "slant": (-1, 1)})
    store = lab.indexed("text", embed=embed)
    for name in ("south", "slant", "east", "north"):
        store.put(D, name, {"text": name})

    found = store.search(D, query="north")
    scores = {i.key: i.score for i in found}
    expected = {"north": 1.0, "east": 0.0, "slant": -(2**-0.5), "south": -1.0}
    lab.equal([i.key for i in found], list(expected), "from the same to the opposite direction")
    for name, score in expected.items():
        scores_exactly(lab, scores.get(name), score, f"{name!r} for 'north'")


@case("V5", needs=VECTORS)
def test_scores_do_not_depend_on_limit_filter_or_company(lab: Lab) -> None:
    """
    A score belongs to the item and the query: the rest of the answer does not change it.
    """
    need_cosine(lab)
    store = lab.indexed("text")
    store.put(D, "k", {"text": "apple banana", "tag": 1})
    alone = hits(lab, store, D, "apple").get("k")
    for n in range(12):
        store.put(D, f"near{n}", {"text": f"apple*{n + 5} banana", "tag": 2})

    scores_exactly(lab, alone, 2**-0.5, "the item alone")
    for more in ({}, {"filter": {"tag": 1}}, {"limit": 13}):
        score = hits(lab, store, D, "apple", **more).get("k")
        scores_exactly(lab, score, 2**-0.5, f"the item in company, searched with {more}")


@case("V5", needs=VECTORS)
def test_a_zero_vector_never_outranks_a_real_match(lab: Lab) -> None:
    """
    A text whose vector is all zeros is refused, or gets no score or a finite one below real
    matches.

    If this fails, look at a division by the length of the vector: NaN sorts first in some engines.
    """
    need_cosine(lab)
    store = lab.indexed("text", embed=TableEmbeddings({"void": [0.0] * 16}))
    store.put(D, "near", {"text": "apple"})
    refused = lab.attempt(lambda: store.put(D, "void", {"text": "void"}))
    store.put(D, "between", {"text": "apple banana"})

    found = store.search(D, query="apple")
    descend(lab, found, "the query 'apple' beside a zero vector")
    keys = [i.key for i in found]
    lab.equal(keys[:2], ["near", "between"], "the real matches come first")
    if refused is None:
        lab.equal(
            store.value(D, "void"), {"text": "void"}, "the item with the zero vector is stored"
        )
    else:
        lab.equal(store.get(D, "void"), None, "the refused item is not stored")


@case("V5", needs=VECTORS)
def test_a_zero_query_vector_gives_no_impossible_scores(lab: Lab) -> None:
    """
    A query whose vector is all zeros is refused, or answered without a score that is not finite.
    """
    need_cosine(lab)
    store = lab.indexed("text", embed=TableEmbeddings({"void": [0.0] * 16}))
    store.put(D, "k", {"text": "apple"})
    store.put(D, "l", {"text": "banana"})

    answers: list[list[Any]] = []
    refused = lab.attempt(lambda: answers.append(store.search(D, query="void")))
    if refused is None:
        scores = [i.score for i in answers[0]]
        good = all(s is None or math.isfinite(s) for s in scores)
        lab.true(good, "scores for a zero query are finite or None", got=scores)
    lab.equal(store.ranked(D, "apple")[:1], ["k"], "the store still answers real queries")


# -- distances ------------------------------------------------------------------------------------

QUERY = (2.0, 1.0, 0.0)
POINTS: dict[str, tuple[float, ...]] = {
    "point-a": (5.0, 3.0, 4.0),
    "point-b": (4.0, 4.0, 0.5),
    "point-c": (1.0, 1.0, 2.0),
    "point-d": (0.5, 0.0, 6.0),
    "point-e": (1.0, 0.0, 4.0),
}
"""Cosine, inner product, L2 and L1 each rank these differently, and so do their reverses."""

ORDERS = {
    "cosine": ["point-b", "point-a", "point-c", "point-e", "point-d"],
    "inner_product": ["point-a", "point-b", "point-c", "point-e", "point-d"],
    "l2": ["point-c", "point-b", "point-e", "point-a", "point-d"],
}


def _measured(lab: Lab, distance: str, *fields: str) -> Subject:
    """A store of that distance; ends the case as unsupported where the store refuses it."""
    need_cosine(lab)
    embed = TableEmbeddings({**POINTS, "ask": QUERY})
    opened: list[Subject] = []
    index = lab.index(*fields, embed=embed, distance_type=distance)
    refused = lab.attempt(lambda: opened.append(lab.open(index=index)))
    if refused is not None:
        lab.unsupported(
            f"refuses distance_type={distance!r}: {type(refused).__name__}: {message_of(refused)}"
        )
    return opened[0]


@case("V6", needs=VECTORS, params={name: name for name in ORDERS})
def test_the_configured_distance_ranks(lab: Lab, distance: str) -> None:
    """
    ``distance_type`` decides the ranking where the store honours it, and higher scores are better.

    If this fails, look at which function the distance name calls, and at the sign of its result.
    """
    store = _measured(lab, distance, "text")
    store.batch([PutOp(D, name, {"text": name}) for name in POINTS])

    found = store.search(D, query="ask")
    order = [i.key for i in found]
    if order == ORDERS["cosine"] != ORDERS[distance]:
        lab.observe("distance_type.ignored", distance)
        lab.unsupported("does not document distance_type: it ranks by cosine")
    lab.equal(order, ORDERS[distance], f"nearest first by {distance}")
    descend(lab, found, f"a ranking by {distance}")
    _tell_score(lab, distance, found[0])


def _tell_score(lab: Lab, distance: str, best: Any) -> None:
    """Cosine is a promise; for the other distances only the sense of the score is."""
    point = POINTS[best.key]
    dot = sum(a * b for a, b in zip(point, QUERY, strict=True))
    if distance == "cosine":
        scores_exactly(
            lab, best.score, dot / (math.hypot(*point) * math.hypot(*QUERY)), "the nearest"
        )
    by_hand = dot if distance == "inner_product" else -math.dist(point, QUERY)
    lab.observe("distance_type.score", best.score, distance=distance, by_hand=by_hand)


@case("V6", needs=VECTORS, params={"inner_product": "inner_product", "l2": "l2"})
def test_the_configured_distance_pools_by_the_best_vector(lab: Lab, distance: str) -> None:
    """
    With several vectors an item takes the place of its nearest one, by the configured distance.
    """
    store = _measured(lab, distance, "tags[*]")
    best, second, *rest = ORDERS[distance]
    store.put(D, "single", {"tags": [second]})
    store.put(D, "pooled", {"tags": [*rest, best]})

    found = store.search(D, query="ask")
    plain = _measured(lab, distance, "text")
    plain.batch([PutOp(D, name, {"text": name}) for name in POINTS])
    if [i.key for i in plain.search(D, query="ask")] == ORDERS["cosine"]:
        lab.unsupported("does not document distance_type: it ranks by cosine")
    lab.equal(
        [i.key for i in found], ["pooled", "single"], f"each item once, nearest first by {distance}"
    )
    descend(lab, found, f"a ranking by {distance}")
