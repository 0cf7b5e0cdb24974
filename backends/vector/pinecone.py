"""
Pinecone: a namespace of a serverless index, through the official SDK.

One record is one row; its fields and the body are metadata.  A record needs a vector that is not zero,
so a row without one has a placeholder and says so, and is left out of every search.  The service is
eventually consistent: a write counts as acknowledged here when a search reports that the index has
reached the write's log sequence number, which is waited for, up to a limit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from store_conformance.backends.polling import wait_until
from store_conformance.backends.vector.driver import (
    Abilities,
    HasToken,
    Head,
    Hit,
    Limits,
    NumberIn,
    Page,
    Record,
    StoredRow,
    Touch,
    Where,
)
from store_conformance.backends.vector.errors import (
    Asking,
    EngineError,
    ForeignCollectionError,
    LimitExceededError,
)
from store_conformance.backends.vector.pinecone_indexes import (
    connect,
    dense_dimension,
    describe_index,
    indexes_of,
)
from store_conformance.backends.vector.pinecone_rows import (
    all_of,
    to_filter,
    to_json,
    to_metadata,
    to_row,
)
from store_conformance.backends.vector.store import VectorStore

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig
    from pinecone import Index, Pinecone

MARKER = {"made_by": "langgraph-vector-store", "layout": 1}
DEPLOYMENT = {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"}

METADATA_BYTES = 40_960
"""The service's limit for all metadata of one record."""
_WRITE_ROWS = 1000
_WRITE_BYTES = 1_900_000  # of 2 MB
_WITH_METADATA = 100
"""Hits that fit into the 4 MB of one answer even if each has all the metadata it may have."""
_META, _CLOCK = "meta", "clock"
"""Ids and kinds of two records of our own; a row's id is a UUID."""
_NO_VECTORS = 2
"""The dimensions of an index that is made before anybody knows how many are needed."""
_UNBOUNDED = 2**62


