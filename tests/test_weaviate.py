"""
The Weaviate store against a real server, started from the binary on PATH.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import PutOp

from tests import driver_checks
from tests.driver_checks import INDEX

pytest.importorskip("weaviate", reason="weaviate-client is not installed")

from store_conformance.backends.engines.ports import free_port
from store_conformance.backends.engines.weaviate import WeaviateServer, binary
from store_conformance.backends.vector import weaviate as driver
from store_conformance.backends.vector import weaviate_objects as objects
from store_conformance.backends.vector.driver import NEVER, Head, Record, Where
from store_conformance.backends.vector.errors import EngineError, ForeignCollectionError
from store_conformance.backends.vector.weaviate import WeaviateStore, connect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(binary() is None, reason="no weaviate binary on PATH"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeaviateServer]:
    one = WeaviateServer(tmp_path_factory.mktemp("weaviate"))
    one.start()
    yield one
    one.stop()


@pytest.fixture
def name() -> str:
    return f"T{uuid.uuid4().hex[:12]}"


def opener(server: WeaviateServer, name: str, **options: Any) -> Callable[..., WeaviateStore]:
    def open(index: Any = None, ttl: Any = None) -> WeaviateStore:
        given = {"grpc": server.grpc, "api_key": server.api_key, **options}
        return WeaviateStore.from_url(
            server.url, collection=name, index=index, ttl=ttl, timeout=20, **given
        )

    return open


@pytest.fixture(params=["rest", "client"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Single objects straight over REST, or through the client as behind a proxy."""
    if request.param == "client":
        monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
        monkeypatch.setenv("no_proxy", "")
        assert objects.rest_of("http://127.0.0.1:1", None, 1) is None
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(driver, "rest_of", lambda url, api_key, timeout: None)
    return str(request.param)


@pytest.mark.parametrize("check", driver_checks.ALL, ids=lambda check: check.__name__)
def test_store(server: WeaviateServer, name: str, way: str, check: Callable[[Any], None]) -> None:
    check(opener(server, name))


def _record(id: str, revision: str, vector: tuple[float, ...] | None) -> Record:
    return Record(
        id=id, kind="item", parent=id, space="s0", prefixes=("p0",), tokens=(), numbers={},
        expires_at=NEVER, head=revision, body="{}", vector=vector,
    )  # fmt: skip


def test_who_is_overtaken_by_another_process_writes_all_the_same(
    server: WeaviateServer, name: str
) -> None:
    with opener(server, name)(index=INDEX) as store:
        rows = store._driver
        id, vector = str(uuid.uuid5(uuid.NAMESPACE_OID, "a")), (1.0,) * INDEX["dims"]
        rows.upsert([_record(id, "1", vector)], {})
        rows.upsert([_record(id, "2", vector)], {})  # was not there when its head was read
        assert rows.heads([id])[id].head == "2"
        rows.delete([id])
        rows.upsert([_record(id, "3", vector)], {id: Head("2", NEVER)})  # was there
        assert rows.heads([id])[id].head == "3"
        assert [hit.row.id for hit in rows.query(vector, Where(prefix="p0"), 5)] == [id]
        rows.upsert([_record(id, "4", None)], rows.heads([id]))
        assert rows.query(vector, Where(prefix="p0"), 5) == []


def test_survives_kill(tmp_path: Path, name: str, way: str) -> None:
    server = WeaviateServer(tmp_path)
    server.start()
    try:

        def kill_and_start() -> None:
            server.kill()
            server.start()

        driver_checks.survives(opener(server, name), kill_and_start)
    finally:
        server.stop()


def _found(store: WeaviateStore) -> int:
    return len(store.search(("a",), query="alpha", limit=100))


