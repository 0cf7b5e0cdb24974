"""
Legal variants of what is stored: classes of the store's own, limits and refusals by name, a coarse clock.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Iterable, Mapping
from typing import Any

from langgraph.store.base import GetOp, InvalidNamespaceError, Op, PutOp, SearchOp

from store_conformance.mutants.correct import Variant
from store_conformance.mutants.reference import ItemRow, Plan, ReferenceStore


class OwnDict(dict[str, Any]):
    """A dict of the store's own."""


class OwnList(list[Any]):
    """A list of the store's own."""


class OwnText(str):
    """Text of the store's own."""

    __slots__ = ()


def own(part: Any) -> Any:
    """
    The same JSON value in classes of the store's own.

    Names within objects stay plain: LangMem's tools write values by orjson, which takes no others.
    """
    if isinstance(part, dict):
        return OwnDict({key: own(inner) for key, inner in part.items()})
    if isinstance(part, list):
        return OwnList(own(inner) for inner in part)
    return OwnText(part) if isinstance(part, str) else part


class OwnClasses(Variant, ReferenceStore):
    """Dicts, lists, text and keys come back as subclasses of the store's own."""

    def facts(self, row: ItemRow) -> dict[str, Any]:
        found = super().facts(row)
        return {**found, "key": OwnText(found["key"]), "value": own(found["value"])}


class EveryValueIsWrapped(Variant, ReferenceStore):
    """Each value is kept in an envelope of the store's own, and taken out of just that one."""

    def encode_value(self, value: Mapping[str, Any]) -> str:
        inside = super().encode_value(value)
        return super().encode_value({"__type__": "json", "value": inside, "deleted": False})

    def decode_value(self, text: str) -> dict[str, Any]:
        return super().decode_value(super().decode_value(text)["value"])


class TuplesAreRefused(Variant, ReferenceStore):
    """A tuple in a value is refused by name: JSON has none."""

    def check_value(self, value: Any, depth: int = 0) -> None:
        if isinstance(value, tuple):
            raise TypeError("A tuple in a value cannot be stored.")
        super().check_value(value, depth)


OperationalError = type("OperationalError", (Exception,), {})
"""As drivers of MySQL have it, with a number: a lost connection to some, here a constraint of a column."""


class TheDriverRefusesWhatIsNoNumber(Variant, ReferenceStore):
    """NaN and infinity are refused by the engine, whose driver raises what it raises for a lost connection, too."""

    def check_value(self, value: Any, depth: int = 0) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise OperationalError(4025, "CONSTRAINT `items.value` failed")
        super().check_value(value, depth)


class ThirtyTwoLevels(Variant, ReferenceStore):
    """A value that is nested deeper than 32 levels is refused by name."""

    def check_value(self, value: Any, depth: int = 0) -> None:
        if depth > 32:
            raise ValueError("The value is nested deeper than the 32 levels of a document.")
        super().check_value(value, depth)


class ObjectsAreKept(Variant, ReferenceStore):
    """Values are pickled: every object that can be pickled comes back, as another one that is equal."""

    def check_value(self, value: Any, depth: int = 0) -> None:
        """Whatever can be pickled is welcome."""

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return pickle.dumps(dict(value)).hex()

    def decode_value(self, text: str) -> dict[str, Any]:
        return pickle.loads(bytes.fromhex(text))  # type: ignore[no-any-return]


class TenthsOfASecond(Variant, ReferenceStore):
    """The clock of the timestamps counts tenths of a second."""

    also = ("K5",)

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        tenth = now // 100_000 * 100_000
        return (tenth if old is None else old.created_at), tenth


class OddTextIsRefused(Variant, ReferenceStore):
    """Labels and keys with white space or control characters at their ends, and the empty key, are refused."""

    also = ("N8", "K11")

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if not isinstance(op, PutOp) or op.value is None:
            return
        if any(label != label.strip() or not label.isprintable() for label in op.namespace):
            raise InvalidNamespaceError(f"A label of {op.namespace!r} is not plain text.")
        key = str(op.key)
        if not key or key != key.strip() or not key.isprintable():
            raise ValueError(f"The key {key!r} is not plain text.")


class PatternsAreRefused(Variant, ReferenceStore):
    """Labels and keys with a star, a quote or a backslash are refused."""

    also = ("N8", "K11", "N4")

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if isinstance(op, PutOp) and op.value is not None:
            for text in (*op.namespace, str(op.key)):
                if any(mark in text for mark in "*\\'\""):
                    raise InvalidNamespaceError(f"{text!r} holds a mark that is reserved.")


class PlainNamesOnly(Variant, ReferenceStore):
    """Labels and keys are small letters and digits of ASCII, dashes and underscores; others are refused."""

    also = ("N8", "K11", "N4")

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if isinstance(op, PutOp) and op.value is not None:
            for text in (*op.namespace, str(op.key)):
                if not re.fullmatch(r"[a-z0-9_-]{1,128}", text):
                    raise InvalidNamespaceError(f"{text!r}: use small letters, digits, '-', '_'.")


class NamesAreIdentifiers(Variant, ReferenceStore):
    """
    Fields are named by letters, digits and underscores, a letter first, and a namespace has four labels at most.

    All others are refused by name.
    """

    also = ("N8", "F13")

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if isinstance(op, PutOp) and op.value is not None:
            if len(op.namespace) > 4:
                raise InvalidNamespaceError(
                    f"A namespace has at most 4 labels, not {len(op.namespace)}."
                )
            self.check_names(op.value)

    def check_names(self, part: Any) -> None:
        inner: Iterable[Any] = part if isinstance(part, list) else ()
        if isinstance(part, Mapping):
            for name in part:
                if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
                    raise ValueError(f"A field cannot be named {name!r}: use letters and digits.")
            inner = part.values()
        for one in inner:
            self.check_names(one)


NOBODY = ("nobody", "is", "here")


class OddLabelsOfABatchAreLost(Variant, ReferenceStore):
    """What a batch puts below a label that is no text is found by nobody, and touches no other item."""

    def plan(self, ops: Iterable[Op]) -> Plan:
        return super().plan(self.elsewhere(op) for op in ops)

    def elsewhere(self, op: Op) -> Op:
        labels: Any = getattr(op, "namespace", None) or getattr(op, "namespace_prefix", ())
        if not isinstance(labels, tuple) or all(isinstance(label, str) for label in labels):
            return op
        return SearchOp(NOBODY) if isinstance(op, SearchOp) else GetOp(NOBODY, "k")
