"""
O12, O13 and O15: several threads, several tasks, several store objects on one location.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from store_conformance.contract import Capability, Location, Mode
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.process.child import Child, ChildFailedError
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.answered import answered
from store_conformance.suite.support.callers import Ask, Together, eager_threads, value_in
from store_conformance.suite.support.conventions import needs_arguments
from store_conformance.suite.support.doors import Through
from store_conformance.suite.support.ranking import in_order, matches
from store_conformance.suite.support.scale import by_cosine
from store_conformance.suite.support.threads import in_threads, in_time, rounds_for

D = ("d",)


def _round(raw: Any, me: int, n: int) -> None:
    """One thread's turn: own and shared keys, every kind of call."""
    own = ("own", f"t{me}")
    raw.put(own, f"k{n}", {"n": n})
    raw.put((*own, f"sub{n}"), "x", {"n": n})
    raw.put(("homes", f"t{me}-{n}"), "x", {"n": n})
    raw.put(("shared",), f"k{n % 3}", {"by": me, "n": n})
    item = raw.get(own, f"k{n}")
    if item is None or item.value != {"n": n}:
        raise AssertionError(f"thread {me} reads {item!r} right after its put of n={n}")
    raw.search((), filter={"n": -1}, limit=10)
    raw.search(own, filter={"n": n}, limit=10)
    raw.list_namespaces(limit=100)
    raw.batch([PutOp(own, f"b{n}", {"n": n}), GetOp(own, f"k{n}"), PutOp(own, "doomed", {"n": n})])
    raw.delete(own, "doomed")


@case("O12", needs=(Capability.THREADS,), modes=(Mode.SYNC,), seconds=110)
def test_eight_threads_share_a_store(lab: Lab) -> None:
    """
    Parallel calls of every kind from eight threads never raise, and no write is lost.

    If this fails with 'changed size during iteration', look for a dict that is walked without a
    lock.
    """
    store = lab.open()
    rounds = rounds_for(store, calls=8 * 9, most=25)
    made = [0] * 8

    def work(me: int) -> Callable[[], None]:
        def rounds_of_one() -> None:
            for n in in_time(rounds, made, me):
                _round(store.raw, me, n)

        return rounds_of_one

    with eager_threads():
        raised = store.timed(
            "calls of eight threads", lambda: in_threads([work(n) for n in range(8)])
        )

    lab.equal([repr(r) for r in raised[:3]], [], "what the threads raised")
    for me in range(8):
        own = ("own", f"t{me}")
        found = {i.key: i.value for i in store.search(own, limit=1000) if i.namespace == own}
        expected = {f"{kind}{n}": {"n": n} for n in range(made[me]) for kind in "kb"}
        lab.equal(found, expected, f"the items of thread {me}")
    homes = {("homes", f"t{me}-{n}") for me in range(8) for n in range(made[me])}
    listed = {tuple(ns) for ns in store.list_namespaces(prefix=("homes",), limit=1000)}
    lab.equal(listed, homes, "the namespaces that the threads put something into")
    shared = [f"k{n}" for n in range(min(3, max(made)))]
    lab.equal(store.keys(("shared",)), shared, "the items that all threads wrote")


def _wrong_scores(found: list[Any], query: str, told: bool) -> list[str]:
    """
    Items whose score is another text's, as it is when threads mix up their vectors.

    Which items come first is not asked: an approximate index may miss some while it grows.  Scores of a
    store's own (``told`` is False) say nothing.
    """
    if not told:
        return []
    cosine = ExactEmbeddings().cosine
    return [
        f"{i.key}: {i.score}"
        for i in found
        if i.score is not None and abs(i.score - cosine(query, i.value["text"])) > 1e-3
    ]