def test_rows_that_the_index_does_not_know_are_given_back(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kill within a write leaves them; here the index's own log is lost."""
    server = WeaviateServer(tmp_path)
    server.start()

    def lose_the_index(asking: WeaviateStore | None = None) -> None:
        server.kill()
        if asking is not None:
            with pytest.raises(EngineError):
                _found(asking)
        for log in tmp_path.glob("data/**/*.commitlog.d/*"):
            log.unlink()
        server.start()

    try:
        with opener(server, name)(index=INDEX) as survivor:
            survivor.batch([PutOp(("a",), f"k{n}", {"text": "alpha"}) for n in range(20)])
            survivor.put(("a",), "bare", {"text": "alpha"}, index=False)
            assert _found(survivor) == 20

            lose_the_index()
            with opener(server, name)(index=INDEX) as other:
                assert _found(other) == 20
            with monkeypatch.context() as without:
                without.setattr(driver, "give_back_last", lambda *_: 0)
                lose_the_index()
                with opener(server, name)(index=INDEX) as other:  # control: it was not the server
                    assert (_found(other), len(other.search(("a",), limit=100))) == (0, 21)
            lose_the_index(survivor)
            assert _found(survivor) == 20
    finally:
        server.stop()


def test_a_store_that_may_not_look_for_such_rows_opens_all_the_same(
    server: WeaviateServer, name: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError("403: not allowed to read nodes")

    with opener(server, name)(index=INDEX) as store:
        store.put(("a",), "k", {"text": "alpha"})
    monkeypatch.setattr(driver, "give_back_last", forbidden)

    with opener(server, name)(index=INDEX) as store:
        assert _found(store) == 1
    assert "403: not allowed" in caplog.text


def test_a_scan_beyond_the_reach_of_an_offset(
    server: WeaviateServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read in slices, every row comes once and at the same place, whatever the page."""
    monkeypatch.setattr(driver, "_REACH", 1300)
    monkeypatch.setattr(driver, "_SLICE", 130)
    with opener(server, name)() as store:
        store.batch([PutOp(("a", str(n % 2)), f"k{n}", {"n": n}) for n in range(900)])
        whole = driver_checks.keys(store.search(("a",), limit=5000))
        assert len(whole) == len(set(whole)) == 900
        for offset, limit in (
            (0, 10),
            (100, 7),
            (129, 300),
            (640, 1),
            (895, 20),
            (900, 5),
            (2000, 1),
        ):
            page = driver_checks.keys(store.search(("a",), limit=limit, offset=offset))
            assert page == whole[offset : offset + limit]
        raw = store._driver
        assert raw.scan(Where(), 10).cursor[0] > 1  # control: slices were used


def test_one_tenants_search_is_not_anothers(server: WeaviateServer, name: str) -> None:
    with opener(server, name)(index=INDEX) as store:
        store.batch([PutOp(("u1",), f"k{n}", {"text": "alpha"}) for n in range(300)])
        store.batch([PutOp(("u2",), f"k{n}", {"text": "alpha beta"}) for n in range(5)])
        assert len(store.search(("u2",), query="alpha", limit=10)) == 5


def test_a_collection_of_others_is_left_alone(server: WeaviateServer, name: str) -> None:
    client = connect(server.url, server.grpc, server.api_key)
    try:
        client.collections.create(name)
        with (
            pytest.raises(ForeignCollectionError, match="lacks our marker"),
            opener(server, name)(),
        ):
            pass
    finally:
        client.close()


def test_a_wrong_key_is_said_and_not_shown(tmp_path: Path, name: str) -> None:
    server = WeaviateServer(tmp_path, api_key="right-key")
    server.start()
    try:
        with opener(server, name)() as store:
            store.put(("a",), "k", {})
        with (
            pytest.raises(EngineError, match="check the API key") as refused,
            opener(server, name, api_key="planted-secret")(),
        ):
            pass
        assert "planted-secret" not in str(refused.value)
    finally:
        server.stop()


def test_an_unreachable_server_is_said(name: str) -> None:
    store = WeaviateStore.from_url(f"http://127.0.0.1:{free_port()}", collection=name)

    with pytest.raises(EngineError, match="reachable"), store:
        pass


def test_bad_names_and_urls_are_refused() -> None:
    with pytest.raises(ValueError, match="letters"):
        WeaviateStore.from_url("http://127.0.0.1:1", collection="a-b")
    with pytest.raises(ValueError, match="http"):
        connect("ftp://127.0.0.1")
