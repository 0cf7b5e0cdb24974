"""
Chroma: a server, or its embedded form in a folder.

One record is one row.  Chroma wants a vector for every record, so a row without one gets a made-up
one, is marked, and is left out of every search.  Its upsert merges metadata into what was there, so
names that a row no longer has are set to None.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from store_conformance.backends.vector.chroma_rows import (
    cosines,
    has_vector,
    made_up,
    score,
    to_filter,
    to_metadata,
    to_rows,
)
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
from store_conformance.backends.vector.store import VectorStore
from store_conformance.backends.vector.versions import require
from store_conformance.contract.secrets import redact_text

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection
    from langgraph.store.base import IndexConfig, TTLConfig

MADE_BY = "langgraph-vector-store"
LAYOUT = 2
UNRANKED_DIMS = 8
"""The size of the made-up vectors of a collection without an index."""

OLDEST_SERVER = (1, 0)
"""The first with the API used here; servers tell the API's version, not their own."""

_HNSW = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
_ROWS = ["metadatas", "documents"]
_COPIED_AT_ONCE = 500
_HALF_WRITTEN = "Error finding id"
_TRIES = 6
_FEW = 200
_MANY = 20_000
"""
From so many rows on, what a prefix leaves is compared one by one if it is few.

A filtered search of the index takes the longer the bigger the collection and the fewer rows pass: with
100,000 rows of which a hundred are let through, several times as long as reading those.
"""
_COUNTED_EVERY = 100
_KNOWN = 10_000
"""Prefixes remembered to have more."""


def _sessions(client: ClientAPI) -> list[Any]:
    """Its connections to a server, of which it has two sets: the second asks once whether there is such a tenant."""
    asking = (client, getattr(client, "_admin_client", None))
    found = [getattr(getattr(each, "_server", None), "_session", None) for each in asking]
    return [session for session in found if session is not None]


def close_client(client: ClientAPI) -> None:
    """Close a client and its connections, which its own ``close`` leaves open for as long as we live."""
    sessions = _sessions(client)
    with suppress(Exception):
        client.close()
    for session in sessions:
        session.close()


def _client_of_server(
    host: str, port: int, headers: Mapping[str, str], timeout: float, *, ssl: bool
) -> ClientAPI:
    """
    A client whose requests end: Chroma's own wait for ever, for a server that stands still too.

    The first of them are made before it can be told so, and go to a server that has just answered.
    """
    import chromadb
    from chromadb.config import Settings

    at = f"[{host}]" if ":" in host else host
    address = f"{'https' if ssl else 'http'}://{at}:{port}/api/v2/heartbeat"
    with suppress(HTTPError), urlopen(Request(address, headers=dict(headers)), timeout=timeout):
        pass
    client = chromadb.HttpClient(
        host=host,
        port=port,
        ssl=ssl,
        headers=dict(headers),
        settings=Settings(anonymized_telemetry=False),
    )
    for session in _sessions(client):
        session.timeout = timeout
    return client


