"""
Group K without the values: what is put under a key is found under that key, with its timestamps.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import Any

from conformance.case import case
from conformance.compat import GetOp, Item, PutOp, SearchOp
from conformance.contract import Capability
from conformance.lab import Lab
from conformance.subject import Subject
from conformance.suite.shapes import LOOKALIKES, every_lookalike, fill, values_of, varied_text

NS = ("users", "u1")


# -- K1, K2: put and get --------------------------------------------------------------------------


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
    for text in ("42", "007", "-1", "1.50", "1e3", "true", "null", "2024-05-17", "0x1F"):
        store.put(("users", text), text, {"text": text})
        item = store.fetch(("users", text), text)
        lab.same(item.key, text, "the key")
        lab.same(item.value, {"text": text}, "the value")
        _check_namespace(lab, item, ("users", text))


@case("K1")
def test_get_finds_an_item_at_every_depth(lab: Lab) -> None:
    """
    Items of a namespace, of its parents and of its children each come back from their own place.

    If this fails, look at whether get matches the whole namespace or only a part of it.
    """
    store = lab.open()
    path = tuple("abcdefgh")
    places = [path[: n + 1] for n in range(len(path))]
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
    lab.equal(store.get(("nowhere",), "k"), None, "get in a store that holds nothing")
    store.put(("a", "b"), "key", {"n": 1})

    missing = [
        *[(("a", "b"), k) for k in ("ke", "key1", "KEY", "key ", "", "%", "_", "*", "k%", "b.key")],
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


@case("K3")
def test_a_second_put_replaces_the_value(lab: Lab) -> None:
    """
    A second put replaces the value whole: nothing of the first one stays.

    If this fails, look for a merge of JSON objects (``||``, dict.update) where a replace belongs.
    """
    store = lab.open()
    versions: list[dict[str, Any]] = [
        {"a": 1, "nested": {"x": 1, "y": 2}, "list": [1, 2, 3]},
        {"b": 2, "nested": {"z": 3}, "list": [9]},
        {"a": None},
        {},
        {"a": 1, "nested": {"x": 1, "y": 2}, "list": [1, 2, 3]},
    ]
    for version in versions:
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
    lab.equal(store.keys(NS), sorted(["k", "other", *sides]), "the keys after 60 puts of one of them")
    lab.equal(store.list_namespaces(), [NS], "the namespaces after 60 puts")


@case("K3")
def test_overwriting_many_items_changes_each_of_them(lab: Lab) -> None:
    """
    A batch that overwrites some of many items changes exactly those.

    If this fails, look at bulk upserts: parameters that shift, rows that are taken twice.
    """
    store = lab.open()
    keys = [f"k{i:03}" for i in range(240)]
    fill(store, [(NS, key, {"n": i, "old": True}) for i, key in enumerate(keys)])
    fill(store, [(NS, key, {"n": -i}) for i, key in enumerate(keys) if i % 3 == 0])

    expected = [{"n": -i} if i % 3 == 0 else {"n": i, "old": True} for i in range(240)]
    got = values_of(store, [(NS, key) for key in keys])
    for key, one, other in zip(keys, got, expected):
        lab.same(one, other, f"the value of {key!r} after every third item was overwritten")
    lab.equal(store.keys(NS), keys, "the keys after the overwrites")


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


# -- K4, K5: timestamps ---------------------------------------------------------------------------


@case("K4")
def test_created_at_is_kept_by_every_overwrite(lab: Lab) -> None:
    """
    The time of creation stays what it was, however the item is overwritten.

    If this fails, look for INSERT OR REPLACE, delete-then-insert, or an Item built anew on each put.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 0})
    created = _moment(lab, store.fetch(NS, "k").created_at, "created_at")
    _let_the_clock_move(created)

    writes: list[Callable[[], Any]] = [
        lambda: store.put(NS, "k", {"n": 1}),
        lambda: store.put(NS, "k", {"n": 1}),
        lambda: store.batch([PutOp(NS, "k", {"n": 2}), PutOp(NS, "k2", {"n": 2})]),
        lambda: store.put(NS, "k", {}),
    ]
    for write in writes:
        write()
        now = _moment(lab, store.fetch(NS, "k").created_at, "created_at")
        lab.equal(now, created, "created_at after an overwrite")
    found = [i for i in store.search(NS) if i.key == "k"]
    lab.equal(_moment(lab, found[0].created_at, "created_at"), created, "created_at in search")


