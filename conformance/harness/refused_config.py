"""
A ``TTLConfig`` that a store refuses: no sentence of the docs says that a store with TTL must take one.

``supports_ttl`` speaks of the ttl of a put.  Who offers that and no configuration raises NotImplementedError where
one is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from store_conformance.harness.errors import UnsupportedError
from store_conformance.harness.text import message_of

SAID_BY_CALLS = frozenset({"refresh_on_read"})
"""Entries that each get and search can say as well."""


def said_by_calls(ttl: Mapping[str, object], refusal: BaseException) -> bool | None:
    """Whether reads refresh, of a configuration that says nothing else; any other ends the case."""
    if set(ttl) - SAID_BY_CALLS:
        raise UnsupportedError(f"takes no TTLConfig: {message_of(refusal, 160)}")
    return cast("bool | None", ttl.get("refresh_on_read"))
