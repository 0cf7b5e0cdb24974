"""
The reference model: what a correct store answers, in plain Python, and where the contract leaves it free.

It keeps no order and knows no clock; whoever compares a store with it looks at sets, scores and pages.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from store_conformance.harness.compat import get_text_at_path

Namespace = tuple[str, ...]
Place = tuple[Namespace, str]
Value: TypeAlias = dict[str, Any]
"""A JSON object, as a store holds it and as a filter is written."""
Index: TypeAlias = list[str] | Literal[False] | None
"""A put's ``index``: paths, ``False`` for no vectors, ``None`` for what the store was opened with."""


@dataclass(frozen=True)
class ModelItem:
    """One item as it should be."""

    namespace: Namespace
    key: str
    value: Value
    texts: tuple[str, ...] = ()
    """What was embedded of it; empty: it has no vectors."""

    @property
    def place(self) -> Place:
        return self.namespace, self.key


@dataclass(frozen=True)
class Matches:
    """The items that a search must find, and those that it may find or leave out."""

    certain: tuple[ModelItem, ...]
    free: tuple[ModelItem, ...] = ()


@dataclass
class Model:
    """
    A store's content; ``fields`` are the index's paths, or ``None`` without an index.
    """

    fields: tuple[str, ...] | None = None
    items: dict[Place, ModelItem] = field(default_factory=dict)

    # -- writes -------------------------------------------------------------------------------

    def put(
        self, namespace: Namespace, key: str, value: Mapping[str, Any], index: Index = None
    ) -> None:
        own = copy.deepcopy(dict(value))
        self.items[namespace, key] = ModelItem(namespace, key, own, self.texts(own, index))

    def delete(self, namespace: Namespace, key: str) -> None:
        self.items.pop((namespace, key), None)

    def texts(self, value: Value, index: Index) -> tuple[str, ...]:
        """What of a value is embedded, with this ``index`` given to its put."""
        if self.fields is None or index is False:
            return ()
        paths = self.fields if index is None else index
        return tuple(t for path in paths for t in get_text_at_path(value, path))

    # -- reads --------------------------------------------------------------------------------

    def get(self, namespace: Namespace, key: str) -> ModelItem | None:
        return self.items.get((namespace, key))

    def search(self, prefix: Namespace, conditions: Value | None = None) -> Matches:
        """The matches of a search, before its limit and offset."""
        certain, free = [], []
        for item in self.items.values():
            if item.namespace[: len(prefix)] != prefix:
                continue
            answer = matches(item.value, conditions or {})
            if answer:
                certain.append(item)
            elif answer is None:
                free.append(item)
        return Matches(tuple(certain), tuple(free))

    def scores(
        self, items: Iterable[ModelItem], query: str, cosine: Callable[[str, str], float]
    ) -> dict[Place, float]:
        """The best cosine of each item that has vectors."""
        return {i.place: max(cosine(query, t) for t in i.texts) for i in items if i.texts}

    def namespaces(
        self,
        prefix: Namespace | None = None,
        suffix: Namespace | None = None,
        max_depth: int | None = None,
    ) -> set[Namespace]:
        """The namespaces of ``list_namespaces`` before its limit and offset."""
        found = {n for n, _ in self.items if _starts(n, prefix or ()) and _ends(n, suffix or ())}
        return {n[:max_depth] for n in found} if max_depth else found


def _label(pattern: str, label: str) -> bool:
    return pattern == "*" or pattern == label


def _starts(namespace: Namespace, prefix: Namespace) -> bool:
    return len(namespace) >= len(prefix) and all(map(_label, prefix, namespace))


def _ends(namespace: Namespace, suffix: Namespace) -> bool:
    if not suffix:
        return True
    return len(namespace) >= len(suffix) and all(map(_label, suffix, namespace[-len(suffix) :]))


# -- filters --------------------------------------------------------------------------------------

_MISSING = object()


def matches(value: Value, conditions: Value) -> bool | None:
    """
    Whether a value matches a filter; ``None`` where the contract leaves it to the backend.
    """
    answers = [_field(value.get(name, _MISSING), wanted) for name, wanted in conditions.items()]
    if False in answers:
        return False
    return None if None in answers else True


def _field(have: object, wanted: object) -> bool | None:
    if isinstance(wanted, Mapping):
        if wanted and all(str(k).startswith("$") for k in wanted):
            answers = [_operator(have, op, operand) for op, operand in wanted.items()]
            return False if False in answers else None if None in answers else True
        return _object(have, wanted)
    return _equal(have, wanted)


def _object(have: object, wanted: Mapping[str, object]) -> bool | None:
    """A nested object matches one with just its fields; ``{}``, and one with further fields, are free (F10)."""
    if not wanted:
        return None
    if not isinstance(have, Mapping):
        return False
    answers = [_field(have.get(k, _MISSING), v) for k, v in wanted.items()]
    if False in answers:
        return False
    return None if None in answers or len(have) > len(wanted) else True


def _equal(have: object, wanted: object) -> bool | None:
    if wanted is None:
        return None if have is _MISSING else have is None
    if have is _MISSING or have is None:
        return False
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(have, (list, tuple))
            and len(have) == len(wanted)
            and all(bool(_equal(h, w)) for h, w in zip(have, wanted))
        )
    if isinstance(have, bool) or isinstance(wanted, bool):
        return have is wanted
    if isinstance(have, (int, float)) and isinstance(wanted, (int, float)):
        return have == wanted
    return type(have) is type(wanted) and have == wanted


_RANGES: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda a, b: a > b,
    "$gte": lambda a, b: a >= b,
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
}


def _operator(have: object, operator: str, operand: object) -> bool | None:
    if operator == "$eq":
        return None if isinstance(operand, Mapping) else _equal(have, operand)
    if operator == "$ne":
        if have is _MISSING or have is None or operand is None or isinstance(operand, Mapping):
            return None
        return not _equal(have, operand)
    if have is _MISSING or have is None or isinstance(have, bool) or isinstance(operand, bool):
        return False
    numbers = isinstance(have, (int, float)) and isinstance(operand, (int, float))
    strings = isinstance(have, str) and isinstance(operand, str)
    return _RANGES[operator](have, operand) if numbers or strings else False
