"""
Stores that break the rules of filters (F1 to F14).
"""

from __future__ import annotations

import json
import re
from array import array
from typing import Any

from store_conformance.mutants.groups import FILTERS
from store_conformance.mutants.reference import MISSING, OPERATORS, RANGES, ReferenceStore

EQUALS = ("F1", "F2", "F6", "F7", "F9", "F10", "F11", "F12", "F13", "F14")
RANGED = ("F3", "F4", "F5", "F6", "F12", "O7", "E2")


# F1


class FilterIsIgnored(ReferenceStore):
    """A filter is ignored."""

    breaks = "F1"
    also = (
        *FILTERS,
        "K3",
        "O1",
        "O10",
        "O17",
        "O3",
        "S2",
        "S5",
        "S7",
        "T4",
        "T5",
        "V1",
        "V3",
        "V9",
    )

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return True


class FieldsAreOred(ReferenceStore):
    """One matching field is enough."""

    breaks = "F1"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return any(self.matches_field(value.get(k, MISSING), v) for k, v in wanted.items())


class OnlyTheFirstFieldCounts(ReferenceStore):
    """Only the first field of a filter is looked at."""

    breaks = "F1"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return super().matches_filter(value, dict(list(wanted.items())[:1]))


class FieldsBeyondTwoAreIgnored(ReferenceStore):
    """Only the first two fields of a filter are looked at."""

    breaks = "F1"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return super().matches_filter(value, dict(list(wanted.items())[:2]))


class TextIsComparedWithoutCase(ReferenceStore):
    """Text is compared without regard to case."""

    breaks = "F1"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return left.lower() == right.lower()
        return super().equal(left, right)


class TextIsFoundWithin(ReferenceStore):
    """A text matches when it is part of the field."""

    breaks = "F1"
    also = (*EQUALS, "E2", "S8")

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return right in left
        return super().equal(left, right)


class TextIsComparedTrimmed(ReferenceStore):
    """Text is compared without the white space around it."""

    breaks = "F1"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return left.strip() == right.strip()
        return super().equal(left, right)


class ValuesAreComparedAsText(ReferenceStore):
    """Values are compared as text, so 1 is not 1.0 and is "1"."""

    breaks = "F1"
    also = (*EQUALS, "F8")

    def equal(self, left: Any, right: Any) -> bool:
        return left is not MISSING and str(left) == str(right)


class OneIsNotOnePointNought(ReferenceStore):
    """1 does not match 1.0."""

    breaks = "F11"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        return type(left) is type(right) and super().equal(left, right)


class MissingFieldsMatch(ReferenceStore):
    """An item without the field matches everything."""

    breaks = "F1"
    also = (*FILTERS, "K3", "O10", "S7")

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        return actual is MISSING or super().matches_field(actual, wanted)


class NullMatchesNothing(ReferenceStore):
    """``{"k": None}`` matches nothing, as SQL compares."""

    breaks = "F1"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        return left is not None and right is not None and super().equal(left, right)


class NullIsIgnored(ReferenceStore):
    """``{"k": None}`` is no condition."""

    breaks = "F1"
    also = EQUALS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        return wanted is None or super().matches_field(actual, wanted)


class FalseIsIgnored(ReferenceStore):
    """A falsy filter value is no condition."""

    breaks = "F1"
    also = EQUALS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        return wanted in (0, "", False) or super().matches_field(actual, wanted)


class EmptyTextIsIgnored(ReferenceStore):
    """An empty text is no condition."""

    breaks = "F1"
    also = EQUALS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        return wanted == "" or super().matches_field(actual, wanted)


class FloatsMatchRoughly(ReferenceStore):
    """Floats that differ by less than 0.001 are equal."""

    breaks = "F1"
    also = (*EQUALS, "F3")

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, float) and isinstance(right, float):
            return abs(left - right) < 0.001
        return super().equal(left, right)


class FloatsNeverMatch(ReferenceStore):
    """A float that is no whole number matches nothing."""

    breaks = "F1"
    also = (*EQUALS, "F3")

    def equal(self, left: Any, right: Any) -> bool:
        split = isinstance(right, float) and not right.is_integer()
        return not split and super().equal(left, right)


class BoolsNeverMatch(ReferenceStore):
    """``{"k": True}`` matches nothing."""

    breaks = "F1"
    also = (*EQUALS, "S8", "V10", "S2", "S5", "V1")

    def equal(self, left: Any, right: Any) -> bool:
        return not isinstance(right, bool) and super().equal(left, right)


