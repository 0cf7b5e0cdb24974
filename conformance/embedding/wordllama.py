"""
WordLlama: real word vectors that come with the wheel; numpy only, no network.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from store_conformance.embedding.errors import EmbeddingError

INSTALL = "pip install 'wordllama==0.4.0.post1' (wheels for Python 3.10 to 3.13), or --embed exact"


@lru_cache(maxsize=1)
def _model(dims: int) -> Any:
    # Imported here: loading takes a second and needs numpy, which only this embedder does.
    try:
        wordllama: Any = import_module("wordllama")
    except ImportError as error:
        raise EmbeddingError(f"the real embedder needs wordllama: {error}", INSTALL) from error
    # The wheel has its tokenizer where load() does not look, so that load() would go to the network;
    # with the package itself as the cache it finds both files.
    home = Path(str(wordllama.__file__)).parent
    try:
        return wordllama.WordLlama.load(dim=dims, cache_dir=home, disable_download=True)
    except Exception as error:
        problem = f"wordllama {getattr(wordllama, '__version__', '?')} does not load: {error}"
        raise EmbeddingError(problem, INSTALL) from error


class WordLlamaEmbeddings(Embeddings):
    """Unit vectors of 256 floats; deterministic, and one model a process."""

    name = "real"
    dims = 256

    def __init__(self) -> None:
        self._model = _model(self.dims)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if not texts:
            return []
        # An empty text has no token to average and would divide by zero.
        vectors = self._model.embed([text or " " for text in texts], norm=True)
        found: list[list[float]] = vectors.tolist()
        return found

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), ())
