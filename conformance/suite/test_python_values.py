"""
Group K, what people put: Python's own kinds of values, and odd text on one side of an item only.
"""

from __future__ import annotations

import array
import types
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.text import shorten
from store_conformance.suite.support.accepted import keys_taken
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.shapes import LOOKALIKES, fill, values_of

NS = ("values",)


class Colour(Enum):
    """A plain enumeration."""

    RED = "red"
    BLUE = 2


class Mood(str, Enum):
    """An enumeration of texts; ``StrEnum`` since Python 3.11."""

    GLAD = "glad"


class Level(IntEnum):
    """An enumeration of numbers."""

    LOW = 1


class Right(Flag):
    """Flags that are no numbers."""

    READ = 1
    WRITE = 2


class Bit(IntFlag):
    """Flags that are numbers."""

    ONE = 1
    TWO = 2


@dataclass
class Note:
    """A dataclass with a dataclass in it."""

    text: str
    tags: list[str] = field(default_factory=list)
    below: Any = None


@dataclass(frozen=True)
class Frozen:
    """A dataclass that can be hashed."""

    n: int


class Profile(BaseModel):
    """A model of pydantic."""

    name: str
    age: int = 0


Point = namedtuple("Point", ["x", "y"])


class Text(str):
    """Text of a class of its own."""

    __slots__ = ()


class Whole(int):
    """A whole number of a class of its own."""


class Real(float):
    """A float of a class of its own."""


class Items(list[Any]):
    """A list of a class of its own."""


class Fields(dict[str, Any]):
    """A dict of a class of its own."""


SUMMER = timezone(timedelta(hours=2), "CEST")

KINDS: dict[str, dict[str, Any]] = {
    "enumerations": {
        "plain": Colour.RED,
        "of a number": [Colour.BLUE],
        "of text": Mood.GLAD,
        "of ints": {"in": Level.LOW},
        "flag": Right.READ | Right.WRITE,
        "int flag": [Bit.ONE | Bit.TWO],
        "class itself": Colour,
    },
    "dataclasses": {
        "plain": Note("apple", ["a"]),
        "nested": Note("apple", below=Note("fig")),
        "frozen": [Frozen(1)],
    },
    "pydantic models": {"model": Profile(name="Ada", age=36), "in a list": [Profile(name="Bo")]},
    "messages": {
        "message": [HumanMessage("good morning")],
        "document": Document(page_content="apple", metadata={"n": 1}),
    },
    "named tuples": {"point": Point(1, 2), "in a list": [Point("a", None)]},
    "subclasses": {
        "str": Text("apple"),
        "int": Whole(7),
        "float": Real(1.5),
        "list": Items([1, [2]]),
        "dict": Fields(a=1, b=Fields()),
        "ordered dict": OrderedDict(b=1, a=2),
        "default dict": defaultdict(int, {"a": 1}),
        "counter": Counter("abca"),
    },
    "collections": {
        "deque": deque([1, 2]),
        "range": range(3),
        "array": array.array("i", [1, 2]),
        "view": {"a": 1}.keys(),
        "read-only dict": types.MappingProxyType({"a": 1}),
        "namespace": types.SimpleNamespace(a=1),
    },
    "zoned times": {
        "offset": datetime(2024, 5, 17, 10, 30, tzinfo=SUMMER),
        "microseconds": [datetime(2024, 5, 17, 10, 30, 0, 123456, tzinfo=timezone.utc)],
        "fold": datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=SUMMER),
        "zone": SUMMER,
    },
    "numbers": {"decimal": Decimal("0.10"), "fraction": [Fraction(1, 3)], "complex": {"in": 1j}},
    "numpy": {
        "float64": np.float64(0.1),
        "float32": np.float32(0.1),
        "int64": [np.int64(2**40)],
        "bool": {"in": np.bool_(True)},
        "text": np.str_("apple"),
        "time": np.datetime64("2024-05-17"),
        "array": np.array([1.0, 2.0]),
    },
    "other objects": {"path": PurePosixPath("a/b"), "type": int},
}


@case("K7", params=KINDS)
def test_what_python_has_is_equal_or_refused(lab: Lab, values: dict[str, Any]) -> None:
    """
    A Python object in a value comes back equal to what was put, or the put is refused and nothing changed.

    If this fails, look at an encoder that writes objects of many kinds as text or as dicts by itself.
    """
    store = lab.open()
    troubles = {}
    shows: tuple[Any, Any] | None = None
    for name, inner in values.items():
        key, value, old = plain(name), {"x": inner, "n": 1}, {"old": name}
        store.put(NS, key, old)
        refused = lab.attempt(lambda: store.put(NS, key, value))
        got = store.value(NS, key)
        by_put = _altered(got, old if refused else value, refused)
        if by_put and refused is None:
            shows = shows or (value, got)
        refused = lab.attempt(lambda: store.batch([PutOp(("new",), key, value)]))
        item = store.get(("new",), key)
        by_batch = _altered(item and item.value, None if refused else value, refused)
        if by_put or by_batch:
            troubles[name] = by_put or by_batch

    store.put(NS, "after", {"n": 1})
    lab.same(store.value(NS, "after"), {"n": 1}, "a put after these values were handed in")
    lab.true(
        not troubles,
        "; ".join(f"{name}: {text}" for name, text in troubles.items()),
        expected="returned equal, or refused",
        got=list(troubles),
        shows=shows,
    )