class NegativeNumbersNeverMatch(ReferenceStore):
    """A negative number matches nothing."""

    breaks = "F1"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        below = self.kind(right) == "number" and right < 0
        return not below and super().equal(left, right)


class ScalarsMatchLists(ReferenceStore):
    """A scalar matches a list that holds it, as document databases do."""

    breaks = "F9"
    also = (*EQUALS, "F5")

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, list) and not isinstance(right, (list, tuple)):
            return any(super(ScalarsMatchLists, self).equal(part, right) for part in left)
        return super().equal(left, right)


# F2


class EqIsUnknown(ReferenceStore):
    """``$eq`` is refused."""

    breaks = "F2"
    also = FILTERS

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        super().check_filter(wanted, below)
        if below and isinstance(wanted, dict) and "$eq" in wanted:
            raise ValueError("Unsupported filter operator: $eq")


class EqMatchesEverything(ReferenceStore):
    """``$eq`` matches everything."""

    breaks = "F2"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        return operator == "$eq" or super().operate(operator, actual, operand)


class EqMatchesNothing(ReferenceStore):
    """``$eq`` matches nothing."""

    breaks = "F2"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        return operator != "$eq" and super().operate(operator, actual, operand)


class EqOfListsMatchesNothing(ReferenceStore):
    """``$eq`` with a list matches nothing."""

    breaks = "F2"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        lists = operator == "$eq" and isinstance(operand, list)
        return not lists and super().operate(operator, actual, operand)


class EqComparesText(ReferenceStore):
    """``$eq`` compares as text, so 1 is not 1.0."""

    breaks = "F2"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        if operator == "$eq":
            return actual is not MISSING and str(actual) == str(operand)
        return super().operate(operator, actual, operand)


class EqOfNullMatchesEverything(ReferenceStore):
    """``$eq`` with null is no condition."""

    breaks = "F2"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        none = operator == "$eq" and operand is None
        return none or super().operate(operator, actual, operand)


# F3


class RangesCompareText(ReferenceStore):
    """Numbers are compared as text, so 10 is before 9."""

    breaks = "F3"
    also = (*RANGED, "F10")

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        return super().compare(operator, actual, operand) and RANGES[operator](
            str(actual), str(operand)
        )


class RangesCompareTextWhenNegative(ReferenceStore):
    """Negative numbers are compared by their size."""

    breaks = "F3"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if self.kind(actual) == self.kind(operand) == "number" and min(actual, operand) < 0:
            return RANGES[operator](abs(actual), abs(operand))
        return super().compare(operator, actual, operand)


class RangesCompareSinglePrecision(ReferenceStore):
    """Numbers are rounded to single precision before they are compared."""

    breaks = "F3"
    also = ("F12",)

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if self.kind(actual) == self.kind(operand) == "number":
            return RANGES[operator](*array("f", [actual, operand]))
        return super().compare(operator, actual, operand)


class NumbersEqualInSinglePrecision(ReferenceStore):
    """Numbers are equal where they are in single precision."""

    breaks = "F3"
    also = ("F1", "F2", "F12", "F6")

    def equal(self, left: Any, right: Any) -> bool:
        if self.kind(left) == self.kind(right) == "number":
            one, other = array("f", [left, right])
            return bool(one == other)
        return super().equal(left, right)


class RangesCompareInts(ReferenceStore):
    """Numbers are cut to integers before they are compared."""

    breaks = "F3"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if self.kind(actual) == self.kind(operand) == "number":
            return RANGES[operator](int(actual), int(operand))
        return super().compare(operator, actual, operand)


class RangesNeedTheSameType(ReferenceStore):
    """An integer and a float are never compared."""

    breaks = "F3"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        return type(actual) is type(operand) and super().compare(operator, actual, operand)


class GtIsGte(ReferenceStore):
    """``$gt`` matches the limit itself."""

    breaks = "F3"
    also = (*RANGED, "F13")

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        return super().compare("$gte" if operator == "$gt" else operator, actual, operand)


class LteIsLt(ReferenceStore):
    """``$lte`` does not match the limit itself."""

    breaks = "F3"
    also = (*RANGED, "F13")

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        return super().compare("$lt" if operator == "$lte" else operator, actual, operand)


class LtIsGt(ReferenceStore):
    """``$lt`` matches what is greater."""

    breaks = "F3"
    also = (*RANGED, "F10", "S8", "V10")

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        return super().compare("$gt" if operator == "$lt" else operator, actual, operand)


