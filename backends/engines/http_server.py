"""
A database server with an HTTP port, as a child process that keeps its address over stop and kill.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from shutil import rmtree
from stat import S_ISREG

from store_conformance.backends.base import Engine, EngineUnavailableError
from store_conformance.backends.engines.ports import LOOPBACK, free_port
from store_conformance.backends.engines.processes import ServerProcess, remove_later

START_ATTEMPTS = 3

Command = Callable[[Path, Sequence[int]], tuple[Sequence[str], Mapping[str, str]]]
"""Given the data folder and the ports: the command and its whole environment."""


def says_yes(url: str) -> bool:
    """Whether a GET of that address is answered with 200."""
    try:
        # What breaks off in the middle of the answer is an HTTPException.
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


class OwnServer(Engine):
    """A server that the run started: it has an address, and is removed with its data."""

    ports: list[int]
    """Its ports on the loopback interface, the HTTP port first; they outlive stop, kill and start."""

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports[0]}"

    def listens(self) -> Sequence[int]:
        return self.ports

    def empty(self) -> None:
        """Let it lose everything that it keeps; it is there again at the same address, holding nothing."""
        raise NotImplementedError

    def remove(self) -> None:
        """End the server and delete its data; a second call does nothing."""
        raise NotImplementedError


class HttpServer(OwnServer):
    """
    One server with its data in ``folder``; ready when ``GET ready`` on its first port says 200.

    ``remove`` ends it and deletes ``folder``.
    """

    def __init__(
        self, name: str, folder: Path, command: Command, *, ready: str, ports: int = 1
    ) -> None:
        self.name = name
        self.folder = folder
        self.ports: list[int] = []
        self._command = command
        self._ready_path = ready
        self._count = ports
        self._process: ServerProcess | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        if self._process is not None:
            self._process.start()
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for attempt in range(START_ATTEMPTS):
            # The ports were free a moment ago; somebody may have been quicker.
            self.ports = [free_port() for _ in range(self._count)]
            process = self._server()
            try:
                process.start()
            except EngineUnavailableError:
                if attempt + 1 == START_ATTEMPTS:
                    raise
            else:
                self._process = process
                return

    def _server(self) -> ServerProcess:
        command, environment = self._command(self.folder, self.ports)
        return ServerProcess(
            self.name,
            command,
            log=self.folder / "server.log",
            ready=self._ready,
            env=environment,
            folder=self.folder,
        )

    def _ready(self) -> bool:
        return says_yes(self.url + self._ready_path)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def processes(self) -> Sequence[int]:
        return self._process.processes() if self._process is not None else ()

    freezes = True

    def freeze(self) -> None:
        if self._process is not None:
            self._process.freeze()

    def thaw(self) -> None:
        if self._process is not None:
            self._process.thaw()

    def bytes_on_disk(self) -> int:
        """What its folder takes there: servers set aside more than they write, and that takes nothing."""
        total = 0
        for path in self.folder.rglob("*"):
            with suppress(OSError):  # merged away meanwhile
                found = path.stat()
                if S_ISREG(found.st_mode):
                    total += getattr(found, "st_blocks", -(-found.st_size // 512)) * 512
        return total

    def empty(self) -> None:
        self.stop()
        try:
            # The folders in it stay: a server may count on those that were made for it.
            for data in (inner for inner in self.folder.iterdir() if inner.is_dir()):
                rmtree(data)
                data.mkdir()
        finally:
            self.start()

    def remove(self) -> None:
        """End the server and delete its data."""
        self.kill()
        self._process = None
        remove_later(self.folder)


class HttpContainer(OwnServer):
    """One container of ``image``; ready when ``GET ready`` on its first port says 200."""

    def __init__(
        self,
        name: str,
        image: str,
        inside: Sequence[int],
        *,
        ready: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        from store_conformance.backends.engines.docker import ContainerServer

        self._container = ContainerServer(
            name,
            image,
            inside[0],
            more_ports=inside[1:],
            ready=lambda port: says_yes(f"http://{LOOPBACK}:{port}{ready}"),
            environment=environment,
        )
        self.ports = []

    def start(self) -> None:
        self._container.start()
        self.ports = self._container.ports

    def stop(self) -> None:
        self._container.stop()

    def kill(self) -> None:
        self._container.kill()

    def empty(self) -> None:
        self.remove()  # its data is its own
        self.start()

    def copy_out(self, path: str, folder: Path) -> None:
        """What is at a path in the container, under its own name in a folder here."""
        self._container.copy_out(path, folder)

    def copy_in(self, source: Path, path: str) -> None:
        """A folder of here, at a path in the container."""
        self._container.copy_in(source, path)

    def remove(self) -> None:
        self._container.remove()
