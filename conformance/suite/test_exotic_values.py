"""
Group K, values beyond JSON: kept as they were or refused, never altered in silence.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab, type_difference
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import shorten
from store_conformance.suite.support.accepted import keys_taken, names_taken, numbers_taken
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.ranking import hits, is_score
from store_conformance.suite.support.scale import by_cosine
from store_conformance.suite.support.shapes import fill, values_of

NS = ("values",)


@dataclass
class Thing:
    """An object of the caller's own, equal to another one by its name."""

    name: str


# -- K7: what JSON has not ------------------------------------------------------------------------

EXOTIC: dict[str, dict[str, Any]] = {
    "not finite": {
        "NaN": {"x": math.nan, "in": [math.nan]},
        "infinity": {"x": math.inf, "in": {"y": [-math.inf]}},
    },
    "NUL": {
        "in text": {"x": "a\x00b"},
        "at the end": {"x": ["a\x00"]},
        "in a name": {"a\x00b": 1},
        "as a name": {"in": {"\x00": 1}},
    },
    "surrogates": {
        "high": {"x": "a\ud83db"},
        "low": {"x": ["\udc00"]},
        "two": {"x": "\ud83d" + "\ude00"},
        "in a name": {"\ud800": 1},
    },
    "large int": {
        "64 bits": {"x": 2**63, "y": 2**64 - 1},
        "65 bits": {"x": [2**64]},
        "negative": {"x": -(2**63) - 1},
        "200 bits": {"x": 2**200, "y": -(10**60)},
        "beyond float": {"x": 10**400},
    },
    "names that are no text": {
        "int": {1: "a"},
        "inner int": {"x": {1: "a", 2: "b"}},
        "bool": {"x": {True: 1}},
        "None": {"x": {None: 1}},
        "float": {"x": {1.5: 1}},
        "tuple": {"x": {(1, 2): 1}},
        "int and text": {"x": {1: "int", "1": "text"}},
    },
    "sets": {"set": {"x": {1, 2}}, "frozenset": {"x": frozenset({"a"})}, "empty set": {"x": set()}},
    "bytes": {
        "text": {"x": b"abc"},
        "no text": {"x": [b"\xff\x00"]},
        "bytearray": {"x": bytearray(b"abc")},
    },
    "times": {
        "datetime": {"x": datetime(2024, 5, 17, 10, 30, tzinfo=timezone.utc)},
        "naive datetime": {"x": [datetime(2024, 5, 17, 10, 30)]},
        "date": {"x": date(2024, 5, 17)},
        "time": {"x": time(10, 30)},
        "timedelta": {"x": timedelta(days=1)},
    },
    "objects": {
        "decimal": {"x": Decimal("1.10")},
        "uuid": {"x": UUID(int=7)},
        "complex": {"x": 1 + 2j},
        "object equal to none": {"x": object()},
        "object": {"x": Thing("a")},
        "function": {"x": len},
    },
    "no dict": {"text": "text", "number": 5, "list": [1, 2]},
}


@case("K7", params=EXOTIC)
def test_what_json_has_not_is_kept_or_refused(lab: Lab, values: dict[str, Any]) -> None:
    """
    A value outside JSON comes back equal and of its type, or is refused and nothing changed.

    An object without an equality of its own is never asked to be the very same.

    If this fails, the encoder alters what it does not know: a fallback to str, NaN to null.
    """
    store = lab.open()
    troubles = {}
    shows: tuple[Any, Any] | None = None
    for name, value in values.items():
        key, old = plain(name), {"old": name}
        store.put(NS, key, old)
        refused = lab.attempt(lambda: store.put(NS, key, value))
        got = store.value(NS, key)
        by_put = _altered(got, value, old, refused)
        if by_put and refused is None:
            shows = shows or (value, got)
        refused = lab.attempt(lambda: store.batch([PutOp(("new",), key, value)]))
        item = store.get(("new",), key)
        by_batch = _altered(item and item.value, value, None, refused)
        if by_put or by_batch:
            troubles[name] = by_put or by_batch

    store.put(NS, "after", {"n": 1})
    lab.same(store.value(NS, "after"), {"n": 1}, "a put after these values were handed in")
    lab.true(not troubles, "; ".join(f"{name}: {text}" for name, text in troubles.items()),
             expected="returned as it was, or refused", got=list(troubles), shows=shows)  # fmt: skip


@case("K7")
def test_a_value_beyond_json_hides_no_other_field(lab: Lab) -> None:
    """
    An item that holds what JSON has not is found by its other fields, as any other item is.

    If this fails, look at a value that is wrapped as a whole because a part of it is odd.
    """
    store = lab.open()
    taken = ["plain"]
    store.put(NS, "plain", {"x": "text", "sort": "odd", "rank": 1})
    for kind, values in EXOTIC.items():
        for name, value in values.items():
            if not isinstance(value, dict):
                continue
            given = {**value, "sort": "odd", "rank": 1}
            key = plain(f"{kind}, {name}")
            if lab.attempt(functools.partial(store.put, NS, key, given)) is None:
                taken.append(key)
    lab.equal(store.keys(NS), sorted(taken), "the items of a search")
    for wanted in ({"sort": "odd"}, {"rank": {"$eq": 1}}, {"sort": {"$ne": "even"}, "rank": 1}):
        found = store.keys(NS, filter=wanted)
        hidden = sorted(set(taken) - set(found))
        lab.equal(hidden, [], f"items that the filter {wanted!r} does not find")


