"""
Qdrant: a server over REST or gRPC, or the client's own local mode in a folder.

One point is one row.  Local mode is a Python imitation with one user: calls take turns here, because
its own threads collide.
"""

from __future__ import annotations

import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from store_conformance.backends.vector.driver import (
    Abilities,
    HasToken,
    Head,
    Hit,
    LacksToken,
    Limits,
    NumberIn,
    Page,
    Record,
    StoredRow,
    Touch,
    Where,
)
from store_conformance.backends.vector.errors import Asking, ForeignCollectionError
from store_conformance.backends.vector.qdrant_points import Point, Points, points_of, to_model
from store_conformance.backends.vector.qdrant_rows import (
    FIELDS,
    any_of,
    cosine_of,
    payload_indexes,
    to_filter,
    to_payload,
    to_row,
)
from store_conformance.backends.vector.store import VectorStore
from store_conformance.backends.vector.versions import require

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig
    from qdrant_client import QdrantClient

VECTOR = "text"
MARKER = {"made_by": "langgraph-vector-store", "layout": 1}
OLDEST_SERVER = (1, 16)
"""The first that keeps metadata of a collection, by which we know our own."""

_FACETS = 1_000


class QdrantDriver:
    """Rows as points: index fields and body in the payload, at most one named vector."""

    engine = "Qdrant"
    limits = Limits(
        rows_per_write=1000,
        bytes_per_write=16_000_000,
        bytes_per_row=30_000_000,  # the server refuses requests over 32 MiB
        ids_per_fetch=1000,
        rows_per_page=1000,
    )
    abilities = Abilities(
        offset=True, namespaces=True, pushes=frozenset({HasToken, LacksToken, NumberIn})
    )

    def __init__(
        self,
        connect: Callable[[], QdrantClient],
        collection: str,
        *,
        secret: str | None = None,
        rest_timeout: float | None = None,
    ) -> None:
        """With ``rest_timeout`` (seconds) what is asked often goes over REST, not through the client."""
        self._connect = connect
        self._collection = collection
        self._secret = secret
        self._rest = None if rest_timeout is None else (secret, rest_timeout)
        self._client_lock = threading.Lock()
        self._made: tuple[QdrantClient, Points] | None = None
        self._turn: AbstractContextManager[Any] = nullcontext()

    def _connected(self) -> tuple[QdrantClient, Points]:
        if self._made is None:
            with self._client_lock:
                if self._made is None:
                    client = self._connect()
                    if _is_local(client):
                        self._turn = threading.RLock()
                    points = points_of(client, self._collection, VECTOR, self._rest)
                    self._made = client, points
        return self._made

    @property
    def _client(self) -> QdrantClient:
        return self._connected()[0]

    @property
    def _points(self) -> Points:
        return self._connected()[1]

    def close(self) -> None:
        with self._client_lock:
            for made in reversed(self._made or ()):
                with _quiet():
                    made.close()

    # Schema

    def holds(self, name: str) -> bool:
        """Whether there is a collection of this name; makes nothing."""
        with self._asking("look for a collection"):
            client = self._client
            with self._turn:
                return bool(client.collection_exists(name))

    def ensure_schema(self, dims: int | None) -> int | None:
        with self._asking("open the collection"):
            client = self._client
            with self._turn:
                if not _is_local(client):
                    require(self.engine, client.info().version, OLDEST_SERVER)
                if not client.collection_exists(self._collection):
                    self._create(dims)
                existing = self._checked()
                if existing is None and dims is not None:
                    self._add_vectors(dims)
                    existing = dims
                return existing

    def _create(self, dims: int | None) -> None:
        vectors = {} if dims is None else {VECTOR: cosine_of(dims)}
        try:
            self._client.create_collection(
                self._collection, vectors_config=vectors, metadata=dict(MARKER)
            )
        except Exception:
            # Another process may have been quicker; if it was not, the error is a real one.
            if not self._client.collection_exists(self._collection):
                raise

    def _checked(self) -> int | None:
        """The dimensions of the collection, after making sure that it is ours and has its indexes."""
        info = self._client.get_collection(self._collection)
        if (info.config.metadata or {}).get("made_by") != MARKER["made_by"]:
            raise ForeignCollectionError(self.engine, self._collection, "it lacks our marker")
        if not _is_local(self._client):
            for name, schema in payload_indexes().items():
                if name not in info.payload_schema:
                    self._client.create_payload_index(self._collection, name, schema, wait=True)
        vectors = info.config.params.vectors
        if not isinstance(vectors, dict):
            return None
        return vectors[VECTOR].size if VECTOR in vectors else None

    def _add_vectors(self, dims: int) -> None:
        from qdrant_client import models

        config = models.DenseVectorNameConfig(
            dense=models.DenseVectorConfig(size=dims, distance=models.Distance.COSINE)
        )
        self._client.create_vector_name(self._collection, VECTOR, config)

    # Rows

    def upsert(self, records: Sequence[Record], heads: Mapping[str, Head]) -> None:
        del heads  # an upsert replaces the whole point
        if records:
            points = [Point(record.id, to_payload(record), record.vector) for record in records]
            with self._asking("write"):
                self._points.upsert(points)

    def heads(self, ids: Sequence[str]) -> dict[str, Head]:
        points = self._retrieve(ids, ["head", "expires"])
        return {p.id: Head(p.payload["head"], p.payload["expires"]) for p in points}

    def fetch(self, ids: Sequence[str]) -> dict[str, StoredRow]:
        return {point.id: to_row(point) for point in self._retrieve(ids, FIELDS)}

    def vectors(self, ids: Sequence[str]) -> dict[str, tuple[float, ...]]:
        if not ids:
            return {}
        with self._asking("read vectors by id"):
            found = self._points.vectors(ids)
        return {point.id: tuple(point.vector) for point in found if point.vector is not None}

    def _retrieve(self, ids: Sequence[str], fields: list[str]) -> list[Point]:
        if not ids:
            return []
        with self._asking("read by id"):
            return self._points.retrieve(ids, fields)

    def delete(self, ids: Sequence[str]) -> None:
        if ids:
            with self._asking("delete"):
                self._points.delete(ids)

    def touch(self, touches: Sequence[Touch]) -> None:
        from qdrant_client import models

        alike: dict[int, list[Touch]] = defaultdict(list)
        for touch in touches:
            alike[touch.expires_at].append(touch)
        for expires_at, group in alike.items():
            # A filter, not ids: those that are gone or were written anew must stay as they are.
            ids = {"has_id": [touch.id for touch in group]}
            same = to_model({"must": [ids, any_of("head", [touch.head for touch in group])]})
            with self._asking("refresh"):
                self._client.set_payload(
                    self._collection, {"expires": expires_at}, models.FilterSelector(filter=same)
                )

    def scan(self, where: Where, limit: int, cursor: Any = None, skip: int = 0) -> Page:
        with self._asking("scan"):
            if skip and cursor is None:
                found = self._points.query(None, to_filter(where), limit + 1, skip, FIELDS)
                following = found[limit].id if len(found) > limit else None
                return Page([to_row(point) for point in found[:limit]], following)
            points, following = self._points.scroll(to_filter(where), limit, cursor, FIELDS)
        return Page([to_row(point) for point in points], following)

    def query(self, vector: Sequence[float], where: Where, limit: int) -> list[Hit]:
        with self._asking("search"):
            points = self._points.query(vector, to_filter(where), limit, 0, FIELDS)
        return [Hit(to_row(point), min(1.0, max(-1.0, point.score))) for point in points]

    def namespaces(self, where: Where) -> list[str]:
        # Without any condition the server answers from the counts of its index, in which deleted rows
        # may still stand; `where` always has one, the kind of the row.
        limit = _FACETS
        while True:
            with self._asking("list namespaces"):
                hits = self._client.facet(
                    self._collection, "space", to_model(to_filter(where)), limit=limit, exact=True
                ).hits
            if len(hits) < limit:
                return [str(hit.value) for hit in hits]
            limit *= 8

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """One call at a time in local mode, and the client's errors as ours."""
        # Made for each call: kept, it would hold the driver in a circle of references.
        with Asking(self.engine, self._hint, (self._secret,))(what):
            self._connected()  # also decides whether calls take turns
            with self._turn:
                yield

    def _hint(self, error: Exception) -> str:
        status = getattr(error, "status_code", None)
        if status in (401, 403) or "UNAUTHENTICATED" in str(error):
            return "check the API key"
        if status == 404:
            return "the collection was removed while the store was open; open it again"
        if self._made is not None and _is_local(self._made[0]):
            return "see whether another process has this folder open"
        return "see whether the server runs and is reachable, then try again"


