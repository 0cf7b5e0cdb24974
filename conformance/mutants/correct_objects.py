"""
Stores that keep more values than JSON has.
"""

from __future__ import annotations

import base64
import pickle
from collections.abc import Mapping
from typing import Any

from store_conformance.mutants.correct import Variant
from store_conformance.mutants.reference import ReferenceStore


class KeepsPythonObjects(Variant, ReferenceStore):
    """Values are pickled, so that Python's objects come back equal; those that would not are refused."""

    alone = True

    def check_value(self, value: Any, depth: int = 0) -> None:
        try:
            same = bool(pickle.loads(pickle.dumps(value)) == value)
        except Exception as error:
            raise TypeError(f"The value cannot be stored: {error}") from error
        if not same:
            raise TypeError("The value cannot be stored: its copy does not equal it.")

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return base64.b64encode(pickle.dumps(dict(value))).decode()

    def decode_value(self, text: str) -> dict[str, Any]:
        found: dict[str, Any] = pickle.loads(base64.b64decode(text))
        return found
