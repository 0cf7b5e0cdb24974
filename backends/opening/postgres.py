"""
``postgresql://...``: ``PostgresStore`` and ``AsyncPostgresStore`` over a pool of connections.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from store_conformance.backends.arguments import what_is_given
from store_conformance.backends.base import BackendError, EngineUnavailableError
from store_conformance.backends.engines.postgres_url import (
    conninfo,
    describe_params,
    parse,
    unavailable,
)
from store_conformance.backends.opening.address import LOOPBACK, Address
from store_conformance.backends.opening.managed import managed
from store_conformance.backends.opening.postgres_answers import (
    async_connection_class,
    connection_class,
    patience,
)
from store_conformance.backends.opening.postgres_setup import prepare
from store_conformance.backends.opening.settings import TTL, Setting, as_it_is, read, ttl_of
from store_conformance.contract.secrets import one_line

EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
LIMITS = {"vector": 2000, "halfvec": 4000}
"""The most dimensions that pgvector can index."""
SETTINGS = (
    Setting("pool_min", 1, "the first calls that wait for a connection", most=1000),
    Setting("pool_max", 10, "one agent that takes all connections of the server", least=1, most=1000),
    Setting("pool_wait", 10.0, "calls that wait for ever for a free connection", least=0.1),
    Setting("pool_idle", 300.0, "connections that are kept and not used", least=1),
    Setting("pool_lifetime", 3600.0, "connections that a firewall or a rotated password outlives", least=1),
    Setting("statement_timeout", 60.0, "a query that never ends; 0: none"),
    Setting(
        "answer_timeout",
        0.0,
        "a server that is frozen, or a network that swallows all, which is no error to any client: after so many"
        " seconds of silence the call raises; 0: half a minute more than statement_timeout",
    ),
    Setting("lock_timeout", 10.0, "a put that waits for somebody's forgotten lock; 0: none"),
    Setting("idle_timeout", 60.0, "a transaction that is left open and keeps vacuum from cleaning up; 0: none"),
    Setting("schema", None, "tables among somebody else's; it must exist"),
    Setting("setup", True, "off for a role that may not create tables, after its owner has done it"),
    Setting(
        "pooler",
        "off",
        "prepared statements and settings that PgBouncer hands to another client",
        ("off", "session", "transaction"),
    ),
    Setting("index", "hnsw", "searches that read every vector", ("hnsw", "ivfflat", "flat")),
    Setting(
        "vector_type",
        "auto",
        "dimensions above 2,000, which pgvector indexes as halfvec alone",
        ("auto", "vector", "halfvec"),
    ),
    Setting("ef_search", 100, "fewer results than the limit: pgvector looks at 40 by default", least=1, most=1000),
    Setting(
        "iterative_scan",
        "strict_order",
        "a search in one namespace that finds nothing although it is there (needs pgvector 0.8)",
        ("strict_order", "relaxed_order", "off"),
    ),
    *TTL,
)  # fmt: skip
_LOG = logging.getLogger("store_conformance.factory")


@dataclass(frozen=True)
class Plan:
    """All that an opening needs; ``params`` hold the password and are never shown."""

    params: Mapping[str, str] = field(repr=False)
    values: Mapping[str, Any]
    index: Any
    ttl: Any

    @property
    def session(self) -> list[tuple[str, str]]:
        """What each connection is set to; none of it can be kept behind a pooler that swaps them."""
        if self.values["pooler"] == "transaction":
            return []
        found = [
            ("statement_timeout", f"{self.values['statement_timeout']:g}s"),
            ("lock_timeout", f"{self.values['lock_timeout']:g}s"),
            ("idle_in_transaction_session_timeout", f"{self.values['idle_timeout']:g}s"),
        ]
        if self.index is not None:
            found += [("hnsw.ef_search", str(self.values["ef_search"]))]
            found += [("hnsw.iterative_scan", self.values["iterative_scan"])]
        return found

    @property
    def patience(self) -> float | None:
        """Seconds of silence after which a server is given up."""
        return patience(self.values["answer_timeout"], self.values["statement_timeout"])

    @property
    def pool(self) -> dict[str, Any]:
        """Arguments of the pool, sync or async, but for those that are functions and classes."""
        from psycopg.rows import dict_row

        return {
            "conninfo": conninfo(self.params),
            "min_size": min(self.values["pool_min"], self.values["pool_max"]),
            "max_size": self.values["pool_max"],
            "timeout": self.values["pool_wait"],
            "max_idle": self.values["pool_idle"],
            "max_lifetime": self.values["pool_lifetime"],
            "reconnect_timeout": self.values["pool_wait"],
            "open": False,
            "kwargs": {
                # Without it a put is open until somebody commits, which the store does not.
                "autocommit": True,
                "prepare_threshold": None if self.values["pooler"] != "off" else 5,
                "row_factory": dict_row,
            },
        }

    @property
    def given(self) -> dict[str, Any]:
        return what_is_given(self.index, self.ttl)


def plan(address: Address, index: Any, ttl: Any) -> Plan:
    """What the URL asks for; raises ``BackendError`` for what cannot be, before anything is connected."""
    try:
        import langgraph.store.postgres  # noqa: F401
        import psycopg_pool  # noqa: F401
        from psycopg import pq
    except ImportError:
        raise EngineUnavailableError(
            "postgres",
            "langgraph-checkpoint-postgres or psycopg is not installed.",
            "pip install langgraph-checkpoint-postgres 'psycopg[binary,pool]'",
        ) from None
    theirs = [option.keyword.decode() for option in pq.Conninfo.get_defaults()]
    values = read("postgres", SETTINGS, address.parameters, theirs)
    values = as_it_is(values, reading=address.reading)
    rest = {name: value for name, value in address.parameters.items() if name in theirs}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in rest.items())
    text = address.rest
    if text.startswith("//"):
        text = f"postgresql:{text}" + (f"?{query}" if query else "")
    params = _with_defaults(parse(text), values)
    return Plan(params, values, _indexed(index, values), ttl_of(values, ttl))


def _with_defaults(params: dict[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    defaults = {
        "connect_timeout": "10",
        "application_name": "langgraph-store",
        # A server that is gone without a word is noticed in half a minute and not in two hours.
        "keepalives_idle": "20",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "30000",
    }
    hosts = (params.get("host") or params.get("hostaddr") or "localhost").split(",")
    if not all(host in LOOPBACK or host.startswith(("/", "@")) for host in hosts):
        # libpq's own default, prefer, goes on in the clear where the server has no TLS.
        defaults["sslmode"] = "require"
    schema = values["schema"]
    if schema is not None:
        if values["pooler"] == "transaction":
            raise BackendError(
                "postgres",
                "a schema cannot be chosen behind a pooler in transaction mode.",
                f'ALTER ROLE ... SET search_path = "{schema}", public; and leave schema= out',
            )
        quoted = '"' + str(schema).replace('"', '""') + '"'
        defaults["options"] = f"-csearch_path={quoted.replace(' ', chr(92) + ' ')},public"
        if "options" in params:
            params = {**params, "options": f"{params['options']} {defaults['options']}"}
    return {**defaults, **params}


def _indexed(index: Any, values: Mapping[str, Any]) -> Any:
    """The index with a kind and a type of vector that pgvector can index with so many dimensions."""
    if index is None or "ann_index_config" in index:
        return index
    dims, kind, vector = index["dims"], values["index"], values["vector_type"]
    if vector == "auto":
        vector = "vector" if dims <= LIMITS["vector"] else "halfvec"
    if kind != "flat" and dims > LIMITS[vector]:
        raise BackendError(
            "postgres",
            f"pgvector cannot index {dims} dimensions as {vector}, {LIMITS[vector]} at most.",
            "give vector_type=halfvec (4,000 at most), index=flat, or a smaller embedder",
        )
    return {**index, "ann_index_config": {"kind": kind, "vector_type": vector}}


@contextmanager
def open_sync(address: Address, index: Any, ttl: Any) -> Iterator[Any]:
    planned = plan(address, index, ttl)
    prepare(planned)
    from langgraph.store.postgres import PostgresStore
    from psycopg_pool import ConnectionPool

    def configure(conn: Any) -> None:
        for name, value in planned.session:
            conn.execute("SELECT set_config(%s, %s, false)", (name, value))

    more = {
        "configure": configure,
        "check": ConnectionPool.check_connection,
        "connection_class": connection_class(planned.patience),
    }
    with ConnectionPool(**planned.pool, **more) as pool:
        with _explained(planned):
            pool.wait(planned.values["pool_wait"])
        store = managed(PostgresStore)(pool, **planned.given)
        store.start_ttl_sweeper()
        try:
            yield store
        finally:
            store.stop_ttl_sweeper(timeout=5)


@asynccontextmanager
async def open_async(address: Address, index: Any, ttl: Any) -> AsyncIterator[Any]:
    planned = plan(address, index, ttl)
    await asyncio.to_thread(prepare, planned)
    from langgraph.store.postgres.aio import AsyncPostgresStore
    from psycopg_pool import AsyncConnectionPool

    async def configure(conn: Any) -> None:
        for name, value in planned.session:
            await conn.execute("SELECT set_config(%s, %s, false)", (name, value))

    more = {
        "configure": configure,
        "check": AsyncConnectionPool.check_connection,
        "connection_class": async_connection_class(planned.patience),
    }
    async with AsyncConnectionPool(**planned.pool, **more) as pool:
        with _explained(planned):
            await pool.wait(planned.values["pool_wait"])
        store = managed(AsyncPostgresStore)(pool, **planned.given)
        await store.start_ttl_sweeper()
        try:
            yield store
        finally:
            await store.stop_ttl_sweeper(timeout=5)


@contextmanager
def _explained(planned: Plan) -> Iterator[None]:
    from psycopg_pool import PoolTimeout

    try:
        yield
    except PoolTimeout as error:
        raise unavailable(
            planned.params, one_line(error, (planned.params.get("password"),))
        ) from None


def described(address: Address) -> str:
    return describe_params(plan(address, None, None).params)
