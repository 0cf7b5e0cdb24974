"""
Group K, put and get: what is put under a key is found under that key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, Item, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import keys_taken, spaces_taken
from store_conformance.suite.support.shapes import fill, put_large, values_of, varied_text

NS = ("users", "u1")

NESTED: dict[str, Any] = {"n": 1, "list": [1, 2], "dict": {"x": {"y": "deep"}}, "rows": [{"a": 1}]}


# -- K1, K2: put and get --------------------------------------------------------------------------

MANY = 10_240


@case("K1")
def test_get_returns_what_was_put(lab: Lab) -> None:
    """
    A get after a put gives an Item with that value, that key and that namespace.

    If this fails, look at how a row is turned into an Item: the namespace is a tuple of str.
    """
    store = lab.open()
    value = {"name": "Ada", "age": 36, "tags": ["x", "y"]}
    store.put(NS, "profile", value)

    item = store.fetch(NS, "profile")
    lab.same(item.value, value, "the value that was put")
    lab.same(item.key, "profile", "the key that was put")
    _check_namespace(lab, item, NS)


@case("K1")
def test_keys_and_labels_that_read_like_numbers_stay_text(lab: Lab) -> None:
    """
    A key or label that reads like a number, a bool or a date comes back as the text it was.

    If this fails, look at a column or an encoding that guesses types.
    """
    store = lab.open()
    texts = ("42", "007", "-1", "1.50", "1e3", "true", "null", "2024-05-17", "0x1F")
    places = {text: ("users", text.replace(".", "")) for text in keys_taken(lab, texts)}
    taken = spaces_taken(lab, places.values())
    for text, ns in places.items():
        if ns not in taken:
            continue
        store.put(ns, text, {"text": text})
        item = store.fetch(ns, text)
        lab.same(item.key, text, "the key")
        lab.same(item.value, {"text": text}, "the value")
        _check_namespace(lab, item, ns)


@case("K1")
def test_get_finds_an_item_at_every_depth(lab: Lab) -> None:
    """
    Items of a namespace, of its parents and of its children each come back from their own place.

    If this fails, look at whether get matches the whole namespace or only a part of it.
    """
    store = lab.open()
    path = tuple("abcdefgh")
    places = spaces_taken(lab, [path[: n + 1] for n in range(len(path))])
    for place in places:
        store.put(place, "k", {"depth": len(place)})

    for place in places:
        item = store.fetch(place, "k")
        lab.same(item.value, {"depth": len(place)}, f"the value put under {place}")
        _check_namespace(lab, item, place)


@case("K1")
def test_a_batch_of_gets_gives_each_item_its_own_value(lab: Lab) -> None:
    """
    Gets in one batch give each its own item, also when they mix namespaces and repeat a key.

    If this fails, look at how grouped reads are handed back to the operations that asked.
    """
    store = lab.open()
    addresses = [(("n", f"n{i % 7}"), f"k{i:03}") for i in range(120)]
    fill(store, [(ns, key, {"at": [*ns, key]}) for ns, key in addresses])

    asked = [*reversed(addresses), addresses[3], addresses[3], (("n", "n0"), "none")]
    items = store.batch([GetOp(ns, key) for ns, key in asked])
    lab.equal(len(items), len(asked), "one answer for each get")
    for (ns, key), item in zip(asked[:-1], items):
        lab.true(isinstance(item, Item), f"an Item for {ns}, {key!r}", got=item)
        lab.same(item.value, {"at": [*ns, key]}, f"the value of {ns}, {key!r}")
        lab.same(item.key, key, "the key that was asked for")
        _check_namespace(lab, item, ns)
    lab.equal(items[-1], None, "None for the get of a key that does not exist")


@case("K1")
def test_a_search_gives_the_same_item_as_get(lab: Lab) -> None:
    """
    An item found by search has the value, key and namespace that get gives.

    If this fails, look at the second place that builds items, the one for search results.
    """
    store = lab.open()
    store.put(NS, "a", {"n": 1, "deep": {"list": [1, {"x": None}]}})
    store.put((*NS, "notes"), "a", {"n": 2})

    found = store.search(NS)
    lab.equal(len(found), 2, "the number of items under the namespace")
    for item in found:
        _check_namespace(lab, item, tuple(item.namespace))
        other = store.fetch(tuple(item.namespace), item.key)
        lab.same(item.value, other.value, "the value in search and in get")
        lab.same(item.key, other.key, "the key in search and in get")


@case("K2")
def test_get_of_what_is_missing_is_none(lab: Lab) -> None:
    """
    A get of an item that is not there gives None and never raises.

    If this fails, look at get of an unknown namespace, and at matches that are not exact.
    """
    store = lab.open()
    for deep in spaces_taken(lab, [("a", "b", "c", "d", "e")[:depth] for depth in (1, 3, 5)]):
        lab.equal(store.get(deep, "k"), None, f"get in {deep} of a store that holds nothing")
    lab.equal(store.get(("nowhere",), "k"), None, "get in a store that holds nothing")
    store.put(("a", "b"), "key", {"n": 1})

    near = ("ke", "key1", "KEY", "key ", "%", "_", "*", "k%", "b.key")
    missing = [
        *[(("a", "b"), k) for k in keys_taken(lab, near)],
        *[(ns, "key") for ns in (("a",), ("b",), ("a", "b", "c"), ("b", "a"), ("a", "B"), ("x",))],
    ]
    for ns, key in missing:
        lab.equal(store.get(ns, key), None, f"get({ns}, {key!r}), which was never put")
    found = values_of(store, [*missing, (("a", "b"), "key")])
    lab.equal(found, [None] * len(missing) + [{"n": 1}], "the same gets in one batch")


@case("K2")
def test_get_after_delete_is_none(lab: Lab) -> None:
    """
    A get of an item that was deleted gives None, as if it had never been there.

    If this fails, look at tombstones and at caches that a delete does not reach.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    store.fetch(NS, "k")
    store.delete(NS, "k")

    lab.equal(store.get(NS, "k"), None, "get after the delete")
    lab.equal(values_of(store, [(NS, "k")]), [None], "get in a batch after the delete")


