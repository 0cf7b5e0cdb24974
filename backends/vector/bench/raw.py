"""
What somebody would write who used a database's client without a store: the other side of a ratio.

It works on the store's own collection, with points of the same make, so that the engine has the same
work to do: an upsert of the value as JSON with its index fields and vector, a fetch by id, a query
below a prefix.  It does not look at what was there before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from langgraph.store.base import PutOp

from store_conformance.backends.polling import wait_until
from store_conformance.backends.vector import encoding
from store_conformance.backends.vector.bench.data import Items
from store_conformance.backends.vector.driver import NEVER, Record, Where
from store_conformance.backends.vector.planning import plan
from store_conformance.backends.vector.store import VectorStore

_PATIENCE = 300.0
"""Seconds to wait at most for an engine to finish its work in the background."""

Prepared = tuple[Record, dict[str, Any]]
"""A row whose index fields were worked out before the clock started, and the value."""


Single = Callable[[Prepared, bool], object]
"""Writes one row, of which is known whether it was there before."""


class Raw(Protocol):
    """One database's client, called with as little as possible around it."""

    def put(self, prepared: Sequence[Prepared]) -> object:
        """Rows in bulk requests."""

    def singles(self) -> Mapping[str, Single]:
        """
        How a row alone is written, by what there is to say of the way.

        What there is nothing to say of outlives a kill of the engine as the store's writes do.
        """

    def get(self, id: str) -> object: ...

    def search(self, vector: list[float], where: Where, limit: int) -> object: ...

    def settle(self) -> None:
        """Wait until the engine has done in the background what a bulk load has left to do."""


def prepared(items: Items, n: int, version: int = 0) -> Prepared:
    value = items.value(n, version)
    namespace = items.namespace(n)
    write = next(iter(plan([PutOp(namespace, items.key(n), value)], None).writes.values()))
    record = Record(
        id=write.id, kind="item", parent=write.id, space=encoding.to_space(namespace),
        prefixes=encoding.prefix_tokens(namespace), tokens=write.fields.tokens,
        numbers=write.fields.numbers, expires_at=NEVER, head=f"{NEVER // 8}:{NEVER // 8}:0:", body="",
        vector=tuple(items.vector(n)),
    )  # fmt: skip
    return record, {"namespace": namespace, "key": items.key(n), "value": value}


def _with_body(one: Prepared) -> Record:
    record, item = one
    body = json.dumps([item["namespace"], item["key"], item["value"]], separators=(",", ":"))
    return replace(record, body=body)


def raw_of(engine: str, store: VectorStore, url: str | None, key: str | None) -> Raw:
    """The raw client on the collection of this store."""
    driver: Any = store._driver
    if engine == "qdrant":
        return RawQdrant(store.collection, url, key)
    if engine == "chroma":
        return RawChroma(driver._collection)
    if engine == "weaviate":
        return RawWeaviate(driver._collection)
    return RawPinecone(driver._index, driver._namespace)


class _BulkOfOne:
    """An engine whose bulk write of one row is as safe as any."""

    def put(self, prepared: Sequence[Prepared]) -> object:
        raise NotImplementedError

    def singles(self) -> Mapping[str, Single]:
        return {"": lambda one, existing: self.put([one])}


class RawQdrant(_BulkOfOne):
    """``qdrant-client`` over REST, which is its default."""

    def __init__(self, collection: str, url: str | None, key: str | None) -> None:
        from store_conformance.backends.vector.qdrant import connect

        self._client = connect(str(url), key)
        self._collection = collection

    def put(self, prepared: Sequence[Prepared]) -> object:
        from qdrant_client import models

        from store_conformance.backends.vector.qdrant import VECTOR
        from store_conformance.backends.vector.qdrant_rows import to_payload

        points = [
            models.PointStruct(
                id=record.id, payload=to_payload(record), vector={VECTOR: list(record.vector or ())}
            )
            for record in map(_with_body, prepared)
        ]
        return self._client.upsert(self._collection, points, wait=True)

    def get(self, id: str) -> object:
        from store_conformance.backends.vector.qdrant_rows import FIELDS

        points = self._client.retrieve(self._collection, [id], with_payload=FIELDS)
        return [json.loads((point.payload or {})["body"]) for point in points]

    def search(self, vector: list[float], where: Where, limit: int) -> object:
        from qdrant_client import models

        from store_conformance.backends.vector.qdrant import VECTOR
        from store_conformance.backends.vector.qdrant_rows import FIELDS

        below = models.FieldCondition(
            key="prefixes", match=models.MatchValue(value=str(where.prefix))
        )
        found = self._client.query_points(
            self._collection, vector, using=VECTOR, query_filter=models.Filter(must=[below]),
            limit=limit, with_payload=FIELDS,
        )  # fmt: skip
        return [json.loads((point.payload or {})["body"]) for point in found.points]

    def settle(self) -> None:
        from qdrant_client import models

        def green() -> bool:
            status = self._client.get_collection(self._collection).status
            return bool(status == models.CollectionStatus.GREEN)

        wait_until(green, _PATIENCE, pause=1.0, longest=1.0)


