"""
Something between us and Postgres loses, ignores or rewrites where a place is: nothing of the user's is
touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Backend, BackendError
from store_conformance.backends.placing import UnprovenPlaceError
from store_conformance.contract import Mode
from tests.backend_use import INDEX, get, no_postgres, put, twin_of, use
from tests.between import Rewrite, StartupProxy, needs_pgbouncer, pgbouncer

pytestmark = no_postgres

PASSWORDS = {"builder": "b", "tenant": "t", "crowded": "c"}
ROWS = 7


@pytest.fixture(scope="module")
def server(postgres: Backend) -> dict[str, str]:
    """Connection parameters of a server on which each of these users has a database with memories."""
    import psycopg
    from langgraph.store.postgres import PostgresStore

    from store_conformance.backends.engines.postgres_url import conninfo, parse

    home = parse(postgres.spec().url or "")
    with psycopg.connect(conninfo(home), autocommit=True) as admin:
        for name, password in PASSWORDS.items():
            may = "CREATEDB" if name == "builder" else "NOCREATEDB"
            admin.execute(f"CREATE ROLE {name} LOGIN {may} PASSWORD '{password}'".encode())
            admin.execute(f"CREATE DATABASE {name}s OWNER {name}".encode())
    for name, password in PASSWORDS.items():
        # The tenant's pgvector is apart from the memories, that of the crowded one beside them.
        schema = "public" if name == "crowded" else "extensions"
        with psycopg.connect(conninfo(home, dbname=f"{name}s"), autocommit=True) as admin:
            admin.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
            admin.execute(f"CREATE EXTENSION vector SCHEMA {schema}".encode())
            admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC".encode())
        own = conninfo(
            home, dbname=f"{name}s", user=name, password=password,
            options=f"-csearch_path=public,{schema}",
        )  # fmt: skip
        with PostgresStore.from_conn_string(own, index=INDEX, ttl={"default_ttl": 0.0001}) as store:  # type: ignore[arg-type]
            store.setup()
            for number in range(ROWS):
                # All of them have expired: any sweep that came here would take them.
                store.put(("users", "anna"), f"k{number}", {"text": f"a cat {number}"}, ttl=0.00001)
    with psycopg.connect(conninfo(home, dbname="template1"), autocommit=True) as admin:
        admin.execute("CREATE EXTENSION vector")  # so that a new database has it
    return home


def dump(server: dict[str, str], user: str) -> dict[str, Any]:
    """Everything of the user's, byte for byte, and what else is there."""
    import psycopg

    from store_conformance.backends.engines.postgres_url import conninfo

    found: dict[str, Any] = {}
    with psycopg.connect(conninfo(server, dbname=f"{user}s"), autocommit=True) as admin:
        for table in ("store", "store_vectors", "store_migrations", "vector_migrations"):
            with admin.cursor().copy(f"COPY public.{table} TO STDOUT".encode()) as copy:
                found[table] = b"".join(bytes(part) for part in copy)
        found["schemas"] = admin.execute("SELECT nspname FROM pg_namespace ORDER BY 1").fetchall()
        found["relations"] = admin.execute(
            "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
        ).fetchall()
        found["settings"] = admin.execute(
            "SELECT * FROM pg_db_role_setting ORDER BY 1, 2"
        ).fetchall()
        owned = "SELECT datname FROM pg_database WHERE datdba = %s::regrole ORDER BY 1"
        found["databases"] = admin.execute(owned, (user,)).fetchall()
    assert found["store"].count(b"\n") == ROWS
    return found


def url(user: str, port: int | str) -> str:
    return f"postgresql://{user}:{PASSWORDS[user]}@127.0.0.1:{port}/{user}s"


def drop_options(params: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if name != "options"}


def other_path(params: dict[str, str]) -> dict[str, str]:
    return {**params, "options": "-csearch_path=public"} if "options" in params else params


def ours_last(params: dict[str, str]) -> dict[str, str]:
    """The path is kept, but behind the user's own schema."""
    path = params.get("options", "").partition("search_path=")[2]
    return {**params, "options": f"-csearch_path=public,{path}"} if path else params


class FromThe:
    """Works well at first, and drops the options from the given session on."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, params: dict[str, str]) -> dict[str, str]:
        if "conformance_" not in params.get("options", ""):
            return params
        self._left -= 1
        return params if self._left > 0 else drop_options(params)


def to_home(params: dict[str, str]) -> dict[str, str]:
    """Whatever database is asked for, the user's is given."""
    return {**params, "database": f"{params['user']}s"}


@pytest.fixture
def between(server: dict[str, str]) -> Iterator[Any]:
    opened: list[StartupProxy] = []

    def make(rewrite: Rewrite) -> int:
        opened.append(StartupProxy(int(server["port"]), rewrite))
        return opened[-1].port

    yield make
    for proxy in opened:
        proxy.close()


