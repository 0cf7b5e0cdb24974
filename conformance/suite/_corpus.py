"""
The corpus and the embedder of a run for the scenario cases, each loaded once a process.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from conformance.corpus import Corpus, CorpusError, load_corpus
from conformance.embedding import EmbeddingError, shared_embedder
from conformance.lab import Lab
from conformance.outcome import UnverifiedError

Entry = tuple[tuple[str, ...], str, dict[str, Any]]


@lru_cache(maxsize=4)
def _load(data: tuple[str, ...]) -> Corpus:
    return load_corpus([Path(folder) for folder in data] or None)


def corpus_of(lab: Lab, *parts: str) -> Corpus:
    """The run's corpus; ends the case as unverified where it lacks one of ``parts``."""
    try:
        corpus = _load(lab.settings.data)
        corpus.require(*parts)
    except CorpusError as error:
        raise UnverifiedError(str(error)) from None
    return corpus


def embedder_of(lab: Lab) -> Embeddings:
    """The run's embedder, timed and cached; ends the case as unverified where it cannot be had."""
    try:
        return shared_embedder(lab.settings.embed)
    except EmbeddingError as error:
        raise UnverifiedError(str(error)) from None


def embedded(lab: Lab, texts: list[str]) -> dict[str, list[float]]:
    """Each text's vector as a document, which the store's own embedding then finds cached."""
    embedder = embedder_of(lab)
    try:
        return dict(zip(texts, embedder.embed_documents(texts)))
    except EmbeddingError as error:
        raise UnverifiedError(str(error)) from None


def asked(lab: Lab, texts: list[str]) -> dict[str, list[float]]:
    """Each text's vector as a query."""
    embedder = embedder_of(lab)
    try:
        return {text: embedder.embed_query(text) for text in texts}
    except EmbeddingError as error:
        raise UnverifiedError(str(error)) from None


def scenario_index(lab: Lab, *fields: str) -> dict[str, Any]:
    """An ``IndexConfig`` with the run's embedder; without ``fields`` the store's default, the value."""
    embedder = embedder_of(lab)
    index: dict[str, Any] = {"dims": getattr(embedder, "dims", 0), "embed": embedder}
    return {**index, "fields": list(fields)} if fields else index


def is_exact(lab: Lab) -> bool:
    """Whether the run's embedder only counts words: the corpus is then one big tie."""
    return lab.settings.embed.partition(":")[0] == "exact"