@case("K4")
def test_updated_at_grows_with_every_put(lab: Lab) -> None:
    """
    Each acknowledged put gives a strictly later updated_at, also when puts follow one another at once.

    If this fails, look at the resolution of the column, and at a clock that is read too coarsely.
    """
    store = lab.open()
    seen: list[datetime] = []
    for n in range(25):
        store.put(NS, "k", {"n": n})
        seen.append(_moment(lab, store.fetch(NS, "k").updated_at, "updated_at"))

    for n, (earlier, later) in enumerate(zip(seen, seen[1:]), start=1):
        lab.true(
            later > earlier,
            f"updated_at after put number {n + 1} is later than after the one before",
            expected=f"later than {earlier.isoformat()}",
            got=later.isoformat(),
        )


@case("K4")
def test_updated_at_grows_when_the_value_stays_equal(lab: Lab) -> None:
    """
    A put of an equal value is a put: updated_at becomes later.

    If this fails, look for a write that is skipped because nothing seems to have changed.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1, "list": [1, 2]})
    updated = _moment(lab, store.fetch(NS, "k").updated_at, "updated_at")

    for name, write in (
        ("put", lambda: store.put(NS, "k", {"n": 1, "list": [1, 2]})),
        ("a put in a batch", lambda: store.batch([PutOp(NS, "k", {"list": [1, 2], "n": 1})])),
    ):
        write()
        now = _moment(lab, store.fetch(NS, "k").updated_at, "updated_at")
        lab.true(now > updated, f"updated_at is later after {name} of an equal value",
                 expected=f"later than {updated.isoformat()}", got=now.isoformat())  # fmt: skip
        updated = now


@case("K4")
def test_reads_change_no_timestamp(lab: Lab) -> None:
    """
    Gets, searches, filters and listings leave created_at and updated_at as they were.

    If this fails, look for a refresh on read that touches more than the expiry.
    """
    store = lab.open()
    _check_reads_change_no_timestamp(lab, store)


@case("K4", needs=(Capability.TTL,))
def test_a_refreshed_ttl_changes_no_timestamp(lab: Lab) -> None:
    """
    A read that extends an item's life leaves created_at and updated_at as they were.

    If this fails, look at the UPDATE that refreshes the expiry.
    """
    store = lab.open(ttl={"default_ttl": 60, "refresh_on_read": True})
    _check_reads_change_no_timestamp(lab, store)


@case("K4")
def test_a_write_beside_it_changes_no_timestamp(lab: Lab) -> None:
    """
    Puts and deletes of other items leave an item's timestamps as they were.

    If this fails, look at updates whose condition matches more than one row.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    before = _times(lab, store, NS, "k")
    _let_the_clock_move(before[0])
    store.put(NS, "k2", {"n": 1})
    store.put((*NS, "sub"), "k", {"n": 1})
    store.put(NS[:1], "k", {"n": 1})
    store.batch([PutOp(NS, "k3", {"n": 1}), PutOp(NS, "k2", None)])
    store.delete(NS[:1], "k")

    lab.equal(_times(lab, store, NS, "k"), before, "created_at and updated_at of an untouched item")


@case("K4")
def test_a_delete_ends_the_item(lab: Lab) -> None:
    """
    A put after a delete creates the item anew, with a new created_at.

    If this fails, look at a delete that only marks the row, or at a cache of creation times.
    """
    store = lab.open()
    fill(store, [(NS, key, {"n": 1}) for key in ("by method", "by batch", "by put")])
    first = {i.key: _moment(lab, i.created_at, "created_at") for i in store.search(NS)}
    lab.equal(len(first), 3, "the number of items")
    # A full second where the store counts seconds: its clock need not tick with ours.
    time.sleep(0.03 if any(m.microsecond for m in first.values()) else 1.05)
    store.delete(NS, "by method")
    store.batch([PutOp(NS, "by batch", None)])
    store.put(NS, "by put", None)
    for key in first:
        store.put(NS, key, {"n": 2})

    for key, before in first.items():
        anew = _moment(lab, store.fetch(NS, key).created_at, "created_at")
        lab.true(anew > before, f"an item deleted {key} and put again is created anew",
                 expected=f"created_at later than {before.isoformat()}", got=anew.isoformat())  # fmt: skip