# -- K3: overwrites -------------------------------------------------------------------------------


READ_BEFORE: tuple[Callable[[Subject], Any], ...] = (
    lambda store: store.search(NS, limit=1),
    lambda store: store.get(NS, "k"),
    lambda store: store.batch([SearchOp(NS, limit=1), GetOp(NS, "k")]),
)
"""Reads that find as much as they ask for, and leave the rest to whoever asks for more."""


@case("K3")
def test_a_second_put_replaces_the_value(lab: Lab) -> None:
    """
    A second put replaces the value whole: nothing of the first one stays, whatever was read just before.

    If this fails, look for a merge of JSON objects (``||``, dict.update) where a replace belongs, and for a read that
    leaves its transaction open.
    """
    store = lab.open()
    versions: list[dict[str, Any]] = [
        {"a": 1, "nested": {"x": 1, "y": 2}, "list": [1, 2, 3]},
        {"b": 2, "nested": {"z": 3}, "list": [9]},
        {"a": None},
        {},
        {"a": 1, "nested": {"x": 1, "y": 2}, "list": [1, 2, 3]},
    ]
    for number, version in enumerate(versions):
        READ_BEFORE[number % len(READ_BEFORE)](store)
        store.put(NS, "k", version)
        lab.same(store.value(NS, "k"), version, "the value after it was replaced")
        found = store.search(NS)
        lab.equal(len(found), 1, "exactly one item after an overwrite")
        lab.same(found[0].value, version, "the replaced value in search")


@case("K3")
def test_many_overwrites_leave_one_item(lab: Lab) -> None:
    """
    However often a key is put, by method or in a batch, one item remains and it is the last.

    If this fails, look at the primary key and at the conflict clause of the insert.
    """
    store = lab.open()
    store.put(NS, "other", {"n": -1})
    for n in range(60):
        if n % 3:
            store.put(NS, "k", {"n": n})
        else:
            store.batch([PutOp(NS, "k", {"n": n}), PutOp(NS, f"side{n}", {"n": n})])

    lab.same(store.value(NS, "k"), {"n": 59}, "the value after 60 puts")
    sides = [f"side{n}" for n in range(0, 60, 3)]
    lab.equal(
        store.keys(NS), sorted(["k", "other", *sides]), "the keys after 60 puts of one of them"
    )
    lab.equal(store.list_namespaces(), [NS], "the namespaces after 60 puts")