class ChromaDriver:
    """Rows as records: body in the document, everything else in flat metadata."""

    engine = "Chroma"
    limits = Limits(
        rows_per_write=1000,
        bytes_per_write=12_000_000,
        bytes_per_row=36_000_000,  # the server refuses requests over 40 MiB
        ids_per_fetch=1000,
        rows_per_page=1000,
    )
    abilities = Abilities(
        offset=True, namespaces=False, pushes=frozenset({HasToken, LacksToken, NumberIn})
    )

    def __init__(
        self, connect: Callable[[], ClientAPI], collection: str, *, secrets: Sequence[str] = ()
    ) -> None:
        self._connect = connect
        self._name = collection
        self._asking = Asking(self.engine, _hint, tuple(secrets))
        self._lock = threading.Lock()
        self._client: ClientAPI | None = None
        self._opened: Collection | None = None
        self._dims = UNRANKED_DIMS
        self._crowded: set[str] = set()
        self._searches = self._rows = 0

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                close_client(self._client)
                self._client = self._opened = None

    # Schema

    def holds(self, name: str) -> bool:
        """Whether there is a collection of this name; makes nothing."""
        with self._asking("look for a collection"), self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._get(name) is not None

    def ensure_schema(self, dims: int | None) -> int | None:
        with self._asking("open the collection"), self._lock:
            if self._client is None:
                self._client = self._connect()
            if self._opened is None:
                require(self.engine, str(self._client.get_version()), OLDEST_SERVER)
            collection = self._get(self._name) or self._create(self._name, dims)
            existing = self._ours(collection)
            if existing == 0 and dims is not None:
                collection = self._with_vectors(collection, dims)
                existing = self._ours(collection)
            self._opened, self._dims = collection, existing or UNRANKED_DIMS
            return existing or None

    def _get(self, name: str) -> Collection | None:
        from chromadb.errors import NotFoundError

        assert self._client is not None
        try:
            return self._client.get_collection(name, embedding_function=None)
        except NotFoundError:
            return None

    def _create(self, name: str, dims: int | None) -> Collection:
        assert self._client is not None
        return self._client.create_collection(
            name,
            metadata={"made_by": MADE_BY, "layout": LAYOUT, "dims": dims or 0},
            configuration={"hnsw": _HNSW},
            embedding_function=None,
            get_or_create=True,  # another process may be doing the same
        )

    def _ours(self, collection: Collection) -> int:
        metadata = collection.metadata or {}
        if metadata.get("made_by") != MADE_BY:
            raise ForeignCollectionError(self.engine, self._name, "it lacks our marker")
        if metadata.get("layout") != LAYOUT:
            raise ForeignCollectionError(
                self.engine,
                self._name,
                f"its rows have layout {metadata.get('layout')}, not {LAYOUT}",
            )
        return int(metadata.get("dims", 0))

    def _with_vectors(self, old: Collection, dims: int) -> Collection:
        """
        The same rows in a collection that has room for vectors, under the same name.

        Chroma fixes the size of vectors for good, made-up ones too.  Broken off, it starts over; the
        old collection is removed last.
        """
        assert self._client is not None
        with suppress(Exception):
            self._client.delete_collection(f"{self._name}--new")
        new = self._create(f"{self._name}--new", dims)
        offset = 0
        while True:
            got = old.get(limit=_COPIED_AT_ONCE, offset=offset, include=_ROWS)
            if not got["ids"]:
                break
            vectors = [made_up(id, dims) for id in got["ids"]]
            new.upsert(got["ids"], vectors, got["metadatas"], got["documents"])
            offset += len(got["ids"])
        old.modify(name=f"{self._name}--old")
        new.modify(name=self._name)
        self._client.delete_collection(f"{self._name}--old")
        return new

    @property
    def _collection(self) -> Collection:
        if self._opened is None:
            raise EngineError(self.engine, "the store is closed", "open a new one")
        return self._opened

    # Rows

    def upsert(self, records: Sequence[Record], heads: Mapping[str, Head]) -> None:
        if not records:
            return
        vectors = [list(r.vector) if r.vector else made_up(r.id, self._dims) for r in records]
        with self._asking("write"):
            self._collection.upsert(
                ids=[record.id for record in records],
                embeddings=vectors,
                metadatas=[to_metadata(record, heads.get(record.id)) for record in records],
                documents=[record.body for record in records],
            )

    def heads(self, ids: Sequence[str]) -> dict[str, Head]:
        if not ids:
            return {}
        with self._asking("read by id"):
            got = self._collection.get(ids=list(ids), include=["metadatas"])
        found = zip(got["ids"], got["metadatas"] or [], strict=True)
        return {id: Head(str(m["head"]), int(m["expires"]), frozenset(m)) for id, m in found}

    def fetch(self, ids: Sequence[str]) -> dict[str, StoredRow]:
        if not ids:
            return {}
        with self._asking("read by id"):
            got = self._collection.get(ids=list(ids), include=_ROWS)
        return {row.id: row for row in to_rows(got)}

    def vectors(self, ids: Sequence[str]) -> dict[str, tuple[float, ...]]:
        if not ids:
            return {}
        with self._asking("read vectors by id"):
            got = self._collection.get(ids=list(ids), include=["metadatas", "embeddings"])
        every = () if got["embeddings"] is None else got["embeddings"]
        rows = zip(got["ids"], got["metadatas"] or [], every, strict=True)
        return {id: tuple(map(float, own)) for id, facts, own in rows if has_vector(facts)}

    def delete(self, ids: Sequence[str]) -> None:
        if ids:
            with self._asking("delete"):
                self._collection.delete(ids=list(ids))

    def touch(self, touches: Sequence[Touch]) -> None:
        if not touches:
            return
        heads = self.heads([touch.id for touch in touches])
        same = [t for t in touches if t.id in heads and heads[t.id].head == t.head]
        if same:
            with self._asking("refresh"):
                # An update of a record that is gone by now is ignored, it does not come back.
                self._collection.update(
                    ids=[touch.id for touch in same],
                    metadatas=[{"expires": touch.expires_at} for touch in same],
                )

    def scan(self, where: Where, limit: int, cursor: Any = None, skip: int = 0) -> Page:
        offset = skip if cursor is None else int(cursor)
        with self._asking("scan"):
            got = self._collection.get(
                where=to_filter(where), limit=limit, offset=offset, include=_ROWS
            )
        rows = to_rows(got)
        return Page(rows, offset + limit if len(rows) == limit else None)

    def query(self, vector: Sequence[float], where: Where, limit: int) -> list[Hit]:
        with self._asking("search"):
            for attempt in range(_TRIES):
                try:
                    return self._nearest(vector, where, limit)
                except Exception as error:
                    # A record that is being written is in one of the engine's parts and not in the other.
                    if _HALF_WRITTEN not in str(error) or attempt + 1 == _TRIES:
                        raise
                    time.sleep(0.01 * 2**attempt)
        raise AssertionError("the last try returns or raises")

    def _nearest(self, vector: Sequence[float], where: Where, limit: int) -> list[Hit]:
        ranked = to_filter(where, ranked=True)
        if where.prefix is not None and self._worth_looking(where.prefix):
            few = self._collection.get(where=ranked, limit=_FEW + 1, include=["embeddings"])
            if len(few["ids"]) <= _FEW:
                return self._nearest_of(vector, few["ids"], few["embeddings"], limit)
            self._crowd(where.prefix)
        got = self._collection.query(
            query_embeddings=[list(vector)],
            n_results=limit,
            where=ranked,
            include=[*_ROWS, "distances"],
        )
        rows = to_rows({name: (got.get(name) or [[]])[0] for name in ("ids", *_ROWS)})
        distances = (got["distances"] or [[]])[0]
        hits = [Hit(row, score(1.0 - d)) for row, d in zip(rows, distances, strict=True)]
        if len(hits) < limit:
            # The approximate index says that there is no more; whether it is so has to be seen.
            seen = {hit.row.id for hit in hits}
            ids = self._collection.get(where=ranked, include=[])["ids"]
            missing = [id for id in ids if id not in seen]
            if missing:
                got = self._collection.get(ids=missing, include=["embeddings"])
                hits += self._nearest_of(vector, got["ids"], got["embeddings"], limit)
        return sorted(hits, key=lambda hit: -hit.score)

    def _nearest_of(
        self, vector: Sequence[float], ids: Sequence[str], vectors: Any, limit: int
    ) -> list[Hit]:
        """The nearest of these, compared one by one."""
        scores = dict(zip(ids, cosines(vector, vectors), strict=True))
        nearest = sorted(ids, key=lambda id: (-scores[id], id))[:limit]
        rows = self.fetch(nearest)
        return [Hit(rows[id], scores[id]) for id in nearest if id in rows]

    def _worth_looking(self, prefix: str) -> bool:
        """The collection is big, and this prefix is not known to have many rows."""
        if self._searches % _COUNTED_EVERY == 0:
            self._rows = self._collection.count()
        self._searches += 1  # a lost one does not matter
        return self._rows >= _MANY and prefix not in self._crowded

    def _crowd(self, prefix: str) -> None:
        with self._lock:
            if len(self._crowded) >= _KNOWN:
                self._crowded.clear()
            self._crowded.add(prefix)

    def namespaces(self, where: Where) -> list[str]:
        raise NotImplementedError("Chroma cannot list the values of a field")


