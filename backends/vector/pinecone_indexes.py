"""
Pinecone's control plane: the client, and making, describing and removing indexes.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pinecone import Pinecone

_FIELD = "_values"


def connect(api_key: str | None, host: str | None, timeout: float = 30.0) -> Pinecone:
    """A client that gives up on an unreachable service within seconds."""
    from pinecone import Pinecone, RetryConfig

    return Pinecone(
        api_key=api_key, host=host, timeout=timeout,
        retry_config=RetryConfig(max_retries=2, backoff_factor=0.1, max_wait=2.0),
    )  # fmt: skip


def indexes_of(client: Pinecone, name: str) -> list[str]:
    """The index of a store, if it is there, and those it moved to when it was given vectors."""
    moved = re.compile(re.escape(name[:38]) + r"-\d+")
    found = [model.name for model in client.indexes.list()]
    return [one for one in found if one == name or moved.fullmatch(one)]


def drop(client: Pinecone, name: str) -> None:
    """Delete all indexes of a store."""
    for one in indexes_of(client, name):
        client.indexes.delete(one)


_DESCRIBING = threading.Lock()
"""The client's decoder (native code) has ended the process where several threads used it for the first time at once."""


def describe_index(client: Pinecone, name: str, dims: int, deployment: Mapping[str, Any]) -> Any:
    """The index of this name, made with these dimensions if it is not there."""
    with _DESCRIBING:
        return _described_or_made(client, name, dims, deployment)


def _described_or_made(
    client: Pinecone, name: str, dims: int, deployment: Mapping[str, Any]
) -> Any:
    from pinecone import ConflictError, NotFoundError

    try:
        return client.indexes.describe(name)
    except NotFoundError:
        pass
    field = {"type": "dense_vector", "dimension": dims, "metric": "cosine"}
    try:
        return client.indexes.create(
            name=name, schema={"fields": {_FIELD: field}}, deployment=dict(deployment)
        )
    except ConflictError:  # another process was quicker
        return client.indexes.describe(name)


def dense_dimension(model: Any) -> int | None:
    """The dimensions of an index with one dense vector field and the cosine metric, else None."""
    fields = [f for f in model.schema.fields.values() if hasattr(f, "dimension")]
    if len(fields) != 1 or fields[0].metric != "cosine":
        return None
    return int(fields[0].dimension)
