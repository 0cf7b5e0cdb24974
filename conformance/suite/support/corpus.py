"""
The corpus and the embedder of a run for the scenario cases, each loaded once a process.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from store_conformance.corpus import Corpus, CorpusError, load_corpus
from store_conformance.embedding import EmbeddingError, shared_embedder
from store_conformance.harness.compat import PutOp, get_text_at_path
from store_conformance.harness.errors import UnverifiedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject

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


def scenario_index(lab: Lab) -> dict[str, Any]:
    """
    An ``IndexConfig`` with the run's embedder and without ``fields``, as agents commonly give it.

    The whole value is embedded then.  Whether a store honours ``fields`` is for V2 to say.
    """
    embedder = embedder_of(lab)
    return {"dims": getattr(embedder, "dims", 0), "embed": embedder}


def text_of(value: dict[str, Any]) -> str:
    """What a store without ``fields`` embeds of a value, made by the base package itself."""
    return str(get_text_at_path(value, "$")[0])


def save(store: Subject, entries: list[Entry], most: int = 500) -> None:
    """
    Put everything in as few batches as can be, equal texts in different ones (V15 is about those).
    """
    waiting = entries
    while waiting:
        taken: dict[str, Entry] = {}
        later = []
        for entry in waiting:
            text = text_of(entry[2])
            if text in taken or len(taken) == most:
                later.append(entry)
            else:
                taken[text] = entry
        store.batch([PutOp(*entry) for entry in taken.values()])
        waiting = later


def is_exact(lab: Lab) -> bool:
    """Whether the run's embedder only counts words: the corpus is then one big tie."""
    return lab.settings.embed.partition(":")[0] == "exact"
