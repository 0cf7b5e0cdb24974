"""
O9 at every moment: wherever a call is cancelled, the store works on.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab

ASYNC = (Capability.ASYNC,)
D = ("d",)
TURNS = 8
"""Moments that lie so many turns of the loop behind the beginning of a call."""
PARTS = 8
"""Moments that lie between the beginning of a call and its usual end."""
PATIENCE = 20.0
"""Seconds after which a call that should come back has not."""
TRIES = 4
"""Calls after a cancelled one: an error of the first may be the last that is seen of it."""
PAUSE = 0.1

Call = Callable[[Any], Any]


CALLS: dict[str, Call] = {
    "batch": lambda raw: raw.abatch([GetOp(D, "k"), SearchOp(D), PutOp(D, "k", {"n": 2})]),
    "put": lambda raw: raw.aput(D, "k", {"n": 3}),
    "search": lambda raw: raw.asearch(D, filter={"n": 1}),
    "sweep": lambda raw: raw.sweep_ttl(),
}


async def _timed(raw: Any, call: Call) -> float:
    """The seconds of one whole call."""
    begin = time.monotonic()
    await asyncio.wait_for(call(raw), PATIENCE)
    return time.monotonic() - begin


async def _cancelled(raw: Any, call: Call, moment: int, whole: float) -> bool:
    """Cancel a call at that moment of its life; whether it came to an end."""
    task = asyncio.ensure_future(call(raw))
    if moment < TURNS:
        for _ in range(moment):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep(whole * (moment - TURNS) / PARTS)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=PATIENCE)
    return bool(done)


async def _used(raw: Any, n: int) -> tuple[Any, BaseException | None]:
    """What a put and two gets find after a cancelled call, and the error if they raise again and again."""
    last: BaseException | None = None
    for _ in range(TRIES):
        try:
            await asyncio.wait_for(raw.aput(D, "after", {"n": n}), PATIENCE)
            (item,) = await asyncio.wait_for(raw.abatch([GetOp(D, "after")]), PATIENCE)
            return await asyncio.wait_for(raw.aget(D, "after"), PATIENCE) and item, None
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - told by the check
            last = error
            await asyncio.sleep(PAUSE)
    return None, last


@case("O9", needs=ASYNC, modes=(Mode.ASYNC,), params=CALLS, seconds=120)
def test_a_call_cancelled_at_any_moment_leaves_a_store_that_works(lab: Lab, call: Call) -> None:
    """
    Whether a call has just begun, waits for a lock or for its engine: after its cancellation other calls work.

    If this fails, look for a transaction that is begun before the ``try`` that ends it, and for a lock or a
    connection that is given back by the last line of a call only.
    """
    ttl = lab.param == "sweep"
    if ttl and not lab.offers(Capability.TTL):
        lab.unsupported("declared: no ttl")
    store = lab.open()
    if ttl and not inspect.iscoroutinefunction(getattr(store.raw, "sweep_ttl", None)):
        lab.unsupported("has no sweep_ttl that can be awaited, so none that can be cancelled")
    store.put(D, "k", {"n": 1})
    store.put(D, "kept", {"n": 1})
    whole = min(store.run(lambda raw: _timed(raw, call)) for _ in range(3))

    for moment in range(TURNS + PARTS):
        ended = store.run(lambda raw, m=moment: _cancelled(raw, call, m, whole))  # type: ignore[misc]
        lab.true(ended, "a cancelled call comes to an end", got="it goes on")
        item, error = store.run(lambda raw, n=moment: _used(raw, n))  # type: ignore[misc]
        lab.true(error is None, "a put and gets after a cancelled call", got=error)
        lab.equal(item and item.value, {"n": moment}, "what was put after a cancelled call")

    lab.equal(store.keys(D), ["after", "k", "kept"], "the items after the cancelled calls")
    lab.equal(store.value(D, "kept"), {"n": 1}, "an item that no cancelled call was about")
