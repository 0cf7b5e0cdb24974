"""
Stores that break the round trip of a key and its value (K1 to K13).
"""

from __future__ import annotations

import json
import math
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from langgraph.store.base import GetOp, Item, ListNamespacesOp, Op, PutOp, SearchItem, SearchOp

from store_conformance.mutants.groups import ALL, DELETES, REPLACES, TIMES
from store_conformance.mutants.reference import Address, Embedded, ItemRow, ReferenceStore, Write


def mapped(change: Callable[[Any], Any], part: Any) -> Any:
    """The value with ``change`` applied to it and to everything inside, innermost first."""
    if isinstance(part, dict):
        part = {key: mapped(change, inner) for key, inner in part.items()}
    elif isinstance(part, (list, tuple)):
        part = [mapped(change, inner) for inner in part]
    return change(part)


class Alters(ReferenceStore):
    """A base for stores that alter a value on its way in."""

    also: tuple[str, ...] = ("K1", "K6", "K7", "E1", "E7")

    def alter(self, part: Any) -> Any:
        return part

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return json.dumps(mapped(self.alter, dict(value)))


class Exotic(Alters):
    """A base for stores that take what JSON has not, and alter it in silence."""

    def check_value(self, value: Any, depth: int = 0) -> None:
        return None

    def encode_text(self, text: Any) -> Any:
        return text


# K1


class NamespaceComesBackAsList(ReferenceStore):
    """The namespace of an item is a list."""

    breaks = "K1"
    also = ALL

    def read_item(self, op: GetOp) -> Item | None:
        item = super().read_item(op)
        if item is not None:
            item.namespace = list(item.namespace)  # type: ignore[assignment]
        return item


class NamespaceComesBackAsText(ReferenceStore):
    """The namespace of an item is one text."""

    breaks = "K1"
    also = ALL

    def read_item(self, op: GetOp) -> Item | None:
        item = super().read_item(op)
        if item is not None:
            item.namespace = "/".join(item.namespace)  # type: ignore[assignment]
        return item


class KeysOfDigitsComeBackAsInt(ReferenceStore):
    """A key of digits comes back as a number."""

    breaks = "K1"
    also = ALL

    def facts(self, row: ItemRow) -> dict[str, Any]:
        facts = super().facts(row)
        return {**facts, "key": int(facts["key"]) if facts["key"].isdecimal() else facts["key"]}


class ValueHoldsItsKey(ReferenceStore):
    """A value comes back with a field more."""

    breaks = "K1"
    also = ALL

    def facts(self, row: ItemRow) -> dict[str, Any]:
        facts = super().facts(row)
        return {**facts, "value": {**facts["value"], "_key": facts["key"]}}


class ValueComesBackAsText(ReferenceStore):
    """The value comes back as JSON text."""

    breaks = "K1"
    also = ALL

    def read_item(self, op: GetOp) -> Item | None:
        item = super().read_item(op)
        if item is not None:
            item.value = json.dumps(item.value)  # type: ignore[assignment]
        return item


class GetAnswersWithTheRow(ReferenceStore):
    """``get`` gives a dict and no Item."""

    breaks = "K1"
    also = ALL

    def read_item(self, op: GetOp) -> Any:
        item = super().read_item(op)
        return item and item.dict()


# K2


class GetOfMissingRaises(ReferenceStore):
    """``get`` of a missing item raises KeyError."""

    breaks = "K2"
    also = ALL

    def read_item(self, op: GetOp) -> Item | None:
        if (item := super().read_item(op)) is None:
            raise KeyError(op.key)
        return item


class GetOfMissingGivesAnEmptyItem(ReferenceStore):
    """``get`` of a missing item gives an item with an empty value."""

    breaks = "K2"
    also = ALL

    def read_item(self, op: GetOp) -> Item | None:
        now = self.to_datetime(self.now())
        facts = {"created_at": now, "updated_at": now}
        return super().read_item(op) or Item(value={}, key=op.key, namespace=op.namespace, **facts)


class GetInUnknownNamespaceRaises(ReferenceStore):
    """``get`` raises when the namespace holds no item at all."""

    breaks = "K2"
    also = ALL

    def read_item(self, op: GetOp) -> Item | None:
        text = self.encode_namespace(op.namespace)
        sql = "SELECT 1 FROM items WHERE namespace = ?"
        if self.connection.execute(sql, (text,)).fetchone() is None:
            raise LookupError("No such namespace.")
        return super().read_item(op)


class GetOfMissingGivesFalse(ReferenceStore):
    """``get`` of a missing item gives False."""

    breaks = "K2"
    also = ALL

    def read_item(self, op: GetOp) -> Any:
        return super().read_item(op) or False


# K3


class FirstValueWins(ReferenceStore):
    """A put on an existing key is acknowledged and ignored."""

    breaks = "K3"
    also = (*REPLACES, "K13", "K7", "K9", "N7", "T5", "T7", "X3")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if old is None:
            super().write_item(write, old)


