"""
What a batch of operations asks for, worked out before the engine hears of it.

Everything that can be refused is refused here: namespaces, values, filters, numbers.  A plan holds
the last write of each key only, and the texts that have to be embedded, each text once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    Op,
    PutOp,
    SearchOp,
    get_text_at_path,
    tokenize_path,
    validate_op_namespace,
)

from store_conformance.backends.vector import encoding
from store_conformance.backends.vector.filters import Filter, compile_filter

Paths = Sequence[list[str]]

_MOST_MINUTES = 1e9


@dataclass(frozen=True)
class Get:
    position: int
    id: str
    refresh: bool


@dataclass(frozen=True)
class Search:
    position: int
    prefix: tuple[str, ...]
    filter: Filter
    limit: int
    offset: int
    query: str | None
    refresh: bool


@dataclass(frozen=True)
class Listing:
    position: int
    op: ListNamespacesOp


@dataclass(frozen=True)
class Write:
    """A put (``body`` given) or a delete (``body`` None) of one item; ``texts`` index ``Plan.texts``."""

    id: str
    namespace: tuple[str, ...]
    body: str | None = None
    fields: encoding.FieldIndex = encoding.NO_FIELDS
    ttl: float | None = None
    texts: tuple[int, ...] = ()


@dataclass
class Plan:
    """A batch, sorted by what has to be done; filled by ``plan`` and then left alone."""

    size: int = 0
    gets: list[Get] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)
    writes: dict[str, Write] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Embedded:
    """The vectors of a plan's texts and queries."""

    texts: Sequence[Sequence[float]] = ()
    queries: dict[str, Sequence[float]] = field(default_factory=dict)


def plan(ops: Iterable[Op], paths: Paths | None) -> Plan:
    """
    Sort out a batch; ``paths`` are the fields embedded by default, None if nothing is embedded.

    Raises ``ValueError`` (``InvalidNamespaceError`` for a namespace) and changes nothing.
    """
    planned = Plan()
    collector = _Texts(planned, paths)
    for position, op in enumerate(ops):
        planned.size += 1
        if isinstance(op, GetOp):
            namespace = checked_namespace(op, op.namespace)
            id = encoding.item_id(namespace, str(op.key))
            planned.gets.append(Get(position, id, bool(op.refresh_ttl)))
        elif isinstance(op, PutOp):
            write = _write(op, collector)
            # A later write of a key takes the place, and the turn, of an earlier one.
            planned.writes.pop(write.id, None)
            planned.writes[write.id] = write
        elif isinstance(op, SearchOp):
            planned.searches.append(_search(position, op, paths is not None))
        elif isinstance(op, ListNamespacesOp):
            planned.listings.append(_listing(position, op))
        else:
            raise ValueError(f"Unknown operation type: {type(op).__name__}")
    collector.finish()
    return planned


def checked_namespace(op: Op, namespace: object) -> tuple[str, ...]:
    """The namespace as a tuple of valid labels; a plain ``str`` is a mistake, not seven labels."""
    if isinstance(namespace, str) or not isinstance(namespace, (tuple, list)):
        raise InvalidNamespaceError(
            f"A namespace is a tuple of str, got {type(namespace).__name__} {namespace!r}; "
            f"write ({namespace!r},) for a single label."
        )
    validate_op_namespace(op)
    return tuple(namespace)


def _write(op: PutOp, collector: _Texts) -> Write:
    namespace = checked_namespace(op, op.namespace)
    key = str(op.key)
    id = encoding.item_id(namespace, key)
    if op.value is None:
        return Write(id, namespace)
    if not namespace:
        raise InvalidNamespaceError("Namespace cannot be empty.")
    if not hasattr(op.value, "items"):
        raise encoding.UnstorableValueError(
            f"a value is a dict with str keys, got {type(op.value).__name__}."
        )
    value = encoding.plain(op.value)
    try:
        body = encoding.to_body(namespace, key, value)
    except ValueError as error:  # e.g. an int of more digits than Python converts
        raise encoding.UnstorableValueError(f"the value cannot be stored: {error}") from None
    ttl = _minutes(op.ttl)
    texts = collector.add(value, op.index)
    return Write(id, namespace, body, encoding.index_fields(value), ttl, texts)


def _minutes(ttl: object) -> float | None:
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or not math.isfinite(ttl):
        raise ValueError(f"ttl is a finite number of minutes or None, got {ttl!r}.")
    return float(min(max(ttl, -_MOST_MINUTES), _MOST_MINUTES))


def _search(position: int, op: SearchOp, embeds: bool) -> Search:
    return Search(
        position=position,
        prefix=checked_namespace(op, op.namespace_prefix),
        filter=compile_filter(op.filter),
        limit=_count("limit", op.limit),
        offset=_count("offset", op.offset),
        query=op.query if embeds and op.query else None,
        refresh=bool(op.refresh_ttl),
    )


def _listing(position: int, op: ListNamespacesOp) -> Listing:
    for condition in op.match_conditions or ():
        checked_namespace(op, condition.path)
        if condition.match_type not in ("prefix", "suffix"):
            raise ValueError(f"Unsupported match type: {condition.match_type!r}")
    _count("limit", op.limit)
    _count("offset", op.offset)
    return Listing(position, op)


def _count(name: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValueError(f"{name} is a non-negative int, got {given!r}.")
    return given


class _Texts:
    """Collects the texts of a batch, each once, and drops those of writes that were overtaken."""

    def __init__(self, planned: Plan, paths: Paths | None) -> None:
        self._plan = planned
        self._paths = paths
        self._numbers: dict[str, int] = {}

    def add(self, value: dict[str, Any], index: Any) -> tuple[int, ...]:
        if not (index is None or index is False or _is_paths(index)):
            raise ValueError(f"index is False, None or a list of paths, got {index!r}.")
        if self._paths is None or index is False:
            return ()
        paths = self._paths if index is None else [tokenize_path(path) for path in index]
        texts = [text for path in paths for text in get_text_at_path(value, _root(path))]
        return tuple(self._numbers.setdefault(text, len(self._numbers)) for text in texts)

    def finish(self) -> None:
        """Number the texts that the plan's last writes still need, and the distinct queries."""
        needed = list(dict.fromkeys(n for w in self._plan.writes.values() for n in w.texts))
        if needed != list(range(len(self._numbers))):
            fresh = {old: new for new, old in enumerate(needed)}
            for id, write in self._plan.writes.items():
                texts = tuple(fresh[n] for n in write.texts)
                self._plan.writes[id] = replace(write, texts=texts)
        order = list(self._numbers)
        self._plan.texts = [order[n] for n in needed]
        self._plan.queries = list(
            dict.fromkeys(s.query for s in self._plan.searches if s.query is not None)
        )


def _is_paths(index: object) -> bool:
    return isinstance(index, (list, tuple)) and all(isinstance(path, str) for path in index)


def _root(path: list[str]) -> Any:
    """``$`` as upstream spells the whole value once a path was split."""
    return "$" if path == ["$"] else path