def _hint(error: Exception) -> str:
    """The client raises a plain ValueError where a server is not there."""
    said = str(error)
    if "Expected a name" in said or "collection name" in said.lower():
        return (
            "a collection's name has 3 to 512 characters of a-z, A-Z, 0-9, dot, underscore and hyphen, and begins and"
            " ends with a letter or digit"
        )
    if isinstance(error, TimeoutError) or "timed out" in said or "Timeout" in type(error).__name__:
        return "the server is busy or stands still; look at its log, then try again"
    if "does not exist" in said or "NotFound" in type(error).__name__:
        return "the collection was removed or rebuilt while the store was open; open it again"
    if any(sign in said.lower() for sign in ("unauthorized", "forbidden", "401", "403")):
        return "check the credentials"
    return "see whether the server runs and is reachable, then try again"


class ChromaStore(VectorStore):
    """
    A LangGraph store in a Chroma collection.

    >>> with ChromaStore.from_url("http://127.0.0.1:8000") as store: ...
    >>> with ChromaStore.from_path("memories", index={"dims": 384, "embed": embed}) as store: ...

    Neighbours are approximate.  A folder is for one process: a second one that has it open misses
    what the first writes, without an error; several processes need the server.  The server refuses
    requests over 40 MiB, so an item has at most 36 MB.
    """

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        collection: str = "langgraph_store",
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        timeout: float = 60,
    ) -> ChromaStore:
        """
        A store on a server; ``headers`` carry whatever a proxy in front of it asks for.

        ``timeout`` is in seconds, for each request.  Raises ``ValueError`` for a URL that is not one of HTTP.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"a Chroma URL looks like http://127.0.0.1:8000, got {redact_text(url)!r}."
            )
        ssl = parts.scheme == "https"

        port = parts.port or (443 if ssl else 8000)

        def connect() -> ClientAPI:
            host = str(parts.hostname)
            return _client_of_server(host, port, headers or {}, timeout, ssl=ssl)

        driver = ChromaDriver(connect, collection, secrets=tuple((headers or {}).values()))
        return cls(driver, collection=collection, index=index, ttl=ttl)

    @classmethod
    def from_path(
        cls,
        path: str,
        *,
        collection: str = "langgraph_store",
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> ChromaStore:
        """A store in a folder, without a server and for one process."""

        def connect() -> ClientAPI:
            import chromadb
            from chromadb.config import Settings

            return chromadb.PersistentClient(
                str(path), settings=Settings(anonymized_telemetry=False)
            )

        return cls(ChromaDriver(connect, collection), collection=collection, index=index, ttl=ttl)
