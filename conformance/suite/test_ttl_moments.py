"""
T7 and T8: the moment at which an item expires, and who may take it away then.
"""

from __future__ import annotations

import time

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.expiry import (
    GRACE,
    SOON,
    TTL,
    D,
    expiring,
    start,
    stop,
    sweep,
    there,
)

LIFE = 2.4
"""Seconds that each item lives."""
NEAR = 0.05
"""Seconds by which clocks may be rounded."""
OFTEN = 0.0001
"""Minutes between the sweeps of a sweeper that is to meet calls: a few milliseconds."""


@case("T7", needs=TTL, waits=True)
def test_the_expired_wait_for_a_sweep(lab: Lab) -> None:
    """
    Where sweeps delete what has expired, nothing else does while no sweeper was started.

    A ``sweep_interval_minutes`` may start one ("the store will periodically delete expired items"), so none is given.

    If this fails, look for a sweeper that the constructor or ``setup`` starts, or for other calls that
    clean up.
    """
    store = expiring(lab, refresh_on_read=False)
    if not hasattr(store.raw, "sweep_ttl"):
        lab.unsupported("has no sweep_ttl: the engine expires by itself")
    counted = 0
    for n in range(4):
        store.put(D, f"first{n}", {"n": n}, ttl=SOON)
        counted += sweep(store)
    begin = time.monotonic()
    while time.monotonic() - begin < GRACE:
        counted += sweep(store)
        lab.sleep(0.02)
    if not counted:
        lab.unsupported("sweeps find nothing to delete: the engine expires by itself")

    for n in range(3):
        store.put(D, f"later{n}", {"n": n}, ttl=SOON)
    lab.sleep(GRACE + 0.2)
    store.put(("e",), "other", {"n": 0})

    lab.equal(sweep(store), 3, "the count of the first sweep after three items expired")


@case("T7", needs=TTL, waits=True)
def test_the_sweeper_sweeps_time_after_time(lab: Lab) -> None:
    """
    A sweeper that was started once deletes what expires in its first rounds and what expires later.
    """
    store = expiring(lab, refresh_on_read=False, sweep_interval_minutes=0.005)
    if not hasattr(store.raw, "start_ttl_sweeper"):
        lab.unsupported("has no sweeper: the engine expires by itself")
    start(lab, store, 0.005)
    for n in range(2):
        store.put(D, f"k{n}", {"n": n}, ttl=SOON)
        lab.until(
            lambda n=n: not there(store, D, [f"k{n}"]),  # type: ignore[misc]
            6,
            f"the sweeper has not swept item {n + 1}, which expired after it was started,",
        )
    lab.equal(stop(lab, store, 5), True, "a stop of the sweeper")


@case("T7", needs=TTL, waits=True)
def test_the_sweeper_and_the_calls_beside_it_leave_each_other_alone(lab: Lab) -> None:
    """
    While the sweeper sweeps every few milliseconds puts and gets work as ever, and so does the sweeper.

    If this fails, look at a connection that the sweeper's thread uses without the lock of the calls.
    """
    store = expiring(lab, refresh_on_read=False, sweep_interval_minutes=OFTEN)
    if not hasattr(store.raw, "start_ttl_sweeper"):
        lab.unsupported("has no sweeper: the engine expires by itself")
    start(lab, store, OFTEN)
    try:
        _work_beside(lab, store)
    except BaseException:
        # A sweeper that is left to itself goes on against a store that is closed or broken.
        lab.attempt(lambda: stop(lab, store, 5))
        raise
    lab.equal(stop(lab, store, 5), True, "a stop of the sweeper")


def _work_beside(lab: Lab, store: Subject) -> None:
    begin = time.monotonic()
    count = 0
    while count < 20 or time.monotonic() - begin < 1:
        store.put(D, f"k{count % 10}", {"n": count})
        lab.equal(store.value(D, f"k{count % 10}"), {"n": count}, "the value just put")
        count += 1

    lab.equal(len(store.keys(D)), 10, "the number of items put beside the sweeper")
    store.put(D, "soon", {"n": 1}, ttl=SOON)
    lab.until(
        lambda: not there(store, D, ["soon"]), 6, "the sweeper that ran beside calls sweeps no more"
    )


@case("T7", needs=(Capability.TTL, Capability.VECTORS), waits=True)
def test_a_sweep_counts_items_and_not_their_vectors(lab: Lab) -> None:
    """
    Items with several vectors, with one and with none count as one each.
    """
    index = lab.index("text", "more", "list[*]")
    store = expiring(lab, index=index, refresh_on_read=False)
    if not hasattr(store.raw, "sweep_ttl"):
        lab.unsupported("has no sweep_ttl: the engine expires by itself")
    store.put(D, "one", {"text": "apple"}, ttl=SOON)
    store.put(D, "five", {"text": "fig", "more": "kiwi", "list": ["a", "b", "c"]}, ttl=SOON)
    store.put(D, "none", {"text": "apple"}, index=False, ttl=SOON)
    store.put(D, "live", {"text": "apple", "more": "kiwi"})
    lab.sleep(GRACE)
    seen = len(there(store, D, ["one", "five", "none"]))

    count = sweep(store)

    lab.true(
        count == 3 or (count == 0 and seen == 0),
        "the count of a sweep with three expired items",
        got=count,
        expected=3,
    )
    lab.equal(store.keys(D), ["live"], "the items after the sweep")


@case("T8", needs=TTL, waits=True)
def test_no_item_goes_a_moment_early(lab: Lab) -> None:
    """
    An item is there to the last tenth of its time, whatever fraction of a second it was put at.

    If this fails, look for an expiry that is cut to whole seconds: it must be rounded up.
    """
    store = expiring(lab, refresh_on_read=False)
    put_at: dict[str, float] = {}
    for n in range(5):
        put_at[f"k{n}"] = time.monotonic()
        store.put(D, f"k{n}", {"n": n}, ttl=LIFE / 60)
        lab.sleep(0.2)

    while put_at:
        sweep(store)
        for key, begin in list(put_at.items()):
            alive = bool(there(store, D, [key]))
            age = time.monotonic() - begin
            lab.true(
                alive or age > LIFE - NEAR,
                f"an item with {LIFE:g} s to live is gone after {age:.2f} s",
            )
            if age > LIFE - NEAR:
                del put_at[key]
        lab.sleep(0.1)
