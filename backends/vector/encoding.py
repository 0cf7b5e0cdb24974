"""
How an item becomes texts that every engine keeps as they are, and back.

The truth is one JSON text: namespace, key and value.  Ids, namespace tokens and field tokens are
hashes of injective encodings, made of lower-case letters and digits only, so that engines which trim,
fold case, split words or refuse characters have nothing to act on.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from store_conformance.backends.vector.driver import OVERFLOW

MAX_TOKENS = 256
"""Fields and values indexed per item; a value with more is found by reading, not by index."""
MAX_NUMBERS = 64
MAX_DEPTH = 8
"""How deep in a value fields are indexed."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")

# What reaches it was copied by ``plain``, so it contains no circle.
_ENCODE = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False
).encode
_REMEMBERED = 4096
"""Namespaces and fields whose hashes are kept: a program uses few, again and again."""

_WORDS = {None: "null", True: "true", False: "false"}
_EXACT = frozenset({str, int, bool, type(None)})

Path = tuple[str, ...]


class UnstorableValueError(ValueError):
    """A value that JSON cannot carry exactly; it is refused rather than altered."""


def plain(value: object, where: str = "value") -> Any:
    """
    A copy of the value as exact JSON types, or ``UnstorableValueError``.

    Tuples become lists and mappings dicts; nothing else is converted.  Subclasses of ``str``, ``int``
    and ``float`` are refused, for they would come back as something else.
    """
    try:
        return _plain(value)
    except RecursionError:
        raise UnstorableValueError(
            f"{where} is nested too deeply (or contains itself) to be stored as JSON."
        ) from None
    except _NotJSONError as error:
        raise UnstorableValueError(where + "".join(reversed(error.path)) + error.why) from None


class _NotJSONError(Exception):
    """Why, and where from the inside out: the place is only put into words when it is needed."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.path: list[str] = []


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _EXACT:
        return value
    if kind is float:
        if math.isfinite(value):
            return value
        raise _NotJSONError(f" is {value!r}, which JSON cannot hold.")
    if kind is dict or isinstance(value, Mapping):
        return _plain_dict(value)
    if isinstance(value, (list, tuple)):
        try:
            return [inner if type(inner) in _EXACT else _plain(inner) for inner in value]
        except _NotJSONError as error:
            error.path.append("[]")
            raise
    raise _NotJSONError(
        f" is of type {kind.__name__}, which JSON cannot hold exactly; "
        "convert it to str, int, float, bool, None, list or dict first."
    )


def _plain_dict(value: Mapping[object, object]) -> dict[str, Any]:
    made = {}
    for key, inner in value.items():
        if type(key) is not str:
            raise _NotJSONError(
                f" has the key {key!r}; keys must be str, got {type(key).__name__}."
            )
        if type(inner) not in _EXACT:
            try:
                inner = _plain(inner)
            except _NotJSONError as error:
                error.path.append(f"[{key!r}]")
                raise
        made[key] = inner
    return made


def to_json(data: object) -> str:
    """
    Compact JSON in valid UTF-8: keys in their order, floats to the last bit, ints of any size.

    Lone surrogates, which no UTF-8 holds, are written as escapes and come back as they were.
    """
    try:
        text = _ENCODE(data)
    except RecursionError:
        raise UnstorableValueError("the value is nested too deeply to be stored as JSON.") from None
    if text.isascii():
        return text
    if _PAIR.search(text):
        raise UnstorableValueError(
            "a text holds two lone surrogates side by side, which JSON would join into one character."
        )
    return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def to_body(namespace: Path, key: str, value: Mapping[str, Any]) -> str:
    """The text that is an item's truth; the value must have passed ``plain``."""
    return to_json([namespace, key, value])


def from_body(body: str) -> tuple[Path, str, dict[str, Any]]:
    """Namespace, key and value, freshly built: nobody else holds the value."""
    namespace, key, value = json.loads(body)
    return tuple(namespace), key, value


def item_id(namespace: Path, key: str) -> str:
    """The row id of an item: a UUID that depends on every character of namespace and key."""
    return _uuid(f"i[{_path_text(namespace)},{_ENCODE(key)}]")


def part_id(item: str, revision: int, number: int) -> str:
    """The row id of a further vector of one revision of an item."""
    return _uuid(f"v{item}:{revision}:{number}")


def space_id(space: str) -> str:
    """The row id of a namespace's registry entry."""
    return _uuid("n" + space)


def _uuid(text: str) -> str:
    raw = bytearray(_digest(text, 16))
    raw[6], raw[8] = raw[6] & 0x0F | 0x50, raw[8] & 0x3F | 0x80  # as a UUID of version 5
    made = raw.hex()
    return f"{made[:8]}-{made[8:12]}-{made[12:16]}-{made[16:20]}-{made[20:]}"


