"""
What random histories compare: the store's answers beside the model's, and what a divergence is.

The freedoms that the contract leaves (order of ties, unindexed items in a ranking) are no divergence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.compat import Item
from store_conformance.harness.errors import CheckFailedError
from store_conformance.harness.lab import type_difference
from store_conformance.harness.text import shorten
from store_conformance.oracle import answers, explanation
from store_conformance.oracle.features import FEATURES
from store_conformance.oracle.model import Model, ModelItem, Namespace, Place, Value
from store_conformance.oracle.strategies import filter_feature

if TYPE_CHECKING:
    from store_conformance.harness.subject import Subject

Scope = tuple[Namespace, Value]
"""A prefix and a filter."""
EVERYTHING = 500
"""More than any history holds, and no more than an engine gives in one page."""


class DivergenceError(CheckFailedError):
    """The store's answer is none that the contract allows."""

    def __init__(self, feature: str, message: str, *, expected: object, got: object) -> None:
        super().__init__(message, expected=expected, got=got)
        self.feature = feature

    @property
    def rule_id(self) -> str:
        return FEATURES[self.feature]


@dataclass
class Divergence:
    """One divergence after shrinking, with its history."""

    rule_id: str
    feature: str
    message: str
    expected: object
    got: object
    history: list[str] = field(default_factory=list)
    steady: bool = True
    """Whether it showed again when the same history was replayed."""


