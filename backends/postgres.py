"""
``PostgresStore`` and ``AsyncPostgresStore`` with pgvector: embedded, in a container, or the user's own.

A location is a schema that only its own connections have on their search path, or a database of its own
where something between us and the server loses the search path.  On a user's server a run creates these,
proves at each opening that a store is in them, removes them, and touches nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from store_conformance.backends.backups import DUMP, Backup
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
)
from store_conformance.backends.engines.postgres_reuse import UsedPlaces, shape_of
from store_conformance.backends.environment import setting
from store_conformance.backends.folders import scratch
from store_conformance.backends.packages import unknown_to
from store_conformance.backends.placing import Fresh
from store_conformance.contract import ALL, Location
from store_conformance.contract.hints import suggestion

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig

    from store_conformance.backends.engines.docker import PostgresContainer
    from store_conformance.backends.engines.postgres import PostgresServer
    from store_conformance.backends.engines.postgres_database import Database

URL_VARIABLE = "POSTGRES_CONNECTION_STRING"
POOL = "pool"
DURABLE = {
    "synchronous_commit": ("on", "off", "local", "remote_write", "remote_apply"),
    "fsync": ("on", "off"),
}
"""What a server of ours is started with, if it is given."""


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
    OPTIONS: ClassVar = {
        POOL: "connections of a pool in each store; without it, one and no pool",
        **{name: f"the embedded server's {name}" for name in DURABLE},
    }
    DURABILITY: ClassVar = ({}, {"synchronous_commit": "off"}, {"fsync": "off"})

    def __init__(
        self,
        *,
        deployment: Deployment | None = None,
        url: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._pool = _pool_size((options or {}).get(POOL))
        if url is not None and deployment not in (None, Deployment.URL):
            raise BackendError(
                self.name, f"a URL and the deployment {deployment} exclude each other.", "give one"
            )
        self._given = url
        if deployment in (None, Deployment.URL) and url is None:
            self._given = url_from_environment()
        self.deployment = deployment or self._best()
        self._durable_settings = _durable_settings(options or {}, self.deployment)
        self._template: Path | None = None
        self._template_password: str | None = None
        self._server: PostgresServer | PostgresContainer | None = None
        self._database: Database | None = None
        self._attached: Spec | None = None
        self._on_disk = False
        self._fresh = Fresh()
        self._used = UsedPlaces()
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
        from store_conformance.backends.engines.postgres_available import availability_of

        return availability_of(self.deployment, self._given, f"give --url, or set {URL_VARIABLE}")

    # -- life --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring the server up, and make sure that a run can work in its database."""
        if self._database is not None:
            return
        from store_conformance.backends.engines.postgres_available import GET_STORE, store_problem

        problem = store_problem()
        if problem is not None:
            raise EngineUnavailableError(self.name, f"{problem}.", GET_STORE)
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
        from store_conformance.backends.engines.postgres_url import parse

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
            settings=self._durable_settings,
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
                "the next run on this server does, or DROP SCHEMA ... CASCADE, DROP DATABASE ...",
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
        sibling._pool = self._pool
        sibling._durable_settings = self._durable_settings
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
        from store_conformance.backends.engines.postgres_url import describe_params

        return describe_params(self._database.params) if self._database is not None else None

    def location(self, *, durable: bool = False) -> Location:
        twin = self._durable() if durable else None
        if twin is not None:
            at = twin.location()
            # The password is the template's, so port and database are all that differs.
            return replace(at, options={**at.options, "port": twin._running().params["port"]})
        name = self._running().create()
        self._fresh.add(name)
        return self._located(name, durable=durable)

    def location_for(self, index: IndexConfig | None, mode: Mode) -> Location:
        """On a server of ours that is perhaps a schema which was emptied; see `postgres_reuse`."""
        shape = shape_of(index, mode)
        if shape is None or self.deployment is Deployment.URL or self._running().kind != "schema":
            return self.location()
        emptied = self._used.take(shape)
        if emptied is not None:
            return self._located(emptied)
        at = self.location()
        self._used.begin(at.name, shape)
        return at

    def _located(self, name: str, *, durable: bool = False) -> Location:
        """The place of that name."""
        from store_conformance.backends.engines.postgres_place import OWN

        database = self._running()
        path = (self.disk if durable or self._on_disk else self.root) / name
        path.mkdir()
        place = database.place(name)
        options = {"place": place.kind, "database": str(place.database)}
        if place.kind == "database":
            options["dbname"] = name
        elif "dbname" in database.params:
            options["dbname"] = database.params["dbname"]
        options["vector_schema"] = database.vector_schema
        if self.deployment is not Deployment.URL:
            options[OWN] = "yes"
        return Location(path=path, url=self.url, name=name, options=options)

    def discard(self, at: Location) -> None:
        super().discard(at)
        owner = self._owner(at)
        if owner is not self:
            owner.discard(at)
        elif self._database is not None:
            import psycopg

            self._fresh.forget(at.name)
            shape = self._used.end(at.name)
            if shape is not None:
                with suppress(psycopg.Error, BackendError):
                    emptied = self._database.empty(at.name, vectors=bool(shape.tables))
                    self._used.keep(emptied, shape)
                    return
            # A schema that cannot go now (server stopped, connection lost) goes when the run ends.
            with suppress(psycopg.Error, BackendError):
                self._database.drop(at.name)

    def open(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None, mode: Mode
    ) -> Opened:
        from store_conformance.backends.engines.postgres_opening import (
            Opening,
            open_async,
            open_sync,
        )
        from store_conformance.backends.engines.postgres_place import place_of

        owner = self._owner(at)
        fresh, used = owner._fresh, owner._used
        used.opening(at.name, shape_of(index, mode))
        opening = Opening(
            self._conninfo(at),
            place_of(at),
            enter=lambda: fresh.enter(at.name),
            first=lambda: fresh.alone(at.name),
            set_up=lambda: used.set_up(at.name),
            pool=self._pool,
        )
        opener = open_sync if mode == Mode.SYNC else open_async
        return opener(opening, index, ttl)

    def doors(self, mode: Mode) -> Mapping[str, Door]:
        from store_conformance.backends.engines.postgres_doors import documented_doors

        def conninfo_of(at: Location) -> str:
            self._owner(at)._used.forget(at.name)
            fresh = self._owner(at)._fresh
            fresh.enter(at.name)
            self._prove(at, fresh=lambda: fresh.alone(at.name))
            return self._conninfo(at)

        return documented_doors(mode, conninfo_of)

    def indexes(self) -> Mapping[str, Sequence[Mapping[str, object]]]:
        from store_conformance.backends.engines.postgres_doors import documented_indexes

        return documented_indexes()

    @property
    def pooled(self) -> bool:
        return self._pool is not None

    def sever(self, at: Location) -> int | None:
        if self.deployment is Deployment.URL:
            return None
        from store_conformance.backends.engines.postgres_url import connect

        ending = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        )
        with connect(self._owner(at)._running().params) as connection:
            return len(connection.execute(ending, (at.name,)).fetchall())

    def checkable(self) -> str | None:
        return self._given if self.deployment is Deployment.URL else None

    def backups(self) -> Mapping[str, Backup]:
        from store_conformance.backends.engines.postgres_dump import dumped

        def taken(name: str) -> None:
            self._fresh.forget(name)
            self._used.forget(name)

        return {DUMP: dumped(self._running(), taken)}

    def _conninfo(self, at: Location) -> str:
        from store_conformance.backends.engines.postgres_url import conninfo, within

        params = self._params() if self._database is None else self._database.params
        params = {**params, **{k: at.options[k] for k in ("port", "dbname") if k in at.options}}
        if at.options.get("place") == "database":
            return conninfo(params, application_name=at.name)
        return within(params, at.name, at.options.get("vector_schema", "public"))

    def snippet(self, at: Location, mode: Mode) -> Snippet:
        owner = self._owner(at)
        owner._used.forget(at.name)
        if owner._fresh.unopened(at.name):
            self._prove(at)  # whoever is handed a fresh place runs a script there
        name = "PostgresStore" if mode == Mode.SYNC else "AsyncPostgresStore"
        pool = "" if self._pool is None else f', pool_config={{"max_size": {self._pool}}}'
        module = "langgraph.store.postgres" + ("" if mode == Mode.SYNC else ".aio")
        return Snippet(
            ("import os", f"from {module} import {name}"),
            f'{name}.from_conn_string(os.environ["{URL_VARIABLE}"]{pool}{{args}})',
            environment={URL_VARIABLE: self._conninfo(at)},
        )

    def _prove(self, at: Location, *, fresh: Callable[[], bool] = lambda: True) -> None:
        """
        That the settings which a script or a door will use lead to this place; raises ``BackendError``.

        ``fresh``, asked after a look: whether the place has to be empty.
        """
        from store_conformance.backends.engines.postgres_place import place_of
        from store_conformance.backends.engines.postgres_url import connect, parse

        with connect(parse(self._conninfo(at))) as connection:
            place_of(at).prove(connection, fresh=fresh)

    def spare_connections(self, most: int) -> int | None:
        from store_conformance.backends.engines.postgres_url import spare

        return spare(self._running().params, most) if self.deployment is Deployment.URL else None

    def server_connections(self, at: Location) -> int | None:
        from store_conformance.backends.engines.postgres_url import (
            connect,
            connections_named,
            parse,
        )

        with connect(parse(self._conninfo(at))) as connection:
            return connections_named(connection, at.name)

    def environment_fault(self, error: BaseException) -> str | None:
        from store_conformance.backends.engines.postgres_faults import Surroundings, fault

        around = Surroundings() if self._database is None else self._database.surroundings
        return fault(error, around)

    def bytes_on_disk(self, at: Location) -> int | None:
        return self._owner(at)._running().size(at.name)

    # -- for others --------------------------------------------------------------------------------

    def spec(self) -> Spec:
        """It holds the password: for the pipe to a child process, and for nothing that is kept."""
        from store_conformance.backends.engines.postgres_url import as_url

        template = str(self._template) if self._template is not None else None
        self._fresh.handed_over()
        self._used.handed_over()
        return Spec(self.name, self.deployment, as_url(self._home())).with_details(
            template=template,
            template_password=self._template_password if template else None,
            options={} if self._pool is None else {POOL: str(self._pool)},
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
        from store_conformance.backends.engines.postgres_facts import facts_of

        return facts_of(self._running(), self.deployment, self._data_folder())

    def _data_folder(self) -> dict[str, str]:
        """Syncing a file in memory costs nothing, so figures need to say where they were taken."""
        if self.deployment is not Deployment.EMBEDDED:
            return {}
        memory = scratch() is not None and not self._on_disk
        return {
            "data": "in memory; on the disk where a place must be durable" if memory else "on disk"
        }


def _pool_size(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise BackendError("postgres", f"{POOL} is 1 to 100 connections, not {text!r}.")
    return int(text)


def _durable_settings(options: Mapping[str, str], deployment: Deployment) -> dict[str, str]:
    """What of the options our own server is started with; raises ``BackendError``."""
    given = {name: options[name] for name in DURABLE if name in options}
    if given and deployment is not Deployment.EMBEDDED:
        raise BackendError(
            "postgres",
            f"{', '.join(given)} is set for the embedded server only, and this is {deployment}.",
            "leave the option out, or set it in your server's configuration",
        )
    for name, value in given.items():
        if value not in DURABLE[name]:
            hint = suggestion(value, DURABLE[name])
            raise BackendError("postgres", f"there is no {name}={value}.", hint)
    return given


BACKEND = PostgresBackend
