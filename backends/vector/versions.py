"""
Whether a server is new enough for what its driver asks of it.
"""

from __future__ import annotations

import re

from store_conformance.backends.vector.errors import EngineError


def require(engine: str, version: str, oldest: tuple[int, int]) -> None:
    """Raise ``EngineError`` for a server older than ``oldest``; ``version`` is as it says itself."""
    parts = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if parts < oldest:
        raise EngineError(
            engine,
            f"the server is version {version or 'unknown'}, too old",
            f"use {'.'.join(map(str, oldest))} or newer",
        )
