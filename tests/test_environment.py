"""
What an environment refuses is told before the first case, or is unverified with its reason; the same words
from a store are its own.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends import faults, registry
from store_conformance.backends.base import Backend, BackendError, EngineUnavailableError
from store_conformance.backends.engines.postgres_faults import Surroundings, fault
from store_conformance.backends.factory import user_supplied
from store_conformance.backends.faults import causes, is_lost_connection, of_the_machine
from store_conformance.contract import Mode, Verdict
from store_conformance.harness.errors import CheckFailedError, StoreRaisedError
from store_conformance.harness.journal import Call, Journal
from store_conformance.harness.process.child import ChildFailedError
from store_conformance.harness.settings import Settings
from store_conformance.harness.surroundings import environment_fault
from store_conformance.harness.waiting import AT_ONCE, Job
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession
from store_conformance.runs.trial import opens_what_cases_open
from store_conformance.suite.register import all_cases
from tests.backend_use import no_postgres
from tests.between import needs_pgbouncer, pgbouncer

psycopg = pytest.importorskip("psycopg")

SETTINGS = Settings(timeout=30.0, embed="exact")
LIMITED = """
import builtins
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

held = []

@contextmanager
def open_store(at, index, ttl):
    if builtins.raised_by_a_server is not None and len(held) == 3:
        raise builtins.raised_by_a_server
    held.append(at)
    yield InMemoryStore()
    held.remove(at)
