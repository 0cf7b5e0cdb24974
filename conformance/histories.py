"""
Random histories: a Hypothesis state machine drives a store and the model side by side.

Every answer is compared under the freedoms that the contract leaves.  A divergence is shrunk by
Hypothesis and comes out as a `DivergenceError` with the rule that it breaks and the features of the step
at which it showed; the caller may switch those features off and look for the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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

from conformance.compat import GetOp, PutOp, SearchOp
from conformance.drawing import (
    KEYS,
    LABELS,
    PLAIN_KEYS,
    PLAIN_LABELS,
    derived,
    filter_feature,
    filters,
    texts,
    values,
)
from conformance.embedding.exact import ExactEmbeddings
from conformance.lab import Lab, type_difference
from conformance.model import Model, ModelItem
from conformance.outcome import CheckFailedError, Journal, StoreRaisedError, brief

if TYPE_CHECKING:
    from conformance.subject import Subject

EVERYTHING = 10_000
SHRINK_SECONDS = 5

FEATURES: dict[str, str] = {
    "get": "K1",
    "missing": "K2",
    "overwrite": "K3",
    "types": "K6",
    "floats": "K8",
    "created": "K4",
    "delete": "X1",
    "lookalike": "N7",
    "search": "S1",
    "page": "S4",
    "equal": "F1",
    "operator": "F3",
    "absent": "F5",
    "strings": "F4",
    "unequal": "F6",
    "list": "F9",
    "object": "F10",
    "bool": "F11",
    "listing": "L1",
    "emptied": "X5",
    "depth": "L2",
    "batch": "O2",
    "query": "V4",
    "score": "V5",
    "fields": "V2",
    "index": "V3",
    "twins": "V15",
    "stale": "V11",
    "reopen": "E4",
}
"""
What a history may contain, and the rule that a divergence at such a step is mapped to.

An expectation names in ``steer`` what the machine is to leave out because of it.  ``floats`` are numbers
such as 1.0 and -0.0, ``lookalike`` labels and keys that resemble one another, ``absent`` fields that
a range is asked of and that an item lacks, ``strings`` ranges over text, ``emptied`` namespaces whose items
are gone, ``fields`` an index over one field and not the whole value, ``index`` the override of a put,
``twins`` equal texts in one call, ``stale`` an overwrite that changes which vectors an item has.
"""


class DivergenceError(CheckFailedError):
    """The store's answer is none that the contract allows."""

    def __init__(self, feature: str, message: str, *, expected: Any, got: Any) -> None:
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
    expected: Any
    got: Any
    history: list[str] = field(default_factory=list)
    steady: bool = True
    """Whether it showed again when the same history was replayed."""


# -- comparing ------------------------------------------------------------------------------------


