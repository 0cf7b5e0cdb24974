"""
Weaviate: one collection of a server; searches and batches over gRPC, the rest over REST.

One object is one row (``weaviate_rows``).  An offset reaches 10,000 objects only, so a longer scan goes
through slices of the ids, each short enough.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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
from store_conformance.backends.vector.errors import Asking, EngineError
from store_conformance.backends.vector.rest import Rest
from store_conformance.backends.vector.store import VectorStore
from store_conformance.backends.vector.versions import require
from store_conformance.backends.vector.weaviate_objects import Objects, rest_of
from store_conformance.backends.vector.weaviate_repair import (
    give_back_last,
    update,
    vectors_by_id,
)
from store_conformance.backends.vector.weaviate_rows import FIELDS, sliced, to_filter, to_row
from store_conformance.backends.vector.weaviate_schema import create, description, known_dims
from store_conformance.contract.secrets import one_line

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig
    from weaviate import WeaviateClient
    from weaviate.collections import Collection

_LOG = logging.getLogger(__name__)
OLDEST_SERVER = (1, 27)
"""The first whose range index and batch deletes are what is used here."""

_REACH = 10_000
"""QUERY_MAXIMUM_RESULTS as it comes: how far limit and offset may go."""
_USABLE_SECONDS = 10.0
_SLICE = 2_500
_UNREACHABLE = re.compile("UNAVAILABLE|(?i:refused|failed to connect|health check)")
_NAME = re.compile(r"[A-Za-z][0-9A-Za-z_]*")


class WeaviateDriver:
    """Rows as objects, with one vector at most, kept under the row's own id."""

    engine = "Weaviate"
    limits = Limits(
        rows_per_write=1000,
        bytes_per_write=16_000_000,
        bytes_per_row=64_000_000,  # the server takes messages of 100 MB
        ids_per_fetch=1000,
        rows_per_page=1000,
        rows_per_query=_REACH,
    )
    abilities = Abilities(offset=True, zero_vectors=False, pushes=frozenset({HasToken, NumberIn}))

    def __init__(
        self,
        connect: Callable[[], WeaviateClient],
        collection: str,
        *,
        rest: Rest | None = None,
        secret: str | None = None,
    ) -> None:
        if not _NAME.fullmatch(collection):
            raise ValueError(
                f"a Weaviate collection is named with letters, digits and _, not {collection!r}."
            )
        self._connect = connect
        # The server would write the first letter so anyway, and find either spelling.
        self._name = collection[0].upper() + collection[1:]
        self._errors = Asking(self.engine, _hint, (secret,))
        self._lock = threading.Lock()
        self._made: WeaviateClient | None = None
        self._objects = Objects(self._name, rest)
        self._dims: int | None = None
        self._lost = False
        """Whether the server may have been killed since the last rows were looked at."""
        self._repairing = threading.Lock()

    @property
    def _client(self) -> WeaviateClient:
        with self._lock:
            if self._made is None:
                self._made = self._connect()
            return self._made

    @property
    def _collection(self) -> Collection[Any, Any]:
        collection = self._client.collections.use(self._name)
        self._objects.settle(collection)
        if self._lost:
            self._give_back_last()
        return collection

    def _give_back_last(self) -> None:
        """What others left that died with the server; a store that may not do that works all the same."""
        if self._dims is None or not self._repairing.acquire(blocking=False):
            return
        try:
            self._lost = False
            give_back_last(self._client, self._name, self._dims)
        except Exception as error:
            if _UNREACHABLE.search(str(error)):
                self._lost = True
                raise
            _LOG.warning(
                "rows of %s may be missing in searches by meaning, and could not be looked for: %s",
                self._name,
                one_line(error, self._errors.secrets),
            )
        finally:
            self._repairing.release()

    def close(self) -> None:
        """
        Also what is done when the server could not be reached; the next call connects anew.

        A gRPC channel that found nobody waits longer and longer before it tries again, and new ones to
        the same place wait with it for as long as it lives.
        """
        with self._lock:
            made, self._made = self._made, None
            self._objects.close()
            if made is not None:
                with suppress(Exception):  # there is nobody left to tell
                    made.close()

    # Schema

    def holds(self, name: str) -> bool:
        """Whether there is a collection of this name; makes nothing."""
        with self._asking("look for a collection"):
            return bool(self._client.collections.exists(name[0].upper() + name[1:]))

    def ensure_schema(self, dims: int | None) -> int | None:
        with self._asking("open the collection"):
            require(self.engine, str(self._client.get_meta().get("version", "")), OLDEST_SERVER)
            there = self._client.collections.exists(self._name)
            if not there:
                create(self._client, self._name, dims)
            described = self._collection.config.get(simple=True).description
            known = known_dims(self.engine, self._name, described)
            self._wait_until_usable()
            if known is None and dims is not None:
                # Vectors need no schema, only their size has to be remembered.
                self._collection.config.update(description=description(dims))
                known = dims
            self._dims = known
            if there:
                self._give_back_last()
            return known

    def _wait_until_usable(self) -> None:
        """A collection just made by another process is in the schema before it can be read."""

        def usable() -> bool:
            try:
                self._page(to_filter(Where()), 1, 0)
            except Exception as error:
                if "non-existing index" not in str(error):
                    raise
                return False
            return True

        if not wait_until(usable, _USABLE_SECONDS, pause=0.02):
            raise EngineError(
                self.engine,
                f"collection {self._name!r} is in the schema and cannot be read",
                "see the server's log",
            )

    # Rows

    def upsert(self, records: Sequence[Record], heads: Mapping[str, Head]) -> None:
        if records:
            with self._asking("write"):
                self._objects.write(self._collection, records, heads)

    def heads(self, ids: Sequence[str]) -> dict[str, Head]:
        found = self._by_id(ids, ["head", "expires"])
        return {id: Head(p["head"], int(p["expires"])) for id, p in found}

    def fetch(self, ids: Sequence[str]) -> dict[str, StoredRow]:
        return {id: to_row(id, properties) for id, properties in self._by_id(ids, FIELDS)}

    def _by_id(self, ids: Sequence[str], fields: list[str]) -> list[tuple[str, dict[str, Any]]]:
        if not ids:
            return []
        with self._asking("read by id"):
            if self._objects.direct and len(ids) == 1:
                one = self._objects.get(ids[0])
                return [] if one is None else [(ids[0], one)]
            found = self._collection.query.fetch_objects_by_ids(
                ids, limit=len(ids), return_properties=fields
            )
        return [(str(one.uuid), dict(one.properties)) for one in found.objects]

    def vectors(self, ids: Sequence[str]) -> dict[str, tuple[float, ...]]:
        if not ids:
            return {}
        with self._asking("read vectors by id"):
            found = vectors_by_id(self._collection, ids)
        return {id: tuple(vector) for id, vector in found.items()}

    def delete(self, ids: Sequence[str]) -> None:
        from weaviate.classes.query import Filter

        if not ids:
            return
        with self._asking("delete"):
            answer = self._collection.data.delete_many(where=Filter.by_id().contains_any(list(ids)))
        if answer.failed:
            raise EngineError(
                self.engine, f"could not delete {answer.failed} of {len(ids)} rows", "try again"
            )

    def touch(self, touches: Sequence[Touch]) -> None:
        # There is no conditional update; what was written anew is left out as far as one can see.
        heads = self.heads([touch.id for touch in touches])
        for touch in touches:
            head = heads.get(touch.id)
            if head is None or head.head != touch.head or head.expires_at == touch.expires_at:
                continue
            with self._asking("refresh"):
                update(self._collection, touch.id, properties={"expires": touch.expires_at})

    def scan(self, where: Where, limit: int, cursor: Any = None, skip: int = 0) -> Page:
        chosen = to_filter(where)
        with self._asking("scan"):
            slices, number, offset = cursor or (self._slices(chosen), 0, 0)
            if cursor is None:
                slices, number, offset = self._skipped(chosen, slices, skip)
            rows: list[StoredRow] = []
            while len(rows) < limit and number < slices:
                page = self._page(sliced(chosen, slices, number), limit - len(rows), offset)
                if len(page) < limit - len(rows):
                    number, offset = number + 1, 0
                else:
                    offset += len(page)
                rows += page
        return Page(rows, (slices, number, offset) if number < slices else None)

    def _slices(self, chosen: Any) -> int:
        """In how many parts to read: one as long as an offset reaches the end."""
        count = self._count(chosen)
        return 1 if count <= _REACH - self.limits.rows_per_page else -(-count // _SLICE)

    def _skipped(self, chosen: Any, slices: int, skip: int) -> tuple[int, int, int]:
        number = 0
        while slices > 1 and number < slices:
            held = self._count(sliced(chosen, slices, number))
            if skip < held:
                break
            number, skip = number + 1, skip - held
        beyond = slices == 1 and skip > _REACH - self.limits.rows_per_page
        return slices, number + beyond, skip

    def _count(self, chosen: Any) -> int:
        return (
            self._collection.aggregate.over_all(total_count=True, filters=chosen).total_count or 0
        )

    def _page(self, chosen: Any, limit: int, offset: int) -> list[StoredRow]:
        found = self._collection.query.fetch_objects(
            filters=chosen, limit=limit, offset=offset, return_properties=FIELDS
        )
        return [to_row(str(one.uuid), dict(one.properties)) for one in found.objects]

    def query(self, vector: Sequence[float], where: Where, limit: int) -> list[Hit]:
        # Only ranked kinds have vectors, so beside a prefix the kind need not be asked for.  Alone it
        # must be: with a filter the server looks at each of up to 40,000 rows, without it at some.
        chosen = to_filter(replace(where, kinds=frozenset()) if where.prefix else where)
        with self._asking("search"):
            return self._nearest(list(vector), chosen, limit)

    def _nearest(self, vector: list[float], chosen: Any, limit: int) -> list[Hit]:
        from weaviate.classes.query import MetadataQuery

        found = self._collection.query.near_vector(
            vector, limit=limit, filters=chosen, return_properties=FIELDS,
            return_metadata=MetadataQuery(distance=True),
        )  # fmt: skip
        return [
            Hit(
                to_row(str(one.uuid), dict(one.properties)),
                max(-1.0, min(1.0, 1.0 - (one.metadata.distance or 0.0))),
            )
            for one in found.objects
        ]

    def namespaces(self, where: Where) -> list[str]:
        raise NotImplementedError  # the store keeps rows for them

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """The client's errors as ours, and a new connection after one that was lost."""
        with self._errors(what):
            try:
                yield
            except Exception as error:
                self._lost = self._lost or not hasattr(error, "status_code")
                if _UNREACHABLE.search(str(error)):
                    self.close()
                raise


def _hint(error: Exception) -> str:
    said = str(error)
    refused = getattr(error, "status_code", None) in (401, 403)
    if refused or re.search("(?i)unauthenticated|unauthorized|401", said):
        return "check the API key"
    if "could not find class" in said:
        return "the collection was removed while the store was open; open it again"
    return "see whether the server runs and is reachable, then try again"


class WeaviateStore(VectorStore):
    """
    A LangGraph store in a Weaviate collection.

    >>> with WeaviateStore.from_url("http://127.0.0.1:8080", index={...}) as store: ...

    Searches whose prefix and filter leave at most 40,000 vectors are exact; beyond that the server
    finds approximate neighbours.  Limit and offset of a semantic search reach 10,000 items together, which is
    the server's QUERY_MAXIMUM_RESULTS; beyond it ``LimitExceededError`` is raised.
    """

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        grpc: str | None = None,
        api_key: str | None = None,
        collection: str = "LangGraphStore",
        timeout: int = 60,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> WeaviateStore:
        """
        A store on a server; nothing is connected before ``setup`` or the first operation.

        ``grpc`` is ``host:port`` of the gRPC side, the URL's host and port 50051 if not given.
        ``timeout`` is in seconds, for each request.  Raises ``ValueError`` for a collection's name that
        Weaviate would not take.
        """

        def open_client() -> WeaviateClient:
            return connect(url, grpc, api_key, timeout)

        rest = rest_of(url, api_key, timeout)
        driver = WeaviateDriver(open_client, collection, rest=rest, secret=api_key)
        return cls(driver, collection=collection, index=index, ttl=ttl)


def connect(
    url: str, grpc: str | None = None, api_key: str | None = None, timeout: int = 60
) -> WeaviateClient:
    """A client that has reached both sides of the server."""
    import weaviate
    from weaviate.classes.init import AdditionalConfig, Auth, Timeout

    parts = urlsplit(url if "://" in url else f"http://{url}")
    secure = parts.scheme == "https"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a Weaviate URL is http://HOST:PORT or https://HOST:PORT.")
    host, _, port = (grpc or "").rpartition(":")
    return weaviate.connect_to_custom(
        http_host=parts.hostname,
        http_port=parts.port or (443 if secure else 80),
        http_secure=secure,
        grpc_host=host or parts.hostname,
        grpc_port=int(port) if port else (443 if secure else 50051),
        grpc_secure=secure,
        auth_credentials=Auth.api_key(api_key) if api_key else None,
        additional_config=AdditionalConfig(timeout=Timeout(init=10, query=timeout, insert=timeout)),
    )
