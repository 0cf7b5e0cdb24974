"""
One random history: a store and the model, driven side by side, step by step.

The steps are plain methods; `store_conformance.oracle.histories` makes Hypothesis' rules of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.errors import CheckFailedError, StoreRaisedError
from store_conformance.harness.journal import Journal
from store_conformance.harness.lab import Lab
from store_conformance.harness.text import message_of
from store_conformance.oracle import answers, explanation
from store_conformance.oracle.comparison import (
    EVERYTHING,
    Comparison,
    Divergence,
    DivergenceError,
)
from store_conformance.oracle.features import FEATURES
from store_conformance.oracle.model import Index, Matches, Model, Namespace, Place, Value
from store_conformance.oracle.strategies import Draws, derived, filter_feature

REFUSALS = (ValueError, TypeError, NotImplementedError)
"""By which a store says that it cannot answer a question, and not that it broke on one."""


class History(RuleBasedStateMachine):
    """
    One store of ``lab`` from its creation on, with the features ``on``.

    A divergence ends the history and is appended to ``last``, so that the shrunk one is the last of it.
    """

    lab: ClassVar[Lab]
    on: ClassVar[frozenset[str]]
    vectors: ClassVar[bool]
    draws: ClassVar[Draws]
    last: ClassVar[list[Divergence]]

    @initialize()
    def begin(self) -> None:
        self.lab.journal = Journal(seconds=self.lab.journal.seconds)
        field = "text" if "fields" in self.on else "$"
        self.store = self.lab.indexed(field) if self.vectors else self.lab.open()
        self.model = Model((field,) if self.vectors else None)
        self.used: dict[Place, Index] = {}
        self.compare = Comparison(self.store, self.model, self.on)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.lab.forget(self.store)

    # -- what is so now ---------------------------------------------------------------------------

    def has_items(self) -> bool:
        return bool(self.model.items)

    def has_several(self) -> bool:
        return len(self.model.items) > 1

    def has_room(self) -> bool:
        return len(self.model.items) < 12

    def may_batch(self) -> bool:
        return "batch" in self.on

    def may_query(self) -> bool:
        return self.vectors and "query" in self.on and self.has_several()

    def may_reopen(self) -> bool:
        return "reopen" in self.on and self.has_items()

    def a_prefix(self, data: st.DataObject) -> Namespace:
        """A prefix to search: mostly one that has items, sometimes any."""
        present = {n[:depth] for n, _ in self.model.items for depth in (0, 1, 2)}
        prefix: Namespace = data.draw(
            st.one_of(st.sampled_from(sorted(present or {()})), self.draws.prefix)
        )
        return prefix

    def a_place(self, data: st.DataObject) -> Place:
        """Where an item is."""
        place: Place = data.draw(st.sampled_from(sorted(self.model.items)))
        return place

    def repeats_a_text(self, puts: Iterable[tuple[Value | None, Index]]) -> bool:
        """Whether one call would hand the embedder the same text twice."""
        handed = [t for v, ix in puts if v is not None for t in self.model.texts(v, ix)]
        return len(set(handed)) < len(handed)

    def would_be_stale(self, ns: Namespace, k: str, ix: Index) -> bool:
        """Whether a put would change which vectors an item has, where that is excluded."""
        if "stale" in self.on or not self.vectors:
            return False
        known = (ns, k) in self.used
        before = self.used.setdefault((ns, k), ix)
        return known and (before is not None or ix is not None)

    # -- one step ---------------------------------------------------------------------------------

    def step(self, feature: str, work: Callable[[], object], asked: Value | None = None) -> None:
        """
        One step; what it raises is kept with the calls that led to it.

        ``asked``: the filter of a search, of which a store may refuse a bound that it cannot compare (F12).
        """
        try:
            work()
        except DivergenceError as error:
            self._keep(error.feature, error)
            raise
        except CheckFailedError as error:
            self._keep(feature, error)
            raise
        except StoreRaisedError as error:
            said = message_of(error.cause, 2000)
            if isinstance(error.cause, REFUSALS) and explanation.names_a_bound(said, asked or {}):
                self.lab.observe("refused.large_bounds", said[:80])
                return
            self._keep(feature, CheckFailedError(str(error)))
            raise

    def _keep(self, feature: str, error: CheckFailedError) -> None:
        calls = self.lab.journal.lines(20)
        self.last.append(
            Divergence(FEATURES[feature], feature, error.message, error.expected, error.got, calls)
        )

    # -- writes -----------------------------------------------------------------------------------

    def put(self, ns: Namespace, k: str, v: Value, ix: Index) -> None:
        given = {} if ix is None else {"index": ix}
        repeats = self.repeats_a_text([(v, ix)])
        if (repeats and "twins" not in self.on) or self.would_be_stale(ns, k, ix):
            return
        kind = "overwrite" if self.model.get(ns, k) else "get"
        feature = "twins" if repeats else "index" if ix else kind
        self.step(feature, lambda: self.store.put(ns, k, v, **given))
        self.model.put(ns, k, v, ix)
        self.step(kind, lambda: self.compare.get(ns, k, kind))

    def put_several(self, several: Sequence[tuple[Namespace, str, Value]]) -> None:
        for ns, k, v in several:
            self.put(ns, k, v, None)

    def overwrite(self, data: st.DataObject, v: Value, ix: Index) -> None:
        ns, k = self.a_place(data)
        self.put(ns, k, v, ix)

    def delete(self, data: st.DataObject) -> None:
        ns, k = self.a_place(data)
        self.delete_whatever(ns, k)
        self.step("delete", lambda: self.compare.get(ns, k, "delete"))

    def delete_whatever(self, ns: Namespace, k: str) -> None:
        self.step("delete", lambda: self.store.delete(ns, k))
        self.model.delete(ns, k)
        self.compare.born.pop((ns, k), None)

    # -- reads ------------------------------------------------------------------------------------

    def get(self, ns: Namespace, k: str) -> None:
        kind = "get" if self.model.get(ns, k) else "missing"
        self.step(kind, lambda: self.compare.get(ns, k, kind))

    def search(self, data: st.DataObject, cs: list[Value], limit: int, offset: int) -> None:
        p = self.a_prefix(data)
        for c in cs:
            kind = explanation.of_refusal(self.model, p, c, filter_feature(c))
            self.step(kind, partial(self.compare.search, p, c, limit, offset), c)

    def search_values(self, data: st.DataObject, limit: int, offset: int) -> None:
        for c in derived(self.model.items[self.a_place(data)].value, self.on):
            kind = explanation.of_refusal(self.model, (), c, filter_feature(c))
            self.step(kind, partial(self.compare.search, (), c, limit, offset), c)

    def search_each(self, limit: int, offset: int) -> None:
        """Under every prefix that has items, which are the ones that resemble one another."""
        present = sorted({n[:depth] for n, _ in self.model.items for depth in (1, 2)})
        for p in present[:8]:
            kind = "star" if "*" in p else "search"
            self.step(kind, partial(self.compare.search, p, {}, limit, offset))

    def query(self, data: st.DataObject, ts: list[str], c: Value, limit: int) -> None:
        p = self.a_prefix(data)
        feature = "query"
        if c:
            feature = explanation.of_refusal(self.model, p, c, filter_feature(c))
        for t in ts:
            self.step("query", partial(self.compare.query, (), t, {}, limit))
            self.step(feature, partial(self.compare.query, p, t, c, limit), c)

    def list_namespaces(
        self, p: Namespace | None, s: Namespace | None, depth: int | None, limit: int, offset: int
    ) -> None:
        given = {k: v for k, v in (("prefix", p), ("suffix", s), ("max_depth", depth)) if v}
        if "depth" not in self.on:
            given.pop("max_depth", None)
        if "listing" in self.on:
            self.step("listing", lambda: self.compare.listing(limit, offset, **given))

    # -- several operations at once ---------------------------------------------------------------

    def batch(
        self,
        data: st.DataObject,
        puts: list[tuple[Namespace, str, Value | None]],
        reads: list[Place],
    ) -> None:
        last_puts = {(n, k): v for n, k, v in puts}
        if "repeats" not in self.on:
            puts = [(n, k, v) for (n, k), v in last_puts.items()]
        if "twins" not in self.on and self.repeats_a_text((v, None) for v in last_puts.values()):
            return
        stale = [self.would_be_stale(n, k, None) for n, k in last_puts]
        if any(stale):  # each is asked, because asking remembers the place
            return
        ops: list[Any] = [PutOp(n, k, v) for n, k, v in puts]
        ops += [GetOp(n, k) for n, k in reads]
        ops.append(SearchOp((), None, EVERYTHING, 0))
        ops = data.draw(st.permutations(ops))
        self.step("batch", lambda: self._batch(ops))
        # Whoever wins among writes of one key is O3's, and not of the read that shows it.
        times = Counter((op.namespace, op.key) for op in ops if isinstance(op, PutOp))
        for place in (place for place in last_puts if times[place] > 1):
            self.step("repeats", partial(self.compare.get, *place, "repeats"))

    def _batch(self, ops: list[Any]) -> None:
        """Reads see what was there before the batch; then its writes are in the model."""
        before = self.model.search(())
        results = answers.results(self.store.batch(list(ops)), len(ops))
        for op, result in zip(ops, results, strict=True):
            if isinstance(op, GetOp):
                self._got_in_batch(op, result)
            elif isinstance(op, SearchOp):
                self.compare.found(result, before.certain, (), "batch", "a search in a batch")
        for op in ops:
            if isinstance(op, PutOp):
                # A delete before the put in one batch leaves created_at free.
                self.compare.born.pop((op.namespace, op.key), None)
                if op.value is None:
                    self.model.delete(op.namespace, op.key)
                else:
                    self.model.put(op.namespace, op.key, op.value)

    def _got_in_batch(self, op: GetOp, result: object) -> None:
        answers.item(result, "a GetOp in a batch")
        want = self.model.get(op.namespace, op.key)
        if (result is None) != (want is None):
            raise DivergenceError("batch", f"{op} in a batch", expected=want, got=result)

    # -- the store anew ---------------------------------------------------------------------------

    def reopen(self) -> None:
        self.step("reopen", self._reopened)

    def _reopened(self) -> None:
        self.store = self.lab.reopen(self.store)
        self.compare.store = self.store
        want: Matches = self.model.search(())
        everything = self.store.search((), limit=EVERYTHING)
        self.compare.found(everything, want.certain, (), "reopen", "search after reopening")
