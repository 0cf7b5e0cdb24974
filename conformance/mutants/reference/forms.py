"""
The text forms of what is stored, and what is refused before anything is changed.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    Op,
    PutOp,
    SearchOp,
    validate_op_namespace,
)

from store_conformance.mutants.reference.rows import Address, Vector

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
DEEPEST = 400
RANGES: dict[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
OPERATORS = frozenset({"$eq", "$ne", *RANGES})


@lru_cache(maxsize=8192)
def _labels(text: str) -> tuple[str, ...]:
    """The namespace of a row; the same few are read over and over, and are not changed by anybody."""
    return tuple(json.loads(text))


@lru_cache(maxsize=8192)
def _key(text: str) -> str:
    return json.loads(text)  # type: ignore[no-any-return]


class Forms(BaseStore):
    """
    How keys, namespaces, values and vectors are written, and which are refused.
    """

    # the text forms

    def encode_text(self, text: Any) -> Any:
        """JSON keeps a lone surrogate, but it would join two of them into one character."""
        if isinstance(text, str) and not text.isascii() and json.loads(json.dumps(text)) != text:
            raise ValueError("Text with a pair of separate surrogates cannot be stored.")
        return text

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        return json.dumps([self.encode_text(label) for label in namespace])

    def decode_namespace(self, text: str) -> tuple[str, ...]:
        return _labels(text)

    def encode_key(self, key: str) -> str:
        return json.dumps(self.encode_text(key))

    def decode_key(self, text: str) -> str:
        return _key(text)

    def address(self, namespace: tuple[str, ...], key: str) -> Address:
        return self.encode_namespace(namespace), self.encode_key(key)

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return json.dumps(dict(value))

    def decode_value(self, text: str) -> dict[str, Any]:
        return json.loads(text)  # type: ignore[no-any-return]

    def encode_vector(self, vector: Vector) -> bytes:
        return array("d", vector).tobytes()

    def decode_vector(self, data: bytes) -> Vector:
        return array("d", data)

    def to_datetime(self, micros: int) -> datetime:
        return EPOCH + timedelta(microseconds=micros)

    # checks, all of them before anything is changed

    def validate(self, op: Op) -> None:
        if not isinstance(op, (GetOp, PutOp, SearchOp, ListNamespacesOp)):
            raise ValueError(f"Unknown operation type: {type(op).__name__}")
        self.validate_namespaces(op)
        if isinstance(op, SearchOp):
            self.check_filter(op.filter)
        if isinstance(op, PutOp) and op.value is not None:
            if not isinstance(op.value, Mapping):
                raise TypeError(f"A value must be a mapping, not {type(op.value).__name__}.")
            self.check_value(dict(op.value))
            self.check_ttl(op.ttl)
            if isinstance(op.index, str):
                raise TypeError("index must be False or a list of paths, not a str.")

    def validate_namespaces(self, op: Op) -> None:
        paths = [getattr(op, "namespace", ()), getattr(op, "namespace_prefix", ())]
        paths += [c.path for c in getattr(op, "match_conditions", None) or ()]
        if any(isinstance(path, str) for path in paths):
            raise InvalidNamespaceError("A namespace must be a tuple of str, not a str.")
        validate_op_namespace(op)

    def check_value(self, value: Any, depth: int = 0) -> None:
        """Refuse what JSON would alter in silence."""
        if depth > DEEPEST:
            raise ValueError(f"A value nested deeper than {DEEPEST} cannot be stored.")
        if isinstance(value, dict):
            for key, inner in value.items():
                if type(key) is not str:
                    raise TypeError(f"A key in a value must be a str, not {type(key).__name__}.")
                self.encode_text(key)
                self.check_value(inner, depth + 1)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                self.check_value(inner, depth + 1)
        elif type(value) is str:
            self.encode_text(value)
        elif value is not None and type(value) not in (int, float, bool):
            raise TypeError(f"A {type(value).__name__} in a value cannot be stored.")

    def check_ttl(self, ttl: float | None) -> None:
        if ttl is not None and not math.isfinite(ttl):
            raise ValueError("ttl must be a finite number of minutes.")

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        if not isinstance(wanted, dict):
            return
        operators = below and any(str(name).startswith("$") for name in wanted)
        for name, value in wanted.items():
            if operators and name not in OPERATORS:
                raise ValueError(f"Unsupported filter operator: {name}")
            if not operators:
                self.check_filter(value, below=True)
