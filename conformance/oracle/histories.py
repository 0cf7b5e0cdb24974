"""
Random histories: a Hypothesis state machine drives a store and the model side by side.

Every answer is compared under the freedoms that the contract leaves.  A divergence is shrunk by
Hypothesis and comes out as a `DivergenceError` with the rule that it breaks and the features of the step
at which it showed; the caller may switch those features off and look for the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.database import ExampleDatabase
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.errors import CheckFailedError, StoreRaisedError
from store_conformance.harness.journal import Journal
from store_conformance.harness.lab import Lab
from store_conformance.oracle import answers, blame
from store_conformance.oracle.comparison import (
    EVERYTHING,
    FEATURES,
    Comparison,
    Divergence,
    DivergenceError,
)
from store_conformance.oracle.model import Model
from store_conformance.oracle.strategies import (
    PLAIN_KEYS,
    PLAIN_LABELS,
    Vocabulary,
    derived,
    filter_feature,
    filters,
    texts,
    values,
)

if TYPE_CHECKING:
    pass

SHRINK_SECONDS = 5

# -- the machine ----------------------------------------------------------------------------------


def machine(
    lab: Lab,
    on: frozenset[str],
    vectors: bool,
    last: list[Divergence],
    vocabulary: Vocabulary,
) -> Any:
    """
    A state machine class over stores of ``lab`` with the features ``on``.

    Divergences end the history and are appended to ``last``, so that the shrunk one is the last of it.
    """
    odd = "lookalike" in on
    labels = [x for x in vocabulary.labels if x != "*" or "star" in on]
    label = st.sampled_from(labels if odd else PLAIN_LABELS)
    key = st.sampled_from(vocabulary.keys if odd else PLAIN_KEYS)
    namespace = st.lists(label, min_size=1, max_size=3).map(tuple)
    prefix = st.lists(label, max_size=2).map(tuple)
    pattern = st.lists(
        st.one_of(label.filter(lambda x: x != "*"), st.just("*")), min_size=1, max_size=2
    ).map(tuple)
    plain_pattern = st.lists(label.filter(lambda x: x != "*"), min_size=1, max_size=2).map(tuple)
    small = st.integers(0, 5)
    index = st.sampled_from(
        [None, None, None, False, ["s"], ["notes[*].text"], ["notes[-1].text", "text"]]
    )
    chosen = index if vectors and "index" in on else st.none()
    value = values(on)
    condition = filters(on)

    class History(RuleBasedStateMachine):
        """One store from its creation on."""

        @initialize()
        def begin(self) -> None:
            lab.journal = Journal(seconds=lab.journal.seconds)
            field = "text" if "fields" in on else "$"
            self.store = lab.indexed(field) if vectors else lab.open()
            self.model = Model((field,) if vectors else None)
            self.used: dict[Any, Any] = {}
            self.compare = Comparison(self.store, self.model, on)

        def teardown(self) -> None:
            if hasattr(self, "store"):
                lab.forget(self.store)

        def step(self, feature: str, work: Any) -> None:
            """One step; what it raises is kept with the calls that led to it."""
            try:
                work()
            except DivergenceError as error:
                last.append(_divergence(lab, error.feature, error))
                raise
            except CheckFailedError as error:
                last.append(_divergence(lab, feature, error))
                raise
            except StoreRaisedError as error:
                last.append(_divergence(lab, feature, CheckFailedError(str(error))))
                raise

        @rule(ns=namespace, k=key, v=value, ix=chosen)
        def put(self, ns: Any, k: str, v: Any, ix: Any) -> None:
            given = {} if ix is None else {"index": ix}
            doubled = self.doubled([(v, ix)])
            if (doubled and "twins" not in on) or self.would_be_stale(ns, k, ix):
                return
            kind = "overwrite" if self.model.get(ns, k) else "get"
            feature = "twins" if doubled else "index" if ix else kind
            self.step(feature, lambda: self.store.put(ns, k, v, **given))
            self.model.put(ns, k, v, ix)
            self.step(kind, lambda: self.compare.get(ns, k, kind))

        def doubled(self, puts: Any) -> bool:
            """Whether one call would hand the embedder the same text twice."""
            handed = [t for v, ix in puts if v is not None for t in self.model.texts(v, ix)]
            return len(set(handed)) < len(handed)

        def would_be_stale(self, ns: Any, k: str, ix: Any) -> bool:
            """Whether a put would change which vectors an item has, where that is excluded."""
            if "stale" in on or not vectors:
                return False
            known = (ns, k) in self.used
            before = self.used.setdefault((ns, k), ix)
            return known and (before is not None or ix is not None)

        @precondition(lambda self: len(self.model.items) < 12)
        @rule(several=st.lists(st.tuples(namespace, key, value), min_size=2, max_size=6))
        def put_several(self, several: Any) -> None:
            for ns, k, v in several:
                self.put(ns, k, v, None)

        @precondition(lambda self: self.model.items)
        @rule(data=st.data(), v=value, ix=chosen)
        def overwrite(self, data: Any, v: Any, ix: Any) -> None:
            ns, k = data.draw(st.sampled_from(sorted(self.model.items)))
            self.put(ns, k, v, ix)

        @precondition(lambda self: self.model.items)
        @rule(data=st.data())
        def delete(self, data: Any) -> None:
            ns, k = data.draw(st.sampled_from(sorted(self.model.items)))
            self.step("delete", lambda: self.store.delete(ns, k))
            self.model.delete(ns, k)
            self.compare.born.pop((ns, k), None)
            self.step("delete", lambda: self.compare.get(ns, k, "delete"))

        @rule(ns=namespace, k=key)
        def delete_whatever(self, ns: Any, k: str) -> None:
            self.step("delete", lambda: self.store.delete(ns, k))
            self.model.delete(ns, k)
            self.compare.born.pop((ns, k), None)

        @rule(ns=namespace, k=key)
        def get(self, ns: Any, k: str) -> None:
            kind = "get" if self.model.get(ns, k) else "missing"
            self.step(kind, lambda: self.compare.get(ns, k, kind))

        def under(self, data: Any) -> Any:
            """A prefix to search: mostly one that has items, sometimes any."""
            present = {n[:depth] for n, _ in self.model.items for depth in (0, 1, 2)}
            return data.draw(st.one_of(st.sampled_from(sorted(present or {()})), prefix))

        @rule(
            data=st.data(),
            cs=st.lists(condition, min_size=2, max_size=5),
            limit=small,
            offset=small,
        )
        def search(self, data: Any, cs: Any, limit: int, offset: int) -> None:
            p = self.under(data)
            for c in cs:
                kind = blame.of_refusal(self.model, p, c, filter_feature(c))
                self.step(kind, lambda c=c: self.compare.search(p, c, limit, offset))

        @precondition(lambda self: len(self.model.items) > 1)
        @rule(data=st.data(), limit=small, offset=small)
        def search_values(self, data: Any, limit: int, offset: int) -> None:
            place = data.draw(st.sampled_from(sorted(self.model.items)))
            for c in derived(self.model.items[place].value, on):
                kind = blame.of_refusal(self.model, (), c, filter_feature(c))
                self.step(kind, lambda c=c: self.compare.search((), c, limit, offset))

        @precondition(lambda self: len(self.model.items) > 1)
        @rule(limit=small, offset=small)
        def search_each(self, limit: int, offset: int) -> None:
            """Under every prefix that has items, which are the ones that resemble one another."""
            present = sorted({n[:depth] for n, _ in self.model.items for depth in (1, 2)})
            for p in present[:8]:
                kind = "star" if "*" in p else "search"
                self.step(kind, lambda p=p: self.compare.search(p, {}, limit, offset))

        @rule(
            p=st.one_of(st.none(), pattern),
            s=st.one_of(st.none(), plain_pattern),
            depth=st.sampled_from([None, None, 1, 2]),
            limit=small,
            offset=small,
        )
        def list_namespaces(self, p: Any, s: Any, depth: Any, limit: int, offset: int) -> None:
            given = {k: v for k, v in (("prefix", p), ("suffix", s), ("max_depth", depth)) if v}
            if "depth" not in on:
                given.pop("max_depth", None)
            if "listing" in on:
                self.step("listing", lambda: self.compare.listing(limit, offset, **given))

        @precondition(lambda self: "batch" in on)
        @rule(
            data=st.data(),
            puts=st.lists(st.tuples(namespace, key, st.one_of(st.none(), value)), max_size=4),
            reads=st.lists(st.tuples(namespace, key), max_size=3),
        )
        def batch(self, data: Any, puts: Any, reads: Any) -> None:
            last_puts = {(n, k): v for n, k, v in puts}
            if "repeats" not in on:
                puts = [(n, k, v) for (n, k), v in last_puts.items()]
            if "twins" not in on and self.doubled([(v, None) for v in last_puts.values()]):
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
            for n, k in last_puts:
                if sum((n, k) == (op[0], op[1]) for op in ops if isinstance(op, PutOp)) > 1:
                    self.step("repeats", lambda n=n, k=k: self.compare.get(n, k, "repeats"))

        def _batch(self, ops: Any) -> None:
            before = self.model.search(())
            results = answers.results(self.store.batch(list(ops)), len(ops))
            for op, result in zip(ops, results, strict=True):
                if isinstance(op, GetOp):
                    answers.item(result, "a GetOp in a batch")
                    want = self.model.get(op.namespace, op.key)
                    if (result is None) != (want is None):
                        raise DivergenceError(
                            "batch", f"{op} in a batch", expected=want, got=result
                        )
                elif isinstance(op, SearchOp):
                    self.compare.found(result, before.certain, (), "batch", "a search in a batch")
            for op in ops:
                if isinstance(op, PutOp) and op.value is None:
                    self.model.delete(op.namespace, op.key)
                    self.compare.born.pop((op.namespace, op.key), None)
                elif isinstance(op, PutOp):
                    # A delete before the put in one batch leaves created_at free.
                    self.compare.born.pop((op.namespace, op.key), None)
                    self.model.put(op.namespace, op.key, op.value or {})

        @precondition(lambda self: vectors and "query" in on and len(self.model.items) > 1)
        @rule(
            data=st.data(),
            ts=st.lists(texts, min_size=1, max_size=3),
            c=condition,
            limit=st.integers(1, 5),
        )
        def query(self, data: Any, ts: Any, c: Any, limit: int) -> None:
            p = self.under(data)
            feature = blame.of_refusal(self.model, p, c, filter_feature(c)) if c else "query"
            for t in ts:
                self.step("query", lambda t=t: self.compare.query((), t, {}, limit))
                self.step(feature, lambda t=t: self.compare.query(p, t, c, limit))

        @precondition(lambda self: "reopen" in on and self.model.items)
        @rule()
        def reopen(self) -> None:
            def again() -> None:
                self.store = lab.reopen(self.store)
                self.compare.store = self.store
                want = self.model.search(())
                self.compare.found(
                    self.store.search((), limit=EVERYTHING),
                    want.certain,
                    (),
                    "reopen",
                    "search after reopening",
                )

            self.step("reopen", again)

    return History


def _divergence(lab: Lab, feature: str, error: CheckFailedError) -> Divergence:
    return Divergence(
        FEATURES[feature], feature, error.message, error.expected, error.got, lab.journal.lines(20)
    )


def explore(
    lab: Lab,
    on: frozenset[str],
    *,
    vectors: bool,
    examples: int,
    steps: int,
    seed: int,
    database: ExampleDatabase | None,
    vocabulary: Vocabulary | None = None,
) -> Divergence | None:
    """
    Run ``examples`` histories of ``steps`` steps; the shrunk divergence, or ``None`` if there was none.
    """
    import hypothesis.internal.conjecture.engine as engine
    from hypothesis import seed as seeded
    from hypothesis.errors import Flaky

    # Shrinking may take Hypothesis minutes; a shorter history is not worth that in a CI gate.
    if hasattr(engine, "MAX_SHRINKING_SECONDS"):
        engine.MAX_SHRINKING_SECONDS = SHRINK_SECONDS
    last: list[Divergence] = []
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=database,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        phases=[p for p in Phase if p is not Phase.explain],
    )
    kind = seeded(seed)(machine(lab, on, vectors, last, vocabulary or Vocabulary()))
    try:
        run_state_machine_as_test(kind, settings=chosen)
    except (CheckFailedError, StoreRaisedError):
        return last[-1]
    except Flaky:
        if not last:
            raise
        last[-1].steady = False
        return last[-1]
    return None
