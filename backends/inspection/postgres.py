"""
What a client sees of a Postgres database with a store in it.
"""

from __future__ import annotations

import os
import statistics
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from store_conformance.backends.base import EngineUnavailableError
from store_conformance.backends.engines.postgres_dump import newest_major
from store_conformance.backends.engines.postgres_url import conninfo, describe_params, unavailable
from store_conformance.backends.inspection.gathering import Gathered
from store_conformance.backends.inspection.postgres_place import find_store
from store_conformance.backends.opening.address import LOOPBACK, Address
from store_conformance.backends.opening.postgres import Plan, plan
from store_conformance.backends.opening.postgres_answers import connection_class

_READ_ONLY = "default_transaction_read_only is on"
STATEMENT_MILLISECONDS = 5000
"""No look takes longer; what would is not visible from here."""
SILENT_SECONDS = 15.0
"""No server that answers at all is silent for so long, with this limit of a statement."""
MOST = 10_000
_EACH = 100_000
"""So many rows are read in well under a second."""
_SETTINGS = (
    "fsync", "full_page_writes", "synchronous_commit", "wal_level", "archive_mode", "autovacuum", "ssl",
    "password_encryption", "data_checksums", "log_connections", "log_min_duration_statement",
    "shared_preload_libraries", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
    "max_connections", "superuser_reserved_connections", "server_encoding", "hnsw.ef_search", "hnsw.iterative_scan",
)  # fmt: skip


def inspect(address: Address, *, read_only: bool = False) -> Gathered:
    """Raises ``BackendError`` where there is nobody to ask."""
    planned = plan(address, None, None)
    params = {**planned.params, "application_name": "store-conformance check"}
    seen = Gathered("postgres", describe_params(params))
    seconds = planned.values["answer_timeout"] or SILENT_SECONDS
    with _answering(params, seconds) as conn:
        conn.execute(f"SET statement_timeout = {STATEMENT_MILLISECONDS}")
        conn.execute("SET default_transaction_read_only = on")
        _server(seen, conn)
        _connection(seen, conn, params, planned)
        _role(seen, conn)
        _schema(seen, conn, planned)
        if seen.facts.get("has_store"):
            _contents(seen, conn)
            _vectors(seen, conn)
        _operation(seen, conn)
        unwritten = "--read-only" if read_only else _may_not_write(seen)
        if unwritten:
            seen.hidden["round_trip"] = unwritten
        else:
            conn.execute("SET default_transaction_read_only = off")
            seen.see("round_trip", lambda: _round_trip(conn))
    seen.see("pg_dump_major", newest_major)
    seen.see("plain_accepted", lambda: _accepts(params, sslmode="disable"))
    seen.see("any_password_accepted", lambda: _any_password(params))
    return seen


@contextmanager
def _answering(params: Mapping[str, str], seconds: float) -> Iterator[Any]:
    """A connection; a server that is lost or stands still within the block raises ``EngineUnavailableError``."""
    import psycopg

    conn = _connect(params, seconds)
    try:
        with conn:
            yield conn
            if not conn.closed:
                return
    except psycopg.OperationalError:
        if not conn.closed:
            raise
    silent = getattr(conn, "silent", False)
    lost = f"it has said nothing for {seconds:g} s" if silent else "the connection was closed"
    raise EngineUnavailableError(
        "postgres",
        f"{describe_params(params)} stopped answering in the middle of the check: {lost}.",
        "is the server running, and has it room? answer_timeout= in the URL says how long its silence is waited for",
    )


def _may_not_write(seen: Gathered) -> str | None:
    """Why nothing is written although it was not forbidden here: somebody has made the database read-only."""
    if seen.facts.get("in_recovery"):
        return "the server is a replica"
    return _READ_ONLY if seen.facts.get("read_only_by_default", True) else None


def _connect(params: Mapping[str, str], seconds: float = SILENT_SECONDS) -> Any:
    import psycopg

    try:
        return connection_class(seconds).connect(
            conninfo(params), autocommit=True, prepare_threshold=None
        )
    except psycopg.OperationalError as error:
        raise unavailable(params, str(error)) from None


def _one(conn: Any, query: str, *values: Any) -> Any:
    row = conn.execute(query, values or None).fetchone()
    return None if row is None else row[0]


