"""
Qdrant Edge: Qdrant's own engine inside the process, in a folder (package ``qdrant-edge-py``).

One point is one row, as on a server (``qdrant_rows``).  Every write goes through the engine's log before
it is acknowledged, and outlives a kill; a power loss takes whatever was not flushed (``flush_writes``).  The folder
is locked: it is for one process.
"""

from __future__ import annotations

import json
import math
import shutil
import threading
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from store_conformance.backends.vector.errors import Asking, EngineError, ForeignCollectionError
from store_conformance.backends.vector.qdrant_points import Filter, Point
from store_conformance.backends.vector.qdrant_rows import (
    FIELDS,
    any_of,
    to_filter,
    to_payload,
    to_row,
)
from store_conformance.backends.vector.store import VectorStore

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig
    from qdrant_edge import EdgeShard

VECTOR = "text"
MARKER = {"made_by": "langgraph-vector-store", "layout": 1}
_MARK = "langgraph.json"
_UNUSED = "none"
_LAST_BITS = 4
_KEYWORDS = ("prefixes", "space", "kind", "tokens")
_FACETS = 1_000


class QdrantEdgeDriver:
    """Rows as points of one shard in ``folder``, which holds nothing else but our marker."""

    engine = "Qdrant Edge"
    limits = Limits(
        rows_per_write=1000, bytes_per_write=30_000_000, bytes_per_row=30_000_000,
        ids_per_fetch=1000, rows_per_page=1000,
    )  # fmt: skip
    abilities = Abilities(
        offset=True, namespaces=True, pushes=frozenset({HasToken, LacksToken, NumberIn})
    )

    def __init__(self, folder: Path, *, flush_writes: bool = False) -> None:
        self._folder = folder
        self._flush_writes = flush_writes
        self._asking = Asking(self.engine, _hint)
        self._lock = threading.Lock()
        self._opened: EdgeShard | None = None

    @property
    def _shard(self) -> EdgeShard:
        if self._opened is None:
            raise EngineError(self.engine, "the store is closed", "open a new one")
        return self._opened

    def close(self) -> None:
        with self._lock:
            shard, self._opened = self._opened, None
            if shard is not None:
                shard.close()

    # Schema

    def ensure_schema(self, dims: int | None) -> int | None:
        from qdrant_edge import Distance, EdgeShard, UpdateOperation

        with self._asking("open the folder"), self._lock:
            known = self._marked()
            if known is None:
                self._make(dims)
                known = self._marked() or {}
            if self._opened is None:
                self._opened = EdgeShard.load(str(self._folder / "shard"))
            if known["dims"] is None and dims is not None:
                make = UpdateOperation.create_dense_vector(VECTOR, dims, Distance.Cosine)
                self._opened.update(make)
                known = {**known, "dims": dims}
                _mark(self._folder, known)
            return None if known["dims"] is None else int(known["dims"])

    def _marked(self) -> dict[str, Any] | None:
        """What our file in the folder says; None if there is nothing yet."""
        file = self._folder / _MARK
        if not file.exists():
            if self._folder.exists() and any(self._folder.iterdir()):
                raise ForeignCollectionError(self.engine, str(self._folder), "it lacks our marker")
            return None
        facts = json.loads(file.read_text())
        if not isinstance(facts, dict) or facts.get("made_by") != MARKER["made_by"]:
            raise ForeignCollectionError(self.engine, str(self._folder), "it lacks our marker")
        return facts

    def _make(self, dims: int | None) -> None:
        """A new folder, complete or not there at all; if another process was quicker, it is theirs."""
        from qdrant_edge import (
            Distance,
            EdgeConfig,
            EdgeShard,
            EdgeVectorParams,
            PayloadSchemaType,
            UpdateOperation,
        )

        new = self._folder.with_name(f"{self._folder.name}.{uuid.uuid4().hex}")
        new.mkdir(parents=True)
        try:
            # A shard has to have vectors of some name; points need not have one.
            name, size = (_UNUSED, 1) if dims is None else (VECTOR, dims)
            config = EdgeConfig(vectors={name: EdgeVectorParams(size, Distance.Cosine)})
            shard = EdgeShard.create(str(new / "shard"), config)
            for field in _KEYWORDS:
                shard.update(UpdateOperation.create_field_index(field, PayloadSchemaType.Keyword))
            shard.update(UpdateOperation.create_field_index("expires", PayloadSchemaType.Integer))
            shard.close()
            _mark(new, {**MARKER, "dims": dims})
            new.rename(self._folder)
        except OSError:
            if not (self._folder / _MARK).exists():
                raise
        finally:
            shutil.rmtree(new, ignore_errors=True)

    # Rows

    def upsert(self, records: Sequence[Record], heads: Mapping[str, Head]) -> None:
        del heads  # an upsert replaces the whole point
        if not records:
            return
        from qdrant_edge import Point as EdgePoint
        from qdrant_edge import UpdateOperation

        points = [
            EdgePoint(
                record.id,
                {} if record.vector is None else {VECTOR: list(record.vector)},
                to_payload(record),
            )
            for record in records
        ]
        with self._asking("write"):
            self._update(UpdateOperation.upsert_points(points))

    def _update(self, operation: Any) -> None:
        self._shard.update(operation)
        if self._flush_writes:
            self._shard.flush()

    def heads(self, ids: Sequence[str]) -> dict[str, Head]:
        found = self._retrieved(ids, ["head", "expires"])
        return {p.id: Head(p.payload["head"], p.payload["expires"]) for p in found}

    def fetch(self, ids: Sequence[str]) -> dict[str, StoredRow]:
        return {point.id: to_row(point) for point in self._retrieved(ids, FIELDS)}

    def vectors(self, ids: Sequence[str]) -> dict[str, tuple[float, ...]]:
        if not ids:
            return {}
        with self._asking("read vectors by id"):
            found = self._shard.retrieve(list(ids), False, True)
        named: dict[str, Any] = {str(one.id): one.vector or {} for one in found}
        return {id: tuple(vectors[VECTOR]) for id, vectors in named.items() if VECTOR in vectors}

    def _retrieved(self, ids: Sequence[str], fields: list[str]) -> list[Point]:
        if not ids:
            return []
        from qdrant_edge import PayloadSelector

        chosen = PayloadSelector.Include(fields)
        with self._asking("read by id"):
            return [_point(one) for one in self._shard.retrieve(list(ids), chosen, False)]

    def delete(self, ids: Sequence[str]) -> None:
        if ids:
            from qdrant_edge import UpdateOperation

            with self._asking("delete"):
                self._update(UpdateOperation.delete_points(list(ids)))

    def touch(self, touches: Sequence[Touch]) -> None:
        from qdrant_edge import UpdateOperation

        groups: dict[int, list[Touch]] = defaultdict(list)
        for touch in touches:
            groups[touch.expires_at].append(touch)
        for expires_at, group in groups.items():
            # A filter, not ids: those that are gone or were written anew must stay as they are.
            ids = {"has_id": [touch.id for touch in group]}
            same = {"must": [ids, any_of("head", [touch.head for touch in group])]}
            change = UpdateOperation.set_payload_by_filter(_filter(same), {"expires": expires_at})
            with self._asking("refresh"):
                self._update(change)

    def scan(self, where: Where, limit: int, cursor: Any = None, skip: int = 0) -> Page:
        from qdrant_edge import PayloadSelector, QueryRequest, ScrollRequest

        chosen, fields = _filter(to_filter(where)), PayloadSelector.Include(FIELDS)
        with self._asking("scan"):
            if skip and cursor is None:
                # Without anything to rank by, a query returns the points in the order of a scroll.
                found = self._shard.query(
                    QueryRequest(limit + 1, skip, filter=chosen, with_payload=fields)
                )
                rows = [to_row(_point(one)) for one in found]
                return Page(rows[:limit], rows[limit].id if len(rows) > limit else None)
            points, following = self._shard.scroll(
                ScrollRequest(cursor, limit, filter=chosen, with_payload=fields)
            )
        rows = [to_row(_point(one)) for one in points]
        return Page(rows, None if following is None else str(following))

    def query(self, vector: Sequence[float], where: Where, limit: int) -> list[Hit]:
        from qdrant_edge import PayloadSelector, Query, QueryRequest

        request = QueryRequest(
            limit,
            query=Query.Nearest(list(vector), VECTOR),
            filter=_filter(to_filter(where)),
            with_payload=PayloadSelector.Include(FIELDS),
        )
        with self._asking("search"):
            found = self._shard.query(request)
        return [Hit(to_row(_point(one)), min(1.0, max(-1.0, one.score))) for one in found]

    def namespaces(self, where: Where) -> list[str]:
        from qdrant_edge import FacetRequest

        limit = _FACETS
        while True:
            request = FacetRequest("space", limit, exact=True, filter=_filter(to_filter(where)))
            with self._asking("list namespaces"):
                hits = self._shard.facet(request).hits
            if len(hits) < limit:
                return [str(hit.value) for hit in hits]
            limit *= 8


