"""
How a store over a vector database is brought up: at a URL, from a server binary, in a container, or
in the process.

A subclass says which client it needs, how to start a server, and how to open and drop a collection.
A location is a collection of its own; in a user's database nothing else is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from langgraph.store.base import BaseStore

from store_conformance.backends.backups import COPY, SNAPSHOT, Backup, folder_copy, server_copy
from store_conformance.backends.base import (
    Availability,
    Backend,
    BackendError,
    Deployment,
    Engine,
    EngineUnavailableError,
    Mode,
    Opened,
    Snippet,
    Spec,
)
from store_conformance.backends.engines.http_server import HttpServer, OwnServer
from store_conformance.backends.engines.processes import stop_at_exit, stopped
from store_conformance.backends.environment import setting
from store_conformance.backends.placing import Fresh
from store_conformance.backends.vector.errors import EngineError, VectorStoreError
from store_conformance.backends.vector.placing import Proof, new_name
from store_conformance.backends.vector.store import VectorStore
from store_conformance.contract import ALL, Capability, Location
from store_conformance.contract.secrets import one_line, redact_text

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig

Make = Callable[[], VectorStore]
Check = Callable[[VectorStore], None]

CHECKED = ("qdrant", "chroma", "weaviate")
"""Whose servers there is a checklist for."""
_REFUSED = re.compile("(?i)unauthorized|unauthenticated|forbidden")
_TALKATIVE = ("httpx", "chromadb", "pinecone", "testcontainers")
"""Loggers that tell of every request at INFO."""


class _Closing:
    """Removes what a run has made in a user's database when the interpreter ends before ``stop``."""

    def __init__(self, backend: VectorBackend) -> None:
        self._backend = backend

    def stop(self) -> None:
        self._backend.tidy()


@contextmanager
def _open_sync(make: Make, check: Check) -> Iterator[BaseStore]:
    with make() as store:
        check(store)
        yield store


@asynccontextmanager
async def _open_async(make: Make, check: Check) -> AsyncIterator[BaseStore]:
    async with make() as store:
        await asyncio.to_thread(check, store)
        yield store


