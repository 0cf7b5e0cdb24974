"""
The one complaint of this package: an embedder that cannot be had, and what to do about it.
"""

from __future__ import annotations

from store_conformance.contract import UserError


class EmbeddingError(UserError):
    """An embedder that is unknown, not installed, or does not answer."""