class GteOfZeroMatchesEverything(ReferenceStore):
    """A range that starts at zero is no condition."""

    breaks = "F3"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        zero = self.kind(operand) == self.kind(actual) == "number" and operand == 0
        return zero or super().compare(operator, actual, operand)


# F4


class TextRangesRaise(ReferenceStore):
    """A range of text raises, because it is cast to float."""

    breaks = "F4"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if isinstance(operand, str):
            return RANGES[operator](float(actual), float(operand))
        return super().compare(operator, actual, operand)


class TextRangesMatchNothing(ReferenceStore):
    """A range of text matches nothing."""

    breaks = "F4"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        return not isinstance(operand, str) and super().compare(operator, actual, operand)


class TextRangesCompareLength(ReferenceStore):
    """A range of text compares its length."""

    breaks = "F4"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if isinstance(actual, str) and isinstance(operand, str):
            return RANGES[operator](len(actual), len(operand))
        return super().compare(operator, actual, operand)


class DateRangesCompareDays(ReferenceStore):
    """A range of text compares its first ten characters."""

    breaks = "F4"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if isinstance(actual, str) and isinstance(operand, str):
            return RANGES[operator](actual[:10], operand[:10])
        return super().compare(operator, actual, operand)


# F5


class RangesOnMissingFieldsRaise(ReferenceStore):
    """A range raises when an item has no such field."""

    breaks = "F5"
    also = FILTERS

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if actual is MISSING:
            raise TypeError("float() argument must be a number, not None")
        return super().compare(operator, actual, operand)


class RangesOnMissingFieldsMatch(ReferenceStore):
    """A missing field counts as zero in a range."""

    breaks = "F5"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        number = actual is MISSING and self.kind(operand) == "number"
        return super().compare(operator, 0 if number else actual, operand)


class RangesOnNullMatch(ReferenceStore):
    """Null counts as zero in a range."""

    breaks = "F5"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        number = actual is None and self.kind(operand) == "number"
        return super().compare(operator, 0 if number else actual, operand)


class RangesOnOtherTypesRaise(ReferenceStore):
    """A range raises when an item has a field of another type."""

    breaks = "F5"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if actual is not MISSING and self.kind(actual) != self.kind(operand):
            return RANGES[operator](actual, operand)
        return super().compare(operator, actual, operand)


class RangesCastText(ReferenceStore):
    """A text of digits counts as a number in a range."""

    breaks = "F5"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if isinstance(actual, str) and self.kind(operand) == "number":
            digits = re.match(r"-?\d+(\.\d+)?", actual)
            actual = float(digits[0]) if digits else 0.0
        return super().compare(operator, actual, operand)


class RangesOnOtherTypesCompareText(ReferenceStore):
    """Values of different types are compared as text in a range."""

    breaks = "F5"
    also = RANGED

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if actual is not MISSING and self.kind(actual) != self.kind(operand):
            return RANGES[operator](str(actual), str(operand))
        return super().compare(operator, actual, operand)


# F6


class NeIsIgnored(ReferenceStore):
    """``$ne`` is no condition."""

    breaks = "F6"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        return operator == "$ne" or super().operate(operator, actual, operand)


class NeMatchesNothing(ReferenceStore):
    """``$ne`` matches nothing."""

    breaks = "F6"
    also = (*FILTERS, "S7")

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        return operator != "$ne" and super().operate(operator, actual, operand)


class NeComparesText(ReferenceStore):
    """``$ne`` compares as text, so 1 differs from 1.0."""

    breaks = "F6"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        if operator == "$ne":
            return str(actual) != str(operand)
        return super().operate(operator, actual, operand)


class NeNeedsTheSameType(ReferenceStore):
    """``$ne`` does not match a value of another type."""

    breaks = "F6"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        other = operator == "$ne" and self.kind(actual) != self.kind(operand)
        return not other and super().operate(operator, actual, operand)


class OnlyTheFirstOperatorCounts(ReferenceStore):
    """Of several operators only the first counts."""

    breaks = "F6"
    also = (*FILTERS,)

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict) and OPERATORS & wanted.keys():
            wanted = dict(list(wanted.items())[:1])
        return super().matches_field(actual, wanted)