def _hint(error: Exception) -> str:
    if "WouldBlock" in str(error):
        return "another store has this folder open; close it, or use a Qdrant server"
    return "see whether the folder can be written to and the disk has room"


def _mark(folder: Path, facts: Mapping[str, Any]) -> None:
    new = folder / f"{_MARK}.new"
    new.write_text(json.dumps(facts))
    new.replace(folder / _MARK)


def _point(found: Any) -> Point:
    return Point(str(found.id), found.payload or {}, None, getattr(found, "score", 0.0))


def _filter(given: Filter) -> Any:
    """A filter of the REST API as the engine's own."""
    from qdrant_edge import Filter as EdgeFilter

    parts: dict[str, Any] = {name: [*map(_condition, some)] for name, some in given.items()}
    return EdgeFilter(**parts)


def _condition(given: Filter) -> Any:
    from qdrant_edge import FieldCondition, HasIdCondition, MatchAny, MatchValue, RangeFloat

    if "has_id" in given:
        return HasIdCondition(set(given["has_id"]))
    if "key" not in given:
        return _filter(given)
    if "range" in given:
        bounds = given["range"]
        if given["key"].startswith("numbers."):
            bounds = {name: _wider(bound, name) for name, bound in bounds.items()}
        return FieldCondition(given["key"], range=RangeFloat(**bounds))
    match = given["match"]
    wanted = MatchAny(match["any"]) if "any" in match else MatchValue(match["value"])
    return FieldCondition(given["key"], match=wanted)


