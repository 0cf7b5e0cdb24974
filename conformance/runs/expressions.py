"""
Values of a case as Python source: literals, and expressions over the results of its calls.
"""

from __future__ import annotations

import datetime
import decimal
import math
import pathlib
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from store_conformance.embedding.exact import WORDS, ExactEmbeddings
from store_conformance.harness.compat import PutOp
from store_conformance.harness.journal import Call

READS = frozenset({"get", "search", "list_namespaces", "batch"})

NAMES: dict[str, tuple[str, Any]] = {
    "datetime": ("import datetime", datetime),
    "zoneinfo": ("import zoneinfo", None),
    "Decimal": ("from decimal import Decimal", decimal.Decimal),
    "UUID": ("from uuid import UUID", uuid.UUID),
    "PurePosixPath": ("from pathlib import PurePosixPath", pathlib.PurePosixPath),
    "inf": ("from math import inf", math.inf),
    "nan": ("from math import nan", math.nan),
    "object": ("", object),
    "frozenset": ("", frozenset),
    "set": ("", set),
    "bytearray": ("", bytearray),
}
"""Names that a literal may use, each with the line that imports it."""
_OBJECT = re.compile(r"<object object at 0x[0-9a-f]+>")


def literal(value: Any) -> str | None:
    """The value as Python source that gives it back, or ``None``."""
    try:
        text = _OBJECT.sub("object()", repr(value))
        names = {name: given for name, (_, given) in NAMES.items() if given is not None}
        back = eval(text, {"__builtins__": {}, **names}, {})  # our own repr
    except Exception:  # noqa: BLE001 - an object without a literal form
        return None
    same = _OBJECT.sub("object()", _repr(back)) == text
    return text if type(back) is type(value) and same else None


def imports_of(source: str) -> list[str]:
    """The lines that import what the literals of a script use."""
    lines = (line for name, (line, _) in NAMES.items() if re.search(rf"\b{name}\b", source))
    return [line for line in lines if line]


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a store's answer
        return ""


def equal(a: Any, b: Any) -> bool:
    try:
        return type(a) is type(b) and bool(a == b)
    except Exception:  # noqa: BLE001 - an answer that cannot be compared matches nothing
        return False


# -- expressions over results -------------------------------------------------------------------

_VIEWS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("{r}", lambda r: r),
    ("{r}.value", lambda r: r.value),
    ("{r}.key", lambda r: r.key),
    ("{r}.namespace", lambda r: r.namespace),
    ("{r}.created_at", lambda r: r.created_at),
    ("{r}.updated_at", lambda r: r.updated_at),
    ("({r}.created_at, {r}.updated_at)", lambda r: (r.created_at, r.updated_at)),
    ("({r}.key, {r}.value, tuple({r}.namespace))", lambda r: (r.key, r.value, tuple(r.namespace))),
    ("[i.key for i in {r}]", lambda r: [i.key for i in r]),
    ("sorted(i.key for i in {r})", lambda r: sorted(i.key for i in r)),
    ("[i.value for i in {r}]", lambda r: [i.value for i in r]),
    ("[i.score for i in {r}]", lambda r: [i.score for i in r]),
    ("[(i.key, i.value) for i in {r}]", lambda r: [(i.key, i.value) for i in r]),
    ("[(i.key, i.score) for i in {r}]", lambda r: [(i.key, i.score) for i in r]),
    ("{{i.key: i.value for i in {r}}}", lambda r: {i.key: i.value for i in r}),
    ("{{i.key: i.score for i in {r}}}", lambda r: {i.key: i.score for i in r}),
    ("sorted({r})", lambda r: sorted(r)),
    ("set({r})", lambda r: set(r)),
    ("len({r})", lambda r: len(r)),
    ("{r}[0]", lambda r: r[0]),
    ("{r}[0].value", lambda r: r[0].value),
    ("{r}[0].key", lambda r: r[0].key),
    ("type({r})", lambda r: type(r)),
)
_TRIVIAL: tuple[Any, ...] = ([], {}, "", 0, 1, True, False)
"""Answers that many calls give: only the last call is looked at for them."""
_MOST_ELEMENTS = 12


