"""
Something between us and a vector database rewrites names: nothing of the user's is touched.

The gateway is ours; the user's memories are a collection that this very store made, so that nothing but
the name tells it from a place of a run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Deployment, Spec
from store_conformance.backends.placing import UnprovenPlaceError
from store_conformance.backends.vector.backend import VectorBackend
from store_conformance.backends.vector.placing import PREFIX
from store_conformance.contract import Location
from tests.backend_use import INDEX, get, put, use

OWN = {
    "qdrant": Deployment.PROCESS,
    "chroma": Deployment.PROCESS,
    "weaviate": Deployment.PROCESS,
    "pinecone": Deployment.EMULATED,
}
USERS = "memories"
_NAME = re.compile(rb"(?i)" + PREFIX.encode() + rb"[0-9a-f]{16}")

Change = Callable[[bytes], bytes]


class Gateway:
    """Passes HTTP on and changes the path and the body of each request."""

    def __init__(self, target: str, change: Change) -> None:
        parts = urlsplit(target)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sent = change(body)
                headers = {k: v for k, v in self.headers.items() if k.lower() != "content-length"}
                headers["Content-Length"] = str(len(sent))
                onward = http.client.HTTPConnection(str(parts.hostname), parts.port or 80)
                try:
                    path = change(self.path.encode()).decode()
                    onward.request(self.command, path, sent, headers)
                    answer = onward.getresponse()
                    # An engine that tells its own address would be asked directly from then on.
                    data = answer.read().replace(parts.netloc.encode(), gateway.encode())
                finally:
                    onward.close()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        gateway = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{gateway}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class ToUsers:
    """Every name of a run becomes the user's, from the moment on that ``on`` is set."""

    def __init__(self, *, on: bool = True) -> None:
        self.on = on

    def __call__(self, text: bytes) -> bytes:
        return _NAME.sub(USERS.encode(), text) if self.on else text


_running: dict[str, Any] = {}


@functools.cache
def _problem(kind: str) -> str | None:
    found = registry.create(kind, deployment=OWN[kind]).availability()
    return None if found.ok else found.detail


@pytest.fixture(scope="module", autouse=True)
def _stop_engines() -> Iterator[None]:
    yield
    for backend in _running.values():
        backend.stop()
    _running.clear()


@pytest.fixture(params=list(OWN))
def engine(request: pytest.FixtureRequest) -> Any:
    """A server with the user's collection in it."""
    kind = request.param
    problem = _problem(kind)
    if problem:
        pytest.skip(f"unverified: {problem}")
    if kind not in _running:
        backend: Any = registry.create(kind, deployment=OWN[kind])
        backend.start()
        _running[kind] = backend
        with backend.store(_users(backend), INDEX, {"default_ttl": 0.0001}) as store:
            for number in range(7):
                store.put(("users", "anna"), f"k{number}", {"text": f"a cat {number}"})
    return _running[kind]


def _users(backend: VectorBackend) -> Location:
    return Location(backend.root, backend.url, USERS)


def dump(backend: Any) -> dict[str, Any]:
    """Every row of the user's with its vector's place in a search, and the names on the server."""
    from store_conformance.backends.vector.driver import Where

    everything = Where(kinds=frozenset({"item", "vector", "namespace"}))
    with backend.store(_users(backend), INDEX, None) as store:
        rows = sorted(map(repr, store._driver.scan(everything, 100).rows))
        found = [(i.key, i.score, i.updated_at) for i in store.search((), query="cat", limit=20)]
    assert len(found) == 7
    return {"rows": rows, "search": found}


@contextlib.contextmanager
def through(engine: Any, change: Change) -> Iterator[Any]:
    """The backend as a user names it by URL, with the gateway in between."""
    gateway = Gateway(engine.url, change)
    backend: Any = registry.create(engine.name, deployment=OWN[engine.name])
    backend.attach(dataclasses.replace(engine.spec(), url=gateway.url))
    backend.deployment = Deployment.URL if engine.name != "pinecone" else engine.deployment
    try:
        yield backend
    finally:
        backend.stop()
        gateway.close()


def test_a_gateway_that_rewrites_every_name_is_refused(engine: Any) -> None:
    before = dump(engine)
    with (
        through(engine, ToUsers()) as backend,
        pytest.raises(UnprovenPlaceError, match="ignores or rewrites names; nothing was written"),
    ):
        backend.location()
    assert dump(engine) == before


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_gateway_that_begins_to_rewrite_is_refused_at_the_next_opening(
    engine: Any, mode: str
) -> None:
    before = dump(engine)
    change = ToUsers(on=False)
    with through(engine, change) as backend:
        at, other = backend.location(), backend.location()
        use(backend, at, mode, put(mode), INDEX)
        change.on = True
        for place in (at, other):  # opened again, and for the first time
            with pytest.raises(UnprovenPlaceError):
                use(backend, place, mode, put(mode, "k0", "a dog"), INDEX)
        spec = dataclasses.replace(backend.spec(), deployment=OWN[engine.name])
        twin: Any = registry.from_spec(Spec.from_dict(json.loads(json.dumps(spec.to_dict()))))
        with pytest.raises(UnprovenPlaceError):
            use(twin, at, mode, put(mode, "k0", "a dog"), INDEX)
        change.on = False
        backend.discard(at)
        backend.discard(other)
    assert dump(engine) == before


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_gateway_that_passes_names_on_is_fine(engine: Any, mode: str) -> None:
    before = dump(engine)
    with through(engine, bytes) as backend:
        at, other = backend.location(), backend.location()
        use(backend, at, mode, put(mode), INDEX)
        assert use(backend, at, mode, get(mode), INDEX).value == {"text": "a cat"}
        assert use(backend, other, mode, get(mode)) is None
        backend.discard(at)
        backend.discard(other)
    assert dump(engine) == before


