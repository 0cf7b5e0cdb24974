"""
O24 to O26: what the contract leaves open where callers are at work at once, in figures.  None of them is a failure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.contract.observations import CounterFacts, DelayFacts, LookFacts
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.callers import (
    Answer,
    Ask,
    Scripts,
    Together,
    eager_threads,
    value_in,
)
from store_conformance.suite.support.overlap import raised, threaded

# -- O24 --------------------------------------------------------------------------------------------

PUTS = 30
SPAN = 2.0
"""Seconds after which no new put, batch or round begins."""
LONGEST = 5.0
"""Seconds after which a put that no search shows is given up."""

SEARCHES: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "filter": {"filter": {"kind": "fruit"}},
    "query": {"query": "apple"},
}


def _seconds_until_seen(
    lab: Lab, store: Subject, key: str, search: Mapping[str, Any]
) -> float | None:
    """From the acknowledgement of the put to the begin of the first search that shows it; 0 for the very first."""
    acknowledged = time.monotonic()
    first = True
    while True:
        begun = time.monotonic()
        if any(item.key == key for item in store.search(("delay", key), limit=100, **search)):
            return 0.0 if first else begun - acknowledged
        if begun - acknowledged > LONGEST:
            return None
        first = False
        lab.sleep(0.001)


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _delays(seconds: Sequence[float | None]) -> DelayFacts:
    seen = sorted(s for s in seconds if s is not None)
    late = sum(s is None or s > 0 for s in seconds)
    figures = (
        [round(_quantile(seen, share) * 1000, 3) for share in (0.5, 0.95, 1.0)]
        if seen
        else [None] * 3
    )
    return DelayFacts(len(seconds), late, len(seconds) - len(seen), *figures)


@case("O24", params={kind: kind for kind in SEARCHES}, seconds=60)
def test_how_long_until_a_search_shows_a_put(lab: Lab, kind: str) -> None:
    """
    How long an acknowledged put takes until a search of its namespace shows it, as a distribution.
    """
    if kind == "query" and not lab.offers(Capability.VECTORS):
        lab.unsupported("declared: no vectors")
    store = lab.indexed("text") if kind == "query" else lab.open()
    end = time.monotonic() + SPAN
    seconds: list[float | None] = []
    while len(seconds) < PUTS and (not seconds or time.monotonic() < end) and None not in seconds:
        key = f"k{len(seconds)}"
        store.put(("delay", key), key, {"text": "apple", "kind": "fruit"})
        with store.not_waited_for():
            seconds.append(_seconds_until_seen(lab, store, key, SEARCHES[kind]))

    facts = _delays(seconds)
    samples = [round(s, 6) for s in seconds if s is not None]
    lab.observe(f"concurrency.delay.{kind}", facts.max_ms, facts, unit="ms", samples=samples)


# -- O25 --------------------------------------------------------------------------------------------

KEYS = tuple(f"k{n}" for n in range(20))
AT = ("batches",)
TURNS = 12
"""Batches of a round."""
ROUNDS = 5
HALF_SPAN = 1.0
"""Seconds after which no new round begins: what is counted here is no failure, and hundreds of looks say how often."""


def _turns(answer: Answer) -> list[Any]:
    """The turn of each key that a look showed."""
    return [value_in(item)["turn"] for item in answer.result if item is not None]


def _half_seen(looks: Sequence[Answer], batches: Sequence[Answer]) -> LookFacts:
    """How many of the looks that met a batch showed two turns."""
    met = [
        look
        for look in looks
        if not look.error and any(look.began < b.ended and b.began < look.ended for b in batches)
    ]
    half = sum(len(set(_turns(look))) > 1 for look in met)
    return LookFacts(looks=len(met), half=half, batches=len(batches))


@case("O25", params={"search": "search", "gets": "gets"}, seconds=60)
def test_whether_a_batch_is_seen_whole(lab: Lab, look: str) -> None:
    """
    How many looks at the keys of a batch, in one call beside it, showed a part of it only.
    """
    store = lab.open()
    together = Together(lab, store, ("writer", "reader", "other"), processes=False)
    store.batch([PutOp(AT, key, {"turn": -1}) for key in KEYS])
    seen = (
        Ask.of("batch", [GetOp(AT, key) for key in KEYS])
        if look == "gets"
        else Ask.of("search", AT, limit=len(KEYS))
    )
    looks: list[Answer] = []
    batches: list[Answer] = []
    end = time.monotonic() + HALF_SPAN
    while not batches or time.monotonic() < end:
        turn = len(batches)
        puts = [
            Ask.of("batch", [PutOp(AT, key, {"turn": turn + n}) for key in KEYS])
            for n in range(TURNS)
        ]
        scripts: Scripts = {
            "writer": puts,
            "reader": [seen] * TURNS * 2,
            "other": [seen] * TURNS * 2,
        }
        answers = together.run(scripts)
        batches += answers["writer"]
        looks += [*answers["reader"], *answers["other"]]
        if len(batches) >= ROUNDS * TURNS:
            break

    facts = _half_seen(looks, batches)
    if not facts.looks:
        lab.unverified(f"no look met one of {len(batches)} batches")
    lab.observe("concurrency.batches", facts.half, facts, look=look)


# -- O26 --------------------------------------------------------------------------------------------

CALLERS, EACH = 4, 25
COUNTER = (("counters",), "c")


def _increments_in_threads(store: Subject, each: int) -> list[Any]:
    def work() -> None:
        for _ in range(each):
            item = store.raw.get(*COUNTER)
            store.raw.put(*COUNTER, {"n": item.value["n"] + 1})  # type: ignore[union-attr]

    with eager_threads():
        answers: list[Any] = store.timed(
            "increments of several threads", lambda: threaded([work] * CALLERS)
        )
    return answers


def _increments_in_tasks(store: Subject, each: int) -> list[Any]:
    async def work(raw: Any) -> None:
        for _ in range(each):
            item = await raw.aget(*COUNTER)
            # As a program does that thinks between the two: other tasks have their turn.
            await asyncio.sleep(0)
            await raw.aput(*COUNTER, {"n": item.value["n"] + 1})

    async def every(raw: Any) -> list[Any]:
        return await asyncio.gather(*(work(raw) for _ in range(CALLERS)), return_exceptions=True)

    answers: list[Any] = store.run(every)
    return answers


@case("O26", seconds=60)
def test_how_many_increments_are_lost(lab: Lab) -> None:
    """
    How many increments by get and put are lost where several callers make them at once.
    """
    if lab.mode == Mode.SYNC and not lab.offers(Capability.THREADS):
        lab.unsupported("declared: no threads")
    store = lab.open()
    store.put(*COUNTER, {"n": 0})
    begin = time.monotonic()
    store.fetch(*COUNTER)
    each = max(4, min(EACH, int(SPAN / (8 * CALLERS * (time.monotonic() - begin + 1e-6)))))
    count: Callable[[Subject, int], list[Any]] = (
        _increments_in_tasks if lab.mode == Mode.ASYNC else _increments_in_threads
    )
    errors = raised(count(store, each))
    if errors:
        lab.unverified(f"a caller's call raised, which O12 judges: {errors[0]}")
    made = CALLERS * each
    lost = made - store.value(*COUNTER)["n"]
    lab.observe("concurrency.counter", lost, CounterFacts(CALLERS, made, lost))