class PineconeDriver:
    """Rows as records of one namespace; writes return when searches see them."""

    engine = "Pinecone"
    # A batch comes in one piece, so that one row too big is refused before the first is written.
    limits = Limits(
        rows_per_write=_UNBOUNDED,
        bytes_per_write=_UNBOUNDED,
        bytes_per_row=_UNBOUNDED,
        ids_per_fetch=150,  # they travel in the URL
        rows_per_page=200,
        rows_per_query=10_000,
    )
    # $nin is left to the store: what it means for a list is not documented.
    abilities = Abilities(zero_vectors=False, pushes=frozenset({HasToken, NumberIn}))

    def __init__(
        self,
        connect: Callable[[], Pinecone],
        index: str,
        namespace: str = "",
        *,
        deployment: Mapping[str, Any] | None = None,
        visible_within: float = 60.0,
        secret: str | None = None,
    ) -> None:
        self._connect = connect
        self._name = index
        self._namespace = namespace
        self._deployment = dict(deployment or DEPLOYMENT)
        self._visible_within = visible_within
        self._asking = Asking(self.engine, _hint, (secret,))
        self._client: Pinecone | None = None
        self._opened: Index | None = None
        self._dimension = _NO_VECTORS
        self._reached = -1

    @property
    def _index(self) -> Index:
        if self._opened is None:
            raise EngineError(self.engine, "the index is not open", "call setup first")
        return self._opened

    def close(self) -> None:
        opened, client = self._opened, self._client
        self._opened = self._client = None
        for each in (opened, client):  # each has connections of its own
            if each is not None:
                with suppress(Exception):  # closing: there is nobody left to tell
                    each.close()

    # Schema

    def holds(self, name: str) -> bool:
        """
        Whether there is an index of this name, or, of a store in a namespace, rows in one of this name.
        """
        from pinecone import NotFoundError

        with self._asking("look for an index"):
            if self._client is None:
                self._client = self._connect()
            if self._namespace:
                indexes = indexes_of(self._client, self._name)
                return any(self._has_rows(index, name) for index in indexes)
            try:
                self._client.indexes.describe(name)
            except NotFoundError:
                return False
            return True

    def _has_rows(self, name: str, namespace: str) -> bool:
        """Whether an index has anything in a namespace, of whomever."""
        assert self._client is not None
        model = self._client.indexes.describe(name)
        vector = [1.0] + [0.0] * ((dense_dimension(model) or 1) - 1)
        index = self._client.index(host=model.host)
        try:
            return bool(index.query(vector=vector, top_k=1, namespace=namespace).matches)
        finally:
            index.close()

    def ensure_schema(self, dims: int | None) -> int | None:
        with self._asking("open the index"):
            if self._client is None:
                self._client = self._connect()
            self._open(self._name, dims)
            facts = self._facts()
            if facts.get("next"):
                self._open(str(facts["next"]), None)
                facts = self._facts()
            known = int(facts.get("dims") or 0)
            if known == 0 and dims is not None:
                if dims == self._dimension:
                    self._remember(dims=dims)
                else:
                    self._move(dims)
                known = dims
            return known or None

    def _open(self, name: str, dims: int | None) -> None:
        """Use the index of this name, made if it is not there."""
        assert self._client is not None
        model = describe_index(self._client, name, dims or _NO_VECTORS, self._deployment)
        dimension = dense_dimension(model)
        if dimension is None:
            raise ForeignCollectionError(
                self.engine, name, "it has no single dense vector field with the cosine metric"
            )
        if self._opened is not None:
            self._opened.close()
        self._dimension = dimension
        self._opened = self._client.index(host=model.host)
        self._reached = -1

    def _facts(self) -> dict[str, Any]:
        """What the namespace says of itself; a new one is marked as ours, a foreign one refused."""
        found = self._fetch([_META]).get(_META)
        if found is None:
            stats = self._index.describe_index_stats()
            held = stats.namespaces.get(self._namespace or "__default__")
            # Looked at again: another process may have marked it, and written, in between.
            found = self._fetch([_META]).get(_META)
            if found is None and held is not None and held.vector_count:
                raise ForeignCollectionError(
                    self.engine, self._label, "its namespace holds records without our marker"
                )
        if found is None:
            # An index of other dimensions than asked for is one that has vectors, of another size.
            self._remember(dims=0 if self._dimension == _NO_VECTORS else self._dimension)
            found = self._fetch([_META]).get(_META, {**MARKER})
        if found.get("made_by") != MARKER["made_by"]:
            raise ForeignCollectionError(self.engine, self._label, "it lacks our marker")
        return found

    @property
    def _label(self) -> str:
        return f"{self._name}/{self._namespace or '__default__'}"

    def _remember(self, **facts: Any) -> None:
        self._write([self._record(_META, {"k": _META, **MARKER, **facts})])

    def _move(self, dims: int) -> None:
        """
        Copy the rows into an index with vectors; the old one names it once everything is there.

        An index cannot change its dimensions.  Broken off at any point, this begins anew.
        """
        from pinecone import NotFoundError

        old, following = self._index, f"{self._name[:38]}-{dims}"
        self._opened = None  # kept open for reading
        try:
            self._open(following, dims)
            with suppress(NotFoundError):  # nothing was left by an earlier attempt
                self._index.delete(delete_all=True, namespace=self._namespace)
            where = {"k": {"$in": ["item", "vector", "namespace"]}}
            for page in self._pages(old, where):
                self._write([self._record(id, metadata) for id, metadata in page.items()])
            self._remember(dims=dims)
        except BaseException:
            begun, self._opened = self._opened, old
            if begun is not None:
                with suppress(Exception):  # what broke it off is what is told
                    begun.close()
            raise
        self._open(self._name, None)
        self._remember(dims=0, next=following)
        self._open(following, None)
        old.close()

    def _pages(self, index: Index, where: dict[str, Any]) -> Iterator[dict[str, Any]]:
        token = None
        while True:
            found = index.fetch_by_metadata(
                filter=where, namespace=self._namespace, limit=self.limits.rows_per_page,
                pagination_token=token,
            )  # fmt: skip
            yield {id: dict(vector.metadata or {}) for id, vector in found.vectors.items()}
            token = found.pagination.next if found.pagination else None
            if not token:
                return

    # Rows

    def upsert(self, records: Sequence[Record], heads: Mapping[str, Head]) -> None:
        rows = [self._record(r.id, to_metadata(r), r.vector) for r in records]
        sizes = [len(to_json(row["metadata"])) for row in rows]
        biggest = max(sizes, default=0)
        if biggest > METADATA_BYTES:
            raise LimitExceededError(
                self.engine, "bytes of one item with its index fields", METADATA_BYTES, biggest
            )
        with self._asking("write"):
            start = total = 0
            for end, (row, size) in enumerate(zip(rows, sizes, strict=True)):
                size += 24 * len(row["values"]) + 100
                if end > start and (end - start >= _WRITE_ROWS or total + size > _WRITE_BYTES):
                    self._send(rows[start:end])
                    start, total = end, 0
                total += size
            if rows:
                self._write(rows[start:])

    def _record(
        self, id: str, metadata: dict[str, Any], vector: Sequence[float] | None = None
    ) -> dict[str, Any]:
        values = list(vector) if vector is not None else [1.0] + [0.0] * (self._dimension - 1)
        return {"id": id, "values": values, "metadata": metadata}

    def _send(self, rows: Sequence[dict[str, Any]]) -> int | None:
        if not rows:
            return None
        answer = self._index.upsert(vectors=list(rows), namespace=self._namespace)
        info = answer.response_info
        return info.lsn_committed if info else None

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._settle(self._send(rows))

    def _settle(self, committed: int | None) -> None:
        """Wait until searches see this write; later ones imply earlier ones."""
        if committed is not None and not wait_until(
            lambda: self._shows(committed), self._visible_within, pause=0.005, longest=0.5
        ):
            raise EngineError(
                self.engine,
                f"a write was accepted but not visible within {self._visible_within:g} s",
                "the index is behind; read again later, or allow more with visible_within",
            )

    def _shows(self, committed: int) -> bool:
        """Whether searches see the write of that number; a service that does not tell is believed."""
        if self._reached >= committed:
            return True
        answer = self._index.query(
            vector=self._record("", {})["values"], top_k=1, namespace=self._namespace,
            filter={"k": {"$eq": _CLOCK}},
        )  # fmt: skip
        info = answer.response_info
        reached = info.lsn_reconciled if info else None
        if reached is None:
            return True
        self._reached = max(self._reached, reached)
        return self._reached >= committed

    def heads(self, ids: Sequence[str]) -> dict[str, Head]:
        with self._asking("read by id"):
            found = self._fetch(ids)
        return {id: Head(meta["h"], int(meta["e"])) for id, meta in found.items()}

    def fetch(self, ids: Sequence[str]) -> dict[str, StoredRow]:
        with self._asking("read by id"):
            found = self._fetch(ids)
        return {id: to_row(id, metadata) for id, metadata in found.items()}

    def vectors(self, ids: Sequence[str]) -> dict[str, tuple[float, ...]]:
        found: dict[str, tuple[float, ...]] = {}
        for start in range(0, len(ids), self.limits.ids_per_fetch):
            some = list(ids[start : start + self.limits.ids_per_fetch])
            with self._asking("read vectors by id"):
                answer = self._index.fetch(ids=some, namespace=self._namespace)
            # Every record has to have a vector; that of a row without one is made up.
            own = {id: one for id, one in answer.vectors.items() if (one.metadata or {}).get("v")}
            found.update((id, tuple(map(float, one.values or ()))) for id, one in own.items())
        return found

    def _fetch(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(ids), self.limits.ids_per_fetch):
            some = list(ids[start : start + self.limits.ids_per_fetch])
            answer = self._index.fetch(ids=some, namespace=self._namespace)
            found.update((id, dict(one.metadata or {})) for id, one in answer.vectors.items())
        return found

    def delete(self, ids: Sequence[str]) -> None:
        if ids:
            with self._asking("delete"):
                self._index.delete(ids=list(ids), namespace=self._namespace)
                # The SDK does not tell the number of a delete; the next write's is higher.
                self._write([self._record(_CLOCK, {"k": _CLOCK})])

    def touch(self, touches: Sequence[Touch]) -> None:
        alike: dict[int, list[Touch]] = defaultdict(list)
        for touch in touches:
            alike[touch.expires_at].append(touch)
        committed = None
        for expires_at, group in alike.items():
            # A filter, not ids: those that are gone or were written anew must stay as they are.
            same = {
                "k": {"$eq": "item"},
                "p": {"$in": [touch.id for touch in group]},
                "h": {"$in": [touch.head for touch in group]},
            }
            with self._asking("refresh"):
                answer = self._index.update(
                    filter=all_of(same), set_metadata={"e": expires_at}, namespace=self._namespace
                )
            committed = answer.response_info.lsn_committed if answer.response_info else None
        if committed is not None:
            with self._asking("refresh"):
                self._settle(committed)

    def scan(self, where: Where, limit: int, cursor: Any = None, skip: int = 0) -> Page:
        with self._asking("scan"):
            found = self._index.fetch_by_metadata(
                filter=to_filter(where), namespace=self._namespace, limit=limit,
                pagination_token=cursor,
            )  # fmt: skip
        rows = [to_row(id, dict(one.metadata or {})) for id, one in found.vectors.items()]
        return Page(rows, (found.pagination.next if found.pagination else None) or None)

    def query(self, vector: Sequence[float], where: Where, limit: int) -> list[Hit]:
        chosen = to_filter(where, {"v": {"$eq": True}})
        with self._asking("search"):
            return self._nearest(list(vector), chosen, limit)

    def _nearest(self, vector: list[float], chosen: dict[str, Any], limit: int) -> list[Hit]:
        whole = limit <= _WITH_METADATA
        found = self._index.query(
            vector=vector, top_k=limit, namespace=self._namespace, filter=chosen,
            include_metadata=whole,
        )  # fmt: skip
        hits = [(m.id, max(-1.0, min(1.0, m.score)), m.metadata) for m in found.matches]
        metadata = (
            {id: dict(meta or {}) for id, _, meta in hits}
            if whole
            else self._fetch([id for id, _, _ in hits])
        )
        return [Hit(to_row(id, metadata[id]), score) for id, score, _ in hits if id in metadata]

    def namespaces(self, where: Where) -> list[str]:
        raise NotImplementedError  # the store keeps rows for them


