"""
From a URL to the facts of its database.
"""

from __future__ import annotations

from store_conformance.backends.base import BackendError
from store_conformance.backends.inspection.gathering import Gathered
from store_conformance.backends.opening.address import parse_address
from store_conformance.backends.opening.schemes import NAMES, unknown


def inspect(url: str, *, read_only: bool = False) -> Gathered:
    """Raises ``BackendError`` where nobody can be asked, or the engine is none that is known here."""
    address = parse_address(url)
    if address.scheme in ("postgresql", "postgres"):
        from store_conformance.backends.inspection import postgres

        return postgres.inspect(address, read_only=read_only)
    if address.scheme == "sqlite":
        from store_conformance.backends.inspection import sqlite

        return sqlite.inspect(address)
    in_folder = address.scheme in ("qdrant", "chroma") and address.rest.startswith("///")
    if in_folder or address.scheme == "qdrant+edge":
        from store_conformance.backends.inspection import folders

        return folders.inspect(address)
    if address.scheme in ("qdrant", "chroma", "weaviate"):
        from store_conformance.backends.inspection import http

        return http.inspect(address)
    if address.scheme == "pinecone":
        from store_conformance.backends.inspection import pinecone

        return pinecone.inspect(address)
    if address.scheme not in NAMES:
        raise unknown(address.scheme)
    raise BackendError(
        "check",
        f"there is no checklist for {address.scheme}:.",
        "a store in memory keeps nothing; give the URL of one that does",
    )