class OnlyTheLastOperatorCounts(ReferenceStore):
    """Of several operators only the last counts."""

    breaks = "F6"
    also = (*FILTERS,)

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict) and OPERATORS & wanted.keys():
            wanted = dict(list(wanted.items())[-1:])
        return super().matches_field(actual, wanted)


class OperatorsAreOred(ReferenceStore):
    """Of several operators one is enough."""

    breaks = "F6"
    also = (*FILTERS,)

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict) and OPERATORS & wanted.keys():
            return any(self.operate(name, actual, operand) for name, operand in wanted.items())
        return super().matches_field(actual, wanted)


# F8


class UnknownOperatorsAreIgnored(ReferenceStore):
    """An unknown operator is no condition."""

    breaks = "F8"
    also = ("F10", "F13")

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        return None

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        return operator not in OPERATORS or super().operate(operator, actual, operand)


class UnknownOperatorsMatchNothing(ReferenceStore):
    """An unknown operator matches nothing."""

    breaks = "F8"
    also = ("F10", "F13")

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        return None

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        return operator in OPERATORS and super().operate(operator, actual, operand)


class UnknownOperatorsRaiseKeyError(ReferenceStore):
    """An unknown operator raises KeyError."""

    breaks = "F8"
    also = ("F10", "F13")

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        try:
            super().check_filter(wanted, below)
        except ValueError as error:
            raise KeyError(str(error)) from error


class UnknownOperatorsAreFields(ReferenceStore):
    """An unknown operator is taken for the name of a nested field."""

    breaks = "F8"
    also = ("F10", "F13")

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        return None

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict) and wanted.keys() - OPERATORS:
            return isinstance(actual, dict) and self.matches_filter(actual, wanted)
        return super().matches_field(actual, wanted)


class UnknownOperatorsAreNoticedOnlyOnPresentFields(ReferenceStore):
    """An unknown operator is refused only when the item has the field."""

    breaks = "F8"
    also = ("F10", "F13")

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        return None

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        if operator in OPERATORS:
            return super().operate(operator, actual, operand)
        if actual is not MISSING:
            raise ValueError(f"Unsupported filter operator: {operator}")
        return False


class UnknownOperatorsHideBehindKnownOnes(ReferenceStore):
    """An unknown operator after one that does not match is not noticed."""

    breaks = "F8"
    also = ("F10", "F13")

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        return None

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        if operator not in OPERATORS:
            raise ValueError(f"Unsupported filter operator: {operator}")
        return super().operate(operator, actual, operand)


class TopLevelDollarIsRefused(ReferenceStore):
    """A field whose name starts with a dollar is refused."""

    breaks = "F8"
    also = ("F13",)

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        super().check_filter(wanted, below)
        if not below and isinstance(wanted, dict) and any(k.startswith("$") for k in wanted):
            raise ValueError("Unsupported filter operator.")


class AsyncIgnoresUnknownOperators(ReferenceStore):
    """``asearch`` answers nothing for an unknown operator."""

    breaks = "F8"
    also = ("F10", "F13", "O7")
    modes = ("async",)

    async def asearch(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().asearch(*args, **kwargs)
        except ValueError as error:
            if "operator" in str(error):
                return []
            raise


# F9


class ListsMatchSubsets(ReferenceStore):
    """A list matches a longer one that holds its elements."""

    breaks = "F9"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, list) and isinstance(right, (list, tuple)):
            return all(any(super(ListsMatchSubsets, self).equal(x, y) for x in left) for y in right)
        return super().equal(left, right)


class ListsMatchInAnyOrder(ReferenceStore):
    """A list matches one with its elements in another order."""

    breaks = "F9"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, list) and isinstance(right, (list, tuple)):
            return sorted(left, key=json.dumps) == sorted(right, key=json.dumps)
        return super().equal(left, right)


class ListsMatchTheirBeginning(ReferenceStore):
    """A list matches one that goes on after it."""

    breaks = "F9"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, list) and isinstance(right, (list, tuple)):
            return all(
                super(ListsMatchTheirBeginning, self).equal(x, y) for x, y in zip(left, right)
            )
        return super().equal(left, right)


class ListsMatchAnyElement(ReferenceStore):
    """A list in a filter means one of its elements."""

    breaks = "F9"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(right, (list, tuple)) and not isinstance(left, list):
            return any(super(ListsMatchAnyElement, self).equal(left, part) for part in right)
        return super().equal(left, right)


