"""
``PostgresStore`` and ``AsyncPostgresStore`` opened at a place that is proved first.

The proof runs on the store's own connection, or on each connection of its pool when that is made: so
there is no other way to a server that could be right while the store's is wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph.store.base import BaseStore

from store_conformance.backends.arguments import what_is_given
from store_conformance.backends.engines.postgres_place import Place
from store_conformance.backends.placing import UnprovenPlaceError

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig

POOL_SECONDS = 30.0
"""How long a pool may take for its first connection."""


@dataclass(frozen=True)
class Opening:
    """
    All that one opening needs.

    ``enter`` is told of it first; ``first`` says, after a look, whether the place had to be empty.
    """

    conninfo: str
    place: Place
    enter: Callable[[], None]
    first: Callable[[], bool]
    set_up: Callable[[], None]
    """Told once the store's ``setup()`` has come to its end."""
    pool: int | None = None
    """The most connections of a pool; None: one connection and no pool."""

    def pooled(self, configure: Callable[..., object]) -> dict[str, Any]:
        config = {"min_size": 1, "max_size": self.pool, "configure": configure}
        return {} if self.pool is None else {"pool_config": config}


@contextmanager
def open_sync(
    opening: Opening, index: IndexConfig | None, ttl: TTLConfig | None
) -> Iterator[BaseStore]:
    from langgraph.store.postgres import PostgresStore

    proof = _Proof(opening)
    given = {**what_is_given(index, ttl), **opening.pooled(proof.configure)}
    with PostgresStore.from_conn_string(opening.conninfo, **given) as store:
        if opening.pool is None:
            proof.configure(store.conn)
            store.setup()
            opening.place.settled(store.conn)
        else:
            proof.wait()
            store.setup()
            pool: Any = store.conn
            with pool.connection() as conn:
                opening.place.settled(conn)
        opening.set_up()
        yield store


@asynccontextmanager
async def open_async(
    opening: Opening, index: IndexConfig | None, ttl: TTLConfig | None
) -> AsyncIterator[BaseStore]:
    from langgraph.store.postgres.aio import AsyncPostgresStore

    proof = _Proof(opening)
    given = {**what_is_given(index, ttl), **opening.pooled(proof.aconfigure)}
    async with AsyncPostgresStore.from_conn_string(opening.conninfo, **given) as store:
        if opening.pool is None:
            await proof.aconfigure(store.conn)
            await store.setup()
            await opening.place.asettled(store.conn)
        else:
            await proof.await_pool()
            await store.setup()
            pool: Any = store.conn
            async with pool.connection() as conn:
                await opening.place.asettled(conn)
        opening.set_up()
        yield store


class _Proof:
    """Proves every connection of one opening; only the first has to find the place empty."""

    def __init__(self, opening: Opening) -> None:
        opening.enter()
        self._opening = opening
        self._proved = 0
        self._failed: UnprovenPlaceError | None = None

    def _fresh(self) -> bool:
        return self._proved == 0 and self._opening.first()

    def configure(self, conn: Any) -> None:
        try:
            self._opening.place.prove(conn, fresh=self._fresh)
        except UnprovenPlaceError as error:
            self._failed = error
            raise
        self._proved += 1

    async def aconfigure(self, conn: Any) -> None:
        try:
            await self._opening.place.aprove(conn, fresh=self._fresh)
        except UnprovenPlaceError as error:
            self._failed = error
            raise
        self._proved += 1

    # A pool tries again and again, and in the end tells of a time-out alone.

    def wait(self) -> None:
        deadline = time.monotonic() + POOL_SECONDS
        while not self._proved and self._failed is None and time.monotonic() < deadline:
            time.sleep(0.01)
        self._settle()

    async def await_pool(self) -> None:
        deadline = time.monotonic() + POOL_SECONDS
        while not self._proved and self._failed is None and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        self._settle()

    def _settle(self) -> None:
        if self._failed is not None:
            raise self._failed
