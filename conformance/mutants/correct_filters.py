"""
Stores that choose otherwise where the contract leaves a choice of filters.
"""

from __future__ import annotations

from typing import Any

from langgraph.store.base import Op, SearchOp

from store_conformance.mutants.correct import Variant
from store_conformance.mutants.reference import ReferenceStore


class NestedObjectsAreExact(Variant, ReferenceStore):
    """A nested object in a filter matches an equal object only, one with further fields not."""

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict) and not any(str(name).startswith("$") for name in wanted):
            return self.equal(actual, wanted)
        return super().matches_field(actual, wanted)


class EmptyObjectsAreRefused(Variant, ReferenceStore):
    """An empty object as a condition is refused."""

    def validate(self, op: Op) -> None:
        super().validate(op)
        if isinstance(op, SearchOp) and {} in (op.filter or {}).values():
            raise ValueError("An empty object is no condition; name a field of it.")


class LargeBoundsAreRefused(Variant, ReferenceStore):
    """A bound of a range that the engine could not compare exactly is refused by name."""

    def validate(self, op: Op) -> None:
        super().validate(op)
        for wanted in (op.filter or {}).values() if isinstance(op, SearchOp) else ():
            for operator, operand in wanted.items() if isinstance(wanted, dict) else ():
                ranged = operator in ("$gt", "$gte", "$lt", "$lte")
                number = isinstance(operand, (int, float)) and not isinstance(operand, bool)
                if ranged and number and abs(operand) > 2**49:
                    raise ValueError(f"{operator} cannot compare {operand!r} exactly.")
