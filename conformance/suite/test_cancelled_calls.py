"""
O9 and V13 at every moment: wherever a call is cancelled, the store works on, and no put is there by half.
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
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.ranking import does_not_match, hits, matches
from store_conformance.suite.support.scale import by_cosine

ASYNC = (Capability.ASYNC,)
LASTING_VECTORS = (Capability.ASYNC, Capability.VECTORS, Capability.PERSISTENCE)
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


OTHER = {"apple": "banana", "banana": "apple"}


def _agree(lab: Lab, store: Subject, key: str) -> bool:
    """Whether the vector of an item is that of its text, where scores tell."""
    text = store.value(D, key)["text"]
    best, other = (hits(lab, store, D, word).get(key) for word in (text, OTHER[text]))
    return (best or -2.0) > (other or -2.0)


@case("V13", needs=LASTING_VECTORS, modes=(Mode.ASYNC,), seconds=120)
def test_a_put_cancelled_at_any_moment_is_there_wholly_or_not_at_all(lab: Lab) -> None:
    """
    After an overwrite was cancelled an item has its old value and vector, or the new ones.

    That the store works on is O9's: one that does not is opened anew.  If this fails, look for a transaction that
    is committed on the way out whatever happened in it.
    """
    store = lab.indexed("text")

    def overwrite(raw: Any, key: str) -> Any:
        return raw.abatch([PutOp(D, key, {"text": "banana"})])

    store.put(D, "whole", {"text": "apple"})
    whole = min(store.run(lambda raw: _timed(raw, lambda r: overwrite(r, "whole"))) for _ in "abc")
    for moment in range(TURNS + PARTS):
        key = f"k{moment}"
        store.put(D, key, {"text": "apple"})
        store.run(lambda raw, k=key, m=moment: _cancelled(raw, lambda r: overwrite(r, k), m, whole))  # type: ignore[misc]
        _, error = store.run(lambda raw, n=moment: _used(raw, n))  # type: ignore[misc]
        if error is not None:
            store = lab.reopen(store)
        if by_cosine(lab):  # a thread may go on with what its caller has left
            lab.attempt_until(lambda k=key: _agree(lab, store, k), 2.0)  # type: ignore[misc]

        text = store.value(D, key)["text"]
        matches(lab, store, D, text, key, "an item whose overwrite was cancelled")
        does_not_match(lab, store, D, OTHER[text], key, "its overwrite was cancelled")
