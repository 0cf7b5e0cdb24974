"""
What Pinecone's API shows of an index with a store in it; reads alone.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

from store_conformance.backends.base import EngineUnavailableError
from store_conformance.backends.inspection.gathering import Gathered
from store_conformance.backends.opening.address import LOOPBACK, Address
from store_conformance.backends.opening.settings import read
from store_conformance.backends.opening.vectors import PINECONE, pinecone_index
from store_conformance.contract.secrets import one_line

SECONDS = 10.0
_META = "meta"
"""The id of the record by which a store of this package says what it is."""
_MADE_BY = "langgraph-vector-store"


def inspect(address: Address) -> Gathered:
    """Raises ``BackendError`` where there is nobody to ask."""
    values = read("pinecone", PINECONE, address.parameters)
    name, key = pinecone_index(address)
    host = values["host"]
    seen = Gathered("pinecone", f"pinecone://{name}" + (f" at {host}" if host else ""))
    plain = bool(host) and str(host).startswith("http://")
    local = plain and any(f"//{one}" in str(host) for one in LOOPBACK)
    seen.facts.update(password=key, tls=not plain, local=local)
    client = _client(key, host)
    try:
        _look(seen, client, name, values["namespace"] or "", key)
    finally:
        client.close()
    return seen


def _client(key: str, host: Any) -> Any:
    try:
        from store_conformance.backends.vector.pinecone_indexes import connect

        return connect(key, host, SECONDS)
    except ImportError:
        raise EngineUnavailableError(
            "pinecone",
            "the package pinecone is not installed.",
            "pip install 'langgraph-store-conformance[pinecone]'",
        ) from None


def _look(seen: Gathered, client: Any, name: str, namespace: str, key: str) -> None:
    model = _described(seen, client, name, key)
    if model is None:
        return
    from store_conformance.backends.vector.pinecone_indexes import dense_dimension

    seen.see("latency_ms", lambda: _latency(client, name))
    seen.see("dense_dimension", lambda: dense_dimension(model))
    seen.see("ready state", lambda: (bool(model.status.ready), str(model.status.state)))
    seen.see("deletion_protection", lambda: str(model.deletion_protection))
    seen.see("backed_up", lambda: bool(list(client.indexes.list_backups(name))))
    seen.see("has_store store_said", lambda: _made_by_us(client, model, namespace))
    seen.see("has_vectors dims", lambda: _dims(client, model, namespace))


def _described(seen: Gathered, client: Any, name: str, key: str) -> Any:
    """The index, or ``None`` where there is none; raises ``EngineUnavailableError`` for a service that does not say."""
    from pinecone import NotFoundError

    try:
        return client.indexes.describe(name)
    except NotFoundError:
        seen.facts.update(has_store=False, store_said=f"there is no index {name}")
    except Exception as error:  # noqa: BLE001 - the SDK's errors, and those of what it is built on
        said = one_line(f"{type(error).__name__}: {error}", (key,))
        raise EngineUnavailableError(
            "pinecone",
            f"{seen.where} gives no answer: {said}.",
            "is PINECONE_API_KEY right, and is the service reached from here?",
        ) from None
    return None


def _latency(client: Any, name: str) -> float:
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        client.indexes.describe(name)
        times.append(time.perf_counter() - begun)
    return round(statistics.median(times) * 1000, 2)


def _meta(client: Any, model: Any, namespace: str) -> Mapping[str, Any]:
    """What the store's own record says; empty where there is none."""
    index = client.index(host=model.host)
    try:
        found = index.fetch(ids=[_META], namespace=namespace).vectors.get(_META)
        return {} if found is None else dict(found.metadata or {})
    finally:
        index.close()


def _made_by_us(client: Any, model: Any, namespace: str) -> tuple[bool, str]:
    told = _meta(client, model, namespace)
    where = f"the namespace {namespace or '__default__'} of {model.name}"
    if told.get("made_by") == _MADE_BY:
        return True, f"{where} has a store"
    return False, f"{where} has no record of a store of this package"


def _dims(client: Any, model: Any, namespace: str) -> tuple[bool, list[int]]:
    """An index that was given vectors later names the one that has them."""
    told = _meta(client, model, namespace)
    if told.get("next"):
        told = _meta(client, client.indexes.describe(str(told["next"])), namespace)
    size = int(told.get("dims") or 0)
    return bool(size), [size] if size else []
