"""
Embedders of LangChain's providers, by strings such as ``openai:text-embedding-3-small``.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from langchain_core.embeddings import Embeddings

from store_conformance.contract.secrets import one_line, secrets_in
from store_conformance.embedding.errors import EmbeddingError

KNOWN_DIMS = {
    "openai:text-embedding-3-small": 1536,
    "openai:text-embedding-3-large": 3072,
    "openai:text-embedding-ada-002": 1536,
    "mistralai:mistral-embed": 1024,
    "cohere:embed-english-v3.0": 1024,
    "cohere:embed-multilingual-v3.0": 1024,
}
"""Saves one paid call; any other model is asked for the length of one vector."""

KEYS = {
    "azure_openai": "AZURE_OPENAI_API_KEY and AZURE_OPENAI_ENDPOINT",
    "cohere": "COHERE_API_KEY",
    "google_genai": "GOOGLE_API_KEY",
    "mistralai": "MISTRAL_API_KEY",
    "openai": "OPENAI_API_KEY",
}

_T = TypeVar("_T")


class ProviderEmbeddings(Embeddings):
    """A provider's embedder whose failures are `EmbeddingError` with a hint and without the key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._inner = _build(name)
        self.dims = KNOWN_DIMS.get(name) or len(self.embed_query("dimensions"))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._ask(lambda: self._inner.embed_documents(texts))

    def embed_query(self, text: str) -> list[float]:
        return self._ask(lambda: self._inner.embed_query(text))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return await self._aask(lambda: self._inner.aembed_documents(texts))

    async def aembed_query(self, text: str) -> list[float]:
        return await self._aask(lambda: self._inner.aembed_query(text))

    def _ask(self, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - each provider's client has exceptions of its own
            _fail(self.name, "does not answer", error)

    async def _aask(self, call: Callable[[], Awaitable[_T]]) -> _T:
        try:
            return await call()
        except Exception as error:  # noqa: BLE001 - as above
            _fail(self.name, "does not answer", error)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.name,))


def _build(name: str) -> Embeddings:
    try:
        from langchain.embeddings import init_embeddings
    except ImportError as error:
        hint = f"pip install langchain langchain-{_package(name)}, or --embed real"
        raise EmbeddingError(f'the embedder "{name}" needs the package langchain', hint) from error
    try:
        return init_embeddings(name)
    except ImportError as error:
        hint = f"pip install langchain-{_package(name)}, or --embed real"
        problem = f'the embedder "{name}" needs a package that is not installed'
        raise EmbeddingError(problem, hint) from error
    except Exception as error:  # noqa: BLE001 - a missing key is another exception with each provider
        _fail(name, "cannot be set up", error)


def _package(name: str) -> str:
    provider = name.partition(":")[0]
    return {"azure_openai": "openai", "bedrock": "aws"}.get(provider, provider).replace("_", "-")


def _fail(name: str, what: str, error: Exception) -> NoReturn:
    key = KEYS.get(name.partition(":")[0], "the provider's key")
    reason = _brief(error)
    hint = f"set {key} in the environment or .env and check the model's name, or --embed real"
    raise EmbeddingError(f'the embedder "{name}" {what}: {reason}', hint) from error


def _brief(error: Exception) -> str:
    """The first line of what the provider says, without any secret of the environment in it."""
    lines = str(error).strip().splitlines() or [""]
    text = f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
    return one_line(text, secrets_in(os.environ), most=200).rstrip(" .")
