"""
A database server with an HTTP port, as a child process that keeps its address over stop and kill.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from backends.base import Engine, EngineUnavailableError
from backends.engines.ports import LOOPBACK, free_port
from backends.engines.processes import ServerProcess, remove_later

START_ATTEMPTS = 3

Command = Callable[[Path, Sequence[int]], tuple[Sequence[str], Mapping[str, str]]]
"""Given the data folder and the ports: the command and its whole environment."""


class HttpServer(Engine):
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
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports[0]}"

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
        try:
            with urllib.request.urlopen(self.url + self._ready_path, timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def remove(self) -> None:
        """End the server and delete its data."""
        self.kill()
        self._process = None
        remove_later(self.folder)
