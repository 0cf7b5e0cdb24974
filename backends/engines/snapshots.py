"""
What servers themselves offer for a backup: Qdrant's snapshots, Weaviate's module ``backup-filesystem``.
"""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.parse import quote

from store_conformance.backends.base import BackendError, EngineUnavailableError

_SECONDS = 120.0
_OLDER = 1.1
"""
Weaviate's log of vectors is named by the second in which it begins, and a backup of that very second leaves
it out (1.39.0): its items come back and are not found by meaning.
"""
_FILE = "collection.snapshot"


class _Server:
    """Requests to one server with its key."""

    def __init__(self, engine: str, url: str, headers: Mapping[str, str]) -> None:
        self._engine, self._url, self._headers = engine, url.rstrip("/"), dict(headers)

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        """The body of a successful answer; raises ``BackendError`` with what a refusal says."""
        headers = {**self._headers, "Content-Type": kind or "application/json"}
        request = urllib.request.Request(
            self._url + path, data=body, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                return bytes(answer.read())
        except HTTPError as error:
            with error:
                said = error.read(500).decode(errors="replace")
            raise BackendError(self._engine, f"{method} {path} is refused: {said}") from None
        except OSError as error:
            raise EngineUnavailableError(self._engine, f"{method} {path}: {error}.") from error

    def json(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        return json.loads(self.ask(method, path, data))


class QdrantSnapshots:
    """A snapshot of one collection: made, fetched and removed; given back by an upload."""

    command = (
        "POST /collections/NAME/snapshots, then GET /collections/NAME/snapshots/SNAPSHOT > BACKUP"
    )

    def __init__(self, url: str, key: str | None) -> None:
        self._server = _Server("qdrant", url, {} if key is None else {"api-key": key})

    def take(self, name: str, folder: Path) -> None:
        path = f"/collections/{quote(name, safe='')}/snapshots"
        made = self._server.json("POST", f"{path}?wait=true")["result"]["name"]
        try:
            (folder / _FILE).write_bytes(self._server.ask("GET", f"{path}/{quote(made)}"))
        finally:
            self._server.ask("DELETE", f"{path}/{quote(made)}?wait=true")

    def restore(self, name: str, folder: Path) -> None:
        edge = uuid.uuid4().hex
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="snapshot"; filename="{_FILE}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + (folder / _FILE).read_bytes() + f"\r\n--{edge}--\r\n".encode()
        path = f"/collections/{quote(name, safe='')}/snapshots/upload?priority=snapshot&wait=true"
        self._server.ask("POST", path, body, f"multipart/form-data; boundary={edge}")


class Shelf(Protocol):
    """Where a server puts its backups, each in a folder of its own."""

    def take_down(self, name: str, folder: Path) -> None:
        """One of them, under its name in a folder here."""

    def put_up(self, folder: Path, name: str) -> None:
        """One of a folder here, so that the server finds it."""


@dataclass(frozen=True)
class FolderShelf:
    """A folder of this machine."""

    path: Path

    def take_down(self, name: str, folder: Path) -> None:
        shutil.move(self.path / name, folder / name)

    def put_up(self, folder: Path, name: str) -> None:
        shutil.copytree(folder / name, self.path / name)


class WeaviateBackups:
    """
    A backup of one collection into the folder of ``BACKUP_FILESYSTEM_PATH``, copied from there and back.
    """

    command = (
        'POST /v1/backups/filesystem {"id": ID}, until GET /v1/backups/filesystem/ID says SUCCESS'
    )

    def __init__(self, url: str, key: str, shelf: Shelf) -> None:
        self._server = _Server("weaviate", url, {"Authorization": f"Bearer {key}"})
        self._shelf = shelf

    def take(self, name: str, folder: Path) -> None:
        time.sleep(_OLDER)
        made = f"e{uuid.uuid4().hex}"
        wanted = {"id": made, "include": [_class(name)]}
        self._server.json("POST", "/v1/backups/filesystem", wanted)
        self._done(f"/v1/backups/filesystem/{made}")
        self._shelf.take_down(made, folder)

    def restore(self, name: str, folder: Path) -> None:
        (made,) = (path.name for path in folder.iterdir())
        self._shelf.put_up(folder, made)
        path = f"/v1/backups/filesystem/{made}/restore"
        self._server.json("POST", path, {"include": [_class(name)]})
        self._done(path)

    def _done(self, path: str) -> None:
        """Wait until the server says that it is done; what it says instead is the error."""
        deadline = time.monotonic() + _SECONDS
        while (found := self._server.json("GET", path))["status"] != "SUCCESS":
            if found["status"] in ("FAILED", "CANCELED") or time.monotonic() > deadline:
                raise BackendError("weaviate", f"{path}: {found['status']} {found.get('error')}")
            time.sleep(0.1)


def _class(name: str) -> str:
    """As Weaviate writes the name of a collection."""
    return name[0].upper() + name[1:]