def _is(conn: Any, query: str) -> bool:
    return bool(_one(conn, query))


def _done_of(conn: Any, query: str, known: int) -> tuple[int, int]:
    return int(_one(conn, query)), known


def _server(seen: Gathered, conn: Any) -> None:
    seen.see("server_version", lambda: int(_one(conn, "SHOW server_version_num")))
    seen.see(
        "vector_version",
        lambda: _one(conn, "SELECT extversion FROM pg_extension WHERE extname = 'vector'"),
    )
    # The extension's settings are there once its library is loaded.
    seen.see("vector_loaded", lambda: _one(conn, "SELECT '[1]'::vector IS NOT NULL"))
    for name in _SETTINGS:
        word = name.replace(".", "_")
        seen.see(word, partial(_one, conn, "SELECT current_setting(%s, true)", name))
    seen.see("timeouts_ms", lambda: _timeouts(conn))
    seen.see(
        "read_only_by_default",
        lambda: _one(
            conn,
            "SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only'",
        ),
    )


def _timeouts(conn: Any) -> dict[str, int]:
    """What a session gets without any setting of its own."""
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    rows = conn.execute(
        "SELECT name, reset_val FROM pg_settings WHERE name = ANY(%s)", (list(names),)
    ).fetchall()
    return {name: int(value) for name, value in rows}


