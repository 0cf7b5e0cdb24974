"""
``QdrantStore``: a Qdrant server at a URL, from a binary on PATH or in a container, or the client's
local mode; ``QdrantEdgeStore``: Qdrant's engine in this process.

Local mode is an imitation in Python; the facts say which it was.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from store_conformance.backends.backups import Backup, server_snapshot
from store_conformance.backends.base import Availability, BackendError, Deployment, Facts, Spec
from store_conformance.backends.engines.http_server import HttpContainer, HttpServer, OwnServer
from store_conformance.backends.engines.ports import LOOPBACK
from store_conformance.backends.engines.snapshots import QdrantSnapshots
from store_conformance.backends.packages import megabytes, program_megabytes, versions
from store_conformance.backends.vector.backend import VectorBackend
from store_conformance.backends.vector.qdrant import OLDEST_SERVER, QdrantStore, connect
from store_conformance.backends.vector.qdrant_edge import QdrantEdgeStore
from store_conformance.backends.vector.store import VectorStore
from store_conformance.backends.vector.versions import require
from store_conformance.contract import Location

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig
    from qdrant_client import QdrantClient

BINARY = "qdrant"
_PACKAGES = ("qdrant-client",)
EMBEDDED, LOCAL, EDGE = "embedded", "local", "edge"
FLUSH, EACH_WRITE = "flush", "each-write"
EDGE_MODULE, EDGE_PACKAGE = "qdrant_edge", "qdrant-edge-py"


class QdrantBackend(VectorBackend):
    """One collection a location; embedded, a folder of the client's local mode or of Qdrant Edge."""

    name: ClassVar[str] = "qdrant"
    MODULE = "qdrant_client"
    GET_CLIENT = "pip install qdrant-client"
    GET_SERVER = (
        "put a qdrant binary on PATH, or give --url of a server, or use --deployment embedded"
    )
    IMAGE = "qdrant/qdrant:v1.18.3"
    URL_VARIABLE = "QDRANT_URL"
    KEY_VARIABLE = "QDRANT_API_KEY"

    OPTIONS: ClassVar = {
        EMBEDDED: "what runs in the process: local (mode of the client) or edge",
        FLUSH: f"{EACH_WRITE}: edge writes to the disk before it acknowledges",
    }
    DURABILITY: ClassVar = ({}, {EMBEDDED: EDGE}, {EMBEDDED: EDGE, FLUSH: EACH_WRITE})

    def __init__(
        self,
        *,
        deployment: Deployment | None = None,
        url: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._options = dict(options or {})
        chosen = self._options.get(EMBEDDED, LOCAL)
        if chosen not in (LOCAL, EDGE):
            raise BackendError(self.name, f"{EMBEDDED}={chosen} is unknown.", f"{LOCAL} or {EDGE}")
        if EMBEDDED in self._options and url is None and deployment is None:
            deployment = Deployment.EMBEDDED
        super().__init__(deployment=deployment, url=url)
        if EMBEDDED in self._options and self.deployment is not Deployment.EMBEDDED:
            raise BackendError(
                self.name, f"{EMBEDDED}={chosen} goes with the embedded deployment only.",
                "leave the option, the URL or the deployment out",
            )  # fmt: skip
        self._edge = chosen == EDGE
        if FLUSH in self._options and not (self._edge and self._options[FLUSH] == EACH_WRITE):
            raise BackendError(
                self.name, f"{FLUSH}={self._options[FLUSH]} is not known here.",
                f"{FLUSH}={EACH_WRITE} goes with {EMBEDDED}={EDGE}",
            )  # fmt: skip

    def availability(self) -> Availability:
        if not self._edge:
            return super().availability()
        if importlib.util.find_spec(EDGE_MODULE) is None:
            return self._not(f"{EDGE_MODULE} is not installed", f"pip install {EDGE_PACKAGE}")
        return Availability(True, self.deployment, self.describe())

    def server_problem(self) -> str | None:
        return None if shutil.which(BINARY) else f"there is no {BINARY} on PATH"

    def describe(self) -> str:
        if self.deployment is Deployment.PROCESS:
            client = f"qdrant-client {metadata.version('qdrant-client')}"
            return f"{shutil.which(BINARY)} with {client}"
        return self._embedded_version()

    def _embedded_version(self) -> str:
        if self._edge:
            return f"Qdrant Edge {metadata.version(EDGE_PACKAGE)}"
        return f"local mode of qdrant-client {metadata.version('qdrant-client')}"

    def new_server(self) -> HttpServer:
        self._key = secrets.token_urlsafe(18)
        return HttpServer(self.name, self.disk / "server", self._command, ready="/readyz", ports=2)

    def _command(
        self, folder: Path, ports: Sequence[int]
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        settings = {
            "QDRANT__STORAGE__STORAGE_PATH": str(folder / "storage"),
            "QDRANT__STORAGE__SNAPSHOTS_PATH": str(folder / "snapshots"),
            "QDRANT__SERVICE__HOST": LOOPBACK,
            "QDRANT__SERVICE__HTTP_PORT": str(ports[0]),
            "QDRANT__SERVICE__GRPC_PORT": str(ports[1]),
            "QDRANT__SERVICE__API_KEY": str(self._key),
            "QDRANT__TELEMETRY_DISABLED": "true",
        }
        kept = {k: v for k, v in os.environ.items() if not k.startswith("QDRANT__")}
        return [str(shutil.which(BINARY))], {**kept, **settings}

    def snapshot(self, server: OwnServer | None) -> Backup | None:
        def offered() -> QdrantSnapshots:
            return QdrantSnapshots(str(self.url), self.key)

        return server_snapshot(server, offered, QdrantSnapshots.command)

    def new_container(self) -> HttpContainer:
        self._key = secrets.token_urlsafe(18)
        environment = {
            "QDRANT__SERVICE__API_KEY": self._key,
            "QDRANT__TELEMETRY_DISABLED": "true",
        }
        return HttpContainer(
            self.name, self.IMAGE, (6333, 6334), ready="/readyz", environment=environment
        )

    def _client(self) -> QdrantClient:
        return connect(str(self.url), self.key)

    def drop(self, name: str) -> None:
        client = self._client()
        try:
            client.delete_collection(name)
        finally:
            client.close()

    def engine_version(self) -> str:
        if self.deployment is Deployment.EMBEDDED:
            return self._embedded_version()
        client = self._client()
        try:
            version = client.info().version
            require("Qdrant", version, OLDEST_SERVER)
            client.get_collections()  # the version is told to everybody, this needs the key
            return f"Qdrant {version}"
        finally:
            client.close()

    def store(self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None) -> VectorStore:
        if self.url is None and self._edge:
            return QdrantEdgeStore.from_path(
                str(at.path / "qdrant"), collection=at.name, index=index, ttl=ttl,
                flush_writes=FLUSH in self._options,
            )  # fmt: skip
        if self.url is None:
            return QdrantStore.from_path(
                str(at.path / "qdrant"), collection=at.name, index=index, ttl=ttl
            )
        return QdrantStore.from_url(
            self.url, api_key=self.key, collection=at.name, index=index, ttl=ttl
        )

    def spec(self) -> Spec:
        return super().spec().with_details(options=self._options)

    def attach(self, spec: Spec) -> None:
        super().attach(spec)
        self._options = spec.texts("options")
        self._edge = self._options.get(EMBEDDED) == EDGE

    def facts(self) -> Facts:
        packages = (EDGE_PACKAGE,) if self._edge else _PACKAGES
        kind = "qdrant_edge.QdrantEdgeStore" if self._edge else "qdrant.QdrantStore"
        embedded = self.deployment is Deployment.EMBEDDED
        steps = () if embedded else ("run a Qdrant server",)
        return Facts(
            store=f"store_conformance.backends.vector.{kind}",
            packages=versions(packages),
            engine=self.engine_version(),
            licence="MIT; Qdrant and its client: Apache-2.0",
            services=0 if embedded else 1,
            setup_steps=(f"pip install {packages[0]}", *steps),
            install_megabytes=megabytes(packages),
            engine_megabytes=program_megabytes(
                shutil.which(BINARY) if self.deployment is Deployment.PROCESS else None
            ),
            settings={"writes": "acknowledged when applied (wait)", "vectors": "cosine"},
            limits={
                "item": "30 MB (a request is at most 32 MiB)",
                **({"processes": "one: its folder is locked"} if embedded else {}),
            },
        )


BACKEND = QdrantBackend
