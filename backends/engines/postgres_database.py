"""
The places of a run on a Postgres server: what it creates there, and how it goes again.

On a server of ours a place is a schema of the run's own database.  On a user's server the same where the
user may create databases; where something in between drops the search path of a schema, each place is a
database; where no database may be created, each is a schema of the user's database.

Each run has an id, which is part of all these names; `postgres_runs` says how a later run knows what a
killed one has left behind.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from store_conformance.backends.base import BackendError, EngineUnavailableError
from store_conformance.backends.engines.postgres_faults import Surroundings
from store_conformance.backends.engines.postgres_place import (
    MENDED,
    REMARK,
    Place,
    pooled_by_transaction,
)
from store_conformance.backends.engines.postgres_runs import hold, leftovers
from store_conformance.backends.engines.postgres_url import (
    PREFIX,
    Params,
    connect,
    describe_params,
    unable,
    unavailable,
    within,
)
from store_conformance.backends.placing import UNTOUCHED, UnprovenPlaceError

if TYPE_CHECKING:
    import psycopg

LOCK_SECONDS = 10

Kind = Literal["schema", "database"]


class Database:
    """
    One run's places on a server; thread safe.

    ``own`` means that the server is ours: then nothing of anybody else is there.
    """

    def __init__(self, params: Params, *, own: bool) -> None:
        self.run = uuid.uuid4().hex[:8]
        self.params = dict(params)
        """Where places that are schemas are, and whose settings and pgvector all places have."""
        self.vector_schema = "public"
        self.kind: Kind = "schema"
        """What a place is."""
        self.pooled = False
        """Whether a pooler in between gives a server's connection for a transaction only."""
        self.refused: list[str] = []
        """Why a place is not what it would be at best."""
        self._home = dict(params)
        self._found: str | None = None
        self._own = own
        self._around = Surroundings()
        self._count = 0
        self._schemas: set[str] = set()
        self._databases: set[str] = set()
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Any] | None = None

    # -- the maintenance connection --------------------------------------------------------------

    @property
    def _base(self) -> dict[str, str]:
        """Where our own housekeeping connects: a database that is copied must have no visitors."""
        return self._home if self.kind == "database" else self.params

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
                    if fresh or not connection.broken or getattr(connection, "silent", False):
                        raise
                    self._connection = None
        raise AssertionError("unreachable")

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._base)
            if self._own:
                # Only our own housekeeping: what the store writes is as durable as its own settings
                # say.  On a user's server nothing is set: a pooler would hand it to others.
                self._connection.execute("SET synchronous_commit = off")
            hold(self._connection, self.run)
        return self._connection

    # -- the run's life --------------------------------------------------------------------------

    def prepare(self) -> None:
        """
        Find out what a place is here, and prove it; raises ``BackendError`` that says what is missing.
        """
        import psycopg

        try:
            self._prepare()
        except psycopg.Error as error:  # a limit in time of the user's role, for example
            raise unable(self.params, error) from error

    def _prepare(self) -> None:
        if self._own:
            reason = self._move()
            if reason is not None:
                raise BackendError("postgres", f"cannot create a database for the run: {reason}.")
            return
        self.pooled = self._is_pooled()
        settings = self._settings()
        isolation = settings.pop("default_transaction_isolation", "unknown")
        found = self.execute("SELECT evtname FROM pg_event_trigger WHERE evtenabled <> 'D'")
        triggers = tuple(str(name) for (name,) in found)
        self._around = Surroundings(isolation, self.pooled, settings, triggers)
        self._sweep()
        reason = self._move()
        if reason is not None:
            self.refused.append(reason)
            self._need_schemas()
        try:
            self._try_schema()
        except EngineUnavailableError as error:
            if reason is not None:
                said = error.problem.removeprefix("postgres: ").rstrip(".")
                problem = f"{said} (and {reason})."
                raise type(error)("postgres", problem, error.hint) from None
            self.refused.append(error.problem.rstrip("."))
            self._count_databases()

    def _settings(self) -> dict[str, str]:
        """What decides how statements end; raises ``EngineUnavailableError`` where PostgresStore cannot work with it."""
        with connect(self._home) as plain:
            if plain.info.parameter_status("client_encoding") == "SQL_ASCII":
                raise _unfit(
                    "client_encoding is SQL_ASCII (the role's, or the database's encoding), so that texts come as bytes",
                    "ALTER ROLE ... SET client_encoding = 'UTF8', or give a database whose encoding is UTF8",
                )
            found = plain.execute(_SETTINGS).fetchall()
        settings = {str(name): str(value) for name, value in found}
        if settings.pop("standard_conforming_strings", "on") == "off":
            raise _unfit(
                "standard_conforming_strings is off for this user, and the statements of PostgresStore are written for on",
                "ALTER ROLE ... SET standard_conforming_strings = on",
            )
        return settings

    def _is_pooled(self) -> bool:
        opened: list[Any] = []
        try:
            while len(opened) < 3:
                try:
                    opened.append(connect(self._home))
                except EngineUnavailableError:
                    if not opened:
                        raise
                    break  # a role with few connections
            return pooled_by_transaction(opened)
        finally:
            for connection in opened:
                connection.close()

    def _move(self) -> str | None:
        """Give the run a database of its own; what stands against it, where it cannot have one."""
        import psycopg

        may = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        name = f"{PREFIX}_{self.run}"
        if not self.execute(may)[0][0]:
            return "the user may not create databases"
        try:
            self._create_database(name)
            there = {**self._home, "dbname": name}
            with connect(there) as connection:
                found = str(connection.execute("SELECT current_database()").fetchone()[0])  # type: ignore[index]
                if found != name:
                    raise BackendError("postgres", f"asked for {name}, something led to {found}.")
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
                self.vector_schema = _vector_schema(connection) or "public"
        except (psycopg.Error, BackendError) as error:
            said = error.problem if isinstance(error, BackendError) else str(error)
            self._drop_databases([name])
            return f"a database of the run's own cannot be used: {said.strip().splitlines()[0]}"
        self._switch("schema", there)
        return None

    def _switch(self, kind: Kind, params: Params) -> None:
        """Go on elsewhere, with no moment at which a sweeping run could take this one for dead."""
        with self._lock:
            before, self._connection = self._connection, None
            self.kind, self.params, self._found = kind, dict(params), None
            self._connected()
            if before is not None:
                before.close()

    def _need_schemas(self) -> None:
        """In the user's database: the right to create schemas, and pgvector."""
        import psycopg

        allowed = "SELECT has_database_privilege(current_database(), 'CREATE')"
        if not self.execute(allowed)[0][0]:
            raise BackendError(
                "postgres",
                f"the user may not create schemas in {describe_params(self.params)}.",
                "GRANT CREATE ON DATABASE ... TO this user, or give a database that it owns",
            )
        found = _vector_schema(self)
        if found is None:
            try:
                self.execute("CREATE EXTENSION IF NOT EXISTS vector")
            except psycopg.errors.InsufficientPrivilege:
                raise self._no_vector("and this user may not add it") from None
            except psycopg.Error:
                raise self._no_vector("and the server has no files for it") from None
            found = _vector_schema(self)
        self.vector_schema = found or "public"
        usable = "SELECT has_schema_privilege(%s, 'USAGE')"
        if not self.execute(usable, (self.vector_schema,))[0][0]:
            raise BackendError(
                "postgres",
                f"pgvector is in the schema {self.vector_schema}, which this user may not use.",
                f"GRANT USAGE ON SCHEMA {self.vector_schema} TO this user",
            )

    def _no_vector(self, why: str) -> BackendError:
        return BackendError(
            "postgres",
            f"{describe_params(self.params)} has no pgvector, {why}.",
            "install pgvector on the server and run CREATE EXTENSION vector as its administrator",
        )

    def _try_schema(self) -> None:
        """Prove that the search path of a schema arrives; raises ``EngineUnavailableError``."""
        import psycopg

        if self.pooled:
            raise UnprovenPlaceError(
                "postgres",
                "a pooler in between gives a connection for a transaction only, so no search path"
                f" holds; {UNTOUCHED}.",
                MENDED,
            )
        name = self.create()
        try:
            asked = within(self.params, name, self.vector_schema)
            with psycopg.connect(asked, autocommit=True) as connection:
                self.place(name).prove(connection, fresh=lambda: True)
        except psycopg.OperationalError as error:
            raise unavailable(self.params, str(error)) from None
        finally:
            self.drop(name)

    def _count_databases(self) -> None:
        """From now on each place is a database: nothing in between can lose that."""
        self._switch("database", self.params)
        name = self.create()
        try:
            with connect({**self._home, "dbname": name}) as connection:
                self.place(name).prove(connection, fresh=lambda: True)
        finally:
            self.drop(name)

    def leave(self) -> list[str]:
        """Remove everything that this run created; gives what could not be removed."""
        import psycopg

        try:
            with self._lock:
                if self.params.get("dbname") in self._databases:
                    self._schemas.clear()  # they go with it
                for schema in sorted(self._schemas):
                    self.drop(schema)
                self._close()
                self.params = dict(self._home)
                self._drop_databases(sorted(self._databases, reverse=True))
        except (psycopg.Error, BackendError):
            pass  # the server is gone; what is left is told by the caller
        finally:
            self._close()
        return sorted(self._schemas | self._databases)

    def forget(self) -> None:
        """Leave everything as it is: the server and all its data are about to be removed."""
        self._schemas.clear()
        self._databases.clear()
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- places ----------------------------------------------------------------------------------

    def place(self, name: str) -> Place:
        """The place of this name, to be proved."""
        if self.kind == "database":
            return Place("database", "public", name)
        if self._found is None:
            self._found = str(self.execute("SELECT current_database()")[0][0])
        return Place("schema", name, self._found)

    def create(self) -> str:
        """A new, empty place; gives its name."""
        import psycopg

        with self._lock:
            self._count += 1
            name = f"{PREFIX}_{self.run}_{self._count}"
            try:
                if self.kind == "database":
                    self._copy(name)
                else:
                    self.execute(f"CREATE SCHEMA {name}; COMMENT ON SCHEMA {name} IS '{REMARK}'")
                    self._schemas.add(name)
            except psycopg.Error as error:
                said = str(error).strip().splitlines()[0]
                only_reads = isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
                raise BackendError(
                    "postgres",
                    f"cannot create the {self.kind} {name}: {said}.",
                    _ONLY_READS if only_reads else "",
                ) from error
        return name

    def _copy(self, name: str) -> None:
        """A database for one place, like the run's own, which nobody may visit meanwhile."""
        run = self.params["dbname"]
        self.execute(_END_SESSIONS.format(where="datname = %s"), (run,))
        self._create_database(name, run)
        # A search path that the user's role or server sets is not meant for this database.
        self.execute(f'ALTER ROLE CURRENT_USER IN DATABASE "{name}" SET search_path = public')

    def _create_database(self, name: str, template: str | None = None) -> None:
        self._databases.add(name)
        like = f' TEMPLATE "{template}"' if template else ""
        self.execute(f'CREATE DATABASE "{name}"{like}')
        self.execute(f"COMMENT ON DATABASE \"{name}\" IS '{REMARK}'")

    def _drop_databases(self, names: Iterable[str]) -> None:
        for name in names:
            self.execute(_END_SESSIONS.format(where="datname = %s"), (name,))
            self.execute(f'DROP DATABASE IF EXISTS "{name}"')
            self._databases.discard(name)

    def drop(self, name: str) -> None:
        """Remove a place and all that is in it, even if a store still holds a connection to it."""
        with self._lock:
            if self.kind == "database":
                self._drop_databases([name])
                return
            # Before the schema goes: without it the names in a store's statements lead elsewhere.
            self.execute(
                _END_SESSIONS.format(
                    where="application_name = %s AND datname = current_database()"
                ),
                (name,),
            )
            # One message: between two a server may end a transaction that is idle.
            self.execute(
                f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; DROP SCHEMA IF EXISTS {name} CASCADE"
            )
            self._schemas.discard(name)

    def empty(self, name: str, *, vectors: bool) -> str:
        """
        Take all rows out of the schema of a store that has ended, and give the name that it has from now on.

        All of it or nothing, and whoever still knows the old name finds nothing there.  What the server has
        learned of the rows goes too: a plan is that of a table which is new.
        """
        with self._lock:
            self._count += 1
            other = f"{PREFIX}_{self.run}_{self._count}"
            tables = [f"{other}.{t}" for t in ("store", *(("store_vectors",) if vectors else ()))]
            known = [f"'{table}'::regclass" for table in tables]
            self.execute(
                _EMPTY.format(
                    seconds=LOCK_SECONDS,
                    name=name,
                    other=other,
                    tables=", ".join(tables),
                    known=", ".join(known),
                    counters=", ".join(f"pg_stat_reset_single_table_counters({k})" for k in known),
                )
            )
            self._schemas.discard(name)
            self._schemas.add(other)
        return other

    def _sweep(self) -> None:
        """Drop what runs that no longer live have left on this server, as far as it is here."""
        import psycopg

        left = leftovers(self.execute, but=self.run)
        for name in left.schemas:
            with contextlib.suppress(psycopg.Error):
                self.drop(name)
        for name in left.databases:
            with contextlib.suppress(psycopg.Error):
                self._drop_databases([name])

    def size(self, schema: str) -> int:
        """Bytes of all tables of a place, with their indexes and TOAST."""
        if self.kind == "database":
            sizes = "SELECT pg_database_size(%s) - pg_database_size(%s)"
            return max(0, int(self.execute(sizes, (schema, self.params["dbname"]))[0][0]))
        rows = self.execute(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relkind IN ('r', 'm', 'p')",
            (schema,),
        )
        return int(rows[0][0])

    def between(self) -> dict[str, str]:
        """What a place is here, and why it is no better one."""
        found = {"place": f"a {self.kind}"}
        if self.refused:
            found["place"] += f" ({'; '.join(self.refused)})"
        if not self._own:
            found["pooler"] = "by transaction" if self.pooled else "none seen, or by session"
        return found

    @property
    def surroundings(self) -> Surroundings:
        """What of the server and of what lies before it decides whose fault an error is."""
        return self._around


