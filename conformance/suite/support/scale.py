"""
What the scores of a store are: the cosine, or an order and a scale of the store's own.

LangGraph promises an order by relevance and no scale.  A store may rank by the fusion of several ranks, by
recency, by words beside vectors, or by another distance.  Where its scores are not the cosine, cases look at
what is found and whether the scores descend; no numbers, no order that only the cosine gives.  Vectors that are
kept in a byte for each number have nearly the cosine: what lies nearer together than that has no order, and small
scores are none.
"""

from __future__ import annotations

import math
from enum import Enum
from itertools import pairwise
from numbers import Real
from typing import Any
from weakref import WeakKeyDictionary

from store_conformance.contract import Capability
from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.turns import turn

AT = ("scale",)
QUERY = "apple banana"
ALIKE = {
    "first": "apple banana",
    "same": "apple banana",
    "other": "banana, and many other words that say nothing, apple",
}
"""Texts with the vector of the query: whatever scores them apart looks at more than vectors."""
FINE = {"fine": 254, "finer": 85}
"""How often the one word is there for one of the other: what counts in 127 steps lies between two of them."""
TEXTS = {
    **ALIKE,
    "longer": "apple*3 banana*3",
    **{key: f"apple*{many} banana" for key, many in FINE.items()},
    "half": "apple",
    "far": "cherry",
    "farther": "damson",
}
COSINES = {
    **dict.fromkeys((*ALIKE, "longer"), 1.0),
    **{key: (many + 1) / math.hypot(many, 1) / math.sqrt(2) for key, many in FINE.items()},
    "half": 2**-0.5,
    "far": 0.0,
    "farther": 0.0,
}
PAUSE_SECONDS = 0.12
"""Longer than the tick of a clock that counts tenths of a second."""
NEAR = 2e-3
COARSE = 2e-2
"""How far the cosines of vectors may be off that are kept in a byte for each number."""
APART = 1e-5
"""What equal vectors differ by, as a part of the score, in a store whose scores are its own."""


class Scale(Enum):
    """What the scores of a store were seen to be."""

    COSINE = "cosine"
    OTHER = "other"
    """Another number for each vector, the higher the nearer, or a coarse one: V5 has a word to say about it."""
    OWN = "own"
    """Declared, or equal vectors with different scores: the store looks at more than the vectors."""


_seen: WeakKeyDictionary[Any, dict[str, Scale]] = WeakKeyDictionary()


def scale_of(lab: Lab) -> Scale:
    """The scale of the store under test, asked of a store of its own once a backend and mode."""
    if not lab.offers(Capability.COSINE):
        return Scale.OWN
    with turn(lab):
        known = _seen.setdefault(lab.backend, {})
        if lab.mode not in known:
            known[lab.mode] = _look(lab)
        return known[lab.mode]


def by_cosine(lab: Lab) -> bool:
    return scale_of(lab) is Scale.COSINE


def need_cosine(lab: Lab) -> None:
    """Ends a case about the numbers where the store has scores of its own."""
    if scale_of(lab) is Scale.OWN:
        declared = "declared" if not lab.offers(Capability.COSINE) else "seen"
        lab.unsupported(f"scores: own ({declared}): equal vectors may have different scores")


def _look(lab: Lab) -> Scale:
    """Ask in a lab of its own, so that the case's calls are its own; no answer says nothing."""
    try:
        with lab.beside() as other:
            store = other.indexed("text")
            for key, text in TEXTS.items():
                store.put(AT, key, {"text": text}, index=["text"])
                # What ranks by recency, too, shows it as soon as its clock has moved on.
                other.sleep(PAUSE_SECONDS if key == "first" else 0.0)
            items = store.search(AT, query=QUERY, limit=50)
            found = {i.key: getattr(i, "score", None) for i in items}
    except (StoreRaisedError, AssertionError):
        return Scale.COSINE
    embedded = store.index["embed"].documents
    if not all(any(text in document for document in embedded) for text in TEXTS.values()):
        return Scale.COSINE  # the store alters texts: their vectors are not those of the texts
    return judge_scale(found)


def judge_scale(found: dict[str, Any]) -> Scale:
    """
    What these scores, in their order, are; ``COSINE``, which is judged most strictly, where they are broken.
    """
    scores = [s for s in found.values() if isinstance(s, Real)]
    if set(found) != set(TEXTS) or len(scores) != len(TEXTS):
        return Scale.COSINE
    if any(float(a) < float(b) for a, b in pairwise(scores)):
        return Scale.COSINE
    off = {key: abs(float(found[key]) - cosine) for key, cosine in COSINES.items()}
    fine = max(off[key] for key in FINE)
    if max(off[key] for key in off if key not in FINE) <= NEAR and not NEAR < fine <= COARSE:
        return Scale.COSINE
    alike = [float(found[key]) for key in ALIKE]
    if max(alike) - min(alike) > APART * max(map(abs, alike)):
        return Scale.OWN
    told = max(off.values()) <= COARSE or min(alike) > max(found["far"], found["farther"])
    return Scale.OTHER if told else Scale.COSINE
