"""
A store whose searches show a put only after a while, waited for.

The docs do not say when a search shows what was acknowledged (rule O24 records it).  An index that is refreshed every
second, or vectors that are made in the background, are no fault, and every case that puts and then searches would
call them one.  The store's author says how long, or how, to wait; here it is waited before each answer that an index
may give, and only where something was written since.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langgraph.store.base import BaseStore, GetOp, PutOp

if TYPE_CHECKING:
    from store_conformance.contract import Location

Settle = Callable[[BaseStore], object]
"""Comes back when searches of this open store show everything that was acknowledged."""

MOST_SECONDS = 10.0
"""A wait beyond this is longer than cases are."""


class Writes:
    """
    How often, and when last, a place was written to by any process of a run: told by a file beside it.
    """

    def __init__(self, at: Location) -> None:
        self._mark: Path = at.path.with_name(f"{at.path.name}.written")

    def happened(self) -> None:
        """Something is, or may have been, written."""
        with contextlib.suppress(OSError), self._mark.open("ab") as mark:  # the place may be gone
            mark.write(b".")

    def so_far(self) -> tuple[int, float]:
        """Their number, and the time of the last one by the clock of files."""
        try:
            found = self._mark.stat()
        except OSError:
            return 0, 0.0
        return found.st_size, found.st_mtime


class WaitingStore(BaseStore):
    """
    The store of a user, which it stands for in every other respect.

    ``waits`` is False while somebody looks how long a put takes to be seen.
    """

    def __init__(self, store: BaseStore, settle: Settle | float, at: Location) -> None:
        self._store = store
        self._settle = settle
        self._writes = Writes(at)
        self._settled = 0
        """The number of writes that searches show."""
        self.waits = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def supports_ttl(self) -> bool:  # type: ignore[override]
        return self._store.supports_ttl

    @property
    def ttl_config(self) -> Any:  # type: ignore[override]
        return self._store.ttl_config

    # -- waiting ------------------------------------------------------------------------------

    def _pending(self) -> bool:
        return self.waits and self._writes.so_far()[0] != self._settled

    def _wait(self) -> None:
        if not self._pending():
            return
        number, last = self._writes.so_far()
        if callable(self._settle):
            self._settle(self._store)
        else:
            time.sleep(min(self._settle, max(0.0, last + self._settle - time.time())))
        self._settled = number

    async def _await(self) -> None:
        if self._pending():
            await asyncio.to_thread(self._wait)

    @contextlib.contextmanager
    def _writing(self, really: bool = True) -> Iterator[None]:
        try:
            yield
        finally:  # also what raised may have written
            if really:
                self._writes.happened()

    # -- the two halves of the API ------------------------------------------------------------

    def batch(self, ops: Iterable[Any]) -> list[Any]:
        if _asks_an_index(ops):
            self._wait()
        with self._writing(_may_write(ops)):
            return self._store.batch(ops)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._store.get(*args, **kwargs)

    def put(self, *args: Any, **kwargs: Any) -> Any:
        with self._writing():
            return self._store.put(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        with self._writing():
            return self._store.delete(*args, **kwargs)

    def search(self, *args: Any, **kwargs: Any) -> Any:
        self._wait()
        return self._store.search(*args, **kwargs)

    def list_namespaces(self, *args: Any, **kwargs: Any) -> Any:
        self._wait()
        return self._store.list_namespaces(*args, **kwargs)

    async def abatch(self, ops: Iterable[Any]) -> list[Any]:
        if _asks_an_index(ops):
            await self._await()
        with self._writing(_may_write(ops)):
            return await self._store.abatch(ops)

    async def aget(self, *args: Any, **kwargs: Any) -> Any:
        return await self._store.aget(*args, **kwargs)

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        with self._writing():
            return await self._store.aput(*args, **kwargs)

    async def adelete(self, *args: Any, **kwargs: Any) -> Any:
        with self._writing():
            return await self._store.adelete(*args, **kwargs)

    async def asearch(self, *args: Any, **kwargs: Any) -> Any:
        await self._await()
        return await self._store.asearch(*args, **kwargs)

    async def alist_namespaces(self, *args: Any, **kwargs: Any) -> Any:
        await self._await()
        return await self._store.alist_namespaces(*args, **kwargs)


# Whoever looks which arguments a search takes finds those of every store.
WaitingStore.search.__signature__ = inspect.signature(BaseStore.search)  # type: ignore[attr-defined]


def _asks_an_index(ops: Iterable[Any]) -> bool:
    """Whether these operations may need what an index knows; an iterator is not looked into, as it runs but once."""
    return not isinstance(ops, list | tuple) or any(not isinstance(op, GetOp | PutOp) for op in ops)


def _may_write(ops: Iterable[Any]) -> bool:
    return not isinstance(ops, list | tuple) or any(isinstance(op, PutOp) for op in ops)
