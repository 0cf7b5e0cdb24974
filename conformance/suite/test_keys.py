"""
Group K, the keys: any text is a key, and what is no text becomes one.
"""

from __future__ import annotations

import uuid
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.accepted import keys_taken, refusals
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.shapes import (
    LOOKALIKES,
    every_lookalike,
    fill,
    values_of,
    varied_text,
)

NS = ("users", "u1")

# -- K9: keys that are no text --------------------------------------------------------------------

ODD_KEYS: dict[str, Any] = {
    "int": 42,
    "negative int": -7,
    "float": 1.5,
    "bool": True,
    "none": None,
    "uuid": uuid.UUID(int=2**100 + 7),
    "date": date(2024, 5, 17),
    "path": PurePosixPath("notes/today"),
    "tuple": ("a", 1),
}


@case("K9")
def test_a_key_that_is_no_text_becomes_text(lab: Lab) -> None:
    """
    The methods take a key of another type as its str(): put, get and delete alike.

    If this fails, look at methods that a store overrides without the coercion of the base class.
    """
    store = lab.open()
    taken = keys_taken(lab, map(str, ODD_KEYS.values()))
    for kind, key in ODD_KEYS.items():
        if str(key) not in taken:
            continue
        ns = ("keys", plain(kind))
        store.put(ns, "other", {"n": 0})
        store.put(ns, key, {"n": 1})
        lab.same(
            store.fetch(ns, str(key)).key, str(key), f"the item's key, asked for as text ({kind})"
        )
        lab.same(store.fetch(ns, key).value, {"n": 1}, f"the value, asked for by the {kind} itself")
        lab.equal(store.keys(ns), sorted(["other", str(key)]), f"the keys in search ({kind})")
        store.delete(ns, key)
        lab.equal(store.get(ns, str(key)), None, f"get after a delete by the {kind} itself")
        lab.equal(store.keys(ns), ["other"], f"the keys after the delete ({kind})")
        store.put(ns, str(key), {"n": 3})
        lab.same(
            store.fetch(ns, key).value,
            {"n": 3},
            f"an item put under the text, asked for by the {kind}",
        )
        store.put(ns, key, {"n": 4})
        lab.same(
            store.value(ns, str(key)), {"n": 4}, f"the value after a put by the {kind} over it"
        )


@case("K9", params={"get": "get", "delete": "delete", "put": "put"})
def test_each_method_coerces_the_key(lab: Lab, method: str) -> None:
    """
    Each of get, put and delete takes the int 42 as the key "42".

    If this fails, look at that method: it hands the key on as it is.
    """
    store = lab.open()
    if method == "put":
        store.put(NS, 42, {"n": 1})  # type: ignore[arg-type]
        lab.same(store.value(NS, "42"), {"n": 1}, "the value under '42' after a put under 42")
        lab.same(store.search(NS)[0].key, "42", "the key in search after a put under 42")
        return
    store.put(NS, "42", {"n": 1})
    if method == "get":
        lab.same(store.fetch(NS, 42).key, "42", "the key of the item got under 42")  # type: ignore[arg-type]
        if keys_taken(lab, ["42.0"]):
            lab.equal(store.get(NS, 42.0), None, "get under 42.0, which is '42.0'")  # type: ignore[arg-type]
    else:
        store.delete(NS, 42)  # type: ignore[arg-type]
        lab.equal(store.get(NS, "42"), None, "get after a delete under 42")


@case("K9")
def test_a_key_is_coerced_whatever_else_the_put_says(lab: Lab) -> None:
    """
    A put takes the int 42 as the key "42" also beside an index argument and a ttl.

    If this fails, look at a put that is overridden for the sake of one of its arguments.
    """
    store = lab.open()
    lasting = lab.offers(Capability.TTL) and getattr(store.raw, "supports_ttl", False)
    ways: dict[str, dict[str, Any]] = {
        "index=False": {"index": False},
        "paths": {"index": ["n"]},
        **({"a ttl": {"ttl": 60.0}, "both": {"ttl": 60.0, "index": False}} if lasting else {}),
    }
    for name, how in ways.items():
        ns = ("keys", plain(name))
        for n in range(2):
            store.put(ns, 42, {"n": n}, **how)  # type: ignore[arg-type]
            lab.same(store.value(ns, "42"), {"n": n}, f"the value put under 42 with {name}")
        lab.equal(store.keys(ns), ["42"], f"the keys after two puts with {name}")


# -- K11: keys ------------------------------------------------------------------------------------