class OverwriteMerges(ReferenceStore):
    """A put on an existing key keeps the fields of the old value that the new one does not name."""

    breaks = "K3"
    also = (*REPLACES, "K13", "K6", "K7", "N7")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if old is not None and write.text is not None:
            merged = {**self.load_value(old), **self.decode_value(write.text)}
            write = Write(write.op, write.address, json.dumps(merged), write.texts)
        super().write_item(write, old)


class OverwriteMergesNestedDicts(ReferenceStore):
    """A put on an existing key keeps the old fields of nested dicts."""

    breaks = "K3"
    also = REPLACES

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if old is not None and write.text is not None:
            before, after = self.load_value(old), self.decode_value(write.text)
            for name, inner in after.items():
                if isinstance(inner, dict) and isinstance(before.get(name), dict):
                    after[name] = {**before[name], **inner}
            write = Write(write.op, write.address, json.dumps(after), write.texts)
        super().write_item(write, old)


class OverwrittenItemsAreFoundTwice(ReferenceStore):
    """An item that was overwritten appears twice in a search."""

    breaks = "K3"
    also = ("K7", "K9", "V17", "V3", *REPLACES, "S4", "S5", "V4", "V7", "V9", "O17", "O8", "T7")

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        twice = [row for row in rows if row.updated_at > row.created_at]
        return super().order(rows + twice)


class ThirdValueIsLost(ReferenceStore):
    """An item can be overwritten once only."""

    breaks = "K3"
    also = (*REPLACES, "K6", "T7")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if old is None or old.created_at == old.updated_at:
            super().write_item(write, old)


class SmallerValueDoesNotReplace(ReferenceStore):
    """A shorter value does not replace a longer one."""

    breaks = "K3"
    also = (*REPLACES, "K13", "K6", "K7", "N7")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        text = json.dumps(self.load_value(old)) if old else ""
        if len(write.text or "") >= len(text):
            super().write_item(write, old)


class EmptyValueDoesNotReplace(ReferenceStore):
    """An empty value is taken for nothing to do."""

    breaks = "K3"
    also = (*REPLACES, "K6", "K1", "F10", "V2")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if write.text != "{}":
            super().write_item(write, old)


# K4


class OverwriteResetsCreatedAt(ReferenceStore):
    """An overwrite starts created_at anew."""

    breaks = "K4"
    also = TIMES

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        return now, now


class CreatedAtMovesOnSecondOverwrite(ReferenceStore):
    """created_at survives the first overwrite only."""

    breaks = "K4"
    also = TIMES

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        created, updated = super().timestamps(old, now)
        again = old is not None and old.created_at != old.updated_at
        return (updated if again else created), updated


class UpdatedAtStands(ReferenceStore):
    """updated_at stays at the creation."""

    breaks = "K4"
    also = TIMES

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        created, _ = super().timestamps(old, now)
        return created, created


class EqualValueIsNoUpdate(ReferenceStore):
    """A put of an equal value leaves updated_at as it was."""

    breaks = "K5"
    also = (*TIMES, "T2", "T3", "T4")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if old is None or self.load_value(old) != self.decode_value(write.text or "{}"):
            super().write_item(write, old)


class GetTouchesUpdatedAt(ReferenceStore):
    """``get`` moves updated_at."""

    breaks = "K4"
    also = (*TIMES, "X6", "K10", "O2", "O12", "O13", "E6", "O14")

    def read_item(self, op: GetOp) -> Item | None:
        address = self.address(op.namespace, op.key)
        self.connection.execute(
            "UPDATE items SET updated_at = ? WHERE namespace = ? AND key = ?",
            (self.now(), *address),
        )
        return super().read_item(op)


class SearchTouchesUpdatedAt(ReferenceStore):
    """``search`` moves updated_at of what it finds."""

    breaks = "K4"
    also = (*TIMES, "X6", "K10", "O2", "O12", "O13", "E6")

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        found = super().read_search(op, query)
        if found:
            self.connection.execute("UPDATE items SET updated_at = ?", (self.now(),))
        return found


class CreatedAtSurvivesDelete(ReferenceStore):
    """A key that was deleted and put again has the created_at of its first life."""

    breaks = "K4"
    also = (*TIMES, "X1", "X4")

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        created, updated = super().timestamps(old, now)
        return self.graves.get(self.writing, created) if old is None else created, updated

    def apply(self, write: Write, embedded: Embedded) -> None:
        self.writing = write.address
        self.graves: dict[Address, int] = self.__dict__.get("graves", {})
        if write.text is None and (old := self.find(write.address)):
            self.graves[write.address] = old.created_at
        super().apply(write, embedded)


class CoarseUpdatedAt(ReferenceStore):
    """updated_at has steps of 100 ms, so two quick puts share one."""

    breaks = "K5"
    also = TIMES

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        created, _ = super().timestamps(old, now)
        return created, now // 100_000 * 100_000


