"""
One LangGraph store over vector databases: what a ``BaseStore`` promises, over any ``Driver``.

Not here: anything a single database does its own way (its driver), how items become texts
(``encoding``), what filters mean (``filters``).
"""

from __future__ import annotations

import asyncio
import math
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

from langgraph.store.base import (
    BaseStore,
    IndexConfig,
    Item,
    Op,
    Result,
    TTLConfig,
    ensure_embeddings,
    tokenize_path,
)

from store_conformance.backends.vector import encoding
from store_conformance.backends.vector.driver import Driver, Touch, Where
from store_conformance.backends.vector.errors import DimensionMismatchError, EngineError
from store_conformance.backends.vector.listing import listed
from store_conformance.backends.vector.ordering import Clock, Order
from store_conformance.backends.vector.planning import Embedded, Plan, plan
from store_conformance.backends.vector.reading import Found, Reader, vectors_of
from store_conformance.backends.vector.sweeper import Sweeper
from store_conformance.backends.vector.writing import Writer

_THREADS = 16
"""How many async calls may talk to the engine at once; more wait for their turn."""
_DEFAULT_SWEEP_MINUTES = 5.0

S = TypeVar("S", bound="VectorStore")
T = TypeVar("T")


class VectorStore(BaseStore):
    """
    A store over one collection of a vector database, for threads and event loops alike.

    It is a context manager, ``with`` and ``async with``, and may be used without either if ``close``
    is called at the end.  ``setup`` is called by the first operation that needs it.

    ``index`` is LangGraph's ``IndexConfig``: ``dims`` numbers a vector, ``embed`` makes lists of as many
    floats of texts, ``fields`` are paths into a value (``$``, the whole of it, if there are none).  ``ttl``
    is its ``TTLConfig``: ``default_ttl`` and ``sweep_interval_minutes`` in minutes.

    A batch sees what was there before it, keeps the last write of each key, and is refused as a whole
    before anything is written if one operation is invalid or one text cannot be embedded (rules O2 to O4
    and V13 of docs/CONTRACT.md).  The async methods await the embedder's own async methods and talk to
    the engine from threads.

    Scores are cosine similarities, -1 to 1 (V5).  Without a query items come in the engine's own fixed order
    (S6).  Items without vectors (``index=False``) are not found by a query (V8).  An expired item stays
    visible until it is swept (T6), unless ``omit_expired`` is set (T5).

    Raises, all of them ``VectorStoreError``: ``EngineError`` where the engine does not answer or refuses,
    with a hint; ``LimitExceededError`` for what it cannot hold, and nothing was written;
    ``DimensionMismatchError`` and ``ForeignCollectionError`` at ``setup`` for a collection that was made with
    another embedder or by something else.  ``ValueError`` for a configuration without usable ``dims``.
    """

    supports_ttl = True

    def __init__(
        self,
        driver: Driver,
        *,
        collection: str,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> None:
        super().__init__()
        self.ttl_config = None if ttl is None else TTLConfig(**ttl)
        self.index_config = None if index is None else IndexConfig(**index)
        self.collection = collection
        self._driver = driver
        self._omits = bool(ttl and ttl.get("omit_expired"))
        self._paths: list[list[str]] | None = None
        self._asked_dims: int | None = None
        if index is not None:
            self._asked_dims = _dims(index)
            self.embeddings = ensure_embeddings(index.get("embed"))
            self._paths = [tokenize_path(path) for path in index.get("fields") or ["$"]]
        self._dims: int | None = None
        self._ready = False
        self._closed = False
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._order = Order()
        self._writer = Writer(driver, self._order, omit_expired=self._omits)
        self._sweeper = Sweeper(self.sweep_ttl)

    # Lifecycle

    def setup(self) -> None:
        """Create the collection if it is not there; idempotent, also from several processes at once."""
        with self._lock:
            self._setup()

    def _setup(self) -> None:
        if self._closed:
            raise EngineError(self._driver.engine, "the store is closed", "open a new one")
        self._dims = self._driver.ensure_schema(self._asked_dims)
        self._ready = True

    def _ensure_ready(self) -> None:
        if not self._ready or self._closed:
            with self._lock:
                if not self._ready or self._closed:
                    self._setup()

    def close(self) -> None:
        """Stop the sweeper, wait for running calls, let go of the client; idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._sweeper.stop(timeout=5)
        if self._threads is not None:
            self._threads.shutdown(wait=True)
        self._driver.close()

    def __enter__(self: S) -> S:
        try:
            self.setup()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self: S) -> S:
        try:
            await self._in_thread(self.setup)
        except BaseException:
            await asyncio.to_thread(self.close)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Not in the store's own threads: closing waits for those.
        await asyncio.to_thread(self.close)

    # Operations

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """All operations at once, results in their order; see the class for what a batch promises."""
        planned = plan(ops, self._paths)
        with self._order.turn() as number:
            return self._execute(planned, self._embed(planned), number)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """
        As ``batch``; cancelled before it was handed to the engine it has no effect.

        Writes of the same key end in the order in which they were issued, however long each text took
        to embed.
        """
        planned = plan(ops, self._paths)
        number = self._order.take()
        job: Future[list[Result]] | None = None
        try:
            embedded = await self._aembed(planned)
            job = self._pool().submit(self._execute, planned, embedded, number)
            # A call that is cancelled now may still be running in its thread.
            job.add_done_callback(lambda _: self._order.leave(number))
            return await asyncio.wrap_future(job)
        finally:
            if job is None:
                self._order.leave(number)

    def _execute(self, planned: Plan, embedded: Embedded, number: int) -> list[Result]:
        self._ensure_ready()
        self._check_dims(planned)
        results: list[Result] = [None] * planned.size
        now = Clock.now()
        hidden = now if self._omits else None
        reader = Reader(self._driver, hidden)
        touches: dict[str, Touch | None] = {}
        if planned.gets:
            found = reader.gets(planned.gets)
            for get in planned.gets:
                one = found.get(get.id)
                if one is not None:
                    results[get.position] = one.item()
                    _note(touches, [one] if get.refresh else [], now)
            _separate(results, found, planned)
        for search in planned.searches:
            vector = embedded.queries.get(search.query) if search.query else None
            page = reader.search(search, vector)
            results[search.position] = [one.search_item() for one in page]
            _note(touches, page if search.refresh else [], now)
        for listing in planned.listings:
            results[listing.position] = listed(self._driver, hidden, listing)
        self._touch([touch for touch in touches.values() if touch is not None])
        if planned.writes:
            self._writer.write(list(planned.writes.values()), embedded.texts, number)
        return results

    def pages(self, size: int) -> Iterator[list[Item]]:
        """
        Every item once, by the engine's own cursor, no more than about ``size`` of them at a time.

        A search with an offset passes over all that lies before it, in some engines in memory.  What is
        written meanwhile may be in it or not.
        """
        self._ensure_ready()
        size = min(size, self._driver.limits.rows_per_page)
        cursor: Any = None
        while True:
            page = self._driver.scan(Where(), size, cursor)
            yield [Found.from_row(row).item() for row in page.rows]
            cursor = page.cursor
            if cursor is None:
                return

    @property
    def tells_vectors(self) -> bool:
        """Whether its driver can give vectors back: one that was written for an earlier version may not."""
        return hasattr(self._driver, "vectors")

    def vectors(
        self, places: Sequence[tuple[tuple[str, ...], str]]
    ) -> dict[tuple[tuple[str, ...], str], list[tuple[float, ...]]]:
        """
        The vectors of the items that are there, by namespace and key; an item without any has an empty list.

        One for each different text that was embedded, in the order of the index's fields, as the engine
        keeps them: Qdrant keeps directions, in which the length is one.
        """
        self._ensure_ready()
        ids = {encoding.item_id(namespace, key): (namespace, key) for namespace, key in places}
        return {ids[id]: found for id, found in vectors_of(self._driver, list(ids)).items()}

    @property
    def dims(self) -> int | None:
        """How long the vectors of the collection are; None if it has room for none."""
        self._ensure_ready()
        return self._dims

    def _touch(self, touches: Sequence[Touch]) -> None:
        size = self._driver.limits.ids_per_fetch
        for start in range(0, len(touches), size):
            self._driver.touch(touches[start : start + size])

    # Vectors

    def _check_dims(self, planned: Plan) -> None:
        asked, existing = self._asked_dims, self._dims
        if asked is None or existing is None or asked == existing:
            return
        if planned.texts or planned.queries:
            raise DimensionMismatchError(self._driver.engine, self.collection, existing, asked)

    def _embed(self, planned: Plan) -> Embedded:
        if not planned.texts and not planned.queries:
            return Embedded()
        texts = self.embeddings.embed_documents(planned.texts) if planned.texts else []
        queries = [self.embeddings.embed_query(query) for query in planned.queries]
        return self._checked(planned, texts, queries)

    async def _aembed(self, planned: Plan) -> Embedded:
        if not planned.texts and not planned.queries:
            return Embedded()
        texts = await self.embeddings.aembed_documents(planned.texts) if planned.texts else []
        queries = await asyncio.gather(*map(self.embeddings.aembed_query, planned.queries))
        return self._checked(planned, texts, queries)

    def _checked(
        self, planned: Plan, texts: Sequence[object], queries: Sequence[object]
    ) -> Embedded:
        if len(texts) != len(planned.texts):
            raise ValueError(
                f"the embedder returned {len(texts)} vectors for {len(planned.texts)} texts; "
                "nothing was stored."
            )
        asked = zip(planned.queries, queries, strict=True)
        return Embedded(
            [self._vector(text) for text in texts],
            {query: self._vector(vector) for query, vector in asked},
        )

    def _vector(self, given: Any) -> tuple[float, ...]:
        vector = tuple(array("d", given))
        if len(vector) != self._asked_dims:
            raise ValueError(
                f"the embedder returned a vector of {len(vector)} dimensions, the index configuration "
                f"says {self._asked_dims}; nothing was stored."
            )
        # A finite sum has finite parts; only where it is not is each of them looked at.
        if not math.isfinite(sum(vector)) and not all(map(math.isfinite, vector)):
            raise ValueError(
                "the embedder returned a vector with NaN or infinity; nothing was stored."
            )
        return vector

    # Expiry

    def sweep_ttl(self) -> int:
        """Delete what has expired, with its vectors, and return how many items that was."""
        self._ensure_ready()
        return self._writer.sweep(Clock.now())

    async def asweep_ttl(self) -> int:
        """``sweep_ttl`` without blocking the event loop."""
        return await self._in_thread(self.sweep_ttl)

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """
        Sweep in the background until ``stop_ttl_sweeper``; the future ends with the sweeper.

        Without a ``ttl`` configuration there is nothing to do and the future is done at once.
        """
        if not self.ttl_config:
            done: Future[None] = Future()
            done.set_result(None)
            return done
        configured = sweep_interval_minutes or self.ttl_config.get("sweep_interval_minutes")
        return self._sweeper.start(configured or _DEFAULT_SWEEP_MINUTES)

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop the sweeper; True once none runs, False if it was still busy after ``timeout`` seconds."""
        return self._sweeper.stop(timeout)

    # Threads

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._closed:
                raise EngineError(self._driver.engine, "the store is closed", "open a new one")
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="vector-store")
            return self._threads

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._pool().submit(call))


def _note(touches: dict[str, Touch | None], found: Iterable[Found], now: int) -> None:
    for one in found:
        touches[one.row.id] = one.touch(now)


def _separate(results: list[Result], found: Mapping[str, Found], planned: Plan) -> None:
    """Give each of several gets of one item a value of its own."""
    seen: set[str] = set()
    for get in planned.gets:
        if get.id in seen and get.id in found:
            results[get.position] = Found.from_row(found[get.id].row).item()
        seen.add(get.id)


def _dims(index: IndexConfig) -> int:
    dims = index.get("dims")
    if isinstance(dims, bool) or not isinstance(dims, int) or dims < 1:
        raise ValueError(f"the index configuration needs dims, a positive int, got {dims!r}.")
    return dims
