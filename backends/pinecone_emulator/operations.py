"""
The operations of the API: a parsed request in, the answer's body out.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .filters import FilterError, Match, compile_filter
from .limits import (
    DIMENSIONS,
    NAME_LENGTH,
    RESULT_BYTES,
    TOP_K,
    VECTORS_PER_UPSERT,
    Refused,
    check_id,
    check_ids,
    check_metadata,
    check_vector,
    invalid,
)
from .storage import Namespace, Record, Storage

Body = dict[str, Any]

_METRICS = ("cosine", "dotproduct", "euclidean")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_DEFAULT = "__default__"


def _space(body: Body) -> str:
    name = body.get("namespace") or ""
    if not isinstance(name, str) or not name.isascii() or "\x00" in name:
        raise invalid("namespace must be an ASCII string")
    return "" if name == _DEFAULT else name


def _match(given: Any) -> Match:
    try:
        return compile_filter(given)
    except FilterError as error:
        raise invalid(str(error)) from None


def _bounded(name: str, given: Any, most: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
        raise invalid(f"{name} must be an integer between 1 and {most}, got {given!r}")
    return given


def _token(given: Any) -> str:
    try:
        return base64.urlsafe_b64decode(given.encode()).decode() if given else ""
    except (ValueError, AttributeError):
        raise invalid("Invalid pagination token") from None


def _paged(ids: Sequence[str], limit: int) -> tuple[Sequence[str], Body]:
    """One page and what to add to the answer: nothing after the last."""
    if len(ids) <= limit:
        return ids, {}
    last = base64.urlsafe_b64encode(ids[limit - 1].encode()).decode()
    return ids[:limit], {"pagination": {"next": last}}


def _shown(id: str, record: Record, values: bool = True, metadata: bool = True) -> Body:
    shown: Body = {"id": id}
    if values:
        shown["values"] = record.vector.tolist()
    if metadata and record.metadata:
        shown["metadata"] = record.metadata
    return shown


def _sized(answer: Body) -> Body:
    size = len(json.dumps(answer).encode())
    if size > RESULT_BYTES:
        raise Refused(
            400, 11, f"Response of {size} bytes exceeds the limit of {RESULT_BYTES} bytes"
        )
    return answer


class Data:
    """The data plane of one index; writes return the number they have in the log."""

    def __init__(self, storage: Storage, index: str, facts: Body) -> None:
        self._storage = storage
        self._index = index
        self._dimension: int = facts["dimension"]
        self._metric: str = facts["metric"]

    def upsert(self, body: Body) -> tuple[Body, int]:
        vectors = body.get("vectors")
        if not isinstance(vectors, list) or not vectors:
            raise invalid("vectors must be a list of at least one vector")
        if len(vectors) > VECTORS_PER_UPSERT:
            raise invalid(
                f"Request exceeds the limit of {VECTORS_PER_UPSERT} vectors, got {len(vectors)}"
            )
        kept = [
            (
                check_id(vector.get("id")),
                check_vector(vector.get("values"), self._dimension),
                check_metadata(vector.get("metadata")),
            )
            for vector in vectors
        ]
        change = {"kind": "upsert", "vectors": kept}
        return {"upsertedCount": len(kept)}, self._write(_space(body), change)

    def update(self, body: Body) -> tuple[Body, int]:
        if ("filter" in body) == ("id" in body):
            raise invalid("update takes one of id and filter")
        values = body.get("values")
        records = self._namespace(body).records
        if "filter" in body:
            if values or not body["filter"]:
                raise invalid("Update with empty metadata filter is not allowed")
            match = _match(body["filter"])
            ids = [id for id, record in records.items() if match(record.metadata)]
        else:
            ids = [check_id(body.get("id"))]
        change = {
            "kind": "update",
            "ids": ids,
            "values": check_vector(values, self._dimension) if values else None,
            "metadata": check_metadata(body.get("setMetadata")),
        }
        answer = {"matchedRecords": len(ids)} if "filter" in body else {}
        if body.get("dryRun"):
            change["ids"] = []
        return answer, self._write(_space(body), change)

    def delete(self, body: Body) -> tuple[Body, int]:
        chosen = [name for name in ("ids", "deleteAll", "filter") if body.get(name)]
        if len(chosen) != 1:
            raise invalid("delete takes one of ids, deleteAll and filter")
        ids: list[str] | None = None
        if chosen == ["ids"]:
            ids = check_ids(body["ids"])
        elif chosen == ["filter"]:
            match = _match(body["filter"])
            records = self._namespace(body).records
            ids = [id for id, record in records.items() if match(record.metadata)]
        return {}, self._write(_space(body), {"kind": "delete", "ids": ids})

    def fetch(self, query: dict[str, list[str]]) -> Body:
        body = {"namespace": query.get("namespace", [""])[0]}
        records = self._namespace(body).records
        found = {
            id: _shown(id, records[id]) for id in check_ids(query.get("ids", [])) if id in records
        }
        return {"vectors": found, **self._named(body), "usage": {"readUnits": 1}}

    def fetch_by_metadata(self, body: Body) -> Body:
        if not body.get("filter"):
            raise invalid("Empty filter provided for fetch by metadata request")
        limit = _bounded("limit", body.get("limit", 100), TOP_K)
        match, after = _match(body["filter"]), _token(body.get("paginationToken"))
        namespace = self._namespace(body)
        found = _first(
            (id for id in namespace.ids() if id > after and match(namespace.records[id].metadata)),
            limit + 1,
        )
        page, pagination = _paged(found, limit)
        vectors = {id: _shown(id, namespace.records[id]) for id in page}
        return {"vectors": vectors, **self._named(body), "usage": {"readUnits": 1}, **pagination}

    def list_ids(self, query: dict[str, list[str]]) -> Body:
        body = {"namespace": query.get("namespace", [""])[0]}
        limit = _bounded("limit", int(query.get("limit", ["100"])[0]), 100)
        prefix = query.get("prefix", [""])[0]
        after = _token(query.get("paginationToken", [""])[0])
        found = _first(
            (id for id in self._namespace(body).ids() if id > after and id.startswith(prefix)),
            limit + 1,
        )
        page, pagination = _paged(found, limit)
        listed = [{"id": id} for id in page]
        return {"vectors": listed, **self._named(body), "usage": {"readUnits": 1}, **pagination}

    def query(self, body: Body) -> Body:
        top_k = _bounded("topK", body.get("topK"), TOP_K)
        namespace = self._namespace(body)
        if ("vector" in body) == ("id" in body):
            raise invalid("query takes one of vector and id")
        if "id" in body:
            known = namespace.records.get(check_id(body["id"]))
            vector = known.vector.tolist() if known else None
        else:
            vector = check_vector(body["vector"], self._dimension)
        match = _match(body["filter"]) if body.get("filter") else lambda metadata: True
        chosen = [(id, r) for id, r in namespace.records.items() if match(r.metadata)]
        scores = _scores(vector, [r for _, r in chosen], self._metric) if vector else []
        best = sorted(zip(scores, chosen, strict=False), key=lambda hit: (-hit[0], hit[1][0]))
        if self._metric == "euclidean":
            best.reverse()
        matches = [
            {
                **_shown(
                    id, record, bool(body.get("includeValues")), bool(body.get("includeMetadata"))
                ),
                "score": score,
            }
            for score, (id, record) in best[:top_k]
        ]
        answer = {"matches": matches, **self._named(body), "usage": {"readUnits": 1}}
        return _sized({**answer, "results": []})

    def stats(self, body: Body) -> Body:
        if body.get("filter"):
            raise invalid("Serverless indexes do not support describing index stats with a filter")
        held = self._storage.namespaces(self._index)
        counts = {name or _DEFAULT: {"vectorCount": len(ns.records)} for name, ns in held.items()}
        return {
            "namespaces": counts,
            "dimension": self._dimension,
            "indexFullness": 0,
            "totalVectorCount": sum(one["vectorCount"] for one in counts.values()),
            "metric": self._metric,
            "vectorType": "dense",
        }

    def list_namespaces(self, query: dict[str, list[str]]) -> Body:
        limit = _bounded("limit", int(query.get("limit", ["100"])[0]), 100)
        after = _token(query.get("paginationToken", [""])[0])
        held = self._storage.namespaces(self._index)
        names = {name or _DEFAULT: len(ns.records) for name, ns in held.items()}
        found = _first((name for name in sorted(names) if name > after), limit + 1)
        page, pagination = _paged(found, limit)
        listed = [{"name": name, "record_count": names[name]} for name in page]
        return {"namespaces": listed, "total_count": len(names), **pagination}

    def describe_namespace(self, name: str) -> Body:
        held = self._storage.namespaces(self._index).get("" if name == _DEFAULT else name)
        if held is None:
            raise Refused(404, 5, f"Namespace {name!r} not found")
        return {"name": name, "record_count": len(held.records)}

    def delete_namespace(self, name: str) -> tuple[Body, int]:
        self.describe_namespace(name)
        return self.delete({"namespace": name, "deleteAll": True})

    def _namespace(self, body: Body) -> Namespace:
        return self._storage.namespace(self._index, _space(body))

    def _named(self, body: Body) -> Body:
        return {"namespace": _space(body)}

    def _write(self, namespace: str, change: Body) -> int:
        return self._storage.write(self._index, namespace, change)


class Control:
    """The control plane: indexes come and go at once, and are ready at once."""

    def __init__(self, storage: Storage, base: str) -> None:
        self._storage = storage
        self._base = base

    def list_indexes(self) -> Body:
        return {"indexes": [self._model(n, f) for n, f in self._storage.indexes().items()]}

    def describe(self, name: str) -> Body:
        return self._model(name, self.facts(name))

    def create(self, body: Body) -> Body:
        name = body.get("name")
        if not isinstance(name, str) or len(name) > NAME_LENGTH or not _NAME.fullmatch(name):
            raise invalid(
                f"Name must be 1 to {NAME_LENGTH} characters a-z, 0-9 and '-', got {name!r}"
            )
        if self._storage.index(name) is not None:
            raise Refused(409, 6, f"Resource {name} already exists")
        facts = {**_vector_field(body), "tags": body.get("tags")}
        self._storage.create_index(name, facts)
        return self._model(name, facts)

    def delete(self, name: str) -> Body:
        self.facts(name)
        self._storage.delete_index(name)
        return {}

    def facts(self, name: str) -> Body:
        facts = self._storage.index(name)
        if facts is None:
            raise Refused(404, 5, f"Resource {name} not found")
        return facts

    def _model(self, name: str, facts: Body) -> Body:
        # Both the 2026-04 shape (dimension, metric, spec) and the 2026-07 one (schema, deployment).
        dimension, metric, region = facts["dimension"], facts["metric"], "us-east-1"
        field = {"type": "dense_vector", "dimension": dimension, "metric": metric}
        on_demand = {"mode": "OnDemand", "status": {"state": "Ready"}}
        place = {"cloud": "aws", "region": region}
        model = {
            "name": name,
            "dimension": dimension,
            "metric": metric,
            "vector_type": "dense",
            "host": f"{self._base}/i/{name}",
            "deletion_protection": "disabled",
            "status": {"ready": True, "state": "Ready"},
            "spec": {"serverless": {**place, "read_capacity": on_demand}},
            "schema": {"fields": {"_values": field}},
            "deployment": {"deployment_type": "managed", **place},
        }
        return {**model, "tags": facts["tags"]} if facts["tags"] else model


def _vector_field(body: Body) -> Body:
    """The one dense vector field that an index of this emulator has."""
    fields = (body.get("schema") or {}).get("fields") or {}
    dense = [f for f in fields.values() if isinstance(f, dict) and f.get("type") == "dense_vector"]
    if len(dense) != 1 and "dimension" not in body:
        raise invalid("this emulator creates indexes with exactly one dense_vector field")
    chosen = dense[0] if dense else body
    dimension = _bounded("dimension", chosen.get("dimension"), DIMENSIONS)
    metric = chosen.get("metric") or "cosine"
    if metric not in _METRICS:
        raise invalid(f"metric must be one of {', '.join(_METRICS)}, got {metric!r}")
    return {"dimension": dimension, "metric": metric}


def _first(ids: Iterable[str], count: int) -> list[str]:
    found = []
    for id in ids:
        found.append(id)
        if len(found) == count:
            break
    return found


def _scores(vector: Sequence[float], records: Sequence[Record], metric: str) -> list[float]:
    if not records:
        return []
    try:
        import numpy
    except ImportError:
        return [_score(vector, record.vector, metric) for record in records]
    asked = numpy.asarray(vector, dtype="float64")
    held = numpy.stack([numpy.frombuffer(r.vector, dtype="float32") for r in records]).astype("f8")
    if metric == "euclidean":
        scores = ((held - asked) ** 2).sum(axis=1)
    else:
        scores = held @ asked
        if metric == "cosine":
            scores = scores / (numpy.linalg.norm(held, axis=1) * numpy.linalg.norm(asked))
    return [float(score) for score in scores]


def _score(asked: Sequence[float], held: Sequence[float], metric: str) -> float:
    pairs = list(zip(asked, held, strict=True))
    if metric == "euclidean":
        return sum((a - b) ** 2 for a, b in pairs)
    dot = sum(a * b for a, b in pairs)
    if metric == "dotproduct":
        return dot
    return float(dot / (sum(a * a for a in asked) * sum(b * b for b in held)) ** 0.5)


READS: dict[tuple[str, str], Callable[[Data, Any], Body]] = {
    ("POST", "/query"): Data.query,
    ("GET", "/vectors/fetch"): Data.fetch,
    ("POST", "/vectors/fetch_by_metadata"): Data.fetch_by_metadata,
    ("GET", "/vectors/list"): Data.list_ids,
    ("POST", "/describe_index_stats"): Data.stats,
    ("GET", "/namespaces"): Data.list_namespaces,
}
WRITES: dict[tuple[str, str], Callable[[Data, Any], tuple[Body, int]]] = {
    ("POST", "/vectors/upsert"): Data.upsert,
    ("POST", "/vectors/update"): Data.update,
    ("POST", "/vectors/delete"): Data.delete,
}
