"""
O8 from a second event loop: a store that answers there answers there, too, while calls of the first loop wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.harness.loops import LoopThread
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.answered import answered
from store_conformance.suite.support.embedders import WaitingEmbeddings

D = ("d",)
PATIENCE = 10.0
"""Seconds without any answer after which a call from the second loop has none."""
CALLERS = 8
ROUNDS = 3

Work = Callable[[Any], Any]


def _begin(second: LoopThread, work: Work, raw: Any) -> Future[Any]:
    """Begin the work in the second loop."""
    return asyncio.run_coroutine_threadsafe(work(raw), second.loop)


def _callers(side: str) -> Work:
    """Several callers at once in one loop: each puts an item and reads it, round by round."""
    made: list[str] = []

    async def one(raw: Any, me: int) -> None:
        for n in range(ROUNDS):
            key, value = f"{side}{me}-{n}", {"text": f"slow banana*{me + 1}", "n": n}
            await raw.aput(D, key, value)
            made.append(key)
            item = await raw.aget(D, key)
            made.append(key)
            if item is None or item.value != value:
                raise AssertionError(f"a caller of the {side} loop reads {item!r} after its put")

    async def all_of_them(raw: Any) -> list[str]:
        calls = [one(raw, me) for me in range(CALLERS)]
        try:
            answers = await answered(*calls, patience=PATIENCE, made=lambda: len(made))
        except asyncio.TimeoutError:
            return [f"the calls of the {side} loop had no answer within {PATIENCE:g} s"]
        return [repr(a) for a in answers if a is not None]

    return all_of_them


async def _put_and_get(raw: Any) -> Any:
    """What a second loop asks while the first asks nothing."""
    await asyncio.wait_for(raw.aput(D, "abroad", {"text": "apple"}), PATIENCE)
    return await asyncio.wait_for(raw.aget(D, "abroad"), PATIENCE)


@case(
    "O8",
    needs=(Capability.ASYNC, Capability.THREADS),
    modes=(Mode.ASYNC,),
    params={"plain": False, "embedding": True},
    seconds=50,
)
def test_a_second_loop_is_answered_while_calls_of_the_first_wait(lab: Lab, indexed: bool) -> None:
    """
    A store that answers in a second event loop does so, too, while callers of the first one wait; both lose nothing.

    A store that is bound to its loop may refuse the second one, and works on in its own.  If this fails, look for
    an ``asyncio`` lock, queue or task of the store that belongs to the loop in which it was first waited for.
    """
    if indexed and not lab.offers(Capability.VECTORS):
        lab.unsupported("declared: no vectors")
    embed = WaitingEmbeddings(seconds=0.03)
    store = lab.indexed("text", embed=embed) if indexed else lab.open()
    store.put(D, "first", {"text": "apple"})
    second = LoopThread()
    try:
        alone = lab.attempt(
            lambda: store.timed(
                "aput and aget in a second loop",
                lambda: _begin(second, _put_and_get, store.raw).result(2 * PATIENCE + 5),
            )
        )
        lab.observe("second_loop", "works" if alone is None else type(alone).__name__)
        if alone is None:
            _both_at_once(lab, store, second)
    finally:
        second.close()
    store.put(D, "last", {"text": "apple"})
    lab.equal(store.value(D, "last"), {"text": "apple"}, "an item of the first loop afterwards")


def _both_at_once(lab: Lab, store: Subject, second: LoopThread) -> None:
    """Callers of both loops put and read their own items at the same time."""
    begun = _begin(second, _callers("second"), store.raw)
    home = store.run(_callers("first"))
    abroad = store.timed("calls of a second loop", begun.result)

    lab.equal(
        abroad[:3], [], "what the calls of a second loop raised while calls of the first wait"
    )
    lab.equal(home[:3], [], "what the calls of the first loop raised beside those of a second")
    expected = [
        f"{side}{me}-{n}"
        for side in ("first", "second")
        for me in range(CALLERS)
        for n in range(ROUNDS)
    ]
    found = set(store.keys(D))
    lab.equal([key for key in expected if key not in found], [], "items of two loops that are lost")
