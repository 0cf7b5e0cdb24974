"""
The collection in Weaviate: what it is made of, and how one knows it for ours.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from store_conformance.backends.vector.errors import ForeignCollectionError

if TYPE_CHECKING:
    from weaviate import WeaviateClient

MARKER = {"made_by": "langgraph-vector-store", "layout": 1}
COLUMNS = 16
"""How many lists the numbers of a row are spread over."""


def description(dims: int | None) -> str:
    """The collection's description, in which it says whose it is and how long its vectors are."""
    return json.dumps({**MARKER, "dims": dims})


def known_dims(engine: str, name: str, described: str | None) -> int | None:
    """What ``description`` was given; ``ForeignCollectionError`` if the text is not from there."""
    try:
        facts = json.loads(described or "")
    except ValueError:
        facts = None
    if not isinstance(facts, dict) or facts.get("made_by") != MARKER["made_by"]:
        raise ForeignCollectionError(engine, name, "it lacks our marker")
    dims = facts.get("dims")
    return int(dims) if dims is not None else None


def create(client: WeaviateClient, name: str, dims: int | None) -> None:
    """Make the collection; it is fine if somebody else is doing the same."""
    from weaviate.classes.config import Configure, StopwordsPreset, VectorDistances

    vectors = Configure.Vectors.self_provided(
        vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
    )
    try:
        client.collections.create(
            name,
            description=description(dims),
            properties=_properties(),
            vector_config=vectors,
            inverted_index_config=Configure.inverted_index(
                stopwords_preset=StopwordsPreset.NONE,
                index_timestamps=True,  # the rows written last are looked at (weaviate_repair)
            ),
        )
    except Exception:
        # Another process may have been quicker; if it was not, the error is a real one.
        if not client.collections.exists(name):
            raise


def _properties() -> list[Any]:
    from weaviate.classes.config import DataType, Property, Tokenization

    exact = {"tokenization": Tokenization.FIELD, "index_searchable": False}
    kept = {"index_filterable": False, "index_searchable": False}
    texts = [Property(name=n, data_type=DataType.TEXT, **exact) for n in ("kind", "space")]
    lists = [
        Property(name=n, data_type=DataType.TEXT_ARRAY, **exact) for n in ("prefixes", "tokens")
    ]
    plain = [Property(name=n, data_type=DataType.TEXT, **kept) for n in ("parent", "head", "body")]
    ranges = [
        Property(name=n, data_type=DataType.INT, index_filterable=False, index_range_filters=True)
        for n in ("expires", "slot")
    ]
    numbers = [
        Property(name=f"numbers{n}", data_type=DataType.NUMBER_ARRAY) for n in range(COLUMNS)
    ]
    return [*texts, *lists, *plain, *ranges, *numbers]
