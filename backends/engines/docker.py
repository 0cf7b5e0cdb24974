"""
Servers in Docker containers, by testcontainers: on a fixed loopback port, stopped, killed, removed by us.

Its Ryuk container is switched off: it is one more image to fetch, and our own watchdog does its work.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store_conformance.backends.base import Engine, EngineUnavailableError
from store_conformance.backends.engines.ports import LOOPBACK, answers, free_port
from store_conformance.backends.engines.processes import Watchdog, stop_at_exit, stopped
from store_conformance.backends.polling import wait_until
from store_conformance.contract.secrets import one_line

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

POSTGRES_IMAGE = "pgvector/pgvector:pg17"
READY_SECONDS = 90.0
STOP_SECONDS = 10
GET_CLIENT = "pip install testcontainers"
GET_DOCKER = "install and start Docker"
_NO_DAEMON = "no Docker daemon answers"
_UNIX = "http+unix://"


def docker_problem() -> str | None:
    """Why no container can be started here, or ``None``; asks the daemon, starts nothing."""
    try:
        import docker
        import testcontainers  # noqa: F401
    except ImportError:
        return "testcontainers is not installed"
    try:
        # The client's own look leaves a socket open for each address where nobody listens.
        host = docker.utils.parse_host(os.environ.get("DOCKER_HOST") or None, os.name == "nt")
        if host.startswith(_UNIX) and not _listens(host.removeprefix(_UNIX)):
            return _NO_DAEMON
        client = docker.from_env(timeout=5)
        try:
            client.ping()
        finally:
            client.close()
    except Exception:  # noqa: BLE001 - whatever the client says, there is no daemon to talk to
        return _NO_DAEMON
    return None


def _listens(path: str) -> bool:
    """Whether something accepts connections at that path."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(5)
        try:
            asking.connect(path)
        except OSError:
            return False
    return True


