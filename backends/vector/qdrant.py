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

from langgraph.store.base import IndexConfig, TTLConfig

from backends.vector.driver import (
    OVERFLOW,
    Abilities,
    Condition,
    HasToken,
    Head,
    Hit,
    LacksToken,
    Limits,
    NumberIn,
    Page,
    Record,
    Row,
    Touch,
    Where,
)
from backends.vector.errors import EngineError, ForeignCollectionError, clean
from backends.vector.store import VectorStore

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

VECTOR = "text"
MARKER = {"made_by": "langgraph-vector-store", "layout": 1}
OLDEST_SERVER = (1, 16)
"""The first that keeps metadata of a collection, by which we know our own."""

_ROW = ["kind", "parent", "head", "body", "expires"]
_FACETS = 1_000


class QdrantDriver:
    """Rows as points: index fields and body in the payload, at most one named vector."""

    engine = "Qdrant"
    limits = Limits(
        rows_per_write=1000,
        bytes_per_write=8_000_000,
        bytes_per_row=30_000_000,  # the server refuses requests over 32 MiB
        ids_per_fetch=1000,
        rows_per_page=1000,
    )
    abilities = Abilities(
        offset=True, namespaces=True, pushes=frozenset({HasToken, LacksToken, NumberIn})
    )

    def __init__(
        self, connect: Callable[[], QdrantClient], collection: str, *, secret: str | None = None
    ) -> None:
        self._connect = connect
        self._collection = collection
        self._secret = secret
        self._client_lock = threading.Lock()
        self._made: QdrantClient | None = None
        self._turn: AbstractContextManager[Any] = nullcontext()

    @property
    def _client(self) -> QdrantClient:
        if self._made is None:
            with self._client_lock:
                if self._made is None:
                    client = self._connect()
                    if _is_local(client):
                        self._turn = threading.RLock()
                    self._made = client
        return self._made

    def close(self) -> None:
        with self._client_lock:
            if self._made is not None:
                with _quiet():
                    self._made.close()

    # Schema

    def ensure_schema(self, dims: int | None) -> int | None:
        with self._asking("open the collection"):
            client = self._client
            with self._turn:
                if not _is_local(client):
                    self._check_version(client.info().version)
                if not client.collection_exists(self._collection):
                    self._create(dims)
                existing = self._checked()
                if existing is None and dims is not None:
                    self._add_vectors(dims)
                    existing = dims
                return existing

    def _check_version(self, version: str) -> None:
        parts = tuple(int(part) for part in version.split("-")[0].split(".")[:2])
        if parts < OLDEST_SERVER:
            oldest = ".".join(map(str, OLDEST_SERVER))
            raise EngineError(
                self.engine, f"the server is version {version}, too old", f"use {oldest} or newer"
            )

    def _create(self, dims: int | None) -> None:
        vectors = {} if dims is None else {VECTOR: _cosine(dims)}
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
            for name, schema in _payload_indexes().items():
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
        from qdrant_client import models

        del heads  # an upsert replaces the whole point
        if not records:
            return
        points = [
            models.PointStruct(
                id=record.id,
                payload=_payload(record),
                vector={} if record.vector is None else {VECTOR: list(record.vector)},
            )
            for record in records
        ]
        with self._asking("write"):
            self._client.upsert(self._collection, points, wait=True)

    def heads(self, ids: Sequence[str]) -> dict[str, Head]:
        points = self._retrieve(ids, ["head", "expires"])
        return {id: Head(payload["head"], payload["expires"]) for id, payload in points}

    def fetch(self, ids: Sequence[str]) -> dict[str, Row]:
        return {id: _row(id, payload) for id, payload in self._retrieve(ids, _ROW)}

    def _retrieve(self, ids: Sequence[str], fields: list[str]) -> list[tuple[str, dict[str, Any]]]:
        if not ids:
            return []
        with self._asking("read by id"):
            points = self._client.retrieve(self._collection, list(ids), with_payload=fields)
        return [(str(point.id), point.payload or {}) for point in points]

    def delete(self, ids: Sequence[str]) -> None:
        from qdrant_client import models

        if ids:
            with self._asking("delete"):
                points = models.PointIdsList(points=list(ids))
                self._client.delete(self._collection, points, wait=True)

    def touch(self, touches: Sequence[Touch]) -> None:
        from qdrant_client import models

        alike: dict[int, list[Touch]] = defaultdict(list)
        for touch in touches:
            alike[touch.expires_at].append(touch)
        for expires_at, group in alike.items():
            # A filter, not ids: those that are gone or were written anew must stay as they are.
            same = models.Filter(
                must=[
                    models.HasIdCondition(has_id=[touch.id for touch in group]),
                    _any("head", [touch.head for touch in group]),
                ]
            )
            with self._asking("refresh"):
                self._client.set_payload(
                    self._collection, {"expires": expires_at}, models.FilterSelector(filter=same)
                )

    def scan(self, where: Where, limit: int, cursor: Any = None, skip: int = 0) -> Page:
        with self._asking("scan"):
            if skip and cursor is None:
                found = self._client.query_points(
                    self._collection, query_filter=_filter(where), limit=limit + 1, offset=skip,
                    with_payload=_ROW,
                ).points  # fmt: skip
                following = found[limit].id if len(found) > limit else None
                return Page([_row(str(p.id), p.payload) for p in found[:limit]], following)
            points, following = self._client.scroll(
                self._collection, _filter(where), limit, offset=cursor, with_payload=_ROW
            )
        return Page([_row(str(p.id), p.payload) for p in points], following)

    def query(self, vector: Sequence[float], where: Where, limit: int) -> list[Hit]:
        with self._asking("search"):
            points = self._client.query_points(
                self._collection, list(vector), using=VECTOR, query_filter=_filter(where),
                limit=limit, with_payload=_ROW,
            ).points  # fmt: skip
        return [Hit(_row(str(p.id), p.payload), min(1.0, max(-1.0, p.score))) for p in points]

    def namespaces(self, where: Where) -> list[str]:
        limit = _FACETS
        while True:
            with self._asking("list namespaces"):
                hits = self._client.facet(
                    self._collection, "space", _filter(where), limit=limit, exact=True
                ).hits
            if len(hits) < limit:
                return [str(hit.value) for hit in hits]
            limit *= 8

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """One call at a time in local mode, and the client's errors as ours."""
        try:
            self._client  # noqa: B018  (connects, and decides whether calls take turns)
            with self._turn:
                yield
        except (EngineError, ForeignCollectionError):
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is, it is the engine's)
            status = getattr(error, "status_code", None)
            if status in (401, 403) or "UNAUTHENTICATED" in str(error):
                hint = "check the API key"
            elif status == 404:
                hint = "the collection was removed while the store was open; open it again"
            elif _is_local(self._made):
                hint = "see whether another process has this folder open"
            else:
                hint = "see whether the server runs and is reachable, then try again"
            cause = clean(error, self._secret) or type(error).__name__
            raise EngineError(self.engine, f"could not {what}: {cause}", hint) from None


