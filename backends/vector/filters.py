"""
What a search's ``filter`` means, once for every engine.

A filter is compiled before anything is read, so that an unknown operator is refused and not
discovered.  ``matches`` is the meaning; ``conditions`` is what an engine may use to read less.

Choices where the contract leaves one: ``None`` matches an explicit null only; ``$ne`` is the plain
opposite of ``$eq``, so a missing field matches it; ``$eq`` with a dict is exact where a dict given
directly is partial; ``{}`` matches any dict.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from store_conformance.backends.vector.driver import Condition, HasToken, LacksToken, NumberIn
from store_conformance.backends.vector.encoding import nearest_float, number_name, token

_MISSING = object()
_RANGES: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
OPERATORS = ("$eq", "$ne", *_RANGES)


@dataclass(frozen=True)
class Test:
    """One condition on one field, addressed by its path from the top of the value."""

    path: tuple[Any, ...]
    name: str
    operand: Any

    def holds(self, value: Mapping[str, Any]) -> bool:
        found = _at(value, self.path[:-1])
        if not isinstance(found, dict):
            return False
        field = found.get(self.path[-1], _MISSING)
        if self.name == "$eq":
            return same(field, self.operand)
        if self.name == "$ne":
            return not same(field, self.operand)
        if self.name == "dict":
            return isinstance(field, dict)
        return _comparable(field, self.operand) and _RANGES[self.name](field, self.operand)

    def condition(self) -> Condition | None:
        """What an engine can be asked; None if this has to be looked at by reading."""
        if not all(isinstance(part, str) for part in self.path):
            return None
        if self.name in ("$eq", "$ne"):
            made = token(self.path, self.operand)
            if made is None:
                return None
            return HasToken(made) if self.name == "$eq" else LacksToken(made)
        if self.name in _RANGES and _is_number(self.operand):
            bound = nearest_float(self.operand)
            name = number_name(self.path)
            if self.name in ("$gt", "$gte"):
                return NumberIn(name, low=bound)
            return NumberIn(name, high=bound)
        return None


@dataclass(frozen=True)
class Filter:
    """All tests of a filter, ANDed; an empty one lets everything through."""

    tests: tuple[Test, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tests)

    def matches(self, value: Mapping[str, Any]) -> bool:
        return all(test.holds(value) for test in self.tests)

    def conditions(self) -> tuple[Condition, ...]:
        found = (test.condition() for test in self.tests)
        return tuple(condition for condition in found if condition is not None)


def compile_filter(given: Mapping[str, Any] | None) -> Filter:
    """
    A filter as the user wrote it, understood or refused.

    Raises ``ValueError`` for an operator that does not exist.  A top-level name that begins with
    ``$`` is a field.
    """
    if not given:
        return Filter()
    if not isinstance(given, Mapping):
        raise ValueError(f"a filter is a dict of fields, got {type(given).__name__}.")
    tests: list[Test] = []
    for name, wanted in given.items():
        _compile(wanted, (name,), tests)
    return Filter(tuple(tests))


def _compile(wanted: object, path: tuple[Any, ...], tests: list[Test]) -> None:
    if not isinstance(wanted, Mapping):
        tests.append(Test(path, "$eq", wanted))
    elif any(isinstance(name, str) and name.startswith("$") for name in wanted):
        for name, operand in wanted.items():
            if name not in OPERATORS:
                raise ValueError(
                    f"Unsupported operator: {name!r} on field {path[-1]!r}; "
                    f"known are {', '.join(OPERATORS)}."
                )
            tests.append(Test(path, name, operand))
    else:
        tests.append(Test(path, "dict", None))
        for name, inner in wanted.items():
            _compile(inner, (*path, name), tests)


def same(found: object, wanted: object) -> bool:
    """Equality of JSON values: types count, except that 1 and 1.0 are one number."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if _is_number(found) and _is_number(wanted):
        return bool(found == wanted)
    if isinstance(found, str) and isinstance(wanted, str):
        return found == wanted
    if isinstance(found, (list, tuple)) and isinstance(wanted, (list, tuple)):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(found, dict) and isinstance(wanted, Mapping):
        return found.keys() == wanted.keys() and all(same(found[k], wanted[k]) for k in wanted)
    return found is None and wanted is None


def _at(value: object, path: tuple[Any, ...]) -> object:
    for part in path:
        value = value.get(part, _MISSING) if isinstance(value, dict) else _MISSING
    return value


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return not math.isnan(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _comparable(found: object, wanted: object) -> bool:
    if _is_number(found) and _is_number(wanted):
        return True
    return isinstance(found, str) and isinstance(wanted, str)