class ContainerServer(Engine):
    """
    One container of ``image``, its ``port`` and ``more_ports`` published on loopback ports that it keeps.

    ``ready`` is asked with the first of them until it says yes.  Stop, kill and start keep the data, which is
    the container's own; ``remove`` deletes it.
    """

    def __init__(
        self,
        name: str,
        image: str,
        port: int,
        *,
        more_ports: Sequence[int] = (),
        ready: Callable[[int], bool] = answers,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
        stop_signal: str | None = None,
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        self.name = name
        self.image = image
        self.ports: list[int] = []
        """Published ports on the loopback interface, that of ``port`` first; empty before the start."""
        self._inside = (port, *more_ports)
        self._answers = ready
        self._environment = dict(environment or {})
        self._command = list(command)
        self._more = {"stop_signal": stop_signal} if stop_signal else {}
        self._ready_seconds = ready_seconds
        self._made: DockerContainer | None = None
        self._watchdog: Watchdog | None = None

    @property
    def port(self) -> int:
        """The first published port, 0 before the start."""
        return self.ports[0] if self.ports else 0

    @property
    def _container(self) -> Any:
        assert self._made is not None
        return self._made.get_wrapped_container()

    @property
    def container_id(self) -> str | None:
        return str(self._container.id) if self._made is not None else None

    def start(self) -> None:
        if self._made is None:
            self._create()
        else:
            self._container.start()
        try:
            self._wait_until_ready()
        except BaseException:
            self.remove()
            raise

    def _create(self) -> None:
        problem = docker_problem()
        if problem is not None:
            hint = GET_CLIENT if "testcontainers" in problem else GET_DOCKER
            raise EngineUnavailableError(self.name, f"{problem}.", hint)
        self._made = self._begun()
        stop_at_exit(self)
        client = shutil.which("docker")
        if client is not None:
            self._watchdog = Watchdog.running([client, "rm", "-f", "-v", str(self._container.id)])

    def _begun(self) -> DockerContainer:
        """A container of the image that has been started, on ports that were free a moment ago."""
        from docker.errors import DockerException
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        testcontainers_config.ryuk_disabled = True
        self.ports = self.ports or [free_port() for _ in self._inside]
        made = DockerContainer(self.image)
        made.env.update(self._environment)
        made.with_kwargs(**self._more)
        if self._command:
            made.with_command(self._command)
        # Its own methods publish on all interfaces, and let the port change with each start.
        published: dict[str, Any] = made.ports
        published.clear()
        published.update(
            {
                f"{inside}/tcp": (LOOPBACK, port)
                for inside, port in zip(self._inside, self.ports, strict=True)
            }
        )
        try:
            made.start()
        except DockerException as error:
            with contextlib.suppress(Exception):
                made.stop()
            said = getattr(error, "explanation", None) or str(error)
            raise EngineUnavailableError(
                self.name,
                f"a container of {self.image} cannot be started: {one_line(said)}.",
                f"try docker pull {self.image}",
            ) from error
        return made

    def _wait_until_ready(self) -> None:
        def ready() -> bool:
            if self._answers(self.port):
                return True
            self._container.reload()
            if self._container.status in ("exited", "dead"):
                raise EngineUnavailableError(
                    self.name, f"the container ended as it started: {self.log_tail()}"
                )
            return False

        if not wait_until(ready, self._ready_seconds, pause=0.1):
            raise EngineUnavailableError(
                self.name,
                f"the container did not answer within {self._ready_seconds:g} s: {self.log_tail()}",
            )

    def log_tail(self) -> str:
        """The end of the container's log on one line, for a message."""
        text = self._container.logs(tail=3).decode("utf-8", errors="replace")
        return " | ".join(text.split("\n"))[-400:].strip(" |") or "its log is empty"

    def copy_out(self, path: str, folder: Path) -> None:
        """What is at a path in the container, under its own name in a folder here."""
        pieces, _ = self._container.get_archive(path)
        with tempfile.TemporaryFile() as held:
            for piece in pieces:
                held.write(piece)
            held.seek(0)
            with tarfile.open(fileobj=held) as archive:
                archive.extractall(folder, filter="data")

    def copy_in(self, source: Path, path: str) -> None:
        """A folder of here, at a path in the container, whose folders are made where they are missing."""
        with tempfile.TemporaryFile() as held:
            with tarfile.open(fileobj=held, mode="w") as archive:
                archive.add(source, arcname=path.lstrip("/"))
            held.seek(0)
            self._container.put_archive("/", held)

    def stop(self) -> None:
        if self._made is not None:
            self._container.stop(timeout=STOP_SECONDS)

    def listens(self) -> Sequence[int]:
        return self.ports

    def kill(self) -> None:
        from docker.errors import APIError

        if self._made is not None:
            # One that does not run cannot be killed, and need not be.
            with contextlib.suppress(APIError):
                self._container.kill("SIGKILL")
            self._container.wait(timeout=STOP_SECONDS)

    def remove(self) -> None:
        """Remove the container with its data; a second call does nothing."""
        made, self._made = self._made, None
        stopped(self)
        if made is not None:
            made.stop(force=True, delete_volume=True)
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None


class PostgresContainer(ContainerServer):
    """Postgres with pgvector; the password is new for each."""

    def __init__(self, image: str = POSTGRES_IMAGE) -> None:
        self.password = secrets.token_urlsafe(18)
        super().__init__(
            "postgres",
            image,
            5432,
            ready=self._ready,
            environment={"POSTGRES_PASSWORD": self.password},
            command=("postgres", "-c", "max_connections=300"),
            stop_signal="SIGINT",  # "fast": does not wait for clients
        )

    @property
    def params(self) -> dict[str, str]:
        """Connection parameters for the superuser; they include the password."""
        return {
            "host": LOOPBACK,
            "port": str(self.port),
            "user": "postgres",
            "password": self.password,
            "dbname": "postgres",
        }

    def _ready(self, port: int) -> bool:
        """It takes our password; while it initialises itself, only the proxy in front answers."""
        if not answers(port):
            return False
        import psycopg
        from psycopg.conninfo import make_conninfo

        try:
            psycopg.connect(make_conninfo("", **self.params), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True