def locate(value: Any, calls: Sequence[Call]) -> tuple[int, str] | None:
    """The latest call and the expression over its result (``r<number>``) that give ``value``."""
    reads = [n for n, call in enumerate(calls) if call.name in READS and call.raised is None]
    if any(equal(value, trivial) for trivial in _TRIVIAL):
        reads = reads[-1:]
    if isinstance(value, (dict, list)):  # the very object comes before one that is equal
        return _found(lambda found: found is value, value, reads, calls) or _found(
            lambda found: equal(found, value), value, reads, calls
        )
    return _found(lambda found: found is value or equal(found, value), value, reads, calls)


def _found(
    right: Callable[[Any], bool], value: Any, reads: Sequence[int], calls: Sequence[Call]
) -> tuple[int, str] | None:
    for number in reversed(reads):
        result = calls[number].result
        named = [(f"r{number}", result)]
        if calls[number].name == "batch" and isinstance(result, list):
            named += [(f"r{number}[{n}]", e) for n, e in enumerate(result[:_MOST_ELEMENTS])]
        for name, answer in named:
            for text, found in _views(name, answer, value):
                if right(found):
                    return number, text
    return None


def _views(name: str, answer: Any, wanted: Any) -> Iterator[tuple[str, Any]]:
    """The expressions over an answer, with what they give; those that do not fit are left out."""
    if isinstance(wanted, float) and isinstance(answer, list):
        for item in answer[:100]:
            score = getattr(item, "score", None)
            if isinstance(score, float) and score == wanted:
                key = repr(item.key)
                yield f"next((i.score for i in {name} if i.key == {key}), None)", score
    for text, view in _VIEWS:
        try:
            found = view(answer)
        except Exception:  # noqa: BLE001 - this expression does not fit this answer
            continue
        yield text.format(r=name), found


@dataclass(frozen=True)
class Walk:
    """The pages of one search, from the first of these calls on, and an expression over ``found``."""

    first: int
    last: int
    expression: str


def locate_keys(keys: Any, calls: Sequence[Call], wanted: Any) -> Walk | None:
    """
    The last walk and the expression over the keys that it found which give ``keys``.

    They may also be a part of those found, of which fewer were ``wanted``, or those that should be found
    and are not.
    """
    if not isinstance(keys, list) or not keys or not all(isinstance(k, str) for k in keys):
        return None
    last = next((n for n in range(len(calls) - 1, -1, -1) if calls[n].name == "search"), None)
    if last is None:
        return None
    first = last
    while first and calls[first - 1].name == "search" and _same_walk(calls, first - 1, last):
        first -= 1
    try:
        found = [i.key for call in calls[first : last + 1] for i in call.result]
    except Exception:  # noqa: BLE001 - an answer that cannot be looked into
        return None
    if keys == found:
        return Walk(first, last, "found")
    if keys == sorted(found):
        return Walk(first, last, "sorted(found)")
    if not isinstance(wanted, list):
        return None
    if set(keys) <= set(found) and all(k in keys for k in wanted):  # some should not be there
        return Walk(first, last, f"[k for k in {keys!r} if k in found]")
    if (
        not wanted and not set(keys) & set(found) and set(keys) <= _written(calls[:first])
    ):  # which should be there
        return Walk(first, last, f"[k for k in {keys!r} if k not in found]")
    return None


def _written(calls: Sequence[Call]) -> set[str]:
    """The keys of everything that was put."""
    keys = {call.args[1] for call in calls if call.name == "put" and len(call.args) > 1}
    for call in calls:
        if call.name == "batch" and call.raised is None:
            keys |= {op.key for op in call.args[0] if isinstance(op, PutOp)}
    return keys


def locate_words(words: Any, calls: Sequence[Call]) -> tuple[int, str] | None:
    """The last call and the expression that give the words which reached the embedder."""
    embedder = next((c.embedder for c in calls if c.embedder is not None), None)
    if not isinstance(embedder, ExactEmbeddings) or not isinstance(words, list) or not words:
        return None
    text = " ".join(embedder.documents)
    if words != sorted(w for w in WORDS if w in text):
        return None
    last = max(n for n, call in enumerate(calls) if call.change is None)
    return last, "sorted(w for w in WORDS if w in ' '.join(embed.texts))"


def _same_walk(calls: Sequence[Call], one: int, other: int) -> bool:
    """Whether two searches ask the same and differ in their page only."""

    def asked(number: int) -> Any:
        call = calls[number]
        return call.store, call.args, {k: v for k, v in call.kwargs.items() if k != "offset"}

    return equal(asked(one), asked(other))
