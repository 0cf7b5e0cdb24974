"""
What may lie between a client and a Postgres server: a proxy of ours that rewrites the startup message,
and PgBouncer where it is installed; no test itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store_conformance.backends.engines.ports import LOOPBACK, answers, free_port

_SSL, _GSS = 80877103, 80877104

Rewrite = Callable[[dict[str, str]], dict[str, str]]


class StartupProxy:
    """Passes everything on, but for the parameters of a session's beginning, which ``rewrite`` changes."""

    def __init__(self, port: int, rewrite: Rewrite) -> None:
        self._target = port
        self._rewrite = rewrite
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self.sessions = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # A blocked accept is woken by this, and by close alone it is not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            body = _message(client)
            while struct.unpack("!I", body[:4])[0] in (_SSL, _GSS):
                client.sendall(b"N")
                body = _message(client)
            words = body[4:].rstrip(b"\0").split(b"\0")
            texts = [word.decode() for word in words]
            params = dict(zip(texts[::2], texts[1::2], strict=True))
            self.sessions += 1
            changed = self._rewrite(params)
            packed = b"".join(f"{name}\0{value}\0".encode() for name, value in changed.items())
            start = body[:4] + packed + b"\0"
            with socket.create_connection((LOOPBACK, self._target)) as server:
                server.sendall(struct.pack("!I", len(start) + 4) + start)
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()


def _message(source: socket.socket) -> bytes:
    size = struct.unpack("!I", _exactly(source, 4))[0]
    return _exactly(source, size - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = source.recv(size - len(got))
        if not more:
            raise ConnectionError("the client went away")
        got += more
    return got


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def pgbouncer_command() -> str | None:
    found = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    return str(found) if found else None


needs_pgbouncer = pytest.mark.skipif(
    pgbouncer_command() is None or os.name != "posix",
    reason="unverified: PgBouncer is not installed (apt-get install pgbouncer)",
)


@contextlib.contextmanager
def pgbouncer(
    folder: Path, port: int, users: dict[str, str], *settings: str, databases: str = ""
) -> Iterator[int]:
    """PgBouncer before the server at ``port``, with these lines of settings; gives its port."""
    own = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    entries = "".join(f'"{name}" "{password}"\n' for name, password in users.items())
    (folder / "users.txt").write_text(entries)
    lines = [
        "[databases]",
        f"* = host={LOOPBACK} port={port} {databases}",
        "[pgbouncer]",
        f"listen_addr = {LOOPBACK}",
        f"listen_port = {own}",
        "unix_socket_dir =",
        "auth_type = plain",
        f"auth_file = {folder}/users.txt",
        f"logfile = {folder}/log",
        "max_client_conn = 200",
        "default_pool_size = 40",
        *settings,
    ]
    (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
    command = [str(pgbouncer_command()), str(folder / "pgbouncer.ini")]
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:  # it refuses to run as root
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
        for parent in folder.parents:
            if parent.stat().st_uid == 0 and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, cwd="/"
    )
    try:
        deadline = time.monotonic() + 30
        while not answers(own, seconds=0.5):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"pgbouncer: {(folder / 'log').read_text()[-400:]}")
            time.sleep(0.05)
        yield own
    finally:
        process.kill()
        process.wait()