@case("O12", needs=(Capability.THREADS, Capability.VECTORS), modes=(Mode.SYNC,), seconds=110)
def test_threads_put_and_query_an_index(lab: Lab) -> None:
    """
    Puts that are embedded and semantic searches run in parallel without an error.
    """
    told = by_cosine(lab)
    store = lab.indexed("text")
    rounds = rounds_for(store, calls=6 * 4, most=12)
    made = [0] * 6
    store.put(D, "first", {"text": "apple"})

    def work(me: int) -> None:
        for n in in_time(rounds, made, me):
            store.raw.put(("d", f"t{me}"), f"k{n}", {"text": f"banana*{n + 1} cherry*{me + 1}"})
            store.raw.search(D, query="banana", limit=10)
            wrong = _wrong_scores(store.raw.search(D, query="apple", limit=1), "apple", told)
            if wrong:
                raise AssertionError(
                    f"thread {me} gets wrong scores for the query 'apple': {wrong}"
                )
            store.raw.put(("shared",), "k", {"text": f"fig grape*{n}"})

    with eager_threads():
        works: list[Callable[[], Any]] = [partial(work, n) for n in range(6)]
        raised = store.timed("calls of six threads", lambda: in_threads(works))

    lab.equal([repr(r) for r in raised[:3]], [], "what the threads raised")
    lab.equal(len(store.search(D, limit=1000)), sum(made) + 1, "the items that the threads wrote")
    found = store.search(D, query="apple", limit=1000)
    lab.equal(_wrong_scores(found, "apple", told), [], "items whose score is not their own text's")


@case("O12", needs=(Capability.ASYNC,), modes=(Mode.ASYNC,), seconds=110)
def test_many_tasks_share_a_store(lab: Lab) -> None:
    """
    Parallel calls of every kind from twenty tasks never raise, and no write is lost.
    """
    store = lab.open()
    rounds = rounds_for(store, calls=20 * 7, most=6)
    made = [0] * 20

    async def one(raw: Any, me: int) -> None:
        own = ("own", f"t{me}")
        for n in in_time(rounds, made, me):
            await raw.aput(own, f"k{n}", {"n": n})
            await raw.aput(("shared",), f"k{n % 3}", {"by": me, "n": n})
            item = await raw.aget(own, f"k{n}")
            if item is None or item.value != {"n": n}:
                raise AssertionError(f"task {me} reads {item!r} right after its put of n={n}")
            await asyncio.gather(raw.asearch((), limit=10), raw.alist_namespaces(limit=100))
            await raw.abatch([PutOp(own, f"b{n}", {"n": n}), PutOp(own, "doomed", {"n": n})])
            await raw.adelete(own, "doomed")

    async def work(raw: Any) -> list[Any]:
        tasks = [one(raw, me) for me in range(20)]
        return await answered(*tasks, patience=100)

    answers = store.run(work)

    lab.equal([repr(a) for a in answers if a is not None][:3], [], "what the tasks raised")
    for me in (0, 7, 19):
        own = ("own", f"t{me}")
        found = {i.key: i.value for i in store.search(own, limit=1000)}
        expected = {f"{kind}{n}": {"n": n} for n in range(made[me]) for kind in "kb"}
        lab.equal(found, expected, f"the items of task {me}")


def _second(lab: Lab, store: Subject, **changes: Any) -> Subject:
    """Another store object on the location of an open one."""
    opened: list[Subject] = []
    more = {"index": store.index, "ttl": store.ttl, **changes}
    refused = lab.attempt(lambda: opened.append(lab.open(at=store.at, **more)))
    if refused is not None:
        if not lab.offers(Capability.PROCESSES):
            lab.unsupported(
                f"a location is open once at a time: {type(refused).__name__}: {message_of(refused)}"
            )
        lab.fail("a second store object on the location can be opened", got=refused)
    return opened[0]


