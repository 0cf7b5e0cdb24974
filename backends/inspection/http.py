"""
What the APIs of Qdrant, Chroma and Weaviate show; reads alone.
"""

from __future__ import annotations

import json
import os
import statistics
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from store_conformance.backends.base import EngineUnavailableError
from store_conformance.backends.inspection.gathering import Gathered
from store_conformance.backends.opening.address import Address, Host, host_of
from store_conformance.backends.opening.settings import read
from store_conformance.backends.opening.vectors import SCHEMES
from store_conformance.contract.secrets import one_line

SECONDS = 5.0
_PORTS = {"qdrant": 6333, "chroma": 8000, "weaviate": 8080}
_KEYS = {"qdrant": "QDRANT_API_KEY", "chroma": "CHROMA_API_KEY", "weaviate": "WEAVIATE_API_KEY"}
_LEAST = {"qdrant": "1.16", "chroma": "1.0", "weaviate": "1.27"}
_COLLECTIONS = {"weaviate": "LangGraphStore"}
_VERSIONS = {"qdrant": "/", "chroma": "/api/v2/version", "weaviate": "/v1/meta"}
_DATABASE = "/api/v2/tenants/default_tenant/databases/default_database"


class Api:
    """One server, asked with a key or without."""

    def __init__(self, engine: str, url: str, key: str | None) -> None:
        self._engine = engine
        self._url = url
        self._key = key

    def get(self, path: str, *, key: bool = True) -> Any:
        """The JSON of an answer; raises ``urllib.error.HTTPError`` and others."""
        request = urllib.request.Request(self._url + path)
        if key and self._key:
            for name, value in self._headers().items():
                request.add_header(name, value)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.loads(answer.read(5_000_000))

    def _headers(self) -> dict[str, str]:
        if self._engine == "qdrant":
            return {"api-key": str(self._key)}
        if self._engine == "chroma":
            return {"x-chroma-token": str(self._key)}
        return {"Authorization": f"Bearer {self._key}"}

    def is_open(self, path: str) -> bool:
        """Whether somebody without a key gets an answer."""
        try:
            self.get(path, key=False)
        except urllib.error.HTTPError as error:
            with error:  # it holds the connection
                if error.code in (401, 403):
                    return False
                raise
        return True


def inspect(address: Address, *, read_only: bool = False) -> Gathered:
    engine = address.scheme
    values = read(engine, SCHEMES[engine].settings, address.parameters)
    host = host_of(engine, address, example=SCHEMES[engine].example)
    tls = values["tls"] == "on" or (values["tls"] == "auto" and not host.local)
    port = 443 if engine == "weaviate" and tls else _PORTS[engine]
    url = host.url(tls=tls, port=port)
    key = host.key or os.environ.get(_KEYS[engine])
    seen = Gathered(engine, url)
    collection = values["collection"] or _COLLECTIONS.get(engine, "langgraph_store")
    api = Api(engine, url, key)
    _known(seen, engine, host, tls=tls, key=key, collection=collection)
    try:
        told = api.get(_VERSIONS[engine])
    except (OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        said = one_line(f"{type(error).__name__}: {error}", (key,))
        raise EngineUnavailableError(
            engine,
            f"{url} gives no answer: {said}.",
            "is the server running, and is the key right?",
        ) from None
    seen.facts["version"] = told if isinstance(told, str) else told["version"]
    seen.see("latency_ms", lambda: _latency(api, _VERSIONS[engine]))
    {"qdrant": _qdrant, "chroma": _chroma, "weaviate": _weaviate}[engine](seen, api, collection)
    return seen


def _known(
    seen: Gathered, engine: str, host: Host, *, tls: bool, key: str | None, collection: str
) -> None:
    seen.facts.update(
        local=host.local,
        tls=tls,
        password=key or "",
        collection=collection,
        least_version=_LEAST[engine],
    )


def _latency(api: Api, path: str) -> float:
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        api.get(path)
        times.append(time.perf_counter() - begun)
    return round(statistics.median(times) * 1000, 2)


def _found(api: Api, path: str) -> Any:
    """The answer, or ``None`` where there is no such thing."""
    try:
        return api.get(path)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (400, 404):
                return None
            raise


def _collection(seen: Gathered, api: Api, path: str) -> Any:
    """
    What the server tells of the store's collection, and whether there is one; ``None`` where there is none.

    Raises ``EngineUnavailableError`` for a server that does not say: what it does not tell then may be there.
    """
    try:
        told = _found(api, path)
    except (OSError, ValueError) as error:
        said = one_line(f"{type(error).__name__}: {error}", (seen.facts["password"],))
        refused = isinstance(error, urllib.error.HTTPError) and error.code in (401, 403)
        raise EngineUnavailableError(
            seen.engine,
            f"{seen.where} runs, and does not say whether the collection is there: {said}.",
            "is the key right, and may it read this collection?"
            if refused
            else "look at the server's log; is its folder there, and has it room?",
        ) from None
    seen.facts["has_store"] = told is not None
    return told


def _qdrant(seen: Gathered, api: Api, collection: str) -> None:
    from store_conformance.backends.vector.qdrant_rows import payload_indexes

    path = f"/collections/{quote(collection, safe='')}"
    seen.see("open_without_key", lambda: api.is_open("/collections"))
    told = _collection(seen, api, path)
    if told is None:
        return
    result = told["result"]
    seen.see("state", lambda: result["status"])
    seen.see(
        "replication_factor", lambda: int(result["config"]["params"].get("replication_factor", 1))
    )
    seen.see("indexed_fields", lambda: sorted(result["payload_schema"]))
    seen.see("needed_fields", lambda: sorted(payload_indexes()))
    seen.see("snapshots", lambda: len(api.get(f"{path}/snapshots")["result"]))


def _chroma(seen: Gathered, api: Api, collection: str) -> None:
    seen.hidden["folder_copied"] = "Chroma's API tells nothing of backups"
    seen.see("open_without_key", lambda: api.is_open(f"{_DATABASE}/collections?limit=1"))
    _collection(seen, api, f"{_DATABASE}/collections/{quote(collection, safe='')}")


def _weaviate(seen: Gathered, api: Api, collection: str) -> None:
    name = collection[:1].upper() + collection[1:]
    seen.see("open_without_key", lambda: api.is_open("/v1/schema"))
    seen.see("modules", lambda: sorted(api.get("/v1/meta").get("modules") or {}))
    told = _collection(seen, api, f"/v1/schema/{quote(name, safe='')}")
    if told is not None:
        seen.see(
            "replication_factor",
            lambda: int((told.get("replicationConfig") or {}).get("factor", 1)),
        )
