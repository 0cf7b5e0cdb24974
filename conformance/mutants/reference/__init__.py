"""
A store that keeps every rule of the contract, and is simple on purpose.

One SQLite file is used as a dumb table.  Matching, ranking and paging happen in Python, in small
methods, so that a store which breaks one rule is a subclass that overrides one method.  The methods stand in
layers, each in a module of its own: forms, matching, table, sweeping, vectors, store.
"""

from store_conformance.mutants.reference.asynchronous import AsyncReferenceStore
from store_conformance.mutants.reference.forms import DEEPEST, EPOCH, OPERATORS, RANGES
from store_conformance.mutants.reference.matching import MISSING
from store_conformance.mutants.reference.rows import (
    COLUMNS,
    MINUTE,
    NEVER,
    TABLES,
    Address,
    Embedded,
    ItemRow,
    Plan,
    Scan,
    Vector,
    Write,
)
from store_conformance.mutants.reference.store import ReferenceStore

__all__ = [
    "COLUMNS",
    "DEEPEST",
    "EPOCH",
    "MINUTE",
    "MISSING",
    "NEVER",
    "OPERATORS",
    "RANGES",
    "TABLES",
    "Address",
    "AsyncReferenceStore",
    "Embedded",
    "ItemRow",
    "Plan",
    "ReferenceStore",
    "Scan",
    "Vector",
    "Write",
]
