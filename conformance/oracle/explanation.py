"""
Which feature, and so which rule, explains a wrong answer to a search: the weakest that does.

A range over a field that an item lacks is F5's, one over text F4's, an integer that a single-precision number
cannot hold F12's; only what none of these explains is F1's or F3's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from store_conformance.oracle.model import Model, ModelItem, Namespace, matches

_MISSING = object()
_SINGLE = 2**24
"""Integers beyond this are not all numbers of single precision."""
_RANGES = ("$gt", "$gte", "$lt", "$lte")
WEAKEST_FIRST = (
    *("object", "list", "bool", "absent", "large", "strings", "star"),
    *("unequal", "operator", "equal", "search"),
)
"""What SHOULD explains comes before what MUST explains."""
_REFUSED_FIRST = ("strings", "absent", "object", "list", "star", "large", "bool")
"""What a store most often refuses: to compare kinds that have no order for it, then shapes, then numbers."""


def weakest(features: Iterable[str], otherwise: str = "search") -> str:
    found = set(features)
    return next((f for f in WEAKEST_FIRST if f in found), otherwise)


def strongest(features: Iterable[str], otherwise: str = "search") -> str:
    found = set(features)
    return next((f for f in reversed(WEAKEST_FIRST) if f in found), otherwise)


def of_condition(have: Any, wanted: Any) -> str:
    """The weakest feature that a wrong answer of one condition to one field may come from."""
    operators = isinstance(wanted, Mapping) and any(str(name).startswith("$") for name in wanted)
    if isinstance(wanted, Mapping) and not operators:
        return "object"
    operands = list(wanted.values()) if operators else [wanted]
    names = set(wanted) if operators else {"$eq"}
    ranged = bool(names - {"$eq", "$ne"})
    found = {"operator" if ranged else "unequal" if "$ne" in names else "equal"}
    if any(isinstance(operand, (list, tuple)) for operand in operands):
        found.add("list")
    if any(_kinds_of_number(have, operand) for operand in operands):
        found.add("bool")
    if ranged and any(_kind(have) != _kind(operand) for operand in operands):
        found.add("absent")
    if ranged and any(isinstance(operand, str) for operand in operands):
        found.add("strings")
    if any(_is_large(number) for number in (have, *operands)):
        found.add("large")
    return weakest(found)


def _kinds_of_number(have: object, operand: object) -> bool:
    """
    Whether a bool meets a bool or a number, which it must not be taken for, or an int an equal float.
    """
    kinds = (bool, int, float)
    both = isinstance(have, kinds) and isinstance(operand, kinds)
    if isinstance(operand, bool) or (both and isinstance(have, bool)):
        return True
    return both and type(have) is not type(operand) and have == operand


def _kind(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


def _is_large(number: object) -> bool:
    return isinstance(number, (int, float)) and abs(number) > _SINGLE


def of_conditions(value: Mapping[str, object], conditions: Mapping[str, object]) -> dict[str, str]:
    """Each condition's field and the feature that it may be wrong by."""
    return {n: of_condition(value.get(n, _MISSING), wanted) for n, wanted in conditions.items()}


def of_refusal(model: Model, prefix: Namespace, conditions: Mapping[str, object], kind: str) -> str:
    """The feature of a search that raised: any item in its scope may have been too much for it."""
    scope = [i for i in model.items.values() if i.namespace[: len(prefix)] == prefix]
    found = {f for i in scope for f in of_conditions(i.value, conditions).values()}
    found |= {kind, *(["star"] if "*" in prefix else [])}
    return next((f for f in _REFUSED_FIRST if f in found), None) or weakest(found)


def names_a_bound(said: str, conditions: Mapping[str, object]) -> bool:
    """Whether a refusal names a large number that a range was asked to be compared with, which F12 allows."""
    bounds = [
        operand
        for wanted in conditions.values()
        if isinstance(wanted, Mapping)
        for name, operand in wanted.items()
        if name in _RANGES and _is_large(operand)
    ]
    return any(re.search(rf"(?<![\w.]){re.escape(repr(n))}(?![\w.])", said) for n in bounds)


def of_missing(item: ModelItem, prefix: Namespace, conditions: Mapping[str, object]) -> str:
    """Why an item was not found: one condition that was answered wrongly is enough."""
    found = list(of_conditions(item.value, conditions).values())
    return weakest([*found, *(["star"] if "*" in prefix else [])])


def of_extra(item: ModelItem | None, prefix: Namespace, conditions: Mapping[str, object]) -> str:
    """Why an item was found: every condition that it does not meet was answered wrongly."""
    if item is None:
        return "search"
    if item.namespace[: len(prefix)] != prefix:
        pattern = zip(prefix, item.namespace)
        starred = len(item.namespace) >= len(prefix) and all(p in ("*", n) for p, n in pattern)
        return "star" if starred else "search"
    unmet = {n: w for n, w in conditions.items() if matches(item.value, {n: w}) is False}
    return strongest(of_conditions(item.value, unmet).values())