def _connection(seen: Gathered, conn: Any, params: Mapping[str, str], planned: Plan) -> None:
    hosts = (params.get("host") or params.get("hostaddr") or "localhost").split(",")
    local = all(host in LOOPBACK or host.startswith(("/", "@")) for host in hosts)
    seen.facts["local"] = local
    seen.facts["sslmode"] = params.get("sslmode", "prefer")
    seen.facts["user"] = params.get("user", "")
    seen.facts["password"] = params.get("password") or os.environ.get("PGPASSWORD") or ""
    seen.facts["pool_max"] = planned.values["pool_max"]
    seen.facts["connect_timeout"] = int(params.get("connect_timeout", "0") or 0)
    seen.facts["url_timeouts_ms"] = {
        "statement_timeout": int(planned.values["statement_timeout"] * 1000),
        "lock_timeout": int(planned.values["lock_timeout"] * 1000),
        "idle_in_transaction_session_timeout": int(planned.values["idle_timeout"] * 1000),
    }
    seen.facts["pooler"] = planned.values["pooler"]
    seen.see(
        "tls", lambda: bool(_one(conn, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    )
    seen.see(
        "pooler_between", lambda: _one(conn, "SELECT pg_backend_pid()") != conn.info.backend_pid
    )
    seen.see("latency_ms", lambda: _latency(conn))


def _latency(conn: Any) -> float:
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        conn.execute("SELECT 1")
        times.append(time.perf_counter() - begun)
    return round(statistics.median(times) * 1000, 2)


def _role(seen: Gathered, conn: Any) -> None:
    for fact, column in (
        ("superuser", "rolsuper"),
        ("createdb", "rolcreatedb"),
        ("createrole", "rolcreaterole"),
        ("bypassrls", "rolbypassrls"),
    ):
        query = f"SELECT {column} FROM pg_roles WHERE rolname = current_user"
        seen.see(fact, partial(_is, conn, query))
    seen.see(
        "connection_limit",
        lambda: int(_one(conn, "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user")),
    )
    seen.see(
        "public_may_create",
        lambda: bool(
            _one(
                conn,
                "SELECT EXISTS (SELECT 1 FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = 'public'"
                " AND a.grantee = 0 AND a.privilege_type = 'CREATE')",
            )
        ),
    )
    seen.see(
        "public_may_read",
        lambda: bool(
            _one(
                conn,
                "SELECT EXISTS (SELECT 1 FROM pg_class, aclexplode(relacl) a"
                " WHERE oid = to_regclass('store') AND a.grantee = 0)",
            )
        ),
    )


def _schema(seen: Gathered, conn: Any, planned: Plan) -> None:
    from langgraph.store.postgres.base import MIGRATIONS, VECTOR_MIGRATIONS

    find_store(seen, conn, planned.values["schema"])
    # With index=flat the store makes no index, and does not count the step that would.
    unmade = 1 if planned.values["index"] == "flat" else 0
    there = bool(seen.facts.get("has_store"))
    look = "SELECT to_regclass('store_vectors') IS NOT NULL"
    seen.see("has_vectors", lambda: there and _one(conn, look))
    for fact, table, known in (
        ("migrations", "store_migrations", len(MIGRATIONS)),
        ("vector_migrations", "vector_migrations", len(VECTOR_MIGRATIONS) - unmade),
    ):
        if seen.facts.get("has_vectors" if "vector" in fact else "has_store"):
            query = f"SELECT coalesce(max(v), -1) + 1 FROM {table}"
            seen.see(fact, partial(_done_of, conn, query, known))
    seen.see(
        "invalid_indexes",
        lambda: [
            row[0]
            for row in conn.execute(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND indrelid IN"
                " (to_regclass('store'), to_regclass('store_vectors'))"
            ).fetchall()
        ],
    )
    seen.see(
        "indexes",
        lambda: [
            row[0]
            for row in conn.execute(
                "SELECT indexdef FROM pg_indexes WHERE to_regclass(quote_ident(schemaname) || '.' || quote_ident(tablename))"
                " IN (to_regclass('store'), to_regclass('store_vectors'))"
            ).fetchall()
        ],
    )


def _contents(seen: Gathered, conn: Any) -> None:
    seen.see(
        "items",
        lambda: max(
            0, int(_one(conn, "SELECT reltuples FROM pg_class WHERE oid = to_regclass('store')"))
        ),
    )
    seen.see(
        "expired_unswept",
        lambda: int(
            _one(
                conn,
                "SELECT count(*) FROM (SELECT 1 FROM store WHERE expires_at < now() - interval '1 hour'"
                f" LIMIT {MOST}) x",
            )
        ),
    )
    seen.see(
        "namespaces",
        lambda: [
            row[0].split(".")
            for row in conn.execute(f"SELECT DISTINCT prefix FROM store LIMIT {MOST}").fetchall()
        ],
    )
    seen.see(
        "dead_rows",
        lambda: conn.execute(
            "SELECT coalesce(sum(n_dead_tup), 0)::bigint, coalesce(sum(n_live_tup), 0)::bigint FROM pg_stat_user_tables"
            " WHERE relid IN (to_regclass('store'), to_regclass('store_vectors'))"
        ).fetchone(),
    )
    seen.see(
        "autovacuum_off_for",
        lambda: [
            row[0]
            for row in conn.execute(
                "SELECT relname FROM pg_class WHERE oid IN (to_regclass('store'), to_regclass('store_vectors'))"
                " AND 'autovacuum_enabled=false' = ANY(reloptions)"
            ).fetchall()
        ],
    )
    seen.see(
        "unlogged",
        lambda: [
            row[0]
            for row in conn.execute(
                "SELECT relname FROM pg_class WHERE oid IN (to_regclass('store'), to_regclass('store_vectors'))"
                " AND relpersistence = 'u'"
            ).fetchall()
        ],
    )
    seen.see(
        "bytes",
        lambda: int(_one(conn, "SELECT coalesce(pg_total_relation_size(to_regclass('store')), 0)")),
    )


def _vectors(seen: Gathered, conn: Any) -> None:
    if not seen.facts.get("has_vectors"):
        return
    seen.see(
        "vector_bytes",
        lambda: int(_one(conn, "SELECT pg_total_relation_size(to_regclass('store_vectors'))")),
    )
    seen.see(
        "vector_column",
        lambda: _one(
            conn,
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = to_regclass('store_vectors') AND attname = 'embedding'",
        ).rpartition(".")[2],
    )
    seen.see(
        "vectors",
        lambda: max(
            0,
            int(
                _one(
                    conn, "SELECT reltuples FROM pg_class WHERE oid = to_regclass('store_vectors')"
                )
            ),
        ),
    )
    seen.see(
        "foreign_key",
        lambda: bool(
            _one(
                conn,
                "SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass('store_vectors')"
                " AND contype = 'f' AND confdeltype = 'c' AND convalidated)",
            )
        ),
    )
    seen.see("orphan_vectors", lambda: _orphans(conn, keyed=bool(seen.facts.get("foreign_key"))))
    seen.see(
        "without_vectors",
        lambda: conn.execute(
            "SELECT count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM store_vectors v WHERE v.prefix = s.prefix AND v.key = s.key)),"
            f" count(*) FROM (SELECT prefix, key FROM store LIMIT {MOST}) s"
        ).fetchone(),
    )
    seen.see("search_plan", lambda: _plan_of_a_search(conn, str(seen.facts["vector_column"])))


def _orphans(conn: Any, *, keyed: bool) -> int:
    """Vectors without an item; in a large table that has its foreign key nobody needs to look at each."""
    rows = _one(conn, "SELECT reltuples FROM pg_class WHERE oid = to_regclass('store_vectors')")
    if keyed and rows > _EACH:
        return 0
    return int(
        _one(
            conn,
            "SELECT count(*) FROM (SELECT 1 FROM store_vectors v WHERE NOT EXISTS"
            f" (SELECT 1 FROM store s WHERE s.prefix = v.prefix AND s.key = v.key) LIMIT {MOST}) x",
        )
    )


def _plan_of_a_search(conn: Any, column: str) -> str:
    """How the planner would do the store's own search; nothing is run."""
    kind, _, dims = column.rstrip(")").partition("(")
    vector = "[" + ",".join(["1"] + ["0"] * (int(dims) - 1)) + "]"
    rows = conn.execute(
        "EXPLAIN SELECT store.prefix, store.key, store.value FROM store JOIN store_vectors sv"
        " ON store.prefix = sv.prefix AND store.key = sv.key"
        f" ORDER BY sv.embedding <=> %s::{kind}({dims}) ASC LIMIT 21",
        (vector,),
    ).fetchall()
    return "\n".join(row[0] for row in rows)


def _operation(seen: Gathered, conn: Any) -> None:
    seen.see("connections", lambda: int(_one(conn, "SELECT count(*) FROM pg_stat_activity")))
    seen.see(
        "last_archived",
        lambda: _one(conn, "SELECT last_archived_time IS NOT NULL FROM pg_stat_archiver"),
    )
    seen.see(
        "archive_failing",
        lambda: _one(
            conn,
            "SELECT coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) FROM pg_stat_archiver",
        ),
    )
    seen.see("replicas", lambda: int(_one(conn, "SELECT count(*) FROM pg_stat_replication")))
    seen.see(
        "idle_slots",
        lambda: [
            row[0]
            for row in conn.execute(
                "SELECT slot_name FROM pg_replication_slots WHERE NOT active"
            ).fetchall()
        ],
    )
    seen.see("in_recovery", lambda: _one(conn, "SELECT pg_is_in_recovery()"))
    seen.see(
        "old_transactions",
        lambda: int(
            _one(
                conn,
                "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'"
                " AND now() - state_change > interval '5 minutes'",
            )
        ),
    )


def _round_trip(conn: Any) -> str:
    """The three memory types in a schema of our own, which is gone afterwards; empty where all is well."""
    from langgraph.store.postgres import PostgresStore
    from psycopg.rows import dict_row

    name = f"conformance_check_{uuid.uuid4().hex[:12]}"
    conn.execute(f"CREATE SCHEMA {name}")
    rows, conn.row_factory = conn.row_factory, dict_row
    try:
        conn.execute(f"SET search_path = {name}")
        store = PostgresStore(conn)
        store.setup()
        places = (
            (("user",), "prompt"),
            (("app", "user", "examples"), "e"),
            (("app", "user", "c"), "m"),
        )
        for namespace, key in places:
            store.put(namespace, key, {"text": key})
        found = [store.get(namespace, key) for namespace, key in places]
        wrong = [
            key
            for (_, key), item in zip(places, found, strict=True)
            if item is None or item.value != {"text": key}
        ]
        return ", ".join(wrong)
    finally:
        conn.row_factory = rows
        conn.execute("RESET search_path")
        conn.execute(f"DROP SCHEMA {name} CASCADE")


def _accepts(params: Mapping[str, str], **other: str) -> bool:
    try:
        _connect({**params, **other}).close()
    except EngineUnavailableError:
        return False
    return True


def _any_password(params: Mapping[str, str]) -> bool:
    """One login with a password that nobody has: a server that trusts this address lets it in."""
    if params.get("passfile") or params.get("service"):
        raise LookupError("the password comes from a file or a service")
    return _accepts(params, password=uuid.uuid4().hex)