class ListsNeverMatch(ReferenceStore):
    """A list in a filter matches nothing."""

    breaks = "F9"
    also = (*EQUALS, "S8")

    def equal(self, left: Any, right: Any) -> bool:
        return not isinstance(right, (list, tuple)) and super().equal(left, right)


class ListsAreRefused(ReferenceStore):
    """A list in a filter raises."""

    breaks = "F9"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(right, (list, tuple)):
            raise TypeError("A list cannot be bound.")
        return super().equal(left, right)


class EmptyListMatchesEveryList(ReferenceStore):
    """The empty list matches every list."""

    breaks = "F9"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        return (isinstance(left, list) and right == []) or super().equal(left, right)


class LimitsBeyondAByteAreRefused(ReferenceStore):
    """A range whose limit is beyond a byte is refused, by an error that names it."""

    breaks = "F3"
    also = FILTERS

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        if operator not in ("$eq", "$ne") and isinstance(operand, (int, float)) and operand > 255:
            raise ValueError(f"{operator} cannot compare {operand!r}.")
        return super().operate(operator, actual, operand)


# F10


class NestedDictsNeverMatch(ReferenceStore):
    """A nested dict without operators matches nothing."""

    breaks = "F10"
    also = tuple(rule for rule in FILTERS if rule not in ("F11", "F12"))  # which ask what is inside

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        plain = isinstance(wanted, dict) and not OPERATORS & wanted.keys()
        return not plain and super().matches_field(actual, wanted)


class NestedDictsRaise(ReferenceStore):
    """A nested dict without operators raises."""

    breaks = "F10"
    also = FILTERS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict) and not OPERATORS & wanted.keys():
            raise TypeError("unhashable type: 'dict'")
        return super().matches_field(actual, wanted)


class NestedDictsAreIgnored(ReferenceStore):
    """A nested dict without operators is no condition."""

    breaks = "F10"
    also = FILTERS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        plain = isinstance(wanted, dict) and not OPERATORS & wanted.keys()
        return plain or super().matches_field(actual, wanted)


class OnlyOneLevelOfNestingCounts(ReferenceStore):
    """A dict within a nested dict is no condition."""

    breaks = "F10"
    also = FILTERS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict) and not OPERATORS & wanted.keys():
            wanted = {k: v for k, v in wanted.items() if not isinstance(v, dict)}
        return super().matches_field(actual, wanted)


class OneNestedFieldIsEnough(ReferenceStore):
    """Of the fields of a nested dict one is enough."""

    breaks = "F10"
    also = FILTERS

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        plain = isinstance(wanted, dict) and wanted and not OPERATORS & wanted.keys()
        if plain and isinstance(actual, dict):
            return any(self.matches_field(actual.get(k, MISSING), v) for k, v in wanted.items())
        return super().matches_field(actual, wanted)


# F11


class TrueIsOne(ReferenceStore):
    """True matches 1 and False matches 0."""

    breaks = "F11"
    also = (*EQUALS, "F5")

    def kind(self, value: Any) -> str:
        return "number" if isinstance(value, (bool, int, float)) else type(value).__name__


class OneMatchesTrue(ReferenceStore):
    """The filter 1 matches true, but True does not match 1."""

    breaks = "F11"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        return (left is True and right == 1) or super().equal(left, right)


class TrueMatchesOne(ReferenceStore):
    """The filter True matches 1, but 1 does not match true."""

    breaks = "F11"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        return (right is True and left == 1) or super().equal(left, right)


class FalseMatchesZero(ReferenceStore):
    """The filter False matches 0."""

    breaks = "F11"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        return (right is False and left == 0 and left is not MISSING) or super().equal(left, right)


class TrueMatchesTheTextTrue(ReferenceStore):
    """The filter True matches the text "true"."""

    breaks = "F11"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        return (right is True and left == "true") or super().equal(left, right)


# F12


class NumbersAreComparedAsFloats(ReferenceStore):
    """Integers beyond 2**53 are equal to their neighbours."""

    breaks = "F12"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if self.kind(left) == self.kind(right) == "number":
            return float(left) == float(right)
        return super().equal(left, right)


class IntsBeyond32BitsNeverMatch(ReferenceStore):
    """An integer beyond 32 bits matches nothing."""

    breaks = "F12"
    also = (*EQUALS, "F3")

    def equal(self, left: Any, right: Any) -> bool:
        big = type(right) is int and abs(right) >= 2**31
        return not big and super().equal(left, right)


