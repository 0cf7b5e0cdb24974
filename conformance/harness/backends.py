"""
The one door to `store_conformance.backends`: whatever else in the harness needs of it comes from here.
"""

from __future__ import annotations

from store_conformance.backends.base import (
    DOORS,
    Backend,
    BackendError,
    Deployment,
    Door,
    EngineUnavailableError,
    Opened,
    Snippet,
    Spec,
    own_folder,
    scratch,
)
from store_conformance.backends.engines.processes import kill_tree
from store_conformance.backends.factory import user_supplied
from store_conformance.backends.faults import causes, is_lost_connection
from store_conformance.backends.registry import create, from_spec, names
from store_conformance.backends.supplied import SuppliedBackend
from store_conformance.backends.vector.errors import VectorStoreError

__all__ = [
    "DOORS",
    "Backend",
    "BackendError",
    "Deployment",
    "Door",
    "EngineUnavailableError",
    "Opened",
    "Snippet",
    "Spec",
    "SuppliedBackend",
    "VectorStoreError",
    "causes",
    "create",
    "from_spec",
    "is_lost_connection",
    "kill_tree",
    "names",
    "own_folder",
    "scratch",
    "user_supplied",
]