def _altered(got: Any, expected: Any, refused: BaseException | None) -> str | None:
    if equal(got, expected):
        return None
    if refused is not None:
        return f"refused ({type(refused).__name__}) and yet changed to {shorten(repr(got), 80)}"
    return f"altered in silence: {shorten(repr(got), 80)}"


def equal(got: Any, put: Any) -> bool:
    """
    Equal by the values' own ``==`` where they are; a tuple may be a list, and no number a bool.
    """
    if isinstance(put, dict):
        same = isinstance(got, dict) and got.keys() == put.keys()
        return same and all(equal(got[name], inner) for name, inner in put.items())
    if isinstance(put, (list, tuple)):
        same = isinstance(got, (list, tuple)) and len(got) == len(put)
        return same and all(map(equal, got, put))
    if isinstance(put, np.ndarray):
        return isinstance(got, np.ndarray) and np.array_equal(got, put)
    for kind in (bool, str):
        if isinstance(put, kind) != isinstance(got, kind):
            return False
    try:
        return bool(got == put) or got is put
    except Exception:  # noqa: BLE001 - what cannot be compared is equal only to itself
        return got is put


# -- odd on one side only -------------------------------------------------------------------------

ODD = {
    "NUL": ("a\x00b", "a"),
    "NUL at the end": ("a\x00", "a"),
    "lone surrogate": ("a\ud83d", "a"),
    "low surrogate": ("\udc00a", "a"),
}


@case("K7", params=ODD)
def test_an_odd_key_of_a_plain_value_is_kept_or_refused(lab: Lab, texts: tuple[str, str]) -> None:
    """
    A key that is no plain text, with a value that is, is a key of its own or refused, and reaches no other.

    If this fails, look at keys that are cut or replaced: a value with the same text would be refused.
    """
    odd, near = texts
    store = lab.open()
    for key in keys_taken(lab, (near, near + "b", near + "?", near + "\ufffd")):
        store.put(NS, key, {"n": key})
    before = {i.key: i.value for i in store.search(NS, limit=100)}

    refused = lab.attempt(lambda: store.put(NS, odd, {"n": 1}))
    if refused is None:
        lab.same(store.value(NS, odd), {"n": 1}, "the value under the odd key")
        lab.equal(store.fetch(NS, odd).key, odd, "the odd key itself")
        lab.attempt(lambda: store.delete(NS, odd))
    else:
        found: list[Any] = []
        error = lab.attempt(lambda: found.append(store.get(NS, odd)))
        lab.true(error is not None or found == [None], "a refused key finds nothing", got=found)
        lab.attempt(lambda: store.delete(NS, odd))
    after = {i.key: i.value for i in store.search(NS, limit=100)}
    lab.equal(after, before, "the other items after put and delete of the odd key")


@case("K7", params=ODD)
def test_an_odd_value_of_a_plain_key_is_kept_or_refused(lab: Lab, texts: tuple[str, str]) -> None:
    """
    A value with text that is no plain one, under a key that is, comes back as it was or is refused.
    """
    odd, _ = texts
    store = lab.open()
    for name, value in (("text", {"t": odd}), ("name", {odd: 1}), ("deep", {"l": [{"t": odd}]})):
        store.put(NS, name, {"old": 1})
        refused = lab.attempt(lambda v=value: store.put(NS, name, v))  # type: ignore[misc]
        expected = {"old": 1} if refused else value
        lab.same(store.value(NS, name), expected, f"the value with odd text as {name}")


@case("K11", params=LOOKALIKES)
def test_any_text_is_a_key_of_a_plain_value(lab: Lab, keys: tuple[str, ...]) -> None:
    """
    A key that the store takes is found, searched and deleted as itself, whatever its value is.

    If this fails, look at a key that is read from the value, or hidden by it.
    """
    store = lab.open()
    values = [{"n": n} for n in range(len(keys))]
    taken = [
        (key, value)
        for key, value in zip(keys, values, strict=True)
        if lab.attempt(lambda k=key, v=value: store.put(NS, k, v)) is None  # type: ignore[misc]
    ]
    got = values_of(store, [(NS, key) for key, _ in taken])
    lab.equal(got, [value for _, value in taken], "the plain values by their keys")
    found = {i.key: i.value for i in store.search(NS, limit=100)}
    lab.equal(found, dict(taken), "the keys and values of a search")
    for key, _ in taken[::2]:
        store.delete(NS, key)
    lab.equal(store.keys(NS), sorted(k for k, _ in taken[1::2]), "the keys after deletes")


@case("N5", params=LOOKALIKES)
def test_any_text_is_a_label_of_a_plain_item(lab: Lab, labels: tuple[str, ...]) -> None:
    """
    A label that the store takes is found and listed as itself, whatever key and value below it are.
    """
    store = lab.open()
    taken = [
        label
        for n, label in enumerate(labels)
        if lab.attempt(lambda at=("d", label), n=n: store.put(at, "k", {"n": n})) is None  # type: ignore[misc]
    ]
    fill(store, [(("d", label), "second", {"n": 1}) for label in taken])
    for label in taken:
        found = store.search(("d", label), limit=10)
        lab.equal({i.namespace for i in found}, {("d", label)}, "the namespaces of a search")
        lab.equal(len(found), 2, f"the items below {label!r}")
    listed = store.list_namespaces(prefix=("d",), limit=100)
    lab.equal(sorted(listed), sorted(("d", label) for label in taken), "the namespaces")