@case("O13", needs=(Capability.PERSISTENCE,))
def test_two_store_objects_see_each_others_writes(lab: Lab) -> None:
    """
    What one store object has acknowledged another one on the same location reads at once.

    If this fails, look for a cache, or a transaction that stays open after a read.
    """
    one = lab.open()
    two = _second(lab, one)
    lab.equal(two.get(D, "k"), None, "an item that nobody has put yet")
    one.put(D, "k", {"n": 1})
    lab.equal(one.value(D, "k"), {"n": 1}, "a put of the first, read by itself")
    lab.equal(two.value(D, "k"), {"n": 1}, "a put of the first, read by the second")
    two.put(D, "k", {"n": 2})
    lab.equal(one.value(D, "k"), {"n": 2}, "an overwrite by the second, read by the first")
    one.put(D, "k", {"n": 3})
    lab.equal(two.value(D, "k"), {"n": 3}, "an overwrite by the first, read by the second")
    for n in range(10):
        (one, two)[n % 2].put(("e", f"n{n % 3}"), f"k{n}", {"n": n})
        found = (two, one)[n % 2].search(("e",), limit=100)
        lab.equal(len(found), n + 1, f"the items that the other finds after put {n}")

    seen = [sorted(store.list_namespaces()) for store in (one, two)]
    lab.equal(seen[0], seen[1], "the namespaces seen by both")
    one.delete(D, "k")
    lab.equal(two.get(D, "k"), None, "a delete by the first, read by the second")
    lab.equal(two.keys(D), [], "a search by the second after it")
    two.batch([PutOp(D, "x", {"n": 1}), PutOp(("e", "n0"), "k0", None)])
    lab.equal(one.value(D, "x"), {"n": 1}, "a batch of the second, read by the first")
    lab.equal(one.get(("e", "n0"), "k0"), None, "a delete in that batch")
    one.put(("e", "n0"), "k0", {"n": "again"})
    again = [store.value(("e", "n0"), "k0") for store in (one, two)]
    lab.equal(again, [{"n": "again"}] * 2, "what the second deleted, put again by the first")
    known = one.list_namespaces()
    two.put(("new",), "k", {"n": 1})
    listed = sorted(one.list_namespaces())
    lab.equal(listed, sorted([*known, ("new",)]), "what the first lists after a put of the second")


@case("O13", needs=(Capability.PERSISTENCE, Capability.VECTORS))
def test_two_store_objects_share_an_index(lab: Lab) -> None:
    """
    What one store object has indexed another one finds by meaning.
    """
    one = lab.indexed("text")
    two = _second(lab, one)
    one.put(D, "a", {"text": "apple"})
    matches(lab, two, D, "apple", "a", "a put of the first, ranked by the second")
    two.put(D, "a", {"text": "banana"})
    two.put(D, "b", {"text": "cherry"})

    matches(lab, one, D, "banana", "a", "an overwrite by the second, ranked by the first")
    matches(lab, one, D, "cherry", "b", "a put of the second, ranked by the first")
    one.delete(D, "b")
    in_order(
        lab, two.ranked(D, "cherry", limit=5), ["a"], "the ranking of the second after a delete"
    )


@case("O13", needs=(Capability.PERSISTENCE, Capability.THREADS), modes=(Mode.SYNC,), seconds=110)
def test_four_store_objects_write_from_four_threads(lab: Lab) -> None:
    """
    Several connections that write at the same time lose nothing and are not refused for a lock.
    """
    first = lab.open()
    stores = [first, *(_second(lab, first) for _ in range(3))]
    rounds = rounds_for(first, calls=4 * 4, most=15)
    made = [0] * 4

    def work(me: int, raw: Any) -> None:
        for n in in_time(rounds, made, me):
            raw.put(("own", f"t{me}"), f"k{n}", {"n": n})
            raw.batch(
                [PutOp(("own", f"t{me}"), f"b{n}", {"n": n}), PutOp(("shared",), "k", {"by": me})]
            )
            item = raw.get(("own", f"t{me}"), f"k{n}")
            if item is None:
                raise AssertionError(f"store {me} does not find its own item k{n}")
            raw.search(("own",), limit=5)

    works: list[Callable[[], Any]] = [partial(work, me, s.raw) for me, s in enumerate(stores)]
    raised = first.timed("calls of four store objects", lambda: in_threads(works))

    lab.equal([repr(r) for r in raised[:3]], [], "what the store objects raised")
    for me in range(4):
        expected = sorted(f"{kind}{n}" for n in range(made[me]) for kind in "kb")
        for reader in (first, stores[3]):
            lab.equal(reader.keys(("own", f"t{me}")), expected, f"the items of store {me}")


