"""
The Pinecone store against the emulator, and the emulator against the SDK and the published API.

Nothing here is evidence about Pinecone itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import PutOp

from tests import driver_checks
from tests.driver_checks import INDEX

pytestmark = pytest.mark.slow

pinecone = pytest.importorskip("pinecone", reason="the pinecone SDK is not installed")

from store_conformance.backends.vector.errors import (  # noqa: E402
    EngineError,
    ForeignCollectionError,
    LimitExceededError,
)
from store_conformance.backends.vector.pinecone import PineconeStore  # noqa: E402
from store_conformance.backends.vector.pinecone_indexes import connect, drop  # noqa: E402


class Emulator:
    """The emulator as a process of its own, on one port for its whole life."""

    def __init__(self, path: Path, *arguments: str) -> None:
        self.path = path
        self.arguments = arguments
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        module = "store_conformance.backends.pinecone_emulator"
        command = [sys.executable, "-m", module, "--port", str(self.port), "--path", str(self.path)]
        self.process = subprocess.Popen(
            [*command, *self.arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def end(self, how: signal.Signals) -> int:
        assert self.process is not None and self.process.stdout is not None
        self.process.send_signal(how)
        code = self.process.wait(10)
        self.process.stdout.close()
        return code

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def opener(self, name: str, **options: Any) -> Callable[..., PineconeStore]:
        def open(index: Any = None, ttl: Any = None) -> PineconeStore:
            return PineconeStore.from_index(
                name, api_key="k", host=self.url, index=index, ttl=ttl, **options
            )

        return open


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Callable[..., Emulator]]:
    started: list[Emulator] = []

    def start(*arguments: str) -> Emulator:
        one = Emulator(tmp_path / f"pinecone{len(started)}", *arguments)
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        if one.process is not None and one.process.poll() is None:
            one.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    one = Emulator(tmp_path_factory.mktemp("pinecone"))
    one.start()
    yield one
    assert one.end(signal.SIGTERM) == 0


@pytest.fixture
def name() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.mark.parametrize("check", driver_checks.ALL, ids=lambda check: check.__name__)
def test_store(emulator: Emulator, name: str, check: Callable[[Any], None]) -> None:
    check(emulator.opener(name))


def test_two_namespaces_of_one_index_share_nothing(emulator: Emulator, name: str) -> None:
    with (
        emulator.opener(name, namespace="one")(index=INDEX) as one,
        emulator.opener(name, namespace="two")(index=INDEX) as two,
    ):
        one.put(("a",), "k", {"text": "alpha"})
        assert two.search((), query="alpha") == two.search(()) == two.list_namespaces() == []


def test_survives_kill(starting: Callable[..., Emulator], name: str) -> None:
    emulator = starting()

    def kill_and_start() -> None:
        emulator.end(signal.SIGKILL)
        emulator.start()

    driver_checks.survives(emulator.opener(name), kill_and_start)


def test_writes_wait_until_searches_see_them(starting: Callable[..., Emulator], name: str) -> None:
    emulator = starting("--visibility-delay", "0.25")
    with emulator.opener(name)(index=INDEX) as store:
        for n in range(3):
            store.put(("a",), "k", {"text": "alpha", "n": n})
            item = store.get(("a",), "k")
            assert item is not None
            assert item.value["n"] == n
            assert store.search(("a",), query="alpha", filter={"n": n})[0].score == 1.0
        started = time.monotonic()
        store.delete(("a",), "k")
        assert time.monotonic() - started >= 0.2
        assert store.get(("a",), "k") is None and store.search(()) == []


def test_the_delay_is_real(starting: Callable[..., Emulator], name: str) -> None:
    """Control: a client that does not wait reads the old state."""
    emulator = starting("--visibility-delay", "0.3")
    with emulator.opener(name)(index=INDEX) as store:
        store.put(("a",), "k", {"text": "alpha"})

    with connect("k", emulator.url) as client, client.index(name=name) as raw:
        raw.upsert(vectors=[{"id": "x", "values": [1.0] * 8}])

        assert raw.fetch(ids=["x"]).vectors == {}
        deadline = time.monotonic() + 5
        while not raw.fetch(ids=["x"]).vectors:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_waiting_is_bounded(starting: Callable[..., Emulator], name: str) -> None:
    emulator = starting("--visibility-delay", "30")
    with (
        pytest.raises(EngineError, match=r"not visible within 0\.3 s"),
        emulator.opener(name, visible_within=0.3)(index=INDEX),
    ):
        pass


def test_pending_writes_survive_kill(starting: Callable[..., Emulator], name: str) -> None:
    emulator = starting("--visibility-delay", "0.4")
    field = {"type": "dense_vector", "dimension": 2, "metric": "cosine"}
    place = {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"}
    with connect("k", emulator.url) as client:
        client.indexes.create(name=name, schema={"fields": {"_values": field}}, deployment=place)
        with client.index(name=name) as raw:
            raw.upsert(vectors=[{"id": "x", "values": [1.0, 0.0]}])

    emulator.end(signal.SIGKILL)
    emulator.start()

    with connect("k", emulator.url) as client, client.index(name=name) as raw:
        deadline = time.monotonic() + 5
        while not raw.fetch(ids=["x"]).vectors:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_value_too_big_is_refused_before_anything_is_written(
    emulator: Emulator, name: str
) -> None:
    with emulator.opener(name)(index=INDEX) as store:
        puts = [PutOp(("a",), f"k{n}", {"n": n}) for n in range(1500)]
        big = PutOp(("a",), "big", {"text": "x" * 41_000})
        with pytest.raises(LimitExceededError, match="40,960"):
            store.batch([*puts, big])
        assert store.search(()) == []
        store.put(("a",), "fits", {"text": "x" * 39_000})
        store.batch(puts)
        assert len(store.search(("a",), limit=2000)) == 1501


def test_full_pages_of_the_biggest_values(emulator: Emulator, name: str) -> None:
    """The answer's limit of 4 MB is not met, whatever the page."""
    with emulator.opener(name)(index=INDEX) as store:
        text = "alpha " + "y" * 39_500
        store.batch([PutOp(("a",), f"k{n}", {"text": text}) for n in range(130)])
        assert len(store.search(("a",), query="alpha", limit=100)) == 100
        assert len(store.search(("a",), query="alpha", limit=130)) == 130
        assert len(store.search(("a",), limit=130)) == 130


