"""
A database in which a run is a guest: its schemas come and go, and nothing else is touched.

Each run has an id, which is part of its schemas' names, and holds an advisory lock on it while it is
connected; so a later run can tell what a killed one has left behind and remove just that.
"""

from __future__ import annotations

import contextlib
import re
import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from store_conformance.backends.base import BackendError, EngineUnavailableError

if TYPE_CHECKING:
    import psycopg

PREFIX = "conformance"
REMARK = "made by store-conformance; may be dropped"
LOCK_CLASS = 0x53_43_46  # any constant that no other program is likely to use
CONNECT_SECONDS = "10"
LOCK_SECONDS = 10
_OURS = re.compile(rf"{PREFIX}_([0-9a-f]{{8}})_\d+")

Params = Mapping[str, str]

_PROBLEMS = (
    # (what the server or the client library says, what it means, what to do)
    ("password authentication failed", "the password or the user is wrong", "check the URL"),
    ("no password supplied", "the server wants a password and the URL has none",
     "write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
    ("role", "there is no such user", "check the user in the URL"),
    ("database", "there is no such database", "create it first, or name an existing one"),
    ("refused", "nobody listens there", "is the server running, and are host and port right?"),
    ("resolve", "the host name is unknown", "check the host in the URL"),
    ("translate host", "the host name is unknown", "check the host in the URL"),
    ("timeout", "the server did not answer in time", "check host, port and firewall"),
    ("startup parameter", "a connection pooler in between refuses the search path",
     "connect to the server itself, or in session mode"),
    ("too many", "the server has no connection left", "raise max_connections or close others"),
    ("no pg_hba.conf entry", "the server does not let this user in from here",
     "check pg_hba.conf, or add sslmode=require to the URL"),
    ("SSL", "the server and the URL do not agree on TLS", "check sslmode in the URL"),
)  # fmt: skip


def parse(url: str) -> dict[str, str]:
    """Connection parameters of a URL or conninfo string; raises ``BackendError``, without showing it."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    scheme = url.partition("://")[0]
    if "://" in url and scheme not in ("postgresql", "postgres"):
        raise BackendError(
            "postgres",
            f"a URL that begins with {scheme}:// is none of Postgres.",
            "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        )
    try:
        params = conninfo_to_dict(url)
    except ProgrammingError:
        raise BackendError(
            "postgres",
            "the URL cannot be read.",
            "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters as %XX",
        ) from None
    return {key: str(value) for key, value in params.items() if value is not None}


def describe_params(params: Params) -> str:
    """Where the parameters lead, without the password."""
    user = f"{params['user']}@" if "user" in params else ""
    host = params.get("host") or params.get("hostaddr") or "localhost"
    return f"postgresql://{user}{host}:{params.get('port', '5432')}/{params.get('dbname', '')}"


def conninfo(params: Params, **more: str) -> str:
    """The parameters as one string for the client library; it holds the password."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo("", **{**params, **more})


def within(params: Params, schema: str, vector_schema: str) -> str:
    """The conninfo of a connection that creates and finds everything in ``schema``."""
    path = ",".join(dict.fromkeys((schema, vector_schema, "public")))
    options = f"{params.get('options', '')} -csearch_path={path}".strip()
    return conninfo(params, options=options, application_name=schema)


def connect(params: Params) -> psycopg.Connection[Any]:
    """A connection in autocommit mode; raises ``EngineUnavailableError`` that says what is wrong."""
    import psycopg

    settings = {"connect_timeout": CONNECT_SECONDS, **params, "application_name": PREFIX}
    try:
        return psycopg.connect(conninfo(settings), autocommit=True)
    except psycopg.OperationalError as error:
        raise _unavailable(params, str(error)) from None


def _unavailable(params: Params, said: str) -> EngineUnavailableError:
    where = describe_params(params)
    text = said.replace(params.get("password") or "\0", "***")
    # What was said may name the database or the user, whose names must not be taken for the reason.
    reason = re.sub(r'"[^"]*"', '""', text)
    for sign, meaning, hint in _PROBLEMS:
        needed = ("does not exist",) if sign in ("role", "database") else ()
        if sign in reason and all(n in reason for n in needed):
            return EngineUnavailableError(
                "postgres", f"cannot connect to {where}: {meaning}.", hint
            )
    last = (text.strip().splitlines() or ["no reason given"])[-1]
    return EngineUnavailableError("postgres", f"cannot connect to {where}: {last}", "check the URL")


class Database:
    """
    One run's place in a database; thread safe.

    ``own`` means that the server is ours: then the run also gets a database of its own in it.
    """

    def __init__(self, params: Params, *, own: bool) -> None:
        self.run = uuid.uuid4().hex[:8]
        self.params = dict(params)
        self.vector_schema = "public"
        self._home = dict(params)
        self._own = own
        self._count = 0
        self._schemas: set[str] = set()
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Any] | None = None

    # -- the maintenance connection --------------------------------------------------------------

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, on a new connection if the engine was stopped or killed since."""
        import psycopg

        with self._lock:
            for fresh in (False, True):
                connection = self._connected()
                try:
                    # Without values the text goes as it is: no placeholders, several statements.
                    cursor = connection.execute(statement.encode(), values or None)
                    return cursor.fetchall() if cursor.description else []
                except psycopg.OperationalError:
                    if fresh or not connection.broken:
                        raise
                    self._connection = None
        raise AssertionError("unreachable")

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self.params)
            # Only our own housekeeping: what the store writes is as durable as its own settings say.
            self._connection.execute(
                f"SET synchronous_commit = off; SET lock_timeout = '{LOCK_SECONDS}s';"
                " SET client_min_messages = warning".encode()
            )
            self._connection.execute(
                "SELECT pg_advisory_lock_shared(%s, %s)", (LOCK_CLASS, _key(self.run))
            )
        return self._connection

    # -- the run's life --------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make sure that a run can work here; raises ``BackendError`` that says what is missing."""
        import psycopg

        if self._own:
            name = f"{PREFIX}_{self.run}"
            with connect(self._home) as home:
                home.execute(f'CREATE DATABASE "{name}"'.encode())
            self.params["dbname"] = name
        allowed = "SELECT has_database_privilege(current_database(), 'CREATE')"
        if not self.execute(allowed)[0][0]:
            raise BackendError(
                "postgres",
                f"the user may not create schemas in {describe_params(self.params)}.",
                "GRANT CREATE ON DATABASE ... TO this user, or give a database that it owns",
            )
        if self._find_vector() is None:
            try:
                self.execute("CREATE EXTENSION IF NOT EXISTS vector")
            except psycopg.errors.InsufficientPrivilege:
                raise self._no_vector("and this user may not add it") from None
            except psycopg.Error:
                raise self._no_vector("and the server has no files for it") from None
            self._find_vector()
        if not self._own:
            self._sweep()

    def _find_vector(self) -> str | None:
        rows = self.execute(
            "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
            " WHERE extname = 'vector'"
        )
        if rows:
            self.vector_schema = str(rows[0][0])
        return self.vector_schema if rows else None

    def _no_vector(self, why: str) -> BackendError:
        return BackendError(
            "postgres",
            f"{describe_params(self.params)} has no pgvector, {why}.",
            "install pgvector on the server and run CREATE EXTENSION vector as its administrator",
        )

    def leave(self) -> list[str]:
        """Remove everything that this run created; gives the schemas that could not be removed."""
        import psycopg

        try:
            if self._own:
                self._schemas.clear()
                self._close()
                if self.params["dbname"] != self._home.get("dbname"):
                    with connect(self._home) as home:
                        statement = f'DROP DATABASE IF EXISTS "{self.params["dbname"]}" (FORCE)'
                        home.execute(statement.encode())
            for schema in sorted(self._schemas):
                self.drop(schema)
        except (psycopg.Error, BackendError):
            pass  # the server is gone; what is left is told by the caller
        finally:
            self._close()
        return sorted(self._schemas)

    def forget(self) -> None:
        """Leave everything as it is: the server and all its data are about to be removed."""
        self._schemas.clear()
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- schemas ---------------------------------------------------------------------------------

    def create(self) -> str:
        """A new, empty schema; gives its name."""
        import psycopg

        with self._lock:
            self._count += 1
            name = f"{PREFIX}_{self.run}_{self._count}"
            try:
                self.execute(f"CREATE SCHEMA {name}; COMMENT ON SCHEMA {name} IS '{REMARK}'")
            except psycopg.Error as error:
                said = str(error).strip().splitlines()[0]
                raise BackendError(
                    "postgres", f"cannot create the schema {name}: {said}."
                ) from error
            self._schemas.add(name)
        return name

    def drop(self, schema: str) -> None:
        """Remove a schema and all that is in it, even if a store still holds a connection to it."""
        import psycopg

        with self._lock:
            try:
                self.execute(f"SET lock_timeout = '1s'; DROP SCHEMA IF EXISTS {schema} CASCADE")
            except psycopg.errors.LockNotAvailable:
                self.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = %s AND usename = current_user",
                    (schema,),
                )
                self.execute(
                    f"SET lock_timeout = '{LOCK_SECONDS}s'; DROP SCHEMA IF EXISTS {schema} CASCADE"
                )
            self._schemas.discard(schema)

    def _sweep(self) -> None:
        """Drop what runs that no longer live have left in this database."""
        import psycopg

        rows = self.execute(
            "SELECT nspname FROM pg_namespace"
            " WHERE nspowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
            " AND obj_description(oid, 'pg_namespace') = %s",
            (REMARK,),
        )
        for (name,) in rows:
            match = _OURS.fullmatch(name)
            if match is None or match[1] == self.run:
                continue
            lock = (LOCK_CLASS, _key(match[1]))
            if self.execute("SELECT pg_try_advisory_lock(%s, %s)", lock)[0][0]:
                with contextlib.suppress(psycopg.Error):
                    self.drop(name)
                self.execute("SELECT pg_advisory_unlock(%s, %s)", lock)

    def size(self, schema: str) -> int:
        """Bytes of all tables in the schema, with their indexes and TOAST."""
        rows = self.execute(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relkind IN ('r', 'm', 'p')",
            (schema,),
        )
        return int(rows[0][0])

    def settings(self, *names: str) -> dict[str, str]:
        """The server's settings of these names, as ``SHOW`` gives them to the store."""
        # Read on a connection as the store has it: ours relaxes synchronous_commit.
        import psycopg

        with connect(self.params) as plain:
            # Its first use in a session is what makes the extension's own settings known.
            with contextlib.suppress(psycopg.Error):
                plain.execute(f"SELECT '[1]'::\"{self.vector_schema}\".vector".encode())
            found = {}
            for name in names:
                row = plain.execute("SELECT current_setting(%s, true)", (name,)).fetchone()
                if row is not None and row[0] is not None:
                    found[name] = str(row[0])
        return found

    def versions(self) -> tuple[str, str]:
        """Versions of the server and of pgvector."""
        server = self.execute("SELECT current_setting('server_version')")[0][0]
        vector = self.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        return str(server).split(" ")[0], str(vector[0][0]) if vector else "none"


def _key(run: str) -> int:
    """A run's id as the signed 32-bit number that an advisory lock takes."""
    number = int(run, 16)
    return number - 2**32 if number >= 2**31 else number
