"""
Stores over a small server of their own, as ``--store`` functions; data for ``test_engine_gone.py``.

``python gone_stores.py FOLDER`` is the server: it keeps one `InMemoryStore` a place and writes its port and
pid into the folder.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import socketserver
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from langgraph.store.base import BaseStore, Op
from langgraph.store.memory import InMemoryStore

_places: defaultdict[str, InMemoryStore] = defaultdict(InMemoryStore)


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while True:
            try:
                place, ops = pickle.load(self.rfile)
            except (EOFError, OSError):
                return
            self.wfile.write(pickle.dumps(_places[place].batch(ops)))
            self.wfile.flush()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Client:
    """One connection to the server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._file = self.socket.makefile("rwb")

    def ask(self, place: str, ops: list[Op]) -> Any:
        pickle.dump((place, ops), self._file)
        self._file.flush()
        return pickle.load(self._file)

    def close(self) -> None:
        with suppress(OSError):  # the server may be gone, or this one closed already
            self.socket.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self._file.close()
        self.socket.close()


class Remote(BaseStore):
    def __init__(self, client: Client, place: str) -> None:
        self.client = client
        self._place = place
        self.calls = 0

    def batch(self, ops: Iterable[Op]) -> list[Any]:
        self.calls += 1
        self.before()
        answers: list[Any] = self.client.ask(self._place, list(ops))
        return answers

    async def abatch(self, ops: Iterable[Op]) -> list[Any]:
        return await asyncio.to_thread(self.batch, list(ops))

    def before(self) -> None:
        """What a broken one does before it asks."""


class ClosesItsConnection(Remote):
    def before(self) -> None:
        if self.calls == 3:
            self.client.close()


class KillsItsServer(Remote):
    """Takes its server down by the fifth call to one store."""

    def before(self) -> None:
        if self.calls == 5 and _cases_run():
            os.kill(int((_folder() / "pid").read_text()), 9)


def _folder() -> Path:
    return Path(os.environ["GONE_STORES"])


def _cases_run() -> bool:
    """Whether the run is past its trial."""
    return (_folder() / "begun").exists()


def _port() -> int:
    return int((_folder() / "port").read_text())


@contextmanager
def _opened_by(kind: type[Remote], place: str) -> Iterator[BaseStore]:
    client = Client(_port())
    try:
        yield kind(client, place)
    finally:
        client.close()


def remote(at: Any) -> Any:
    return _opened_by(Remote, at.name)


def closes_its_connection(at: Any) -> Any:
    return _opened_by(ClosesItsConnection, at.name)


def kills_its_server(at: Any) -> Any:
    return _opened_by(KillsItsServer, at.name)


_shared: list[Client] = []
_opened = [0]


class ClosesForAll(Remote):
    """Closes the connection that all stores of the process have, once it has been used for a while."""

    def before(self) -> None:
        _opened[0] += _cases_run()
        if _opened[0] == 25:
            self.client.close()


def closes_for_all(at: Any) -> BaseStore:
    if not _shared:
        _shared.append(Client(_port()))
    return ClosesForAll(_shared[0], at.name)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with _Server(("127.0.0.1", port), _Handler) as server:
        (folder / "pid").write_text(str(os.getpid()))
        (folder / "port").write_text(str(server.server_address[1]))
        server.serve_forever()