@case("O13", needs=(Capability.PERSISTENCE, Capability.ASYNC), modes=(Mode.ASYNC,), seconds=110)
def test_three_store_objects_write_from_one_loop(lab: Lab) -> None:
    """
    Several store objects that write in one loop at the same time lose nothing.
    """
    first = lab.open()
    stores = [first, *(_second(lab, first) for _ in range(2))]
    rounds = rounds_for(first, calls=3 * 3, most=8)
    made = [0] * 3

    async def one(raw: Any, me: int) -> None:
        for n in in_time(rounds, made, me):
            await raw.aput(("own", f"t{me}"), f"k{n}", {"n": n})
            await raw.abatch([PutOp(("own", f"t{me}"), f"b{n}", {"n": n})])
            await raw.asearch(("own",), limit=5)

    async def work(_: Any) -> list[Any]:
        tasks = [one(s.raw, me) for me, s in enumerate(stores)]
        return await answered(*tasks, patience=100)

    answers = first.run(work)

    lab.equal([repr(a) for a in answers if a is not None], [], "what the store objects raised")
    for me in range(3):
        expected = sorted(f"{kind}{n}" for n in range(made[me]) for kind in "kb")
        lab.equal(stores[me - 1].keys(("own", f"t{me}")), expected, f"the items of store {me}")


def _open_and_put(lab: Lab, at: Location, index: Any, me: int, stores: list[Subject]) -> None:
    store = lab.open(at=at, index=index)
    stores.append(store)
    setup = getattr(store.raw, "setup", None)
    if callable(setup) and not needs_arguments(setup):
        store.maintenance("setup")
    store.put(D, f"k{me}", {"n": me, "text": "apple"})


@case(
    "O15",
    needs=(Capability.PERSISTENCE, Capability.THREADS),
    params={"plain": False, "index": True},
)
def test_four_setups_at_once_on_a_fresh_location(lab: Lab, indexed: bool) -> None:
    """
    Several stores may be opened and set up on a fresh location at the same moment.

    If this fails, look for a migration that checks and then creates without a lock.
    """
    if indexed and not lab.offers(Capability.VECTORS):
        lab.unsupported("declared: no vectors")
    at = lab.location()
    index = lab.index("text") if indexed else None
    stores: list[Subject] = []
    if lab.mode == Mode.ASYNC:
        lab.loop_thread.pending()  # starts the loop here, once

    def opening(me: int) -> Callable[[], None]:
        return lambda: _open_and_put(lab, at, index, me, stores)

    raised = in_threads([opening(n) for n in range(4)])

    if raised and not lab.offers(Capability.PROCESSES):
        lab.unsupported(f"a location is open once at a time: {raised[0]}")
    lab.equal([str(r) for r in raised[:3]], [], "what the openings raised")
    for store in stores:
        lab.equal(store.keys(D), [f"k{n}" for n in range(4)], "the items seen by each store")


SETUPS = 8
"""Processes that set up one place at once."""


HEAD_STARTS = 1.0, 6.0
"""Seconds in which all of them should have been started; on a busy machine they are given longer."""


@dataclass(frozen=True)
class _Openings:
    """What came of processes that were to open one place at one moment."""

    at: Location
    children: Sequence[Child]
    errors: Sequence[str]
    """What the openings of the others raised."""

    @property
    def met(self) -> int:
        """How many began while another was under way."""
        spans = sorted(child.opening for child in self.children)
        return sum(later[0] < earlier[1] for earlier, later in pairwise(spans))


