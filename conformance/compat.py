"""
The names of the base package that older releases lack, so that the suite imports with any of them.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from langgraph.store import base as _base
from langgraph.store.base import BaseStore, GetOp, Item, PutOp, SearchOp

ListNamespacesOp: Any = _base.ListNamespacesOp
MatchCondition: Any = _base.MatchCondition
SearchItem: type[Item] = getattr(_base, "SearchItem", Item)
InvalidNamespaceError: type[ValueError] = getattr(_base, "InvalidNamespaceError", ValueError)
NOT_PROVIDED: Any = getattr(_base, "NOT_PROVIDED", None)


def base_version() -> tuple[int, ...]:
    """The installed langgraph-checkpoint as numbers, e.g. ``(4, 3, 2)``."""
    parts = metadata.version("langgraph-checkpoint").split(".")
    return tuple(int("".join(c for c in p if c.isdigit()) or 0) for p in parts[:3])


def since(version: str) -> bool:
    """Whether the installed base package is that release or a later one."""
    return base_version() >= tuple(int(p) for p in version.split("."))


__all__ = [
    "NOT_PROVIDED",
    "BaseStore",
    "GetOp",
    "InvalidNamespaceError",
    "Item",
    "ListNamespacesOp",
    "MatchCondition",
    "PutOp",
    "SearchItem",
    "SearchOp",
    "base_version",
    "since",
]
