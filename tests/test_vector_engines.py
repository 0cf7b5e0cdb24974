"""
What a user of the vector stores may get wrong or run into, on every engine: each told in one clear line.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import os
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import PutOp

from store_conformance.backends import registry
from store_conformance.backends.base import BackendError, Deployment, EngineUnavailableError
from store_conformance.backends.engines.ports import free_port
from store_conformance.backends.vector.backend import VectorBackend
from store_conformance.backends.vector.driver import Record, size_of
from store_conformance.backends.vector.errors import (
    DimensionMismatchError,
    EngineError,
    ForeignCollectionError,
    LimitExceededError,
)
from store_conformance.backends.vector.placing import PREFIX
from store_conformance.backends.vector.versions import require
from store_conformance.contract import Level, Location, Mode, Verdict
from tests.driver_checks import INDEX

pytestmark = pytest.mark.slow

OWN = {
    "qdrant": Deployment.PROCESS,
    "chroma": Deployment.PROCESS,
    "weaviate": Deployment.PROCESS,
    "pinecone": Deployment.EMULATED,
}
ENGINE = {"qdrant": "Qdrant", "chroma": "Chroma", "weaviate": "Weaviate", "pinecone": "Pinecone"}
OTHER_DIMS: Any = {"dims": 3, "embed": lambda texts: [[1.0, 0.0, 0.0] for _ in texts]}

_running: dict[str, VectorBackend] = {}


@functools.cache
def _problem(kind: str) -> str | None:
    found = registry.create(kind, deployment=OWN[kind]).availability()
    return None if found.ok else found.detail


def _fresh(kind: str) -> Any:
    problem = _problem(kind)
    if problem:
        pytest.skip(problem)
    return registry.create(kind, deployment=OWN[kind])


def _shared(kind: str) -> Any:
    if kind not in _running:
        _running[kind] = _fresh(kind)
        _running[kind].start()
    return _running[kind]


@pytest.fixture(scope="module", autouse=True)
def _stop_engines() -> Iterator[None]:
    yield
    for backend in _running.values():
        backend.stop()
    _running.clear()


@pytest.fixture(params=list(OWN))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _one_line(error: pytest.ExceptionInfo[BaseException], kind: str) -> str:
    text = str(error.value)
    assert "\n" not in text and ENGINE[kind] in text and len(text) < 600
    return text


# -- what is there already ------------------------------------------------------------------------


def test_other_dimensions_are_refused_and_nothing_is_written(kind: str) -> None:
    backend = _shared(kind)
    at = backend.location()
    with backend.open(at, INDEX, None, "sync") as store:
        store.put(("a",), "k", {"text": "alpha"})
    with backend.open(at, OTHER_DIMS, None, "sync") as store:
        puts = [PutOp(("a",), "x", {"n": 1}), PutOp(("a",), "y", {"text": "beta"})]
        wrongs: list[Callable[[], object]] = [
            lambda: store.batch(puts),
            lambda: store.search(("a",), query="alpha"),
        ]
        for wrong in wrongs:
            with pytest.raises(DimensionMismatchError) as refused:
                wrong()
            text = _one_line(refused, kind)
            assert "8" in text and "3" in text and "Hint" in text
        assert [item.key for item in store.search(("a",))] == ["k"]


@contextmanager
def _client(backend: Any) -> Iterator[Any]:
    client = backend._client()
    try:
        yield client
    finally:
        if backend.name == "chroma":
            from store_conformance.backends.vector.chroma import close_client

            close_client(client)
        else:
            client.close()


def _made_by_others(backend: Any, at: Location) -> None:
    with _client(backend) as client:
        if backend.name == "qdrant":
            from qdrant_client import models

            client.create_collection(at.name, models.VectorParams(size=3, distance="Dot"))
        elif backend.name == "chroma":
            client.create_collection(at.name, embedding_function=None)
        elif backend.name == "weaviate":
            client.collections.create(at.name.capitalize())
        else:
            field = {"type": "dense_vector", "dimension": 8, "metric": "dotproduct"}
            client.indexes.create(
                name=at.name,
                schema={"fields": {"_values": field}},
                deployment={"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"},
            )


def test_a_collection_of_others_is_refused_and_left_alone(kind: str) -> None:
    backend = _shared(kind)
    at = backend.location()
    _made_by_others(backend, at)

    with pytest.raises(ForeignCollectionError) as refused, backend.store(at, INDEX, None):
        pass

    text = _one_line(refused, kind)
    assert at.name.lower() in text.lower() and "left untouched" in text and "Hint" in text


def test_a_run_leaves_nothing_in_a_users_engine(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = _shared(kind)
    names = [f"{engine.URL_VARIABLE}={engine.url}"]
    names += [f'{engine.KEY_VARIABLE}="{engine.key}"'] if engine.KEY_VARIABLE else []
    names += [f"WEAVIATE_GRPC={engine.grpc}"] if kind == "weaviate" else []
    (tmp_path / ".env").write_text("\n".join(names))
    before = _names(engine)

    run: Any = registry.create(kind)
    assert run.deployment is Deployment.URL and run.availability().ok
    run.start()
    made = run.location()
    with run.open(made, INDEX, None, "sync") as store:
        store.put(("a",), "k", {"text": "alpha"})
    assert made.name.startswith(PREFIX)
    added = _names(engine) - before
    assert added and all(name.lower().startswith(PREFIX) for name in added)
    assert run.private() is None and run.engine() is None
    run.stop()

    assert _names(engine) == before


def _names(backend: Any) -> set[str]:
    with _client(backend) as client:
        if backend.name == "qdrant":
            return {one.name for one in client.get_collections().collections}
        if backend.name == "chroma":
            return {one.name for one in client.list_collections()}
        if backend.name == "weaviate":
            return set(client.collections.list_all())
        return {one.name for one in client.indexes.list()}


# -- who may come in ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["qdrant", "weaviate", "pinecone"])
def test_a_wrong_key_is_told_and_not_shown(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = _shared(kind)
    at = backend.location()
    monkeypatch.setattr(backend, "_key", "planted-s3cret")

    with (
        pytest.raises(EngineError, match="check the API key") as refused,
        backend.store(at, INDEX, None),
    ):
        pass

    assert "planted-s3cret" not in _one_line(refused, kind)


@pytest.mark.parametrize("kind", ["qdrant", "weaviate", "pinecone"])
def test_a_run_with_a_wrong_key_says_what_to_set(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = _shared(kind)
    monkeypatch.setenv(engine.KEY_VARIABLE, "planted-s3cret")
    if kind == "weaviate":
        monkeypatch.setenv("WEAVIATE_GRPC", engine.grpc)
    run = registry.create(kind, url=engine.url)

    with pytest.raises(EngineUnavailableError) as refused:
        run.start()

    assert engine.KEY_VARIABLE in str(refused.value)
    assert "planted-s3cret" not in str(refused.value)


class _OldServer(BaseHTTPRequestHandler):
    """Says an old version to whoever asks for one, as servers of that age do."""

    def do_GET(self) -> None:
        answer: Any = {"title": "old", "version": "1.10.1"}
        if self.path.endswith("/version"):
            answer = "0.6.3"
        elif self.path.endswith("/identity"):
            answer = {"user_id": "", "tenant": "default_tenant", "databases": ["default_database"]}
        elif "/databases/" in self.path:
            answer = {"id": str(uuid.UUID(int=0)), "name": "x", "tenant": "default_tenant"}
        elif "/tenants/" in self.path:
            answer = {"name": "default_tenant"}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def _old_server() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _OldServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("kind", ["qdrant", "chroma"])
def test_an_engine_too_old_is_refused_by_its_version(kind: str) -> None:
    _shared(kind)
    with _old_server() as url:
        run: Any = registry.create(kind, url=url)
        with pytest.raises(EngineUnavailableError, match=r"too old.*Hint: use 1"):
            run.start()
        at = Location(path=Path("unused"), url=url, name="c")
        with pytest.raises(EngineError, match="too old"), run.store(at, None, None):
            pass


def test_versions_are_compared_as_numbers() -> None:
    require("Weaviate", "1.39.0-rc.1", (1, 27))
    require("Weaviate", "v2.0", (1, 27))
    for old in ("1.9.3", "0.50", ""):
        with pytest.raises(EngineError, match=re.escape("use 1.27 or newer")):
            require("Weaviate", old, (1, 27))


# -- what an engine can hold ----------------------------------------------------------------------

ALMOST = {"qdrant": 29_000_000, "chroma": 35_000_000, "weaviate": 63_000_000, "pinecone": 39_000}
TOO_MUCH = {"qdrant": 31_000_000, "chroma": 37_000_000, "weaviate": 65_000_000, "pinecone": 41_000}


def test_a_value_too_big_is_refused_by_limit_and_size(kind: str) -> None:
    backend = _shared(kind)
    with backend.open(backend.location(), INDEX, None, "sync") as store:
        value = {"text": "alpha", "big": "x" * ALMOST[kind]}
        store.put(("a",), "most", value, index=["text"])
        assert store.get(("a",), "most").value == value
        with pytest.raises(LimitExceededError) as refused:
            store.batch(
                [
                    PutOp(("a",), "small", {"n": 1}),
                    PutOp(("a",), "big", {"big": "x" * TOO_MUCH[kind]}),
                ]
            )
        text = _one_line(refused, kind)
        assert "limited to" in text and "nothing was written" in text
        assert refused.value.value > refused.value.allowed
        assert [item.key for item in store.search(("a",))] == ["most"]


@pytest.mark.parametrize("kind", ["qdrant", "chroma"])
def test_what_grows_on_its_way_counts_as_it_arrives(kind: str) -> None:
    """A quotation mark is one byte here, two in the body, four in a request."""
    backend = _shared(kind)
    with backend.open(backend.location(), None, None, "sync") as store:
        with pytest.raises(LimitExceededError):
            store.put(("a",), "k", {"q": '"' * 12_000_000})
        store.put(("a",), "k", {"q": '"' * 6_000_000})
        assert len(store.get(("a",), "k").value["q"]) == 6_000_000


def test_the_size_of_a_row_is_no_less_than_its_json() -> None:
    body = json.dumps({"q": '"\\\n' * 1000 + "é🎉" * 100}, ensure_ascii=False)
    record = Record("i", "item", "i", "s", ("p",), ("t",), {}, 1, "h", body)

    assert size_of(record) >= len(json.dumps(body, ensure_ascii=False).encode())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_stores_that_were_closed_hold_no_connection(kind: str) -> None:
    backend = _shared(kind)

    def descriptors() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    counts = []
    for _ in range(30):
        at = backend.location()
        with backend.open(at, INDEX, None, "sync") as store:
            store.put(("a",), "k", {"text": "alpha"})
        backend.discard(at)
        counts.append(descriptors())

    # The first stores may leave what all later ones share, and other threads come and go; twenty
    # stores that leave a connection each are more than that.
    assert min(counts[-5:]) < min(counts[5:10]) + 12, counts


# -- an engine that goes away ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_engine_gone_in_the_middle_of_a_call_leaves_no_half_item(kind: str, mode: str) -> None:
    backend = _fresh(kind)
    items = 60 if kind == "pinecone" else 600
    try:
        at = backend.location()
        ops = [
            [
                PutOp(("a",), f"k{n}", {"text": "alpha", "more": ["beta", "gamma"], "turn": turn})
                for n in range(items)
            ]
            for turn in range(40)
        ]
        with backend.open(at, INDEX, None, "sync") as store:
            store.batch(ops[0])
            killer = threading.Timer(0.35, backend.engine().kill)
            killer.start()
            acknowledged = 0
            with pytest.raises(EngineError) as gone:
                for turn in range(1, 40):
                    if mode == "sync":
                        store.batch(ops[turn])
                    else:
                        asyncio.run(store.abatch(ops[turn]))
                    acknowledged = turn
            killer.join()
            text = _one_line(gone, kind)
            assert "Hint" in text
            assert backend.key is None or backend.key not in text
            with pytest.raises(EngineError):
                store.get(("a",), "k1")

            backend.engine().start()
            found = store.search(("a",), limit=items + 1)
            assert len(found) == items
            turns = {item.value["turn"] for item in found}
            assert turns <= {acknowledged, acknowledged + 1}
            for word in ("alpha", "gamma"):
                ranked = store.search(("a",), query=word, limit=items + 1)
                assert len(ranked) == items
                assert {round(item.score, 3) for item in ranked} == {1.0}
            store.put(("a",), "k1", {"text": "delta"})
            assert store.search(("a",), query="delta", limit=1)[0].key == "k1"
    finally:
        backend.stop()


def test_an_absent_engine_is_told_by_its_address(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if _problem(kind):
        pytest.skip(str(_problem(kind)))
    port = free_port()
    monkeypatch.setenv("PINECONE_API_KEY", "planted-s3cret")
    run = registry.create(kind, url=f"http://user:planted-s3cret@127.0.0.1:{port}")

    with pytest.raises(EngineUnavailableError) as told:
        run.start()

    assert str(port) in str(told.value) and "Hint" in str(told.value)
    assert "planted-s3cret" not in str(told.value)


# -- deployments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["qdrant", "chroma", "weaviate"])
def test_without_docker_a_container_says_what_to_install(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    backend = registry.create(kind, deployment="container")

    assert not backend.availability().ok
    with pytest.raises(EngineUnavailableError, match="Docker"):
        backend.start()


@pytest.mark.parametrize("kind", ["qdrant", "chroma", "weaviate"])
def test_the_order_is_url_process_container_embedded(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    backend: Any = registry.get(kind)
    monkeypatch.setattr(backend, "server_problem", lambda self: None)
    assert registry.create(kind).deployment is Deployment.PROCESS
    monkeypatch.setattr(backend, "server_problem", lambda self: "there is none")
    monkeypatch.setattr(backend, "_container_problem", staticmethod(lambda: None))
    assert registry.create(kind).deployment is Deployment.CONTAINER
    monkeypatch.setattr(backend, "_container_problem", staticmethod(lambda: "no Docker"))
    last = Deployment.PROCESS if kind == "weaviate" else Deployment.EMBEDDED
    assert registry.create(kind).deployment is last
    monkeypatch.setenv(backend.URL_VARIABLE, "http://127.0.0.1:9")
    assert registry.create(kind).deployment is Deployment.URL


def test_a_hybrid_takes_a_deployment_that_one_half_has() -> None:
    pytest.importorskip("chromadb")
    both: Any = registry.create(
        "hybrid", deployment="embedded", options={"stores": "chroma+qdrant"}
    )

    assert [half.deployment for half in both._halves] == [Deployment.EMBEDDED] * 2
    with pytest.raises(BackendError, match="neither of"):
        registry.create("hybrid", deployment="emulated", options={"stores": "sqlite+qdrant"})


def test_a_hybrid_knows_the_failures_of_its_halves_and_no_others() -> None:
    from store_conformance.contract.records import Row
    from store_conformance.harness.settings import Settings
    from store_conformance.runs.selection import Selection
    from store_conformance.runs.session import RunSession

    hybrid: Any = registry.create("memory")
    hybrid.name, hybrid.parts = "hybrid", ("memory",)
    facts = {"packages": {"langgraph-checkpoint": "4.3.2"}}
    session = RunSession(
        {"hybrid": hybrid}, Selection(), Settings(), (), facts={"hybrid": facts}
    )  # fmt: skip
    case = "timestamps::created_at_is_kept_by_every_overwrite"
    row = Row("hybrid", "K4", Level.MUST, case, Mode.SYNC, Verdict.FAIL, "x")

    known = session.known.expected(row)
    assert known is not None and known.why.startswith("memory: ")
    assert session.known.expected(replace(row, rule="K1")) is None
    assert session.selected_expectations() == []  # what does not show through is not stale
