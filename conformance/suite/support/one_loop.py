"""
Callers of one event loop at once: their calls over the raw store, bounded, and what they gave or raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from store_conformance.harness.compat import GetOp, PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.answered import answered
from store_conformance.suite.support.embedders import WaitingEmbeddings

D = ("d",)
PATIENCE = 20.0
"""Seconds without any answer after which a call that should come back has not."""


async def settle(*work: Awaitable[Any]) -> list[Any]:
    """What each gave or raised, a cancellation included, as long as there are answers."""
    return await answered(*work, patience=PATIENCE)


def together(lab: Lab, store: Subject, what: str, work: Callable[[Any], Any]) -> Any:
    """Run a coroutine over the raw store in its loop; one that never ends fails the case."""
    try:
        return store.run(work)
    except TimeoutError:
        lab.fail(f"{what}: a call gave no answer within {PATIENCE:g} s")
    except asyncio.TimeoutError:  # its own class before Python 3.11
        lab.fail(f"{what}: a call gave no answer within {PATIENCE:g} s")


def works(lab: Lab, store: Subject, what: str) -> None:
    """The store still takes and gives items, through the loop, in time."""

    async def use(raw: Any) -> Any:
        await asyncio.wait_for(raw.aput(("works",), "k", {"n": 1}), PATIENCE)
        return await asyncio.wait_for(raw.aget(("works",), "k"), PATIENCE)

    item = together(lab, store, f"a put and a get after {what}", use)
    lab.true(item is not None and item.value == {"n": 1}, f"the store works after {what}", got=item)


def ends_with_the_last(
    lab: Lab, embed: WaitingEmbeddings, got: object, last: object, what: str
) -> None:
    """
    Check that the write that was issued last stays, where the calls of a loop have an order at all.

    A store that hands each call to a thread, its texts too, has none: which of them stays is recorded.
    """
    if got != last and not embed.awaited:
        lab.observe("overlap.in_threads", "another write than the last issued stays")
        lab.unsupported("embeds in threads, where calls at once have no order among them")
    lab.equal(got, last, what)


def calls_at_once(lab: Lab, store: Subject, *, cancelled: bool) -> list[Any]:
    """What calls gave or raised beside as many others, which are cancelled at any moment or are not."""
    store.put(D, "k", {"n": 1})

    async def work(raw: Any) -> list[Any]:
        calls: list[Callable[[], Any]] = [
            lambda: raw.aget(D, "k"),
            lambda: raw.asearch(D, limit=3, filter={"n": 1}),
            lambda: raw.alist_namespaces(prefix=D),
            lambda: raw.abatch([GetOp(D, "k"), PutOp(("b",), "k", {"n": 2})]),
            lambda: raw.aput(("e",), "k", {"n": 3}),
        ]
        kept: list[Any] = []
        for turn in range(40):
            tasks = [asyncio.create_task(call()) for call in calls]
            for _ in range(turn % 5):
                await asyncio.sleep(0)
            if turn % 7 == 6:
                await asyncio.sleep(0.002)
            for task in tasks[turn % 2 :: 2] if cancelled else ():
                task.cancel()
            kept += tasks[(turn + 1) % 2 :: 2] if cancelled else tasks
        return await settle(*kept)

    answers: list[Any] = together(lab, store, "calls beside cancelled ones", work)
    return answers
