"""
A Weaviate server of our own, from the binary on PATH: killable, and closed to everybody without its key.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from store_conformance.backends.base import EngineUnavailableError
from store_conformance.backends.engines.http_server import START_ATTEMPTS, HttpContainer, HttpServer
from store_conformance.backends.engines.ports import LOOPBACK, answers
from store_conformance.backends.engines.snapshots import FolderShelf, Shelf

USER = "conformance"
FLUSHES = "PERSISTENCE_MEMTABLES_FLUSH_DIRTY_AFTER_SECONDS"
_BACKUPS = "/var/lib/weaviate-backups"
_PORTS = (
    "CLUSTER_GOSSIP_BIND_PORT",
    "CLUSTER_DATA_BIND_PORT",
    "RAFT_PORT",
    "RAFT_INTERNAL_RPC_PORT",
    "GRPC_PORT",
)


def binary() -> str | None:
    """Where the server's binary is, ``WEAVIATE_BINARY`` before PATH."""
    return shutil.which(os.environ.get("WEAVIATE_BINARY") or "weaviate")


class WeaviateServer(HttpServer):
    """
    One single-node server with its data in ``folder``; it keeps its ports over stop, kill and start.

    Its gRPC port cannot be bound to loopback alone, so nobody gets in without a key.  ``flush_after``: seconds until it
    writes changed rows out, where they are not its own default.
    """

    def __init__(
        self, folder: Path, *, api_key: str | None = None, flush_after: str | None = None
    ) -> None:
        super().__init__(
            "weaviate", folder, self._started, ready="/v1/.well-known/ready", ports=1 + len(_PORTS)
        )
        self.api_key = api_key or secrets.token_urlsafe(18)
        self._flush_after = flush_after

    @property
    def grpc(self) -> str:
        return f"{LOOPBACK}:{self.ports[-1]}"

    def shelf(self) -> Shelf:
        """Where the server's own backups go, beside its data."""
        return FolderShelf(self._backups)

    @property
    def _backups(self) -> Path:
        return self.folder / "backups"

    def _ready(self) -> bool:
        # The HTTP side may be up before the other.
        return super()._ready() and answers(self.ports[-1])

    def start(self) -> None:
        if self._process is not None:
            self._process.start()
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for attempt in range(START_ATTEMPTS):
            self.ports = _free_block(self._count)
            process = self._server()
            try:
                process.start()
            except EngineUnavailableError:
                if attempt + 1 == START_ATTEMPTS:
                    raise
            else:
                self._process = process
                return

    def _started(
        self, folder: Path, ports: Sequence[int]
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        found = binary()
        if found is None:
            raise EngineUnavailableError(self.name, "there is no weaviate binary on PATH.")
        data = folder / "data"
        for inner in (data, self._backups):
            inner.mkdir(exist_ok=True)
        command = [found, "--host", LOOPBACK, "--port", str(ports[0]), "--scheme", "http"]
        named = {name: str(port) for name, port in zip(_PORTS, ports[1:], strict=True)}
        return command, {**_inherited(), **self._settings(data), **named}

    def _settings(self, data: Path) -> dict[str, str]:
        flushes = {FLUSHES: self._flush_after} if self._flush_after is not None else {}
        return {
            **_settings(str(data), self.api_key),
            **flushes,
            "CLUSTER_ADVERTISE_ADDR": LOOPBACK,
            "CLUSTER_BIND_ADDR": LOOPBACK,
            "CLUSTER_BASIC_AUTH_USERNAME": USER,
            "CLUSTER_BASIC_AUTH_PASSWORD": self.api_key,
            "CLUSTER_IN_LOCALHOST": "true",
            "ENABLE_MODULES": "backup-filesystem",
            "BACKUP_FILESYSTEM_PATH": str(self._backups),
        }


@dataclass(frozen=True)
class _ContainerShelf:
    """A folder in a container."""

    container: HttpContainer

    def take_down(self, name: str, folder: Path) -> None:
        self.container.copy_out(f"{_BACKUPS}/{name}", folder)

    def put_up(self, folder: Path, name: str) -> None:
        self.container.copy_in(folder / name, f"{_BACKUPS}/{name}")


class WeaviateContainer(HttpContainer):
    """One single-node server in a container of ``image``, closed to everybody without its key."""

    def __init__(self, image: str, *, api_key: str | None = None) -> None:
        self.api_key = api_key or secrets.token_urlsafe(18)
        super().__init__(
            "weaviate",
            image,
            (8080, 50051),
            ready="/v1/.well-known/ready",
            environment={
                **_settings("/var/lib/weaviate", self.api_key),
                "ENABLE_MODULES": "backup-filesystem",
                "BACKUP_FILESYSTEM_PATH": _BACKUPS,
            },
        )

    def shelf(self) -> Shelf:
        """Where the server's own backups go, in the container."""
        return _ContainerShelf(self)

    @property
    def grpc(self) -> str:
        return f"{LOOPBACK}:{self.ports[1]}"


def _settings(data: str, api_key: str) -> dict[str, str]:
    return {
        "PERSISTENCE_DATA_PATH": data,
        "DEFAULT_VECTORIZER_MODULE": "none",
        "ENABLE_MODULES": "",
        "CLUSTER_HOSTNAME": "node1",
        "RAFT_BOOTSTRAP_EXPECT": "1",
        "RAFT_TIMEOUTS_MULTIPLIER": "1",  # nobody to wait for: a leader after one second
        "DISABLE_TELEMETRY": "true",
        "GO_PROFILING_DISABLE": "true",
        "PROMETHEUS_MONITORING_ENABLED": "false",
        "LOG_LEVEL": "warning",
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
        "AUTHENTICATION_APIKEY_ENABLED": "true",
        "AUTHENTICATION_APIKEY_ALLOWED_KEYS": api_key,
        "AUTHENTICATION_APIKEY_USERS": USER,
        "AUTHORIZATION_ADMINLIST_ENABLED": "true",
        "AUTHORIZATION_ADMINLIST_USERS": USER,
    }


def _free_block(count: int) -> list[int]:
    # In a row, because a node expects the data port right behind the gossip port; and below the
    # range of outgoing connections, which could take a port between a kill and a start.
    while True:
        first = random.randrange(20_000, 32_000)
        block = list(range(first, first + count))
        if not any(answers(port, seconds=0.2) for port in block):
            return block


def _inherited() -> dict[str, str]:
    # Settings of the user's own server must not reach ours.
    ours = ("WEAVIATE", "PERSISTENCE", "CLUSTER", "RAFT", "AUTH", "GRPC", "BACKUP", "ENABLE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