class QdrantStore(VectorStore):
    """
    A LangGraph store in a Qdrant collection.

    >>> with QdrantStore.from_url("http://127.0.0.1:6333", api_key=key) as store: ...
    >>> with QdrantStore.from_path("memories", index={"dims": 384, "embed": embed}) as store: ...

    A server finds approximate neighbours once a collection has grown past its indexing threshold.
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
        """A store on a server; nothing is connected before ``setup`` or the first operation."""

        def connect() -> QdrantClient:
            return connected(
                url, api_key, prefer_grpc=prefer_grpc, grpc_port=grpc_port, timeout=timeout
            )

        driver = QdrantDriver(connect, collection, secret=api_key)
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

        def connect() -> QdrantClient:
            from qdrant_client import QdrantClient

            # The driver lets one thread in at a time, which is all that SQLite's check is for.
            return QdrantClient(path=str(path), force_disable_check_same_thread=True)

        driver = QdrantDriver(connect, collection)
        return cls(driver, collection=collection, index=index, ttl=ttl)


def connected(url: str, api_key: str | None, **more: Any) -> QdrantClient:
    """
    A client of a server; it connects when it is used.

    The versions of both sides are checked by the driver, which says more than the client would.
    """
    from qdrant_client import QdrantClient

    with _without_warning_on_loopback(url):
        return QdrantClient(url=url, api_key=api_key, check_compatibility=False, **more)


def _is_local(client: QdrantClient | None) -> bool:
    from qdrant_client.local.qdrant_local import QdrantLocal

    return client is not None and isinstance(client._client, QdrantLocal)


def _cosine(dims: int) -> Any:
    from qdrant_client import models

    return models.VectorParams(size=dims, distance=models.Distance.COSINE)


def _payload_indexes() -> dict[str, Any]:
    """The fields that a server must index; the graph of vectors follows namespaces only."""
    from qdrant_client import models

    def keyword(*, graph: bool) -> Any:
        return models.KeywordIndexParams(
            type=models.KeywordIndexType.KEYWORD, enable_hnsw=None if graph else False
        )

    flat = {name: keyword(graph=False) for name in ("space", "kind", "tokens")}
    expires = models.PayloadSchemaType.INTEGER
    return {"prefixes": keyword(graph=True), **flat, "expires": expires}


def _payload(record: Record) -> dict[str, Any]:
    return {
        "kind": record.kind,
        "parent": record.parent,
        "space": record.space,
        "prefixes": list(record.prefixes),
        "tokens": list(record.tokens),
        "numbers": dict(record.numbers),
        "expires": record.expires_at,
        "head": record.head,
        "body": record.body,
    }


def _row(id: str, payload: dict[str, Any] | None) -> Row:
    found = payload or {}
    return Row(id, found["kind"], found["parent"], found["head"], found["body"], found["expires"])


def _match(field: str, value: str) -> Any:
    from qdrant_client import models

    return models.FieldCondition(key=field, match=models.MatchValue(value=value))


def _any(field: str, values: list[str]) -> Any:
    from qdrant_client import models

    return models.FieldCondition(key=field, match=models.MatchAny(any=values))


def _range(field: str, **bounds: float | None) -> Any:
    from qdrant_client import models

    return models.FieldCondition(key=field, range=models.Range(**bounds))


def _filter(where: Where) -> Any:
    from qdrant_client import models

    must: list[Any] = []
    if where.prefix is not None:
        must.append(_match("prefixes", where.prefix))
    if where.space is not None:
        must.append(_match("space", where.space))
    if where.kinds != {"item", "vector"}:  # there are no rows of the third kind here
        must.append(_any("kind", sorted(where.kinds)))
    if where.alive_at is not None:
        must.append(_range("expires", gt=where.alive_at))
    if where.expired_at is not None:
        must.append(_range("expires", lte=where.expired_at))
    lacking = [_match("tokens", c.token) for c in where.conditions if isinstance(c, LacksToken)]
    must += [_condition(c) for c in where.conditions if not isinstance(c, LacksToken)]
    return models.Filter(must=must or None, must_not=lacking or None) if must or lacking else None


def _condition(condition: Condition) -> Any:
    from qdrant_client import models

    if isinstance(condition, HasToken):
        return _any("tokens", [condition.token, OVERFLOW])
    assert isinstance(condition, NumberIn)
    inside = _range(f"numbers.{condition.name}", gte=condition.low, lte=condition.high)
    return models.Filter(should=[inside, _match("tokens", OVERFLOW)])


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