"""
ROLES = {"few": "CONNECTION LIMIT 4", "strict": "", "maker": ""}


@pytest.fixture(scope="module")
def server(postgres: Backend) -> dict[str, str]:
    """A server with roles that each may create databases."""
    from store_conformance.backends.engines.postgres_url import conninfo, parse

    home = parse(postgres.spec().url or "")
    with psycopg.connect(conninfo(home), autocommit=True) as admin:
        for name, more in ROLES.items():
            admin.execute(f"CREATE ROLE {name} LOGIN CREATEDB PASSWORD 'p' {more}".encode())
            admin.execute(f"CREATE DATABASE {name}s OWNER {name}".encode())
        admin.execute("ALTER ROLE strict SET default_transaction_isolation = 'serializable'")
    with psycopg.connect(conninfo(home, dbname="template1"), autocommit=True) as admin:
        admin.execute("CREATE EXTENSION vector")
    return home


def _url(user: str, port: int | str) -> str:
    return f"postgresql://{user}:p@127.0.0.1:{port}/{user}s"


@pytest.fixture
def session(request: pytest.FixtureRequest, server: dict[str, str]) -> Iterator[RunSession]:
    backend = registry.create("postgres", url=_url(request.param, server["port"]))
    session = RunSession({"postgres": backend}, Selection(), SETTINGS)
    session.workers = 4
    session.start()
    yield session
    session.stop()


@no_postgres
@pytest.mark.parametrize("session", ["few"], indirect=True)
def test_with_few_connections_a_run_takes_few_and_what_needs_more_is_unverified(
    session: RunSession,
) -> None:
    assert session.spare["postgres"] == 3
    assert session.workers == 1
    assert session.at_once == 1
    assert "3 beside the run's own" in session.facts["postgres"]["settings"]["connections at once"]
    backend = session.backends["postgres"]
    held = [backend.open(backend.location(), None, None, Mode.SYNC) for _ in range(3)]
    spec = next(s for s in all_cases() if s.rule_id == "K1" and Mode.SYNC in s.modes)
    job = Job(spec, "postgres", Mode.SYNC, next(iter(spec.expand())))
    first = session.case_runs.run(job).row
    assert first.verdict == Verdict.PASS, first.message

    for one in held:
        one.__enter__()  # type: ignore[union-attr]
    row = session.case_runs.run(job).row
    for one in held:
        one.__exit__(None, None, None)  # type: ignore[union-attr]

    assert row.verdict == Verdict.UNVERIFIED
    assert "no connection is left for this user" in row.message
    assert "CONNECTION LIMIT" in row.message
    last = session.case_runs.run(job).row
    assert last.verdict == Verdict.PASS, last.message


@no_postgres
@pytest.mark.parametrize("session", ["strict"], indirect=True)
def test_a_default_isolation_stands_beside_the_verdicts_and_decides_none(
    session: RunSession,
) -> None:
    settings = session.facts["postgres"]["settings"]
    assert settings["default_transaction_isolation"] == "serializable"
    assert session.at_once == AT_ONCE
    refused = psycopg.errors.SerializationFailure("could not serialize access due to ...")
    told = session.backends["postgres"].environment_fault(refused)
    assert told is not None
    assert "default_transaction_isolation is serializable" in told


@no_postgres
def test_with_the_usual_isolation_such_a_failure_is_the_stores(postgres: Backend) -> None:
    refused = psycopg.errors.SerializationFailure("could not serialize access due to ...")
    assert postgres.environment_fault(refused) is None


def test_a_trigger_of_the_database_is_none_of_the_store() -> None:
    raised = psycopg.errors.RaiseException("tables need a ticket")

    assert fault(raised, Surroundings()) is None  # a function of the store's own
    told = str(fault(raised, Surroundings(triggers=("nope",))))
    assert "nope" in told and "tables need a ticket" in told


_LIMITED = psycopg.errors.QueryCanceled("canceling statement due to statement timeout")


@pytest.mark.parametrize(
    ("limits", "error", "told"),
    [
        ({"statement_timeout": "50ms"}, _LIMITED, "statement_timeout is 50ms"),
        ({}, _LIMITED, None),  # the store's own
        ({"lock_timeout": "1s"}, _LIMITED, None),
        (
            {"idle_session_timeout": "1s"},
            psycopg.errors.IdleSessionTimeout("terminating connection due to idle-session timeout"),
            "idle_session_timeout is 1s",
        ),
        (
            {"statement_timeout": "1s"},
            psycopg.errors.QueryCanceled("canceling statement due to user request"),
            None,
        ),
    ],
)
def test_a_limit_in_time_of_the_users_role_is_none_of_the_store(
    limits: dict[str, str], error: Exception, told: str | None
) -> None:
    found = fault(error, Surroundings(limits=limits))

    assert found is None if told is None else told in str(found)


@no_postgres
@pytest.mark.parametrize(
    "limit", ["statement_timeout = '1ms'", "idle_in_transaction_session_timeout = '1ms'"]
)
def test_a_role_with_little_time_is_told_or_served_and_nothing_is_left(
    server: dict[str, str], limit: str
) -> None:
    from store_conformance.backends.engines.postgres_url import conninfo

    def ask(text: str) -> list[Any]:
        with psycopg.connect(conninfo(server), autocommit=True) as admin:
            cursor = admin.execute(text)
            return list(cursor.fetchall()) if cursor.description else []

    before = ask("SELECT datname FROM pg_database WHERE datname LIKE 'conformance%'")
    ask(f"ALTER ROLE maker SET {limit}")
    backend = registry.create("postgres", url=_url("maker", server["port"]))
    try:
        with contextlib.suppress(EngineUnavailableError):
            backend.start()
            for _ in range(5):
                backend.discard(backend.location())
    finally:
        backend.stop()
        ask("ALTER ROLE maker RESET ALL")

    assert ask("SELECT datname FROM pg_database WHERE datname LIKE 'conformance%'") == before


@no_postgres
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("standard_conforming_strings = off", "standard_conforming_strings is off"),
        ("standard_conforming_strings = on", None),
        ("client_encoding = 'SQL_ASCII'", "client_encoding is SQL_ASCII"),
        ("client_encoding = 'LATIN1'", None),
    ],
)
def test_texts_that_are_read_in_another_way_are_told_before_the_first_case(
    server: dict[str, str], setting: str, said: str | None
) -> None:
    from store_conformance.backends.engines.postgres_url import conninfo

    with psycopg.connect(conninfo(server), autocommit=True) as admin:
        admin.execute(f"ALTER ROLE maker SET {setting}")
        backend = registry.create("postgres", url=_url("maker", server["port"]))
        refused = pytest.raises(EngineUnavailableError, match=said)
        try:
            with contextlib.nullcontext() if said is None else refused:
                backend.start()
        finally:
            backend.stop()
            admin.execute("ALTER ROLE maker RESET ALL")


@no_postgres
@needs_pgbouncer
def test_prepared_statements_by_transaction_are_told_before_the_first_case(
    server: dict[str, str], tmp_path: Path
) -> None:
    lines = ("pool_mode = transaction", "ignore_startup_parameters = options")
    with pgbouncer(tmp_path / "b", int(server["port"]), {"maker": "p"}, *lines) as port:
        backend = registry.create("postgres", url=_url("maker", port))
        session = RunSession({"postgres": backend}, Selection(), SETTINGS)
        with pytest.raises(EngineUnavailableError) as raised:
            session.start()
        session.stop()
    text = str(raised.value)
    assert "loses the prepared statements of PostgresStore" in text
    assert "max_prepared_statements" in text
    assert "pool_mode = session" in text
    assert "no case was run" in text


@no_postgres
@needs_pgbouncer
def test_a_session_pooler_is_fine(server: dict[str, str], tmp_path: Path) -> None:
    lines = ("pool_mode = session", "ignore_startup_parameters = options")
    with pgbouncer(tmp_path / "b", int(server["port"]), {"maker": "p"}, *lines) as port:
        backend = registry.create("postgres", url=_url("maker", port))
        session = RunSession({"postgres": backend}, Selection(), SETTINGS)
        session.start()
        settings = session.facts["postgres"]["settings"]
        assert settings["place"].startswith("a database (")
        assert "ignore_startup_parameters" in settings["place"]
        session.stop()


class Plain(Backend):
    name = "plain"


def _raised(error: Exception) -> StoreRaisedError:
    return StoreRaisedError("put()", error)


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [
        (_raised(FULL), True),
        (_raised(sqlite3.OperationalError("database or disk is full")), True),
        (_raised(EngineUnavailableError("x", "gone.")), True),
        (ChildFailedError("UnprovenPlaceError", "nothing was written"), True),
        (_raised(OSError(errno.ENOENT, "no such file")), False),
        (_raised(sqlite3.OperationalError("database is locked")), False),
        (_raised(ValueError("No space left on device")), False),
        (ChildFailedError("ValueError", "nothing was written"), False),
        (CheckFailedError("2 is not 3"), False),
    ],
)
def test_what_any_store_may_meet(error: Exception, is_fault: bool) -> None:
    assert (environment_fault(Plain(), error, Journal()) is not None) is is_fault


def test_what_follows_from_a_fault_is_none_of_the_store() -> None:
    journal = Journal()
    failed = CheckFailedError("the item is missing")
    assert environment_fault(Plain(), failed, journal) is None
    journal.add(Call(0, "put", (), {}, raised=FULL))
    assert (
        environment_fault(Plain(), failed, journal) == "the environment's fault: the disk is full"
    )


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [
        (psycopg.errors.TooManyConnections("too many connections for role"), True),
        (psycopg.OperationalError('FATAL:  too many connections for role "few"'), True),
        (psycopg.OperationalError("FATAL: no more connections allowed (max_client_conn)"), True),
        (psycopg.errors.DiskFull("could not extend file"), True),
        (psycopg.OperationalError("FATAL:  unsupported startup parameter: options"), True),
        (ChildFailedError("OperationalError", 'too many connections for role "few"'), True),
        (psycopg.OperationalError("number of parameters must be between 0 and 65535"), False),
        (psycopg.OperationalError("the connection is closed"), False),
        (psycopg.errors.InvalidSqlStatementName('prepared statement "a" does not exist'), False),
        (psycopg.errors.UniqueViolation("duplicate key value"), False),
        (ValueError("too many connections for role"), False),
    ],
)
@no_postgres
def test_what_a_postgres_server_refuses(
    postgres: Backend, error: Exception, is_fault: bool
) -> None:
    assert (postgres.environment_fault(error) is not None) is is_fault


MySQLError = type("OperationalError", (Exception,), {})
"""As MySQL's drivers have it: a number and a text."""


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (ConnectionResetError(), True),
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (ChildFailedError("ConnectionRefusedError", ""), True),
        (ChildFailedError("OperationalError", ""), True),
        (psycopg.errors.AdminShutdown("terminating connection"), True),
        (psycopg.errors.DeadlockDetected("deadlock detected"), False),
        (psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"), False),
        (MySQLError(2013, "Lost connection to MySQL server during query"), True),
        (MySQLError(1040, "Too many connections"), True),
        (MySQLError(1213, "Deadlock found when trying to get lock"), False),
        (MySQLError(4025, "CONSTRAINT `store.value` failed"), False),
        (sqlite3.OperationalError("database is locked"), False),
        (ValueError("connection"), False),
    ],
)
def test_what_a_lost_connection_raises(error: Exception, is_lost: bool) -> None:
    assert is_lost_connection(error) is is_lost
    assert any(is_lost_connection(e) for e in causes(StoreRaisedError("get()", error))) is is_lost


