"""
How backends are backed up: each way brings everything back, and what cannot be done says what is missing.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store_conformance.backends import registry
from store_conformance.backends.backups import COPY, SNAPSHOT, WAYS
from store_conformance.backends.base import (
    Backend,
    BackendError,
    Deployment,
    EngineUnavailableError,
)
from store_conformance.backends.engines import docker, postgres_dump
from store_conformance.backends.engines.docker import ContainerServer
from store_conformance.backends.engines.http_server import HttpContainer
from store_conformance.backends.engines.postgres import binaries
from store_conformance.backends.engines.weaviate import WeaviateContainer
from store_conformance.backends.factory import user_supplied
from store_conformance.factory import create_store
from tests.backend_use import HERE, embed, no_postgres, no_sqlite, use
from tests.test_store_factory import execute, server


def there_and_back(backend: Backend, way: str, folder: Path, between: Any = lambda _: None) -> Any:
    """Two items put, backed up, thrown away and restored; gives what is found of each."""
    backup = backend.backups()[way]
    at = backend.location()

    def fill(store: Any) -> None:
        store.put(("anna",), "prompt", {"text": "be brief"})
        store.put(("app", "anna"), "note", {"text": "a cat"})

    use(backend, at, "sync", fill)
    folder.mkdir()
    backup.take(at, folder)
    backend.discard(at)
    between(folder)
    fresh = backup.restore(folder, at, backend.location())
    found = use(
        backend,
        fresh,
        "sync",
        lambda s: [s.get(("anna",), "prompt"), s.get(("app", "anna"), "note")],
    )
    backend.discard(fresh)
    return [item and item.value["text"] for item in found]


@no_sqlite
def test_a_hybrid_is_backed_up_by_both_halves(tmp_path: Path) -> None:
    pytest.importorskip("qdrant_client", reason="the second half is the client's local mode")
    backend = registry.create("hybrid", options={"stores": "sqlite+qdrant"})
    if backend.deployment != "embedded":
        pytest.skip("a Qdrant server is here")
    backend.start()
    try:
        assert set(backend.backups()) == set(WAYS)
        for way in WAYS:
            assert there_and_back(backend, way, tmp_path / way) == ["be brief", "a cat"]

        def lost(folder: Path) -> None:
            shutil.rmtree(folder / "1")
            (folder / "1").mkdir()

        assert there_and_back(backend, COPY, tmp_path / "half", lost) == ["be brief", None]
    finally:
        backend.stop()


@pytest.mark.parametrize("name", ["qdrant", "weaviate"])
def test_a_server_is_backed_up_by_its_own_requests(name: str, tmp_path: Path) -> None:
    pytest.importorskip("qdrant_client" if name == "qdrant" else name)
    backend = registry.create(name, deployment=Deployment.PROCESS)
    if not (found := backend.availability()).ok:
        pytest.skip(found.detail)
    backend.start()
    try:
        way = backend.backups()[SNAPSHOT]
        assert way.ends_engine and not way.at_rest
        assert there_and_back(backend, SNAPSHOT, tmp_path / "b") == ["be brief", "a cat"]
        with pytest.raises(BackendError, match="is refused"):
            way.take(replace(backend.location(), name="Nowhere"), tmp_path)
    finally:
        backend.stop()


class Inside:
    """A container's file system as the client of Docker gives it: tar archives in and out."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get_archive(self, path: str) -> tuple[list[bytes], dict[str, str]]:
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w") as archive:
            archive.add(self.root / path.lstrip("/"), arcname=Path(path).name)
        whole = held.getvalue()
        return [whole[:700], whole[700:]], {}

    def put_archive(self, path: str, data: Any) -> None:
        with tarfile.open(fileobj=data) as archive:
            archive.extractall(self.root / path.lstrip("/"), filter="data")


def test_a_backup_is_taken_out_of_a_container_and_put_into_another(tmp_path: Path) -> None:
    def container(root: Path) -> WeaviateContainer:
        server = WeaviateContainer("an image")
        made: Any = SimpleNamespace(get_wrapped_container=lambda: Inside(root))
        server._container._made = made
        return server

    one, other = tmp_path / "one", tmp_path / "other"
    other.mkdir()
    kept = one / "var/lib/weaviate-backups/e1/node1"
    kept.mkdir(parents=True)
    (kept / "chunk").write_bytes(b"rows" * 1000)
    (tmp_path / "backup").mkdir()

    container(one).shelf().take_down("e1", tmp_path / "backup")
    container(other).shelf().put_up(tmp_path / "backup", "e1")

    arrived = other / "var/lib/weaviate-backups/e1/node1/chunk"
    assert arrived.read_bytes() == b"rows" * 1000
    with pytest.raises(FileNotFoundError):
        container(other).shelf().take_down("e2", tmp_path / "backup")


def test_an_emptied_container_is_another_one_at_the_same_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []

    def begun(self: ContainerServer) -> Any:
        self.ports = self.ports or [20001]
        told.append(f"made at {self.port}")
        return SimpleNamespace(
            get_wrapped_container=lambda: SimpleNamespace(id="x"),
            stop=lambda **_: told.append("removed"),
        )

    monkeypatch.setattr(docker, "docker_problem", lambda: None)
    monkeypatch.setattr("store_conformance.backends.engines.docker.shutil.which", lambda _: None)
    monkeypatch.setattr(ContainerServer, "_begun", begun)
    monkeypatch.setattr(ContainerServer, "_wait_until_ready", lambda self: None)
    server = HttpContainer("qdrant", "an image", (6333,), ready="/readyz")

    server.start()
    server.empty()
    server.remove()

    assert told == ["made at 20001", "removed", "made at 20001", "removed"]


