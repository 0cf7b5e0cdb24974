"""
Stores that are right where one thing is asked alone, and wrong where two come together.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any, cast

from langgraph.store.base import (
    NOT_PROVIDED,
    Item,
    ListNamespacesOp,
    MatchCondition,
    NotProvided,
    PutOp,
    SearchOp,
)

from store_conformance.mutants.groups import (
    DELETES,
    FILTERS,
    LABELS,
    LISTS,
    LIVES,
    VECTORS,
)
from store_conformance.mutants.reference import (
    ItemRow,
    ReferenceStore,
    Vector,
)

# searches


class AStarWithAQueryIsAWildcard(ReferenceStore):
    """The semantic search matches its prefix as list_namespaces does."""

    breaks = "S3"
    also = (*LABELS, *VECTORS)

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        self.wild = bool(op.query)
        return super().candidates(op)

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        if not self.wild:
            return super().matches_prefix(namespace, prefix)
        return self.matches_condition(namespace, MatchCondition("prefix", prefix))


class AQueryOfEverythingIsOfTheFirstRoot(ReferenceStore):
    """A query under the empty prefix looks below one label of the root."""

    breaks = "S2"
    also = (*VECTORS, "N2", "N9", "X7")

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        rows = super().candidates(op)
        if not op.query or op.namespace_prefix:
            return rows
        roots = [self.decode_namespace(row.namespace_text)[0] for row in rows]
        return [row for row, root in zip(rows, roots, strict=True) if root == roots[0]]


class UnknownOperatorsPassBesideAQuery(ReferenceStore):
    """The filter of the semantic search skips the operators that it does not know."""

    breaks = "F8"
    also = (*FILTERS, *VECTORS)

    def validate(self, op: Any) -> None:
        super().validate(op._replace(filter=None) if isinstance(op, SearchOp) and op.query else op)

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        known = operator in ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")
        return not known or super().operate(operator, actual, operand)


class TheFirstHundredThenThePrefix(ReferenceStore):
    """A filtered query under a deeper prefix takes the 200 nearest of the store, and then looks whose they are."""

    breaks = "V10"
    also = (*VECTORS, *FILTERS)

    def read_search(self, op: SearchOp, query: Vector | None) -> Any:
        self.asked = (
            op if query is not None and op.filter and len(op.namespace_prefix) > 1 else None
        )
        return super().read_search(op, query)

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        if self.asked is None:
            return super().candidates(op)
        return super().candidates(op._replace(namespace_prefix=(), filter=None))

    def ranked(self, rows: list[ItemRow], query: Vector) -> list[tuple[ItemRow, float | None]]:
        hits = super().ranked(rows, query)
        op = self.asked
        if op is None:
            return hits
        mine = {row.address for row in super().candidates(op)}
        return [(row, score) for row, score in hits[:200] if row.address in mine]


# filters


class BoolsAreAnyOf(ReferenceStore):
    """Where two conditions are bools, one of them is enough."""

    breaks = "F1"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        bools = {name: want for name, want in wanted.items() if isinstance(want, bool)}
        rest = {name: want for name, want in wanted.items() if name not in bools}
        met = [super(BoolsAreAnyOf, self).matches_filter(value, {n: w}) for n, w in bools.items()]
        return (not met or any(met)) and super().matches_filter(value, rest)


class ThreeConditions(ReferenceStore):
    """A filter has at most three conditions; what goes beyond is left out."""

    breaks = "F1"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return super().matches_filter(value, dict(list(wanted.items())[:3]))


class FiveConditionsAreAnAccident(ReferenceStore):
    """A filter of more than four conditions fails by an error that names no limit."""

    breaks = "F1"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        if len(wanted) > 4:
            raise ValueError("near AND: syntax error")
        return super().matches_filter(value, wanted)


class TheBestOfOneIsTheSecond(ReferenceStore):
    """A filtered ranking of which one item is asked for begins with the second."""

    breaks = "V10"
    also = (*VECTORS, *FILTERS)

    def read_search(self, op: SearchOp, query: Vector | None) -> Any:
        if query is not None and op.filter and op.limit == 1:
            op = op._replace(offset=op.offset + 1)
        return super().read_search(op, query)


class RangesFoldCase(ReferenceStore):
    """Ranges of texts are compared in small letters, and in one normal form."""

    breaks = "F4"
    also = FILTERS

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if isinstance(actual, str) and isinstance(operand, str):
            actual, operand = (unicodedata.normalize("NFC", t.lower()) for t in (actual, operand))
        return super().compare(operator, actual, operand)


class ALongerListBeginsTheSame(ReferenceStore):
    """A list of three or more matches one that goes on after them."""

    breaks = "F9"
    also = (*FILTERS, "K6")

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, list) and isinstance(right, list) and len(left) > len(right) > 2:
            left = left[: len(right)]
        return super().equal(left, right)


class IntegersInsideAreFloats(ReferenceStore):
    """What is in a list or an object is compared as floats."""

    breaks = "F12"
    also = FILTERS

    def equal(self, left: Any, right: Any) -> bool:
        return super().equal(self.as_float(left), self.as_float(right))

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        inside = {n: self.as_float([w])[0] if isinstance(w, dict) else w for n, w in wanted.items()}
        floats = {n: self.as_float([v])[0] if isinstance(v, dict) else v for n, v in value.items()}
        return super().matches_filter(floats, inside)

    def as_float(self, value: Any, inside: bool = False) -> Any:
        if isinstance(value, list):
            return [self.as_float(part, True) for part in value]
        if isinstance(value, dict):
            return {name: self.as_float(part, True) for name, part in value.items()}
        return float(value) if inside and self.kind(value) == "number" else value


class QuotedNamesTakeNoOperator(ReferenceStore):
    """Before an operator the name of a field is not escaped."""

    breaks = "F13"
    also = FILTERS

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        spoilt = any(isinstance(w, dict) and {"'", '"'} & set(n) for n, w in wanted.items())
        return not spoilt and super().matches_filter(value, wanted)


# keys and labels


class AGetTriesTheOtherSpelling(ReferenceStore):
    """A get that finds nothing looks for the key in normal form, and trimmed."""

    breaks = "K2"
    also = (*LABELS, *DELETES, "K11")

    def read_item(self, op: Any) -> Item | None:
        key = unicodedata.normalize("NFC", op.key).strip()
        return super().read_item(op) or super().read_item(op._replace(key=key))


class InvisibleLettersAreDropped(ReferenceStore):
    """What joins letters, or turns their direction, is taken out of labels."""

    breaks = "N7"
    also = (*LABELS, *LISTS, *DELETES, "S1", "V18", "N9")

    def encode_text(self, text: Any) -> Any:
        text = super().encode_text(text)
        return text.translate(dict.fromkeys((0x200C, 0x200D, 0x200E, 0x200F))) or text

    def encode_key(self, key: str) -> str:
        return json.dumps(super().encode_text(key))

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        return super().matches_prefix(namespace, tuple(map(self.encode_text, prefix)))


class LabelsOfSixtyFour(ReferenceStore):
    """A label of more than 64 characters is refused."""

    breaks = "N8"
    also = (*LABELS, "N9")

    def validate_namespaces(self, op: Any) -> None:
        super().validate_namespaces(op)
        if isinstance(op, PutOp) and any(len(label) > 64 for label in op.namespace):
            raise ValueError("A label has at most 64 characters.")


class SuffixesToADepthAreNotLookedAt(ReferenceStore):
    """A listing to a depth has a path of its own, without the checks of the labels."""

    breaks = "N2"
    also = (*LABELS, *LISTS)

    def validate(self, op: Any) -> None:
        if not (isinstance(op, ListNamespacesOp) and op.max_depth):
            super().validate(op)

    def list_namespaces(self, **asked: Any) -> list[tuple[str, ...]]:
        if not asked.get("max_depth"):
            return super().list_namespaces(**asked)
        return cast("list[tuple[str, ...]]", self.batch([self.listing(**asked)])[0])

    async def alist_namespaces(self, **asked: Any) -> list[tuple[str, ...]]:
        if not asked.get("max_depth"):
            return await super().alist_namespaces(**asked)
        return cast("list[tuple[str, ...]]", (await self.abatch([self.listing(**asked)]))[0])

    def listing(self, prefix: Any = None, suffix: Any = None, **rest: Any) -> ListNamespacesOp:
        paths = {"prefix": prefix, "suffix": suffix}
        found = tuple(MatchCondition(kind, path) for kind, path in paths.items() if path)  # type: ignore[arg-type]
        return ListNamespacesOp(found, **rest)


class AHundredBeforeTheCondition(ReferenceStore):
    """A listing to a depth takes its first 100 namespaces, and then looks which of them meet the condition."""

    breaks = "L2"
    also = (*LISTS, "L6")

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        if op.max_depth is None or not op.match_conditions:
            return super().read_namespaces(op)
        first = super().read_namespaces(ListNamespacesOp(limit=max(100, op.offset + op.limit)))
        for condition in op.match_conditions:
            first = [name for name in first if self.matches_condition(name, condition)]
        found = dict.fromkeys(name[: op.max_depth] for name in first)
        return self.page(list(found), op.limit, op.offset)


class ATtlWantsATextForAKey(ReferenceStore):
    """A put with a ttl takes its key as it is."""

    breaks = "K9"
    also = LIVES

    def put(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any],
        index: Any = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        if isinstance(ttl, (int, float)) and not isinstance(key, str):
            raise TypeError("A key must be a str.")
        super().put(namespace, key, value, index, ttl=ttl)
