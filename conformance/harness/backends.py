"""
The one door to `store_conformance.backends`: whatever else in the harness needs of it comes from here.
"""

from __future__ import annotations

from store_conformance.backends.base import (
    DOORS,
    Backend,
    BackendError,
    Door,
    EngineUnavailableError,
    Snippet,
    Spec,
    own_folder,
)
from store_conformance.backends.factory import user_supplied
from store_conformance.backends.registry import create, from_spec, names
from store_conformance.backends.supplied import SuppliedBackend

__all__ = [
    "DOORS",
    "Backend",
    "BackendError",
    "Door",
    "EngineUnavailableError",
    "Snippet",
    "Spec",
    "SuppliedBackend",
    "create",
    "from_spec",
    "names",
    "own_folder",
    "user_supplied",
]
