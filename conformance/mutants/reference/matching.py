"""
Which items and namespaces an operation is about: filters, prefixes, conditions, pages.
"""

from __future__ import annotations

from typing import Any

from langgraph.store.base import MatchCondition

from store_conformance.mutants.reference.forms import RANGES, Forms

MISSING: Any = object()


class Matching(Forms):
    """
    Matching in Python, in small methods.
    """

    # filters

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return all(self.matches_field(value.get(k, MISSING), v) for k, v in wanted.items())

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if not isinstance(wanted, dict):
            return self.equal(actual, wanted)
        if any(str(name).startswith("$") for name in wanted):
            return all(self.operate(name, actual, operand) for name, operand in wanted.items())
        return isinstance(actual, dict) and self.matches_filter(actual, wanted)

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        if operator == "$eq":
            return self.equal(actual, operand)
        if operator == "$ne":
            return not self.equal(actual, operand)
        return self.compare(operator, actual, operand)

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        kinds = self.kind(actual), self.kind(operand)
        return kinds in (("number",) * 2, ("str",) * 2) and RANGES[operator](actual, operand)

    def kind(self, value: Any) -> str:
        if isinstance(value, bool):
            return "bool"
        return "number" if isinstance(value, (int, float)) else type(value).__name__

    def equal(self, left: Any, right: Any) -> bool:
        """Equality of JSON values: 1 equals 1.0 but not true, at any depth."""
        if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
            return len(left) == len(right) and all(map(self.equal, left, right))
        if isinstance(left, dict) and isinstance(right, dict):
            return left.keys() == right.keys() and all(self.equal(left[k], right[k]) for k in left)
        return self.kind(left) == self.kind(right) and bool(left == right)

    # namespaces

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        return namespace[: len(prefix)] == tuple(prefix)

    def matches_condition(self, namespace: tuple[str, ...], condition: MatchCondition) -> bool:
        path = tuple(condition.path)
        if condition.match_type not in ("prefix", "suffix"):
            raise ValueError(f"Unsupported match type: {condition.match_type}")
        if len(namespace) < len(path):
            return False
        start = 0 if condition.match_type == "prefix" else len(namespace) - len(path)
        return all(map(self.matches_label, namespace[start:], path))

    def matches_label(self, label: str, wanted: str) -> bool:
        return wanted == "*" or label == wanted

    def truncate(self, namespace: tuple[str, ...], depth: int | None) -> tuple[str, ...]:
        return namespace if depth is None else namespace[:depth]

    def sort_namespaces(self, namespaces: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return sorted(namespaces)

    # pages

    def page(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        start = max(offset, 0)
        return found[start : start + max(limit, 0)]