class UpdatedAtIsBeforeCreation(ReferenceStore):
    """created_at is taken after updated_at, so it moves with the clock of the overwrite."""

    breaks = "K4"
    also = TIMES

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        created, updated = super().timestamps(old, now)
        return (created + 1 if old else created), updated


class AsyncOverwriteResetsCreatedAt(ReferenceStore):
    """An overwrite by an async call starts created_at anew."""

    breaks = "K4"
    also = (*TIMES, "O7")
    modes = ("async",)

    async def abatch(self, ops: Any) -> Any:
        ops = list(ops)
        self.anew = True
        try:
            return await super().abatch(ops)
        finally:
            self.anew = False

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        return (now, now) if getattr(self, "anew", False) else super().timestamps(old, now)


# K5


class NaiveTimestamps(ReferenceStore):
    """Timestamps have no time zone."""

    breaks = "K5"
    also = (*TIMES, "K12", "T2")

    def to_datetime(self, micros: int) -> datetime:
        return super().to_datetime(micros).replace(tzinfo=None)


class TimestampsAsText(ReferenceStore):
    """Timestamps are text that Item does not turn back."""

    breaks = "K5"
    also = ALL

    def read_item(self, op: GetOp) -> Item | None:
        item = super().read_item(op)
        if item is not None:
            item.created_at = item.created_at.isoformat()  # type: ignore[assignment]
            item.updated_at = item.updated_at.isoformat()  # type: ignore[assignment]
        return item


class WholeSeconds(ReferenceStore):
    """Timestamps are cut to whole seconds."""

    breaks = "K5"
    also = TIMES

    def to_datetime(self, micros: int) -> datetime:
        return super().to_datetime(micros).replace(microsecond=0)


class NaiveTimestampsInSearch(ReferenceStore):
    """Timestamps of search results have no time zone."""

    breaks = "K5"
    also = (*TIMES, "S7")

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            item.created_at = item.created_at.replace(tzinfo=None)
            item.updated_at = item.updated_at.replace(tzinfo=None)
        return found


class LocalTimeCalledUtc(ReferenceStore):
    """Timestamps are two hours ahead but labelled UTC."""

    breaks = "K5"
    also = TIMES

    def to_datetime(self, micros: int) -> datetime:
        return super().to_datetime(micros) + timedelta(hours=2)


# K6


class TextIsTrimmed(Alters):
    """White space around a text is lost."""

    breaks = "K6"
    also = (
        "F1",
        "F14",
        "F2",
        "F4",
        "F6",
        "K11",
        "N4",
        "N5",
        "N7",
        "X7",
    )

    def alter(self, part: Any) -> Any:
        return part.strip() if isinstance(part, str) else part


class TextIsNormalised(Alters):
    """Text comes back in normal form C."""

    breaks = "K6"
    also = (
        "F4",
        "F1",
        "F2",
        "F6",
        "K11",
        "N5",
        "N7",
        "X7",
    )

    def alter(self, part: Any) -> Any:
        return unicodedata.normalize("NFC", part) if isinstance(part, str) else part


class EmojiAreReplaced(Alters):
    """Characters beyond the basic plane become question marks."""

    breaks = "K6"
    also = (
        *Alters.also,
        "F1",
        "F14",
        "V16",
        "E2",
        "F2",
        "F9",
        "K11",
        "N5",
        "N7",
        "O16",
        "X7",
        "V12",
    )

    def alter(self, part: Any) -> Any:
        return re.sub(r"[\U00010000-\U0010ffff]", "?", part) if isinstance(part, str) else part


class BackslashesAreEaten(Alters):
    """One backslash of each is eaten."""

    breaks = "K6"
    also = (*Alters.also, "F14", "K11", "N5", "N7", "V16", "X7", "V12")

    def alter(self, part: Any) -> Any:
        return part.replace("\\", "") if isinstance(part, str) else part


class QuotesAreDoubled(Alters):
    """A single quote comes back twice."""

    breaks = "K6"
    also = (*(*Alters.also, "F14", "E2", "E3"), "E4", "F1", "F2", "F9", "K11", "N5", "N7", "X7")

    def alter(self, part: Any) -> Any:
        return part.replace("'", "''") if isinstance(part, str) else part


class PercentIsEscaped(Alters):
    """A percent sign comes back twice."""

    breaks = "K6"
    also = (*Alters.also, "F14", "K11", "N5", "N7", "X7")

    def alter(self, part: Any) -> Any:
        return part.replace("%", "%%") if isinstance(part, str) else part


class CarriageReturnsAreLost(Alters):
    """Line ends come back as newline only."""

    breaks = "K6"
    also = (
        "F1",
        "F14",
        "K11",
        "N5",
        "N7",
        "X7",
    )

    def alter(self, part: Any) -> Any:
        return part.replace("\r\n", "\n").replace("\r", "\n") if isinstance(part, str) else part