def test_a_machine_has_its_faults() -> None:
    assert of_the_machine(OSError(errno.EROFS, "x")) == "the file system is read only"
    assert of_the_machine(OSError(errno.EACCES, "x")) is None
    assert "RLIMIT_FSIZE" in str(of_the_machine(OSError(errno.EFBIG, "x")))


@pytest.mark.parametrize("limited", [True, False])
def test_a_refused_write_is_the_machines_fault_where_files_are_limited(
    limited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that SQLite says is ``disk I/O error``; of another build than Python's own, too."""
    monkeypatch.setattr(faults, "_FILES_ARE_LIMITED", limited)
    another = type("OperationalError", (Exception,), {"__module__": "pysqlite3.dbapi2"})

    for error in (sqlite3.OperationalError("disk I/O error"), another("disk I/O error")):
        assert (of_the_machine(error) is not None) is limited
    assert of_the_machine(another("database or disk is full")) == "the disk is full"
    assert of_the_machine(ValueError("disk I/O error")) is None


def test_a_trial_leaves_what_is_no_environments_fault_to_the_cases() -> None:
    class Broken(Plain):
        opened = 0

        def open(self, *args: Any) -> Any:
            Broken.opened += 1
            raise RuntimeError("the store's own")

    backend = Broken()
    opens_what_cases_open(backend, 5.0)
    backend.stop()
    assert Broken.opened


def test_a_trial_of_a_store_that_hangs_ends_in_its_time() -> None:
    class Hangs(Plain):
        def open(self, *args: Any) -> Any:
            time.sleep(20)

    backend = Hangs()
    begin = time.monotonic()
    opens_what_cases_open(backend, 0.5)
    assert time.monotonic() - begin < 15
    backend.stop()


@pytest.mark.parametrize(
    ("error", "url", "counted"),
    [
        (psycopg.OperationalError('FATAL:  too many connections for role "few"'), "x://", 3),
        (RuntimeError("the store's own"), "x://", None),
        (None, "x://", None),
        (psycopg.OperationalError('FATAL:  too many connections for role "few"'), None, None),
    ],
)
def test_how_many_stores_of_a_user_may_be_open_is_counted_at_a_server(
    tmp_path: Path, error: Exception | None, url: str | None, counted: int | None
) -> None:
    import builtins

    builtins.raised_by_a_server = error  # type: ignore[attr-defined]
    (tmp_path / "limited.py").write_text(LIMITED, "utf-8")
    backend = user_supplied(f"{tmp_path / 'limited.py'}:open_store", url=url)
    try:
        assert backend.spare_connections(5) == counted
    finally:
        backend.stop()
        del builtins.raised_by_a_server  # type: ignore[attr-defined]


@no_postgres
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "ALTER ROLE {role} SET default_transaction_read_only = on",
            "ALTER ROLE {role} RESET ALL",
            "read-only transaction.*default_transaction_read_only = off",
        ),
        (
            "ALTER EXTENSION vector SET SCHEMA hidden",
            "ALTER EXTENSION vector SET SCHEMA public",
            "pgvector is in the schema hidden, which this user may not use.*GRANT USAGE",
        ),
        ("SELECT 1", "SELECT 1", None),
    ],
)
def test_what_a_user_may_not_is_told_with_what_to_do(
    server: dict[str, str], before: str, after: str, said: str | None
) -> None:
    from store_conformance.backends.engines.postgres_url import conninfo

    role = "guarded"
    with psycopg.connect(conninfo(server), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'p'")
        admin.execute(f"CREATE DATABASE {role}s OWNER {role}")
    with psycopg.connect(conninfo({**server, "dbname": f"{role}s"}), autocommit=True) as admin:
        admin.execute("CREATE EXTENSION IF NOT EXISTS vector; CREATE SCHEMA hidden")
        admin.execute(before.format(role=role))
        backend = registry.create("postgres", url=_url(role, server["port"]))
        refused = pytest.raises(BackendError, match=said)
        try:
            with contextlib.nullcontext() if said is None else refused:
                backend.start()
        finally:
            backend.stop()
            admin.execute(after.format(role=role))
    with psycopg.connect(conninfo(server), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {role}s WITH (FORCE)")
        admin.execute(f"DROP ROLE {role}")


@no_postgres
@pytest.mark.parametrize(("seconds", "silent"), [(0.5, True), (60.0, False)])
def test_a_server_that_never_answers_ends_the_start_and_not_the_patience(
    server: dict[str, str], monkeypatch: pytest.MonkeyPatch, seconds: float, silent: bool
) -> None:
    """As a synchronous standby that is gone makes every commit wait for ever."""
    from store_conformance.backends.engines import postgres_url

    monkeypatch.setattr(postgres_url, "ANSWER_SECONDS", seconds)
    refused = pytest.raises(psycopg.OperationalError, match=r"has said nothing for 0\.5 s")
    begin = time.monotonic()
    with postgres_url.connect(server) as connection:
        with refused if silent else contextlib.nullcontext():
            connection.execute(f"SELECT pg_sleep({120 if silent else 1})")

    assert not silent or time.monotonic() - begin < 100
    error = psycopg.OperationalError(f"no answer ({postgres_url._NO_LONGER})")
    assert "synchronous standby" in postgres_url.unable(server, error).hint
