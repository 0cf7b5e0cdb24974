"""
A Weaviate server of our own, from the binary on PATH: on loopback ports, killable.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from backends.base import Engine, EngineUnavailableError
from backends.engines.ports import LOOPBACK, answers
from backends.engines.processes import ServerProcess

START_ATTEMPTS = 3
USER = "conformance"
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


class WeaviateServer(Engine):
    """
    One single-node server with its data in ``folder``; it keeps its ports over stop, kill and start.

    Its gRPC and cluster ports cannot be bound to loopback alone, so nobody gets in without a key.
    """

    def __init__(self, folder: Path, *, api_key: str | None = None) -> None:
        self.folder = folder
        self.api_key = api_key or secrets.token_urlsafe(18)
        self.port = 0
        self._ports: dict[str, int] = {}
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def grpc(self) -> str:
        return f"{LOOPBACK}:{self._ports.get('GRPC_PORT', 0)}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        if self._process is not None:
            self._process.start()
            return
        for attempt in range(START_ATTEMPTS):
            # The ports were free a moment ago; somebody may have been quicker.
            self.port, *others = _free_block(1 + len(_PORTS))
            self._ports = dict(zip(_PORTS, others, strict=True))
            self._process = self._server()
            try:
                self._process.start()
            except EngineUnavailableError as error:
                self._process = None
                if attempt + 1 == START_ATTEMPTS or "in use" not in str(error):
                    raise
            else:
                return

    def _server(self) -> ServerProcess:
        found = binary()
        if found is None:
            raise EngineUnavailableError("weaviate", "there is no weaviate binary on PATH.")
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        command = [found, "--host", LOOPBACK, "--port", str(self.port), "--scheme", "http"]
        return ServerProcess(
            "weaviate",
            command,
            log=self.folder / "server.log",
            ready=self._ready,
            env={**_inherited(), **self._settings(data)},
            folder=self.folder,
            ready_seconds=60,
        )

    def _settings(self, data: Path) -> dict[str, str]:
        return {
            "PERSISTENCE_DATA_PATH": str(data),
            "DEFAULT_VECTORIZER_MODULE": "none",
            "ENABLE_MODULES": "",
            "CLUSTER_HOSTNAME": "node1",
            "CLUSTER_ADVERTISE_ADDR": LOOPBACK,
            "CLUSTER_BIND_ADDR": LOOPBACK,
            "CLUSTER_BASIC_AUTH_USERNAME": USER,
            "CLUSTER_BASIC_AUTH_PASSWORD": self.api_key,
            "CLUSTER_IN_LOCALHOST": "true",
            "RAFT_BOOTSTRAP_EXPECT": "1",
            "RAFT_TIMEOUTS_MULTIPLIER": "1",  # nobody to wait for: a leader after one second
            "DISABLE_TELEMETRY": "true",
            "GO_PROFILING_DISABLE": "true",
            "PROMETHEUS_MONITORING_ENABLED": "false",
            "LOG_LEVEL": "warning",
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
            "AUTHENTICATION_APIKEY_ENABLED": "true",
            "AUTHENTICATION_APIKEY_ALLOWED_KEYS": self.api_key,
            "AUTHENTICATION_APIKEY_USERS": USER,
            "AUTHORIZATION_ADMINLIST_ENABLED": "true",
            "AUTHORIZATION_ADMINLIST_USERS": USER,
            **{name: str(port) for name, port in self._ports.items()},
        }

    def _ready(self) -> bool:
        if not answers(self._ports["GRPC_PORT"], seconds=0.5):
            return False
        with contextlib.suppress(OSError, urllib.error.URLError):
            path = f"{self.url}/v1/.well-known/ready"
            with urllib.request.urlopen(path, timeout=2) as answer:
                return bool(answer.status == 200)
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_block(count: int) -> list[int]:
    # Other nodes expect the data port right behind the gossip port, and this node asks itself there.
    # Below the range of outgoing connections, which could take a port between a kill and a start.
    while True:
        first = random.randrange(20_000, 32_000)
        block = list(range(first, first + count))
        if not any(answers(port, seconds=0.2) for port in block):
            return block


def _inherited() -> dict[str, str]:
    # Settings of the user's own server must not reach ours.
    ours = ("WEAVIATE", "PERSISTENCE", "CLUSTER", "RAFT", "AUTH", "GRPC", "BACKUP", "ENABLE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