REWRITES = [drop_options, other_path, ours_last]


@pytest.mark.parametrize("rewrite", [dict, *REWRITES])
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("pool", [None, "3"])
def test_who_may_create_databases_works_in_them_and_touches_nothing(
    server: dict[str, str], between: Any, rewrite: Rewrite, mode: str, pool: str | None
) -> None:
    before = dump(server, "builder")
    options = {} if pool is None else {"pool": pool}
    backend = registry.create("postgres", url=url("builder", between(rewrite)), options=options)
    try:
        backend.start()
        options = backend.location().options
        assert options["place"] == ("schema" if rewrite is dict else "database")
        assert options["database"].startswith("conformance_")
        _work(backend, mode)
    finally:
        backend.stop()
    assert dump(server, "builder") == before


def _work(backend: Backend, mode: str) -> None:
    """What cases do: write, open again, in another process too, sweep, list, and leave."""
    at, other = backend.location(), backend.location()
    use(backend, at, mode, put(mode), INDEX)
    twin = twin_of(backend)
    assert use(twin, at, mode, get(mode), INDEX).value == {"text": "a cat"}
    assert use(backend, other, mode, get(mode)) is None
    assert use(backend, at, mode, _listed(mode)) == [("users", "anna")]
    assert use(backend, other, mode, _listed(mode)) == []
    assert use(backend, other, mode, _swept(mode), ttl={"default_ttl": 1}) == 0
    twin.stop()
    backend.discard(at)
    backend.discard(other)


def _listed(mode: str) -> Any:
    if mode == "sync":
        return lambda store: store.list_namespaces()
    return lambda store: store.alist_namespaces()


def _swept(mode: str) -> Any:
    return lambda store: store.sweep_ttl()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_where_every_database_is_mapped_to_the_users_schemas_are_taken(
    server: dict[str, str], between: Any, mode: str
) -> None:
    before = dump(server, "builder")
    backend = registry.create("postgres", url=url("builder", between(to_home)))
    backend.start()
    options = backend.location().options
    assert (options["place"], options["database"]) == ("schema", "builders")
    _work(backend, mode)
    backend.stop()
    assert dump(server, "builder") == before


def test_where_nothing_arrives_nothing_is_written(server: dict[str, str], between: Any) -> None:
    before = dump(server, "builder")
    port = between(lambda params: drop_options(to_home(params)))
    backend = registry.create("postgres", url=url("builder", port))

    with pytest.raises(UnprovenPlaceError, match="something led to builders"):
        backend.start()

    backend.stop()
    assert dump(server, "builder") == before


@pytest.mark.parametrize("rewrite", REWRITES)
def test_who_may_not_is_refused_where_the_search_path_is_lost(
    server: dict[str, str], between: Any, rewrite: Rewrite
) -> None:
    before = dump(server, "tenant")
    backend = registry.create("postgres", url=url("tenant", between(rewrite)))

    with pytest.raises(UnprovenPlaceError) as raised:
        backend.start()
    backend.stop()

    text = str(raised.value)
    assert "search_path is " in text
    assert "although options ask for conformance_" in text
    assert "ignore_startup_parameters" in text
    assert "CREATEDB" in text
    assert dump(server, "tenant") == before


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_who_may_not_works_in_schemas_where_the_search_path_arrives(
    server: dict[str, str], between: Any, mode: str
) -> None:
    before = dump(server, "tenant")
    backend = registry.create("postgres", url=url("tenant", between(dict)))
    backend.start()
    assert backend.location().options["place"] == "schema"
    _work(backend, mode)
    backend.stop()
    assert dump(server, "tenant") == before


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("pool", [None, "2"])
@pytest.mark.parametrize("number", [2, 3, 4])
def test_every_opening_is_proved_and_not_the_first_alone(
    server: dict[str, str], between: Any, number: int, mode: str, pool: str | None
) -> None:
    before = dump(server, "tenant")
    options = {} if pool is None else {"pool": pool}
    backend = registry.create(
        "postgres", url=url("tenant", between(FromThe(number))), options=options
    )
    backend.start()  # this is the first session with a search path
    at = backend.location()
    twin = twin_of(backend)
    wrote = 0
    with pytest.raises(UnprovenPlaceError, match="nothing was written"):
        for one in (backend, twin, backend):
            use(one, at, mode, put(mode), INDEX)
            wrote += 1
    assert wrote <= number - 2
    backend.stop()
    twin.stop()
    assert dump(server, "tenant") == before


