"""
Postgres on a machine on which the user has no account, as in many containers.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store_conformance.backends.base import EngineUnavailableError
from store_conformance.backends.engines import postgres as engine
from store_conformance.harness.backends import Backend
from store_conformance.runs.starting import EngineStarts

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="unverified: there are no such accounts"
)
pwd: Any = pytest.importorskip("pwd")


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    engine._unprivileged.cache_clear()
    yield
    engine._unprivileged.cache_clear()


def _accounts(monkeypatch: pytest.MonkeyPatch, me: int, *users: int, namespaces: bool) -> None:
    def of(user: int) -> object:
        if user not in users:
            raise KeyError(user)
        return SimpleNamespace(pw_uid=user)

    monkeypatch.setattr("os.geteuid", lambda: me)
    monkeypatch.setattr(pwd, "getpwuid", of)
    monkeypatch.setattr(pwd, "getpwall", lambda: [of(user) for user in users])
    ended = subprocess.CompletedProcess[str]([], 0 if namespaces else 1)
    monkeypatch.setattr("subprocess.run", lambda *a, **k: ended)


@pytest.mark.parametrize(
    ("me", "users", "namespaces", "mapped", "user"),
    [
        (1000, (0, 1000), True, None, None),  # an account, and not root's: as it is
        (12345, (0, 7, 1000), True, 7, None),
        (0, (0, 65534), True, 65534, None),
        (0, (0, 1), False, None, "nobody"),
        (12345, (0, 1), False, None, None),  # Postgres says what it lacks
    ],
)
def test_as_whom_postgres_is_run(
    me: int,
    users: tuple[int, ...],
    namespaces: bool,
    mapped: int | None,
    user: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _accounts(monkeypatch, me, *users, namespaces=namespaces)

    prefix, other = engine._unprivileged()

    assert other == user
    assert [word for word in prefix if "map-user" in word] == (
        [f"--map-user={mapped}"] if mapped is not None else []
    )


@pytest.mark.parametrize(
    ("said", "hinted"),
    [
        ("initdb: could not look up effective user ID 12345: user does not exist", True),
        ("no", False),
    ],
)
def test_what_an_account_lacks_is_told_with_what_to_do(
    said: str, hinted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "binaries", lambda: tmp_path)
    monkeypatch.setattr(engine, "_unprivileged", lambda: ((), None))
    monkeypatch.setattr(engine, "_takes_settings", lambda folder: False)
    ended = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr("subprocess.run", lambda *a, **k: ended)

    with pytest.raises(EngineUnavailableError) as raised:
        engine.make_template(tmp_path / "t", "p")

    assert said in str(raised.value)
    assert ("/etc/passwd" in str(raised.value)) is hinted
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("child process was terminated by signal 9: Killed\ninitdb: removing contents", "Killed"),
        ("FATAL:  no room\nchild process exited with exit code 1", "no room"),
        (
            "Killed\nchild process exited with exit code 137\ninitdb: removing contents",
            "Killed; child process exited with exit code 137",
        ),
        ("something\nelse", "else"),
    ],
)
def test_why_initdb_ended_is_told_and_not_what_it_did_then(
    said: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "binaries", lambda: tmp_path)
    monkeypatch.setattr(engine, "_unprivileged", lambda: ((), None))
    monkeypatch.setattr(engine, "_takes_settings", lambda folder: True)
    asked: list[list[str]] = []

    def run(command: list[str], **more: Any) -> Any:
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr("subprocess.run", run)

    with pytest.raises(EngineUnavailableError, match=f"{told}\\."):
        engine.make_template(tmp_path / "t", "p")

    # A process of its that is killed leaves nothing on the machine then.
    in_files = "dynamic_shared_memory_type=mmap" in asked[0]
    assert in_files is (sys.platform == "linux")


def test_a_copy_that_finds_no_room_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(source: Path, target: Path) -> None:
        raise shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'"), ("c", "d", "")])

    failed = subprocess.CompletedProcess([], 1, b"", b"")
    monkeypatch.setattr("subprocess.run", lambda *a, **k: failed)
    monkeypatch.setattr("shutil.copytree", refused)

    with pytest.raises(EngineUnavailableError, match="No space left") as raised:
        engine._copy(tmp_path / "a", tmp_path / "b")

    assert len(str(raised.value)) < 300


class Engineless(Backend):
    name = "engineless"
    error: Exception

    def start(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (
            PermissionError(1, "Operation not permitted", "/dev/shm/x"),
            EngineUnavailableError,
            "/dev/shm/x: Op",
        ),
        (OSError("no name"), EngineUnavailableError, "no name"),
        (ValueError("a mistake of ours"), ValueError, "a mistake"),
    ],
)
def test_what_the_machine_refuses_an_engine_leaves_that_backend_out(
    error: Exception, kind: type[Exception], said: str
) -> None:
    backend = Engineless()
    backend.error = error

    (started,) = EngineStarts({"engineless": backend}).ended().values()

    assert type(started.error) is kind
    assert said in str(started.error)
