"""
Measures one backend in one mode: a store filled with memories, then rounds of every operation in turn.

Only the store's call is inside the clock.  Texts are embedded before, so that inside the call the
embedder looks a vector up; what embedding itself costs is measured apart.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from store_conformance.contract import Capability, Location, Mode
from store_conformance.contract.observations import LatencyFacts
from store_conformance.contract.records import Measurement
from store_conformance.corpus import LABELS, load_corpus
from store_conformance.embedding import embedder_from_name, shared_embedder, spec_of
from store_conformance.harness.compat import BaseStore, PutOp
from store_conformance.harness.errors import UnverifiedError
from store_conformance.harness.journal import Journal
from store_conformance.harness.loops import LoopThread, run_bounded
from store_conformance.harness.settings import Settings
from store_conformance.harness.subject import Subject

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig

    from store_conformance.embedding.timing import EmbeddingTime, TimedEmbeddings
    from store_conformance.harness.backends import Backend

OPERATIONS = (
    "put",
    "batch_put",
    "get",
    "search_filter",
    "search_semantic",
    "list_namespaces",
    "delete",
)
ROUNDS = 100
"""As many as a p99 needs samples."""
WARM_UP = 5
EACH_BATCH = 10
"""One batch put in so many rounds: it takes as long as many single calls."""
BATCH = 100
FILL = 250
PER_USER = 20
"""Memories of one user, so 50 namespaces at 1,000 items."""
BUDGET_SECONDS = 60.0
"""When rounds end early on a slow store; there are fewer samples then, and they say so."""
LIMIT_SECONDS = 600.0
EMBEDDED = 120
EMBEDDED_ONLINE = 10
"""Texts embedded for the time of one, with a model of a provider, which may cost money."""


@dataclass(frozen=True)
class Measured:
    """What one backend in one mode came to: samples in seconds by operation, and the disk."""

    backend: str
    mode: Mode
    items: int
    samples: dict[str, list[float]]
    rounds: int
    facts: dict[str, Any] = field(default_factory=dict)
    bytes_per_item: float | None = None
    disk: dict[str, Any] = field(default_factory=dict)

    def latency(self, operation: str) -> Measurement:
        """The row of one operation; its value is the median."""
        samples = tuple(self.samples[operation])
        return Measurement(
            backend=self.backend,
            name=f"latency.{operation}",
            value=sorted(samples)[len(samples) // 2],
            mode=self.mode,
            unit="s",
            case="benchmarks::latency",
            facts={
                **LatencyFacts(
                    n_items=self.items,
                    ops_per_call=BATCH if operation == "batch_put" else 1,
                    rounds=self.rounds,
                ).to_dict(),
                **self.facts,
            },
            samples=samples,
        )


@dataclass(frozen=True)
class TimedCall:
    """One call to the store; ``timed`` is ``None`` for one that only keeps the store as it was."""

    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    timed: str | None = None


class Workload:
    """The memories and the calls, the same for every backend."""

    def __init__(self, settings: Settings, vectors: bool) -> None:
        self.items = settings.items
        self.vectors = vectors
        self.random = random.Random(settings.seed)
        corpus = load_corpus([Path(p) for p in settings.data] or None)
        told = [m.text for m in corpus.memories] or [m.text for m in corpus.emails]
        self.texts = told or [p.text for p in corpus.prompts]
        self.queries = [q.text for q in corpus.questions] or [t[:80] for t in self.texts[:50]]
        self.corpus = corpus.name

    def namespace(self, number: int) -> tuple[str, ...]:
        return ("email_assistant", f"user{number // PER_USER:05}", "collection")

    def value(self, number: int) -> dict[str, Any]:
        text = f"{self.texts[number % len(self.texts)]} ({number})"
        return {"text": text, "label": LABELS[number % len(LABELS)], "number": number}

    def put(self, number: int) -> PutOp:
        return PutOp(self.namespace(number), f"memory-{number}", self.value(number))

    def all_texts(self) -> list[str]:
        """Every text that is ever put, for the embedder to know beforehand."""
        from store_conformance.suite.support.corpus import text_of

        values = [self.value(n) for n in range(self.items + BATCH)]
        # A store embeds the field that the index names; one that embeds the value finds that too.
        return [t for v in values for t in (str(v["text"]), text_of(v))]

    def fill(self) -> Iterator[list[PutOp]]:
        for start in range(0, self.items, FILL):
            yield [self.put(n) for n in range(start, min(start + FILL, self.items))]

    def round(self, number: int) -> Iterator[TimedCall]:
        """Every operation once, in an order of its own; the store is as big after as before."""
        known = self.random.randrange(self.items)
        fresh = self.items + number % BATCH
        op = self.put(fresh)
        prefix = ("email_assistant",)
        reads = [
            TimedCall("get", (self.namespace(known), f"memory-{known}"), {}, "get"),
            TimedCall(
                "search", (prefix,), {"filter": {"label": "respond"}, "limit": 10}, "search_filter"
            ),
            TimedCall("list_namespaces", (), {"prefix": prefix, "limit": 100}, "list_namespaces"),
        ]
        if self.vectors:
            query = self.queries[number % len(self.queries)]
            more = {"query": query, "limit": 10}
            reads.append(TimedCall("search", (prefix,), more, "search_semantic"))
        self.random.shuffle(reads)
        yield TimedCall("put", (op.namespace, op.key, op.value), {}, "put")
        yield from reads
        yield TimedCall("delete", (op.namespace, op.key), {}, "delete")
        if number % EACH_BATCH == 0:
            yield from self._batch()

    def _batch(self) -> Iterator[TimedCall]:
        ops = [self.put(self.items + n) for n in range(BATCH)]
        yield TimedCall("batch", (ops,), {}, "batch_put")
        yield TimedCall("batch", ([PutOp(op.namespace, op.key, None) for op in ops],))


class Samples:
    """Collects samples of rounds until there are enough or time is up."""

    def __init__(self, workload: Workload) -> None:
        self.by_operation: dict[str, list[float]] = {}
        self.rounds = 0
        self._workload = workload

    def plan(self) -> Iterator[tuple[TimedCall, bool]]:
        """The calls of every round, and whether they count."""
        begin = time.monotonic()
        for number in range(WARM_UP + ROUNDS):
            counts = number >= WARM_UP
            for call in self._workload.round(number):
                yield call, counts
            self.rounds += counts
            if time.monotonic() - begin > BUDGET_SECONDS and self.rounds:
                return

    def add(self, call: TimedCall, counts: bool, nanoseconds: int) -> None:
        if counts and call.timed is not None:
            self.by_operation.setdefault(call.timed, []).append(nanoseconds / 1e9)


def _drive(store: BaseStore, samples: Samples) -> None:
    clock = time.perf_counter_ns
    for call, counts in samples.plan():
        method = getattr(store, call.method)
        begin = clock()
        method(*call.args, **call.kwargs)
        samples.add(call, counts, clock() - begin)


async def _adrive(store: BaseStore, samples: Samples) -> None:
    clock = time.perf_counter_ns
    for call, counts in samples.plan():
        method = getattr(store, f"a{call.method}")
        begin = clock()
        await method(*call.args, **call.kwargs)
        samples.add(call, counts, clock() - begin)


def measure(backend: Backend, mode: Mode, settings: Settings) -> Measured:
    """
    Fill a store on the disk and measure it; raises what the store raises, `HungError` for one that hangs.
    """
    return run_bounded(
        lambda: _measure(backend, mode, settings), LIMIT_SECONDS, f"latency-{backend.name}-{mode}"
    )


def _measure(backend: Backend, mode: Mode, settings: Settings) -> Measured:
    vectors = Capability.VECTORS in backend.capabilities
    workload = Workload(settings, vectors)
    index: IndexConfig | None = None
    facts: dict[str, Any] = {"corpus": workload.corpus}
    embedder = shared_embedder(settings.embed if vectors else "exact")
    if vectors:
        _prepare(embedder, workload)
        dims = spec_of(embedder).dims
        index = {"dims": dims, "embed": embedder, "fields": ["text"]}
        facts |= {"embedder": settings.embed, "dims": dims}
    at = backend.location(durable=True)
    loop_thread = LoopThread()
    samples = Samples(workload)
    try:
        empty, full = _sizes(backend, at, mode, loop_thread, index, workload)
        store = _open(backend, at, mode, loop_thread, index)
        try:
            if Capability.PERSISTENCE not in backend.capabilities:
                _fill(store, workload)
            _check_filled(store, workload)
            looked_up = _clocked(store, samples, embedder, loop_thread)
        finally:
            store.close()
    finally:
        loop_thread.close()
        backend.discard(at)
    if looked_up.texts:
        # The look-ups in the cache are inside the clock; this is what they took.
        facts["seconds_a_lookup"] = round(looked_up.seconds / looked_up.texts, 9)
    n = settings.items
    per_item = (full - empty) / n if full is not None and empty is not None else None
    disk = {"n_items": n, "bytes": full, "bytes_empty": empty}
    timed, rounds = samples.by_operation, samples.rounds
    return Measured(backend.name, mode, n, timed, rounds, facts, per_item, disk)


def _clocked(
    store: Subject, samples: Samples, embedder: TimedEmbeddings, loop_thread: LoopThread
) -> EmbeddingTime:
    """Measure a filled store; gives what its calls asked of the embedder meanwhile."""
    gc.collect()
    embedder.reset()
    if store.mode == Mode.ASYNC:
        loop_thread.run(_adrive(store.raw, samples))
    else:
        _drive(store.raw, samples)
    return embedder.reset()


def _prepare(embedder: Embeddings, workload: Workload) -> None:
    embedder.embed_documents(workload.all_texts())
    for query in workload.queries:
        embedder.embed_query(query)


def _open(
    backend: Backend, at: Location, mode: Mode, loop_thread: LoopThread, index: IndexConfig | None
) -> Subject:
    manager = backend.open(at, index, None, mode)
    return Subject(
        manager, at=at, mode=mode, loop_thread=loop_thread, journal=Journal(), index=index
    )


def _sizes(
    backend: Backend,
    at: Location,
    mode: Mode,
    loop_thread: LoopThread,
    index: IndexConfig | None,
    workload: Workload,
) -> tuple[int | None, int | None]:
    """
    Fill the location; gives its bytes on disk before and after, each with the store closed.

    ``None`` where the backend cannot tell, or keeps nothing (then it is not filled here either).
    """
    if Capability.PERSISTENCE not in backend.capabilities:
        return None, None
    _open(backend, at, mode, loop_thread, index).close()
    empty = backend.bytes_on_disk(at)
    store = _open(backend, at, mode, loop_thread, index)
    try:
        _fill(store, workload)
    finally:
        store.close()
    return empty, backend.bytes_on_disk(at)


def _fill(store: Subject, workload: Workload) -> None:
    for part in workload.fill():
        store.batch(part)


def _check_filled(store: Subject, workload: Workload) -> None:
    """The figures are about a store with items in it, not about an empty one."""
    for number in (0, workload.items - 1):
        if store.get(workload.namespace(number), f"memory-{number}") is None:
            raise UnverifiedError(
                f"memory-{number} of {workload.items} is not in the store after filling"
            )


@lru_cache(maxsize=4)
def embedding_samples(name: str, data: tuple[str, ...]) -> tuple[float, ...]:
    """Seconds to embed one text as a document, uncached, for many texts one after the other."""
    workload = Workload(Settings(embed=name, data=data), True)
    embedder = embedder_from_name(name)
    embedder.embed_documents([workload.texts[0]])
    most = EMBEDDED if ":" not in name else EMBEDDED_ONLINE
    samples = []
    for number in range(most):
        text = f"{workload.texts[number % len(workload.texts)]} ({number})"
        begin = time.perf_counter_ns()
        embedder.embed_documents([text])
        samples.append((time.perf_counter_ns() - begin) / 1e9)
    return tuple(samples)