def test_a_script_is_not_handed_a_place_that_is_not_proved(
    server: dict[str, str], between: Any
) -> None:
    before = dump(server, "tenant")
    backend = registry.create("postgres", url=url("tenant", between(FromThe(2))))
    backend.start()

    with pytest.raises(UnprovenPlaceError):
        backend.snippet(backend.location(), Mode.SYNC)

    backend.stop()
    assert dump(server, "tenant") == before


def test_a_store_of_somebody_else_on_the_path_is_told(server: dict[str, str]) -> None:
    before = dump(server, "crowded")
    backend = registry.create("postgres", url=url("crowded", server["port"]))

    with pytest.raises(UnprovenPlaceError, match=r"leads to public\.store.*CREATEDB"):
        backend.start()

    backend.stop()
    assert dump(server, "crowded") == before


def test_a_place_that_is_not_empty_at_first_is_told(server: dict[str, str]) -> None:
    import psycopg

    from store_conformance.backends.engines.postgres_url import conninfo

    backend = registry.create("postgres", url=url("builder", server["port"]))
    backend.start()
    at = backend.location()
    with psycopg.connect(conninfo(server, dbname=at.options["dbname"]), autocommit=True) as admin:
        admin.execute(f"CREATE TABLE {at.name}.store (prefix text)".encode())

    with pytest.raises(UnprovenPlaceError, match=f"fresh place already holds {at.name}.store"):
        use(backend, at, "sync", put("sync"))

    backend.stop()


def test_the_next_run_removes_the_databases_of_a_killed_one(server: dict[str, str]) -> None:
    import psycopg

    from store_conformance.backends.engines.postgres_database import Database
    from store_conformance.backends.engines.postgres_url import conninfo, parse

    before = dump(server, "builder")
    left = Database(parse(url("builder", server["port"])), own=False)
    left.prepare()
    living = registry.create("postgres", url=url("builder", server["port"]))
    living.start()
    assert left.params["dbname"] in {n for (n,) in dump(server, "builder")["databases"]}
    living.stop()
    left._close()  # as if it had been killed

    with psycopg.connect(conninfo(server), autocommit=True) as admin:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        while admin.execute(sessions, (left.params["dbname"],)).fetchone() != (0,):
            pass
    after = registry.create("postgres", url=url("builder", server["port"]))
    after.start()
    after.stop()
    assert dump(server, "builder") == before


# -- PgBouncer ---------------------------------------------------------------------------------------

SESSION, TRANSACTION = "pool_mode = session", "pool_mode = transaction"
IGNORES = "ignore_startup_parameters = options"


@needs_pgbouncer
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("lines", [(SESSION, IGNORES), (SESSION,)], ids=["ignores", "refuses"])
def test_pgbouncer_loses_the_path_and_each_place_is_a_database(
    server: dict[str, str], tmp_path: Path, lines: tuple[str, ...], mode: str
) -> None:
    before = dump(server, "builder")
    with pgbouncer(tmp_path / "b", int(server["port"]), PASSWORDS, *lines) as port:
        backend = registry.create("postgres", url=url("builder", port))
        try:
            backend.start()
            assert backend.location().options["place"] == "database"
            _work(backend, mode)
        finally:
            backend.stop()
    assert dump(server, "builder") == before


@needs_pgbouncer
@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ((SESSION, IGNORES), "although options ask for conformance_"),
        ((SESSION,), "refuses the search path in options"),
        ((TRANSACTION, IGNORES), "a connection for a transaction only"),
    ],
    ids=["ignores", "refuses", "by transaction"],
)
def test_pgbouncer_is_told_where_no_database_may_be_created(
    server: dict[str, str], tmp_path: Path, lines: tuple[str, ...], problem: str
) -> None:
    before = dump(server, "tenant")
    with pgbouncer(tmp_path / "b", int(server["port"]), PASSWORDS, *lines) as port:
        backend = registry.create("postgres", url=url("tenant", port))
        with pytest.raises(BackendError) as raised:
            backend.start()
        backend.stop()
    assert problem in str(raised.value)
    assert "CREATEDB" in str(raised.value)
    assert (
        str(raised.value).count("postgres:") == 1
    )  # the backend is named once, whoever passed it on
    assert dump(server, "tenant") == before


@needs_pgbouncer
def test_pgbouncer_that_maps_every_database_to_one_is_seen(
    server: dict[str, str], tmp_path: Path
) -> None:
    before = dump(server, "builder")
    databases = "dbname=builders"
    lines = (SESSION, IGNORES)
    with pgbouncer(
        tmp_path / "b", int(server["port"]), PASSWORDS, *lines, databases=databases
    ) as port:
        backend = registry.create("postgres", url=url("builder", port))
        with pytest.raises(UnprovenPlaceError, match="something led to builders"):
            backend.start()
        backend.stop()
    assert dump(server, "builder") == before
