"""
``memory:``: LangGraph's ``InMemoryStore``, for development; asked for by name and never fallen back to.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from langgraph.store.memory import InMemoryStore

from store_conformance.backends.arguments import what_is_given
from store_conformance.backends.base import BackendError
from store_conformance.backends.opening.address import Address
from store_conformance.backends.opening.managed import managed
from store_conformance.backends.opening.settings import Setting, read

SETTINGS: tuple[Setting, ...] = ()
EXAMPLE = "memory:"
_LOG = logging.getLogger("store_conformance.factory")


@contextmanager
def open_sync(address: Address, index: Any, ttl: Any) -> Iterator[Any]:
    if address.rest.strip("/"):
        raise BackendError(
            "memory", "a store in memory has no path.", "write memory: alone, or sqlite:///PATH"
        )
    read("memory", SETTINGS, address.parameters)
    if ttl is not None:
        raise BackendError("memory", "InMemoryStore expires nothing.", "leave ttl out")
    _LOG.warning("the store is in memory: whatever is remembered is lost when the process ends")
    yield managed(InMemoryStore)(**what_is_given(index, None))


@asynccontextmanager
async def open_async(address: Address, index: Any, ttl: Any) -> AsyncIterator[Any]:
    with open_sync(address, index, ttl) as store:
        yield store
