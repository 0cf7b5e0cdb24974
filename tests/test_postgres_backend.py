"""
Postgres: engines die and come back, a database of the user is left as it was, nothing is left behind.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends import environment, registry
from store_conformance.backends.base import Backend, BackendError, Deployment
from store_conformance.backends.engines.processes import descendants, runs
from store_conformance.contract import Location, Mode
from tests.backend_use import (
    HERE,
    INDEX,
    NAMESPACE,
    get,
    gone,
    no_postgres,
    put,
    search,
    twin_of,
    use,
)

pytestmark = pytest.mark.slow

# -- postgres ----------------------------------------------------------------------------------------


@no_postgres
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_what_was_acknowledged_survives_a_killed_engine(postgres: Backend, mode: str) -> None:
    private = postgres.private()
    assert private is not None
    private.start()
    engine = private.engine()
    assert engine is not None
    pid: int = engine.pid  # type: ignore[attr-defined]
    at = private.location()
    try:
        use(private, at, mode, put(mode))
        family = [pid, *descendants(pid)]
        engine.kill()
        assert not any(runs(p) for p in family)
        engine.start()
        assert use(private, at, mode, get(mode)).value == {"text": "a cat"}
        engine.stop()
        engine.start()
        assert use(private, at, mode, get(mode)).value == {"text": "a cat"}
        private.discard(at)
        pid = engine.pid  # type: ignore[attr-defined]
    finally:
        private.stop()

    assert not runs(pid)
    assert gone(at.path.parent.exists)
    assert use(postgres, postgres.location(), "sync", get("sync")) is None


@no_postgres
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root needs another user")
def test_root_without_user_namespaces_runs_the_server_as_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from store_conformance.backends.engines import postgres as engine

    folder = engine.binaries()
    assert folder is not None
    initdb = folder / "initdb"
    if not all(p.stat().st_mode & stat.S_IXOTH for p in (initdb, *initdb.resolve().parents)):
        pytest.skip("the package is installed where nobody may not go")
    monkeypatch.setattr(engine, "_unprivileged", lambda: ((), "nobody"))
    backend = registry.create("postgres", deployment="embedded")
    try:
        backend.start()
        private = backend.private()
        assert private is not None
        private.start()
        at = private.location()
        use(private, at, "sync", put("sync"))
        private.stop()
    finally:
        backend.stop()


def _has_image() -> bool:
    if importlib.util.find_spec("testcontainers") is None:
        return False
    from store_conformance.backends.engines.docker import POSTGRES_IMAGE, docker_problem

    if docker_problem() is not None:
        return False
    asked = ["docker", "image", "inspect", POSTGRES_IMAGE]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@no_postgres
@pytest.mark.skipif(not _has_image(), reason="no Docker, or the image is not pulled")
def test_a_container_keeps_port_and_data_when_killed_and_is_removed() -> None:
    backend = registry.create("postgres", deployment="container")
    try:
        backend.start()
        engine: Any = backend.engine()
        at = backend.location()
        use(backend, at, "sync", put("sync"))
        before, identity = backend.url, engine.container_id

        for end in (engine.kill, engine.stop):
            end()
            engine.start()
            assert use(backend, at, "async", get("async")).value == {"text": "a cat"}

        assert backend.url == before
        private = backend.private()
        assert private is not None
        assert private.engine() is None
    finally:
        backend.stop()
    listed = subprocess.run(
        ["docker", "ps", "-a", "-q", "--no-trunc"], capture_output=True, text=True, check=True
    )
    assert identity not in listed.stdout


@no_postgres
def test_a_place_is_discarded_although_a_store_still_holds_it(postgres: Backend) -> None:
    at = postgres.location()
    opened: Any = postgres.open(at, None, None, Mode.SYNC)
    store = opened.__enter__()
    store.conn.execute("BEGIN")
    store.conn.execute("LOCK TABLE store")

    postgres.discard(at)

    assert postgres.bytes_on_disk(at) == 0
    with pytest.raises(Exception, match=r"."):
        store.put(NAMESPACE, "k", {})


@no_postgres
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_durable_place_is_on_the_disk_and_found_by_another_process(
    postgres: Backend, mode: str
) -> None:
    at = postgres.location(durable=True)
    use(postgres, at, mode, put(mode), INDEX)
    twin = twin_of(postgres)
    place = Location.from_dict(json.loads(json.dumps(at.to_dict())))

    assert use(twin, place, mode, get(mode), INDEX).value == {"text": "a cat"}
    assert not str(at.path).startswith("/dev/shm")
    assert (postgres.bytes_on_disk(at) or 0) > 0
    postgres.discard(at)
    assert postgres.bytes_on_disk(at) == 0
    twin.stop()


@no_postgres
def test_the_password_is_in_no_text(postgres: Backend) -> None:
    password = postgres.spec().text("template_password")

    shown = [postgres.url, postgres.location(), postgres.facts(), postgres.availability()]

    assert password
    assert not any(password in repr(text) for text in shown)


@pytest.fixture(scope="module")
def guest(postgres: Backend) -> dict[str, str]:
    """Connection parameters of a user's own database with pgvector, which that user owns."""
    import psycopg

    from store_conformance.backends.engines.postgres_url import conninfo, parse

    home = parse(postgres.spec().url or "")
    with psycopg.connect(conninfo(home), autocommit=True) as admin:
        admin.execute("CREATE ROLE anna LOGIN PASSWORD 'p@ss w:rd/%'")
        admin.execute("CREATE DATABASE annas OWNER anna")
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'r'")
    with psycopg.connect(conninfo(home, dbname="annas"), autocommit=True) as admin:
        admin.execute("CREATE SCHEMA extensions")
        admin.execute("CREATE EXTENSION vector SCHEMA extensions")
        admin.execute("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
    return {**home, "user": "anna", "password": "p@ss w:rd/%", "dbname": "annas"}


def url_of(params: dict[str, str], **changes: str) -> str:
    from urllib.parse import quote

    p = {**params, **changes}
    return "postgresql://{}:{}@{}:{}/{}".format(
        *(quote(p[k], safe="") for k in ("user", "password", "host", "port", "dbname"))
    )


def schemas(params: dict[str, str]) -> set[str]:
    import psycopg

    from store_conformance.backends.engines.postgres_url import conninfo

    with psycopg.connect(conninfo(params)) as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'")
        return {name for (name,) in rows}


@no_postgres
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_users_own_database_is_left_as_it_was(guest: dict[str, str], mode: str) -> None:
    before = schemas(guest)
    backend = registry.create("postgres", url=url_of(guest))
    assert backend.deployment is Deployment.URL
    assert backend.availability().ok
    backend.start()
    at = backend.location()
    forgotten = backend.location()
    use(backend, forgotten, mode, put(mode))
    use(backend, at, mode, put(mode), INDEX)
    twin = twin_of(backend)

    assert len(use(twin, at, mode, search(mode, "cat"), INDEX)) == 1
    assert backend.private() is None
    assert backend.engine() is None
    assert at.name in schemas(guest)
    backend.discard(at)
    backend.stop()
    twin.stop()
    assert schemas(guest) == before


@no_postgres
def test_the_next_run_removes_what_a_killed_one_left(guest: dict[str, str], tmp_path: Path) -> None:
    before = schemas(guest)
    script = """
        import sys, time
        from store_conformance.backends.registry import create
        backend = create("postgres", url=sys.argv[1])
        print(backend.location().name, flush=True)
        time.sleep(60)
    """
    with python(tmp_path, script, url_of(guest)) as child:
        assert child.stdout is not None
        left = child.stdout.readline().strip()

        with_a_living_run = registry.create("postgres", url=url_of(guest))
        with_a_living_run.start()
        assert left in schemas(guest)
        with_a_living_run.stop()
        child.kill()
    assert left in schemas(guest)

    def remains() -> bool:
        # The server takes a moment to see that the killed client is gone.
        after = registry.create("postgres", url=url_of(guest))
        after.start()
        after.stop()
        return left in schemas(guest)

    assert gone(remains)
    assert schemas(guest) == before


@no_postgres
@pytest.mark.parametrize(
    ("changes", "problem", "hint"),
    [
        ({"port": "1"}, "nobody listens there", "is the server running"),
        ({"password": "wrong-secret"}, "password or the user is wrong", "check"),
        ({"user": "nobody-such"}, "password or the user is wrong", "check"),
        ({"dbname": "annass"}, "no such database", "create it first"),
        ({"host": "no-such-host.invalid"}, "host name is unknown", "check the host"),
        ({"user": "reader", "password": "r"}, "may not create schemas", "GRANT CREATE"),
    ],
)
def test_a_url_that_cannot_be_used_is_told(
    guest: dict[str, str], changes: dict[str, str], problem: str, hint: str
) -> None:
    backend = registry.create("postgres", url=url_of(guest, **changes))

    with pytest.raises(BackendError) as raised:
        backend.start()

    text = str(raised.value)
    assert problem in text
    assert hint in text
    assert "\n" not in text
    assert {**guest, **changes}["password"] not in text or changes.get("password") == "r"
    backend.stop()


@no_postgres
@pytest.mark.parametrize(
    "said", ["odd: {}", "odd: password={} user=anna", "odd: postgresql://anna:{}@db/x"]
)
def test_what_a_server_says_is_told_without_the_password(said: str) -> None:
    from store_conformance.backends.engines.postgres_url import unavailable

    known = unavailable({"password": "pa55word"}, said.format("pa55word"))
    foreign = unavailable({}, said.format("pa55word"))

    assert "odd: " in str(known)
    assert "pa55word" not in str(known)
    # Another's password is known by where it stands only.
    assert ("pa55word" in str(foreign)) is (said == "odd: {}")


@no_postgres
def test_a_database_without_pgvector_is_refused_if_it_cannot_be_added(
    postgres: Backend, guest: dict[str, str]
) -> None:
    import psycopg

    from store_conformance.backends.engines.postgres_url import conninfo, parse

    home = parse(postgres.spec().url or "")
    with psycopg.connect(conninfo(home), autocommit=True) as admin:
        admin.execute("CREATE DATABASE plain OWNER anna")
    backend = registry.create("postgres", url=url_of(guest, dbname="plain"))

    with pytest.raises(BackendError, match=r"has no pgvector.*CREATE EXTENSION vector"):
        backend.start()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://a:secret@b/c", "begins with mysql://"),
        ("postgresql+psycopg://a:secret@b/c", "begins with postgresql"),
        ("hostt=a password=secret", "cannot be read"),
        ("postgresql://a:se%zzcret@b:port/c", "cannot be read"),
    ],
)
@no_postgres
def test_a_url_that_is_none_is_told_without_its_password(url: str, problem: str) -> None:
    backend = registry.create("postgres", url=url)

    with pytest.raises(BackendError) as raised:
        backend.start()

    assert problem in str(raised.value)
    assert "cret" not in str(raised.value)
    assert not backend.availability().ok