class Comparison:
    """Compares the store's answers with the model's."""

    def __init__(self, store: Subject, model: Model, on: frozenset[str]) -> None:
        self.store = store
        self.model = model
        self.on = on
        self.cosine = ExactEmbeddings().cosine
        self.born: dict[Any, tuple[Any, Any]] = {}

    def item(self, got: Any, want: ModelItem, feature: str) -> None:
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

    def get(self, namespace: tuple[str, ...], key: str, feature: str = "get") -> None:
        got, want = self.store.get(namespace, key), self.model.get(namespace, key)
        if (got is None) != (want is None):
            raise DivergenceError(feature, f"get({namespace!r}, {key!r})", expected=want, got=got)
        if got is not None and want is not None:
            self.item(got, want, feature)
            self._stamps(got, want)

    def _stamps(self, got: Any, want: ModelItem) -> None:
        if "created" not in self.on:
            return
        known = self.born.get(want.place)
        if known is not None and known[0] != got.created_at:
            raise DivergenceError(
                "created", "created_at changed", expected=known[0], got=got.created_at
            )
        self.born[want.place] = (got.created_at, got.updated_at)

    def found(self, got: list[Any], certain: Any, free: Any, feature: str, what: str) -> None:
        """A full listing: each certain match once, others only where they are free."""
        places = [(tuple(i.namespace), i.key) for i in got]
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
                feature,
                f"{what}: missing {lacking}, not allowed {extra}",
                expected=sorted(need),
                got=sorted(places),
            )
        for item in got:
            self.item(item, {**need, **may}[tuple(item.namespace), item.key], "search")

    def search(
        self, prefix: tuple[str, ...], conditions: dict[str, Any], limit: int, offset: int
    ) -> None:
        want = self.model.search(prefix, conditions)
        feature = filter_feature(conditions)
        given: dict[str, Any] = {"filter": conditions} if conditions else {}
        full = self.store.search(prefix, limit=EVERYTHING, **given)
        what = f"search({prefix!r}, filter={conditions!r})"
        self.found(full, want.certain, want.free, feature, what)
        if any(i.score is not None for i in full if hasattr(i, "score")):
            raise DivergenceError(
                "search", f"{what} has a score without a query", expected=None, got=full
            )
        if "page" in self.on:
            page = self.store.search(prefix, limit=limit, offset=offset, **given)
            self._page(page, full[offset : offset + limit], f"{what} limit {limit} offset {offset}")

    def _page(self, page: list[Any], want: list[Any], what: str) -> None:
        got = [(tuple(i.namespace), i.key) for i in page]
        wanted = [(tuple(i.namespace), i.key) for i in want]
        if got != wanted:
            raise DivergenceError(
                "page", f"{what} is no slice of all matches", expected=wanted, got=got
            )

    def query(
        self, prefix: tuple[str, ...], text: str, conditions: dict[str, Any], limit: int
    ) -> None:
        want = self.model.search(prefix, conditions)
        scores = self.model.scores((*want.certain, *want.free), text, self.cosine)
        given: dict[str, Any] = {"filter": conditions} if conditions else {}
        full = self.store.search(prefix, query=text, limit=EVERYTHING, **given)
        what = f"search({prefix!r}, query={text!r}, filter={conditions!r})"
        scored = [i for i in full if i.score is not None]
        certain = [i for i in want.certain if i.texts]
        rest = [i for i in want.certain if not i.texts]
        feature = "query" if not conditions else filter_feature(conditions)
        free = [*want.free, *rest]
        self.found(full, certain, free, feature, what)
        given_scores = [i.score for i in scored]
        if given_scores != sorted(given_scores, reverse=True) or full[: len(scored)] != scored:
            raise DivergenceError(
                "query", f"{what} is not best first", expected="descending", got=given_scores
            )
        for item in scored:
            right = scores.get((tuple(item.namespace), item.key))
            if right is None:
                raise DivergenceError(
                    "stale",
                    f"{what} scores {item.key!r}, which has no vector",
                    expected=None,
                    got=item.score,
                )
            if "score" in self.on and abs(right - item.score) > 2e-3:
                raise DivergenceError(
                    "score", f"{what} scores {item.key!r} wrongly", expected=right, got=item.score
                )
        if "page" in self.on:
            top = self.store.search(prefix, query=text, limit=limit, **given)
            best = [round(s, 3) for s in given_scores[:limit]]
            if [round(i.score, 3) for i in top if i.score is not None] != best:
                raise DivergenceError(
                    "query",
                    f"{what} limit {limit} is not the best",
                    expected=best,
                    got=[i.score for i in top],
                )

    def listing(self, limit: int, offset: int, **conditions: Any) -> None:
        want = self.model.namespaces(**conditions)
        full = self.store.list_namespaces(limit=EVERYTHING, **conditions)
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
        page = self.store.list_namespaces(limit=limit, offset=offset, **conditions)
        if page != full[offset : offset + limit]:
            raise DivergenceError(
                feature,
                f"{what} limit {limit} offset {offset}",
                expected=full[offset : offset + limit],
                got=page,
            )


# -- the machine ----------------------------------------------------------------------------------


def machine(lab: Lab, on: frozenset[str], vectors: bool, last: list[Divergence]) -> Any:
    """
    A state machine class over stores of ``lab`` with the features ``on``.

    Divergences end the history and are appended to ``last``, so that the shrunk one is the last of it.
    """
    odd = "lookalike" in on
    label = st.sampled_from(LABELS if odd else PLAIN_LABELS)
    key = st.sampled_from(KEYS if odd else PLAIN_KEYS)
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
            """Whether a put would change which vectors an item has, where that is steered around."""
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
                kind = filter_feature(c)
                self.step(kind, lambda c=c: self.compare.search(p, c, limit, offset))

        @precondition(lambda self: len(self.model.items) > 1)
        @rule(data=st.data(), limit=small, offset=small)
        def search_values(self, data: Any, limit: int, offset: int) -> None:
            place = data.draw(st.sampled_from(sorted(self.model.items)))
            for c in derived(self.model.items[place].value, on):
                kind = filter_feature(c)
                self.step(kind, lambda c=c: self.compare.search((), c, limit, offset))

        @precondition(lambda self: len(self.model.items) > 1)
        @rule(limit=small, offset=small)
        def search_each(self, limit: int, offset: int) -> None:
            """Under every prefix that has items, which are the ones that resemble one another."""
            present = sorted({n[:depth] for n, _ in self.model.items for depth in (1, 2)})
            for p in present[:8]:
                self.step("search", lambda p=p: self.compare.search(p, {}, limit, offset))

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

        def _batch(self, ops: Any) -> None:
            before = self.model.search(())
            results = self.store.batch(list(ops))
            for op, result in zip(ops, results):
                if isinstance(op, GetOp):
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
            feature = filter_feature(c) if c else "query"
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
    kind = seeded(seed)(machine(lab, on, vectors, last))
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


def text_of(found: Divergence) -> str:
    """One divergence as a message."""
    unsteady = "" if found.steady else " (not every time the history is replayed)"
    return f"{brief(found.message, 300)}{unsteady}"