def test_foreign_and_wrong(starting: Callable[..., Emulator], name: str) -> None:
    emulator = starting("--api-key", "k")
    with emulator.opener(name)(index=INDEX) as store:
        store.put(("a",), "k", {"text": "alpha"})
    with connect("k", emulator.url) as client, client.index(name=name) as raw:
        raw.upsert(vectors=[{"id": "x", "values": [1.0] * 8}], namespace="theirs")

    with (
        pytest.raises(ForeignCollectionError, match="theirs"),
        emulator.opener(name, namespace="theirs")(index=INDEX),
    ):
        pass
    wrong = PineconeStore.from_index(name, api_key="pcsk_secret", host=emulator.url, index=INDEX)
    with pytest.raises(EngineError, match="check the API key") as refused, wrong:
        pass
    assert "pcsk_secret" not in str(refused.value)
    emulator.end(signal.SIGKILL)
    with pytest.raises(EngineError, match="could not"), emulator.opener(name)(index=INDEX):
        pass


def test_dropped_with_what_it_moved_to(emulator: Emulator, name: str) -> None:
    with emulator.opener(name)() as store:
        store.put(("a",), "k", {})
    with emulator.opener(name)(index=INDEX) as store:
        assert store.get(("a",), "k") is not None
    with connect("k", emulator.url) as client:
        assert len([m for m in client.indexes.list() if m.name.startswith(name)]) == 2

        drop(client, name)

        assert [m for m in client.indexes.list() if m.name.startswith(name)] == []


# The emulator's own behaviour, and its form

METADATA: list[dict[str, Any]] = [
    {"a": None},
    {"a": {}},
    {"a": [1]},
    {"a": "x" * 41_000},
    {"$a": 1},
]
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("/vectors/upsert", {"vectors": []}),
    ("/vectors/upsert", {"vectors": [{"id": "", "values": [1, 0]}]}),
    ("/vectors/upsert", {"vectors": [{"id": "é", "values": [1, 0]}]}),
    ("/vectors/upsert", {"vectors": [{"id": "x" * 513, "values": [1, 0]}]}),
    ("/vectors/upsert", {"vectors": [{"id": "x", "values": [1, 0, 0]}]}),
    ("/vectors/upsert", {"vectors": [{"id": "x", "values": [0, 0]}]}),
    ("/vectors/upsert", {"vectors": [{"id": "x", "values": [1, 0]}] * 1001}),
    *(
        ("/vectors/upsert", {"vectors": [{"id": "x", "values": [1, 0], "metadata": metadata}]})
        for metadata in METADATA
    ),
    ("/query", {"vector": [1, 0], "topK": 0}),
    ("/query", {"vector": [1, 0], "topK": 10_001}),
    ("/query", {"vector": [1], "topK": 1}),
    ("/query", {"topK": 1}),
    ("/query", {"vector": [1, 0], "topK": 1, "filter": {"a": {"$gt": "x"}}}),
    ("/query", {"vector": [1, 0], "topK": 1, "filter": {"a": {"$like": "x"}}}),
    ("/query", {"vector": [1, 0], "topK": 1, "filter": {"a": None}}),
    ("/vectors/delete", {"ids": []}),
    ("/vectors/delete", {"ids": ["x"] * 1001}),
    ("/vectors/delete", {"ids": ["x"], "deleteAll": True}),
    ("/vectors/fetch_by_metadata", {"filter": {}}),
]

