"""
What several cases ask of a ranked answer.

Where a store's scores are its own (`store_conformance.suite.support.scale`), they ask what is found and
whether scores descend, and leave order and numbers alone.
"""

from __future__ import annotations

import math
from itertools import pairwise
from numbers import Real
from typing import Any

from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.scale import by_cosine

CLOSE = 2e-3
"""How far a score may be from the one computed by hand: room for half-precision vectors."""


def is_score(value: Any) -> bool:
    """A finite number of whatever class; a bool is none."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def in_order(
    lab: Lab, got: list[Any], ranking: list[Any], what: str, *, limit: int = 10_000, offset: int = 0
) -> None:
    """
    ``got`` is that part of the ranking; of a store with scores of its own, as many different ones of it.
    """
    part = ranking[offset : offset + limit]
    if by_cosine(lab):
        lab.equal(got, part, what)
        return
    lab.equal(len(got), len(part), f"how many are found: {what}")
    lab.equal(len(set(got)), len(got), f"each once: {what}")
    lab.true(set(got) <= set(ranking), what, got=got, expected=f"in any order, of {ranking}")


def hits(
    lab: Lab, store: Subject, prefix: tuple[str, ...], query: str, **more: Any
) -> dict[str, float | None]:
    """Key to score of a semantic search; an item that comes twice fails the case."""
    found = store.search(prefix, query=query, **{"limit": 100, **more})
    keys = [i.key for i in found]
    lab.equal(sorted(keys), sorted(set(keys)), f"the query {query!r} gives each item once")
    return {i.key: i.score for i in found}


def descend(lab: Lab, found: list[Any], what: str) -> None:
    """Scores are finite numbers that do not rise; unscored items come last."""
    scores = [getattr(i, "score", None) for i in found]  # a plain Item has none, which is S7's
    scored = [s for s in scores if s is not None]
    lab.true(
        all(map(is_score, scored)),
        f"every score of {what} is a finite number",
        got=scores,
    )
    lab.true(
        all(a >= b - 1e-6 * max(1.0, abs(b)) for a, b in pairwise(scored)),
        f"the scores of {what} descend: the best match comes first",
        got=[(i.key, score) for i, score in zip(found, scores)],
    )
    lab.equal(
        scores[: len(scored)], scored, f"items without a score come after the scored in {what}"
    )


def scores_like(lab: Lab, got: float | None, expected: float, what: str) -> None:
    """A score is the one computed by hand; of a store with scores of its own, any number."""
    if not by_cosine(lab):
        lab.true(is_score(got), f"{what} has a score", got=got, expected="a finite number")
        return
    scores_exactly(lab, got, expected, what)


def scores_exactly(lab: Lab, got: float | None, expected: float, what: str) -> None:
    """A score is the one computed by hand, which is V5's to ask for."""
    lab.true(
        got is not None and is_score(got) and abs(got - expected) <= CLOSE,
        f"{what} scores {expected:.4f}",
        got=got,
        expected=expected,
    )


def matches(
    lab: Lab, store: Subject, prefix: tuple[str, ...], query: str, key: str, what: str
) -> None:
    """``key`` is found by ``query`` as well as an identical text is."""
    scores_like(lab, hits(lab, store, prefix, query).get(key), 1.0, what)


def does_not_match(
    lab: Lab, store: Subject, prefix: tuple[str, ...], query: str, key: str, what: str
) -> None:
    """
    ``key`` has no vector near ``query``: it is absent, unscored, or scored about zero.

    Scores of the store's own say nothing about it.
    """
    got = hits(lab, store, prefix, query).get(key)
    lab.true(
        got is None or got <= 0.05 or not by_cosine(lab),
        f"{what}, so the query {query!r} finds nothing like it",
        got=got,
        expected="absent, no score, or about 0",
    )


def unscored(
    lab: Lab, store: Subject, prefix: tuple[str, ...], query: str, key: str, what: str
) -> None:
    """``key`` has no vector at all: it is absent from the answer or has no score."""
    got = hits(lab, store, prefix, query).get(key)
    lab.true(got is None, f"{what}, so it has no score", got=got, expected="absent, or score None")