class _Settled:
    """An engine that does not say whether it is still busy."""

    def settle(self) -> None:
        return


class RawChroma(_BulkOfOne, _Settled):
    """``chromadb`` over HTTP."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def put(self, prepared: Sequence[Prepared]) -> object:
        from store_conformance.backends.vector.chroma_rows import to_metadata

        records = list(map(_with_body, prepared))
        return self._collection.upsert(
            ids=[record.id for record in records],
            embeddings=[list(record.vector or ()) for record in records],
            metadatas=[to_metadata(record, None) for record in records],
            documents=[record.body for record in records],
        )

    def get(self, id: str) -> object:
        found = self._collection.get(ids=[id], include=["metadatas", "documents"])
        return list(map(json.loads, found["documents"]))

    def search(self, vector: list[float], where: Where, limit: int) -> object:
        from store_conformance.backends.vector.chroma_rows import to_filter

        found = self._collection.query(
            query_embeddings=[vector], n_results=limit, where=to_filter(where, ranked=True),
            include=["metadatas", "documents", "distances"],
        )  # fmt: skip
        return list(map(json.loads, found["documents"][0]))


class RawWeaviate(_Settled):
    """``weaviate-client``; rows in bulk are its ``insert_many``."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def put(self, prepared: Sequence[Prepared]) -> object:
        from weaviate.classes.data import DataObject

        from store_conformance.backends.vector.weaviate_rows import to_object

        objects = [
            DataObject(
                uuid=record.id, properties=to_object(record), vector=list(record.vector or ())
            )
            for record in map(_with_body, prepared)
        ]
        return self._collection.data.insert_many(objects)

    def singles(self) -> Mapping[str, Single]:
        return {
            "": self._alone,
            " (raw: `insert_many`, lost by a kill)": lambda one, existing: self.put([one]),
        }

    def _alone(self, one: Prepared, existing: bool) -> object:
        from store_conformance.backends.vector.weaviate_rows import to_object

        record = _with_body(one)
        write = self._collection.data.replace if existing else self._collection.data.insert
        vector = list(record.vector or ())
        return write(uuid=record.id, properties=to_object(record), vector=vector)

    def get(self, id: str) -> object:
        from store_conformance.backends.vector.weaviate_rows import FIELDS

        found = self._collection.query.fetch_object_by_id(id, return_properties=FIELDS)
        return json.loads(found.properties["body"])

    def search(self, vector: list[float], where: Where, limit: int) -> object:
        from weaviate.classes.query import MetadataQuery

        from store_conformance.backends.vector.weaviate_rows import FIELDS, to_filter

        found = self._collection.query.near_vector(
            vector, limit=limit, filters=to_filter(where), return_properties=FIELDS,
            return_metadata=MetadataQuery(distance=True),
        )  # fmt: skip
        return [json.loads(one.properties["body"]) for one in found.objects]


class RawPinecone(_BulkOfOne, _Settled):
    """``pinecone``; it does not wait until a write can be seen."""

    def __init__(self, index: Any, namespace: str) -> None:
        self._index = index
        self._namespace = namespace

    def put(self, prepared: Sequence[Prepared]) -> object:
        from store_conformance.backends.vector.pinecone_rows import to_metadata

        rows = [
            {
                "id": record.id,
                "values": list(record.vector or ()),
                "metadata": to_metadata(record),
            }
            for record in map(_with_body, prepared)
        ]
        for start in range(0, len(rows), 100):  # a request is at most 2 MB
            self._index.upsert(vectors=rows[start : start + 100], namespace=self._namespace)
        return None

    def get(self, id: str) -> object:
        return self._index.fetch(ids=[id], namespace=self._namespace)

    def search(self, vector: list[float], where: Where, limit: int) -> object:
        from store_conformance.backends.vector.pinecone_rows import to_filter

        return self._index.query(
            vector=vector, top_k=limit, namespace=self._namespace,
            filter=to_filter(where, {"v": {"$eq": True}}), include_metadata=True,
        )  # fmt: skip
