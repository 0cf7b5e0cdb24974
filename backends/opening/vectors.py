"""
``qdrant:``, ``qdrant+edge:``, ``chroma:``, ``weaviate:`` and ``pinecone:``: the stores of this package.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store_conformance.backends.base import BackendError, EngineUnavailableError
from store_conformance.backends.opening.address import Address, Host, host_of, path_of
from store_conformance.backends.opening.managed import Managed, managed
from store_conformance.backends.opening.names import named
from store_conformance.backends.opening.settings import TTL, Setting, as_it_is, read, ttl_of
from store_conformance.backends.vector.errors import EngineError
from store_conformance.backends.vector.store import VectorStore

COLLECTION = Setting("collection", None, "two applications in one collection")
TLS = Setting(
    "tls",
    "auto",
    "the key and the memories in the clear; auto: on unless the host is this machine",
    ("auto", "on", "off"),
)
TIMEOUT = Setting("timeout", 30, "a request that never ends, in seconds", least=1, most=3600)
SETUP = Setting("setup", True, "off for a collection that must be there already")
FLUSH = Setting(
    "flush", True, "a power loss, which takes whatever was not flushed; off: writes are quicker"
)
EDGE = (COLLECTION, SETUP, FLUSH, *TTL)
SERVED = (COLLECTION, TLS, TIMEOUT, SETUP, *TTL)
WEAVIATE = (*SERVED, Setting("grpc", None, "a gRPC side at another host or port than 50051"))
PINECONE = (
    Setting("namespace", None, "two applications in one index"),
    Setting("host", None, "another control plane than Pinecone's, such as an emulator"),
    Setting("cloud", "aws", "an index made in a cloud far away"),
    Setting("region", "us-east-1", "an index made in a region far away"),
    TIMEOUT,
    SETUP,
    *TTL,
)

Make = Callable[[Address, Mapping[str, Any], Any, Any], VectorStore]


@dataclass(frozen=True)
class VectorScheme:
    """How the stores of one scheme are made, and by what settings."""

    engine: str
    example: str
    settings: tuple[Setting, ...]
    module: str
    """What has to be installed, as it is imported."""
    extra: str
    make: Make

    @contextmanager
    def open_sync(self, address: Address, index: Any, ttl: Any) -> Iterator[Any]:
        values = read(self.engine, self.settings, address.parameters)
        values = as_it_is(values, reading=address.reading)
        self._installed()
        try:
            store: Any = self.make(address, values, index, ttl_of(values, ttl))
        except ValueError as error:
            raise BackendError(self.engine, str(error), f"write {self.example}") from None
        try:
            with self._reached():
                if not values["setup"] and not self.is_there(store, values):
                    raise BackendError(
                        self.engine,
                        f"there is no collection {store.collection}.",
                        "check collection= in the URL",
                    )
                store.setup()
            if store.ttl_config is not None:
                store.start_ttl_sweeper()
            yield store
        finally:
            # The store's own: ``Managed.close`` ends this very opening.
            super(Managed, store).close()  # type: ignore[misc]

    @asynccontextmanager
    async def open_async(self, address: Address, index: Any, ttl: Any) -> AsyncIterator[Any]:
        opened = self.open_sync(address, index, ttl)
        store = await asyncio.to_thread(opened.__enter__)
        try:
            yield store
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """An engine that does not answer is no fault of the store: a ``UserError``, as everywhere."""
        try:
            yield
        except EngineError as error:
            raise EngineUnavailableError(self.engine, f"{error.what}.", error.hint) from error

    def is_there(self, store: Any, values: Mapping[str, Any]) -> bool:
        """Whether the collection was made already; makes none."""
        driver = store._driver
        if isinstance(getattr(driver, "_folder", None), Path):
            return any(driver._folder.glob("*"))
        name = values.get("namespace") or store.collection
        return bool(driver.holds(name))

    def _installed(self) -> None:
        from importlib.util import find_spec

        if find_spec(self.module) is None:
            raise EngineUnavailableError(
                self.engine,
                f"the package of {self.module} is not installed.",
                f"pip install 'langgraph-store-conformance[{self.extra}]'",
            )


def _tls(host: Host, values: Mapping[str, Any]) -> bool:
    return values["tls"] == "on" or (values["tls"] == "auto" and not host.local)


def _qdrant(address: Address, values: Mapping[str, Any], index: Any, ttl: Any) -> VectorStore:
    from store_conformance.backends.vector.qdrant import QdrantStore

    more = {**named("qdrant", values), "index": index, "ttl": ttl}
    if address.rest.startswith("///"):
        path = path_of("qdrant", address, example="qdrant:///folder")
        return managed(QdrantStore).from_path(str(path), **more)  # type: ignore[no-any-return]
    host = host_of("qdrant", address, example="qdrant://HOST:6333")
    url = host.url(tls=_tls(host, values), port=6333)
    key = host.key or os.environ.get("QDRANT_API_KEY")
    return managed(QdrantStore).from_url(  # type: ignore[no-any-return]
        url, api_key=key, timeout=values["timeout"], **more
    )


def _edge(address: Address, values: Mapping[str, Any], index: Any, ttl: Any) -> VectorStore:
    from store_conformance.backends.vector.qdrant_edge import QdrantEdgeStore

    path = path_of("qdrant edge", address, example="qdrant+edge:///folder")
    more = {
        **named("qdrant edge", values),
        "index": index,
        "ttl": ttl,
        "flush_writes": values["flush"],
    }
    return managed(QdrantEdgeStore).from_path(str(path), **more)  # type: ignore[no-any-return]


def _chroma(address: Address, values: Mapping[str, Any], index: Any, ttl: Any) -> VectorStore:
    from store_conformance.backends.vector.chroma import ChromaStore

    more = {**named("chroma", values), "index": index, "ttl": ttl}
    if address.rest.startswith("///"):
        path = path_of("chroma", address, example="chroma:///folder")
        return managed(ChromaStore).from_path(str(path), **more)  # type: ignore[no-any-return]
    host = host_of("chroma", address, example="chroma://HOST:8000")
    key = host.key or os.environ.get("CHROMA_API_KEY")
    headers = {"x-chroma-token": key} if key else None
    url = host.url(tls=_tls(host, values), port=8000)
    return managed(ChromaStore).from_url(  # type: ignore[no-any-return]
        url, headers=headers, timeout=values["timeout"], **more
    )


def _weaviate(address: Address, values: Mapping[str, Any], index: Any, ttl: Any) -> VectorStore:
    from store_conformance.backends.vector.weaviate import WeaviateStore

    host = host_of("weaviate", address, example="weaviate://HOST:8080")
    tls = _tls(host, values)
    return managed(WeaviateStore).from_url(  # type: ignore[no-any-return]
        host.url(tls=tls, port=443 if tls else 8080),
        grpc=values["grpc"],
        api_key=host.key or os.environ.get("WEAVIATE_API_KEY"),
        timeout=values["timeout"],
        index=index,
        ttl=ttl,
        **({} if values["collection"] is None else {"collection": values["collection"]}),
    )


def pinecone_index(address: Address) -> tuple[str, str]:
    """The index that the URL names, and the key of the environment; raises ``BackendError`` without either."""
    name = address.rest.removeprefix("//").strip("/")
    if not name or "@" in name or "/" in name:
        raise BackendError("pinecone", "the URL names no index.", "write pinecone://INDEX")
    key = os.environ.get("PINECONE_API_KEY")
    if not key:
        raise BackendError(
            "pinecone", "PINECONE_API_KEY is not set.", "set it in the environment or in .env"
        )
    return name, key


def _pinecone(address: Address, values: Mapping[str, Any], index: Any, ttl: Any) -> VectorStore:
    from store_conformance.backends.vector.pinecone import DEPLOYMENT, PineconeStore

    name, key = pinecone_index(address)
    return managed(PineconeStore).from_index(  # type: ignore[no-any-return]
        name,
        api_key=key,
        host=values["host"],
        namespace=values["namespace"] or "",
        deployment={**DEPLOYMENT, "cloud": values["cloud"], "region": values["region"]},
        timeout=float(values["timeout"]),
        index=index,
        ttl=ttl,
    )


SCHEMES: Mapping[str, VectorScheme] = {
    "qdrant": VectorScheme(
        "qdrant", "qdrant://HOST:6333", SERVED, "qdrant_client", "qdrant", _qdrant
    ),
    "qdrant+edge": VectorScheme(
        "qdrant edge",
        "qdrant+edge:///folder",
        EDGE,
        "qdrant_edge",
        "qdrant-edge",
        _edge,
    ),
    "chroma": VectorScheme("chroma", "chroma://HOST:8000", SERVED, "chromadb", "chroma", _chroma),
    "weaviate": VectorScheme(
        "weaviate", "weaviate://HOST:8080", WEAVIATE, "weaviate", "weaviate", _weaviate
    ),
    "pinecone": VectorScheme(
        "pinecone", "pinecone://INDEX", PINECONE, "pinecone", "pinecone", _pinecone
    ),
}
