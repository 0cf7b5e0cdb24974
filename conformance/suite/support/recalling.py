"""
Asking a store many questions and comparing its answers with exact cosine over the same vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.oracle.recall import ExactIndex, best, evidence_recall, index_recall
from store_conformance.suite.support.scale import by_cosine

K = 5
ENOUGH = 0.95
"""The mean index recall below which a store does not find by meaning what is there."""
SCORE_SLACK = 1e-4
Found = list[tuple[str, "float | None"]]


@dataclass(frozen=True)
class Ask:
    """One question to one user's namespace; ``wanted`` are the keys judged to answer it."""

    user: str
    namespace: tuple[str, ...]
    text: str
    vector: list[float]
    wanted: tuple[str, ...] = ()
    filter: dict[str, Any] | None = None
    among: frozenset[str] = frozenset()
    """The keys that may come back: the user's own that pass the filter."""


@dataclass(frozen=True)
class Answer:
    """What came back for one question, and what exact cosine says of it."""

    ask: Ask
    found: Found
    exact: Mapping[str, float]

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.found]

    @cached_property
    def recall(self) -> float:
        return index_recall(self.keys, self.exact, K)

    @property
    def score_error(self) -> float:
        """The largest difference between a score and the cosine; 0 where no row has a score."""
        pairs = [(s, self.exact[k]) for k, s in self.found if s is not None and k in self.exact]
        return max((abs(score - cosine) for score, cosine in pairs), default=0.0)

    def evidence(self) -> float:
        return evidence_recall(self.keys, self.ask.wanted, K)

    def exact_evidence(self) -> float:
        return evidence_recall([k for k, _ in best(self.exact, K)], self.ask.wanted, K)


class Asker:
    """Knows every user's vectors by key, and asks."""

    def __init__(self, lab: Lab, vectors: Mapping[str, Mapping[str, list[float]]]) -> None:
        self._lab = lab
        self._exact = {user: ExactIndex(keys) for user, keys in vectors.items()}

    def ask(self, store: Subject, asks: Iterable[Ask], when: str = "") -> list[Answer]:
        """The answers, each checked: the user's own rows only, as many as there are, best first."""
        return [self._one(store, ask, when) for ask in asks]

    def _one(self, store: Subject, ask: Ask, when: str) -> Answer:
        more = {"filter": ask.filter} if ask.filter else {}
        items = store.search(ask.namespace, query=ask.text, limit=K, **more)
        found: Found = [(i.key, i.score) for i in items]
        scores = self._exact[ask.user].scores(ask.vector)
        answer = Answer(ask, found, {k: s for k, s in scores.items() if k in ask.among})
        self._check(answer, items, when)
        return answer

    def _check(self, answer: Answer, items: list[Any], when: str) -> None:
        lab, ask = self._lab, answer.ask
        label = f"{ask.text[:60]!r} of {ask.user!r} {when}".strip()
        strays = [(i.namespace, i.key) for i in items if tuple(i.namespace) != ask.namespace]
        lab.equal(strays, [], f"rows of somebody else for {label}")
        others = [k for k in answer.keys if k not in ask.among]
        lab.equal(
            others, [], f"rows that were not asked for, with filter {ask.filter}, for {label}"
        )
        lab.equal(len(set(answer.keys)), len(answer.keys), f"distinct rows for {label}")
        lab.equal(
            len(answer.keys),
            min(K, len(ask.among)),
            f"the number of rows for {label}, with filter {ask.filter}",
        )
        scores = [s for _, s in answer.found if s is not None]
        lab.true(
            all(a >= b - SCORE_SLACK for a, b in pairwise(scores)),
            f"the scores do not descend for {label}",
            got=scores,
        )


def mean(values: Iterable[float]) -> float:
    every = list(values)
    return sum(every) / len(every)


def report(lab: Lab, answers: list[Answer], **facts: Any) -> float:
    """Record index recall with its facts and fail below what is enough; gives the mean."""
    figure = mean(a.recall for a in answers)
    worst = min(answers, key=lambda a: a.recall)
    lab.observe(
        f"recall.index@{K}",
        round(figure, 4),
        asked=len(answers),
        worst=None if worst.recall == 1 else f"{worst.recall:.2f} for {worst.ask.text[:80]!r}",
        score_error=round(max(a.score_error for a in answers), 7),
        **facts,
    )
    lab.true(
        figure >= ENOUGH or not by_cosine(lab),
        f"index recall@{K} is {figure:.3f}, below {ENOUGH}: the nearest are there and not found",
        got=worst.found,
        expected=best(worst.exact, K),
    )
    return figure


def found_alike(lab: Lab, before: list[Answer], after: list[Answer]) -> None:
    """The same questions find rows just as near, with the same scores, as before a restart."""
    for one, other in zip(before, after):
        label = f"{one.ask.text[:60]!r} of {one.ask.user!r}"
        lab.true(
            other.recall >= one.recall - 1e-9 or not by_cosine(lab),
            f"fewer of the nearest are found after a restart for {label}",
            got=other.found,
            expected=one.found,
        )
        for (_, first), (_, second) in zip(one.found, other.found):
            same = (first is None) == (second is None)
            if same and first is not None and second is not None and by_cosine(lab):
                same = abs(first - second) < SCORE_SLACK
            lab.true(
                same,
                f"the scores differ after a restart for {label}",
                got=other.found,
                expected=one.found,
            )