class QdrantStore(VectorStore):
    """
    A LangGraph store in a Qdrant collection.

    >>> with QdrantStore.from_url("http://127.0.0.1:6333", api_key=key) as store: ...
    >>> with QdrantStore.from_path("memories", index={"dims": 384, "embed": embed}) as store: ...

    A server finds approximate neighbours once a collection has grown past its indexing threshold; it refuses
    requests over 32 MiB, so an item with its vector has at most 30 MB (the server's
    ``max_request_size_mb``).
    """

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        api_key: str | None = None,
        collection: str = "langgraph_store",
        prefer_grpc: bool = False,
        grpc_port: int = 6334,
        timeout: int = 30,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> QdrantStore:
        """
        A store on a server; nothing is connected before ``setup`` or the first operation.

        ``timeout`` is in seconds, for each request.
        """

        def open_client() -> QdrantClient:
            return connect(
                url, api_key, prefer_grpc=prefer_grpc, grpc_port=grpc_port, timeout=timeout
            )

        rest = None if prefer_grpc else timeout
        driver = QdrantDriver(open_client, collection, secret=api_key, rest_timeout=rest)
        return cls(driver, collection=collection, index=index, ttl=ttl)

    @classmethod
    def from_path(
        cls,
        path: str,
        *,
        collection: str = "langgraph_store",
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> QdrantStore:
        """A store in a folder, without a server: for one process, and for thousands of items at most."""

        def open_client() -> QdrantClient:
            from qdrant_client import QdrantClient

            # The driver lets one thread in at a time, which is all that SQLite's check is for.
            return QdrantClient(path=str(path), force_disable_check_same_thread=True)

        driver = QdrantDriver(open_client, collection)
        return cls(driver, collection=collection, index=index, ttl=ttl)


def connect(url: str, api_key: str | None, **more: Any) -> QdrantClient:
    """
    A client of a server; it connects when it is used.

    The versions of both sides are checked by the driver, which says more than the client would.
    """
    from qdrant_client import QdrantClient

    with _without_warning_on_loopback(url):
        return QdrantClient(url=url, api_key=api_key, check_compatibility=False, **more)


def _is_local(client: QdrantClient) -> bool:
    from qdrant_client.local.qdrant_local import QdrantLocal

    return isinstance(client._client, QdrantLocal)


@contextmanager
def _without_warning_on_loopback(url: str) -> Iterator[None]:
    """A key in plain text is worth a warning, except where it does not leave the machine."""
    with warnings.catch_warnings():
        if urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost"):
            warnings.filterwarnings("ignore", message="Api key is used with an insecure")
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001  (closing: there is nobody left to tell)
        return