class VectorBackend(Backend):
    """
    A vector database; without a deployment: the user's URL if there is one, else a server from a
    binary, else one in a container, else none.

    The embedded forms of these databases are for one process.
    """

    MODULE: ClassVar[str]
    """The client library's top module."""
    GET_CLIENT: ClassVar[str]
    GET_SERVER: ClassVar[str]
    URL_VARIABLE: ClassVar[str]
    KEY_VARIABLE: ClassVar[str | None] = None
    DEPLOYMENTS: ClassVar[tuple[Deployment, ...]] = (
        Deployment.URL,
        Deployment.PROCESS,
        Deployment.CONTAINER,
        Deployment.EMBEDDED,
    )
    IMAGE: ClassVar[str | None] = None
    """The image of the server, where it can run in a container."""

    def __init__(self, *, deployment: Deployment | None = None, url: str | None = None) -> None:
        super().__init__()
        if url is not None and deployment not in (None, Deployment.URL):
            raise BackendError(
                self.name, f"a URL and the deployment {deployment} exclude each other.", "give one"
            )
        if deployment in (None, Deployment.URL):
            url = url or setting(self.URL_VARIABLE)
        self._url = url
        self._key = setting(self.KEY_VARIABLE) if url and self.KEY_VARIABLE else None
        self.deployment = deployment or self._best()
        if self.deployment is Deployment.EMBEDDED:
            self.capabilities = ALL - {Capability.PROCESSES}
        self._server: OwnServer | None = None
        self._version: str | None = None
        self._named: set[str] = set()
        """What this run has made, after it was shown that it was not there before."""
        self._fresh = Fresh()
        self._looker: VectorStore | None = None
        self._closing = _Closing(self)

    def _best(self) -> Deployment:
        if self._url is not None:
            return Deployment.URL
        if Deployment.PROCESS in self.DEPLOYMENTS and self.server_problem() is None:
            return Deployment.PROCESS
        if Deployment.CONTAINER in self.DEPLOYMENTS and self._container_problem() is None:
            return Deployment.CONTAINER
        if Deployment.EMBEDDED in self.DEPLOYMENTS:
            return Deployment.EMBEDDED
        return next(one for one in self.DEPLOYMENTS if one is not Deployment.URL)

    @staticmethod
    def _container_problem() -> str | None:
        from store_conformance.backends.engines.docker import docker_problem

        return docker_problem()

    @property
    def pooled(self) -> bool:
        """The clients connect anew where a connection has died."""
        return self.deployment is not Deployment.EMBEDDED

    # -- for subclasses ----------------------------------------------------------------------------

    def server_problem(self) -> str | None:
        """Why no server can be started here; None if one can."""
        raise NotImplementedError

    def new_server(self) -> HttpServer:
        raise NotImplementedError

    def new_container(self) -> OwnServer:
        """A server in a container of ``IMAGE``, not yet started."""
        raise NotImplementedError

    def store(self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None) -> VectorStore:
        """The store at a location; ``at.url`` is None where it is embedded."""
        raise NotImplementedError

    def drop(self, name: str) -> None:
        """Remove a collection from the running server; one that is not there is fine."""
        raise NotImplementedError

    def engine_version(self) -> str:
        """What the engine says it is, ``Qdrant 1.16.0``; raises if it cannot be reached."""
        raise NotImplementedError

    # -- life --------------------------------------------------------------------------------------

    def availability(self) -> Availability:
        if importlib.util.find_spec(self.MODULE) is None:
            return self._not(f"{self.MODULE} is not installed", self.GET_CLIENT)
        if self.deployment is Deployment.PROCESS:
            problem = self.server_problem()
            if problem is not None:
                return self._not(problem, self.GET_SERVER)
        if self.deployment is Deployment.CONTAINER:
            problem = self._container_problem()
            if problem is not None:
                return self._not(problem, f"install and start Docker, or {self.GET_SERVER}")
            return Availability(True, self.deployment, f"{self.IMAGE} in Docker")
        if self.deployment is Deployment.URL:
            if self._url is None:
                return self._not("no URL was given", f"give --url, or set {self.URL_VARIABLE}")
            try:
                return Availability(True, self.deployment, self.engine_version())
            except Exception as error:  # noqa: BLE001  (an answer, not a failure)
                if isinstance(error, EngineError):
                    return self._not(error.what, error.hint)
                said = one_line(error, (self._key,)) or type(error).__name__
                if _REFUSED.search(said) or getattr(error, "status_code", None) in (401, 403):
                    return self._not(
                        f"{redact_text(self._url)} refused us: {said}", self._key_hint()
                    )
                problem = f"no answer from {redact_text(self._url)}: {said}"
                return self._not(problem, f"see whether the server runs; {self._key_hint()}")
        return Availability(True, self.deployment, self.describe())

    def describe(self) -> str:
        """What would be used, without starting it."""
        return f"{self.name}, {self.deployment}"

    def _key_hint(self) -> str:
        return (
            f"set {self.KEY_VARIABLE} to its key if it wants one"
            if self.KEY_VARIABLE
            else "check the URL"
        )

    def _not(self, detail: str, how: str) -> Availability:
        return Availability(False, self.deployment, detail, how)

    def start(self) -> None:
        available = self.availability() if self._version is None else None
        if available is None:
            return
        if not available.ok:
            raise EngineUnavailableError(self.name, f"{available.detail}.", available.how_to_get)
        quiet_loggers()
        try:
            if self._url is None and self.deployment in (Deployment.PROCESS, Deployment.CONTAINER):
                self._server = (
                    self.new_server()
                    if self.deployment is Deployment.PROCESS
                    else self.new_container()
                )
                self._server.start()
                self._url = self._server.url
            self._version = self.engine_version()
        except VectorStoreError as error:
            self.stop()
            raise BackendError(self.name, str(error)) from error
        except BaseException:
            self.stop()
            raise
        stop_at_exit(self._closing)

    def stop(self) -> None:
        stopped(self._closing)
        self.tidy()
        if self._server is not None:
            self._server.remove()
            self._server, self._url = None, None
        self._version = None
        super().stop()

    def tidy(self) -> None:
        """Remove whatever this run made in the user's own database; in ours all goes with the server."""
        looker, self._looker = self._looker, None
        if looker is not None:
            looker.close()
        for name in sorted(self._named):
            with contextlib.suppress(Exception):  # the server may be gone, and the data with it
                if self.deployment is Deployment.URL:
                    self.drop(name)
        self._named.clear()

    def engine(self) -> Engine | None:
        return self._server

    def checkable(self) -> str | None:
        if self.deployment is not Deployment.URL or self._url is None or self.name not in CHECKED:
            return None
        scheme, _, where = self._url.partition("://")
        key = f"{quote(self._key, safe='')}@" if self._key and "@" not in where else ""
        tls = "on" if scheme == "https" else "off"
        return f"{self.name}://{key}{where.rstrip('/')}?tls={tls}"

    def backups(self) -> Mapping[str, Backup]:
        """
        The files, of the process or of a server of ours, and what the server itself offers; of one in a
        container that alone, as it keeps its files to itself.
        """
        if self.deployment is Deployment.EMBEDDED:
            return {COPY: folder_copy("cp -a FOLDER BACKUP, while no process has it open")}
        if self.deployment is Deployment.PROCESS:
            server = self._server if isinstance(self._server, HttpServer) else None
            copied = server_copy(server, "stop the server, cp -a FOLDER BACKUP, start it")
            own = self.snapshot(server)
            return {COPY: copied} if own is None else {COPY: copied, SNAPSHOT: own}
        if self.deployment is Deployment.CONTAINER:
            own = self.snapshot(self._server)
            return {} if own is None else {SNAPSHOT: own}
        return {}

    def snapshot(self, server: OwnServer | None) -> Backup | None:
        """What the engine offers while it is in use, of a server of ours."""

    def private(self) -> Backend | None:
        if self.deployment not in (Deployment.PROCESS, Deployment.CONTAINER):
            return None
        return type(self)(deployment=self.deployment)

    # -- places ------------------------------------------------------------------------------------

    @property
    def url(self) -> str | None:
        return self._url

    @property
    def key(self) -> str | None:
        """The API key of the server, if it has one."""
        return self._key

    def location(self, *, durable: bool = False) -> Location:
        """As the base says; a server always keeps its data on the disk."""
        self.start()
        name = new_name()
        path = (self.disk if durable else self.root) / name
        path.mkdir(parents=True)
        at = Location(path=path, url=self.url, name=name)
        if self.url is not None:
            # Whoever opens it first, another process perhaps: until now nothing has this name.
            self._look(at)
        self._named.add(name)
        self._fresh.add(name)
        return at

    def _look(self, at: Location) -> None:
        """Prove a place that nobody has opened, by a store that is kept for looking."""
        proof = Proof(self.name, at.name, fresh=lambda: True)
        for again in (False, True):
            if self._looker is None:
                self._looker = self.store(at, None, None)
            try:
                proof.before(self._looker)
            except VectorStoreError as error:
                self._looker.close()
                self._looker = None
                if again:  # the engine may have been killed since the last look
                    raise EngineUnavailableError(self.name, str(error)) from error
            else:
                return

    def discard(self, at: Location) -> None:
        # What was not shown to be ours stays, whatever its name is.
        if self.deployment is not Deployment.EMBEDDED and at.name in self._named:
            with contextlib.suppress(Exception):  # what cannot go now goes when the run ends
                self.drop(at.name)
                self._named.discard(at.name)
        self._fresh.forget(at.name)
        super().discard(at)

    def open(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None, mode: Mode
    ) -> Opened:
        folder = at.path if self.url is None else None
        proof = Proof(self.name, at.name, fresh=lambda: self._fresh.alone(at.name), folder=folder)

        def make() -> VectorStore:
            try:
                store = self.store(at, index, ttl)
            except VectorStoreError as error:
                raise BackendError(self.name, str(error)) from error
            try:
                self._fresh.enter(at.name)
                proof.before(store)
            except BaseException:
                store.close()
                raise
            return store

        opener = _open_sync if mode == Mode.SYNC else _open_async
        return opener(make, proof.after)

    def spec(self) -> Spec:
        """It holds the key: for the pipe to a child process, and for nothing that is kept."""
        self._fresh.handed_over()
        return super().spec().with_details(key=self._key)

    def attach(self, spec: Spec) -> None:
        self.deployment = spec.deployment
        self._url, self._key = spec.url, spec.text("key")
        self._version = "attached"
        quiet_loggers()

    def snippet(self, at: Location, mode: Mode) -> Snippet:
        """Embedded it has a folder of its own; a server's address and key come by the environment."""
        with contextlib.closing(self.store(at, None, None)) as store:
            kind = type(store)
        imports = [f"from {kind.__module__} import {kind.__name__}"]
        if self.deployment is Deployment.EMBEDDED:
            imports.append("import tempfile")
            return Snippet(
                tuple(imports),
                f"{kind.__name__}.from_path(tempfile.mkdtemp(){{args}})",
                awaits=mode == Mode.ASYNC,
            )
        environment = {self.URL_VARIABLE: str(self.url)}
        given = self._connection_words()
        if self._key and self.KEY_VARIABLE:
            environment[self.KEY_VARIABLE] = self._key
            given += f', api_key=os.environ["{self.KEY_VARIABLE}"]'
        return Snippet(
            (*imports, "import os"),
            f'{kind.__name__}.from_url(os.environ["{self.URL_VARIABLE}"], '
            f'collection="{at.name}"{given}{{args}})',
            awaits=mode == Mode.ASYNC,
            environment=environment,
        )

    def _connection_words(self) -> str:
        """What ``from_url`` needs beside URL, key and collection, as ``, name=value``."""
        return ""

    def bytes_on_disk(self, at: Location) -> int | None:
        """Of a server of our own its whole folder: nobody else knows which part of it is whose."""
        if self.deployment is Deployment.PROCESS and isinstance(self._server, HttpServer):
            return self._server.bytes_on_disk()
        return super().bytes_on_disk(at) if self.deployment is Deployment.EMBEDDED else None


def quiet_loggers() -> None:
    """Let client libraries log what is wrong, not every request; a level that somebody set stays."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
