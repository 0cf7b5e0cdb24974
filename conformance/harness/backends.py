"""
The one door to `store_conformance.backends`: whatever else in the harness needs of it comes from here.
"""

from __future__ import annotations

from store_conformance.backends.backups import COPY, WAYS, Backup
from store_conformance.backends.base import (
    DOORS,
    INDEXES,
    Backend,
    BackendError,
    Deployment,
    Door,
    Engine,
    EngineUnavailableError,
    Opened,
    Snippet,
    Spec,
)
from store_conformance.backends.engines.ports import LOOPBACK, answers, free_port
from store_conformance.backends.engines.processes import ServerProcess, kill_tree, runs
from store_conformance.backends.environment import read_env_file, text_of_env
from store_conformance.backends.factory import is_supplied, user_supplied
from store_conformance.backends.faults import causes, is_lost_connection
from store_conformance.backends.folders import (
    clear_folders,
    forget_folders,
    locks_held,
    own_folder,
    passing_folder,
    remove_folder,
    scratch,
)
from store_conformance.backends.inspection.engines import inspect
from store_conformance.backends.inspection.gathering import Gathered
from store_conformance.backends.opening.address import parse_address
from store_conformance.backends.opening.carried import ItemVectors, VectorSource, vectors_of
from store_conformance.backends.opening.details import details_of, pages_of, tables_of
from store_conformance.backends.opening.hybrid import urls_of as stores_of
from store_conformance.backends.opening.schemes import (
    aopen_address,
    known_scheme,
    open_address,
    schemes,
)
from store_conformance.backends.opening.settings import TTL
from store_conformance.backends.references import OwnCodeError, name_of
from store_conformance.backends.registry import BUILT_IN, create, from_spec, names
from store_conformance.backends.supplied import SuppliedBackend
from store_conformance.backends.vector.errors import VectorStoreError

__all__ = [
    "BUILT_IN",
    "COPY",
    "DOORS",
    "INDEXES",
    "LOOPBACK",
    "TTL",
    "WAYS",
    "Backend",
    "BackendError",
    "Backup",
    "Deployment",
    "Door",
    "Engine",
    "EngineUnavailableError",
    "Gathered",
    "ItemVectors",
    "Opened",
    "OwnCodeError",
    "ServerProcess",
    "Snippet",
    "Spec",
    "SuppliedBackend",
    "VectorSource",
    "VectorStoreError",
    "answers",
    "aopen_address",
    "causes",
    "clear_folders",
    "create",
    "details_of",
    "forget_folders",
    "free_port",
    "from_spec",
    "inspect",
    "is_lost_connection",
    "is_supplied",
    "kill_tree",
    "known_scheme",
    "locks_held",
    "name_of",
    "names",
    "open_address",
    "own_folder",
    "pages_of",
    "parse_address",
    "passing_folder",
    "read_env_file",
    "remove_folder",
    "runs",
    "schemes",
    "scratch",
    "stores_of",
    "tables_of",
    "text_of_env",
    "user_supplied",
    "vectors_of",
]
