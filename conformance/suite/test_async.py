"""
O7, O8 and O18: the async API is the sync API, bound to a loop and leaving nothing behind in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.compat import (
    GetOp,
    ListNamespacesOp,
    PutOp,
    SearchItem,
    SearchOp,
)
from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.expiry import expiring, start
from store_conformance.suite.support.overlap import overlapping, raised
from store_conformance.suite.support.scale import by_cosine
from store_conformance.suite.support.shapes import fill

BOTH_APIS = (Capability.SYNC, Capability.ASYNC)
D = ("d",)

Step = tuple[str, tuple[Any, ...], dict[str, Any]]


def _script(vectors: bool) -> list[Step]:
    """Calls that any store answers, and calls that any store refuses, in one order."""
    steps = [*_items(), *_namespaces(), *_searches(), *_lists(), *_batches()]
    return [*steps, *_queries()] if vectors else steps


def _items() -> list[Step]:
    """An empty store; then items that are written, read and removed one by one."""
    return [
        ("get", (D, "missing"), {}),
        ("delete", (D, "missing"), {}),
        ("search", (D,), {}),
        ("list_namespaces", (), {}),
        ("put", (D, "a", {"n": 1, "text": "apple", "s": "x"}), {}),
        ("put", (D, "b", {"n": 2, "text": "banana", "nested": {"deep": [1, None]}}), {}),
        ("put", (("d", "e"), "c", {"n": 3, "text": "cherry"}, False), {}),
        ("put", (("e", "f"), "d", {}), {"index": ["text"]}),
        ("get", (D, "a"), {}),
        ("get", (D, "a"), {"refresh_ttl": False}),
        ("put", (D, "7", {"n": 7}), {}),
        ("get", (D, "7"), {}),
        ("search", (D,), {"limit": 2, "filter": {"n": {"$gt": 2}}}),
        ("delete", (D, "7"), {}),
        ("get", (D, "7"), {}),
        ("put", (D, "a", {"n": 10}), {"ttl": None}),
        ("get", (D, "a"), {}),
        ("put", (D, "gone", {"n": 1}), {}),
        ("put", (D, "gone", None), {}),
        ("get", (D, "gone"), {}),
    ]


def _namespaces() -> list[Step]:
    """Namespaces that a store refuses for a write, and takes for a read or does not."""
    return [
        ("put", ((), "k", {}), {}),
        ("put", (("langgraph", "x"), "k", {}), {}),
        ("put", (("x", "langgraph"), "k", {"n": 1}), {}),
        ("put", (("a.b",), "k", {}), {}),
        ("put", (("a", ""), "k", {}), {}),
        ("put", (("a", 1), "k", {}), {}),
        ("get", (("a.b",), "k"), {}),
        ("get", (("",), "k"), {}),
        ("get", ((), "k"), {}),
        ("get", (("langgraph",), "k"), {}),
        ("delete", (("a.b",), "k"), {}),
        ("delete", (("a", 1), "k"), {}),
        ("search", (("a.b",),), {}),
        ("search", (("a", ""),), {}),
        ("list_namespaces", (), {"prefix": ("a.b",)}),
        ("list_namespaces", (), {"suffix": ("",)}),
    ]


def _searches() -> list[Step]:
    return [
        ("search", ((),), {"limit": 100}),
        ("search", (D,), {"limit": 100, "filter": {"n": 2}}),
        ("search", (D,), {"limit": 100, "filter": {"n": {"$gte": 2, "$lt": 11}}}),
        ("search", (D,), {"limit": 100, "filter": {"n": {"$unheard": 1}}}),
        ("search", (D,), {"limit": 0}),
        ("search", (D,), {"limit": 5, "offset": 100}),
        ("search", (("nothing",),), {}),
    ]


def _lists() -> list[Step]:
    return [
        ("list_namespaces", (), {}),
        ("list_namespaces", (), {"prefix": ("d",)}),
        ("list_namespaces", (), {"suffix": ("f",)}),
        ("list_namespaces", (), {"prefix": ("*", "e")}),
        ("list_namespaces", (), {"max_depth": 1}),
        ("list_namespaces", (), {"max_depth": 1, "limit": 1, "offset": 1}),
    ]


def _batches() -> list[Step]:
    """Batches, one with what is no operation and one with a bad namespace; then what they have left."""
    return [
        ("batch", ([],), {}),
        # No read of what the same batch writes: whether it sees that is O2's question, in each of the two.
        ("batch", ([PutOp(D, "z", {"n": 26}), GetOp(D, "b"), GetOp(D, "a")],), {}),
        ("get", (D, "z"), {}),
        ("batch", ([GetOp(D, "a"), SearchOp(("e",), limit=3), PutOp(D, "z", None)],), {}),
        ("get", (D, "z"), {}),
        ("batch", ([ListNamespacesOp(match_conditions=None, max_depth=1, limit=9, offset=0)],), {}),
        ("batch", ([GetOp(D, "a"), object()],), {}),
        ("batch", ([PutOp(("x.y",), "k", {"n": 1})],), {}),
        ("get", (("x", "y"), "k"), {}),
        ("put", (D, "emoji 🍎", {"t": "Äpfel"}), {}),
        ("get", (D, "emoji 🍎"), {}),
        ("search", ((),), {"limit": 100}),
    ]


def _queries() -> list[Step]:
    return [
        ("search", (D,), {"query": ""}),
        ("search", (D,), {"query": "banana", "limit": 1}),
        ("search", (("d", "e"),), {"query": "cherry", "filter": {"n": 99}}),
    ]


def _shape(result: Any, ordered: bool, scores: bool) -> Any:
    """A result without times, and without the order that a plain search leaves open."""
    if isinstance(result, list):
        ordered = ordered and not any(isinstance(r, SearchItem) for r in result)
        shaped = [_shape(r, ordered, scores) for r in result]
        return shaped if ordered else sorted(shaped, key=repr)
    if hasattr(result, "namespace"):
        score = getattr(result, "score", None)
        return (
            result.namespace,
            result.key,
            result.value,
            score and (round(score, 3) if scores else "a score"),
            "a SearchItem" if isinstance(result, SearchItem) else "an Item",
        )
    return result


PLAIN_ERRORS = (ValueError, TypeError, NotImplementedError)


def _outcome(step: Step, call: Callable[..., Any], scores: bool = True) -> tuple[str, Any]:
    """``("gave", result)`` or ``("raised", the exception's class)``."""
    name, args, kwargs = step
    try:
        result = call(name, *args, **kwargs)
    except StoreRaisedError as raised:
        cause = raised.cause
        # Beyond the plain ones a driver's sync and async halves may have classes of their own.
        return "raised", type(cause).__name__ if isinstance(cause, PLAIN_ERRORS) else "an error"
    return "gave", _shape(result, name in ("batch", "list_namespaces"), scores)


def _compare(lab: Lab, steps: list[Step], one: list[Any], other: list[Any], what: str) -> None:
    if _in_another_order(steps, one, other):
        one, other = (
            [_without_order(s, o) for s, o in zip(steps, all_, strict=True)]
            for all_ in (one, other)
        )
    for (name, args, kwargs), sync_got, async_got in zip(steps, one, other, strict=True):
        shown = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
        lab.equal(
            async_got, sync_got, f"a{name}({shown}) does what {name} does {what} (expected: {name})"
        )


def _in_another_order(steps: list[Step], one: list[Any], other: list[Any]) -> bool:
    """Whether two stores list the same namespaces, each in an order of its own: L3 judges that."""
    whole = [
        n
        for n, (name, _, kw) in enumerate(steps)
        if name == "list_namespaces" and "limit" not in kw
    ]
    lists = [(one[n], other[n]) for n in whole if one[n][0] == other[n][0] == "gave"]
    return any(a != b and sorted(a[1]) == sorted(b[1]) for a, b in lists)


def _without_order(step: Step, outcome: tuple[str, Any]) -> tuple[str, Any]:
    """An outcome without the order of namespaces, which decides what is on a page, too."""
    name, _, kwargs = step
    how, got = outcome
    if name == "list_namespaces" and isinstance(got, list):
        return how, len(got) if "limit" in kwargs else sorted(got)
    if name == "batch" and isinstance(got, list):
        return how, [sorted(r, key=repr) if isinstance(r, list) else r for r in got]
    return outcome


@case("O7", needs=BOTH_APIS, modes=(Mode.ASYNC,))
def test_the_async_methods_do_what_the_sync_methods_do(lab: Lab) -> None:
    """
    The same calls through either API give the same results, the same refusals, the same errors.

    If this fails, look at what the sync methods check or convert that their async twins do not.
    """
    vectors = lab.offers(Capability.VECTORS)
    steps = _script(vectors)
    scores = not vectors or by_cosine(lab)
    with lab.beside(Mode.SYNC) as other:
        sync_store = other.open(index=lab.index("text") if vectors else None)
        expected = [_outcome(step, sync_store.call, scores) for step in steps]

    store = lab.open(index=lab.index("text") if vectors else None)
    got = [_outcome(step, store.call, scores) for step in steps]

    _compare(lab, steps, expected, got, "in a store opened for the sync API")


def _reads_alike(vectors: bool) -> list[Step]:
    """Reads that are the same but for one argument."""
    # A page holds all there is: which items a part of it holds is S5's and X8's.
    asked: list[dict[str, Any]] = [
        {},
        *({"filter": {"n": n}} for n in (1, "1", 2, {"$gt": 1}, {"$lt": 2})),
        *({"offset": offset} for offset in (10, 20)),
        *({"query": q} for q in ("apple", "banana") if vectors),
        *({"query": "apple", "filter": {"n": n}} for n in (1, 2) if vectors),
    ]
    listed: list[dict[str, Any]] = [
        {"prefix": ("d",)}, {"suffix": ("d",)}, {"max_depth": 1}, {"limit": 1},
        {"limit": 1, "offset": 1}, {},
    ]  # fmt: skip
    return [
        *(("search", (at,), how) for at in (D, ("d", "e"), ()) for how in asked),
        *(("list_namespaces", (), how) for how in listed),
        *(("get", (at, key), {}) for at in (D, ("d", "e")) for key in ("k1", "k2", "none")),
    ]


@case("O7", needs=(Capability.ASYNC,), modes=(Mode.ASYNC,))
def test_reads_at_once_answer_as_they_do_alone(lab: Lab) -> None:
    """
    Reads that are awaited together and differ in one argument each have the answer that they have alone.

    If this fails, look at calls of one tick that are taken for equal, and at what they are compared by.
    """
    vectors = lab.offers(Capability.VECTORS)
    store = lab.open(index=lab.index("text") if vectors else None)
    places = [(at, n) for at in (D, ("d", "e"), ("e", "d")) for n in range(3)]
    words = ("apple", "banana")
    # Texts that all differ: whether a batch may hold equal ones is V15's.
    told = [f"{words[i % 2]}, number {i}" for i in range(len(places))]
    fill(store, [(at, f"k{n}", {"n": n, "text": t}) for (at, n), t in zip(places, told)])
    store.put(D, "text", {"n": "1", "text": "cherry"})
    steps = _reads_alike(vectors)
    alone = [store.call(name, *args, **kwargs) for name, args, kwargs in steps]
    steps, alone = steps * 2, alone * 2  # equal ones among them
    answers = overlapping(store, steps)

    lab.equal(raised(answers), [], "the errors of reads at once")
    scores = not vectors or by_cosine(lab)
    for (name, args, kwargs), one, other in zip(steps, alone, answers, strict=True):
        ordered = name == "list_namespaces"
        got, expected = (_shape(found, ordered, scores) for found in (other, one))
        lab.equal(
            got, expected, f"a{name}{args} with {kwargs}, awaited with others (expected: alone)"
        )


@case("O7", needs=(*BOTH_APIS, Capability.THREADS), modes=(Mode.ASYNC,))
def test_the_sync_methods_of_an_async_store_do_the_same(lab: Lab) -> None:
    """
    Called from another thread than the loop's, the sync methods of the same store do the same.
    """
    steps = _script(vectors=False)
    store = lab.open()
    expected = [_outcome(step, store.call) for step in steps]
    again = lab.open()

    def call(name: str, *args: Any, **kwargs: Any) -> Any:
        return again.timed(name, lambda: getattr(again.raw, name)(*args, **kwargs))

    _need_sync(lab, again)
    got = [_outcome(step, call) for step in steps]
    _compare(lab, steps, got, expected, "in the same class from another thread")


@case("O7", needs=BOTH_APIS, modes=(Mode.ASYNC,))
def test_each_api_of_a_store_sees_what_the_other_wrote(lab: Lab) -> None:
    """
    Of one store object, what a sync call wrote an async call reads at once, and the reverse.

    If this fails, look for a cache of one API that the other does not clear.
    """
    if not lab.offers(Capability.THREADS):
        lab.unsupported("declared: no threads")
    store = lab.open()
    _need_sync(lab, store)
    raw = store.raw

    def by_sync(name: str, *args: Any, **kwargs: Any) -> Any:
        return store.timed(name, lambda: getattr(raw, name)(*args, **kwargs))

    for n in range(3):
        store.put(D, "k", {"n": n, "by": "async"})
        lab.equal(by_sync("get", D, "k").value["by"], "async", "an async put, by a sync get")
        lab.equal(store.value(D, "k")["by"], "async", "an async put, by an async get")
        by_sync("put", D, "k", {"n": n, "by": "sync"})
        lab.equal(store.value(D, "k"), {"n": n, "by": "sync"}, "a sync put, by an async get")
        lab.equal(store.keys(D, filter={"by": "sync"}), ["k"], "a sync put, by an async search")
        lab.equal(len(by_sync("search", D, filter={"by": "sync"})), 1, "the same by a sync search")
        read = [
            by_sync("get", D, "k"),
            *by_sync("search", D),
            store.fetch(D, "k"),
            *store.search(D),
        ]
        times = {(item.created_at, item.updated_at) for item in read}
        lab.equal(len(times), 1, f"the times of one item, read by each API in two ways: {times}")
        by_sync("delete", D, "k")
        lab.equal(store.get(D, "k"), None, "a sync delete, by an async get")
        lab.equal(store.keys(D), [], "a sync delete, by an async search")


def _need_sync(lab: Lab, store: Subject) -> None:
    """Ends the case where the store's async class does not offer the sync methods and says so."""

    def work() -> Any:
        # A store for one thread is asked in the loop's, which is where it was opened.
        empty = partial(store.raw.batch, [])
        return empty() if lab.offers(Capability.THREADS) else _in_loop(lab, empty)

    refused = lab.attempt(lambda: store.timed("batch", work))
    if isinstance(refused, NotImplementedError):
        lab.unsupported(f"the async store has no sync methods: {message_of(refused)}")


CALLS: dict[str, Callable[[Any], Any]] = {
    "get": lambda raw: raw.get(D, "k"),
    "put": lambda raw: raw.put(D, "in_the_loop", {"n": 2}),
    "search": lambda raw: raw.search(D, limit=5),
    "delete": lambda raw: raw.delete(D, "doomed"),
    "list_namespaces": lambda raw: raw.list_namespaces(),
    "batch": lambda raw: raw.batch([GetOp(D, "k")]),
}


@case("O8", needs=BOTH_APIS, modes=(Mode.ASYNC,), seconds=30)
def test_a_sync_call_inside_the_loop_works_or_says_why_not(lab: Lab) -> None:
    """
    Inside its own loop a sync call of a loop-bound store raises InvalidStateError; any other works.

    If this fails by taking too long, the call waits for the loop that it blocks.
    """
    store = lab.open()
    store.put(D, "k", {"n": 1})
    store.put(D, "doomed", {"n": 1})
    _need_sync(lab, store)
    refused: list[str] = []
    for name, call in CALLS.items():
        error = lab.attempt(
            lambda name=name, call=call: store.timed(  # type: ignore[misc]
                f"{name} in the loop", lambda: _in_loop(lab, lambda: call(store.raw))
            )
        )
        if error is not None:
            lab.true(
                isinstance(error, asyncio.InvalidStateError),
                f"a sync {name} inside the loop is refused with InvalidStateError",
                got=error,
                expected="asyncio.InvalidStateError, or the call works",
            )
            refused.append(name)

    lab.true(len(refused) in (0, len(CALLS)), "all sync methods agree", got=refused)
    lab.equal(store.get(D, "in_the_loop") is None, bool(refused), "a refused put stores nothing")
    lab.equal(store.get(D, "doomed") is None, not refused, "a refused delete deletes nothing")
    lab.observe("sync_call_in_loop", "InvalidStateError" if refused else "works")


def _in_loop(lab: Lab, work: Callable[[], Any]) -> Any:
    async def inside() -> Any:
        return work()

    try:
        return asyncio.run_coroutine_threadsafe(inside(), lab.loop_thread.loop).result(timeout=10)
    except TimeoutError:
        raise RuntimeError("the call blocked the loop for ten seconds") from None


@case("O8", needs=(*BOTH_APIS, Capability.THREADS), modes=(Mode.ASYNC,))
def test_sync_calls_from_other_threads_work(lab: Lab) -> None:
    """
    From a thread that is not the loop's every sync method works, and several threads may call at
    once.
    """
    from concurrent.futures import ThreadPoolExecutor

    store = lab.open()
    _need_sync(lab, store)
    raw: Any = store.raw

    def work(number: int) -> int:
        for n in range(5):
            raw.put(D, f"t{number}-{n}", {"n": n})
            raw.put(D, "shared", {"by": number})
        raw.delete(D, f"t{number}-0")
        raw.batch([PutOp(("e",), f"t{number}", {"n": number}), GetOp(D, "shared")])
        found = raw.search(D, filter={"n": 3})
        item = raw.get(D, f"t{number}-4")
        return len(found) and len(item.value) + len(raw.list_namespaces())

    pool = ThreadPoolExecutor(4)
    try:
        futures = [pool.submit(work, n) for n in range(4)]
        for future in futures:
            answer = store.timed("sync calls in a thread", partial(future.result, 60))
            lab.true(answer, "each thread reads what it wrote", got=answer)
    finally:
        pool.shutdown(wait=False)

    expected = sorted(["shared", *(f"t{t}-{n}" for t in range(4) for n in range(1, 5))])
    lab.equal(store.keys(D), expected, "all writes of the threads, seen through the async API")
    lab.equal(store.keys(("e",)), [f"t{n}" for n in range(4)], "the writes in batches")


@case("O18", needs=(Capability.ASYNC,), modes=(Mode.ASYNC,), waits=True)
def test_closing_leaves_no_pending_task(lab: Lab) -> None:
    """
    When the async context is left no task of the store is pending in the loop.

    If this fails, look for a background task that nobody cancels or awaits on the way out.
    """
    before = set(lab.loop_thread.pending())
    store = lab.open()
    store.put(D, "k", {"n": 1})
    store.search(D)

    async def together(raw: Any) -> None:
        await asyncio.gather(*(raw.aput(D, f"k{n}", {"n": n}) for n in range(5)), raw.aget(D, "k"))

    store.run(together)
    held = store.raw  # as an application's own name would: what a finalizer ends is not ended yet
    store.close()

    left = _left(lab, before)
    del held
    lab.equal(left, [], "the tasks that are pending after the store was closed")


@case("O18", needs=(Capability.ASYNC, Capability.TTL), modes=(Mode.ASYNC,), waits=True)
def test_closing_ends_the_sweeper(lab: Lab) -> None:
    """
    A sweeper that still runs is ended by leaving the context.
    """
    before = set(lab.loop_thread.pending())
    store = expiring(lab, default_ttl=10.0, sweep_interval_minutes=5)
    if not hasattr(store.raw, "start_ttl_sweeper"):
        lab.unsupported("has no sweeper")
    store.put(D, "k", {"n": 1})
    known = _names(lab.loop_thread.pending())
    start(lab, store)
    store.close()

    left = [t for t in _left(lab, before) if _name(t) not in known]
    lab.equal(left, [], "the tasks of the sweeper that are pending after the store was closed")


def _name(task: str) -> str:
    """The coroutine of a task by its representation."""
    return task.split("coro=<")[-1].split(">")[0].split(" running")[0].split(" done")[0]


def _names(tasks: list[str]) -> set[str]:
    return {_name(t) for t in tasks}


def _left(lab: Lab, before: set[str]) -> list[str]:
    """The tasks that are pending and were not before; gives them a little time to end."""
    known = _names(sorted(before))
    end = time.monotonic() + 1.5
    while True:
        late = time.monotonic() > end  # before the look: a slow machine gets one more
        left = [t for t in lab.loop_thread.pending() if _name(t) not in known]
        if not left or late:
            return left
        lab.sleep(0.02)
