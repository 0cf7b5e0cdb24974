"""
Legal variants that differ from one opening to the next, or do something of their own while they are opened.
"""

from __future__ import annotations

from hashlib import sha256
from os import urandom

from store_conformance.mutants.correct import Variant
from store_conformance.mutants.reference import ReferenceStore


class NamespacesInNoOrder(Variant, ReferenceStore):
    """Namespaces are listed as a set gives them: in one order while the store is open, in another the next time."""

    also = ("L3",)

    def sort_namespaces(self, namespaces: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        salt: bytes = self.__dict__.setdefault("salt", urandom(8))
        return sorted(namespaces, key=lambda name: sha256(salt + repr(name).encode()).digest())


class TheEmbedderIsTriedFirst(Variant, ReferenceStore):
    """The opening embeds a text of the store's own, to see that vectors have the size of the index."""

    def setup(self) -> None:
        super().setup()
        if self.embeddings is None:
            return
        try:
            found = self.embeddings.embed_query("how long is a vector?")
        except ValueError:  # it is there for async callers only
            return
        wanted = self.index_config["dims"] if self.index_config else len(found)
        if len(found) != wanted:
            raise ValueError(f"The index has {wanted} dimensions, the embedder gives {len(found)}.")