def _wider(bound: float, name: str) -> float:
    """
    A bound that lets through what is stored beside it.

    The engine keeps a payload as JSON and reads it by a parser that may be off by the last bit.
    """
    towards = -math.inf if name.startswith("g") else math.inf
    for _ in range(_LAST_BITS):
        bound = math.nextafter(bound, towards)
    return bound


class QdrantEdgeStore(VectorStore):
    """
    A LangGraph store over Qdrant's engine in this process, in a folder.

    >>> with QdrantEdgeStore.from_path("memories", index={"dims": 384, "embed": embed}) as store: ...

    Searches compare all vectors that the filter leaves, which is exact.  A folder is for one process: it is
    locked, and a second one gets ``EngineError``.

    What was acknowledged outlives the death of the process.  That of the machine it outlives with
    ``flush_writes``, which writes everything to the disk before a write is acknowledged and takes the time of that.
    """

    @classmethod
    def from_path(
        cls,
        path: str,
        *,
        collection: str = "langgraph_store",
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        flush_writes: bool = False,
    ) -> QdrantEdgeStore:
        """A store in a folder below ``path`` that has the collection's name."""
        driver = QdrantEdgeDriver(Path(path) / collection, flush_writes=flush_writes)
        return cls(driver, collection=collection, index=index, ttl=ttl)
