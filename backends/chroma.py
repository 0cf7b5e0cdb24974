"""
``ChromaStore``: a Chroma server at a URL, from its own package or in a container, or a folder in the
process.

The folder is for one process: others that have it open miss what is written, without an error.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from store_conformance.backends.base import Deployment, Facts
from store_conformance.backends.engines.http_server import HttpContainer, HttpServer
from store_conformance.backends.engines.ports import LOOPBACK
from store_conformance.backends.packages import megabytes, versions
from store_conformance.backends.vector.backend import VectorBackend
from store_conformance.backends.vector.chroma import OLDEST_SERVER, ChromaStore, close_client
from store_conformance.backends.vector.store import VectorStore
from store_conformance.backends.vector.versions import require
from store_conformance.contract import Location

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from langgraph.store.base import IndexConfig, TTLConfig

PROCESSES = (
    "one: a second process that has the folder open misses what the first writes, without an error"
)
_PACKAGES = ("chromadb",)


def server_command() -> str | None:
    """The ``chroma`` command that came with the package, beside this Python or on PATH."""
    beside = shutil.which("chroma", path=str(Path(sys.executable).parent))
    return beside or shutil.which("chroma")


class ChromaBackend(VectorBackend):
    """One collection a location."""

    name: ClassVar[str] = "chroma"
    MODULE = "chromadb"
    GET_CLIENT = "pip install chromadb"
    GET_SERVER = "pip install chromadb (it brings the server), or give --url"
    URL_VARIABLE = "CHROMA_URL"
    IMAGE = "chromadb/chroma:1.5.9"

    def server_problem(self) -> str | None:
        return None if server_command() else "there is no chroma command"

    def describe(self) -> str:
        version = metadata.version("chromadb")
        if self.deployment is Deployment.PROCESS:
            return f"chroma run of chromadb {version}"
        return f"embedded chromadb {version}"

    def new_server(self) -> HttpServer:
        return HttpServer(self.name, self.disk / "server", self._command, ready="/api/v2/heartbeat")

    def _command(
        self, folder: Path, ports: Sequence[int]
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        command = [str(server_command()), "run", "--path", str(folder / "data")]
        command += ["--host", LOOPBACK, "--port", str(ports[0])]
        return command, dict(os.environ)

    def new_container(self) -> HttpContainer:
        return HttpContainer(self.name, self.IMAGE, (8000,), ready="/api/v2/heartbeat")

    def _client(self) -> ClientAPI:
        import chromadb
        from chromadb.config import Settings

        parts = urlsplit(str(self.url))
        ssl = parts.scheme == "https"
        return chromadb.HttpClient(
            host=str(parts.hostname),
            port=parts.port or (443 if ssl else 8000),
            ssl=ssl,
            settings=Settings(anonymized_telemetry=False),
        )

    def drop(self, name: str) -> None:
        from chromadb.errors import NotFoundError

        client = self._client()
        try:
            # What a move to vectors left behind when it was broken off has the same name and more.
            for one in (name, f"{name}--new", f"{name}--old"):
                with contextlib.suppress(NotFoundError):
                    client.delete_collection(one)
        finally:
            close_client(client)

    def engine_version(self) -> str:
        if self.deployment is Deployment.EMBEDDED:
            return f"Chroma {metadata.version('chromadb')} in the process"
        client = self._client()
        try:
            version = str(client.get_version())
            require("Chroma", version, OLDEST_SERVER)
            if self.deployment is Deployment.PROCESS:  # the server came with the package
                return f"Chroma {metadata.version('chromadb')}"
            return f"Chroma (its API says {version})"
        finally:
            close_client(client)

    def store(self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None) -> VectorStore:
        if self.url is None:
            return ChromaStore.from_path(
                str(at.path / "chroma"), collection=at.name, index=index, ttl=ttl
            )
        return ChromaStore.from_url(self.url, collection=at.name, index=index, ttl=ttl)

    def facts(self) -> Facts:
        embedded = self.deployment is Deployment.EMBEDDED
        steps = () if embedded else ("chroma run --path FOLDER",)
        return Facts(
            store="store_conformance.backends.vector.chroma.ChromaStore",
            packages=versions(_PACKAGES),
            engine=self.engine_version(),
            licence="MIT; Chroma: Apache-2.0",
            services=0 if embedded else 1,
            setup_steps=(self.GET_CLIENT, *steps),
            install_megabytes=megabytes(_PACKAGES),
            settings={"index": "HNSW, cosine, ef_search 200, max_neighbors 32"},
            limits={
                "item": "36 MB (a request is at most 40 MiB)",
                **({"processes": PROCESSES} if embedded else {}),
            },
        )


BACKEND = ChromaBackend
