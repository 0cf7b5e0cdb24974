"""
The built-in backends on their engines: places open, close, reopen and go; names; SQLite modules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Backend, BackendError
from store_conformance.backends.engines import weaviate
from store_conformance.backends.weaviate import WeaviateBackend
from store_conformance.contract import Location
from tests.backend_use import (
    INDEX,
    NAMESPACE,
    get,
    no_postgres,
    no_sqlite,
    put,
    search,
    twin_of,
    use,
)


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

    twin = twin_of(backend)
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


# -- sqlite ------------------------------------------------------------------------------------------


@no_sqlite
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("module", ["sqlite3", "pysqlite3.dbapi2", "sqlean"])
def test_sqlite_works_with_each_module_and_says_which(
    module: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from store_conformance.backends import sqlite

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


def test_a_weaviate_server_of_the_run_flushes_when_it_is_told_to(tmp_path: Path) -> None:
    own = weaviate.WeaviateServer(tmp_path / "own")._settings(tmp_path)
    told = weaviate.WeaviateServer(tmp_path / "told", flush_after="1")._settings(tmp_path)
    assert weaviate.FLUSHES not in own
    assert told[weaviate.FLUSHES] == "1"
    private = registry.create(
        "weaviate", deployment="process", options={"flush_after": "3"}
    ).private()
    assert isinstance(private, WeaviateBackend)
    assert private.new_server()._settings(tmp_path)[weaviate.FLUSHES] == "3"
    private.stop()


@pytest.mark.parametrize(
    ("deployment", "seconds", "said"),
    [
        ("process", "0", "is no number of seconds"),
        ("process", "soon", "is no number of seconds"),
        ("container", "1", "goes with a server that the run starts"),
    ],
)
def test_a_flush_that_cannot_be_set_is_refused(deployment: str, seconds: str, said: str) -> None:
    with pytest.raises(BackendError, match=said):
        registry.create("weaviate", deployment=deployment, options={"flush_after": seconds})


@pytest.mark.slow
def test_a_hybrid_that_another_process_started_has_a_twin_to_kill() -> None:
    """Workers attach to engines that they did not start; what may be killed is a twin all the same."""
    with ExitStack() as stack:
        started = registry.create("hybrid", options={"stores": "postgres+qdrant"})
        if not started.availability().ok:
            pytest.skip(f"unverified: {started.availability().how_to_get}")
        stack.callback(started.stop)
        started.start()
        attached = registry.from_spec(started.spec())
        stack.callback(attached.stop)
        twin = attached.private()
        assert twin is not None
        stack.callback(twin.stop)
        twin.start()
        assert twin.engine() is not None
        assert twin.location() != attached.location()


def test_a_hybrid_without_a_server_has_nothing_to_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("QDRANT_URL", raising=False)
    assert registry.create("hybrid", options={"stores": "sqlite+qdrant"}).private() is None


def test_a_users_own_server_is_in_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_URL", "http://127.0.0.1:1")
    assert registry.create("hybrid", options={"stores": "postgres+qdrant"}).private() is None
