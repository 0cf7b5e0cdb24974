"""
Embedders by name: exact ones that rules can compute with, real ones that scenarios need.
"""

from __future__ import annotations

from store_conformance.embedding.caching import CachedEmbeddings
from store_conformance.embedding.errors import EmbeddingError
from store_conformance.embedding.exact import WORDS, ExactEmbeddings
from store_conformance.embedding.naming import (
    EmbeddingSpec,
    embedder_from_name,
    shared_embedder,
    spec_of,
)
from store_conformance.embedding.timing import EmbeddingTime, TimedEmbeddings

__all__ = [
    "WORDS",
    "CachedEmbeddings",
    "EmbeddingError",
    "EmbeddingSpec",
    "EmbeddingTime",
    "ExactEmbeddings",
    "TimedEmbeddings",
    "embedder_from_name",
    "shared_embedder",
    "spec_of",
]