class LongTextsAreCut(Alters):
    """A text comes back up to what 16 bits count."""

    breaks = "K6"
    also = ("K3", *Alters.also, "K13", "V16", "E7")

    def alter(self, part: Any) -> Any:
        return part[:65_535] if isinstance(part, str) else part


class EmptyTextIsNull(Alters):
    """An empty text comes back as null."""

    breaks = "K6"
    also = (*Alters.also, "F1", "F2", "F6", "F9", "K11", "N7", "V2", "X7")

    def alter(self, part: Any) -> Any:
        return None if part == "" else part


class NumbersInTextBecomeNumbers(Alters):
    """A text of digits comes back as a number."""

    breaks = "K6"
    also = (
        *Alters.also,
        "F1",
        "F4",
        "F5",
        "F10",
        "F11",
        "F2",
        "F6",
        "F8",
        "F9",
        "K11",
        "N3",
        "N5",
        "N7",
        "X7",
    )

    def alter(self, part: Any) -> Any:
        return int(part) if isinstance(part, str) and part.isdecimal() and part.isascii() else part


class FloatsAreRounded(Alters):
    """Floats keep 15 digits."""

    breaks = "K6"
    also = (*Alters.also, "K8", "F1", "F2", "F3", "F6")

    def alter(self, part: Any) -> Any:
        fine = isinstance(part, float) and math.isfinite(part)
        return float(f"{part:.15g}") if fine else part


class FloatsAreSingle(Alters):
    """Floats keep six digits."""

    breaks = "K6"
    also = (*Alters.also, "K8", "F1", "F3", "F2", "F6")

    def alter(self, part: Any) -> Any:
        fine = isinstance(part, float) and math.isfinite(part)
        return float(f"{part:.6g}") if fine else part


class IntsPassThroughFloat(Alters):
    """Integers beyond 2**53 lose their last digits."""

    breaks = "K6"
    also = (*Alters.also, "F12", "F3")

    def alter(self, part: Any) -> Any:
        return int(float(part)) if type(part) is int and abs(part) < 2**1000 else part


class IntsBecomeFloats(Alters):
    """Integers come back as floats."""

    breaks = "K6"
    also = ALL

    def alter(self, part: Any) -> Any:
        return float(part) if type(part) is int and abs(part) < 2**1000 else part


class SmallestIntIsClipped(Alters):
    """The integer -2**63 comes back one larger."""

    breaks = "K6"
    also = ("F12",)

    def alter(self, part: Any) -> Any:
        return part + 1 if type(part) is int and part == -(2**63) else part


class BoolsBecomeInts(Alters):
    """True and false come back as 1 and 0."""

    breaks = "K6"
    also = (*Alters.also, "F1", "F11", "F2", "F5", "F6", "K3", "O16", "S2", "S5", "S8", "V1", "V10")

    def alter(self, part: Any) -> Any:
        return int(part) if isinstance(part, bool) else part


class NullFieldsAreDropped(Alters):
    """A field that is null is lost."""

    breaks = "K6"
    also = (*Alters.also, "F1", "F7", "F10", "F13", "F2", "K3", "V11", "V2", "V3")

    def alter(self, part: Any) -> Any:
        return {k: v for k, v in part.items() if v is not None} if isinstance(part, dict) else part


class NullsInListsAreDropped(Alters):
    """A null inside a list is lost."""

    breaks = "K6"
    also = (*Alters.also, "F9", "F2", "O16", "V2")

    def alter(self, part: Any) -> Any:
        return [v for v in part if v is not None] if isinstance(part, list) else part


class EmptyDictsAreDropped(Alters):
    """A field that holds an empty dict is lost."""

    breaks = "K6"
    also = (*Alters.also, "F10", "O16")

    def alter(self, part: Any) -> Any:
        return {k: v for k, v in part.items() if v != {}} if isinstance(part, dict) else part


class EmptyListsAreNull(Alters):
    """An empty list comes back as null."""

    breaks = "K6"
    also = (*Alters.also, "F9", "F1", "F2", "V11", "V2")

    def alter(self, part: Any) -> Any:
        return None if part == [] else part


class ListsOfOneAreUnwrapped(Alters):
    """A list of one element comes back as the element."""

    breaks = "K6"
    also = (
        *Alters.also,
        "F9",
        "V3",
        "E2",
        "F1",
        "F10",
        "F11",
        "F13",
        "F14",
        "F2",
        "F5",
        "F6",
        "K10",
        "K12",
        "K13",
        "K3",
        "K8",
        "N3",
        "N4",
        "N5",
        "N7",
        "V1",
        "V11",
        "V2",
        "V6",
        "V7",
        "X4",
        "X7",
        "S7",
    )

    def alter(self, part: Any) -> Any:
        return part[0] if isinstance(part, list) and len(part) == 1 else part