WORDS_FOR_NOTHING = (
    *("", "empty", "EMPTY", "Empty", "_empty_", "<empty>", "(empty)", "[empty]"),
    *("__EMPTY_STRING__", "__EMPTY__", "__empty__", "EMPTY_STRING", "__NULL__", "__null__"),
    *("__NONE__", "__none__", "none", "None", "null", "NULL", "nil", "undefined", "void", "NaN"),
    *("missing", "MISSING", "default", "_default", "__default__", "-", "_", "~", "0", "\\0", "%00"),
)
"""What programs write in place of an empty text, where an engine has none; and the empty text."""

KEYS: dict[str, tuple[str, ...]] = {
    **LOOKALIKES,
    "words for nothing": WORDS_FOR_NOTHING,
    "empty and dotted": (
        "",
        "a",
        ".",
        "..",
        "a.b",
        "a..b",
        ".a",
        "a.",
        "../a",
        "a/b",
        "/",
        "/a",
        "a/",
        "//",
    ),
    "structure": (
        "users.u1",
        "users",
        "u1",
        "k",
        '["a","b"]',
        '{"a": 1}',
        "a:b",
        "a|b",
        "a,b",
        "a\x1fb",
        "a;b",
    ),
}


@case("K11", params=KEYS)
def test_any_text_is_a_key(lab: Lab, keys: tuple[str, ...]) -> None:
    """
    Every text is a key of its own: found, searched, overwritten and deleted as it is.

    If this fails, look at collations, trimming, escaping, and at how the key becomes an engine's id.
    """
    store = lab.open()
    every, keys = keys, tuple(keys_taken(lab, keys))
    fill(store, [(NS, key, {"is": key}) for key in keys])

    got = values_of(store, [(NS, key) for key in keys])
    for key, value in zip(keys, got):
        lab.same(value, {"is": key}, f"the item under {key!r}")
    for key in keys:
        item = store.fetch(NS, key)
        lab.same((item.key, item.value), (key, {"is": key}), f"get of {key!r}")
    lab.equal(store.keys(NS), sorted(keys), "the keys in search")
    left = list(keys)
    for n, key in enumerate(keys[::3]):
        store.delete(NS, key)
        left.remove(key)
        if n < 4:
            lab.equal(store.keys(NS), sorted(left), f"the keys after {key!r} was deleted")
    lab.equal(store.keys(NS), sorted(left), "the keys after every third was deleted")
    left_out = [(NS, key) for key in every if key not in keys]
    told = refusals(lab, left_out)
    with_what = [f"{key!r}: {told.get((at, key), 'refused')}" for at, key in left_out]
    lab.equal(with_what, [], "keys that are refused")


@case("K11")
def test_a_key_put_by_method_is_found_by_batch(lab: Lab) -> None:
    """
    put and batch write the same key for the same text.

    If this fails, look at a method that treats the key before it hands it to batch.
    """
    store = lab.open()
    keys = keys_taken(lab, [*every_lookalike(), "", "a.b", ".", "/"][::4])
    for key in keys:
        store.put(NS, key, {"is": key})

    lab.equal(
        values_of(store, [(NS, k) for k in keys]), [{"is": k} for k in keys], "the items by batch"
    )
    lab.equal(store.keys(NS), sorted(keys), "the keys in search")


@case("K11")
def test_a_long_key_is_a_key(lab: Lab) -> None:
    """
    Keys of 3 kB that differ only in their last character are different keys.

    If this fails, look at columns with a length and at ids that are cut off.
    """
    store = lab.open()
    for length in (255, 256, 512, 1000, 3000):
        one, other = f"{length:04}".ljust(length, "x"), f"{length:04}".ljust(length - 1, "x") + "y"
        store.put(NS, one, {"n": 1})
        store.put(NS, other, {"n": 2})
        lab.same(store.fetch(NS, one).key, one, f"a key of {length} characters")
        lab.same(store.value(NS, one), {"n": 1}, f"the value under a key of {length} characters")
        lab.same(store.value(NS, other), {"n": 2}, "the value under a key that differs at the end")
        store.delete(NS, other)
        lab.equal(store.get(NS, one[:-1]), None, "a key one character shorter")


@case("K11")
def test_a_long_key_that_cannot_be_compressed_is_never_cut(lab: Lab) -> None:
    """
    A key of 3 kB of random text comes back whole, or is refused and nothing is stored.

    If this fails, look at ids that are cut off without an error.
    """
    store = lab.open()
    key = varied_text(3000)
    error = lab.attempt(lambda: store.put(NS, key, {"n": 1}))
    lab.observe("key.3kB of random text", "refused" if error else "stored", error=repr(error)[:200])
    if error is None:
        lab.same(store.fetch(NS, key).key, key, "a key of 3000 random characters")
        lab.equal(store.get(NS, key[:-1] + "!"), None, "a key that differs at the end")
    else:
        lab.equal(store.search(NS), [], "the items after the put was refused")
