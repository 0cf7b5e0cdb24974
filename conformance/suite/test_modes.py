"""
O7 where a twin swallows, skips or forgets: refusals, embeddings, vectors and what is left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.embedders import TroubledEmbeddings
from store_conformance.suite.support.expiry import BEST_EFFORT, Life, life
from store_conformance.suite.support.scale import by_cosine

BOTH_APIS = (Capability.SYNC, Capability.ASYNC)
D = ("d",)

Step = tuple[str, Callable[[Subject], Any]]
"""What is done, in words, and the call."""

VALUES: list[Step] = [
    ("a put of text", lambda s: s.put(D, "bad", "text")),
    ("a put of a number", lambda s: s.put(D, "bad", 7)),
    ("a put of an object", lambda s: s.put(D, "bad", {"x": object()})),
    ("a put of NaN", lambda s: s.put(D, "bad", {"x": float("nan")})),
    ("a put of half a character", lambda s: s.put(D, "bad", {"x": "\ud800"})),
    ("a put of a name that is no text", lambda s: s.put(D, "bad", {"x": {1: 2}})),
    ("a batch with a value that is no mapping", lambda s: s.batch([PutOp(D, "bad", 7)])),  # type: ignore[arg-type]
    ("a namespace with a dot", lambda s: s.put(("a.b",), "bad", {"n": 1})),
    ("a namespace with an empty label", lambda s: s.batch([PutOp(("a", ""), "bad", {"n": 1})])),
    ("an unknown operator", lambda s: s.search(D, filter={"n": {"$unheard": 1}})),
    ("a nested object in a filter", lambda s: s.search(D, filter={"deep": {"a": 1}}, limit=9)),
    ("a list in a filter", lambda s: s.search(D, filter={"tags": ["a"]}, limit=9)),
    ("a range over text", lambda s: s.search(D, filter={"text": {"$gt": "b"}}, limit=9)),
    ("$ne", lambda s: s.search(D, filter={"text": {"$ne": "apple"}}, limit=9)),
    ("no limit", lambda s: s.search(D, limit=0)),
    ("a bad depth", lambda s: s.list_namespaces(max_depth=0)),
    ("a put after the refusals", lambda s: s.put(D, "good", {"n": 3})),
    ("all items", lambda s: s.search((), limit=100)),
    ("all namespaces", lambda s: s.list_namespaces(limit=100)),
]
INDEXED: list[Step] = [
    ("a put whose embedding fails", lambda s: s.put(D, "t", {"text": "trouble"})),
    ("the item whose embedding failed", lambda s: s.get(D, "t")),
    ("a batch whose embedding fails", lambda s: s.batch([PutOp(D, "u", {"text": "trouble"})])),
    ("the item of that batch", lambda s: s.get(D, "u")),
    ("a query whose embedding fails", lambda s: s.search(D, query="trouble")),
    ("a delete", lambda s: s.delete(D, "a")),
    ("a query for the deleted", lambda s: s.search(D, query="apple", limit=9)),
    ("a put without index", lambda s: s.put(D, "a", {"text": "kiwi"}, index=False)),
    ("a query for the old text", lambda s: s.search(D, query="apple", limit=9)),
    ("an overwrite", lambda s: s.put(D, "b", {"text": "cherry"})),
    ("a query for the new text", lambda s: s.search(D, query="cherry", limit=9)),
    ("a put with paths", lambda s: s.put(D, "c", {"text": "x", "title": "fig"}, index=["title"])),
    ("an overwrite by another path", lambda s: s.put(D, "b", {"title": "fig"}, index=["title"])),
    ("a query for the text that had a path", lambda s: s.search(D, query="cherry", limit=9)),
    ("a query for the path", lambda s: s.search(D, query="fig", limit=9)),
    ("a filtered query", lambda s: s.search(D, query="fig", filter={"text": "x"}, limit=9)),
    ("an empty query", lambda s: s.search(D, query="", limit=9)),
    ("a page of a query", lambda s: s.search(D, query="fig", limit=1, offset=1)),
    ("a batch of reads", lambda s: s.batch([GetOp(D, "a"), SearchOp(D, query="kiwi", limit=9)])),
    ("all items", lambda s: s.search((), limit=100)),
]


def _inhabit(store: Subject) -> None:
    store.put(D, "a", {"text": "apple", "n": 1, "tags": ["a"], "deep": {"a": 1}})
    store.put(D, "b", {"text": "banana", "n": 2})


def _shape(result: Any, scores: bool) -> Any:
    """A result without times and order; scores rounded, or left out where they are the store's own."""
    if isinstance(result, list):
        return sorted((_shape(r, scores) for r in result), key=repr)
    if hasattr(result, "namespace"):
        score = getattr(result, "score", None)
        told = score and (round(score, 3) if scores else "a score")
        return result.namespace, result.key, repr(result.value), told
    return result


PLAIN = (ValueError, TypeError, NotImplementedError)


def _outcomes(store: Subject, steps: list[Step], scores: bool) -> list[tuple[str, Any]]:
    _inhabit(store)
    outcomes: list[tuple[str, Any]] = []
    for _, call in steps:
        try:
            outcomes.append(("gave", _shape(call(store), scores)))
        except StoreRaisedError as raised:
            cause = raised.cause
            # Beyond the plain ones a driver's two halves may have classes of their own.
            kind = type(cause).__name__ if type(cause) in PLAIN else "an error"
            outcomes.append(("raised", kind))
    return outcomes


@case("O7", needs=BOTH_APIS, modes=(Mode.ASYNC,), params={"values": VALUES, "indexed": INDEXED})
def test_both_apis_refuse_and_leave_the_same(lab: Lab, steps: list[Step]) -> None:
    """
    What one API refuses the other refuses alike, and both leave the same items and vectors behind.

    If this fails, look at an async twin with code of its own: an exception it catches, a check it lacks.
    """
    indexed = steps is INDEXED
    if indexed and not lab.offers(Capability.VECTORS):
        lab.unsupported("declared: no vectors")
    scores = not indexed or by_cosine(lab)
    with lab.beside(Mode.SYNC) as other:
        index = lab.index("text", embed=TroubledEmbeddings()) if indexed else None
        expected = _outcomes(other.open(index=index), steps, scores)
    index = lab.index("text", embed=TroubledEmbeddings()) if indexed else None
    got = _outcomes(lab.open(index=index), steps, scores)

    for (what, _), one, two in zip(steps, expected, got, strict=True):
        lab.equal(two, one, f"{what} by the async API (expected: by the sync one)")


@case("O7", needs=(*BOTH_APIS, Capability.TTL), modes=(Mode.ASYNC,), waits=True)
def test_both_apis_keep_a_ttl_or_one_refuses_it(lab: Lab) -> None:
    """
    Where an item with a ttl ends by one API it does by the other, or the other refuses the ttl with an error.

    If this fails, look at a class for async callers that says ``supports_ttl = False`` and takes a ttl all the same.
    """
    lives = {mode: life(lab, mode) for mode in (Mode.SYNC, Mode.ASYNC)}
    told = {str(mode): found.value for mode, found in lives.items()}
    if Life.LASTS in lives.values() and not hasattr(lab.open().raw, "sweep_ttl"):
        lab.unverified(f"an item whose time is over may stay for a while: {BEST_EFFORT}")
    lab.true(
        set(lives.values()) != {Life.ENDS, Life.LASTS},
        "an item whose ttl has run out, by either API",
        expected="it ends by both, or the ttl is refused",
        got=told,
    )
