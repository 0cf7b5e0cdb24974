"""
The two ways to a Qdrant server say the same: the official client, by REST and gRPC, and REST directly.
"""

from __future__ import annotations

import importlib.util
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Deployment
from store_conformance.backends.vector import qdrant_points, rest
from store_conformance.backends.vector.encoding import item_id, plain
from store_conformance.backends.vector.errors import EngineError
from store_conformance.backends.vector.qdrant_points import ClientPoints, Point, Points, RestPoints
from store_conformance.backends.vector.rest import RefusedError

pytestmark = pytest.mark.slow

DIMS = 3
INDEX: dict[str, Any] = {"dims": DIMS, "embed": lambda texts: [[1.0, 2.0, 3.0] for _ in texts]}


def _why_not() -> str | None:
    if importlib.util.find_spec("qdrant_client") is None:
        return "qdrant_client is not installed"
    found = registry.create("qdrant", deployment=Deployment.PROCESS).availability()
    return None if found.ok else found.detail


_reason = _why_not()
needs_server = pytest.mark.skipif(_reason is not None, reason=str(_reason))


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    backend = registry.create("qdrant", deployment=Deployment.PROCESS)
    backend.start()
    yield backend
    backend.stop()


@pytest.fixture(params=["rest", "rest-without-orjson", "client", "grpc"])
def points(request: pytest.FixtureRequest, server: Any) -> Iterator[Points]:
    from store_conformance.backends.vector.qdrant import VECTOR, connect

    at = server.location()
    with server.store(at, INDEX, None):
        pass  # makes the collection
    if request.param.startswith("rest"):
        patch = pytest.MonkeyPatch()
        if request.param != "rest":
            patch.setattr(rest, "has_orjson", lambda: False)
            rest._json.cache_clear()
        direct = RestPoints(server.url, server.key, 30, at.name, VECTOR)
        yield direct
        direct.close()
        patch.undo()
        rest._json.cache_clear()
        return
    grpc = {"prefer_grpc": True, "grpc_port": server.engine().ports[1]}
    client = connect(server.url, server.key, **(grpc if request.param == "grpc" else {}))
    yield ClientPoints(client, at.name, VECTOR)
    client.close()


def _payload(n: int) -> dict[str, Any]:
    return {"n": n, "body": '{"é": 1.0, "big": 99999999999999999999}\u2028', "prefixes": ["pab"]}


@needs_server
def test_what_is_written_comes_back(points: Points) -> None:
    ids = sorted(str(uuid.uuid4()) for _ in range(5))
    points.upsert(
        [Point(one, _payload(n), (1.0, 0.1, float(n)) if n else None) for n, one in enumerate(ids)]
    )

    found = {point.id: point.payload for point in points.retrieve(ids, ["n", "body"])}
    assert found == {one: {"n": n, "body": _payload(n)["body"]} for n, one in enumerate(ids)}
    assert points.retrieve([str(uuid.uuid4())], ["n"]) == []

    below = {"must": [{"key": "prefixes", "match": {"value": "pab"}}]}
    nearest = points.query((1.0, 0.1, 4.0), below, 10, 0, ["n"])
    assert [point.payload["n"] for point in nearest] == [4, 3, 2, 1]
    assert nearest[0].score == pytest.approx(1, abs=1e-5)
    assert points.query((1.0, 0.1, 4.0), {"must_not": below["must"]}, 10, 0, ["n"]) == []

    first, following = points.scroll({}, 3, None, ["n"])
    rest, end = points.scroll({}, 3, following, ["n"])
    assert [point.id for point in [*first, *rest]] == ids
    assert end is None
    assert [point.id for point in points.query(None, {}, 2, 2, ["n"])] == ids[2:4]

    points.delete(ids[:4])
    assert [point.id for point in points.scroll({}, 10, None, ["n"])[0]] == ids[4:]


@needs_server
def test_a_refusal_carries_the_status_and_what_the_server_said(server: Any) -> None:
    absent = RestPoints(server.url, server.key, 30, "no such", "text")
    with pytest.raises(RefusedError, match="no such") as caught:
        absent.retrieve(["0" * 32], ["n"])
    assert caught.value.status_code == 404


@needs_server
def test_connections_are_kept_and_those_that_were_closed_are_passed_over(server: Any) -> None:
    from store_conformance.backends.vector.qdrant import VECTOR

    at = server.location()
    with server.store(at, INDEX, None):
        direct = RestPoints(server.url, server.key, 30, at.name, VECTOR)
        direct.retrieve([str(uuid.uuid4())], ["n"])
        (kept,) = direct._rest._idle
        direct.retrieve([str(uuid.uuid4())], ["n"])
        assert direct._rest._idle == [kept]
        kept.sock.shutdown(socket.SHUT_RDWR)
        direct.retrieve([str(uuid.uuid4())], ["n"])
        assert direct._rest._idle != [kept]
        direct.close()


def test_a_key_cannot_smuggle_in_a_header() -> None:
    with pytest.raises(ValueError, match="api-key has a character") as caught:
        RestPoints("http://127.0.0.1:9", "s3cr3t\r\nx: y", 1, "c", "text")
    assert "s3cr3t" not in str(caught.value)


@needs_server
def test_a_wrong_key_is_told(server: Any) -> None:
    from store_conformance.backends.vector.qdrant import QdrantStore

    at = server.location()
    with server.store(at, INDEX, None) as store:
        store.put(("a",), "k", {})
        wrong = QdrantStore.from_url(server.url, api_key="wr0ng", collection=at.name)
        wrong._ready = True  # so that the first request is one of the hot ones
        with pytest.raises(EngineError, match="check the API key") as caught:
            wrong.get(("a",), "k")
    assert "wr0ng" not in str(caught.value)


@needs_server
def test_behind_a_proxy_the_client_is_used(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from store_conformance.backends.vector.qdrant import connect

    client = connect(server.url, server.key)
    try:
        monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
        monkeypatch.setenv("no_proxy", "")
        assert isinstance(qdrant_points.points_of(client, "c", "text", (None, 30)), ClientPoints)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert isinstance(qdrant_points.points_of(client, "c", "text", (None, 30)), RestPoints)
    finally:
        client.close()


def test_ids_do_not_change() -> None:
    """They are kept in databases: another way to compute them would lose every item."""
    assert item_id(("a", "é"), 'k"\n') == "4c52eaf1-b987-536c-b3d7-ad57c3d7c152"


def test_the_place_of_what_cannot_be_stored_is_told() -> None:
    with pytest.raises(ValueError, match=r"value\['a'\]\[\]\['b'\] is nan"):
        plain({"a": [1, {"b": float("nan")}]})
    with pytest.raises(ValueError, match=r"value\['a'\] has the key 1; keys must be str, got int"):
        plain({"a": {1: 2}})
