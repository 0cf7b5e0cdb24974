"""
Stores that keep more values than JSON has, or give them in classes of their own.
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


def _refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
    raise TypeError("A value of this store is for reading; copy it first.")


class _Table(dict[str, Any]):
    __setitem__ = __delitem__ = update = pop = popitem = clear = setdefault = __ior__ = _refuse


class _Row(list[Any]):
    __setitem__ = __delitem__ = append = extend = insert = pop = remove = clear = __iadd__ = _refuse


def _for_reading(part: Any) -> Any:
    if isinstance(part, dict):
        return _Table({name: _for_reading(inner) for name, inner in part.items()})
    return _Row(map(_for_reading, part)) if isinstance(part, list) else part


class ValuesAreForReading(Variant, ReferenceStore):
    """What reads give cannot be changed: dicts and lists of classes that refuse it."""

    def decode_value(self, text: str) -> dict[str, Any]:
        found: dict[str, Any] = _for_reading(super().decode_value(text))
        return found