def _openings(lab: Lab, embed: str | None, head_start: float) -> _Openings:
    """Processes that open a fresh place at one moment."""
    at = lab.location()
    children: list[Child] = []
    # Later than all of them have started, or they would come one after the other.
    begin = time.monotonic_ns() + int(head_start * 1e9)

    def open_one() -> None:
        children.append(lab.child(at, embed=embed, begin=begin))

    raised = in_threads([open_one] * SETUPS)
    for error in raised:
        if not isinstance(error, ChildFailedError):
            raise error
    return _Openings(at, children, [str(error) for error in raised])


@case(
    "O15",
    needs=(Capability.PERSISTENCE, Capability.PROCESSES),
    modes=(Mode.SYNC,),
    serial=True,
    seconds=110,
)
def test_eight_processes_set_up_a_fresh_location(lab: Lab) -> None:
    """
    Eight processes may open and set up a fresh location, with an index where there are any, at the same moment.

    If this fails, look for a migration that checks and then creates, with a lock of its own process at most.
    """
    embed = "exact" if lab.offers(Capability.VECTORS) else None
    for head_start in HEAD_STARTS:
        opened = _openings(lab, embed, head_start)
        if opened.errors or opened.met >= SETUPS - 1:
            break
    children = opened.children

    lab.equal(opened.errors[:3], [], f"what the openings of {SETUPS} processes raised")
    for number, child in enumerate(children):
        child.call("put", D, f"k{number}", {"n": number, "text": "apple"})
    store = lab.open(at=opened.at, index=lab.index("text") if embed else None)
    keys = [f"k{n}" for n in range(SETUPS)]
    lab.equal(store.keys(D), keys, "the items that the processes put")
    seen = children[0].call("search", D, limit=SETUPS)
    lab.equal(sorted(i["key"] for i in seen), keys, "the items that the first process sees")
    if opened.met < SETUPS - 1:
        lab.unverified(f"only {opened.met + 1} of {SETUPS} openings were under way at once")


CALLERS = 50
POOLS = ("pool of one", "pool of several")


def _visit(me: int) -> list[Ask]:
    """What one of many callers does: its own item, and a look at everybody's."""
    own = ("many", f"c{me}")
    return [
        Ask.of("put", own, "k", {"n": me}),
        Ask.of("get", own, "k"),
        Ask.of("search", ("many",), limit=5),
        Ask.of("batch", [PutOp(own, "b", {"n": me}), GetOp(own, "k")]),
    ]


@case("O12", params={name: name for name in POOLS}, seconds=90)
def test_fifty_callers_share_a_small_pool(lab: Lab, pool: str) -> None:
    """
    Fifty callers at once on a pool of one connection, or of four, wait for one another: none is refused, no write is lost.

    If this fails, look for a connection that is held while another one is asked for.
    """
    doors = lab.backend.doors(lab.mode)
    if pool not in doors:
        lab.unsupported(f"no such door: {pool}")
    store = lab.open(at=lab.location(), backend=Through(doors[pool]))
    names = [f"c{n}" for n in range(CALLERS)]
    together = Together(lab, store, names, processes=False)
    answers = together.run({name: _visit(n) for n, name in enumerate(names)})

    errors = [a.error for of in answers.values() for a in of if a.error]
    lab.equal(errors[:3], [], f"what the calls of {CALLERS} callers on a {pool} raised")
    for n, name in enumerate(names):
        read = value_in(answers[name][1].result)
        lab.equal(read, {"n": n}, f"what {name} reads right after its put")
    found = {(i.namespace[1], i.key) for i in store.search(("many",), limit=4 * CALLERS)}
    lab.equal(found, {(name, key) for name in names for key in "kb"}, "the items of all callers")