@pytest.mark.parametrize(
    ("name", "ways"), [("qdrant", {SNAPSHOT}), ("weaviate", {SNAPSHOT}), ("chroma", set())]
)
def test_a_server_in_a_container_is_backed_up_by_what_it_offers(name: str, ways: set[str]) -> None:
    assert set(registry.create(name, deployment=Deployment.CONTAINER).backups()) == ways


def supplied(folder: Path, backup: str) -> Backend:
    path = folder / "own_store.py"
    path.write_text(
        "from langgraph.store.memory import InMemoryStore\n"
        "def open_store(at, index=None, ttl=None):\n    return InMemoryStore()\n"
        f"open_store.backup = {backup}\n"
    )
    return user_supplied(f"{path}:open_store")


@pytest.mark.parametrize(
    ("said", "ways"), [("None", []), ("'copy'", ["copy"]), ("(print, print)", ["snapshot"])]
)
def test_a_store_of_ones_own_says_how_it_is_backed_up(
    tmp_path: Path, said: str, ways: list[str]
) -> None:
    assert list(supplied(tmp_path, said).backups()) == ways


@pytest.mark.parametrize("said", ["'cp'", "print", "(1, 2)", "(print,)"])
def test_what_says_nothing_of_a_backup_is_refused_with_the_form(tmp_path: Path, said: str) -> None:
    with pytest.raises(BackendError, match="the attribute backup") as refused:
        supplied(tmp_path, said).backups()

    assert "(take, restore)" in refused.value.hint


class ServerOf17:
    def execute(self, statement: str) -> list[tuple[str]]:
        return [("170002",)]


def program(folder: Path, version: str) -> Path:
    folder.mkdir()
    path = folder / "pg_dump"
    path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
    path.chmod(0o755)
    return path


def test_a_dump_takes_a_program_as_new_as_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = program(tmp_path / "old", "15.18"), program(tmp_path / "new", "17.1 (Debian 17.1-1)")
    server: Any = ServerOf17()

    monkeypatch.setattr(postgres_dump, "_programs", lambda name, own: iter([old, new]))
    assert postgres_dump._program("pg_dump", server) == new

    monkeypatch.setattr(postgres_dump, "_programs", lambda name, own: iter([old]))
    with pytest.raises(EngineUnavailableError, match="PostgreSQL 17 or newer") as missing:
        postgres_dump._program("pg_dump", server)
    assert "postgresql-client-17" in missing.value.hint


def test_a_dump_finds_the_programs_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(HERE))  # nothing of that name

    assert all(path.name == "pg_dump" for path in postgres_dump._programs("pg_dump", None))
    assert list(postgres_dump._programs("no-such-program", None)) == []

    with pytest.raises(LookupError, match="no no-such-program"):
        postgres_dump.newest_major("no-such-program")


def commands(row: str) -> tuple[str, str]:
    """How the page says that it is backed up, and restored."""
    page = (HERE.parent / "docs" / "PRODUCTION.md").read_text(encoding="utf-8")
    (line,) = (one for one in page.splitlines() if one.startswith(f"| {row} |"))
    _, _, taken, _, restored, _ = line.split("|")
    return re.findall("`(.*?)`", taken)[0], " && ".join(re.findall("`(.*?)`", restored))


def shell(command: str, folder: Path, **words: str) -> int:
    for word, value in words.items():
        command = re.sub(rf"\b{word}\b", f"'{value}'", command)
    programs = binaries()
    path = f"{programs}{os.pathsep}{os.environ['PATH']}" if programs else os.environ["PATH"]
    done = subprocess.run(  # noqa: S602 - what a person types
        command, shell=True, cwd=folder, env={**os.environ, "PATH": path}, check=False,
        capture_output=True,
    )  # fmt: skip
    return done.returncode


@no_postgres
@pytest.mark.parametrize(
    ("row", "schema", "extension"),
    [
        ("Postgres", "public", True),
        ("one schema of it", "own", True),
        ("one schema of it", "own", False),
    ],
)
def test_a_database_comes_back_by_the_commands_of_the_page(
    tmp_path: Path, postgres: Backend, row: str, schema: str, extension: bool
) -> None:
    url = server(postgres)
    root = url.rpartition("/")[0]
    execute(url, "DROP DATABASE IF EXISTS dumped", "CREATE DATABASE dumped")
    execute(url, "DROP DATABASE IF EXISTS brought", "CREATE DATABASE brought")
    execute(f"{root}/dumped", f"CREATE SCHEMA IF NOT EXISTS {schema}")
    index: Any = {"dims": 3, "embed": embed}
    with create_store(f"{root}/dumped?schema={schema}", index=index) as store:
        store.put(("anna",), "note", {"text": "a cat"})
    take, restore = commands(row)
    if not extension:
        restore = restore.rpartition("&& ")[2]

    assert shell(take, tmp_path, SCHEMA=schema, URL=f"{root}/dumped") == 0
    ended = shell(restore, tmp_path, EMPTY_DATABASE=f"{root}/brought")

    again = f"{root}/brought?schema={schema}&setup=off"
    if extension:
        assert ended == 0
        with create_store(again, index=index) as store:
            assert store.search(("anna",), query="a cat")[0].score == pytest.approx(1.0, abs=1e-5)
    else:
        assert ended == 1, "what the page warns of"
        with pytest.raises(BackendError, match="no table store_vectors"):
            create_store(again, index=index)
