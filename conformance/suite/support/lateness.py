"""
When a store embeds: while the put is under way, or after it has acknowledged it.

No sentence of the docs says when.  A store that embeds in the first query, or in a thread behind its puts, cannot
refuse a put whose text it has not looked at; what it owes then is that the text is embedded once that is possible.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from store_conformance.harness.errors import CheckFailedError, StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.embedders import (
    WELL,
    TroubledEmbeddings,
    WaitingEmbeddings,
)
from store_conformance.suite.support.ranking import is_score
from store_conformance.suite.support.scale import by_cosine
from store_conformance.suite.support.turns import turn

D = ("d",)
HELD_SECONDS = 1.0
"""How long the embedder keeps the text that is looked for; a put that waits for it takes as long."""
CAUGHT_UP_SECONDS = 10.0

_seen: WeakKeyDictionary[Any, dict[str, bool]] = WeakKeyDictionary()


def embeds_later(lab: Lab) -> bool:
    """Whether the store acknowledges a put before it has its vectors, asked once a backend and mode."""
    with turn(lab):
        known = _seen.setdefault(lab.backend, {})
        if lab.mode not in known:
            known[lab.mode] = _look(lab)
        return known[lab.mode]


def _look(lab: Lab) -> bool:
    """Put a text that takes its time, in a lab of its own, so that the case's calls are its own."""
    embed = WaitingEmbeddings(patience=HELD_SECONDS)
    with lab.beside() as other:
        try:
            other.indexed("text", embed=embed).put(D, "k", {"text": "gate apple"})
            return not any("gate" in text for text in embed.documents)
        except (StoreRaisedError, AssertionError):
            return False
        finally:
            embed.release.set()


def refused(lab: Lab, put: Any, what: str) -> bool:
    """
    Whether the put raised, as it must in a store that embeds meanwhile; one that embeds later may take it.
    """
    try:
        with lab.refuses(Exception, what):
            put()
    except CheckFailedError:
        if not embeds_later(lab):
            raise
        return False
    return True


def is_made_up_for(lab: Lab, store: Subject, embed: TroubledEmbeddings, keys: list[str]) -> None:
    """
    Items that were acknowledged while the embedder was in trouble are found by 'kiwi' once it is well.

    Until then a query may raise, or find what has a vector.
    """
    lab.attempt(lambda: store.search(D, query="kiwi"))
    embed.kind = WELL

    def found() -> bool:
        items: list[Any] = []
        if lab.attempt(lambda: items.extend(store.search(D, query="kiwi", limit=100))) is not None:
            return False
        scores = {i.key: i.score for i in items}
        near = [key for key in keys if is_score(scores.get(key))]
        return near == keys and (not by_cosine(lab) or all(scores[key] > 0.9 for key in keys))

    what = f"{keys} were acknowledged before they were embedded, and are found once the embedder is well"
    lab.until(found, CAUGHT_UP_SECONDS, what)
