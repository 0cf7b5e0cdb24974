"""
O19: what a store took while it was open is given back when it is closed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from store_conformance.contract import Capability, Location, Mode
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.harness.leftovers import (
    Held,
    count_held,
    describe_growth,
    own_temporary_folder,
)
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.expiry import expiring, start

OPENINGS = 6
"""In a round; a store that opens quickly is opened more often in the first one."""
MOST = 20
SPAN = 0.5
"""Seconds that the openings of the first round may take."""
ROUNDS = 8
"""A pool that all openings share grows until it is full; what grows in every one of so many rounds is a leak."""
WAIT_SECONDS = 2.0
"""How long a store may take after its close to end its threads and processes."""
LOOK_SECONDS = 0.25
"""Between two looks at whether it has."""


def _held(lab: Lab, at: Location, temporary: Path) -> Held:
    tasks = len(lab.loop_thread.pending()) if lab.mode == Mode.ASYNC else 0
    return count_held(tasks, lab.backend.server_connections(at), temporary)


def _use_once(lab: Lab, at: Location, sweeper: bool) -> Subject:
    """Open the location, use what starts things in the background, and close it."""
    index = lab.index() if lab.offers(Capability.VECTORS) else None
    ttl = {"default_ttl": 600.0, "sweep_interval_minutes": 600} if sweeper else None
    store = lab.open(at=at, index=index, ttl=ttl)
    if sweeper:
        start(lab, store)
    for n in range(5):
        store.put(("d",), f"k{n}", {"text": "apple", "n": n})
    store.search(("d",), **({"query": "apple"} if index else {}))
    store.list_namespaces()
    store.close()
    return store


def _leaks(grown: dict[str, int], openings: int) -> dict[str, int]:
    """What grew with every opening of a round."""
    return {kind: more for kind, more in grown.items() if more >= openings - 1}


def _held_after_a_round(
    lab: Lab,
    at: Location,
    temporary: Path,
    before: Held,
    seconds: float,
    openings: int,
    use_once: Callable[[], None],
) -> Held:
    """What is held after some openings, once what ends by itself has had time to end."""
    for _ in range(openings):
        use_once()
    now = before

    def settled() -> bool:
        nonlocal now
        now = _held(lab, at, temporary)
        return not _leaks(now.growth_since(before), openings)

    # Each look collects garbage, in a process that may hold a great deal: few looks.
    lab.attempt_until(settled, seconds, every=LOOK_SECONDS)
    return now


@case("O19", serial=True)
def test_closing_gives_back_what_opening_took(lab: Lab) -> None:
    """
    What a store takes from its process, its server and its machine does not grow with the number of closed openings.

    If this fails, look for a thread pool, a client or a sweeper that close does not end.
    """
    _gives_back(lab, sweeper=False)


@case("O19", needs=(Capability.TTL,), modes=(Mode.SYNC,), serial=True)
def test_closing_ends_a_sweeper_that_was_started(lab: Lab) -> None:
    """
    A sweeper that nobody has stopped ends with its store: it would go on against a connection that is closed.

    That it is no task in the loop of an async store any more is O18's.  If this fails, look for a thread that
    only a finalizer stops, of an object that the thread keeps alive.
    """
    if not hasattr(expiring(lab).raw, "start_ttl_sweeper"):
        lab.unsupported("has no sweeper")
    _gives_back(lab, sweeper=True)


def _gives_back(lab: Lab, *, sweeper: bool) -> None:
    """Check rounds of openings and closings for what grows with each of them."""
    at = lab.location()
    used: list[Subject] = []

    def use_once() -> None:
        used.append(_use_once(lab, at, sweeper))

    with own_temporary_folder() as temporary:
        use_once()  # what is loaded once for the process is not counted
        begin = time.monotonic()
        use_once()
        openings = max(OPENINGS, min(MOST, int(SPAN / (time.monotonic() - begin + 1e-6))))
        leaking: dict[str, int] | None = None
        held = _held(lab, at, temporary)
        rounds = 0
        while leaking is None or (leaking and rounds < ROUNDS):
            rounds += 1
            if rounds > 1:  # it leaks with every opening so far, and fewer tell whether it goes on
                openings = OPENINGS
            # What did not end by itself in the first round is not waited for as long in the next.
            seconds = WAIT_SECONDS if rounds == 1 else LOOK_SECONDS
            before = held
            held = _held_after_a_round(lab, at, temporary, before, seconds, openings, use_once)
            grown = held.growth_since(before)
            leaks = _leaks(grown, openings)
            leaking = {k: n for k, n in leaks.items() if leaking is None or k in leaking}
    if sweeper:
        _stop_sweepers(used)

    left = {kind: grown.get(kind, 0) for kind in held.counts()}
    if not sweeper:
        lab.observe("left.after_close", left, openings=openings, rounds=rounds, held=held.counts())
    if leaking:
        lab.fail(
            f"the last of {rounds} rounds of openings that were closed again left"
            f" {describe_growth(leaking, openings)}",
            expected={},
            got=leaking,
        )


def _stop_sweepers(used: Sequence[Subject]) -> None:
    """
    End the sweepers that the stores' close has left.

    They have been counted by now, and dozens of threads would make every later case of this process slower.
    """

    def stop() -> None:
        for store in used:
            if store.lingers and hasattr(store.raw, "stop_ttl_sweeper"):
                with suppress(Exception):  # the store's own; what it leaves is told already
                    store.raw.stop_ttl_sweeper()

    stopping = threading.Thread(target=stop, name="stop-sweepers", daemon=True)
    stopping.start()
    stopping.join(WAIT_SECONDS)