@case("K3")
def test_overwriting_many_items_changes_each_of_them(lab: Lab) -> None:
    """
    A batch that overwrites some of many items changes exactly those, also where all were read before.

    If this fails, look at bulk upserts (parameters that shift, rows that are taken twice), and at a cache of
    reads that a batch does not clear.
    """
    store = lab.open()
    keys = [f"k{i:03}" for i in range(240)]
    fill(store, [(NS, key, {"n": i, "old": True}) for i, key in enumerate(keys)])
    read = [(NS, key) for key in (*keys, "new")]
    values_of(store, read)
    for key in ("k000", "k001", "k003", "new"):
        store.get(NS, key)
    store.keys(NS, filter={"old": True})

    overwritten = [(NS, key, {"n": -i}) for i, key in enumerate(keys) if i % 3 == 0]
    fill(store, [*overwritten, (NS, "new", {"n": 0})])
    store.batch([PutOp(NS, "k001", None), PutOp(NS, "k002", None)])

    expected: list[Any] = [{"n": -i} if i % 3 == 0 else {"n": i, "old": True} for i in range(240)]
    expected[1:3] = [None, None]
    got = values_of(store, read)
    for (_, key), one, other in zip(read, got, [*expected, {"n": 0}]):
        lab.same(one, other, f"the value of {key!r} after every third item was overwritten")
    alone = [store.get(NS, key) for key in ("k000", "k001", "k003", "new")]
    values = [item and item.value for item in alone]
    lab.equal(values, [{"n": 0}, None, {"n": -3}, {"n": 0}], "the values that single gets find")
    left = [key for i, key in enumerate(keys) if i not in (1, 2)]
    lab.equal(store.keys(NS), [*left, "new"], "the keys after the overwrites")
    old = [key for i, key in enumerate(keys) if i % 3 and i not in (1, 2)]
    lab.equal(store.keys(NS, filter={"old": True}), old, "the items that were not overwritten")


@case("K3")
def test_a_filter_sees_the_new_value_only(lab: Lab) -> None:
    """
    After an overwrite a filter finds the item by its new value and no longer by the old one.

    If this fails, look at the copy of the value that filters read.
    """
    store = lab.open()
    store.put(NS, "k", {"state": "open", "owner": "ada"})
    store.put(NS, "k", {"state": "done"})

    lab.equal(store.keys(NS, filter={"state": "done"}), ["k"], "items with the new value")
    lab.equal(store.keys(NS, filter={"state": "open"}), [], "items with the old value")
    lab.equal(store.keys(NS, filter={"owner": "ada"}), [], "items with a field that was dropped")


# -- K12: as JSON ---------------------------------------------------------------------------------


@case("K12")
def test_an_item_is_json(lab: Lab) -> None:
    """
    Item.dict() can be written as JSON: the namespace a list, the times ISO text.

    If this fails, look at what the store puts into an Item: engine rows, bytes, its own time types.
    """
    store = lab.open()
    store.put(NS, "k", NESTED)
    batch = store.batch([GetOp(NS, "k"), SearchOp(NS)])
    for item in (store.fetch(NS, "k"), store.search(NS)[0], batch[0], batch[1][0]):
        data = _as_dict(lab, store, item)
        lab.same(data["namespace"], list(NS), "the namespace in Item.dict()")
        lab.same((data["key"], data["value"]), ("k", NESTED), "key and value in Item.dict()")
        for name in ("created_at", "updated_at"):
            lab.true(isinstance(data[name], str), f"{name} in Item.dict() is text", got=data[name])
            lab.equal(
                _from_iso(lab, data[name]), getattr(item, name), f"{name} read back from ISO text"
            )


@case("K12", needs=(Capability.VECTORS,))
def test_an_item_that_a_query_finds_is_json(lab: Lab) -> None:
    """
    What a query finds can be written as JSON with its score, as LangMem's tools do for an agent.

    If this fails, look at scores that are numbers of an engine or of numpy.
    """
    store = lab.indexed("text")
    store.put(NS, "k", {"text": "apple banana"})
    batch = store.batch([SearchOp(NS, query="apple")])
    for item in (*store.search(NS, query="apple"), *batch[0]):
        data = _as_dict(lab, store, item)
        lab.same(
            json.loads(json.dumps(data)),
            data,
            "Item.dict() of what a query found, written as JSON and read",
        )


@case("K12")
def test_an_item_is_built_from_json(lab: Lab) -> None:
    """
    An Item made from the JSON of an item is equal to it.

    If this fails, look at the times: what isoformat writes, fromisoformat must read.
    """
    store = lab.open()
    store.put(NS, "k", NESTED)
    item = store.fetch(NS, "k")
    data = json.loads(json.dumps(_as_dict(lab, store, item)))
    fields = ("namespace", "key", "value", "created_at", "updated_at")
    again = store.timed("Item(**json)", lambda: Item(**{name: data[name] for name in fields}))

    for name in fields:
        lab.equal(getattr(again, name), getattr(item, name), f"{name} of an Item made from JSON")


