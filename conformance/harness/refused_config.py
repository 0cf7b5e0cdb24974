"""
A ``TTLConfig`` that a store does not take: no sentence of the docs says that a store with TTL must take one.

``supports_ttl`` speaks of the ttl of a put.  Who offers that and no configuration declares ``no-ttl-config``, raises
NotImplementedError where one is given, or has a function that does not use what it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from store_conformance.harness.errors import UnsupportedError

SAID_BY_CALLS = frozenset({"refresh_on_read"})
"""Entries that each get and search can say as well."""


def said_by_calls(ttl: Mapping[str, object], why: str) -> bool | None:
    """Whether reads refresh, of a configuration that says nothing else; any other ends the case."""
    if set(ttl) - SAID_BY_CALLS:
        raise UnsupportedError(f"takes no TTLConfig: {why}")
    return cast("bool | None", ttl.get("refresh_on_read"))