class DeepNestingIsCut(ReferenceStore):
    """What is nested deeper than 100 becomes null."""

    breaks = "K6"
    also = ("K1", "K7", "E7")

    def encode_value(self, value: Mapping[str, Any]) -> str:
        def cut(part: Any, depth: int) -> Any:
            if depth > 100:
                return None
            if isinstance(part, dict):
                return {k: cut(v, depth + 1) for k, v in part.items()}
            return [cut(v, depth + 1) for v in part] if isinstance(part, list) else part

        return json.dumps(cut(dict(value), 0))


class NestingBeyondEightIsRefused(ReferenceStore):
    """A value nested deeper than 8 is refused, by name."""

    breaks = "K6"
    also = ("K1", "K7", "E7")

    def check_value(self, value: Any, depth: int = 0) -> None:
        super().check_value(value, depth)
        if depth > 8:
            raise ValueError("The value is nested too deep.")


class DeepNestingIsRefusedWithoutAName(ReferenceStore):
    """A value nested deeper than 64 is refused, and the error does not say why."""

    breaks = "K6"
    also = ("K1", "K7", "E7")

    def check_value(self, value: Any, depth: int = 0) -> None:
        super().check_value(value, depth)
        if depth > 64:
            raise ValueError("The value cannot be stored.")


class DeepNestingIsCutOff(ReferenceStore):
    """What is nested deeper than 64 is cut off in silence."""

    breaks = "K6"
    also = ("K1", "K7", "E7")

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return super().encode_value(self.cut(dict(value)))

    def cut(self, part: Any, depth: int = 0) -> Any:
        if depth > 64:
            return None
        if isinstance(part, dict):
            return {key: self.cut(inner, depth + 1) for key, inner in part.items()}
        return [self.cut(p, depth + 1) for p in part] if isinstance(part, list) else part


class OnesComeBackAsTrue(ReferenceStore):
    """The number 1 comes back as true, which is equal to it."""

    breaks = "K6"
    also = ALL

    def decode_value(self, text: str) -> dict[str, Any]:
        found = super().decode_value(text)
        return {key: True if value == 1 else value for key, value in found.items()}


class FieldNamesAreLowered(Alters):
    """The names of fields come back in small letters."""

    breaks = "K6"
    also = (*Alters.also, "F13", "V2", "E2", "E3", "F10", "K8")

    def alter(self, part: Any) -> Any:
        return {k.lower(): v for k, v in part.items()} if isinstance(part, dict) else part


class EmptyFieldNameIsLost(Alters):
    """A field whose name is empty is lost."""

    breaks = "K6"
    also = (*Alters.also, "F13", "K8")

    def alter(self, part: Any) -> Any:
        return {k: v for k, v in part.items() if k} if isinstance(part, dict) else part


class OnlyDictsAreTaken(ReferenceStore):
    """A Mapping that is not a dict is refused."""

    breaks = "K6"
    also = ("K1", "K7")

    def validate(self, op: Op) -> None:
        if isinstance(op, PutOp) and op.value is not None and not isinstance(op.value, dict):
            raise TypeError("A value must be a dict.")
        super().validate(op)


class LongTextIsCut(Alters):
    """A text is cut at 65535 characters."""

    breaks = "K13"
    also = (*Alters.also, "K3")

    def alter(self, part: Any) -> Any:
        return part[:65535] if isinstance(part, str) else part


