"""
The documented ways to open ``PostgresStore`` and ``AsyncPostgresStore`` beside the usual one.

Each is given a connection string whose place was proved just before, by a connection of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from langgraph.store.base import BaseStore

from store_conformance.backends.arguments import what_is_given
from store_conformance.backends.base import Door, Mode, Opened
from store_conformance.contract import Location

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig


@contextmanager
def _connection(
    conninfo: str, index: IndexConfig | None, ttl: TTLConfig | None, **connecting: Any
) -> Iterator[BaseStore]:
    """``PostgresStore(Connection.connect(...))``, as the class's docstring has it."""
    from langgraph.store.postgres import PostgresStore
    from psycopg import Connection

    with Connection.connect(conninfo, **connecting) as conn:
        store = PostgresStore(conn, **what_is_given(index, ttl))
        store.setup()
        yield store


@asynccontextmanager
async def _aconnection(
    conninfo: str, index: IndexConfig | None, ttl: TTLConfig | None, **connecting: Any
) -> AsyncIterator[BaseStore]:
    from langgraph.store.postgres.aio import AsyncPostgresStore
    from psycopg import AsyncConnection

    async with await AsyncConnection.connect(conninfo, **connecting) as conn:
        store = AsyncPostgresStore(conn, **what_is_given(index, ttl))
        await store.setup()
        yield store


@contextmanager
def _string(
    conninfo: str, index: IndexConfig | None, ttl: TTLConfig | None, **options: Any
) -> Iterator[BaseStore]:
    from langgraph.store.postgres import PostgresStore

    with PostgresStore.from_conn_string(conninfo, **options, **what_is_given(index, ttl)) as store:
        store.setup()
        yield store


@asynccontextmanager
async def _astring(
    conninfo: str, index: IndexConfig | None, ttl: TTLConfig | None, **options: Any
) -> AsyncIterator[BaseStore]:
    from langgraph.store.postgres.aio import AsyncPostgresStore

    async with AsyncPostgresStore.from_conn_string(
        conninfo, **options, **what_is_given(index, ttl)
    ) as store:
        await store.setup()
        yield store


def documented_indexes() -> Mapping[str, Sequence[Mapping[str, object]]]:
    """Entries of ``PostgresIndexConfig``: each kind of index and type of vector, with each distance."""
    kinds: tuple[dict[str, object], ...] = (
        {"kind": "hnsw", "m": 16, "ef_construction": 64},
        {"kind": "ivfflat", "nlist": 10},
        {"kind": "flat"},
    )
    types = {"vector": "", "halfvec": " of halves"}
    return {
        f"{kind['kind']}{suffix}": [
            {"ann_index_config": {**kind, "vector_type": vector_type}, "distance_type": distance}
            for distance in ("cosine", "l2", "inner_product")
        ]
        for kind in kinds
        for vector_type, suffix in types.items()
    }


def documented_doors(mode: Mode, conninfo_of: Callable[[Location], str]) -> Mapping[str, Door]:
    """Names to doors; ``conninfo_of`` proves a place and gives the connection string that leads to it."""
    connect: Callable[..., Opened] = _connection if mode == Mode.SYNC else _aconnection
    string: Callable[..., Opened] = _string if mode == Mode.SYNC else _astring

    def door(opening: Callable[..., Opened], **options: Any) -> Door:
        return lambda at, index, ttl: opening(conninfo_of(at), index, ttl, **options)

    # The docstring of the async class shows no connection without autocommit.
    plain = {"plain connection": door(connect)} if mode == Mode.SYNC else {}
    return {
        **plain,
        # No docstring asks for a row factory: the stores' cursors have their own.
        "autocommit connection": door(connect, autocommit=True),
        "pipeline": door(string, pipeline=True),
        "pool of one": door(string, pool_config={"min_size": 1, "max_size": 1}),
        "pool of several": door(string, pool_config={"min_size": 1, "max_size": 4}),
    }