def _unfit(problem: str, hint: str) -> EngineUnavailableError:
    return EngineUnavailableError("postgres", f"{problem}; {UNTOUCHED}.", hint)


_END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE {where} AND usename = current_user AND pid <> pg_backend_pid()"
)

_ONLY_READS = (
    "ALTER ROLE or DATABASE ... SET default_transaction_read_only = off, or give the primary server"
)
_SETTINGS = (
    "SELECT name, current_setting(name) FROM pg_settings WHERE"
    " name IN ('default_transaction_isolation', 'standard_conforming_strings') OR (name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',"
    " 'idle_session_timeout', 'transaction_timeout') AND setting <> '0')"
)
"""How the user's connections are isolated and read texts, and the limits in time that they have."""

_EMPTY = """
SET LOCAL lock_timeout = '{seconds}s';
ALTER SCHEMA {name} RENAME TO {other};
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = '{name}' AND datname = current_database() AND pid <> pg_backend_pid();
TRUNCATE {tables};
DELETE FROM pg_statistic WHERE starelid IN ({known});
SELECT {counters}
"""


def _vector_schema(where: Any) -> str | None:
    """The schema of pgvector, if the database has it."""
    found = where.execute(
        "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE extname = 'vector'"
    )
    rows = found if isinstance(found, list) else found.fetchall()
    return str(rows[0][0]) if rows else None
