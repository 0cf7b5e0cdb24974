"""
What the wrappers of an embedder have in common: they stand in for it under its name.
"""

from __future__ import annotations

from typing import Any

from langchain_core.embeddings import Embeddings


class Wrapper(Embeddings):
    """An embedder around another one; it pickles as itself around it, with empty records."""

    def __init__(self, inner: Embeddings) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        """The name of the innermost embedder."""
        return str(getattr(self.inner, "name", type(self.inner).__name__))

    @property
    def dims(self) -> int:
        """The length of a vector; asks for one where the inner embedder does not say."""
        found = getattr(self.inner, "dims", None)
        return int(found) if found else len(self.inner.embed_query("dimensions"))

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.inner,))