_HINTS = {
    401: "check the API key",
    403: "check what the API key may do, and the limits of your plan",
    404: "the index was removed while the store was open; open it again",
    429: "the plan's rate limit is reached; try again later",
}


def _hint(error: Exception) -> str:
    status = getattr(error, "status_code", None) or 0
    return _HINTS.get(status, "see whether the service is reachable, then try again")


class PineconeStore(VectorStore):
    """
    A LangGraph store in a namespace of a Pinecone index.

    >>> with PineconeStore.from_index("memories", api_key=key, index={...}) as store: ...

    The index is made if it is not there, with the dimensions of the index configuration.  A value
    with its index fields has at most 40 KB (40,960 bytes of metadata a record, Pinecone's own limit), else
    ``LimitExceededError`` is raised.  Every write waits until searches see it.
    """

    @classmethod
    def from_index(
        cls,
        name: str,
        *,
        api_key: str | None = None,
        host: str | None = None,
        namespace: str = "",
        deployment: Mapping[str, Any] | None = None,
        visible_within: float = 60.0,
        timeout: float = 30.0,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> PineconeStore:
        """
        A store in the index of this name; nothing is connected before ``setup`` or the first use.

        ``host`` is the control plane's, for an emulator.  ``deployment`` says where an index is made.
        ``timeout`` is in seconds, for each request; ``visible_within`` seconds after an acknowledged write
        ``EngineError`` is raised if searches do not see it.
        """

        def open_client() -> Pinecone:
            return connect(api_key, host, timeout)

        driver = PineconeDriver(
            open_client, name, namespace, deployment=deployment, visible_within=visible_within,
            secret=api_key,
        )  # fmt: skip
        collection = f"{name}/{namespace}" if namespace else name
        return cls(driver, collection=collection, index=index, ttl=ttl)
