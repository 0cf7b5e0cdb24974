"""
One open store as a case sees it: one face for the sync and the async API, every call timed and
recorded, every exception marked as the store's.

It adds nothing to the store's answers: results are handed on as they are, of several pages or batches one after the
other where a store refuses a large one by name.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sized
from concurrent.futures import CancelledError
from contextlib import AbstractAsyncContextManager, contextmanager
from time import monotonic, perf_counter  # by name: a store may change the module
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Location, Mode
from store_conformance.harness.batches import Batches
from store_conformance.harness.compat import BaseStore, Item, came_later
from store_conformance.harness.errors import (
    CheckFailedError,
    HarnessError,
    StoreRaisedError,
    UnsupportedError,
)
from store_conformance.harness.journal import Call, Journal
from store_conformance.harness.loops import LoopThread
from store_conformance.harness.paging import LEAST_FOUND, LEAST_LISTED, Pages

if TYPE_CHECKING:
    import asyncio

    from store_conformance.harness.backends import Opened

MAX_PAGES = 2000
STALE_PAGES = 50
"""After so many pages with nothing new, a walk comes to no end."""


class _AsyncHost:
    """Enters and leaves an async context manager in one task, as its authors may rely on."""

    def __init__(self, manager: AbstractAsyncContextManager[Any], loop_thread: LoopThread) -> None:
        self._manager = manager
        self._loop_thread = loop_thread
        self._stop: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    def enter(self) -> Any:
        return self._loop_thread.run(self._enter())

    async def _enter(self) -> Any:
        import asyncio

        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._host(ready))
        return await ready

    async def _host(self, ready: asyncio.Future[Any]) -> None:
        assert self._stop is not None
        try:
            async with self._manager as store:
                ready.set_result(store)
                await self._stop.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
                return
            raise

    def exit(self) -> None:
        async def leave() -> None:
            assert self._stop is not None and self._task is not None
            self._stop.set()
            await self._task

        self._loop_thread.run(leave())


def _shown(index: Mapping[str, object] | None, ttl: Mapping[str, object] | None) -> dict[str, Any]:
    """What the record of an opening shows: the index without its embedder, but with its kind."""
    given: dict[str, Any] = {}
    if index is not None:
        given["index"] = {**index, "embed": type(index.get("embed")).__name__}
    if ttl is not None:
        given["ttl"] = ttl
    return given


def _place_of(item: Any) -> str:
    """Namespace and key as text, as a broken store's may be of any kind; what has none is like no other item."""
    try:
        return repr((item.namespace, item.key))
    except Exception:  # noqa: BLE001 - the item is a store's
        return f"item {id(item)}"


