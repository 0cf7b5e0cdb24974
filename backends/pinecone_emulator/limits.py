"""
What the service refuses, with its documented limits.
"""

from __future__ import annotations

import json
import math
from typing import Any

METADATA_BYTES = 40_960
VECTORS_PER_UPSERT = 1000
UPSERT_BYTES = 2 * 1024 * 1024
IDS_PER_CALL = 1000
TOP_K = 10_000
RESULT_BYTES = 4 * 1024 * 1024
ID_LENGTH = 512
DIMENSIONS = 20_000
NAME_LENGTH = 45


class Refused(Exception):  # noqa: N818
    """An answer other than success."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def invalid(message: str) -> Refused:
    return Refused(400, 3, message)


def check_ids(ids: Any) -> list[str]:
    if not isinstance(ids, list) or not ids:
        raise invalid("ids must be a list of at least one id")
    if len(ids) > IDS_PER_CALL:
        raise invalid(f"Request exceeds the limit of {IDS_PER_CALL} ids, got {len(ids)}")
    return [check_id(one) for one in ids]


def check_id(given: Any) -> str:
    if not isinstance(given, str) or not given:
        raise invalid("Vector ID must be a non-empty string")
    if not given.isascii() or "\x00" in given:
        raise invalid(f"Vector ID must be ASCII without NUL, but got {given!r}")
    if len(given) > ID_LENGTH:
        raise invalid(f"Vector ID length must be at most {ID_LENGTH}, but got {len(given)}")
    return given


def check_vector(values: Any, dimension: int) -> list[float]:
    if not isinstance(values, list) or not all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in values
    ):
        raise invalid("values must be a list of finite numbers")
    if len(values) != dimension:
        raise invalid(
            f"Vector dimension {len(values)} does not match the dimension of the index {dimension}"
        )
    if not any(values):
        raise invalid("Dense vectors must contain at least one non-zero value")
    return values


def check_metadata(metadata: Any) -> dict[str, Any]:
    """Flat: strings, numbers, booleans and lists of strings; numbers become 64-bit floats."""
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise invalid("metadata must be an object")
    size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    if size > METADATA_BYTES:
        raise invalid(
            f"Metadata size is {size} bytes, which exceeds the limit of {METADATA_BYTES} bytes per vector"
        )
    return {name: _check_value(name, value) for name, value in metadata.items()}


def _check_value(name: str, value: Any) -> Any:
    if name.startswith("$"):
        raise invalid(f"Metadata field name {name!r} must not start with '$'")
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            raise invalid(f"Metadata field {name!r} holds a number that is not finite")
        # Every number is a double; whole ones come back without a fraction.
        return int(float(value)) if float(value).is_integer() else float(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    raise invalid(
        "Metadata value must be a string, number, boolean or list of strings, "
        f"got {json.dumps(value)[:60]} for field {name!r}"
    )
