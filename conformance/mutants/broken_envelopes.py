"""
Stores that take a caller's own fields for the marks of what they have wrapped themselves.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from store_conformance.mutants.reference import ReferenceStore


class Unwraps(ReferenceStore):
    """A base for stores that unwrap more than they have wrapped."""

    def unwrapped(self, value: Any) -> Any:
        return value

    def decode_value(self, text: str) -> dict[str, Any]:
        return self.unwrapped(super().decode_value(text))  # type: ignore[no-any-return]


class SerialisersMarksAreDecoded(Unwraps):
    """A value that has the marks of the store's serialiser is decoded, whoever wrote them."""

    breaks = "K6"

    def unwrapped(self, value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"__serde_type__", "__serde_data__"}:
            return (
                json.loads(value["__serde_data__"]) if value["__serde_type__"] == "json" else None
            )
        return value


class MarkedFieldsAreDecoded(Unwraps):
    """An object inside a value that looks like wrapped bytes becomes bytes of text."""

    breaks = "K6"

    def unwrapped(self, value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) == {"__bytes__"}:
                return base64.b64decode(value["__bytes__"], validate=False).decode()
            return {name: self.unwrapped(inner) for name, inner in value.items()}
        return [self.unwrapped(v) for v in value] if isinstance(value, list) else value


class ValueInAValueIsUnwrapped(Unwraps):
    """A value whose one field is called "value" is taken for the store's own wrapping."""

    breaks = "K6"
    also = ("K1", "K3", "E1")

    def unwrapped(self, value: Any) -> Any:
        inner = value.get("value") if isinstance(value, dict) and len(value) == 1 else None
        return inner if isinstance(inner, dict) else value


class MarkedAsDeletedIsGone(ReferenceStore):
    """A value whose field "deleted" is true is taken for a tombstone, and comes back empty."""

    breaks = "K6"

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return super().encode_value({} if value.get("deleted") is True else value)