# -- K13: sizes -----------------------------------------------------------------------------------

MANY_SCRIPTS = 'Ärger, naïve, Ελλάς, Москва, 東京, 🍎 "q" \u2028\n \\'


@case("K13")
def test_a_value_of_one_megabyte(lab: Lab) -> None:
    """
    A value of 1 MB comes back whole, or is refused by name and nothing is stored.

    If this fails, look at columns and requests with a length, and at errors that do not say the limit.
    """
    store = lab.open()
    values = {
        "a value of 1 MB": {"text": varied_text(250_000) * 4, "n": 1},
        # What is large may go another way, where texts are encoded once more.
        "a large value of many scripts": {"text": MANY_SCRIPTS * 6_000, "list": [MANY_SCRIPTS]},
    }
    for what, value in values.items():
        put_large(lab, store, NS, "big", value, what)
        lab.same(store.value(NS, "big"), value, what)
        lab.same(store.search(NS)[0].value, value, f"{what} in search")
    store.put(NS, "big", {"n": 2})
    lab.same(store.value(NS, "big"), {"n": 2}, "the small value that replaced it")


@case("K13")
def test_many_parts_in_one_value(lab: Lab) -> None:
    """
    A value with 5,000 fields and a list of 20,000 numbers comes back whole.

    If this fails, look at limits on the number of fields or parameters.
    """
    store = lab.open()
    value = {"wide": {f"f{i}": i for i in range(5000)}, "long": list(range(20_000))}
    put_large(lab, store, NS, "k", value, "a value of 25,000 parts")
    lab.same(store.value(NS, "k"), value, "a value of 25,000 parts")


@case("K13", seconds=300)
def test_ten_thousand_items_in_one_namespace(lab: Lab) -> None:
    """
    More than 10,000 items in one namespace are all there: by walking, at once, by key and by filter.

    If this fails, look at a cap on results (10,000 is a common window), and at paging that loses items.
    """
    store = lab.open()
    keys = [f"k{i:05}" for i in range(MANY)]
    fill(store, [(NS, key, {"n": i}) for i, key in enumerate(keys)], chunk=500)
    beside = ("other", *NS)
    store.put(beside, "k", {"n": -1})

    # An engine may have a window, if the store says so: an error beyond it, and never a short answer.
    # Whether pages repeat items and lose others for it is S5's matter.
    for offset in range(0, 10_000, 1000):
        page = store.search(NS, limit=1000, offset=offset)
        lab.equal(len(page), 1000, f"the items of the page of 1000 at {offset}")
    last: list[Any] = []
    if lab.attempt(lambda: last.extend(store.search(NS, limit=1000, offset=10_000))) is None:
        lab.equal(len(last), MANY - 10_000, "the items of the page at 10,000")
    found: list[str] = []
    if lab.attempt(lambda: found.extend(store.keys(NS, limit=2 * MANY))) is None:
        lab.true(found == keys, f"each of {MANY} keys once", got=f"{len(set(found))} different")
    some = list(range(0, MANY, 501))
    got = values_of(store, [(NS, keys[i]) for i in some])
    lab.equal(got, [{"n": i} for i in some], "the values of some of them")
    for n in (0, MANY // 2, MANY - 1):
        lab.equal(store.keys(NS, filter={"n": n}), [keys[n]], f"the items with n={n}")
    lab.equal(sorted(store.list_namespaces()), sorted([NS, beside]), "the namespaces")


# -- helpers --------------------------------------------------------------------------------------


def _check_namespace(lab: Lab, item: Any, expected: tuple[str, ...]) -> None:
    lab.true(isinstance(item.namespace, tuple), "the namespace is a tuple", got=item.namespace)
    lab.same(tuple(item.namespace), expected, "the namespace")


def _as_dict(lab: Lab, store: Subject, item: Any) -> dict[str, Any]:
    data: dict[str, Any] = store.timed("item.dict", item.dict)
    store.timed("json.dumps(item.dict())", lambda: json.dumps(data))
    for name in ("namespace", "key", "value", "created_at", "updated_at"):
        lab.true(name in data, f"Item.dict() has {name!r}", got=data)
    return data


def _from_iso(lab: Lab, text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        lab.fail(f"a time in Item.dict() is no ISO text ({error})", got=text)
    return None