ANSWERED: list[tuple[str, str, dict[str, Any] | None]] = [
    (
        "POST",
        "/vectors/upsert",
        {
            "vectors": [
                {"id": "a", "values": [1, 0], "metadata": {"n": 1, "t": ["x", "y"], "b": True}},
                {"id": "b", "values": [0.5, 1]},
            ],
            "namespace": "n",
        },
    ),
    ("GET", "/vectors/fetch?ids=a&ids=zz&namespace=n", None),
    ("POST", "/query", {"vector": [1, 1], "topK": 2, "namespace": "n", "includeMetadata": True}),
    ("POST", "/vectors/fetch_by_metadata", {"filter": {"n": 1}, "namespace": "n", "limit": 1}),
    ("GET", "/vectors/list?namespace=n&limit=1", None),
    ("POST", "/vectors/update", {"id": "b", "setMetadata": {"n": 2}, "namespace": "n"}),
    ("POST", "/describe_index_stats", {}),
    ("GET", "/namespaces", None),
    ("GET", "/namespaces/n", None),
    ("POST", "/vectors/delete", {"ids": ["b"], "namespace": "n"}),
    ("DELETE", "/namespaces/n", None),
]


def call(url: str, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Api-Key": "k", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


@pytest.fixture
def host(emulator: Emulator, name: str) -> str:
    field = {"type": "dense_vector", "dimension": 2, "metric": "cosine"}
    body = {"name": name, "schema": {"fields": {"_values": field}}}
    status, model, _ = call(emulator.url, "POST", "/indexes", body)
    assert status == 201
    return str(model["host"])


@pytest.mark.parametrize(("path", "body"), REFUSED, ids=lambda one: str(one)[:40])
def test_refused_as_documented(host: str, path: str, body: dict[str, Any]) -> None:
    status, answer, _ = call(host, "POST", path, body)

    assert status == 400
    assert set(answer) == {"code", "message", "details"}


def test_numbers_of_the_log(host: str) -> None:
    vectors = {"vectors": [{"id": "x", "values": [1, 0]}]}
    *_, first = call(host, "POST", "/vectors/upsert", vectors)
    *_, second = call(host, "POST", "/vectors/delete", {"ids": ["x"]})
    *_, search = call(host, "POST", "/query", {"vector": [1, 0], "topK": 1})

    written = [int(headers["x-pinecone-request-lsn"]) for headers in (first, second)]
    assert written[0] < written[1] <= int(search["x-pinecone-max-indexed-lsn"])


def test_answers_follow_the_published_description(emulator: Emulator, host: str) -> None:
    """``PINECONE_OPENAPI`` names ``db_data_*.oas.yaml`` and, after a colon, ``db_control_*``."""
    named = os.environ.get("PINECONE_OPENAPI")
    if not named:
        pytest.skip("unverified: PINECONE_OPENAPI does not name Pinecone's OpenAPI description")
    yaml = pytest.importorskip("yaml", reason="reading the description needs PyYAML")
    schemas = [yaml.safe_load(Path(part).read_text()) for part in named.split(os.pathsep)]
    name = host.rsplit("/", 1)[1]
    control = [("GET", "/indexes", None), ("GET", f"/indexes/{name}", None)]
    checked = 0
    for method, path, body in ANSWERED:
        checked += _check(schemas[0], host, method, path, body)
    for path, body in REFUSED:
        checked += _check(schemas[0], host, "POST", path, body, validate_request=False)
    if len(schemas) > 1:
        for method, path, body in [*control, ("GET", "/indexes/nobody", None)]:
            checked += _check(schemas[1], emulator.url, method, path, body)
    assert checked >= len(ANSWERED) + len(REFUSED)


def _check(
    description: dict[str, Any],
    url: str,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    validate_request: bool = True,
) -> int:
    plain = path.split("?")[0]
    template = next(
        known
        for known in sorted(description["paths"], key=lambda known: "{" in known)
        if len(known.split("/")) == len(plain.split("/"))
        and all(
            k == p or k.startswith("{")
            for k, p in zip(known.split("/"), plain.split("/"), strict=True)
        )
        and method.lower() in description["paths"][known]
    )
    operation = description["paths"][template][method.lower()]
    if body is not None and validate_request:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        _validate(description, schema, body)
    status, answer, _ = call(url, method, path, body)
    known = operation["responses"].get(str(status)) or operation["responses"][f"{status // 100}XX"]
    content = known.get("content", {})
    _validate(description, content["application/json"]["schema"] if content else {}, answer)
    return 1


def _validate(description: dict[str, Any], schema: dict[str, Any], instance: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    whole = {**_draft4(schema), "components": _draft4(description["components"])}
    jsonschema.Draft4Validator(whole).validate(instance)


def _draft4(schema: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: ``required`` of a single property is not one."""
    if isinstance(schema, list):
        return [_draft4(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _draft4(part) for key, part in schema.items()}
    if kept.get("type") != "object" and isinstance(kept.get("required"), (bool, list)):
        kept.pop("required")
    return kept
