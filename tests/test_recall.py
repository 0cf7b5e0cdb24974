"""
Recall is 1 for a perfect store, forgives ties and nothing else, and is the same without numpy.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

import pytest

from store_conformance.corpus import Corpus, load_corpus
from store_conformance.embedding import embedder_from_name
from store_conformance.oracle import recall
from store_conformance.oracle.recall import (
    ExactIndex,
    best,
    evidence_recall,
    exact_scores,
    index_recall,
    nearest,
)

SCORES = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.7 - 1e-6, "e": 0.2}


@pytest.mark.parametrize(
    ("returned", "k", "expected"),
    [
        (["a", "b", "c"], 3, 1.0),
        (["c", "b", "a"], 3, 1.0),
        (["a", "b", "d"], 3, 1.0),  # d ties with c
        (["a", "b", "e"], 3, 2 / 3),
        (["a", "b"], 3, 2 / 3),  # too few rows
        (["a", "a", "a"], 3, 1 / 3),  # a row repeated
        (["a", "b", "stranger"], 3, 2 / 3),
        (["e", "a", "b", "c"], 3, 2 / 3),  # only the first k count
        ([], 3, 0.0),
        (["b"], 1, 0.0),
        (["e", "d", "c", "b", "a"], 10, 1.0),  # fewer candidates than k
    ],
)
def test_index_recall_counts_hits_of_the_exact_best(
    returned: list[str], k: int, expected: float
) -> None:
    assert index_recall(returned, SCORES, k) == pytest.approx(expected)


def test_tie_wider_than_the_tolerance_is_none() -> None:
    scores = {"a": 0.9, "b": 0.5, "c": 0.5 - 2e-5}

    assert index_recall(["a", "c"], scores, 2) == 0.5
    assert index_recall(["a", "c"], scores, 2, tolerance=1e-3) == 1.0


@pytest.mark.parametrize(
    ("returned", "relevant", "k", "expected"),
    [
        (["x", "m1"], {"m1"}, 5, 1.0),
        (["x", "m1"], {"m1"}, 1, 0.0),
        (["m1", "x"], ["m1", "m2"], 5, 0.5),
        (["m1", "m1"], ["m1", "m2"], 5, 0.5),
        (["m1", "m2"], ["m1", "m2", "m3"], 2, 1.0),  # three cannot be among two
        ([], ["m1"], 5, 0.0),
    ],
)
def test_evidence_recall_is_the_share_of_the_relevant(
    returned: list[str], relevant: list[str], k: int, expected: float
) -> None:
    assert evidence_recall(returned, relevant, k) == expected


def test_nothing_to_find_is_no_number() -> None:
    with pytest.raises(ValueError, match="at least one relevant"):
        evidence_recall(["a"], [], 5)
    with pytest.raises(ValueError, match="at least one candidate"):
        index_recall([], {}, 5)
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        index_recall(["a"], SCORES, 0)


@pytest.fixture(params=["numpy", "plain"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "plain":
        monkeypatch.setattr(recall, "_numpy", lambda: None)
    return str(request.param)


def test_nearest_is_by_cosine_and_not_by_length(arithmetic: str) -> None:
    vectors = {"long": [10.0, 10.0], "short": [0.1, 0.0], "away": [-1.0, 0.0], "zero": [0.0, 0.0]}

    found = nearest([2.0, 0.0], vectors, 3)

    assert [key for key, _ in found] == ["short", "long", "zero"]
    assert [score for _, score in found] == pytest.approx([1.0, 0.5**0.5, 0.0], abs=1e-6)


def test_equal_scores_keep_the_given_order(arithmetic: str) -> None:
    vectors = {name: [1.0, 0.0] for name in "zyx"}

    assert [key for key, _ in nearest([1.0, 0.0], vectors, 2)] == ["z", "y"]


def test_lengths_must_agree(arithmetic: str) -> None:
    with pytest.raises(ValueError, match=r"different lengths: \[1, 2\]"):
        ExactIndex({"a": [1.0], "b": [1.0, 2.0]})
    with pytest.raises(ValueError, match="a query of length 3"):
        exact_scores([1.0, 2.0, 3.0], {"a": [1.0, 2.0]})
    assert exact_scores([1.0], {}) == {}


def hashed(text: str) -> list[float]:
    """The hash baseline: words in 256 buckets, which knows spelling and no meaning."""
    vector = [0.0] * 256
    for word in re.findall(r"\w+", text.lower()):
        vector[zlib.crc32(word.encode()) % 256] += 1.0
    return vector


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus()


def mean_recall(corpus: Corpus, embed: Callable[[str], list[float]], k: int) -> float:
    found = []
    for user in corpus.users:
        memories = corpus.memories_of(user)
        index = ExactIndex({m.id: embed(m.text) for m in memories})
        for question in corpus.questions_of(user):
            if question.answerable:
                keys = [key for key, _ in index.nearest(embed(question.text), k)]
                found.append(evidence_recall(keys, question.answers, k))
    return sum(found) / len(found)


def test_real_embeddings_find_the_evidence_and_a_hash_finds_less(corpus: Corpus) -> None:
    real = embedder_from_name("real")

    at_5 = mean_recall(corpus, real.embed_query, 5)
    at_1 = mean_recall(corpus, real.embed_query, 1)
    baseline = mean_recall(corpus, hashed, 5)

    assert 0.85 < at_5 <= 1.0
    assert 0.5 < at_1 < at_5
    assert baseline < at_5 - 0.1


def test_brute_force_has_perfect_index_recall_and_a_wrong_order_has_not(corpus: Corpus) -> None:
    real = embedder_from_name("real")
    memories = corpus.memories
    index = ExactIndex(
        dict(
            zip(
                [m.id for m in memories],
                real.embed_documents([m.text for m in memories]),
                strict=True,
            )
        )
    )

    for question in corpus.questions[::10]:
        scores = index.scores(real.embed_query(question.text))
        right = [key for key, _ in best(scores, 10)]
        wrong = [key for key, _ in best({key: -score for key, score in scores.items()}, 10)]

        assert index_recall(right, scores, 10) == 1.0
        assert index_recall(wrong, scores, 10) == 0.0
