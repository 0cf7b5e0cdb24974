"""
``PineconeStore``: the service with ``PINECONE_API_KEY``, else an emulator of its API.

What runs on the emulator is no evidence about Pinecone, and its deployment says ``emulated``.
"""

from __future__ import annotations

import contextlib
import secrets
import uuid
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, ClassVar

from store_conformance.backends.base import (
    Availability,
    BackendError,
    Deployment,
    EngineUnavailableError,
    Facts,
    Mode,
    Snippet,
    Spec,
)
from store_conformance.backends.engines.pinecone_emulator import PineconeEmulator
from store_conformance.backends.environment import setting
from store_conformance.backends.packages import megabytes, versions
from store_conformance.backends.vector.backend import VectorBackend
from store_conformance.backends.vector.errors import VectorStoreError
from store_conformance.backends.vector.pinecone import METADATA_BYTES, PineconeStore
from store_conformance.backends.vector.pinecone_indexes import connect, drop, indexes_of
from store_conformance.backends.vector.placing import PREFIX
from store_conformance.backends.vector.store import VectorStore
from store_conformance.contract import Location

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig
    from pinecone import Pinecone

SERVICE = "https://api.pinecone.io"
INDEX_VARIABLE = "PINECONE_INDEX"
DELAY = "visibility_delay"
_PACKAGES = ("pinecone",)


class PineconeBackend(VectorBackend):
    """
    A location is a namespace of one index; on the emulator, where indexes cost nothing, an index.

    The index is the one that ``PINECONE_INDEX`` names, or made and removed by the run.
    """

    name: ClassVar[str] = "pinecone"
    MODULE = "pinecone"
    GET_CLIENT = "pip install pinecone"
    GET_SERVER = "set PINECONE_API_KEY"
    URL_VARIABLE = "PINECONE_CONTROLLER_HOST"
    KEY_VARIABLE = "PINECONE_API_KEY"
    DEPLOYMENTS: ClassVar[tuple[Deployment, ...]] = (Deployment.URL, Deployment.EMULATED)
    OPTIONS: ClassVar = {DELAY: "seconds until the emulator shows a write"}

    def __init__(
        self,
        *,
        deployment: Deployment | None = None,
        url: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        if url is None and deployment in (None, Deployment.URL):
            url = setting(self.URL_VARIABLE) or (SERVICE if setting(self.KEY_VARIABLE) else None)
        super().__init__(deployment=deployment, url=url)
        self._options = dict(options or {})
        self._delay = _seconds(self._options.get(DELAY, "0"))
        self._given_index = setting(INDEX_VARIABLE) if self._url else None
        self._index = self._given_index or f"{PREFIX}-{uuid.uuid4().hex[:8]}"
        self._made_index = False

    def availability(self) -> Availability:
        if self.deployment is Deployment.URL and not self._key:
            return self._not("there is no API key", "set PINECONE_API_KEY")
        return super().availability()

    def describe(self) -> str:
        version = metadata.version("pinecone")
        return f"an emulator of its API (no evidence about the service) with pinecone {version}"

    def start(self) -> None:
        if self.deployment is Deployment.EMULATED and self._url is None:
            available = self.availability()
            if not available.ok:
                raise EngineUnavailableError(
                    self.name, f"{available.detail}.", available.how_to_get
                )
            self._key = secrets.token_urlsafe(18)
            folder = self.root / "server"
            self._server = PineconeEmulator(folder, api_key=self._key, delay=self._delay)
            self._server.start()
            self._url = self._server.url
        fresh = self._version is None
        super().start()
        if fresh and self.deployment is Deployment.URL and self._given_index is None:
            # Without vectors: every location moves on to an index of the size that it needs.
            self._made_index = True
            try:
                with PineconeStore.from_index(self._index, api_key=self.key, host=self.url):
                    pass
            except VectorStoreError as error:
                self.stop()
                raise BackendError(self.name, str(error)) from error

    def tidy(self) -> None:
        if self._made_index:
            self._made_index = False
            self._named.clear()
            # The service may be out of reach.
            with contextlib.suppress(Exception), self._client() as client:
                drop(client, self._index)
        super().tidy()

    def private(self) -> PineconeBackend | None:
        if self.deployment is not Deployment.EMULATED:
            return None
        return PineconeBackend(deployment=self.deployment, options=self._options)

    def _client(self) -> Pinecone:
        return connect(self.key, self.url)

    def drop(self, name: str) -> None:
        with self._client() as client:
            if self.deployment is Deployment.EMULATED:
                drop(client, name)
                return
            for each in indexes_of(client, self._index):
                # It may have nothing there.
                with contextlib.suppress(Exception), client.index(name=each) as index:
                    index.delete_namespace(name=name)

    def engine_version(self) -> str:
        with self._client() as client:
            list(client.indexes.list())  # it asks when the first is wanted
        version = metadata.version("pinecone")
        if self.deployment is Deployment.EMULATED:
            return f"emulator of Pinecone's API (not Pinecone), driven by pinecone {version}"
        return f"Pinecone, driven by pinecone {version}"

    def store(self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None) -> VectorStore:
        name, namespace = self._place(at)
        return PineconeStore.from_index(
            name,
            api_key=self.key,
            host=self.url,
            namespace=namespace,
            index=index,
            ttl=ttl,
        )

    def snippet(self, at: Location, mode: Mode) -> Snippet:
        name, namespace = self._place(at)
        return Snippet(
            ("import os", "from store_conformance.backends.vector.pinecone import PineconeStore"),
            f'PineconeStore.from_index("{name}", api_key=os.environ["{self.KEY_VARIABLE}"], '
            f'host=os.environ["{self.URL_VARIABLE}"], namespace="{namespace}"{{args}})',
            awaits=mode == Mode.ASYNC,
            environment={self.KEY_VARIABLE: str(self.key), self.URL_VARIABLE: str(self.url)},
        )

    def _place(self, at: Location) -> tuple[str, str]:
        """Index and namespace of a location."""
        return (at.name, "") if self.deployment is Deployment.EMULATED else (self._index, at.name)

    def spec(self) -> Spec:
        return super().spec().with_details(index=self._index, options=self._options)

    def attach(self, spec: Spec) -> None:
        super().attach(spec)
        self._index = spec.text("index") or self._index

    def facts(self) -> Facts:
        hosted = self.deployment is Deployment.URL
        steps = (
            ("an account and an API key",) if hosted else ("nothing: the run starts the emulator",)
        )
        return Facts(
            store="store_conformance.backends.vector.pinecone.PineconeStore",
            packages=versions(_PACKAGES),
            engine=self.engine_version(),
            licence="MIT; the SDK: Apache-2.0; the service: proprietary",
            services=0 if hosted else 1,
            setup_steps=(self.GET_CLIENT, *steps),
            install_megabytes=megabytes(_PACKAGES),
            hosted=hosted,
            settings={
                "writes": "waited for until searches see them (log sequence numbers)",
                "vectors": "cosine",
                **({} if hosted else {DELAY: self._delay}),
            },
            limits={
                "item with its index fields": f"{METADATA_BYTES:,} bytes",
                "offset + limit of a semantic search": "10,000",
            },
        )


def _seconds(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 60:
        raise BackendError("pinecone", f"{DELAY} is 0 to 60 seconds, not {given!r}.")
    return seconds


BACKEND = PineconeBackend
