"""
From a name to an embedder, in this process or in a child that is told the name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from langchain_core.embeddings import Embeddings

from store_conformance.contract.hints import nearest
from store_conformance.embedding.caching import CachedEmbeddings
from store_conformance.embedding.errors import EmbeddingError
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.embedding.meaning import MeaningEmbeddings
from store_conformance.embedding.timing import TimedEmbeddings

PROVIDERS = (
    "azure_ai",
    "azure_openai",
    "bedrock",
    "cohere",
    "google_genai",
    "google_vertexai",
    "huggingface",
    "mistralai",
    "ollama",
    "openai",
)
"""The providers that LangChain's ``init_embeddings`` knows."""


@dataclass(frozen=True)
class EmbeddingSpec:
    """What the header of a run says of an embedder."""

    name: str
    dims: int


def _real() -> Embeddings:
    from store_conformance.embedding.wordllama import WordLlamaEmbeddings

    return WordLlamaEmbeddings()


def _minilm() -> Embeddings:
    from store_conformance.embedding.minilm import MiniLMEmbeddings

    return MiniLMEmbeddings()


BUILT_IN: dict[str, Callable[[], Embeddings]] = {
    "exact": ExactEmbeddings,
    "real": _real,
    "minilm": _minilm,
    "meaning": MeaningEmbeddings,
}


def embedder_from_name(name: str) -> Embeddings:
    """
    A new embedder of that name; it has ``name`` and ``dims``.

    ``exact``, ``exact:24`` (its dimensions), ``meaning``, ``real``, ``minilm``, or a provider string of
    LangChain such as ``openai:text-embedding-3-small``, which may cost money with each call.
    """
    return embedder_factory(name)()


def embedder_factory(name: str) -> Callable[[], Embeddings]:
    """
    What makes the embedder of that name; the name is checked now, and nothing is loaded yet.

    Raises ``EmbeddingError`` with the nearest right name.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    kind, colon, rest = name.partition(":")
    if kind == "exact" and colon:
        return partial(ExactEmbeddings, dims=_dims(name, rest))
    if kind in PROVIDERS and rest:
        return partial(_provider, name)
    raise _unknown(name, kind if colon else "")


def _provider(name: str) -> Embeddings:
    from store_conformance.embedding.provider import ProviderEmbeddings

    return ProviderEmbeddings(name)


def _dims(name: str, text: str) -> int:
    if not text.isdecimal():
        raise EmbeddingError(f'"{name}" does not say how many dimensions', 'write "exact:24"')
    return int(text)


def _unknown(name: str, provider: str) -> EmbeddingError:
    if provider:
        known: tuple[str, ...] = PROVIDERS
        near = nearest(provider, known)
        guess = f"{near}:{name.partition(':')[2] or 'MODEL'}" if near else None
    else:
        known = (*BUILT_IN, *(f"{one}:MODEL" for one in PROVIDERS))
        guess = nearest(name, BUILT_IN)
    meant = f'did you mean "{guess}"? ' if guess else ""
    what = "provider" if provider else "embedder"
    problem = f'unknown {what} "{provider or name}"'
    return EmbeddingError(problem, f"{meant}There are {', '.join(known)}")


def spec_of(embedder: Embeddings) -> EmbeddingSpec:
    """The name and dimensions of an embedder made here, wrapped or not."""
    dims = getattr(embedder, "dims", None) or len(embedder.embed_query("dimensions"))
    return EmbeddingSpec(str(getattr(embedder, "name", type(embedder).__name__)), int(dims))


@cache
def shared_embedder(name: str) -> TimedEmbeddings:
    """This process's one embedder of that name: timed on the outside, cached within."""
    return TimedEmbeddings(CachedEmbeddings(embedder_from_name(name)))
