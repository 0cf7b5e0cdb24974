"""
E7: the vectors of memories move along with them, and mean the same in the other store.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from store_conformance.contract import Capability, Mode
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.backends import BUILT_IN, vectors_of
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.private_engines import partner
from store_conformance.harness.subject import Subject
from store_conformance.migration.carrying import Carrying, KnownVectors, agreed
from store_conformance.migration.journal import Entry
from store_conformance.migration.transfer import Exported, MigrationError

FIELDS = ("$",)
"""The whole value: which fields a store embeds is for other rules to judge, and not all keep them."""
WORDS = ("apple", "banana", "cherry", "damson", "elder", "fig", "grape", "hazel", "iris", "juniper")
QUERIES = ("apple banana", "fig*3 grape", "iris hazel*2 juniper cherry")
BARE = Exported(("carried", "bare"), "k", {"text": "apple banana"})
CLOSE = 5e-3
"""How far two scores may be apart: some engines keep vectors in half the bits."""
SEEN_SECONDS = 5.0
"""How long a store may take until a search finds what was put."""

Scores = dict[tuple[tuple[str, ...], str], float | None]


def _items() -> list[Exported]:
    """Each of another meaning, in two namespaces."""
    return [
        Exported(("carried", f"u{n % 2}"), word, {"text": f"{word}*{n % 3 + 2} {WORDS[n - 3]}"})
        for n, word in enumerate(WORDS)
    ]


@case(
    "E7",
    needs=(Capability.VECTORS,),
    params={name: name for name in BUILT_IN},
    modes=(Mode.SYNC,),
    serial=True,
    thorough=True,
)
def test_vectors_are_carried_to_every_other_backend(lab: Lab, name: str) -> None:
    """
    Items move with their vectors into a store of each backend that is shipped: no text is embedded anew, an item
    without vectors stays without, and searches by meaning find the same with the same scores.

    Where this store's vectors cannot be read, it is the one that is given those of the other.  An engine that is not
    there, or raises, leaves the pair unverified: the other store is judged by its own runs.
    """
    other = lab.backend if name == lab.backend.name else partner(name)
    lacking = {Capability.SYNC, Capability.VECTORS} - set(other.capabilities)
    if lacking:
        lab.unsupported(f"{name} has no {', '.join(sorted(map(str, lacking)))}")
    mine = lab.indexed(*FIELDS, embed=_embedder())
    with _judged_elsewhere(lab, name, theirs=True):
        theirs = lab.open(index=lab.index(*FIELDS, embed=_embedder()), backend=other)
    source, target = (mine, theirs) if vectors_of(mine.raw) is not None else (theirs, mine)
    if vectors_of(source.raw) is None:
        lab.unsupported(f"neither this store's vectors can be read nor those of {name}")

    with _judged_elsewhere(lab, name, theirs=source is theirs):
        for item in _items():
            source.put(item.namespace, item.key, item.value)
        source.put(BARE.namespace, BARE.key, BARE.value, index=False)
        wanted = [_scores(lab, source, query) for query in QUERIES]
    with _judged_elsewhere(lab, name, theirs=target is theirs):
        _carry(lab, source, target)
        found = [_scores(lab, target, query) for query in QUERIES]
    for query, one, two in zip(QUERIES, wanted, found, strict=True):
        _compare(lab, query, one, two)
    lab.observe("migration.vectors", f"{len(_items())} items", to=name)


def _embedder() -> KnownVectors:
    return KnownVectors(ExactEmbeddings())


@contextmanager
def _judged_elsewhere(lab: Lab, name: str, *, theirs: bool) -> Iterator[None]:
    """What the other store raises is not this one's."""
    try:
        yield
    except StoreRaisedError as error:
        if theirs:
            lab.unverified(
                f"{name} itself raised {type(error.cause).__name__}: {error.cause}"[:300]
            )
        raise


def _carry(lab: Lab, source: Subject, target: Subject) -> None:
    """As ``migrate --vectors carry`` does it: the target's embedder is told what the vectors are."""
    assert target.index is not None
    known = target.index["embed"]
    assert isinstance(known, KnownVectors)
    entries = [Entry(n, item, {}) for n, item in enumerate([*_items(), BARE])]
    try:
        carrying = Carrying(agreed(source.raw, target.index), known, FIELDS)
        carrying.check(entries)
        taught = [(entry.item, index) for entry, index in carrying.taught(entries)]
    except MigrationError as error:
        lab.fail("the vectors that the store keeps are not those of its texts", got=str(error))
        raise
    target.batch([PutOp(i.namespace, i.key, i.value, index=index) for i, index in taught])
    lab.equal(known.asked, 0, "texts that were embedded anew")
    done = carrying.done
    lab.equal(
        (done.items, done.bare, done.anew), (len(_items()), 1, 0), "items carried, bare, anew"
    )


def _scores(lab: Lab, store: Subject, query: str) -> Scores:
    def found() -> Scores:
        hits = store.search(("carried",), query=query, limit=100)
        every = {(tuple(hit.namespace), hit.key): hit.score for hit in hits}
        # InMemoryStore adds what it has no vectors of, without a score: that is V8's to judge.
        return {place: score for place, score in every.items() if score is not None} or every

    lab.attempt_until(lambda: len(found()) >= len(_items()), SEEN_SECONDS)
    return found()


def _compare(lab: Lab, query: str, wanted: Scores, found: Scores) -> None:
    lab.equal(sorted(found), sorted(wanted), f"the items that a search for {query!r} finds")
    for place, score in wanted.items():
        other = found[place]
        if score is None or other is None:
            continue  # a store that gives no scores
        close = math.isclose(score, other, abs_tol=CLOSE)
        lab.true(
            close, f"the score of {place!r} for {query!r}, before and after", got=(score, other)
        )
