"""
How points reach Qdrant: by the official client, or straight over its REST API.

Both do the same five things and take the same filters, written as in the REST documentation.  The
client checks and copies every number of every request and answer, which costs more than the server
needs for the work; over REST a put that first reads what it overwrites is no slower than the client's
bare upsert.  gRPC, local mode and machines behind a proxy use the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import quote

from store_conformance.backends.vector.rest import Rest, behind_proxy, singles

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

Filter = dict[str, Any]
"""A filter as in Qdrant's REST API; an empty one lets everything through."""


class Point(NamedTuple):
    """One point; ``vector`` is None where it was not given or not asked for."""

    id: str
    payload: dict[str, Any]
    vector: Sequence[float] | None = None
    score: float = 0.0


class Points(Protocol):
    """The requests that are made all the time; what is rare goes through the client."""

    def upsert(self, points: Sequence[Point]) -> None:
        """Written and visible when this returns."""

    def retrieve(self, ids: Sequence[str], fields: list[str]) -> list[Point]: ...

    def vectors(self, ids: Sequence[str]) -> list[Point]:
        """Points without payload; those that have no vector have None."""

    def delete(self, ids: Sequence[str]) -> None: ...

    def scroll(
        self, filter: Filter, limit: int, cursor: Any, fields: list[str]
    ) -> tuple[list[Point], Any]: ...

    def query(
        self, vector: Sequence[float] | None, filter: Filter, limit: int, offset: int,
        fields: list[str],
    ) -> list[Point]:  # fmt: skip
        """The nearest, or without a vector those in the engine's order."""

    def close(self) -> None: ...


class ClientPoints:
    """Points through the official client."""

    def __init__(self, client: QdrantClient, collection: str, vector_name: str) -> None:
        self._client = client
        self._collection = collection
        self._name = vector_name

    def upsert(self, points: Sequence[Point]) -> None:
        from qdrant_client import models

        structs = [
            models.PointStruct(
                id=point.id,
                payload=point.payload,
                vector={} if point.vector is None else {self._name: list(point.vector)},
            )
            for point in points
        ]
        self._client.upsert(self._collection, structs, wait=True)

    def retrieve(self, ids: Sequence[str], fields: list[str]) -> list[Point]:
        found = self._client.retrieve(self._collection, list(ids), with_payload=fields)
        return [Point(str(one.id), one.payload or {}) for one in found]

    def vectors(self, ids: Sequence[str]) -> list[Point]:
        found = self._client.retrieve(
            self._collection, list(ids), with_payload=False, with_vectors=[self._name]
        )
        return [Point(str(one.id), {}, _named(one.vector, self._name)) for one in found]

    def delete(self, ids: Sequence[str]) -> None:
        from qdrant_client import models

        self._client.delete(self._collection, models.PointIdsList(points=list(ids)), wait=True)

    def scroll(
        self, filter: Filter, limit: int, cursor: Any, fields: list[str]
    ) -> tuple[list[Point], Any]:
        found, following = self._client.scroll(
            self._collection, to_model(filter), limit, offset=cursor, with_payload=fields
        )
        return [Point(str(one.id), one.payload or {}) for one in found], following

    def query(
        self, vector: Sequence[float] | None, filter: Filter, limit: int, offset: int,
        fields: list[str],
    ) -> list[Point]:  # fmt: skip
        found = self._client.query_points(
            self._collection, None if vector is None else list(vector), limit=limit,
            using=None if vector is None else self._name, offset=offset or None,
            query_filter=to_model(filter), with_payload=fields,
        ).points  # fmt: skip
        return [Point(str(one.id), one.payload or {}, None, one.score) for one in found]

    def close(self) -> None:
        """The client is its owner's."""


class RestPoints:
    """Points straight over REST, through a pool of connections that are kept open."""

    def __init__(
        self, url: str, api_key: str | None, timeout: float, collection: str, vector_name: str
    ) -> None:
        self._rest = Rest(url, {} if api_key is None else {"api-key": api_key}, timeout)
        self._points = f"/collections/{quote(collection, safe='')}/points"
        self._name = vector_name

    def upsert(self, points: Sequence[Point]) -> None:
        vectors = singles([point.vector for point in points if point.vector is not None])
        structs = [
            {
                "id": point.id,
                "payload": point.payload,
                "vector": {} if point.vector is None else {self._name: next(vectors)},
            }
            for point in points
        ]
        self._ask("PUT", "?wait=true", {"points": structs})

    def retrieve(self, ids: Sequence[str], fields: list[str]) -> list[Point]:
        wanted = {"ids": ids, "with_payload": fields, "with_vector": False}
        return [Point(one["id"], one["payload"]) for one in self._ask("POST", "", wanted)]

    def vectors(self, ids: Sequence[str]) -> list[Point]:
        wanted = {"ids": ids, "with_payload": False, "with_vector": [self._name]}
        found = self._ask("POST", "", wanted)
        return [Point(one["id"], {}, _named(one.get("vector"), self._name)) for one in found]

    def delete(self, ids: Sequence[str]) -> None:
        self._ask("POST", "/delete?wait=true", {"points": ids})

    def scroll(
        self, filter: Filter, limit: int, cursor: Any, fields: list[str]
    ) -> tuple[list[Point], Any]:
        wanted = {"filter": filter, "limit": limit, "with_payload": fields, "with_vector": False}
        found = self._ask(
            "POST", "/scroll", wanted if cursor is None else wanted | {"offset": cursor}
        )
        points = [Point(one["id"], one["payload"]) for one in found["points"]]
        return points, found.get("next_page_offset")

    def query(
        self, vector: Sequence[float] | None, filter: Filter, limit: int, offset: int,
        fields: list[str],
    ) -> list[Point]:  # fmt: skip
        wanted: dict[str, Any] = {"filter": filter, "limit": limit, "with_payload": fields}
        if vector is not None:
            wanted |= {"query": next(singles([vector])), "using": self._name}
        if offset:
            wanted["offset"] = offset
        found = self._ask("POST", "/query", wanted)["points"]
        return [Point(one["id"], one["payload"], None, one["score"]) for one in found]

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        return self._rest.ask(method, self._points + path, body)["result"]

    def close(self) -> None:
        self._rest.close()


def _named(vectors: Any, name: str) -> Sequence[float] | None:
    """The one of this name; a point without any has an empty mapping or nothing."""
    return vectors.get(name) if isinstance(vectors, dict) else None


def points_of(
    client: QdrantClient, collection: str, vector_name: str, rest: tuple[str | None, float] | None
) -> Points:
    """The fastest way to a collection; ``rest`` is key and timeout where REST is allowed."""
    url = getattr(client._client, "rest_uri", None)
    if rest is None or url is None or behind_proxy(url):
        return ClientPoints(client, collection, vector_name)
    return RestPoints(url, *rest, collection, vector_name)


def to_model(filter: Filter) -> Any:
    """The filter as the client wants it."""
    from qdrant_client import models

    return models.Filter(**filter) if filter else None
