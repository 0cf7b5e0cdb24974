"""
X7, O2, O11 to O13, V11 and T7: calls and whole batches that overlap, and sweeps beside what they are about to delete.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.batches import LEAST
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.embedders import WaitingEmbeddings
from store_conformance.suite.support.expiry import GRACE, SOON, expiring, sweep, there
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.one_loop import ends_with_the_last
from store_conformance.suite.support.overlap import (
    APART,
    Job,
    batches,
    overlapping,
    raised,
    threaded,
)
from store_conformance.suite.support.ranking import does_not_match, matches
from store_conformance.suite.support.threads import in_threads, in_time, rounds_for

ASYNC = (Capability.ASYNC,)
ASYNC_VECTORS = (Capability.ASYNC, Capability.VECTORS)
D = ("d",)
KEYS = ("a", "b", "c")
MANY = 600


def _need_threads(lab: Lab) -> None:
    if lab.mode == "sync" and not lab.offers(Capability.THREADS):
        lab.unsupported("declared: no threads")


def _puts(at: tuple[str, ...], text: str, turn: int) -> list[PutOp]:
    return [PutOp(at, key, {"text": f"{text}, {key}", "turn": turn}) for key in KEYS]


SPEEDS: dict[str, tuple[str, ...]] = {
    "slow, fast": ("slow apple", "banana"),
    "fast, slow": ("apple", "slow banana"),
    "slow, slow, fast": ("slow apple", "slow cherry", "banana"),
    "slow, fast, slow": ("slow apple", "cherry", "slow banana"),
}


@case("O11", needs=ASYNC_VECTORS, modes=(Mode.ASYNC,), params={"same tick": 0.0, "later": APART})
def test_whole_batches_of_the_same_keys_end_with_the_last_issued(lab: Lab, apart: float) -> None:
    """
    Of batches that write the same keys at the same time the last issued one stays, whole and with its
    vectors, however long the texts of the others take.

    If this fails, look at what is awaited between the issue of a batch and its execution.
    """
    embed = WaitingEmbeddings(seconds=0.1)
    store = lab.indexed("text", embed=embed)
    for name, texts in SPEEDS.items():
        at = ("d", plain(name))
        jobs = batches(*(_puts(at, text, turn) for turn, text in enumerate(texts)))
        answers = overlapping(store, jobs, apart=apart)

        lab.equal(raised(answers), [], f"the errors of overlapping batches, {name}")
        turns = [store.value(at, key)["turn"] for key in KEYS]
        last = [len(texts) - 1] * len(KEYS)
        ends_with_the_last(lab, embed, turns, last, f"the batch that each key has, {name}")
        for key in KEYS:
            matches(lab, store, at, texts[-1], key, f"the text of the last batch, {name}")


@case("V11", needs=(Capability.VECTORS,))
def test_overlapping_writes_leave_one_value_and_its_own_vectors(lab: Lab) -> None:
    """
    Whichever of two overlapping batches stays, an item's vectors are those of its value.

    If this fails, look at values and vectors that are written in two steps, without the same order.
    """
    _need_threads(lab)
    store = lab.indexed("text", embed=WaitingEmbeddings(seconds=0.08))
    words = {"slow apple": "apple", "banana": "banana", "slow cherry": "cherry"}
    for name, texts in {"two": ("slow apple", "banana"), "three": tuple(words)}.items():
        at = ("d", plain(name))
        jobs = batches(*(_puts(at, text, turn) for turn, text in enumerate(texts)))
        answers = overlapping(store, jobs, apart=APART)

        lab.equal(raised(answers), [], "the errors of overlapping batches")
        for key in KEYS:
            text = store.value(at, key)["text"].split(",")[0]
            matches(lab, store, at, words[text], key, f"the vector of the value {text!r}")
            for other in set(words.values()) - {words[text]}:
                does_not_match(lab, store, at, other, key, f"the item's value is {text!r}")


def _mixed(me: int, n: int) -> list[Any]:
    """A batch that reads and writes: own keys, keys of all, and one that nobody has."""
    own = ("own", f"t{me}")
    return [
        PutOp(own, f"k{n}", {"n": n, "by": me}),
        GetOp(own, f"k{n - 1}"),
        PutOp(("shared",), "k", {"by": me, "n": n}),
        GetOp(("shared",), "k"),
        SearchOp(own, filter={"n": n - 1}, limit=3),
        GetOp(own, "none"),
    ]


CALLERS, ROUNDS = 6, 8


@case("O12", seconds=110)
def test_batches_that_read_and_write_keep_their_answers_apart(lab: Lab) -> None:
    """
    Batches that overlap each have their own answers, and see what their own caller wrote before.

    If this fails, look at results that are kept in the store while a batch runs.
    """
    _need_threads(lab)
    store = lab.open()
    store.put(("shared",), "k", {"by": 0, "n": 0})
    for n in range(1, ROUNDS + 1):
        answers = overlapping(store, batches(*(_mixed(me, n) for me in range(CALLERS))))
        lab.equal(raised(answers), [], "the errors of overlapping batches")
        for me, answer in enumerate(answers):
            _own_answers(lab, answer, me, n)
    for me in range(CALLERS):
        lab.equal(len(store.keys(("own", f"t{me}"))), ROUNDS, f"the items of caller {me}")
    last = store.value(("shared",), "k")
    lab.true(last["n"] == ROUNDS and last["by"] in range(CALLERS), "the shared item", got=last)


def _own_answers(lab: Lab, answer: list[Any], me: int, n: int) -> None:
    what = f"caller {me} in round {n}"
    lab.equal(len(answer), 6, f"one result for each operation of {what}")
    before, shared, found, none = answer[1], answer[3], answer[4], answer[5]
    lab.equal((answer[0], answer[2], none), (None, None, None), f"puts and a missing key of {what}")
    expected = {"n": n - 1, "by": me} if n > 1 else None
    lab.equal(before and before.value, expected, f"the earlier item of {what}")
    lab.equal([i.value for i in found], [expected] if expected else [], f"the search of {what}")
    lab.true(shared is not None and shared.key == "k", f"the shared item of {what}", got=shared)


@case("O13", needs=(Capability.PROCESSES,), modes=(Mode.SYNC,), seconds=110)
def test_batches_of_two_store_objects_keep_their_answers_apart(lab: Lab) -> None:
    """
    Batches that read and write at the same time through two store objects at one location lose nothing.

    If this fails, look at reads that take a lock which the writes of the same batch then wait for.
    """
    _need_threads(lab)
    one = lab.open()
    one.put(("shared",), "k", {"by": 0, "n": 0})
    two = lab.open(at=one.at)
    for n in range(1, ROUNDS + 1):
        calls = [
            partial(overlapping, store, batches(*(_mixed(me, n) for me in range(first, first + 3))))
            for store, first in ((one, 0), (two, 3))
        ]
        halves = threaded(calls)
        lab.equal(raised(halves), [], "the errors of two store objects")
        answers = [answer for half in halves for answer in half]
        lab.equal(raised(answers), [], "the errors of batches of two store objects")
        for me, answer in enumerate(answers):
            _own_answers(lab, answer, me, n)
    for me in range(CALLERS):
        lab.equal(len(two.keys(("own", f"t{me}"))), ROUNDS, f"the items of caller {me}")


CROSSED, CROSSINGS = 200, 40
"""Keys of batches that write them in opposite orders, and how many: enough that two meet on their way."""


@case("O13", needs=(Capability.PROCESSES, Capability.THREADS), modes=(Mode.SYNC,), seconds=110)
def test_batches_of_the_same_keys_in_opposite_orders_both_end(lab: Lab) -> None:
    """
    Two store objects at one location that write the same keys at once, each in its own order, are both answered.

    If this fails, look at rows that are locked in the order of the operations: each of two callers waits for
    what the other one has.  Lock them in one order, or do the batch once more.
    """
    one = lab.open()
    keys = [f"k{n:03}" for n in range(CROSSED)]
    ops = [PutOp(D, key, {"by": "nobody"}) for key in keys]
    if lab.attempt(partial(one.call, "batch", ops)) is not None:  # what refuses so many is O5's
        keys = keys[:LEAST]
        one.batch(ops[:LEAST])
    two = lab.open(at=one.at)
    rounds = rounds_for(one, calls=len(keys), most=CROSSINGS)
    made = [0, 0]

    def write(raw: Any, me: int, order: list[str]) -> None:
        for n in in_time(rounds, made, me):
            raw.batch([PutOp(D, key, {"by": me, "n": n}) for key in order])

    works: list[Callable[[], None]] = [
        partial(write, one.raw, 0, keys),
        partial(write, two.raw, 1, keys[::-1]),
    ]
    errors = one.timed("batches in opposite orders", partial(in_threads, works))
    lab.equal([repr(e) for e in errors], [], "the errors of batches that write the same keys")
    items = one.batch([GetOp(D, key) for key in keys])
    left = {(item.value["by"], item.value["n"]) if item else None for item in items}
    lasts = {(me, count - 1) for me, count in enumerate(made)}
    lab.equal(left - lasts, set(), "values that are left, and of neither's last batch")


@case("O2", needs=ASYNC, modes=(Mode.ASYNC,))
def test_a_put_and_a_get_of_one_tick(lab: Lab) -> None:
    """
    A get issued right behind a put of its key gives the old item or the new one: recorded which.
    """
    store = lab.open()
    store.put(D, "old", {"n": 1})
    jobs: list[Job] = [
        ("put", (D, "old", {"n": 2}), {}),
        ("get", (D, "old"), {}),
        ("put", (D, "new", {"n": 3}), {}),
        ("get", (D, "new"), {}),
        ("delete", (D, "old"), {}),
        ("get", (D, "old"), {}),
    ]

    answers = overlapping(store, jobs[:4])
    lab.equal(raised(answers), [], "the errors of calls of one tick")
    old, new = (a and a.value for a in (answers[1], answers[3]))
    lab.true(old in ({"n": 1}, {"n": 2}), "the overwritten item is the old or the new one", got=old)
    lab.true(new in (None, {"n": 3}), "the new item is there or not yet", got=new)
    lab.observe("tick.get behind put", "sees it" if new else "sees the state before")
    lab.equal(store.value(D, "old"), {"n": 2}, "the overwritten item after the tick")
    lab.equal(store.value(D, "new"), {"n": 3}, "the new item after the tick")
    overlapping(store, jobs[4:])
    lab.equal(store.get(D, "old"), None, "the deleted item after its tick")


# -- sweeps ---------------------------------------------------------------------------------------

LIFE = 4.0
"""Seconds of an item that is refreshed beside sweeps; clocks of whole seconds leave one on either side."""


def _sweeping(lab: Lab, **config: Any) -> Subject:
    _need_threads(lab)
    store = expiring(lab, **config)
    if not hasattr(store.raw, "sweep_ttl"):
        lab.unsupported("has no sweep_ttl: the engine expires by itself")
    return store


@case("T7", needs=(Capability.TTL,), waits=True)
def test_a_put_beside_a_sweep_is_not_swept(lab: Lab) -> None:
    """
    An expired item that is put anew while a sweep runs is there afterwards: it was not expired any more.

    If this fails, look at a sweep that decides first and deletes later by key.
    """
    store = _sweeping(lab, refresh_on_read=False)
    keys = [f"k{n:02}" for n in range(30)]
    store.batch([PutOp(D, key, {"turn": 1}, ttl=SOON) for key in keys])
    lab.sleep(GRACE)

    jobs: list[Job] = []
    for n, key in enumerate(keys):
        jobs += [("put", (D, key, {"turn": 2}), {"ttl": 60})]
        jobs += [("sweep_ttl", (), {})] if n % 10 == 0 else []
    answers = overlapping(store, [("sweep_ttl", (), {}), *jobs])

    lab.equal(raised(answers), [], "the errors of puts and sweeps side by side")
    sweep(store)
    found = {i.key: i.value["turn"] for i in store.search(D, limit=100, refresh_ttl=False)}
    lab.equal(found, dict.fromkeys(keys, 2), "the items that were put beside the sweeps")


@case("T7", needs=(Capability.TTL,), waits=True)
def test_a_refresh_beside_a_sweep_is_not_swept(lab: Lab) -> None:
    """
    An item that a read refreshed in time is there after sweeps that run beside and behind the read.

    If this fails, look at a sweep that decides first and deletes later by key.
    """
    store = _sweeping(lab, refresh_on_read=True)
    store.put(D, "alone", {"n": 1}, ttl=LIFE / 60)
    store.get(D, "alone", refresh_ttl=True)
    sweep(store)
    if store.get(D, "alone", refresh_ttl=False) is None:
        lab.unverified("a refresh without anything beside it ends the item, which is T4's")
    store.delete(D, "alone")
    keys = [f"k{n}" for n in range(12)]
    store.batch([PutOp(D, key, {"n": 1}, ttl=LIFE / 60) for key in keys])
    begin = time.monotonic()
    lab.sleep(LIFE * 0.6)

    jobs: list[Job] = [("sweep_ttl", (), {})]
    jobs += [("get", (D, key), {"refresh_ttl": True}) for key in keys]
    answers = overlapping(store, jobs)
    read = time.monotonic()
    if read - begin > LIFE - 1:
        lab.unverified(
            "the machine is too slow: the items were read when they were about to expire"
        )
    lab.equal(raised(answers), [], "the errors of reads and a sweep side by side")
    lab.sleep(begin + LIFE + 0.6 - time.monotonic())
    sweep(store)
    left = there(store, D, keys)
    if time.monotonic() - read > LIFE - 1:
        lab.unverified("the machine is too slow: the refreshed items may have expired")
    lab.equal(left, keys, "the items that were refreshed beside a sweep")


@case("O12", needs=(Capability.ASYNC,), modes=(Mode.ASYNC,))
def test_hundreds_of_calls_in_one_tick_are_all_answered(lab: Lab) -> None:
    """
    Six hundred puts that are issued at once are all stored, and as many gets all find their own item.

    If this fails, look for a queue or a pool that drops what it has no room for.
    """
    store = lab.open()

    async def puts(raw: Any) -> None:
        await asyncio.gather(*(raw.aput(("t",), f"k{n}", {"n": n}) for n in range(MANY)))

    async def gets(raw: Any) -> list[Any]:
        return await asyncio.gather(*(raw.aget(("t",), f"k{n}") for n in range(MANY)))

    store.run(puts)
    found = store.run(gets)
    missing = [n for n, item in enumerate(found) if item is None or item.value != {"n": n}]
    lab.equal(missing, [], "numbers of the puts of one tick whose item is not found")
    lab.equal(len(store.search(("t",), limit=1000)), MANY, "how many a search finds")


@case("O12")
def test_deletes_of_one_item_at_the_same_time_all_succeed(lab: Lab) -> None:
    """
    Several callers that delete one item at once are all answered, as a delete of what is gone does nothing.

    If this fails, look for a delete that first looks whether the item is there.
    """
    _need_threads(lab)
    store = lab.open()
    keys = [f"k{n}" for n in range(6)]
    store.batch([PutOp(D, key, {"n": 1}) for key in [*keys, "left"]])
    jobs: list[Job] = [("delete", (D, key), {}) for key in keys for _ in range(3)]

    errors = raised(overlapping(store, jobs))

    lab.equal(errors, [], "what was raised by deletes of items that others delete at the same time")
    lab.equal(store.keys(D), ["left"], "the items that are left")


@case("O12", needs=(Capability.TTL,))
def test_reads_that_refresh_beside_deletes_raise_nothing(lab: Lab) -> None:
    """
    A read that refreshes an item which others delete at the same time gives the item or nothing.

    If this fails, look for a refresh in a step of its own that takes the item to be still there.
    """
    errors, _ = _refreshed_and_deleted(lab)
    lab.equal(errors, [], "what was raised by reads of items that others delete at the same time")


@case("O23", needs=(Capability.TTL,))
def test_a_refresh_brings_back_nothing_that_others_delete(lab: Lab) -> None:
    """
    An item that was deleted while a read refreshed it is gone.

    If this fails, look for a refresh that writes back what it has read.
    """
    _, left = _refreshed_and_deleted(lab)
    lab.equal(left, [], "items that are there again after they were deleted beside a refresh")


def _refreshed_and_deleted(lab: Lab) -> tuple[list[str], list[str]]:
    """What reads and deletes of the same items raise, and what is left of the items."""
    _need_threads(lab)
    store = expiring(lab, default_ttl=600.0, refresh_on_read=True)
    keys = [f"k{n}" for n in range(4)]
    errors: list[str] = []
    left: list[str] = []
    for n in range(ROUNDS):
        at = ("d", f"n{n}")
        store.batch([PutOp(at, key, {"n": n}, ttl=600.0) for key in keys])
        jobs: list[Job] = [("search", (at,), {"refresh_ttl": True})]
        for key in keys:
            jobs += [("get", (at, key), {"refresh_ttl": True}), ("delete", (at, key), {})]
        errors += raised(overlapping(store, jobs))
        left += store.keys(at)
    return errors, left


@case("X7")
def test_calls_at_once_for_one_key_of_several_namespaces_keep_apart(lab: Lab) -> None:
    """
    Calls at once, and a batch, for one key in several namespaces each reach the item of their own.

    If this fails, look for operations that are put together by their key alone.
    """
    _need_threads(lab)
    store = lab.open()
    spaces = [("u", f"n{n}") for n in range(6)]
    store.batch([PutOp(ns, key, {"old": n}) for n, ns in enumerate(spaces) for key in ("k", "b")])
    expected = [{"new": n} if n % 2 else None for n in range(6)]
    jobs: list[Job] = [
        ("put", (ns, "k", new), {}) if new else ("delete", (ns, "k"), {})
        for ns, new in zip(spaces, expected, strict=True)
    ]
    lab.equal(raised(overlapping(store, jobs)), [], "the errors of writes of one key")
    store.batch([PutOp(ns, "b", new) for ns, new in zip(spaces, expected, strict=True)])

    for key in ("k", "b"):
        got = overlapping(store, [("get", (ns, key), {}) for ns in spaces])
        values = [item and item.value for item in got]
        lab.equal(values, expected, f"the items {key!r} of the namespaces, by gets at once")
    found = overlapping(store, [("search", (ns,), {}) for ns in spaces])
    keys = [sorted(i.key for i in items) for items in found]
    lab.equal(keys, [["b", "k"] if new else [] for new in expected], "what searches at once find")
