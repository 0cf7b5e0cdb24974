"""
``create_store`` and ``create_async_store``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from store_conformance.embedding import embedder_from_name, spec_of
from store_conformance.embedding.errors import EmbeddingError
from store_conformance.factory.environment import (
    DIMS,
    EMBEDDINGS,
    FIELDS,
    Wanted,
    load_files,
    wanted,
)
from store_conformance.factory.mistakes import FactoryError, like
from store_conformance.harness.backends import aopen_address, open_address

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig

_LOG = logging.getLogger(__name__)


def create_store(
    url: str | None = None,
    *,
    index: IndexConfig | None = None,
    ttl: TTLConfig | None = None,
    env_folder: Path | None = None,
) -> Any:
    """
    The store that the environment asks for, ready for use (docs/PRODUCTION.md lists the variables).

    It is an instance of its own class (``PostgresStore``, ``SqliteStore``, ...) that closes what it
    holds when the process ends, by ``close()``, or by ``with create_store() as store``.  ``url``,
    ``index`` and ``ttl`` win over the environment.  Raises `FactoryError` and other ``UserError`` with
    the name of what is missing or wrong; memory is never what it falls back to.
    """
    chosen = _chosen(url, index, env_folder)
    stack = ExitStack()
    with stack:
        store = stack.enter_context(open_address(chosen.url, _index(chosen, index), ttl))
        store.bind(stack.pop_all())
    return store


def create_async_store(
    url: str | None = None,
    *,
    index: IndexConfig | None = None,
    ttl: TTLConfig | None = None,
    env_folder: Path | None = None,
) -> AsyncCreation:
    """
    What `create_store` gives, for async code: to be entered by ``async with``, or awaited.

    Whoever awaits it has to ``await store.aclose()``: when a process ends there is no event loop left
    to do so.
    """
    return AsyncCreation(url, index, ttl, env_folder)


class AsyncCreation:
    """A store that is opened when this is awaited or entered; nothing has happened before."""

    def __init__(self, url: str | None, index: Any, ttl: Any, env_folder: Path | None) -> None:
        self._asked = (url, index, ttl, env_folder)
        self._store: Any = None

    async def _open(self) -> Any:
        url, index, ttl, folder = self._asked
        chosen = _chosen(url, index, folder)
        async with AsyncExitStack() as stack:
            opened = aopen_address(chosen.url, _index(chosen, index), ttl)
            store = await stack.enter_async_context(opened)
            store.abind(stack.pop_all())
            return store

    def __await__(self) -> Generator[Any, None, Any]:
        return self._open().__await__()

    async def __aenter__(self) -> Any:
        self._store = await self._open()
        return self._store

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._store.aclose()


def _chosen(url: str | None, index: Any, folder: Path | None) -> Wanted:
    load_files(folder, given=url is not None)
    chosen = wanted(url=url, folder=folder)
    if index is None and chosen.embeddings is None:
        _LOG.warning(
            "%s is not set: the store has no vectors, and a search with a query ranks nothing",
            EMBEDDINGS,
        )
    for right in (DIMS, FIELDS):
        if chosen.embeddings is not None and (near := like(right, os.environ)):
            _LOG.warning("%s is set and means nothing here: did you mean %s?", near, right)
    return chosen


def index_of_environment(url: str) -> IndexConfig | None:
    """The index that a store of this URL is given; ``None`` where ``EMBEDDINGS`` is not set."""
    return _index(wanted(url=url), None)  # type: ignore[no-any-return]


def _index(chosen: Wanted, given: Any) -> Any:
    """The index of the caller, else the one that ``EMBEDDINGS`` names; ``dims`` are found out."""
    if given is not None:
        if not given.get("dims") or not given.get("embed"):
            raise FactoryError(
                "the index has no dims or no embed",
                'give {"dims": 1536, "embed": "openai:text-embedding-3-small"}: the vectors\' length is fixed'
                " when the table is made",
            )
        if isinstance(given["embed"], str):
            embedder, dims = _embedder("embed of the index", given["embed"])
            if given["dims"] != dims:
                raise FactoryError(
                    f"dims of the index is {given['dims']}, and {given['embed']} makes {dims}",
                    f"write {dims}, or another model",
                )
            return {**given, "embed": embedder}
        return given
    if chosen.embeddings is None:
        return None
    embedder, dims = _embedder(EMBEDDINGS, chosen.embeddings)
    if chosen.dims not in (None, dims):
        raise FactoryError(
            f"EMBEDDINGS_DIMS is {chosen.dims}, and {chosen.embeddings} makes {dims}",
            f"write {dims}, or another model, or leave EMBEDDINGS_DIMS out",
        )
    index: dict[str, Any] = {"dims": dims, "embed": embedder}
    if chosen.fields:
        index["fields"] = list(chosen.fields)
    return index


def _embedder(what: str, name: str) -> tuple[Any, int]:
    try:
        embedder = embedder_from_name(name)
        return embedder, spec_of(embedder).dims
    except EmbeddingError as error:
        raise FactoryError(f"{what}: {error.problem}", error.hint) from None