class Subject:
    """
    A store under test, opened at ``at``; ``raw`` is the store itself.

    Methods have the names and arguments of ``BaseStore`` in either mode.  What the store raises comes
    out as ``StoreRaisedError`` with the original as ``cause``.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        at: Location,
        mode: Mode,
        loop_thread: LoopThread | None,
        journal: Journal,
        number: int = 0,
        index: Mapping[str, object] | None = None,
        ttl: Mapping[str, object] | None = None,
    ) -> None:
        self.at = at
        self.mode = mode
        self.index: Any = index
        self.ttl: Any = ttl
        self.reads_refresh: bool | None = None
        """What each get and search says of refreshing, where the store takes no ``TTLConfig`` that says it."""
        self.number = number
        self._loop_thread = loop_thread
        self._journal = journal
        self._manager: Any = opened
        self._host: _AsyncHost | None = None
        self.closed = False
        self._pages = Pages(LEAST_FOUND)
        self._listings = Pages(LEAST_LISTED)
        self._batches = Batches(self._pages, self._listings)
        self._store: BaseStore | None = self._timed("open", (), _shown(index, ttl), self._enter)
        self._afterwards = weakref.ref(self._store)

    @property
    def raw(self) -> BaseStore:
        """The store itself; after ``close`` only as long as somebody else keeps it."""
        store = self._store if self._store is not None else self._afterwards()
        if store is None:
            raise RuntimeError("the store was closed, and nothing keeps it any more")
        return store

    @property
    def lingers(self) -> bool:
        """Whether a store that was closed still exists: some close only when they are collected."""
        return self._store is None and self._afterwards() is not None

    # -- life ---------------------------------------------------------------------------------

    def _enter(self) -> Any:
        if hasattr(self._manager, "__aenter__") and not hasattr(self._manager, "__enter__"):
            assert self._loop_thread is not None
            self._host = _AsyncHost(self._manager, self._loop_thread)
            store = self._host.enter()
        elif self.mode == Mode.ASYNC and self._loop_thread is not None:
            store = self._loop_thread.call(self._manager.__enter__)
        else:
            store = self._manager.__enter__()
        if not isinstance(store, BaseStore):
            raise TypeError(f"open_store gave a {type(store).__name__}, not a BaseStore")
        return store

    def _exit(self) -> None:
        if self._host is not None:
            self._host.exit()
        elif self.mode == Mode.ASYNC and self._loop_thread is not None:
            self._loop_thread.call(lambda: self._manager.__exit__(None, None, None))
        else:
            self._manager.__exit__(None, None, None)

    def close(self) -> None:
        """Leave the store's context manager; a second call does nothing."""
        if not self.closed:
            self.closed = True
            self._timed("close", (), {}, self._exit_and_forget)

    def _exit_and_forget(self) -> None:
        try:
            self._exit()
        finally:
            # A store may give back what it holds only when nobody refers to it; that is a part of its close.
            self._store = self._manager = self._host = None

    @contextmanager
    def not_waited_for(self) -> Iterator[None]:
        """Searches answer with what they have, also of a store that is else waited for (``settle``)."""
        raw: Any = self.raw
        waits = getattr(raw, "waits", None)
        if waits is not None:
            raw.waits = False
        try:
            yield
        finally:
            if waits is not None:
                raw.waits = waits

    @property
    def in_loop(self) -> bool:
        """Whether the store was opened in the loop's thread, and not in the case's."""
        return self.mode == "async" or self._host is not None

    @property
    def largest_page(self) -> int:
        """The most that was taken of searches where more was refused by name; else 1,000."""
        return self._pages.page

    # -- calls --------------------------------------------------------------------------------

    def _timed(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], work: Callable[[], Any]
    ) -> Any:
        embedder = self.index.get("embed") if name == "open" and self.index is not None else None
        begin = perf_counter()
        ops = args[0] if name == "batch" and args else None
        self._journal.operations = len(ops) if isinstance(ops, Sized) else 1
        self._journal.busy_since = monotonic()
        try:
            result = work()
        except Exception as error:
            call = Call(self.number, name, args, kwargs, raised=error, embedder=embedder)
            raised = StoreRaisedError(call.text(), error)
            self._journal.add(call)
            raise raised from error
        finally:
            self._journal.busy_since = None
            self._journal.seconds += perf_counter() - begin
        kept = None if name == "open" else result  # the record must not keep a store alive
        self._journal.add(Call(self.number, name, args, kwargs, result=kept, embedder=embedder))
        return result

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """The store's method ``name`` (its ``a``-twin in async mode) with these arguments."""
        if self.reads_refresh is not None and name in ("get", "search"):
            kwargs.setdefault("refresh_ttl", self.reads_refresh)
        later = came_later(name, args, kwargs)
        if later:
            raise UnsupportedError(later)

        def work() -> Any:
            if self.mode == Mode.ASYNC:
                assert self._loop_thread is not None
                return self._loop_thread.run(
                    _awaited(getattr(self.raw, f"a{name}")(*args, **kwargs))
                )
            return getattr(self.raw, name)(*args, **kwargs)

        return self._timed(name, args, kwargs, work)

    def maintenance(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A method that has no twin (``setup``, ``sweep_ttl``, ...): awaited if it is a coroutine."""

        def start() -> Any:
            return getattr(self.raw, name)(*args, **kwargs)

        def work() -> Any:
            if self._loop_thread is None:
                return start()
            if self.in_loop:
                # A loop-bound store creates its tasks where the call is made: in the loop's thread.
                return self._loop_thread.run(_call_and_await(start))
            result = start()
            if not inspect.isawaitable(result):
                return result
            return self._loop_thread.run(_awaited(result))

        return self._timed(name, args, kwargs, work)

    def get(self, namespace: tuple[str, ...], key: str, **kwargs: Any) -> Item | None:
        item: Item | None = self.call("get", namespace, key, **kwargs)
        if item is not None and not isinstance(item, Item):
            raise CheckFailedError(
                f"get returned a {type(item).__name__}, not an Item", expected="Item", got=item
            )
        return item

    def fetch(self, namespace: tuple[str, ...], key: str, **kwargs: Any) -> Item:
        """``get`` of an item that must be there; fails the case if it is not."""
        item = self.get(namespace, key, **kwargs)
        if item is None:
            raise CheckFailedError(
                f"get({namespace!r}, {key!r}) found nothing although the put was acknowledged",
                expected="the item",
                got=None,
            )
        return item

    def value(self, namespace: tuple[str, ...], key: str) -> dict[str, Any]:
        """The value of an item that must be there."""
        return self.fetch(namespace, key).value

    def put(
        self, namespace: tuple[str, ...], key: str, value: Any, *args: Any, **kwargs: Any
    ) -> None:
        self.call("put", namespace, key, value, *args, **kwargs)

    def delete(self, namespace: tuple[str, ...], key: str) -> Any:
        return self.call("delete", namespace, key)

    def search(self, prefix: tuple[str, ...], **kwargs: Any) -> list[Any]:
        """The store's answer, which must be a list of Items."""
        found = self._pages.ask(lambda given: self.call("search", prefix, **given), kwargs)
        if not isinstance(found, list) or not all(isinstance(i, Item) for i in found):
            raise CheckFailedError(
                f"search returned {type(found).__name__}, not a list of items",
                expected="list[SearchItem]",
                got=found,
            )
        return found

    def keys(self, prefix: tuple[str, ...], **kwargs: Any) -> list[str]:
        """Sorted keys of a search with ``limit=1000`` unless given."""
        return sorted(i.key for i in self.search(prefix, **{"limit": 1000, **kwargs}))

    def ranked(self, prefix: tuple[str, ...], query: str, **kwargs: Any) -> list[str]:
        """Keys of a semantic search, in the store's order."""
        return [i.key for i in self.search(prefix, query=query, **kwargs)]

    def list_namespaces(self, **kwargs: Any) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = self._listings.ask(
            lambda given: self.call("list_namespaces", **given), kwargs
        )
        if not isinstance(found, list):
            raise CheckFailedError(
                f"list_namespaces returned {type(found).__name__}, not a list",
                expected="list[tuple[str, ...]]",
                got=found,
            )
        return found

    def batch(self, ops: Iterable[object]) -> list[Any]:
        return self._batches.ask(lambda given: self.call("batch", given), ops)

    def walk(self, prefix: tuple[str, ...], *, page: int, **kwargs: Any) -> list[Any]:
        """
        Every page of a search, offset by limit, until a page is empty; a walk that does not end fails.

        One that goes round in circles is not followed for long: of large pages that alone would take minutes.
        """
        items: list[Any] = []
        seen: set[str] = set()
        stale = 0
        for number in range(MAX_PAGES):
            found = self.search(prefix, limit=page, offset=number * page, **kwargs)
            items.extend(found)
            if not found:
                return items
            before = len(seen)
            seen.update(map(_place_of, found))
            stale = stale + 1 if len(seen) == before else 0
            if stale == STALE_PAGES:
                raise CheckFailedError(
                    f"paging did not end: the last {stale} of {number + 1} pages of {page} held nothing"
                    " but items of earlier pages",
                    expected="an empty page",
                )
        raise CheckFailedError(
            f"paging did not end within {MAX_PAGES} pages of {page}", expected="an empty page"
        )

    # -- the store's loop ---------------------------------------------------------------------

    def run(self, work: Callable[[BaseStore], Coroutine[Any, Any, Any]]) -> Any:
        """
        Run ``await work(store)`` in the store's loop (async mode only) and return what it returns.

        For concurrency: the coroutine calls the raw store's ``a``-methods itself.  What it raises comes
        out as it is; `store_conformance.harness.blame` tells whether it came from the store.
        """
        if self._loop_thread is None:
            raise HarnessError("a coroutine of a case runs in a loop only")
        begin = perf_counter()
        self._journal.busy_since = monotonic()
        try:
            return self._loop_thread.run(work(self.raw))
        except CancelledError as error:  # no case cancels itself
            raise StoreRaisedError("a call in the loop", error) from error
        finally:
            self._journal.busy_since = None
            self._journal.seconds += perf_counter() - begin

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        """Run something of the case's own against ``raw``, timed and recorded as one call."""
        return self._timed(name, (), {}, work)


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


async def _call_and_await(start: Callable[[], Any]) -> Any:
    result = start()
    return await result if inspect.isawaitable(result) else result
