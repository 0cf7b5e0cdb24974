"""
Metadata filters as the service documents them: flat metadata, numbers compared only with numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

Match = Callable[[dict[str, Any]], bool]

_RANGES: dict[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
_ABSENT = object()


class FilterError(ValueError):
    """A filter that the service answers with 400."""


def compile_filter(given: Any) -> Match:
    """A function over metadata; raises ``FilterError``."""
    if not isinstance(given, dict):
        raise FilterError("the filter must be an object")
    parts = [_field(name, condition) for name, condition in given.items()]
    return lambda metadata: all(part(metadata) for part in parts)


def _field(name: str, condition: Any) -> Match:
    if name in ("$and", "$or"):
        if not isinstance(condition, list) or not condition:
            raise FilterError(f"the {name} operator must be followed by a list of expressions")
        parts = [compile_filter(part) for part in condition]
        joined = all if name == "$and" else any
        return lambda metadata: joined(part(metadata) for part in parts)
    if name.startswith("$"):
        raise FilterError(f"{name} is not a valid operator")
    if not isinstance(condition, dict):
        condition = {"$eq": condition}
    if not condition:
        raise FilterError(f"the condition of field {name!r} is empty")
    tests = [_operator(operator, wanted) for operator, wanted in condition.items()]
    return lambda metadata: all(test(metadata.get(name, _ABSENT)) for test in tests)


def _operator(operator: str, wanted: Any) -> Callable[[Any], bool]:
    if operator in _RANGES:
        if isinstance(wanted, bool) or not isinstance(wanted, (int, float)):
            raise FilterError(
                f"the {operator} operator must be followed by a number, got {wanted!r}"
            )
        compare = _RANGES[operator]
        return lambda held: _is_number(held) and compare(held, wanted)
    if operator == "$exists":
        if not isinstance(wanted, bool):
            raise FilterError("the $exists operator must be followed by a boolean")
        return lambda held: (held is not _ABSENT) == wanted
    if operator in ("$eq", "$ne"):
        _check_scalar(operator, wanted)
        return lambda held: _holds(held, [wanted]) == (operator == "$eq")
    if operator in ("$in", "$nin"):
        if not isinstance(wanted, list) or len(wanted) > 10_000:
            raise FilterError(
                f"the {operator} operator must be followed by a list of at most 10000"
            )
        for one in wanted:
            _check_scalar(operator, one)
        return lambda held: _holds(held, wanted) == (operator == "$in")
    raise FilterError(f"{operator} is not a valid operator")


def _check_scalar(operator: str, wanted: Any) -> None:
    if not isinstance(wanted, (str, bool, int, float)):
        raise FilterError(
            f"the {operator} operator must be followed by a string, boolean or number, got {wanted!r}"
        )


def _holds(held: Any, wanted: list[Any]) -> bool:
    # A list of strings holds each of them; a bool is not a number.
    values = held if isinstance(held, list) else [held]
    return any(
        value == one and isinstance(value, bool) == isinstance(one, bool)
        for value in values
        for one in wanted
    )


def _is_number(held: Any) -> bool:
    return isinstance(held, (int, float)) and not isinstance(held, bool)
