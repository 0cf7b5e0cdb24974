"""
A store whose searches lag behind is waited for where its author says so, and nowhere else.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import GetOp, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from store_conformance.backends.base import BackendError
from store_conformance.backends.waiting import WaitingStore
from store_conformance.contract import Location, Mode
from store_conformance.harness.backends import user_supplied

NS = ("n",)
LAG = 0.15


class Late(InMemoryStore):
    """Searches answer as if the puts of the last moments had not been."""

    def __init__(self) -> None:
        super().__init__()
        self.known: list[Any] = []

    def batch(self, ops: Any) -> Any:
        answers = super().batch(ops)
        if any(isinstance(op, PutOp) for op in ops):
            everything = super().batch([SearchOp((), limit=1000)])[0]
            threading.Timer(LAG, lambda: setattr(self, "known", everything)).start()
        return [
            self.known if isinstance(op, SearchOp) else a
            for op, a in zip(ops, answers, strict=True)
        ]

    async def abatch(self, ops: Any) -> Any:
        return self.batch(ops)

    def sweep_ttl(self) -> int:
        return 7


def place(folder: Path) -> Location:
    (folder / "place").mkdir()
    return Location(path=folder / "place", url=None, name="place")


def keys(found: list[Any]) -> list[str]:
    return [item.key for item in found]


def test_a_search_after_a_put_waits_for_the_index(tmp_path: Path) -> None:
    store = WaitingStore(Late(), LAG * 2, place(tmp_path))
    store.put(NS, "k", {})

    assert store.get(NS, "k") is not None
    assert keys(store.search(NS)) == ["k"]
    store.batch([PutOp(NS, "l", {}), GetOp(NS, "k")])
    assert sorted(keys(store.batch([SearchOp(NS)])[0])) == ["k", "l"]


def test_an_async_search_waits_too_and_holds_nobody_up(tmp_path: Path) -> None:
    store = WaitingStore(Late(), LAG * 2, place(tmp_path))

    async def work() -> tuple[list[str], float]:
        await store.aput(NS, "k", {})
        search = asyncio.create_task(store.asearch(NS))
        begin = time.monotonic()
        await store.aget(NS, "k")
        return keys(await search), time.monotonic() - begin

    found, seconds = asyncio.run(work())

    assert found == ["k"]
    assert seconds > LAG / 2  # the search did wait, the get beside it went on


def test_without_it_or_while_somebody_looks_at_the_lag_nothing_is_found(tmp_path: Path) -> None:
    at = place(tmp_path)
    bare, waiting = Late(), WaitingStore(Late(), LAG * 2, at)
    for store in (bare, waiting):
        store.put(NS, "k", {})
    waiting.waits = False

    assert bare.search(NS) == []
    assert waiting.search(NS) == []


def test_the_authors_own_way_is_asked_once_for_each_write_by_whomever(tmp_path: Path) -> None:
    at = place(tmp_path)
    asked: list[Any] = []
    inner = InMemoryStore()
    one, other = WaitingStore(inner, asked.append, at), WaitingStore(inner, asked.append, at)
    one.put(NS, "k", {})
    for _ in range(3):
        other.search(NS)
    one.delete(NS, "k")
    other.list_namespaces()

    assert asked == [inner, inner]


def test_everything_else_is_the_stores(tmp_path: Path) -> None:
    store: Any = WaitingStore(Late(), LAG, place(tmp_path))

    assert store.sweep_ttl() == 7
    assert store.supports_ttl is InMemoryStore.supports_ttl
    assert not hasattr(store, "start_ttl_sweeper")
    assert "refresh_ttl" in inspect.signature(type(store).search).parameters


def _opened(settle: object) -> Callable[..., Any]:
    @contextmanager
    def open_store() -> Iterator[InMemoryStore]:
        yield InMemoryStore()

    open_store.settle = settle  # type: ignore[attr-defined]
    return open_store


@pytest.mark.parametrize("settle", [0, -1, 11, "1", True])
def test_what_is_no_time_and_no_function_is_refused(
    settle: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.open_it", _opened(settle), raising=False)
    backend = user_supplied(f"{__name__}:open_it", name="mine")
    backend.start()
    try:
        opened: Any = backend.open(backend.location(), None, None, Mode.SYNC)
        with pytest.raises(BackendError, match="settle"), opened:
            pass
    finally:
        backend.stop()