@no_postgres
def test_the_url_comes_from_environment_or_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from store_conformance.backends import postgres

    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert registry.create("postgres").deployment is Deployment.EMBEDDED
    text = 'A=1\n# B=2\nexport POSTGRES_CONNECTION_STRING="postgresql://file/$HOME"\n'
    (tmp_path / ".env").write_text(text)
    assert postgres.url_from_environment() == "postgresql://file/$HOME"
    assert (
        environment.read_env(tmp_path / ".env")[postgres.URL_VARIABLE] == "postgresql://file/$HOME"
    )
    monkeypatch.setenv(postgres.URL_VARIABLE, "postgresql://environment")
    assert postgres.url_from_environment() == "postgresql://environment"
    assert registry.create("postgres").deployment is Deployment.URL
    assert registry.create("postgres", deployment="embedded").deployment is Deployment.EMBEDDED


@contextmanager
def python(folder: Path, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the script; it does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(HERE.parent),
            "TMPDIR": str(folder),
            "CONFORMANCE_SCRATCH": str(folder),
        },
        start_new_session=True,
        # A job in the background is started with Ctrl-C ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@no_postgres
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM", "SIGINT", "an exception"])
def test_no_server_and_no_folder_outlives_its_parent(end: str, tmp_path: Path) -> None:
    script = """
        import sys, threading, time
        from store_conformance.backends.registry import create
        backend = create("postgres", deployment="embedded")
        # Started by a thread that ends: the server must live on without it.
        thread = threading.Thread(target=backend.start)
        thread.start()
        thread.join()
        at = backend.location()
        print(backend.engine().pid, at.path.parent, flush=True)
        if sys.argv[1] == "an exception":
            raise RuntimeError("crash")
        time.sleep(60)
    """
    with python(tmp_path, script, end) as child:
        assert child.stdout is not None
        pid_text, _, folder = child.stdout.readline().strip().partition(" ")
        pid = int(pid_text)
        family = [pid, *descendants(pid)]

        maps = Path(f"/proc/{pid}/maps").read_text() if end == "SIGKILL" else ""
        shared = [Path(p) for p in set(re.findall(r"/dev/shm/PostgreSQL\.\d+", maps))]

        if end.startswith("SIG"):
            assert runs(pid)
            child.send_signal(signal.Signals[end])
        child.wait(30)

    assert gone(lambda: any(runs(p) for p in family))
    assert gone(Path(folder).exists)
    assert not any(segment.exists() for segment in shared)


@no_postgres
@pytest.mark.skipif(sys.platform != "linux", reason="unverified: it is told so on Linux alone")
def test_a_server_shares_memory_as_servers_do_and_not_as_its_initdb_did(
    postgres: Backend,
) -> None:
    import psycopg

    with psycopg.connect(postgres.spec().url or "") as connection:
        found = connection.execute("SHOW dynamic_shared_memory_type").fetchone()

    assert found == ("posix",)