def _beyond_json() -> dict[str, dict[str, Any]]:
    """Each of these values that is a dict, by a plain name."""
    return {
        plain(f"{kind}, {name}"): value
        for kind, values in EXOTIC.items()
        for name, value in values.items()
        if isinstance(value, dict)
    }


@case("K7", needs=(Capability.PERSISTENCE,))
def test_a_value_beyond_json_is_kept_over_a_reopening(lab: Lab) -> None:
    """
    A value outside JSON that was taken is as it was after a reopening, and what was put after it is there too.

    If this fails, look at a journal or a snapshot that is written by another encoder than the one that reads answer from.
    """
    store = lab.open()
    store.put(NS, "before", {"n": 1})
    taken = {
        key: value
        for key, value in _beyond_json().items()
        if lab.attempt(functools.partial(store.put, NS, key, value)) is None
    }
    places = [(NS, key) for key in taken]
    got = zip(taken.items(), values_of(store, places), strict=True)
    right = {key for (key, value), kept in got if not _altered(kept, value, None, None)}
    store.put(NS, "after", {"n": 1})

    again = lab.reopen(store)
    if again.get(NS, "before") is None:
        lab.unsupported("nothing survives a reopening, which E4 judges")
    lab.equal(again.keys(NS), sorted([*taken, "before", "after"]), "the items after a reopening")
    for (key, value), kept in zip(taken.items(), values_of(again, places), strict=True):
        wrong = _altered(kept, value, None, None) if key in right else None
        lab.true(
            wrong is None, f"{key} after a reopening: {wrong}", got=wrong, expected="as it was"
        )
    lab.same(again.value(NS, "after"), {"n": 1}, "what was put after these values")


