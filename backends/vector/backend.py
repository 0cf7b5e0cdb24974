"""
How a store over a vector database is brought up: at a URL, from a server binary, or in the process.

A subclass says which client it needs, how to start a server, and how to open and drop a collection.
A location is a collection of its own; in a user's database nothing else is touched.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar

from langgraph.store.base import BaseStore

from backends.base import (
    Availability,
    Backend,
    BackendError,
    Deployment,
    Engine,
    EngineUnavailableError,
    Mode,
    Opened,
)
from backends.engines.http_server import HttpServer
from backends.vector.errors import VectorStoreError, clean
from backends.vector.store import VectorStore
from conformance.contract import ALL, Capability, Location

Make = Callable[[], VectorStore]


@contextmanager
def _open_sync(make: Make) -> Iterator[BaseStore]:
    with make() as store:
        yield store


@asynccontextmanager
async def _open_async(make: Make) -> AsyncIterator[BaseStore]:
    async with make() as store:
        yield store


class VectorBackend(Backend):
    """
    A vector database; without a deployment: the user's URL if there is one, else a server, else none.

    The embedded forms of these databases are for one process.
    """

    MODULE: ClassVar[str]
    """The client library's top module."""
    GET_CLIENT: ClassVar[str]
    GET_SERVER: ClassVar[str]
    URL_VARIABLE: ClassVar[str]
    KEY_VARIABLE: ClassVar[str | None] = None
    DEPLOYMENTS: ClassVar = (Deployment.URL, Deployment.PROCESS, Deployment.EMBEDDED)

    def __init__(self, *, deployment: Deployment | None = None, url: str | None = None) -> None:
        super().__init__()
        if url is not None and deployment not in (None, Deployment.URL):
            raise BackendError(
                self.name, f"a URL and the deployment {deployment} exclude each other.", "give one"
            )
        if deployment in (None, Deployment.URL):
            url = url or os.environ.get(self.URL_VARIABLE) or None
        self._url = url
        self._key = os.environ.get(self.KEY_VARIABLE) if url and self.KEY_VARIABLE else None
        self.deployment = deployment or self._best()
        if self.deployment is Deployment.EMBEDDED:
            self.capabilities = ALL - {Capability.PROCESSES}
        self._server: HttpServer | None = None
        self._version: str | None = None
        self._named: set[str] = set()

    def _best(self) -> Deployment:
        if self._url is not None:
            return Deployment.URL
        if Deployment.PROCESS in self.DEPLOYMENTS and self.server_problem() is None:
            return Deployment.PROCESS
        return self.DEPLOYMENTS[-1]

    # -- for subclasses ----------------------------------------------------------------------------

    def server_problem(self) -> str | None:
        """Why no server can be started here; None if one can."""
        raise NotImplementedError

    def new_server(self) -> HttpServer:
        raise NotImplementedError

    def store(self, at: Location, index: Any, ttl: Any) -> VectorStore:
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
        if self.deployment is Deployment.URL:
            if self._url is None:
                return self._not("no URL was given", f"give --url, or set {self.URL_VARIABLE}")
            try:
                return Availability(True, self.deployment, self.engine_version())
            except Exception as error:  # noqa: BLE001  (an answer, not a failure)
                problem = f"no answer from {clean(self._url)}: {clean(error, self._key)}"
                return self._not(problem, f"see whether the server runs; {self._key_hint()}")
        return Availability(True, self.deployment, self.described())

    def described(self) -> str:
        """What would be used, without starting it."""
        return f"{self.name}, {self.deployment}"

    def _key_hint(self) -> str:
        return (
            f"set {self.KEY_VARIABLE} if it wants a key" if self.KEY_VARIABLE else "check the URL"
        )

    def _not(self, detail: str, how: str) -> Availability:
        return Availability(False, self.deployment, detail, how)

    def start(self) -> None:
        available = self.availability() if self._version is None else None
        if available is None:
            return
        if not available.ok:
            raise EngineUnavailableError(self.name, f"{available.detail}.", available.how_to_get)
        if self.deployment is Deployment.PROCESS and self._url is None:
            self._server = self.new_server()
            self._server.start()
            self._url = self._server.url
        try:
            self._version = self.engine_version()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for name in sorted(self._named):
            with contextlib.suppress(Exception):  # the server may be gone, and the data with it
                if self.deployment is Deployment.URL:
                    self.drop(name)
        self._named.clear()
        if self._server is not None:
            self._server.remove()
            self._server, self._url = None, None
        self._version = None
        super().stop()

    def engine(self) -> Engine | None:
        return self._server

    def private(self) -> Backend | None:
        if self.deployment is not Deployment.PROCESS:
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
        at = super().location(durable=durable)
        self._named.add(at.name)
        return at

    def discard(self, at: Location) -> None:
        if self.deployment is not Deployment.EMBEDDED:
            with contextlib.suppress(Exception):  # what cannot go now goes when the run ends
                self.drop(at.name)
                self._named.discard(at.name)
        super().discard(at)

    def open(self, at: Location, index: Any, ttl: Any, mode: Mode) -> Opened:
        def make() -> VectorStore:
            try:
                return self.store(at, index, ttl)
            except VectorStoreError as error:
                raise BackendError(self.name, str(error)) from error

        return _open_sync(make) if mode == "sync" else _open_async(make)

    def spec(self) -> dict[str, Any]:
        """It holds the key: for the pipe to a child process, and for nothing that is kept."""
        return {**super().spec(), "key": self._key}

    def attach(self, spec: dict[str, Any]) -> None:
        self.deployment = Deployment(spec["deployment"])
        self._url, self._key = spec["url"], spec.get("key")
        self._version = "attached"

    def bytes_on_disk(self, at: Location) -> int | None:
        return super().bytes_on_disk(at) if self.deployment is Deployment.EMBEDDED else None