class TheLargestIntRaises(ReferenceStore):
    """The integer 2**63 - 1 in a filter raises."""

    breaks = "F12"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if type(right) is int and right == 2**63 - 1:
            raise OverflowError("int too large to convert")
        return super().equal(left, right)


# F13


class DotsInNamesArePaths(ReferenceStore):
    """A dot in the name of a field leads into a nested dict."""

    breaks = "F13"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return all(self.matches_field(self.follow(value, k), v) for k, v in wanted.items())

    def follow(self, value: Any, path: str) -> Any:
        for part in path.split("."):
            value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
        return value


class NamesAreRestricted(ReferenceStore):
    """A field whose name is no identifier is refused."""

    breaks = "F13"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        if not all(re.fullmatch(r"[a-zA-Z0-9_.-]+", name) for name in wanted):
            raise ValueError("Invalid filter key.")
        return super().matches_filter(value, wanted)


class QuotesInNamesRaise(ReferenceStore):
    """A quote in the name of a field is an error of syntax."""

    breaks = "F13"
    also = (*FILTERS, "E8")

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        for name in wanted:
            self.connection.execute(f"SELECT '$.{name}'")
        return super().matches_filter(value, wanted)


class QuotesInNamesMatchEverything(ReferenceStore):
    """A quote in the name of a field ends the condition."""

    breaks = "F13"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return super().matches_filter(value, {k: v for k, v in wanted.items() if "'" not in k})


class NamesIgnoreCase(ReferenceStore):
    """The names of fields are compared without case."""

    breaks = "F13"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        lowered = {name.lower(): inner for name, inner in value.items()}
        return super().matches_filter(lowered, {k.lower(): v for k, v in wanted.items()})


class UnicodeNamesAreNotFound(ReferenceStore):
    """A field whose name is not ASCII is not found."""

    breaks = "F13"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        known = {name: inner for name, inner in value.items() if name.isascii()}
        return super().matches_filter(known, wanted)


class DollarNamesAreNotFound(ReferenceStore):
    """A field whose name starts with a dollar is not found."""

    breaks = "F13"
    also = (*FILTERS,)

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        known = {name: inner for name, inner in value.items() if not name.startswith("$")}
        return super().matches_filter(known, wanted)


class SpacesInNamesAreNotFound(ReferenceStore):
    """A field whose name holds a space is not found."""

    breaks = "F13"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        known = {name: inner for name, inner in value.items() if " " not in name}
        return super().matches_filter(known, wanted)


# F14


class PercentInValuesIsAWildcard(ReferenceStore):
    """A percent sign in a filter value matches anything."""

    breaks = "F14"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str) and "%" in right:
            pattern = ".*".join(map(re.escape, right.split("%")))
            return re.fullmatch(pattern, left, re.DOTALL) is not None
        return super().equal(left, right)


class UnderscoreInValuesIsAWildcard(ReferenceStore):
    """An underscore in a filter value matches any character."""

    breaks = "F14"
    also = (*EQUALS, "E2")

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str) and "_" in right:
            pattern = ".".join(map(re.escape, right.split("_")))
            return re.fullmatch(pattern, left, re.DOTALL) is not None
        return super().equal(left, right)


class QuotesInValuesRaise(ReferenceStore):
    """A quote in a filter value is an error of syntax."""

    breaks = "F14"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(right, str) and "'" in right:
            self.connection.execute(f"SELECT '{right}'")
        return super().equal(left, right)


class QuotesInValuesNeverMatch(ReferenceStore):
    """A quote in a filter value matches nothing."""

    breaks = "F14"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        quoted = isinstance(right, str) and "'" in right
        return not quoted and super().equal(left, right)


class BackslashesInValuesAreEaten(ReferenceStore):
    """A backslash in a filter value is lost."""

    breaks = "F14"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        return super().equal(left, right.replace("\\", "") if isinstance(right, str) else right)


class EmojiInValuesNeverMatch(ReferenceStore):
    """A filter value beyond the basic plane matches nothing."""

    breaks = "F14"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        emoji = isinstance(right, str) and any(ord(x) > 0xFFFF for x in right)
        return not emoji and super().equal(left, right)


class InjectionInValuesMatchesEverything(ReferenceStore):
    """A filter value with a quote and OR matches everything."""

    breaks = "F14"
    also = EQUALS

    def equal(self, left: Any, right: Any) -> bool:
        hole = isinstance(right, str) and re.search(r"'.*\bor\b", right, re.IGNORECASE)
        return bool(hole) or super().equal(left, right)
