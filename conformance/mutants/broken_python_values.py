"""
Stores whose encoder knows what to do with Python's own kinds of values, and alters them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from store_conformance.mutants.reference import ReferenceStore


class Helpful(ReferenceStore):
    """A base for stores that encode an object of some kind as something else."""

    also: tuple[str, ...] = ("K6", "K8", "O4")

    def helps(self, value: Any) -> bool:
        raise NotImplementedError

    def plain(self, value: Any) -> Any:
        raise NotImplementedError

    def check_value(self, value: Any, depth: int = 0) -> None:
        if not self.helps(value):
            super().check_value(value, depth)

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return json.dumps(self.convert(dict(value)))

    def convert(self, value: Any) -> Any:
        if self.helps(value):
            return self.plain(value)
        if isinstance(value, dict):
            return {name: self.convert(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.convert(inner) for inner in value]
        return value


class EnumsBecomeTheirValues(Helpful):
    """An enumeration's member is stored as its value."""

    breaks = "K7"

    def helps(self, value: Any) -> bool:
        return isinstance(value, Enum)

    def plain(self, value: Any) -> Any:
        return value.value


class DataclassesBecomeDicts(Helpful):
    """A dataclass is stored as a dict."""

    breaks = "K7"

    def helps(self, value: Any) -> bool:
        return is_dataclass(value) and not isinstance(value, type)

    def plain(self, value: Any) -> Any:
        return asdict(value)


class ModelsBecomeDicts(Helpful):
    """A pydantic model is stored as a dict."""

    breaks = "K7"

    def helps(self, value: Any) -> bool:
        return hasattr(value, "model_dump")

    def plain(self, value: Any) -> Any:
        return value.model_dump(mode="json")


class NamedTuplesBecomeDicts(Helpful):
    """A named tuple is stored as a dict."""

    breaks = "K7"

    def helps(self, value: Any) -> bool:
        return hasattr(value, "_asdict")

    def plain(self, value: Any) -> Any:
        return value._asdict()


class ZonedTimesBecomeText(Helpful):
    """A datetime with a zone is stored as text in UTC."""

    breaks = "K7"

    def helps(self, value: Any) -> bool:
        return isinstance(value, datetime) and value.tzinfo is not None

    def plain(self, value: Any) -> Any:
        return value.astimezone(timezone.utc).isoformat()


class NumpyScalarsBecomeText(Helpful):
    """A scalar of NumPy is stored as text."""

    breaks = "K7"

    def helps(self, value: Any) -> bool:
        return type(value).__module__ == "numpy"

    def plain(self, value: Any) -> Any:
        return str(value)


class FlagsBecomeBools(Helpful):
    """A set of flags is stored as whether any is set."""

    breaks = "K7"

    def helps(self, value: Any) -> bool:
        return isinstance(value, Enum) and isinstance(value, int)

    def plain(self, value: Any) -> Any:
        return bool(value)


class OtherCollectionsBecomeLists(Helpful):
    """A deque, a range or a view is stored as a list."""

    breaks = "K7"

    def helps(self, value: Any) -> bool:
        plain = isinstance(value, (str, bytes, bytearray, dict, list, tuple, set, frozenset, type))
        return hasattr(value, "__len__") and hasattr(value, "__iter__") and not plain

    def plain(self, value: Any) -> Any:
        return [str(part) if not isinstance(part, int) else part for part in value]


class UnknownObjectsBecomeText(Helpful):
    """What JSON has not is stored as its text."""

    breaks = "K7"

    def helps(self, value: Any) -> bool:
        known = (str, int, float, bool, dict, list, tuple, type(None))
        return not isinstance(value, known)

    def plain(self, value: Any) -> Any:
        return str(value)


class RefusesOddValues(ReferenceStore):
    """A base for stores that refuse text with NUL or half a character in a value, and not in a key."""

    also: tuple[str, ...] = ("K6", "K11", "N7", "X7", "O4")

    def check_value(self, value: Any, depth: int = 0) -> None:
        super().check_value(value, depth)
        if isinstance(value, str) and (value.count("\x00") or value != self.mended(value)):
            raise ValueError("A text in a value is not plain.")

    def mended(self, text: str) -> str:
        return text.encode("utf-8", "replace").decode()


class OddKeysAreCut(RefusesOddValues):
    """A key ends at NUL; a value with NUL is refused."""

    breaks = "K7"

    def encode_key(self, key: str) -> str:
        return super().encode_key(key.split("\x00")[0] if isinstance(key, str) else key)


class OddKeysAreReplaced(RefusesOddValues):
    """Half a character in a key becomes a question mark; in a value it is refused."""

    breaks = "K7"

    def encode_key(self, key: str) -> str:
        return super().encode_key(self.mended(key) if isinstance(key, str) else key)


class KeysOfPlainValuesAreFolded(ReferenceStore):
    """An item whose value holds no text is given back with its key in small letters."""

    breaks = "K11"
    also = ("K1", "K9", "X7", "E7", "E4", "X1", "T7")

    def facts(self, row: Any) -> dict[str, Any]:
        facts = super().facts(row)
        if not any(isinstance(v, str) for v in facts["value"].values()):
            facts["key"] = facts["key"].lower()
        return facts