def _found(lab: Lab, store: Subject, at: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """By query, which items it finds, and with which scores where those say something."""
    told = by_cosine(lab)
    found = {word: hits(lab, store, at, word) for word in ("apple", "banana")}
    return {
        word: {
            k: round(s, 3) if told and is_score(s) else "" for k, s in got.items() if s is not None
        }
        for word, got in found.items()
    }


@case("K7", needs=(Capability.VECTORS,))
def test_a_refused_value_leaves_the_vectors_as_they_were(lab: Lab) -> None:
    """
    A put whose value is refused moves no vector, neither of the item that is there nor of a new one.

    If this fails, look at vectors that are written before the value, or committed without it.
    """
    store = lab.indexed("text")
    firsts = (next(iter(values.values())) for values in EXOTIC.values())
    odd = {f"k{n}": value for n, value in enumerate(firsts) if isinstance(value, dict)}
    plain_values = {key: {"text": f"apple*9 fig*{n}"} for n, key in enumerate(odd)}
    fill(store, [(NS, key, value) for key, value in plain_values.items()])
    before = _found(lab, store, NS)

    new, elsewhere = [], ("new",)
    for key, value in odd.items():
        given = {**value, "text": "banana"}
        if lab.attempt(functools.partial(store.put, NS, key, given)) is None:
            store.put(NS, key, plain_values[key])  # it was taken, and is as before again
        if lab.attempt(functools.partial(store.put, elsewhere, key, given)) is not None:
            new.append(key)
    if not new:
        lab.unsupported("each of these values is taken")
    lab.equal(_found(lab, store, NS), before, "what queries find where values were refused")

    # A key whose put was refused is used again without a text, beside one that never had any.
    ops = [PutOp(elsewhere, key, {"other": 1}) for key in ("never", *new)]
    if lab.attempt(lambda: store.batch(ops)) is None:  # whether a field may be missing is V2's
        again = _found(lab, store, elsewhere)["banana"]
        same = [key for key in new if (key in again) == ("never" in again)]
        lab.equal(same, new, "the keys that a refused text does not find")


TUPLES: dict[str, Any] = {"t": (1, "a", (2.5, None)), "in": [(1,), ()], "d": {"t": ()}}


@case("K7")
def test_a_tuple_is_given_back_or_refused(lab: Lab) -> None:
    """
    A tuple, which JSON can write and does not have, comes back as a tuple or a list, or is refused.

    If this fails, look at an encoder that writes a tuple as text.
    """
    store = lab.open()
    error = lab.attempt(lambda: store.put(NS, "k", TUPLES))
    if error is not None:
        lab.observe("value.tuple", "refused", error=repr(error)[:160])
        lab.equal(store.get(NS, "k"), None, "get after the put of tuples was refused")
        return
    value = store.value(NS, "k")
    lab.observe("value.tuple", type(value.get("t")).__name__)
    lab.same(value, TUPLES, "tuples, or lists in their place")


@case(
    "K7",
    params={"NUL": "a\x00b", "lone surrogate": "a\ud83d", "two surrogates": "\ud83d" + "\ude00"},
)
def test_a_key_that_is_no_plain_text_is_kept_or_refused(lab: Lab, key: str) -> None:
    """
    A key with NUL or a lone surrogate is a key of its own, or is refused and nothing changed.

    If this fails, look at keys that are cut off at NUL or encoded with replacement.
    """
    store = lab.open()
    near = [
        key.replace("\x00", ""),
        key.split("\x00")[0],
        key.encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    ]
    near = [k for k in dict.fromkeys([*near, key.encode("utf-8", "replace").decode()]) if k != key]
    near = keys_taken(lab, near)
    for other in near:
        store.put(NS, other, {"is": other})
    refused = lab.attempt(lambda: store.put(NS, key, {"is": key}))
    lab.observe(
        "key outside plain text", "refused" if refused else "stored", error=repr(refused)[:200]
    )

    if refused is None:
        item = store.fetch(NS, key)
        lab.same(item.key, key, "the key in get")
        keys = [*near, key]
    else:
        keys = near
    lab.equal(sorted(i.key for i in store.search(NS)), sorted(keys), "the keys in search")
    for other in near:
        lab.same(store.value(NS, other), {"is": other}, f"the item under {other!r}")


def _altered(got: Any, value: Any, old: Any, refused: Any) -> str | None:
    """What is wrong: neither the value as it was nor, after a refusal, what was there before."""
    if refused is not None:
        difference = type_difference(got, old)
        return (
            f"refused ({type(refused).__name__}) and yet changed: {difference}"
            if difference
            else None
        )
    try:
        difference = type_difference(got, value)
    except Exception as error:  # noqa: BLE001 - comparing foreign objects is at our own risk
        difference = shorten(repr(error))
    return f"altered in silence: {difference}" if difference else None


# -- K8: floats and the order of names ------------------------------------------------------------

FLOATS = {
    "whole": [1.0, 0.0, 2.0, -3.0, 100.0, 1e5, 123456.0],
    "large": [
        1e15,
        1e16,
        1e17,
        1e21,
        1e22,
        9007199254740992.0,
        9007199254740994.0,
        2.0**63,
        1e100,
        -1e16,
    ],
    "largest": [1e308, 1.7976931348623157e308, -1e308],
    "smallest": [5e-324, -5e-324, 2.2250738585072014e-308, 1e-200],
    "negative zero": [-0.0],
}


def _not_as_jsonb(lab: Lab) -> None:
    """End the case where a documented column type rules the promise out."""
    if lab.offers(Capability.JSONB):
        lab.observe("values.column", "jsonb")
        lab.unsupported("declared: jsonb")


@case("K8", params=FLOATS)
def test_a_float_stays_a_float(lab: Lab, floats: list[float]) -> None:
    """
    A float comes back as a float, also when it is a whole number, very large or very near to zero.

    Beyond 1e99 and nearer to zero than 1e-99 the store may refuse it by an error, as engines of decimal numbers do.
    If this fails, look at the column's number type; JSONB turns 1e16 into an integer (``--declare jsonb``).
    """
    _not_as_jsonb(lab)
    store = lab.open()
    given = floats
    floats = numbers_taken(lab, given)
    if not floats:
        lab.unsupported(f"refused: {', '.join(map(repr, given))}")
    value = {"top": floats[0], "list": floats, "dict": {f"f{n}": f for n, f in enumerate(floats)}}
    store.put(NS, "k", value)
    lab.same(store.value(NS, "k"), value, "the value in get")
    lab.same(store.search(NS)[0].value, value, "the value in search")


@case("K8")
def test_the_order_of_names_is_kept(lab: Lab) -> None:
    """
    The names of a dict come back in the order in which they were put, at every depth.

    If this fails, look for sorted keys and for a column type that sorts them, as JSONB does (``--declare jsonb``).
    """
    _not_as_jsonb(lab)
    store = lab.open()
    names = names_taken(lab, ["zebra", "a", "B", "mm", "b", "10", "9", "aaa", "é", "_", "Z", ""])
    value: dict[str, Any] = {name: i for i, name in enumerate(names)}
    value = {**value, "inner": dict(value), "rows": [dict(reversed(value.items()))]}
    store.put(NS, "k", value)

    for source, got in (("get", store.value(NS, "k")), ("search", store.search(NS)[0].value)):
        lab.equal(list(got), list(value), f"the order of the names in {source}")
        lab.equal(list(got["inner"]), list(value["inner"]), f"the order of inner names in {source}")
        lab.equal(
            list(got["rows"][0]),
            list(value["rows"][0]),
            f"the order of names inside a list in {source}",
        )
