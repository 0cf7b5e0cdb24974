"""
O9 to O11: callers of the same loop do not harm one another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.embedders import (
    CancelledEmbeddings,
    TroubledEmbeddings,
    WaitingEmbeddings,
)
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.one_loop import (
    D,
    calls_at_once,
    ends_with_the_last,
    settle,
    together,
    works,
)
from store_conformance.suite.support.ranking import does_not_match, matches, unscored

ASYNC = (Capability.ASYNC,)
ASYNC_VECTORS = (Capability.ASYNC, Capability.VECTORS)


def _write_again(lab: Lab, store: Subject, *keys: str) -> None:
    """The keys of cancelled puts can be written."""

    async def write(raw: Any) -> list[Any]:
        return await settle(*(raw.aput(D, key, {"text": "kiwi"}) for key in keys))

    what = "a later put of a key whose put was cancelled"
    lab.equal(together(lab, store, what, write), [None] * len(keys), what)
    for key in keys:
        lab.equal(store.value(D, key), {"text": "kiwi"}, what)


@case("O9", needs=ASYNC, modes=(Mode.ASYNC,), seconds=60)
def test_a_put_cancelled_in_its_own_tick_harms_nobody(lab: Lab) -> None:
    """
    Of several puts of one tick one is cancelled at once: the others are stored.

    If this fails, look for a background task that sets the result of a cancelled future.
    """
    store = lab.open()

    async def work(raw: Any) -> list[Any]:
        before = [asyncio.create_task(raw.aput(D, f"k{n}", {"n": n})) for n in range(3)]
        doomed = asyncio.create_task(raw.aput(D, "doomed", {"n": 0}))
        unborn = asyncio.create_task(raw.aput(D, "unborn", {"n": 0}))
        after = asyncio.create_task(raw.aput(D, "after", {"n": 4}))
        unborn.cancel()
        await asyncio.sleep(0)
        doomed.cancel()
        return await settle(*before, after, doomed, unborn)

    *good, doomed, unborn = together(lab, store, "puts beside a cancelled one", work)

    lab.equal(good, [None] * 4, "what the other puts of the tick gave")
    for n in range(3):
        lab.equal(store.value(D, f"k{n}"), {"n": n}, "a put of the same tick")
    lab.equal(store.value(D, "after"), {"n": 4}, "a later put of the same tick")
    lab.true(
        isinstance(unborn, asyncio.CancelledError), "the cancelled call is cancelled", got=unborn
    )
    lab.equal(store.get(D, "unborn"), None, "the item of a call that was cancelled before it began")
    if doomed is None:
        lab.equal(
            store.value(D, "doomed"), {"n": 0}, "a put that ended before it could be cancelled"
        )
    lab.observe("cancel.same_tick", "executed" if store.get(D, "doomed") else "not executed")
    _write_again(lab, store, "doomed", "unborn")
    works(lab, store, "a cancelled put")


@case("O20", needs=ASYNC, modes=(Mode.ASYNC,), seconds=60)
def test_a_put_cancelled_in_the_queue_is_not_executed(lab: Lab) -> None:
    """
    A store that collects the calls of a tick in a queue leaves out those that are cancelled there.

    If this fails, look at whether the queue's task asks each future before it executes.
    """
    store = lab.open()
    if not hasattr(store.raw, "_aqueue"):
        lab.unsupported("collects no calls in a queue: a call is under way as soon as it is made")

    async def work(raw: Any) -> list[Any]:
        doomed = asyncio.create_task(raw.aput(D, "doomed", {"n": 0}))
        beside = asyncio.create_task(raw.aput(D, "beside", {"n": 1}))
        await asyncio.sleep(0)
        doomed.cancel()
        return await settle(doomed, beside)

    doomed, beside = together(lab, store, "a put beside a cancelled one", work)

    lab.equal(beside, None, "the put beside the cancelled one")
    if doomed is not None:
        lab.equal(
            store.get(D, "doomed"), None, "a put that was cancelled while it was in the queue"
        )


CancelledPuts = tuple[Subject, WaitingEmbeddings, "list[Any] | None"]


def _cancel_while_embedding(lab: Lab) -> CancelledPuts:
    """
    Cancel an overwrite and a first put while the embedder works; what their callers and one beside saw.

    ``None`` where the calls cannot be cancelled, because they block the loop.
    """
    embed = WaitingEmbeddings(patience=2.0)
    store = lab.indexed("text", embed=embed)
    store.put(D, "k", {"text": "apple"})

    async def work(raw: Any) -> list[Any] | None:
        doomed = asyncio.create_task(raw.aput(D, "k", {"text": "gate banana"}))
        fresh = asyncio.create_task(raw.aput(D, "fresh", {"text": "gate cherry"}))
        beside = asyncio.create_task(raw.aput(D, "beside", {"text": "fig"}))
        end = time.monotonic() + 5
        while not embed.entered.is_set() and not doomed.done() and time.monotonic() < end:
            await asyncio.sleep(0.002)
        late = doomed.done() or fresh.done()
        doomed.cancel()
        fresh.cancel()
        await asyncio.sleep(0.02)
        embed.release.set()
        settled = await settle(doomed, fresh, beside)
        await asyncio.sleep(0.1)
        return None if late else settled

    return store, embed, together(lab, store, "a put beside cancelled ones", work)


@case("O20", needs=ASYNC_VECTORS, modes=(Mode.ASYNC,), seconds=60)
def test_a_put_cancelled_while_its_text_is_embedded_is_not_executed(lab: Lab) -> None:
    """
    A put that is cancelled while the embedder is awaited stores nothing, then or later.

    A store that embeds in a thread cannot stop it there: what it does is recorded.  If this fails, look at
    who goes on with an operation whose caller has left.
    """
    store, embed, settled = _cancel_while_embedding(lab)
    if settled is None:
        lab.unsupported("the call cannot be cancelled: it blocks the loop")
    if not embed.awaited:
        lab.observe("cancel.in_thread", "executed" if store.get(D, "fresh") else "not executed")
        lab.unsupported("embeds in a thread, which goes on when its caller has left")
    lab.equal(store.value(D, "k"), {"text": "apple"}, "the item whose overwrite was cancelled")
    lab.equal(store.get(D, "fresh"), None, "the item whose first put was cancelled")
    matches(lab, store, D, "apple", "k", "the vector of the item whose overwrite was cancelled")
    does_not_match(lab, store, D, "banana", "k", "its overwrite was cancelled")


@case("O9", needs=ASYNC_VECTORS, modes=(Mode.ASYNC,), seconds=60)
def test_a_put_cancelled_while_its_text_is_embedded_harms_nobody(lab: Lab) -> None:
    """
    When puts are cancelled while the embedder works, their callers are told, and the store works on.

    If this fails, look at a background task that ends with the call that was cancelled.
    """
    store, _, settled = _cancel_while_embedding(lab)
    if settled is None:
        lab.observe("cancel.embedding", "the call cannot be cancelled: it blocks the loop")
    else:
        kinds = {type(r).__name__ for r in settled[:2] if r is not None}
        lab.equal(kinds - {"CancelledError"}, set(), "what the cancelled callers see")
        lab.equal(settled[2], None, "what the caller of the same tick sees")
    matches(lab, store, D, "fig", "beside", "the put of the same tick")
    _write_again(lab, store, "k", "fresh")
    works(lab, store, "a put that was cancelled while its text was embedded")


@case("O9", needs=ASYNC_VECTORS, modes=(Mode.ASYNC,), seconds=60)
def test_a_query_that_times_out_blocks_nobody(lab: Lab) -> None:
    """
    A search that is given up while its query is embedded leaves the store usable.
    """
    embed = WaitingEmbeddings(patience=2.0)
    store = lab.indexed("text", embed=embed)
    store.put(D, "k", {"text": "apple"})

    async def work(raw: Any) -> list[Any]:
        given_up = asyncio.wait_for(raw.asearch(D, query="gate"), 0.05)
        settled = await settle(given_up, asyncio.wait_for(raw.asearch(D, query="gate kiwi"), 0.06))
        embed.release.set()
        return [*settled, *await settle(raw.aget(D, "k"), raw.asearch(D, query="apple"))]

    _, _, item, found = together(lab, store, "calls after a search that timed out", work)

    lab.true(
        getattr(item, "value", None) == {"text": "apple"}, "a get after the time-out", got=item
    )
    lab.true(isinstance(found, list) and len(found) == 1, "a search after the time-out", got=found)
    works(lab, store, "a search that timed out")


@case("O9", needs=ASYNC, modes=(Mode.ASYNC,), seconds=60)
def test_many_cancelled_calls_leave_the_others_their_answers(lab: Lab) -> None:
    """
    Reads and writes that are cancelled at any moment take nobody's answer away.

    Whether calls that meet may raise, as where a store asks for another try at a conflict, is O12's.
    """
    store = lab.open()
    answers = calls_at_once(lab, store, cancelled=True)

    wrong = [a for a in answers if isinstance(a, BaseException)]
    if wrong and any(
        isinstance(a, BaseException) for a in calls_at_once(lab, lab.open(), cancelled=False)
    ):
        lab.unverified(f"calls at once raise where none is cancelled, too: {wrong[0]!r}")
    lab.equal([repr(w) for w in wrong[:3]], [], "no call that was left alone raises")
    lab.true(
        all(a.value == {"n": 1} for a in answers if hasattr(a, "value")), "each get has its item"
    )
    works(lab, store, "many cancelled calls")


PROMPT = 1.0
PATIENT = 9.0
"""Seconds for a call: what most stores need hundred times over, and what a busy one may take."""


def _after_a_cancelled_embedder(lab: Lab) -> tuple[Subject, list[Any]]:
    """Whether a put whose embedder is cancelled came back, what it and a later put gave, and the item of the first."""
    store = lab.indexed("text", embed=CancelledEmbeddings())

    async def work(raw: Any) -> list[Any]:
        first = asyncio.create_task(raw.aput(D, "bad", {"text": "trouble"}))
        await asyncio.wait([first], timeout=PROMPT)
        later = asyncio.create_task(raw.aput(D, "good", {"text": "apple"}))
        if not first.done():
            # Is the store slow, or is this call lost?  A call that was made after it tells.
            await asyncio.wait([later], timeout=PATIENT)
            await asyncio.wait([first], timeout=PROMPT)
        answered = first.done()
        first.cancel()
        return [answered, *await settle(first, later, raw.aget(D, "bad"))]

    return store, together(lab, store, "calls after a cancelled embedder", work)


@case("O9", needs=ASYNC_VECTORS, modes=(Mode.ASYNC,), seconds=60, waits=True)
def test_an_embedder_that_is_cancelled_blocks_nobody(lab: Lab) -> None:
    """
    A cancellation that comes out of the embedder ends the call that needed it.

    If this fails, look for a background task that catches Exception only and dies of
    CancelledError.
    """
    _, (answered, *_) = _after_a_cancelled_embedder(lab)

    lab.true(
        answered,
        "the call whose embedding was cancelled comes back before one that was made later",
        got="no answer",
    )


@case("O9", needs=ASYNC_VECTORS, modes=(Mode.ASYNC,), seconds=60, waits=True)
def test_a_store_works_on_after_its_embedder_was_cancelled(lab: Lab) -> None:
    """
    Whatever becomes of a call whose embedder was cancelled, those that are made after it work.

    If this fails, look for a background task that has ended, and that nothing starts again.
    """
    store, (_, bad, put, item) = _after_a_cancelled_embedder(lab)

    lab.equal(put, None, "a put after the cancelled embedder")
    if bad is None:  # a store may embed later: this put was acknowledged; else see O20 and V13
        value = getattr(item, "value", None)
        lab.equal(value, {"text": "trouble"}, "the item of a put that was acknowledged")
    works(lab, store, "a cancelled embedder")


BAD: dict[str, Callable[[Any, tuple[str, ...]], Awaitable[Any]]] = {
    "filter": lambda raw, at: raw.asearch(at, filter={"n": {"$unheard": 1}}),
    "value": lambda raw, at: raw.aput(at, "bad", {"n": object()}),
    "no mapping": lambda raw, at: raw.aput(at, "bad", 7),
    "half a character": lambda raw, at: raw.aput(at, "\ud800", {"n": 9}),
    "nul": lambda raw, at: raw.aput(at, "bad", {"t": "a\x00b"}),
    "namespace": lambda raw, at: raw.aput((*at, "x.y"), "bad", {"n": 1}),
    "embedding": lambda raw, at: raw.aput(at, "bad", {"text": "trouble"}),
    "query": lambda raw, at: raw.asearch(at, query="trouble"),
}


async def _one_tick(
    at: tuple[str, ...],
    theirs: tuple[str, ...],
    place: int,
    bad: Callable[[Any, tuple[str, ...]], Awaitable[Any]],
    raw: Any,
) -> list[Any]:
    """Five calls of one tick in a namespace, and the bad one, in another, at its place among them."""
    calls = [
        raw.aput(at, "one", {"n": 5}),
        raw.aget(at, "old"),
        raw.aput(at, "two", {"n": 2, "text": "banana"}),
        raw.asearch(at, filter={"n": 1}),
        raw.alist_namespaces(prefix=at),
    ]
    calls.insert(place, bad(raw, theirs))
    return await settle(*calls)


@case("O10", needs=ASYNC, modes=(Mode.ASYNC,), params=BAD, seconds=60)
def test_an_error_of_one_caller_is_no_error_of_another(
    lab: Lab, bad: Callable[[Any, tuple[str, ...]], Awaitable[Any]]
) -> None:
    """
    Operations issued in one tick succeed and fail each on its own.

    If this fails, look at how an exception of a joint batch is handed to all of its callers.
    """
    vectors = lab.offers(Capability.VECTORS)
    if not vectors and lab.param in ("embedding", "query"):
        lab.unsupported("declared: no vectors")
    store = lab.indexed("text", embed=TroubledEmbeddings()) if vectors else lab.open()
    for place in (2, 0, 5):
        at, theirs = ("d", f"at{place}"), ("theirs", f"at{place}")
        for one in (at, theirs):
            store.put(one, "old", {"n": 1, "text": "apple"})

        # Elsewhere: what a store makes of a value that it takes and should not is K7's question.
        work = partial(_one_tick, at, theirs, place, bad)
        answers = together(lab, store, "calls beside one that fails", work)
        lab.observe("joint.error", repr(answers.pop(place)))
        raised = [repr(a) for a in answers if isinstance(a, BaseException)]
        lab.equal(raised, [], "the errors of the callers whose operations are fine")
        lab.equal(answers[1] and answers[1].key, "old", "the get of the same tick")
        found = [i.key for i in answers[3]]
        lab.equal(found, ["old"], "the search of the same tick")
        for key, n in (("one", 5), ("two", 2)):
            lab.equal(store.value(at, key)["n"], n, f"the put {key!r} of the same tick")
    works(lab, store, "an operation that failed")


SLOW_APPLE, BANANA = {"text": "slow apple"}, {"text": "banana"}
ORDERS: dict[str, list[dict[str, Any] | None]] = {
    "put over slow put": [SLOW_APPLE, BANANA],
    "delete after slow put": [SLOW_APPLE, None],
    "put over delete over slow put": [SLOW_APPLE, None, BANANA],
    "slow put over put": [{"text": "apple"}, {"text": "slow banana"}],
}


@case(
    "O11",
    needs=ASYNC_VECTORS,
    modes=(Mode.ASYNC,),
    params={"same tick": 0.0, "later": 0.03},
    seconds=60,
)
def test_the_last_issued_write_of_a_key_wins(lab: Lab, pause: float) -> None:
    """
    Writes of one key end with the last issued one, however long the text of an earlier one takes.

    Of a store that embeds in threads another outcome is recorded.  If this fails, look at what is awaited between the issue of a write and its execution.
    """
    embed = WaitingEmbeddings(seconds=0.1)
    store = lab.indexed("text", embed=embed)
    for name, writes in ORDERS.items():
        at = ("d", plain(name))
        store.put(at, "k", {"text": "cherry"})

        async def work(raw: Any, at: tuple[str, ...] = at, writes: Any = writes) -> list[Any]:
            tasks = []
            for value in writes:
                call = raw.adelete(at, "k") if value is None else raw.aput(at, "k", value)
                tasks.append(asyncio.create_task(call))
                if pause:
                    await asyncio.sleep(pause)
            return await settle(*tasks)

        answers = together(lab, store, name, work)
        raised = [repr(a) for a in answers if isinstance(a, BaseException)]
        lab.equal(raised, [], f"the errors of {name}")
        _ended_with(lab, store, embed, at, writes[-1])


def _ended_with(
    lab: Lab,
    store: Subject,
    embed: WaitingEmbeddings,
    at: tuple[str, ...],
    value: dict[str, Any] | None,
) -> None:
    item = store.get(at, "k")
    ends_with_the_last(lab, embed, item and item.value, value, f"the item after {at[1]}")
    if value is None:
        unscored(lab, store, at, "apple", "k", f"the last write of {at[1]} is a delete")
    else:
        matches(lab, store, at, value["text"], "k", f"the last write of {at[1]}")
        does_not_match(
            lab, store, at, "apple", "k", f"the write of 'apple' was overtaken in {at[1]}"
        )


@case("O11", needs=ASYNC_VECTORS, modes=(Mode.ASYNC,), seconds=60)
def test_ten_writes_of_a_key_end_with_the_last(lab: Lab) -> None:
    """
    Ten puts of one key, slow and fast in turn, end with the tenth; other keys are not confused.
    """
    embed = WaitingEmbeddings(seconds=0.08)
    store = lab.indexed("text", embed=embed)

    async def work(raw: Any) -> list[Any]:
        tasks = []
        for n in range(10):
            text = f"{'slow ' if n % 2 == 0 else ''}apple*{n + 1} fig"
            tasks.append(asyncio.create_task(raw.aput(D, "k", {"n": n, "text": text})))
            tasks.append(asyncio.create_task(raw.aput(D, f"other{n}", {"n": n, "text": text})))
            await asyncio.sleep(0 if n % 3 else 0.005)
        return await settle(*tasks)

    answers = together(lab, store, "ten puts of one key", work)

    lab.equal(answers, [None] * 20, "what the puts gave")
    last = store.value(D, "k")["n"]
    ends_with_the_last(lab, embed, last, 9, "the number of the put that remains")
    matches(lab, store, D, "apple*10 fig", "k", "the vector of the last put")
    for n in range(10):
        lab.equal(store.value(D, f"other{n}")["n"], n, "a key that was put once")