def _exact(data: object) -> str:
    """JSON to be hashed: unescaped, since escapes make one character of two lone surrogates."""
    return _ENCODE(data)


def _digest(text: str, size: int) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()


@lru_cache(_REMEMBERED)
def to_space(namespace: Path) -> str:
    """A namespace as one reversible text of digits and the letters a to v."""
    raw = _exact(list(namespace)).encode("utf-8", "surrogatepass")
    # The letter in front keeps it from looking like a UUID, which some engines would rewrite.
    return "s" + base64.b32hexencode(raw).decode().rstrip("=").lower()


def from_space(space: str) -> Path:
    text = space[1:].upper()
    padded = text + "=" * (-len(text) % 8)
    return tuple(json.loads(base64.b32hexdecode(padded).decode("utf-8", "surrogatepass")))


def prefix_token(prefix: Path) -> str:
    """A token for "this namespace and everything below it"."""
    return "p" + _digest(_exact(prefix), 12).hex()


@lru_cache(_REMEMBERED)
def prefix_tokens(namespace: Path) -> tuple[str, ...]:
    return tuple(prefix_token(namespace[:depth]) for depth in range(1, len(namespace) + 1))


@lru_cache(_REMEMBERED)
def number_name(path: Path) -> str:
    """The column of a numeric field."""
    return "n" + _digest(_exact(path), 8).hex()


def token(path: Path, value: object) -> str | None:
    """
    The token of a field with this value, or None if equality there is not a matter of one token.

    ``1`` and ``1.0`` share a token, ``True`` and ``1`` do not.  A dict has none: its fields have.
    """
    shape = _shape(value)
    return None if shape is None else "t" + _digest(_path_text(path) + shape, 10).hex()


@lru_cache(_REMEMBERED)
def _path_text(path: Path) -> str:
    return _exact(path)


def _shape(value: object) -> str | None:
    if isinstance(value, str):
        return "s" + value
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, (int, float)):
        return _number_shape(value)
    if isinstance(value, (list, tuple)):
        shapes = [_shape(inner) for inner in value]
        known = [shape for shape in shapes if shape is not None]
        # Hashed, because quoting what was quoted before doubles with every level.
        return "l" + _digest(_exact(known), 16).hex() if len(known) == len(shapes) else None
    return None


def _number_shape(value: int | float) -> str | None:
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        if not value.is_integer():
            return "d" + float(value).hex()
        value = int(value)
    return f"i{value:x}"


@dataclass(frozen=True)
class FieldIndex:
    """What of a value can be filtered by the engine."""

    tokens: tuple[str, ...]
    numbers: dict[str, float]


NO_FIELDS = FieldIndex((), {})


def index_fields(value: Mapping[str, Any]) -> FieldIndex:
    """Tokens and numbers of a value's fields, capped; a capped one carries ``OVERFLOW``."""
    tokens: dict[str, None] = {}
    numbers: dict[str, float] = {}
    overflow = False
    for path, leaf in _leaves(value, ()):
        if len(path) > MAX_DEPTH or len(tokens) >= MAX_TOKENS or len(numbers) >= MAX_NUMBERS:
            overflow = True
            break
        made = token(path, leaf)
        if made is not None:
            tokens[made] = None
        if isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
            numbers[number_name(path)] = nearest_float(leaf)
    if overflow:
        tokens[OVERFLOW] = None
    return FieldIndex(tuple(tokens), numbers)


def _leaves(value: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for key, inner in value.items():
        here = (*path, key)
        if isinstance(inner, dict) and len(here) <= MAX_DEPTH:
            yield from _leaves(inner, here)
        else:
            yield here, inner


def nearest_float(number: int | float) -> float:
    """The number as a float; monotone, so that a comparison of floats never hides a match."""
    try:
        return float(number)
    except OverflowError:
        return math.copysign(1.7976931348623157e308, number)


@dataclass(frozen=True)
class HeadFacts:
    """What the store reads back of an item before it overwrites or refreshes it."""

    created_at: int
    updated_at: int
    parts: int
    """How many vector rows it has beside its own."""
    ttl: float | None

    def to_text(self) -> str:
        ttl = "" if self.ttl is None else repr(self.ttl)
        return f"{self.created_at}:{self.updated_at}:{self.parts}:{ttl}"

    @classmethod
    def from_text(cls, text: str) -> HeadFacts:
        created, updated, parts, ttl = text.split(":")
        return cls(int(created), int(updated), int(parts), float(ttl) if ttl else None)


def to_datetime(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
