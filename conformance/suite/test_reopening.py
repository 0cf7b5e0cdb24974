"""
E4: after a reopening everything is as it was, by every way of asking, and once more after a second one.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

from store_conformance.contract import Capability, Restart
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import keys_taken, spaces_taken, without_refused
from store_conformance.suite.support.expiry import (
    expiring,
    has_ttl,
    in_time,
    says_ttl,
    shown_or_ended,
    sweep,
    there,
)
from store_conformance.suite.support.picture import Address, picture, unchanged
from store_conformance.suite.support.ranking import matches
from store_conformance.suite.support.scale import by_cosine
from store_conformance.suite.support.shapes import (
    LARGE,
    LOOKALIKES,
    fill,
    values_of,
    varied_text,
)
from store_conformance.suite.test_values import VALUES

PERSISTS = (Capability.PERSISTENCE,)
LASTING_VECTORS = (Capability.PERSISTENCE, Capability.VECTORS)
LASTING_TTL = (Capability.PERSISTENCE, Capability.TTL)
D = ("d",)
LIFE = 3.0
"""Seconds that a short-lived item has, two openings included."""

JSON_VALUES: dict[str, Any] = {
    "text": 'Äpfel 🍎 "quoted" 100% a_b \\ \'',
    "empty_text": "",
    "digits": "007",
    "ends_of_lines": "a\nb\r\nc\rd\x0be\x0cf\x1cg\x85h\u2028i\u2029j",
    "mark_of_order": "\ufeffa\ufeff",
    "int": 7,
    "zero": 0,
    "large_int": 2**63 - 1,
    "float": 1.5,
    "small_float": 1e-300,
    "true": True,
    "false": False,
    "null": None,
    "list": [1, "1", 1.5, True, None, [], {}],
    "object": {"b": {"a": [{"c": None}]}, "": 0, "a.b": 1},
    "empty_list": [],
    "empty_object": {},
}
HOMES: tuple[tuple[str, ...], ...] = (D, ("d", "below"), ("d", "below", "deep"), ("e",), ("D",))


PASSING = 130
"""Items that are put and deleted again: more was written than is there, so that a log is made shorter at opening."""


def _inhabit(lab: Lab, store: Subject) -> list[Address]:
    """Items of every kind: new, overwritten, deleted and put again, one key in several namespaces."""
    at: list[Address] = []
    for value in ({"n": 2, "kind": "note"}, None):
        fill(store, [(("d", "passing"), f"k{n}", value) for n in range(PASSING)])
    for kind, value in without_refused(lab, JSON_VALUES).items():
        store.put(D, kind, {"value": value, "kind": "json", "flag": value is True})
        at.append((D, kind))
    for n, home in enumerate(spaces_taken(lab, HOMES)):
        store.put(home, "shared", {"home": list(home), "n": n, "kind": "note"})
        at.append((home, "shared"))
    store.batch([PutOp(("e", f"m{n}"), f"k{n}", {"n": n, "kind": "note"}) for n in range(6)])
    at += [(("e", f"m{n}"), f"k{n}") for n in range(6)]
    for n in range(3):
        store.put(D, "overwritten", {"n": n, "kind": "old" if n < 2 else "note"})
    store.put(("d", "below"), "shared", {"n": 100, "kind": "changed"})
    fill(store, [(("e", f"m{n}"), f"k{n}", {"n": n + 1, "kind": "note"}) for n in range(3)])
    store.put(D, "again", {"n": 1})
    store.delete(D, "again")
    store.put(D, "again", {"n": 2, "kind": "note"})
    store.put(D, "gone", {"n": 1, "kind": "note"})
    store.put(("gone",), "gone", {"n": 1})
    store.delete(D, "gone")
    store.batch([PutOp(("gone",), "gone", None)])
    return [*at, (D, "overwritten"), (D, "again"), (D, "gone"), (("gone",), "gone")]


@case("E4", restart=Restart.OBJECT, needs=PERSISTS)
def test_everything_is_as_it_was_after_two_reopenings(lab: Lab) -> None:
    """
    Values of every JSON type, both timestamps, one key in several namespaces, deletes, namespaces and
    filters are the same after a reopening, and after a second one with writes in between.

    If this fails, look at what is written in another way than it is read, and at what opening repairs.
    """
    store = lab.open()
    at = _inhabit(lab, store)
    before = picture(store, at)

    again = lab.reopen(store)
    unchanged(lab, before, picture(again, at), "after reopening")

    again.put(D, "overwritten", {"n": 9, "kind": "note"})
    again.delete(D, "again")
    again.put(D, "gone", {"n": 5, "kind": "back"})
    again.delete(("e",), "shared")
    changed = picture(again, at)
    lab.equal(again.get(D, "again"), None, "the item that was deleted after reopening")
    lab.equal(again.value(D, "shared")["n"], 0, "the same key in another namespace")

    third = lab.reopen(again)
    unchanged(lab, changed, picture(third, at), "after a second reopening")
    fourth = lab.reopen(third)
    unchanged(lab, changed, picture(fourth, at), "after a third reopening without a write")


@case("E4", restart=Restart.OBJECT, needs=PERSISTS)
def test_values_of_every_kind_are_as_they_were_after_reopening(lab: Lab) -> None:
    """
    A value of any shape or size is after a reopening what it was before.

    If this fails, look at a journal or a file that is written by another encoder than the one that reads answer from.
    """
    store = lab.open()
    small = [value for value in VALUES.values() if len(json.dumps(value)) <= LARGE]
    values = {f"k{n}": value for n, value in enumerate(small)}
    values["long"] = {"text": varied_text(70_000), "in": {"list": [varied_text(9_000)] * 8}}
    ops = [PutOp(D, key, value) for key, value in without_refused(lab, values).items()]
    if lab.attempt(partial(store.batch, ops)) is not None:
        for op in ops:  # what may be refused is K6's
            lab.attempt(partial(store.put, D, op.key, op.value))
    places = [(D, op.key) for op in ops]
    before = values_of(store, places)

    after = values_of(lab.reopen(store), places)
    for key, was, now in zip(values, before, after, strict=True):
        lab.same(now, was, f"the value {key!r} after reopening")


@case("E4", restart=Restart.OBJECT, needs=LASTING_VECTORS)
def test_rankings_are_as_they_were_after_two_reopenings(lab: Lab) -> None:
    """
    Overwritten, deleted and unindexed items rank after two reopenings as they did before the first.

    If this fails, look for vectors that are rebuilt at opening from what is there.
    """
    store = lab.indexed("text")
    for n in range(12):
        store.put(("d", f"n{n % 2}"), f"k{n}", {"text": f"apple*{n + 1} banana", "n": n})
    store.put(("d", "n0"), "k0", {"text": "cherry", "n": 2, "kind": "note"})
    store.put(("d", "n1"), "k1", {"text": "apple"}, index=False)
    store.delete(("d", "n0"), "k2")
    at: list[Address] = [(("d", f"n{n % 2}"), f"k{n}") for n in range(12)]
    queries = ("apple", "cherry", "banana*3 apple")
    look = partial(picture, addresses=at, scores=by_cosine(lab))
    before = look(store, queries=queries)

    again = lab.reopen(store)
    unchanged(lab, before, look(again, queries=queries), "after reopening")
    again.put(("d", "n0"), "k2", {"text": "banana"})
    again.put(("d", "n0"), "k4", {"text": "damson"})
    again.delete(("d", "n1"), "k3")
    changed = look(again, queries=("damson", *queries))
    third = lab.reopen(again)
    after = look(third, queries=("damson", *queries))
    unchanged(lab, changed, after, "after a second reopening")


LAST: dict[str, list[PutOp]] = {
    "put": [PutOp(D, "k", {"n": 1})],
    "overwrite": [PutOp(D, "k", {"n": 2}), PutOp(D, "k", {"n": 3})],
    "delete": [PutOp(D, "k", None)],
    "put after a delete": [PutOp(D, "k", {"n": 4}), PutOp(D, "k", None), PutOp(D, "k", {"n": 4})],
    "overwrite by an equal value": [PutOp(D, "k", {"n": 4})],
    "overwrite of what the store found": [PutOp(D, "k", {"n": 5})],
}
"""Writes one after the other, each acknowledged before the next, and nothing between the last and the end."""


@case("E4", restart=Restart.OBJECT, needs=PERSISTS, params={"put": False, "batch": True})
def test_the_last_write_before_closing_is_kept(lab: Lab, batched: bool) -> None:
    """
    Whatever a store did last, and however soon after the write before, it is there when the store is opened again.

    If this fails, look for writes that are held back to be joined with later ones, and that nobody waits for at the end.
    """
    store = lab.open()
    for name, ops in LAST.items():
        for op in ops:
            if batched:
                store.batch([op, PutOp(("e",), "beside", {"last": name})])
            else:
                store.put(D, "k", op.value)
        store = lab.reopen(store)
        left = ops[-1].value
        lab.equal(values_of(store, [(D, "k")]), [left], f"the item after the last call, {name!r}")
        found = [i.value for i in store.search(D)]
        lab.equal(found, [left] if left else [], f"a search after the last call, {name!r}")


WORDS = ("apple", "banana", "cherry", "damson", "elder", "fig")


@case("E4", restart=Restart.OBJECT, needs=PERSISTS, params={"plain": False, "index": True})
def test_new_items_after_reopening_take_no_place_of_old_ones(lab: Lab, indexed: bool) -> None:
    """
    What is put after a reopening comes beside what was there, and so do its vectors, after a second one too.

    If this fails, look for a number of rows, vectors or files that is counted from the beginning at each opening.
    """
    if indexed and not lab.offers(Capability.VECTORS):
        lab.unsupported("declared: no vectors")
    store = lab.indexed("text") if indexed else lab.open()
    put: dict[Address, str] = {}
    for turn in range(3):
        store = lab.reopen(store) if turn else store
        for n, word in enumerate(WORDS[2 * turn : 2 * turn + 2]):
            store.put((*D, f"n{n}"), word, {"text": word})
            put[(*D, f"n{n}"), word] = word
        store.batch([PutOp(("e",), f"k{turn}-{n}", {"text": f"{turn}-{n}"}) for n in range(3)])
        put |= {(("e",), f"k{turn}-{n}"): f"{turn}-{n}" for n in range(3)}

        found = {(i.namespace, i.key): i.value.get("text") for i in store.search((), limit=100)}
        lab.equal(found, put, f"the items after {turn} reopenings, and puts after each")
        for word in WORDS[: 2 * turn + 2] if indexed else ():
            matches(lab, store, D, word, word, f"an item after {turn} reopenings, by its text")


FOLDED = ("case", "whitespace", "normal form", "words", "patterns")


@case(
    "E4", restart=Restart.OBJECT, needs=PERSISTS, params={name: LOOKALIKES[name] for name in FOLDED}
)
def test_lookalikes_are_still_apart_after_reopening(lab: Lab, names: tuple[str, ...]) -> None:
    """
    Keys and labels that resemble one another are as different after a reopening as before, to reads,
    overwrites and deletes.

    If this fails, look at an index or a cache that is filled when the store is opened.
    """
    keys = [label for _, label in spaces_taken(lab, [("e", key) for key in keys_taken(lab, names)])]
    store = lab.open()
    fill(store, [(D, key, {"n": n}) for n, key in enumerate(keys)])
    fill(store, [(("e", key), "k", {"n": n}) for n, key in enumerate(keys)])

    again = lab.reopen(store)

    got = values_of(again, [(D, key) for key in keys])
    lab.equal(got, [{"n": n} for n in range(len(keys))], "the items by key after reopening")
    got = values_of(again, [(("e", key), "k") for key in keys])
    lab.equal(got, [{"n": n} for n in range(len(keys))], "the items by label after reopening")
    for key in keys[::2]:
        again.delete(D, key)
        again.put(("e", key), "k", {"n": "changed"})
    expected = [None if n % 2 == 0 else {"n": n} for n in range(len(keys))]
    lab.equal(values_of(again, [(D, k) for k in keys]), expected, "the items after deletes")
    wanted = [{"n": "changed" if n % 2 == 0 else n} for n in range(len(keys))]
    got = values_of(again, [(("e", k), "k") for k in keys])
    lab.equal(got, wanted, "the items after overwrites")
    listed = again.list_namespaces(prefix=("e",), limit=1000)
    lab.equal(sorted(listed), sorted(("e", k) for k in keys), "the namespaces after reopening")


@case("E4", restart=Restart.OBJECT, needs=PERSISTS)
def test_a_delete_after_reopening_takes_nothing_from_below(lab: Lab) -> None:
    """
    A delete takes one item: not what lies in, below or above a namespace of that name, after reopening
    as before.
    """
    store = lab.open()
    homes = [("a",), ("a", "k"), ("a", "k", "k"), ("a", "b"), ("k",), ("k", "a"), ("a", "b", "c")]
    for reopened in (False, True):
        for home in homes:
            store.put(home, "k", {"home": list(home)})
            store.put(home, "other", {"home": list(home)})
        store = lab.reopen(store) if reopened else store
        for n, home in enumerate(homes):
            store.delete(home, "k")
            left = sorted(i.namespace for i in store.search((), limit=100) if i.key == "k")
            lab.equal(left, sorted(homes[n + 1 :]), f"the items 'k' after a delete in {home!r}")
        others = sorted(i.namespace for i in store.search((), limit=100))
        lab.equal(others, sorted(homes), "the other items after all deletes")


@case("E4", restart=Restart.OBJECT, needs=LASTING_TTL, waits=True)
def test_times_to_live_are_as_they_were_after_two_reopenings(lab: Lab) -> None:
    """
    Across two reopenings a short ttl ends, and one that an overwrite took away or made longer does not.

    If this fails, look for a time to live that is kept beside the item and not with it.
    """
    ttl = {"refresh_on_read": False}
    store = lab.open(ttl=ttl)
    if not says_ttl(store) and not has_ttl(lab):
        lab.unsupported("supports_ttl is False")
    shown_or_ended(lab)
    short = LIFE / 60
    for key in ("short", "taken_away", "longer"):
        store.put(D, key, {"n": 1}, ttl=short)
    begin = time.monotonic()
    store.put(D, "taken_away", {"n": 2})
    store.put(D, "longer", {"n": 2}, ttl=60)
    store.put(D, "shorter", {"n": 1}, ttl=60)
    store.put(D, "shorter", {"n": 2}, ttl=short)
    store.put(D, "deleted", {"n": 1}, ttl=60)
    store.delete(D, "deleted")
    store.put(D, "without", {"n": 1})

    # A default is for items that are put from now on.
    again = lab.reopen(lab.reopen(store), ttl={**ttl, "default_ttl": short})
    lab.equal(again.get(D, "deleted"), None, "a deleted item after two reopenings")
    lab.sleep(begin + LIFE + 1.0 - time.monotonic())

    def swept() -> bool:
        sweep(again)
        found = again.keys(D, refresh_ttl=False)
        return not {"short", "shorter"} & set(found)

    lab.until(swept, 6, "what had a short time to live is swept after two reopenings", every=0.25)
    left = again.keys(D, refresh_ttl=False)
    lives = ["longer", "taken_away", "without"]
    lab.equal(left, lives, "the items that live on after two reopenings")
    lab.equal(again.value(D, "longer"), {"n": 2}, "the overwritten item that lives on")
    left = lab.reopen(again).keys(D, refresh_ttl=False)
    lab.equal(left, lives, "what a sweep has left, after reopening")


PROLONGED = 4.0
"""Seconds of an item whose life a read prolongs; clocks of whole seconds leave one on either side."""


@case("E4", restart=Restart.OBJECT, needs=LASTING_TTL, waits=True)
def test_a_life_that_a_read_prolonged_is_so_after_reopening(lab: Lab) -> None:
    """
    An item that a read has refreshed is after a reopening there until the time that the read gave it.

    If this fails, look at reads whose refresh is kept in memory, or left out of a journal.
    """
    store = expiring(lab, refresh_on_read=True)
    store.put(D, "alone", {"n": 1}, ttl=PROLONGED / 60)
    store.get(D, "alone")
    sweep(store)
    if not there(store, D, ["alone"]):
        lab.unsupported("a refresh ends the item without a reopening, too, which is T2's")
    for key in ("got", "found", "unread"):
        store.put((*D, key), key, {"n": 1}, ttl=PROLONGED / 60)
    begin = time.monotonic()
    lab.sleep(PROLONGED * 0.6)
    store.get((*D, "got"), "got")
    store.search((*D, "found"))
    read = time.monotonic()
    in_time(lab, begin, PROLONGED / 60)

    again = lab.reopen(store)
    lab.sleep(begin + PROLONGED + 1.2 - time.monotonic())
    sweep(again)
    left = [key for key in ("got", "found") if there(again, (*D, key), [key])]
    in_time(lab, read, PROLONGED / 60)
    lab.equal(left, ["got", "found"], "the items that reads prolonged, after a reopening")