@case("K4")
def test_timestamps_are_in_order_and_of_today(lab: Lab) -> None:
    """
    An item is created now, and never updated before it was created.

    If this fails, look at time zones, at seconds taken for milliseconds, at a default that is constant.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    store.batch([PutOp(NS, "k2", {"n": 1})])
    store.put(NS, "k", {"n": 2})

    now = datetime.now(timezone.utc)
    for item in (store.fetch(NS, "k"), store.fetch(NS, "k2"), *store.search(NS)):
        created = _moment(lab, item.created_at, "created_at")
        updated = _moment(lab, item.updated_at, "updated_at")
        lab.true(created <= updated, f"{item.key!r} was created before it was updated",
                 expected=f"created_at up to {updated.isoformat()}", got=created.isoformat())  # fmt: skip
        for name, moment in (("created_at", created), ("updated_at", updated)):
            lab.true(abs(moment - now) < timedelta(days=1), f"{name} of {item.key!r} is near the clock",
                     expected=f"within a day of {now.isoformat()}", got=moment.isoformat())  # fmt: skip


@case("K4")
def test_search_and_batch_show_the_timestamps_of_get(lab: Lab) -> None:
    """
    Search and batch give the same created_at and updated_at as get.

    If this fails, look at the columns that the search selects.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    _let_the_clock_move(_moment(lab, store.fetch(NS, "k").created_at, "created_at"))
    store.put(NS, "k", {"n": 2})

    expected = _times(lab, store, NS, "k")
    batch = store.batch([GetOp(NS, "k"), SearchOp(NS, filter={"n": 2})])
    for name, item in (("search", store.search(NS)[0]), ("batch", batch[0]), ("filter", batch[1][0])):
        got = tuple(_moment(lab, t, "a timestamp") for t in (item.created_at, item.updated_at))
        lab.equal(got, expected, f"created_at and updated_at in {name}")


