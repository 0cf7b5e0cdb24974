"""
``WeaviateStore``: a Weaviate server at a URL, from a binary on PATH or in a container.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, ClassVar

from store_conformance.backends.backups import Backup, server_snapshot
from store_conformance.backends.base import Backend, BackendError, Deployment, Facts, Spec
from store_conformance.backends.engines.http_server import OwnServer
from store_conformance.backends.engines.snapshots import WeaviateBackups
from store_conformance.backends.engines.weaviate import WeaviateContainer, WeaviateServer, binary
from store_conformance.backends.environment import setting
from store_conformance.backends.packages import megabytes, program_megabytes, versions
from store_conformance.backends.vector.backend import VectorBackend
from store_conformance.backends.vector.store import VectorStore
from store_conformance.backends.vector.versions import require
from store_conformance.backends.vector.weaviate import OLDEST_SERVER, WeaviateStore, connect
from store_conformance.contract import Location

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig
    from weaviate import WeaviateClient

GRPC_VARIABLE = "WEAVIATE_GRPC"
FLUSH_AFTER = "flush_after"
_PACKAGES = ("weaviate-client",)


class WeaviateBackend(VectorBackend):
    """One collection a location."""

    name: ClassVar[str] = "weaviate"
    MODULE = "weaviate"
    GET_CLIENT = "pip install weaviate-client"
    GET_SERVER = "put a weaviate binary on PATH, or give --url of a server"
    URL_VARIABLE = "WEAVIATE_URL"
    KEY_VARIABLE = "WEAVIATE_API_KEY"
    DEPLOYMENTS: ClassVar[tuple[Deployment, ...]] = (
        Deployment.URL,
        Deployment.PROCESS,
        Deployment.CONTAINER,
    )
    IMAGE = "semitechnologies/weaviate:1.39.0"

    OPTIONS: ClassVar = {FLUSH_AFTER: "seconds until a server of the run's writes changed rows out"}
    DURABILITY: ClassVar = ({}, {FLUSH_AFTER: "1"})

    def __init__(
        self,
        *,
        deployment: Deployment | None = None,
        url: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(deployment=deployment, url=url)
        self._flush_after = (options or {}).get(FLUSH_AFTER)
        if self._flush_after is not None:
            self._check_flushes(self._flush_after)
        self._grpc = setting(GRPC_VARIABLE) if self._url else None

    def _check_flushes(self, seconds: str) -> None:
        if not (seconds.isascii() and seconds.isdecimal() and int(seconds)):
            raise BackendError(
                self.name, f"{FLUSH_AFTER}={seconds} is no number of seconds.", "1 or more"
            )
        if self.deployment is not Deployment.PROCESS:
            raise BackendError(
                self.name,
                f"{FLUSH_AFTER} goes with a server that the run starts, and not with {self.deployment}.",
                "leave the option out, or use --deployment process",
            )

    def server_problem(self) -> str | None:
        return None if binary() else "there is no weaviate binary on PATH"

    def describe(self) -> str:
        return f"{binary()} with weaviate-client {metadata.version('weaviate-client')}"

    def private(self) -> Backend | None:
        made = super().private()
        if isinstance(made, WeaviateBackend):
            made._flush_after = self._flush_after
        return made

    def new_server(self) -> WeaviateServer:
        server = WeaviateServer(self.root / "server", flush_after=self._flush_after)
        self._key = server.api_key
        return server

    def snapshot(self, server: OwnServer | None) -> Backup | None:
        def offered() -> WeaviateBackups:
            assert isinstance(server, (WeaviateServer, WeaviateContainer))
            return WeaviateBackups(str(self.url), str(self.key), server.shelf())

        return server_snapshot(server, offered, WeaviateBackups.command)

    def new_container(self) -> WeaviateContainer:
        server = WeaviateContainer(self.IMAGE)
        self._key = server.api_key
        return server

    @property
    def grpc(self) -> str | None:
        """``host:port`` of the gRPC side, None where it is the usual one."""
        server = self._server
        ours = isinstance(server, (WeaviateServer, WeaviateContainer))
        return server.grpc if ours and server.ports else self._grpc  # type: ignore[union-attr]

    def _client(self) -> WeaviateClient:
        return connect(str(self.url), self.grpc, self.key)

    def drop(self, name: str) -> None:
        client = self._client()
        try:
            client.collections.delete(name[0].upper() + name[1:])
        finally:
            client.close()

    def engine_version(self) -> str:
        client = self._client()
        try:
            version = str(client.get_meta()["version"])
            require("Weaviate", version, OLDEST_SERVER)
            return f"Weaviate {version}"
        finally:
            client.close()

    def store(self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None) -> VectorStore:
        return WeaviateStore.from_url(
            str(self.url),
            grpc=self.grpc,
            api_key=self.key,
            collection=at.name,
            index=index,
            ttl=ttl,
        )

    def _connection_words(self) -> str:
        return f', grpc="{self.grpc}"' if self.grpc else ""

    def spec(self) -> Spec:
        return super().spec().with_details(grpc=self.grpc)

    def attach(self, spec: Spec) -> None:
        super().attach(spec)
        self._grpc = spec.text("grpc")

    def facts(self) -> Facts:
        return Facts(
            store="store_conformance.backends.vector.weaviate.WeaviateStore",
            packages=versions(_PACKAGES),
            engine=self.engine_version(),
            licence="MIT; Weaviate and its client: BSD-3-Clause",
            services=1,
            setup_steps=(self.GET_CLIENT, "run a Weaviate server"),
            install_megabytes=megabytes(_PACKAGES),
            engine_megabytes=program_megabytes(
                binary() if self.deployment is Deployment.PROCESS else None
            ),
            settings={
                "index": "HNSW, cosine; up to 40,000 vectors that the filter leaves are compared one by one",
                "writes": "a batch is followed by an empty one, so that its vectors outlive a kill",
            },
            limits={"item": "64 MB", "offset + limit of a semantic search": "10,000"},
        )


BACKEND = WeaviateBackend
