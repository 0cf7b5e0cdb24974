"""
A correct store with an engine of its own, so that engines and networks can be struck that broken stores have.

Its items are in a file like the reference store's.  Before and after each call it asks a server whether it may
go on, which takes the place of a request and its answer: what cuts them, cuts the call.

``python -m store_conformance.mutants.served PORT`` is the server.
"""

from __future__ import annotations

import os
import socket
import socketserver
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from langgraph.store.base import BaseStore, Result

from store_conformance.contract import Location, Mode
from store_conformance.harness.backends import (
    LOOPBACK,
    Backend,
    Deployment,
    Engine,
    Opened,
    ServerProcess,
    Spec,
    answers,
    free_port,
)
from store_conformance.mutants.reference import Embedded, Plan, ReferenceStore

SIZE = 256
"""Bytes of a request and of an answer: enough to be cut in the middle."""
SECONDS = 10.0
"""The time-out of a request."""


class ServedStore(ReferenceStore):
    """A connection that is broken is given up, and the next call opens another one."""

    line: socket.socket | None = None

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        with self.lock:
            self.ask()
            results = super().execute(plan, embedded, turn)
            self.ask()
        return results

    def ask(self) -> int:
        """Gives the server's process id; raises ``OSError`` if it does not answer in time."""
        try:
            return int(self.answer_to(os.urandom(SIZE // 2).hex().encode()))
        except (OSError, ValueError) as error:
            self.give_up()
            if isinstance(error, ValueError):
                raise ConnectionError("the answer was cut off") from error
            raise

    def answer_to(self, request: bytes) -> bytes:
        """An answer repeats the end of its request, so that one that comes late is known."""
        if self.line is None:
            self.line = self.dial()
        self.line.sendall(request)
        answer = self.received(self.line)
        if not answer.endswith(request[-16:]):
            raise ConnectionError("the answer to another request")
        return answer[:16]

    def dial(self) -> socket.socket:
        host, _, port = self.at.url.rpartition("/")[2].partition(":")
        return socket.create_connection((host, int(port)), timeout=SECONDS)

    def received(self, line: socket.socket) -> bytes:
        got = b""
        while len(got) < SIZE:
            more = line.recv(SIZE - len(got))
            if not more:
                raise ConnectionError("the server is gone")
            got += more
        return got

    def give_up(self) -> None:
        line, self.line = self.line, None
        if line is not None:
            line.close()

    def close(self) -> None:
        with self.lock:
            ServedStore.give_up(self)
        super().close()


class _Process(ServerProcess):
    port = 0

    def listens(self) -> tuple[int, ...]:
        return (self.port,)


class ServedBackend(Backend):
    """A `ServedStore` and its server."""

    name = "served"
    deployment = Deployment.PROCESS
    store: ClassVar[type[ServedStore]] = ServedStore
    declares: ClassVar[tuple[str, ...]] = ()
    modes: ClassVar[tuple[str, ...]] = ("sync", "async")

    def __init__(self) -> None:
        super().__init__()
        self._url: str | None = None
        self._engine: _Process | None = None

    def start(self) -> None:
        if self._engine is None:
            port = free_port()
            self._url = f"tcp://{LOOPBACK}:{port}"
            self._engine = _Process(
                self.name,
                [sys.executable, "-m", __spec__.name, str(port)],
                log=self.root / "server.log",
                ready=lambda: answers(port, seconds=0.5),
            )
            self._engine.port = port
        self._engine.start()

    def stop(self) -> None:
        if self._engine is not None:
            self._engine.kill()
            self._engine = None
        super().stop()

    @property
    def url(self) -> str | None:
        return self._url

    def engine(self) -> Engine | None:
        return self._engine

    @property
    def pooled(self) -> bool:
        return True

    def private(self) -> Backend | None:
        return type(self)()

    def open(self, at: Location, index: Any, ttl: Any, mode: Mode) -> Opened:
        return self._opened(at, index, ttl)

    @contextmanager
    def _opened(self, at: Location, index: Any, ttl: Any) -> Iterator[BaseStore]:
        with self.store.open_store(at, index, ttl) as store:
            yield store

    def attach(self, spec: Spec) -> None:
        self._url = spec.url


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):
            while True:
                request = b""
                while len(request) < SIZE:
                    more = self.request.recv(SIZE - len(request))
                    if not more:
                        return
                    request += more
                self.request.sendall(f"{os.getpid():016d}".encode() + request[16:])


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


if __name__ == "__main__":
    with _Server((LOOPBACK, int(sys.argv[1])), _Handler) as server:
        server.serve_forever()