@case("K5")
def test_timestamps_are_aware_datetimes(lab: Lab) -> None:
    """
    Every created_at and updated_at is a datetime that knows its time zone.

    If this fails, look at text columns, and at datetimes made without a zone.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    store.put(NS, "k", {"n": 2})

    batch = store.batch([GetOp(NS, "k"), SearchOp(NS)])
    items = {"get": store.fetch(NS, "k"), "search": store.search(NS)[0], "batch": batch[0], "op": batch[1][0]}
    for source, item in items.items():
        for name in ("created_at", "updated_at"):
            moment = getattr(item, name)
            lab.true(isinstance(moment, datetime), f"{name} in {source} is a datetime", got=moment)
            lab.true(moment.utcoffset() is not None, f"{name} in {source} has a time zone", got=moment)


@case("K5")
def test_timestamps_tell_moments_within_a_second_apart(lab: Lab) -> None:
    """
    Items put 30 ms apart have different times, and the times have a part below the second.

    If this fails, look at CURRENT_TIMESTAMP in engines where it counts whole seconds.
    """
    store = lab.open()
    items = []
    for n in range(6):
        store.put(NS, f"k{n}", {"n": n})
        items.append(store.fetch(NS, f"k{n}"))
        time.sleep(0.03)

    for name in ("created_at", "updated_at"):
        moments = [_moment(lab, getattr(i, name), name) for i in items]
        texts = [m.isoformat() for m in moments]
        lab.equal(len(set(moments)), 6, f"different {name} of six items put 30 ms apart: {texts}")
        lab.true(any(m.microsecond for m in moments), f"{name} has a part below the second", got=texts)


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
    for kind, key in ODD_KEYS.items():
        ns = ("keys", kind)
        store.put(ns, "other", {"n": 0})
        store.put(ns, key, {"n": 1})
        lab.same(store.fetch(ns, str(key)).key, str(key), f"the item's key, asked for as text ({kind})")
        lab.same(store.fetch(ns, key).value, {"n": 1}, f"the value, asked for by the {kind} itself")
        lab.equal(store.keys(ns), sorted(["other", str(key)]), f"the keys in search ({kind})")
        store.put(ns, key, {"n": 2})
        lab.same(store.value(ns, str(key)), {"n": 2}, f"the value after a second put ({kind})")
        store.delete(ns, key)
        lab.equal(store.get(ns, str(key)), None, f"get after a delete by the {kind} itself")
        lab.equal(store.keys(ns), ["other"], f"the keys after the delete ({kind})")
        store.put(ns, str(key), {"n": 3})
        lab.same(store.fetch(ns, key).value, {"n": 3}, f"an item put under the text, asked for by the {kind}")


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
        lab.equal(store.get(NS, 42.0), None, "get under 42.0, which is '42.0'")  # type: ignore[arg-type]
    else:
        store.delete(NS, 42)  # type: ignore[arg-type]
        lab.equal(store.get(NS, "42"), None, "get after a delete under 42")


# -- K10: no aliasing -----------------------------------------------------------------------------


def _nested() -> dict[str, Any]:
    return {"n": 1, "list": [1, 2], "dict": {"x": {"y": "deep"}}, "rows": [{"a": 1}]}


def _spoil(value: dict[str, Any]) -> None:
    """Change the dict at its top and inside, as far as it lets itself be changed."""
    value["n"] = "changed"
    value["new"] = True
    _spoil_inside(value)


def _spoil_inside(value: dict[str, Any]) -> None:
    value["list"].append("changed")
    value["dict"]["x"]["y"] = "changed"
    value["rows"][0]["a"] = "changed"


@case("K10", params={"top": lambda v: v.update(n="changed", new=True), "inside": _spoil_inside})
def test_the_callers_dict_is_not_the_stored_one(lab: Lab, spoil: Callable[[Any], None]) -> None:
    """
    What the caller does with its dict after a put changes nothing in the store.

    If this fails, copy deeply (or serialise) on put; ``dict(value)`` copies the top level only.
    """
    store = lab.open()
    mine, batched = _nested(), _nested()
    store.put(NS, "a", mine)
    store.put(NS, "b", mine)
    store.batch([PutOp(NS, "c", batched)])
    spoil(mine)
    spoil(batched)

    for key in ("a", "b", "c"):
        lab.same(store.value(NS, key), _nested(), f"{key!r} after the caller changed the dict it had put")


READERS: dict[str, Callable[[Subject], Any]] = {
    "get": lambda s: s.fetch(NS, "k"),
    "search": lambda s: s.search(NS)[0],
    "filter": lambda s: s.search(NS, filter={"n": 1})[0],
    "get in a batch": lambda s: s.batch([GetOp(NS, "k")])[0],
    "search in a batch": lambda s: s.batch([SearchOp(NS)])[0][0],
}


@case("K10", params=READERS)
def test_a_returned_value_is_the_readers_own(lab: Lab, read: Callable[[Subject], Any]) -> None:
    """
    What a reader does with a value it was given changes nothing in the store.

    If this fails, hand out copies: the item in memory is the only one.
    """
    store = lab.open()
    store.put(NS, "k", _nested())
    _spoil(read(store).value)

    lab.same(store.value(NS, "k"), _nested(), "get after a reader changed the value it was given")
    lab.same(store.search(NS)[0].value, _nested(), "search after a reader changed its value")


@case("K10")
def test_a_returned_item_is_the_readers_own(lab: Lab) -> None:
    """
    What a reader does with the attributes of an item it was given changes nothing in the store.

    If this fails, the store hands out the object that it keeps.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    for item in (store.fetch(NS, "k"), store.search(NS)[0]):
        for name, value in (("value", {"n": 2}), ("key", "other"), ("namespace", ("x",))):
            try:
                setattr(item, name, value)
            except (AttributeError, TypeError, ValueError):
                continue  # an immutable item is safe as well

    item = store.fetch(NS, "k")
    lab.same((item.key, item.value, tuple(item.namespace)), ("k", {"n": 1}, NS), "the item, read again")
    lab.equal([(i.key, i.value) for i in store.search(NS)], [("k", {"n": 1})], "the items in search")


@case("K10")
def test_two_readers_get_separate_objects(lab: Lab) -> None:
    """
    Two reads of one item share no object that can be changed.

    If this fails, look at a cache, or at a dict in memory that is handed out twice.
    """
    store = lab.open()
    store.put(NS, "k", _nested())
    pairs = {
        "two gets": [store.fetch(NS, "k"), store.fetch(NS, "k")],
        "two searches": [store.search(NS)[0], store.search(NS)[0]],
        "a get and a search": [store.fetch(NS, "k"), store.search(NS)[0]],
        "two gets of one batch": store.batch([GetOp(NS, "k"), GetOp(NS, "k")]),
        "two searches of one batch": [f[0] for f in store.batch([SearchOp(NS), SearchOp(NS)])],
    }
    for name, (one, other) in pairs.items():
        _spoil(one.value)
        lab.same(other.value, _nested(), f"{name}: the other reader's value after one changed its own")