class Comparison:
    """Compares the store's answers with the model's."""

    def __init__(self, store: Subject, model: Model, on: frozenset[str]) -> None:
        self.store = store
        self.model = model
        self.on = on
        self.cosine = ExactEmbeddings().cosine
        self.born: dict[Place, tuple[datetime, datetime]] = {}

    def item(self, got: Item, want: ModelItem, feature: str) -> None:
        answers.item(got, "a read")
        place = (tuple(got.namespace), got.key)
        if place != want.place:
            raise DivergenceError(feature, "another item came back", expected=want.place, got=place)
        difference = type_difference(got.value, want.value)
        if difference and not ("floats" not in self.on and got.value == want.value):
            equal = got.value == want.value
            kind = feature if not equal else "types" if "(bool)" in difference else "floats"
            raise DivergenceError(
                kind, f"the value differs: {difference}", expected=want.value, got=got.value
            )

    def get(self, namespace: Namespace, key: str, feature: str = "get") -> None:
        got, want = self.store.get(namespace, key), self.model.get(namespace, key)
        if (got is None) != (want is None):
            raise DivergenceError(feature, f"get({namespace!r}, {key!r})", expected=want, got=got)
        if got is not None and want is not None:
            self.item(got, want, feature)
            self._stamps(got, want)

    def _stamps(self, got: Item, want: ModelItem) -> None:
        if "created" not in self.on:
            return
        known = self.born.get(want.place)
        if known is not None and known[0] != got.created_at:
            raise DivergenceError(
                "created", "created_at changed", expected=known[0], got=got.created_at
            )
        self.born[want.place] = (got.created_at, got.updated_at)

    def found(
        self,
        got: list[Any],
        certain: Iterable[ModelItem],
        free: Iterable[ModelItem],
        feature: str,
        what: str,
        scope: Scope | None = None,
    ) -> None:
        """
        A full listing: each certain match once, others only where they are free.

        ``scope`` is what was searched for, by which a wrong answer goes to the weakest rule that explains it.
        """
        places = [(tuple(i.namespace), i.key) for i in answers.items(got, what)]
        if len(set(places)) != len(places):
            raise DivergenceError(
                feature, f"{what} gives an item twice", expected="each once", got=places
            )
        need = {i.place: i for i in certain}
        may = {i.place: i for i in free}
        lacking = sorted(set(need) - set(places))
        extra = sorted(set(places) - set(need) - set(may))
        if lacking or extra:
            raise DivergenceError(
                self._explains(lacking, extra, scope, feature),
                f"{what}: missing {lacking}, not allowed {extra}",
                expected=sorted(need),
                got=sorted(places),
            )
        for item in got:
            self.item(item, {**need, **may}[tuple(item.namespace), item.key], "search")

    def _explains(
        self, lacking: list[Place], extra: list[Place], scope: Scope | None, feature: str
    ) -> str:
        if scope is None:
            return feature
        known = self.model.items
        reasons = [explanation.of_missing(known[place], *scope) for place in lacking]
        reasons += [explanation.of_extra(known.get(place), *scope) for place in extra]
        found = explanation.strongest(reasons, feature)
        if found == "search":  # a filter is not to blame for what its prefix lets in
            return feature if feature in ("query", "reopen") else "search"
        return found

    def search(self, prefix: Namespace, conditions: Value, limit: int, offset: int) -> None:
        want = self.model.search(prefix, conditions)
        feature = filter_feature(conditions)
        given: dict[str, Any] = {"filter": conditions} if conditions else {}
        full = self.store.search(prefix, limit=EVERYTHING, **given)
        what = f"search({prefix!r}, filter={conditions!r})"
        self.found(full, want.certain, want.free, feature, what, (prefix, conditions))
        if any(i.score is not None for i in full if hasattr(i, "score")):
            raise DivergenceError(
                "search", f"{what} has a score without a query", expected=None, got=full
            )
        if "page" in self.on:
            page = self.store.search(prefix, limit=limit, offset=offset, **given)
            self._page(page, full[offset : offset + limit], f"{what} limit {limit} offset {offset}")

    def _page(self, page: list[Any], want: list[Any], what: str) -> None:
        got = [(tuple(i.namespace), i.key) for i in answers.items(page, what)]
        wanted = [(tuple(i.namespace), i.key) for i in want]
        if got != wanted:
            raise DivergenceError(
                "page", f"{what} is no slice of all matches", expected=wanted, got=got
            )

    def query(self, prefix: Namespace, text: str, conditions: Value, limit: int) -> None:
        want = self.model.search(prefix, conditions)
        given: dict[str, Any] = {"filter": conditions} if conditions else {}
        full = self.store.search(prefix, query=text, limit=EVERYTHING, **given)
        what = f"search({prefix!r}, query={text!r}, filter={conditions!r})"
        scored = [i for i in answers.items(full, what) if i.score is not None]
        certain = [i for i in want.certain if i.texts]
        rest = [i for i in want.certain if not i.texts]
        feature = "query" if not conditions else filter_feature(conditions)
        free = [*want.free, *rest]
        self.found(full, certain, free, feature, what, (prefix, conditions))
        scores = [i.score for i in scored]
        if scores != sorted(scores, reverse=True) or full[: len(scored)] != scored:
            raise DivergenceError(
                "query", f"{what} is not best first", expected="descending", got=scores
            )
        self._scores(
            scored, self.model.scores((*want.certain, *want.free), text, self.cosine), what
        )
        if "page" in self.on and "nearest" in self.on:
            top = answers.items(self.store.search(prefix, query=text, limit=limit, **given), what)
            self._best(top, scores[:limit], f"{what} limit {limit}")

    def _scores(self, scored: list[Any], right: dict[Place, float], what: str) -> None:
        """Each item that has a score has a vector, and the score is its best cosine."""
        for item in scored:
            wanted = right.get((tuple(item.namespace), item.key))
            if wanted is None:
                raise DivergenceError(
                    "stale",
                    f"{what} scores {item.key!r}, which has no vector",
                    expected=None,
                    got=item.score,
                )
            if "score" in self.on and abs(wanted - item.score) > 2e-3:
                raise DivergenceError(
                    "score", f"{what} scores {item.key!r} wrongly", expected=wanted, got=item.score
                )

    def _best(self, top: list[Any], scores: list[float], what: str) -> None:
        """A page of the nearest has the best scores; which of several equals it shows is free."""
        best = [round(score, 3) for score in scores]
        if [round(i.score, 3) for i in top if i.score is not None] != best:
            raise DivergenceError(
                "query", f"{what} is not the best", expected=best, got=[i.score for i in top]
            )

    def listing(self, limit: int, offset: int, **conditions: Any) -> None:
        want = self.model.namespaces(**conditions)
        full = answers.namespaces(self.store.list_namespaces(limit=EVERYTHING, **conditions))
        feature = "depth" if conditions.get("max_depth") else "listing"
        what = f"list_namespaces({conditions!r})"
        extra = sorted(set(full) - want)
        present = self.model.namespaces(max_depth=conditions.get("max_depth"))
        if extra and want <= set(full) and "emptied" not in self.on:
            return  # a namespace that was emptied is known to be listed, also at a depth of others
        if extra and want <= set(full) and not present & set(extra):
            raise DivergenceError(
                "emptied",
                f"{what} lists namespaces without items",
                expected=sorted(want),
                got=extra,
            )
        if len(set(full)) != len(full) or set(full) != want:
            raise DivergenceError(feature, what, expected=sorted(want), got=sorted(full))
        if "pages" not in self.on:
            return
        page = answers.namespaces(
            self.store.list_namespaces(limit=limit, offset=offset, **conditions)
        )
        if page != full[offset : offset + limit]:
            raise DivergenceError(
                "pages",
                f"{what} limit {limit} offset {offset}",
                expected=full[offset : offset + limit],
                got=page,
            )


def text_of(found: Divergence) -> str:
    """One divergence as a message."""
    unsteady = "" if found.steady else " (not every time the history is replayed)"
    return f"{shorten(found.message, 300)}{unsteady}"
