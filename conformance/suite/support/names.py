"""
Plain keys and labels for ordinary cases: whether a store takes odd ones is judged by K11 and N8 alone.
"""

from __future__ import annotations

import re


def plain(description: str) -> str:
    """A description as a key or label that every store takes: small letters and digits, ``_`` between."""
    return re.sub(r"[^a-z0-9]+", "_", description.lower()).strip("_") or "_"