@case("K10")
def test_returned_lists_are_the_readers_own(lab: Lab) -> None:
    """
    What a reader does with a list of results or of namespaces changes no later answer.

    If this fails, look at a cached list of results.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    for _ in range(2):
        found, names = store.search(NS), store.list_namespaces()
        lab.equal([i.key for i in found], ["k"], "the items, after an earlier answer was changed")
        lab.equal(names, [NS], "the namespaces, after an earlier answer was changed")
        found.clear()
        names.append(("x",))


# -- K11: keys ------------------------------------------------------------------------------------

KEYS: dict[str, tuple[str, ...]] = {
    **LOOKALIKES,
    "empty and dotted": ("", "a", ".", "..", "a.b", "a..b", ".a", "a.", "../a", "a/b", "/", "/a", "a/", "//"),
    "structure": ("users.u1", "users", "u1", "k", '["a","b"]', '{"a": 1}', "a:b", "a|b", "a,b", "a\x1fb", "a;b"),
}


@case("K11", params=KEYS)
def test_any_text_is_a_key(lab: Lab, keys: tuple[str, ...]) -> None:
    """
    Every text is a key of its own: found, searched, overwritten and deleted as it is.

    If this fails, look at collations, trimming, escaping, and at how the key becomes an engine's id.
    """
    store = lab.open()
    fill(store, [(NS, key, {"is": key}) for key in keys])

    got = values_of(store, [(NS, key) for key in keys])
    for key, value in zip(keys, got):
        lab.same(value, {"is": key}, f"the item under {key!r}")
    for key in keys:
        item = store.fetch(NS, key)
        lab.same((item.key, item.value), (key, {"is": key}), f"get of {key!r}")
    lab.equal(store.keys(NS), sorted(keys), "the keys in search")
    for n, key in enumerate(keys[::3]):
        store.delete(NS, key)
        left = [k for k in keys if k not in keys[::3][: n + 1]]
        if n < 4:
            lab.equal(store.keys(NS), sorted(left), f"the keys after {key!r} was deleted")
    lab.equal(store.keys(NS), sorted(left), "the keys after every third was deleted")


@case("K11")
def test_a_key_put_by_method_is_found_by_batch(lab: Lab) -> None:
    """
    put and batch write the same key for the same text.

    If this fails, look at a method that treats the key before it hands it to batch.
    """
    store = lab.open()
    keys = [*every_lookalike(), "", "a.b", ".", "/"][::4]
    for key in keys:
        store.put(NS, key, {"is": key})

    lab.equal(values_of(store, [(NS, k) for k in keys]), [{"is": k} for k in keys], "the items by batch")
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


# -- K12: as JSON ---------------------------------------------------------------------------------


@case("K12")
def test_an_item_is_json(lab: Lab) -> None:
    """
    Item.dict() can be written as JSON: the namespace a list, the times ISO text.

    If this fails, look at what the store puts into an Item: engine rows, bytes, its own time types.
    """
    store = lab.open()
    store.put(NS, "k", _nested())
    batch = store.batch([GetOp(NS, "k"), SearchOp(NS)])
    for item in (store.fetch(NS, "k"), store.search(NS)[0], batch[0], batch[1][0]):
        data = _as_dict(lab, store, item)
        lab.same(data["namespace"], list(NS), "the namespace in Item.dict()")
        lab.same((data["key"], data["value"]), ("k", _nested()), "key and value in Item.dict()")
        for name in ("created_at", "updated_at"):
            lab.true(isinstance(data[name], str), f"{name} in Item.dict() is text", got=data[name])
            lab.equal(_from_iso(lab, data[name]), getattr(item, name), f"{name} read back from ISO text")


@case("K12")
def test_an_item_is_built_from_json(lab: Lab) -> None:
    """
    An Item made from the JSON of an item is equal to it.

    If this fails, look at the times: what isoformat writes, fromisoformat must read.
    """
    store = lab.open()
    store.put(NS, "k", _nested())
    item = store.fetch(NS, "k")
    data = json.loads(json.dumps(_as_dict(lab, store, item)))
    fields = ("namespace", "key", "value", "created_at", "updated_at")
    again = store.timed("Item(**json)", lambda: Item(**{name: data[name] for name in fields}))

    for name in fields:
        lab.equal(getattr(again, name), getattr(item, name), f"{name} of an Item made from JSON")


# -- K13: sizes -----------------------------------------------------------------------------------

LIMIT_WORDS = ("size", "limit", "large", "exceed", "too big", "too long", "maximum", "max")


@case("K13")
def test_a_value_of_one_megabyte(lab: Lab) -> None:
    """
    A value of 1 MB comes back whole, or is refused by name and nothing is stored.

    If this fails, look at columns and requests with a length, and at errors that do not say the limit.
    """
    store = lab.open()
    value = {"text": varied_text(250_000) * 4, "n": 1}
    error = lab.attempt(lambda: store.put(NS, "big", value))
    if error is not None:
        named = any(word in str(error).lower() for word in LIMIT_WORDS)
        lab.true(named, "a value of 1 MB is stored, or refused by an error that names the limit", got=error)
        lab.equal(store.get(NS, "big"), None, "get after the put was refused")
        lab.unsupported(f"a value of 1 MB is refused: {str(error)[:160]}")
    lab.same(store.value(NS, "big"), value, "a value of 1 MB")
    lab.same(store.search(NS)[0].value, value, "a value of 1 MB in search")
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
    error = lab.attempt(lambda: store.put(NS, "k", value))
    if error is not None:
        named = any(word in str(error).lower() for word in LIMIT_WORDS)
        lab.true(named, "the value is stored, or refused by an error that names the limit", got=error)
        lab.unsupported(f"a value of 25,000 parts is refused: {str(error)[:160]}")
    lab.same(store.value(NS, "k"), value, "a value of 25,000 parts")


@case("K13")
def test_ten_thousand_items_in_one_namespace(lab: Lab) -> None:
    """
    10,000 items in one namespace are all there: counted by walking, and each found by its key.

    If this fails, look at a cap on results, and at paging that loses items.
    """
    store = lab.open()
    keys = [f"k{i:05}" for i in range(10_000)]
    fill(store, [(NS, key, {"n": i}) for i, key in enumerate(keys)], chunk=1000)

    walked = [i.key for i in store.walk(NS, page=1000)]
    lab.equal(len(walked), 10_000, "the number of items found by walking in pages of 1000")
    lab.true(sorted(walked) == keys, "each of 10,000 keys once", got=f"{len(set(walked))} different keys")
    some = list(range(0, 10_000, 501))
    got = values_of(store, [(NS, keys[i]) for i in some])
    lab.equal(got, [{"n": i} for i in some], "the values of some of them")
    lab.equal(store.list_namespaces(), [NS], "the namespaces")


# -- helpers --------------------------------------------------------------------------------------


def _check_namespace(lab: Lab, item: Any, expected: tuple[str, ...]) -> None:
    lab.true(isinstance(item.namespace, tuple), "the namespace is a tuple", got=item.namespace)
    lab.same(tuple(item.namespace), expected, "the namespace")


def _moment(lab: Lab, value: Any, name: str) -> datetime:
    """
    The timestamp as an aware datetime; one without a zone counts as UTC here (that is K5's matter).
    """
    if not isinstance(value, datetime):
        lab.fail(f"{name} is a {type(value).__name__}, not a datetime", expected="datetime", got=value)
    return value if value.utcoffset() is not None else value.replace(tzinfo=timezone.utc)


def _times(lab: Lab, store: Subject, ns: tuple[str, ...], key: str) -> tuple[datetime, ...]:
    item = store.fetch(ns, key)
    return tuple(_moment(lab, t, "a timestamp") for t in (item.created_at, item.updated_at))


def _let_the_clock_move(moment: datetime) -> None:
    """
    Wait until a write would show: until the next second where the store seems to count seconds.
    """
    time.sleep(0.015 if moment.microsecond else 1.03 - time.time() % 1)


def _check_reads_change_no_timestamp(lab: Lab, store: Subject) -> None:
    store.put(NS, "k", {"n": 1})
    before = _times(lab, store, NS, "k")
    _let_the_clock_move(before[0])
    store.search(NS)
    store.search((), filter={"n": {"$gte": 1}}, limit=5)
    store.search(NS[:1], query="anything")
    store.list_namespaces(prefix=NS[:1], max_depth=1)
    store.batch([GetOp(NS, "k"), SearchOp(NS, filter={"n": 1}), GetOp(NS, "none")])

    lab.equal(_times(lab, store, NS, "k"), before, "created_at and updated_at after reads")


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
