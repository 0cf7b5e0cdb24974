"""
The names of the base package that older releases lack, so that the suite imports with any of them.

What a release does not know is asked of no store: the calls and operations that came later are told here.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import metadata
from typing import Any, TypeVar

from langgraph.store import base as _base
from langgraph.store.base import BaseStore, GetOp, Item, PutOp, SearchOp
from packaging.version import Version

from store_conformance.harness.text import message_of

ListNamespacesOp: Any = _base.ListNamespacesOp
MatchCondition: Any = _base.MatchCondition
SearchItem: type[Item] = getattr(_base, "SearchItem", Item)
InvalidNamespaceError: type[ValueError] = getattr(_base, "InvalidNamespaceError", ValueError)
tokenize_path: Any = getattr(_base, "tokenize_path", None)
NOT_PROVIDED: Any = getattr(_base, "NOT_PROVIDED", None)

T = TypeVar("T")

VECTORS_SINCE = "2.0.7"
"""``query``, ``index``, the operators of filters, ``SearchItem``."""
TTL_SINCE = "2.0.17"
_CAME_WITH = {
    ("search", "query"): VECTORS_SINCE,
    ("put", "index"): VECTORS_SINCE,
    ("put", "ttl"): TTL_SINCE,
    ("get", "refresh_ttl"): TTL_SINCE,
    ("search", "refresh_ttl"): TTL_SINCE,
}
_OPERATION = re.compile(r"(__new__|<lambda>)\(\) (got an unexpected keyword|takes \d+ positional)")


@lru_cache(maxsize=1)
def base_version() -> Version:
    """The installed langgraph-checkpoint."""
    return Version(metadata.version("langgraph-checkpoint"))


@cache
def since(version: str) -> bool:
    """Whether the installed base package is that release or a later one; its pre-releases count as it."""
    return Version(base_version().base_version) >= Version(version)


def came_later(name: str, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str | None:
    """What of a call the installed base package does not know yet, as a sentence, or ``None``."""
    if since(TTL_SINCE):
        return None
    for given in kwargs:
        version = _CAME_WITH.get((name, given))
        if version and not since(version):
            return f"{name}({given}=) came with langgraph-checkpoint {version}"
    ops = args[0] if name == "batch" and args and isinstance(args[0], (list, tuple)) else ()
    filters = [kwargs.get("filter"), *(getattr(op, "filter", None) for op in ops)]
    if not since(VECTORS_SINCE) and any(_has_operator(f) for f in filters):
        return f"operators in filters came with langgraph-checkpoint {VECTORS_SINCE}"
    return None


def _has_operator(conditions: object) -> bool:
    wanted = conditions.values() if isinstance(conditions, dict) else ()
    return any(isinstance(w, dict) and any(str(k).startswith("$") for k in w) for w in wanted)


def operation_came_later(error: BaseException) -> str | None:
    """Whether this is an operation built with a field that the installed base package lacks."""
    if (
        since(TTL_SINCE)
        or not isinstance(error, TypeError)
        or not _OPERATION.search(message_of(error))
    ):
        return None
    return f"an operation's field came with a later langgraph-checkpoint ({message_of(error)})"


def operation(kind: type[T], *args: object, **fields: object) -> T:
    """
    An operation without those fields that the installed base package does not know yet.

    For what asks a store to leave out something that came with the field: before it, there was nothing to leave out.
    """
    made: Any = kind
    built: T = made(
        *args, **{name: value for name, value in fields.items() if name in made._fields}
    )
    return built


def mappings_are_values() -> bool:
    """Whether ``put`` of the installed base package takes any Mapping, by its own signature."""
    annotation = inspect.signature(BaseStore.put).parameters["value"].annotation
    return "Mapping" in str(annotation)


def get_text_at_path(value: Any, path: Any) -> list[str]:
    """The texts that a store embeds of a value; before there was an index only the whole value is one."""
    real = getattr(_base, "get_text_at_path", None)
    if real is not None:
        return list(real(value, path))
    return [json.dumps(value, sort_keys=True, ensure_ascii=False)] if path in ("", "$") else []


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
    "came_later",
    "get_text_at_path",
    "mappings_are_values",
    "operation",
    "operation_came_later",
    "since",
    "tokenize_path",
]
