"""
A Postgres database made ready for a store, once at start and by one process at a time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn

from store_conformance.backends.base import BackendError
from store_conformance.backends.engines.postgres_url import conninfo, describe_params, unavailable
from store_conformance.backends.opening.postgres_answers import connection_class
from store_conformance.contract.secrets import one_line

if TYPE_CHECKING:
    from store_conformance.backends.opening.postgres import Plan

LOCK = 7_301_976_254_180_911
"""The advisory lock of those that set a store up."""
LOCK_SECONDS = 60.0


def prepare(planned: Plan) -> None:
    """
    Connect once, look whether a store can work there, and run its migrations.

    Raises ``BackendError`` that names the setting or the right that is missing.
    """
    import psycopg
    from psycopg.rows import dict_row

    try:
        # Only as asked for: to make an index takes its time, and says nothing meanwhile.
        conn: Any = connection_class(planned.values["answer_timeout"] or None).connect(
            conninfo(planned.params),
            autocommit=True,
            prepare_threshold=None,
            row_factory=dict_row,
        )
    except psycopg.OperationalError as error:
        found = unavailable(planned.params, str(error))
        if "password" in found.problem:
            found.hint += ": special characters of a password are %XX, a % itself is %25"
        raise found from None
    with conn:
        _no_unknown_pooler(conn, planned)
        _schema_is_there(conn, planned)
        if planned.values["setup"]:
            _vector_can_be(conn, planned)
            _set_up(conn, planned)
        elif _one(conn, "SELECT to_regclass('store') IS NULL"):
            raise _error(
                planned,
                "there is no table store yet",
                "let its owner open it once without setup=off",
            )
        _same_dims(conn, planned)


def _one(conn: Any, query: str, *values: Any) -> Any:
    row = conn.execute(query, values or None).fetchone()
    return None if row is None else next(iter(row.values()))


def _error(planned: Plan, problem: str, hint: str) -> BackendError:
    return BackendError("postgres", f"{describe_params(planned.params)}: {problem}.", hint)


def _no_unknown_pooler(conn: Any, planned: Plan) -> None:
    """A pooler gives a client another process id than the one of the server's session."""
    if planned.values["pooler"] != "off":
        return
    if _one(conn, "SELECT pg_backend_pid()") != conn.info.backend_pid:
        raise _error(
            planned,
            "a pooler is between this process and the server, which hands prepared statements"
            " and settings to other clients",
            "add pooler=transaction (settings then come from ALTER ROLE) or pooler=session to the URL",
        )


def _schema_is_there(conn: Any, planned: Plan) -> None:
    schema = planned.values["schema"]
    if schema is not None and _one(conn, "SELECT to_regnamespace(quote_ident(%s))", schema) is None:
        raise _error(planned, f"there is no schema {schema}", f'CREATE SCHEMA "{schema}"')
    if _one(conn, "SELECT current_schema()") is None:
        raise _error(planned, "no schema of the search path exists", "add schema=public to the URL")
    if _one(conn, "SHOW transaction_read_only") == "on":
        raise _error(
            planned,
            "the server takes no writes (a replica, or default_transaction_read_only)",
            "connect to the primary, or add target_session_attrs=read-write to the URL",
        )


def _vector_can_be(conn: Any, planned: Plan) -> None:
    """
    pgvector in a schema where every store of the database finds it.

    The store's own migration would put it into the first schema of the search path, out of the sight of
    a second store with another schema.
    """
    import psycopg

    if planned.index is None:
        return
    if not _one(conn, "SELECT 1 FROM pg_extension WHERE extname='vector'"):
        if not _one(conn, "SELECT 1 FROM pg_available_extensions WHERE name='vector'"):
            raise _error(
                planned,
                "pgvector is not installed at the server, and EMBEDDINGS asks for vectors",
                "install the package postgresql-NN-pgvector there, or take an image with pgvector",
            )
        public = _one(conn, "SELECT to_regnamespace('public') IS NOT NULL")
        try:
            conn.execute(f"CREATE EXTENSION IF NOT EXISTS vector{' SCHEMA public' * public}")
        except psycopg.errors.InsufficientPrivilege:
            raise _error(
                planned,
                f"{planned.params.get('user', 'the role')} may not create the extension vector",
                "let an administrator run CREATE EXTENSION vector; in this database",
            ) from None
        except psycopg.errors.UniqueViolation:
            pass  # another process that starts now was first
    if _one(conn, "SELECT to_regtype('vector') IS NULL"):
        where = _one(
            conn, "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname='vector'"
        )
        raise _error(
            planned,
            f"pgvector is in the schema {where}, which is not on the search path",
            "ALTER EXTENSION vector SET SCHEMA public; or ALTER ROLE ... SET search_path to have both",
        )


def _set_up(conn: Any, planned: Plan) -> None:
    """The store's own migrations; two processes that start at once would trip over one another."""
    import psycopg
    from langgraph.store.postgres import PostgresStore

    deadline = time.monotonic() + LOCK_SECONDS
    # Asked again and again: one that waits within a query keeps CREATE INDEX CONCURRENTLY waiting for it.
    while not _one(conn, "SELECT pg_try_advisory_lock(%s)", LOCK):
        if time.monotonic() > deadline:
            raise _error(
                planned,
                "another process has been setting the store up for a minute",
                "look at pg_locks",
            )
        time.sleep(0.1)
    try:
        PostgresStore(conn, **planned.given).setup()
    except psycopg.errors.InsufficientPrivilege as error:
        _without_right(planned, error)
    finally:
        conn.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


def _without_right(planned: Plan, error: Exception) -> NoReturn:
    user = planned.params.get("user", "the role")
    raise _error(
        planned,
        f"{user} may not create tables here ({one_line(error)})",
        f"GRANT CREATE ON SCHEMA ... TO {user}; or let the owner open it once and add setup=off",
    ) from None


def _same_dims(conn: Any, planned: Plan) -> None:
    if planned.index is None:
        return
    there = _one(
        conn,
        "SELECT atttypmod FROM pg_attribute"
        " WHERE attrelid = to_regclass('store_vectors') AND attname = 'embedding'",
    )
    if there is None:
        raise _error(
            planned,
            "there is no table store_vectors yet",
            "let its owner open it once with EMBEDDINGS",
        )
    if there not in (-1, planned.index["dims"]):
        raise _error(
            planned,
            f"the table store_vectors has {there} dimensions, and EMBEDDINGS {planned.index['dims']}",
            "use the embedder that the memories were made with, or migrate into another schema",
        )
