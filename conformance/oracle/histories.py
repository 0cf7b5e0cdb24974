"""
Random histories: a Hypothesis state machine drives a store and the model side by side.

Every answer is compared under the freedoms that the contract leaves.  A divergence is shrunk by
Hypothesis and comes out as a `DivergenceError` with the rule that it breaks and the features of the step
at which it showed; the caller may switch those features off and look for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.database import ExampleDatabase
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from store_conformance.harness.errors import CheckFailedError, StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.oracle.comparison import Divergence
from store_conformance.oracle.history import History
from store_conformance.oracle.strategies import Draws, Vocabulary, texts

SHRINK_SECONDS = 5

Step = Callable[..., object]

# -- the machine ----------------------------------------------------------------------------------


def machine(
    lab: Lab,
    on: frozenset[str],
    vectors: bool,
    last: list[Divergence],
    vocabulary: Vocabulary,
) -> type[History]:
    """
    A state machine class over stores of ``lab`` with the features ``on``.

    Divergences end the history and are appended to ``last``, so that the shrunk one is the last of it.
    The names of the steps are part of what a seed means: Hypothesis draws from them in their order.
    """
    draws = Draws.of(on, vectors=vectors, vocabulary=vocabulary)
    about = {"lab": lab, "on": on, "vectors": vectors, "draws": draws, "last": last}
    steps = {**_writes(draws), **_reads(draws), **_others(draws)}
    return type("RandomHistory", (History,), {**about, **steps})


def _writes(draws: Draws) -> dict[str, Step]:
    one = st.tuples(draws.namespace, draws.key, draws.value)
    return {
        "put": rule(ns=draws.namespace, k=draws.key, v=draws.value, ix=draws.index)(History.put),
        "put_several": precondition(History.has_room)(
            rule(several=st.lists(one, min_size=2, max_size=6))(History.put_several)
        ),
        "overwrite": precondition(History.has_items)(
            rule(data=st.data(), v=draws.value, ix=draws.index)(History.overwrite)
        ),
        "delete": precondition(History.has_items)(rule(data=st.data())(History.delete)),
        "delete_whatever": rule(ns=draws.namespace, k=draws.key)(History.delete_whatever),
    }


def _reads(draws: Draws) -> dict[str, Step]:
    small = st.integers(0, 5)
    filters = st.lists(draws.condition, min_size=2, max_size=5)
    return {
        "get": rule(ns=draws.namespace, k=draws.key)(History.get),
        "search": rule(data=st.data(), cs=filters, limit=small, offset=small)(History.search),
        "search_values": precondition(History.has_several)(
            rule(data=st.data(), limit=small, offset=small)(History.search_values)
        ),
        "search_each": precondition(History.has_several)(
            rule(limit=small, offset=small)(History.search_each)
        ),
        "list_namespaces": rule(
            p=st.one_of(st.none(), draws.pattern),
            s=st.one_of(st.none(), draws.plain_pattern),
            depth=st.sampled_from([None, None, 1, 2]),
            limit=small,
            offset=small,
        )(History.list_namespaces),
    }


def _others(draws: Draws) -> dict[str, Step]:
    value = st.one_of(st.none(), draws.value)
    puts = st.lists(st.tuples(draws.namespace, draws.key, value), max_size=4)
    reads = st.lists(st.tuples(draws.namespace, draws.key), max_size=3)
    words = st.lists(texts, min_size=1, max_size=3)
    return {
        "batch": precondition(History.may_batch)(
            rule(data=st.data(), puts=puts, reads=reads)(History.batch)
        ),
        "query": precondition(History.may_query)(
            rule(data=st.data(), ts=words, c=draws.condition, limit=st.integers(1, 5))(
                History.query
            )
        ),
        "reopen": precondition(History.may_reopen)(rule()(History.reopen)),
    }


# -- a run of it ------------------------------------------------------------------------------------


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
    from hypothesis import seed as seeded
    from hypothesis.errors import Flaky

    last: list[Divergence] = []
    kind = seeded(seed)(machine(lab, on, vectors, last, vocabulary or Vocabulary()))
    try:
        with _for_a_gate():
            run_state_machine_as_test(kind, settings=_settings(examples, steps, database))
    except (CheckFailedError, StoreRaisedError):
        return last[-1]
    except Flaky:
        if not last:
            raise
        last[-1].steady = False
        return last[-1]
    return None


@contextmanager
def _for_a_gate() -> Iterator[None]:
    """
    Hypothesis as a gate needs it: brief, and the same wherever it runs.

    Shrinking may take it minutes; a shorter history is not worth that.  And it reads the source of every module that
    is not installed for constants to draw: a second or two, and other histories by the same seed in a clone of ours
    or beside a user's modules than in an installation.
    """
    from hypothesis.internal.conjecture import engine, providers

    changes: list[tuple[Any, str, Any]] = [(engine, "MAX_SHRINKING_SECONDS", SHRINK_SECONDS)]
    constants = getattr(providers, "Constants", None)
    if constants is not None:
        changes.append((providers, "_get_local_constants", constants))  # which gives an empty one
    changes = [change for change in changes if hasattr(*change[:2])]
    before = [getattr(module, name) for module, name, _ in changes]
    for module, name, value in changes:
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name, _), value in zip(changes, before):
            setattr(module, name, value)


def _settings(examples: int, steps: int, database: ExampleDatabase | None) -> settings:
    return settings(
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
