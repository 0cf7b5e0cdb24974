"""
Embedders by name: exact ones that rules can compute with, real ones that scenarios need.
"""

from __future__ import annotations

from conformance.embedding.caching import CachedEmbeddings
from conformance.embedding.errors import EmbeddingError
from conformance.embedding.exact import WORDS, ExactEmbeddings
from conformance.embedding.naming import (
    EmbeddingSpec,
    embedder_from_name,
    shared_embedder,
    spec_of,
)
from conformance.embedding.timing import EmbeddingTime, TimedEmbeddings

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