def test_what_was_not_proved_is_not_removed(engine: Any) -> None:
    before = dump(engine)
    engine.discard(Location(engine.root / "none", engine.url, USERS))
    assert dump(engine) == before


@pytest.mark.parametrize("rewrites", [True, False])
def test_a_namespace_of_an_index_that_is_lost_is_refused(rewrites: bool) -> None:
    if _problem("pinecone"):
        pytest.skip(f"unverified: {_problem('pinecone')}")
    from store_conformance.backends.vector.pinecone import PineconeStore

    server: Any = registry.create("pinecone", deployment=Deployment.EMULATED)
    server.start()
    given: Any = {"api_key": server.key, "host": server.url, "index": INDEX}
    with PineconeStore.from_index("company", namespace=USERS, **given) as store:
        store.put(("users", "anna"), "k", {"text": "a cat"})
    gateway = Gateway(server.url, ToUsers(on=rewrites))
    backend: Any = registry.create("pinecone", deployment=Deployment.EMULATED)
    spec = dataclasses.replace(server.spec(), url=gateway.url)
    backend.attach(spec.with_details(index="company"))
    backend.deployment = Deployment.URL
    try:
        if rewrites:
            with pytest.raises(UnprovenPlaceError, match="nothing was written"):
                backend.location()
        else:
            use(backend, backend.location(), "sync", put("sync", "k", "a dog"), INDEX)
            backend.tidy()
        with PineconeStore.from_index("company", namespace=USERS, **given) as store:
            assert [i.value for i in store.search(())] == [{"text": "a cat"}]
            assert store.list_namespaces() == [("users", "anna")]
    finally:
        backend.stop()
        gateway.close()
        server.stop()


class Renaming:
    """A wrapped client that puts the user's collection in the place of each of ours."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name.startswith("_") or not callable(found):
            return found

        def renamed(*args: Any, **kwargs: Any) -> Any:
            def own(value: Any) -> Any:
                ours = isinstance(value, str) and _NAME.fullmatch(value.encode())
                return USERS if ours else value

            return found(*map(own, args), **{key: own(value) for key, value in kwargs.items()})

        return renamed


@pytest.mark.parametrize("renames", [True, False])
def test_a_wrapped_qdrant_client_that_renames_is_refused(
    monkeypatch: pytest.MonkeyPatch, renames: bool
) -> None:
    qdrant_client = pytest.importorskip("qdrant_client", reason="unverified: no qdrant-client")
    from store_conformance.backends.vector.qdrant import QdrantDriver, QdrantStore

    client = qdrant_client.QdrantClient(":memory:")
    client.close = lambda *args, **kwargs: None
    wrapped = Renaming(client) if renames else client
    monkeypatch.setattr("store_conformance.backends.vector.qdrant._is_local", lambda _: True)
    backend: Any = registry.create("qdrant", deployment=Deployment.EMBEDDED)
    backend._url, backend._version = "http://wrapped", "attached"
    backend.drop = wrapped.delete_collection

    def store(at: Location, index: Any, ttl: Any) -> Any:
        driver = QdrantDriver(lambda: wrapped, at.name)
        return QdrantStore(driver, collection=at.name, index=index, ttl=ttl)

    backend.store = store
    users_own: Any = {"collection": USERS, "index": INDEX}
    with QdrantStore(QdrantDriver(lambda: client, USERS), **users_own) as users:
        users.put(("users", "anna"), "k", {"text": "a cat"})
        if renames:
            with pytest.raises(UnprovenPlaceError, match="nothing was written"):
                backend.location()
        else:
            at = backend.location()
            use(backend, at, "sync", put("sync", "k", "a dog"), INDEX)
            backend.deployment = Deployment.URL
            backend.discard(at)
        assert [i.value for i in users.search(())] == [{"text": "a cat"}]
        assert [c.name for c in client.get_collections().collections] == [USERS]


@pytest.mark.parametrize("there", [True, False])
def test_a_wrapped_weaviate_client_that_renames_is_refused(there: bool) -> None:
    pytest.importorskip("weaviate", reason="unverified: no weaviate-client")
    from store_conformance.backends.vector.placing import Proof
    from store_conformance.backends.vector.weaviate import WeaviateDriver, WeaviateStore

    asked: list[str] = []

    class Wrapped:
        """Every name leads to the user's class, or none does; anything but looking is an error."""

        def __init__(self) -> None:
            self.collections = self

        def exists(self, name: str) -> bool:
            asked.append(name)
            return there

    driver: Any = WeaviateDriver(Wrapped, "Conformance1")
    store = WeaviateStore(driver, collection="Conformance1")
    proof = Proof("weaviate", "conformance1", fresh=lambda: True)
    with pytest.raises(UnprovenPlaceError) if there else contextlib.nullcontext():
        proof.before(store)
    assert all(name.startswith("Conformance") for name in asked)
    assert ("Conformance1" in asked) is not there


@pytest.mark.parametrize("kind", ["chroma", "qdrant"])
def test_a_folder_that_is_not_empty_at_first_is_refused(kind: str) -> None:
    backend = registry.create(kind, deployment=Deployment.EMBEDDED)
    if not backend.availability().ok:
        pytest.skip(f"unverified: {backend.availability().detail}")
    backend.start()
    at = backend.location()
    (at.path / "somebody's").write_text("x")
    with pytest.raises(UnprovenPlaceError, match="not empty"):
        use(backend, at, "sync", put("sync"))
    backend.stop()
