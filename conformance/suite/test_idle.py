"""
O22: what an open store costs that is asked nothing, and what its calls leave open.
"""

from __future__ import annotations

import time

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.idling import busy_now, used_while_waiting
from store_conformance.harness.lab import Lab
from store_conformance.harness.leftovers import Held, count_held
from store_conformance.harness.subject import Subject

D = ("d",)
WINDOW_SECONDS = 0.5
WINDOWS = 6
"""What a store does on its own once, after its last call, is over in one of so many; what burns does in each."""
STARVED_SECONDS = 1.5 * WINDOW_SECONDS
"""
A look that takes longer is that of a loaded machine: while the one who looks waits for a processor, others may wait
for Python's lock and seem to sleep.  Two such looks say what one says otherwise.
"""
QUIET = 0.04
"""Of one core, if there were one for it alone: two ticks of the system's clock in a window."""
TURNS = 12


def _opened(lab: Lab) -> Subject:
    return lab.open(index=lab.index() if lab.offers(Capability.VECTORS) else None)


def _each_call(lab: Lab, store: Subject, turn: int) -> None:
    """Every kind of call, one that is refused among them."""
    store.put(D, f"k{turn % 3}", {"text": "apple", "n": turn})
    store.get(D, f"k{turn % 3}")
    store.search(D, **({"query": "apple"} if store.index else {}))
    store.search(D, filter={"n": turn})
    store.list_namespaces()
    lab.attempt(lambda: store.put(("a.b",), "k", {"n": 1}))
    store.delete(D, f"k{(turn + 1) % 3}")


@case("O22")
def test_an_idle_store_takes_no_processor_time(lab: Lab) -> None:
    """
    While an open store is asked nothing, no thread, task or process of it works.

    If this fails, look for a loop that waits by asking again and again.
    """
    lab.loop_thread.call(lambda: None)
    others = busy_now(WINDOW_SECONDS / 2)
    store = _opened(lab)
    _each_call(lab, store, 1)
    shares: list[float] = []
    quiet = 0.0
    while len(shares) < WINDOWS and quiet < 1.0:
        begin = time.monotonic()
        used = used_while_waiting(WINDOW_SECONDS)
        starved = time.monotonic() - begin > STARVED_SECONDS
        shares.append(sum(share for who, share in used.items() if who not in others))
        if shares[-1] <= QUIET:
            quiet += 0.5 if starved else 1.0
    store.get(D, "k1")

    lab.observe("idle.cpu", round(min(shares), 3), unit="of a core", windows=len(shares))
    lab.true(
        quiet >= 1.0,
        "an open store that is asked nothing takes no processor time",
        expected=f"at most {QUIET:.0%} of a core",
        got=f"{sorted(shares)[len(shares) // 2]:.0%} of a core, in the middle of {len(shares)} looks",
    )


def _held(lab: Lab) -> Held:
    return count_held(tasks=len(lab.loop_thread.pending()) if lab.mode == Mode.ASYNC else 0)


@case("O22")
def test_calls_leave_nothing_open(lab: Lab) -> None:
    """
    Threads, tasks, files, sockets and processes do not grow with the number of calls.

    If this fails, look for a client, a cursor or a pool that is made anew for each call.
    """
    store = _opened(lab)
    for turn in range(3):  # what is made once, or until a pool is full
        _each_call(lab, store, turn)
    before = _held(lab)
    for turn in range(TURNS):
        _each_call(lab, store, turn)
    leaking: dict[str, int] = {}

    def settled() -> bool:
        nonlocal leaking
        grown = _held(lab).growth_since(before)
        leaking = {kind: more for kind, more in grown.items() if more >= TURNS}
        return not leaking

    if not lab.attempt_until(settled, 2.0):
        kinds = ", ".join(f"{more} {kind}" for kind, more in leaking.items())
        lab.fail(f"{TURNS} turns of calls left {kinds} open", expected={}, got=leaking)