class WindowOfTenThousand(ReferenceStore):
    """A search reaches the first 10,000 items, whatever limit and offset are."""

    breaks = "K13"
    also = ("S4", "S5")

    def page(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().page(found[:10_000], limit, offset)


class NamespacesOfTheFirstTenThousand(ReferenceStore):
    """The namespaces are taken from the first 10,000 items."""

    breaks = "K13"
    also = ("L6",)

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        late = {row.namespace_text for row in self.visible()[10_000:]}
        late -= {row.namespace_text for row in self.visible()[:10_000]}
        hidden = {self.decode_namespace(text) for text in late}
        return [name for name in super().read_namespaces(op) if name not in hidden]


# K7


class NanBecomesNull(Alters):
    """NaN comes back as null."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        return None if isinstance(part, float) and math.isnan(part) else part


class InfinityBecomesNull(Alters):
    """Infinity comes back as null."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        return None if isinstance(part, float) and math.isinf(part) else part


class InfinityIsClipped(Alters):
    """Infinity comes back as the largest float."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        most = sys.float_info.max
        return max(-most, min(most, part)) if isinstance(part, float) and math.isinf(part) else part


class TextEndsAtNul(Alters):
    """A text ends at its first NUL."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        return part.split("\x00")[0] if isinstance(part, str) else part


class SurrogatesAreReplaced(Exotic):
    """A lone surrogate becomes a question mark."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        return part.encode(errors="replace").decode() if isinstance(part, str) else part


class BigIntsBecomeFloats(Alters):
    """An integer beyond 64 bits comes back as a float."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        big = type(part) is int and not -(2**63) <= part < 2**64
        return float(part) if big else part


class BigIntsAreClipped(Alters):
    """An integer beyond 64 bits comes back as the largest one."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        fine = type(part) is not int
        return part if fine else max(-(2**63), min(2**63 - 1, part))


class IntKeysBecomeText(Exotic):
    """A field name that is a number comes back as text."""

    breaks = "K7"


class SetsBecomeLists(Exotic):
    """A set comes back as a list."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        return sorted(part, key=repr) if isinstance(part, (set, frozenset)) else part


class BytesBecomeText(Exotic):
    """Bytes come back as text."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        return part.decode("latin-1") if isinstance(part, bytes) else part


class DatesBecomeText(Exotic):
    """A datetime comes back as ISO text."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        return part.isoformat() if isinstance(part, date) else part


class UnknownTypesBecomeTheirRepr(Exotic):
    """What JSON has not comes back as its repr."""

    breaks = "K7"

    def alter(self, part: Any) -> Any:
        known = isinstance(part, (str, int, float, list, dict)) or part is None
        return part if known else repr(part)


class UnknownFieldsAreSkipped(Exotic):
    """A field that JSON has not is left out in silence."""

    breaks = "K7"

    def encode_value(self, value: Mapping[str, Any]) -> str:
        known = (str, int, float, list, dict, tuple, type(None))
        return json.dumps({k: v for k, v in value.items() if isinstance(v, known)}, skipkeys=True)


class RefusalLosesTheOldValue(ReferenceStore):
    """A put that is refused has already removed the old value."""

    breaks = "K7"
    also = ("O4", "K13", "V13", "V14")

    def validate(self, op: Op) -> None:
        try:
            super().validate(op)
        except TypeError:
            if isinstance(op, PutOp):
                with self.transaction():
                    self.remove_item(self.address(op.namespace, op.key))
            raise


# K8


class WholeFloatsBecomeInts(Alters):
    """A float without fraction comes back as an integer."""

    breaks = "K8"

    def alter(self, part: Any) -> Any:
        return int(part) if isinstance(part, float) and part.is_integer() else part


class BigFloatsBecomeInts(Alters):
    """A float from 1e16 on comes back as an integer."""

    breaks = "K8"

    def alter(self, part: Any) -> Any:
        big = isinstance(part, float) and part.is_integer() and abs(part) >= 1e16
        return int(part) if big else part


class NegativeZeroLosesItsSign(Alters):
    """-0.0 comes back as 0.0."""

    breaks = "K8"

    def alter(self, part: Any) -> Any:
        return 0.0 if isinstance(part, float) and part == 0 else part


class FieldsAreSorted(ReferenceStore):
    """Fields come back in the order of their names."""

    breaks = "K8"
    also = ("K1", "K6", "E7")

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return json.dumps(dict(value), sort_keys=True)


class NestedFieldsAreSorted(Alters):
    """Fields of nested dicts come back in the order of their names."""

    breaks = "K8"

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return json.dumps({k: json.loads(json.dumps(v, sort_keys=True)) for k, v in value.items()})


# K10


class ReadersShareOneObject(ReferenceStore):
    """All readers of an item get the same object."""

    breaks = "K10"
    also = ("O7", "E1", "K12")

    def decode_value(self, text: str) -> dict[str, Any]:
        return _decode_once(text)


class ReadersShareNestedObjects(ReferenceStore):
    """All readers of an item share the lists and dicts inside."""

    breaks = "K10"
    also = ("O7", "E1", "K12")

    def decode_value(self, text: str) -> dict[str, Any]:
        return dict(_decode_once(text))


@lru_cache(maxsize=10_000)
def _decode_once(text: str) -> dict[str, Any]:
    return json.loads(text)  # type: ignore[no-any-return]


class CallersDictIsKept(ReferenceStore):
    """The store answers with the very dict that was handed in."""

    breaks = "K10"
    also = ("K1", "K6", "K7", "E6", "O13", "O2")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        self.handed: dict[str, Any] = self.__dict__.get("handed", {})
        self.handed[write.text or ""] = write.op.value

    def decode_value(self, text: str) -> dict[str, Any]:
        return self.__dict__.get("handed", {}).get(text) or super().decode_value(text)


class SearchResultsAreShared(ReferenceStore):
    """All searches give the same objects."""

    breaks = "K10"
    also = ("O7", "S7", "K12")

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            item.value = _decode_once(json.dumps(item.value))
        return found


class EqualItemsShareTheirValue(ReferenceStore):
    """Two gets in one batch give the same object."""

    breaks = "K10"
    also = ("O2", "O3")

    def run(self, plan: Any, writes: Any, embedded: Any) -> Any:
        results = super().run(plan, writes, embedded)
        first: dict[Any, Any] = {}
        for item in results:
            if type(item) is Item:
                item.value = first.setdefault((item.namespace, item.key), item).value
        return results


# K11 (and K9 for keys that are no str)


class KeyChanged(ReferenceStore):
    """A base for stores that alter a key on its way in."""

    breaks = ""
    also: tuple[str, ...] = ("K1", "X7", "N7", "E7", "K13")

    def alter(self, key: str) -> str:
        return key

    def encode_key(self, key: str) -> str:
        return super().encode_key(self.alter(key))


class KeysAreTrimmed(KeyChanged):
    """White space around a key is lost."""

    breaks = "K11"
    also = ("K2",)

    def alter(self, key: str) -> str:
        return key.strip()


class KeysLoseTrailingSpace(KeyChanged):
    """A space at the end of a key is lost, as in a CHAR column."""

    breaks = "X7"
    also = ("K1", "K11", "E7", "K2", "N7")

    def alter(self, key: str) -> str:
        return key.rstrip(" ")


class KeysAreLowered(KeyChanged):
    """Keys are in small letters."""

    breaks = "K11"
    also = ALL

    def alter(self, key: str) -> str:
        return key.lower()


class KeysAreComparedWithoutCase(ReferenceStore):
    """Keys that differ in case are one item, which keeps its first spelling."""

    breaks = "X7"
    also = ("K1", "K11", "E7", "K2", "X2")

    def find(self, address: Address) -> ItemRow | None:
        found = self.connection.execute(
            "SELECT rowid, namespace, key, created_at, updated_at, ttl, expires_at FROM items"
            " WHERE namespace = ? AND key = ? COLLATE NOCASE",
            address,
        ).fetchone()
        return ItemRow(*found) if found else None

    def apply(self, write: Write, embedded: Embedded) -> None:
        old = self.find(write.address)
        address = old.address if old else write.address
        super().apply(Write(write.op, address, write.text, write.texts), embedded)


class KeysAreNormalised(KeyChanged):
    """Keys that differ in normal form are one item."""

    breaks = "X7"
    also = ("K1", "K11", "E7")

    def alter(self, key: str) -> str:
        return unicodedata.normalize("NFC", key)


class KeysAreCut(KeyChanged):
    """Keys are cut at 255 characters."""

    breaks = "K11"

    def alter(self, key: str) -> str:
        return key[:255]


class KeysAreCutAtTwoThousand(KeyChanged):
    """Keys are cut at 2000 characters."""

    breaks = "K11"

    def alter(self, key: str) -> str:
        return key[:2000]


class EmptyKeyIsRefused(KeyChanged):
    """The empty key is refused."""

    breaks = "K11"

    def alter(self, key: str) -> str:
        if key == "":
            raise ValueError("A key must not be empty.")
        return key


class KeysArePaths(KeyChanged):
    """Keys are normalised like file paths."""

    breaks = "K11"

    def alter(self, key: str) -> str:
        return re.sub("/+", "/", key.replace("\\", "/")).strip("/")


class SlashInKeysIsRefused(KeyChanged):
    """A key with a slash is refused."""

    breaks = "K11"
    also = (
        "K9",
        "S1",
    )

    def alter(self, key: str) -> str:
        if "/" in key:
            raise ValueError("A key must not hold a slash.")
        return key


class NewlineInKeysIsRefused(KeyChanged):
    """A key with a newline is refused."""

    breaks = "K11"

    def alter(self, key: str) -> str:
        if "\n" in key:
            raise ValueError("A key must be one line.")
        return key


class DotsInKeysAreReplaced(KeyChanged):
    """A dot in a key becomes an underscore."""

    breaks = "K11"
    also = ALL

    def alter(self, key: str) -> str:
        return key.replace(".", "_")


class QuotesInKeysAreEscaped(KeyChanged):
    """A quote in a key comes back twice."""

    breaks = "K11"
    also = ("K9",)

    def alter(self, key: str) -> str:
        return key.replace("'", "''").replace('"', '""')


class EmojiInKeysAreReplaced(KeyChanged):
    """What is not ASCII in a key becomes a question mark."""

    breaks = "K11"
    also = ("K2", "K7")

    def alter(self, key: str) -> str:
        return key.encode("ascii", "replace").decode()


class KeysArePercentDecoded(KeyChanged):
    """A percent escape in a key is decoded."""

    breaks = "K11"

    def alter(self, key: str) -> str:
        from urllib.parse import unquote

        return unquote(key)


# K12


class DictHoldsDatetimes(Item):
    def dict(self) -> dict[str, Any]:
        return {**super().dict(), "created_at": self.created_at, "updated_at": self.updated_at}


class DictHoldsTuple(Item):
    def dict(self) -> dict[str, Any]:
        return {**super().dict(), "namespace": self.namespace}


class DictHoldsSeconds(Item):
    def dict(self) -> dict[str, Any]:
        when = self.updated_at.timestamp()
        return {**super().dict(), "created_at": when, "updated_at": when}


class OwnItem(ReferenceStore):
    """A base for stores with an item class of their own."""

    item_class: type[Item] = Item

    def read_item(self, op: GetOp) -> Item | None:
        item = super().read_item(op)
        return item and self.item_class(**{name: getattr(item, name) for name in Item.__slots__})


class ItemDictHoldsDatetimes(OwnItem):
    """``Item.dict()`` cannot be written as JSON."""

    breaks = "K12"
    also = ("E7",)
    item_class = DictHoldsDatetimes


class ItemDictHoldsTuple(OwnItem):
    """``Item.dict()`` has a tuple for the namespace."""

    breaks = "K12"
    also = ("E7",)
    item_class = DictHoldsTuple


class ItemDictHoldsSeconds(OwnItem):
    """``Item.dict()`` has seconds and not ISO timestamps."""

    breaks = "K12"
    also = ("E7",)
    item_class = DictHoldsSeconds


# K13


class BigValuesAreDropped(ReferenceStore):
    """A value above 512 kB is acknowledged and not stored."""

    breaks = "K13"
    also = ("E7",)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if len(write.text or "") < 512_000:
            super().write_item(write, old)


class BigValuesRaiseNonsense(ReferenceStore):
    """A value above 64 kB fails with an error that names no limit."""

    breaks = "K13"
    also = ("K3", "E7", "K6")

    def encode_value(self, value: Mapping[str, Any]) -> str:
        text = super().encode_value(value)
        if len(text) > 65536:
            raise RuntimeError("Something went wrong.")
        return text


class OldItemsAreEvicted(ReferenceStore):
    """A namespace keeps its latest 5000 items."""

    breaks = "K13"
    also = ("O5", "S5")

    def run(self, plan: Any, writes: list[Write], embedded: Embedded) -> Any:
        results = super().run(plan, writes, embedded)
        for namespace in {write.address[0] for write in writes}:
            self.connection.execute(
                "DELETE FROM items WHERE rowid IN (SELECT rowid FROM items WHERE namespace = ?"
                " ORDER BY updated_at DESC LIMIT -1 OFFSET 5000)",
                (namespace,),
            )
        return results


class SearchSeesTheFirstThousand(ReferenceStore):
    """A search looks at the first thousand items of the table."""

    breaks = "K13"
    also = ("S4", "S5", "S8", "O5", "V9", "V10", "V18", "L6")

    def scan(self) -> list[ItemRow]:
        return super().scan()[:1000]


class BigDictsLoseFields(ReferenceStore):
    """A value keeps its first thousand fields."""

    breaks = "K6"
    also = ("K13", "E7")

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return super().encode_value(dict(list(value.items())[:100]))


# K9


class PutKeepsIntKeys(ReferenceStore):
    """``put`` stores a key that is no str under the key itself."""

    breaks = "K9"
    also = ("O7", "K11", *DELETES)

    def put(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        super().put(namespace, repr([key]) if type(key) is not str else key, value, *args, **kwargs)

    async def aput(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        key = repr([key]) if type(key) is not str else key
        await super().aput(namespace, key, value, *args, **kwargs)


class IntKeysAreRefused(ReferenceStore):
    """``put`` refuses a key that is no str."""

    breaks = "K9"
    also = ("O7", "K11")

    def put(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        if type(key) is not str:
            raise TypeError("A key must be a str.")
        super().put(namespace, key, value, *args, **kwargs)

    async def aput(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        if type(key) is not str:
            raise TypeError("A key must be a str.")
        await super().aput(namespace, key, value, *args, **kwargs)


class AsyncPutKeepsIntKeys(ReferenceStore):
    """``aput`` stores a key that is no str under the key itself."""

    breaks = "K9"
    also = ("O7", "K11")
    modes = ("async",)

    async def aput(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        key = repr([key]) if type(key) is not str else key
        await super().aput(namespace, key, value, *args, **kwargs)


class GetDoesNotCoerceKeys(ReferenceStore):
    """``get`` finds nothing under a key that is no str."""

    breaks = "K9"
    also = ("O7", "K11")

    def get(self, namespace: Any, key: Any, **kwargs: Any) -> Item | None:
        return super().get(namespace, key, **kwargs) if type(key) is str else None

    async def aget(self, namespace: Any, key: Any, **kwargs: Any) -> Item | None:
        return await super().aget(namespace, key, **kwargs) if type(key) is str else None


class AsyncGetDoesNotCoerceKeys(ReferenceStore):
    """``aget`` finds nothing under a key that is no str."""

    breaks = "K9"
    also = ("O7", "K11")
    modes = ("async",)

    async def aget(self, namespace: Any, key: Any, **kwargs: Any) -> Item | None:
        return await super().aget(namespace, key, **kwargs) if type(key) is str else None


class DeleteDoesNotCoerceKeys(ReferenceStore):
    """``delete`` removes nothing under a key that is no str."""

    breaks = "K9"
    also = ("O7", "K11")

    def delete(self, namespace: Any, key: Any) -> None:
        if type(key) is str:
            super().delete(namespace, key)

    async def adelete(self, namespace: Any, key: Any) -> None:
        if type(key) is str:
            await super().adelete(namespace, key)
