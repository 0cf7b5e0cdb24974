"""
T7 and T8: sweeps, and the sweeper.
"""

from __future__ import annotations

import time
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.expiry import (
    GRACE,
    SOON,
    TTL,
    D,
    expiring,
    grace,
    start,
    stop,
    sweep,
    there,
)
from store_conformance.suite.support.ranking import does_not_match, in_order, matches, unscored

CROWD = 1_100
"""More expired items than engines delete, or take as parameters, at once."""


@case("T7", needs=TTL, waits=True)
def test_a_sweep_deletes_exactly_the_expired_and_counts_them(lab: Lab) -> None:
    """
    ``sweep_ttl`` deletes what has expired, nothing else, and says how many those were.
    """
    store = expiring(lab, refresh_on_read=False)
    if not hasattr(store.raw, "sweep_ttl"):
        lab.unsupported("has no sweep_ttl: the engine expires by itself")
    lab.equal(sweep(store), 0, "the count of a sweep of an empty store")
    expired = [f"dead{n}" for n in range(5)]
    for n, key in enumerate(expired):
        store.put((*D, f"n{n % 2}"), key, {"n": n}, ttl=SOON)
    store.put(D, "long", {"n": 1}, ttl=10)
    store.put(D, "never", {"n": 2})
    store.put(("d", "n1"), "never", {"n": 3})
    store.put(("e",), "dead0", {"n": 4})
    lab.sleep(GRACE)
    seen = len(store.search(D, limit=100, refresh_ttl=False)) - 3

    if lab.offers(Capability.PERSISTENCE):
        store = lab.reopen(store)
    store.put(D, "late", {"n": 4})
    store.delete(D, "late")

    count = sweep(store)

    lab.true(
        count == 5 or (count == 0 and seen == 0),
        "the count of a sweep with five expired items",
        got=count,
        expected=5,
    )
    lab.true(isinstance(count, int), "the count of a sweep is an int", got=type(count).__name__)
    lab.equal(store.keys(()), ["dead0", "long", "never", "never"], "the items after the sweep")
    lab.equal(store.value(("e",), "dead0"), {"n": 4}, "an expired item's key elsewhere")
    spaces = [D, ("d", "n1"), ("e",)]
    lab.equal(sorted(store.list_namespaces()), spaces, "the namespaces after the sweep")
    lab.equal(sweep(store), 0, "the count of a second sweep")


@case("T7", needs=(*TTL, Capability.PERSISTENCE, Capability.PROCESSES), waits=True)
def test_a_sweep_knows_what_another_store_has_written(lab: Lab) -> None:
    """
    Of items that two stores of one place have written in turns, a sweep of either ends those that the last put ends.

    If this fails, look at times to live that a store keeps in its memory.
    """
    one = expiring(lab, refresh_on_read=False)
    if not hasattr(one.raw, "sweep_ttl"):
        lab.unsupported("has no sweep_ttl: the engine expires by itself")
    two = lab.open(at=one.at, ttl=one.ttl)
    for key, first, last in (("longer", SOON, 600.0), ("none", SOON, None), ("soon", 600.0, SOON)):
        one.put(D, f"{key}_1", {"n": 1}, ttl=first)
        two.put(D, f"{key}_2", {"n": 1}, ttl=first)
        two.put(D, f"{key}_1", {"n": 2}, ttl=last)
        one.put(D, f"{key}_2", {"n": 2}, ttl=last)
    lab.sleep(grace(lab))
    for store in (one, two):
        sweep(store)
        left = sorted(i.key for i in store.search(D, limit=20, refresh_ttl=False))
        lab.equal(left, ["longer_1", "longer_2", "none_1", "none_2"], "what a sweep leaves")


@case("T7", needs=TTL, waits=True)
def test_one_sweep_deletes_a_crowd_of_expired_items(lab: Lab) -> None:
    """
    However many have expired, one sweep deletes them all and leaves all others.

    If this fails, look for a limit on the rows of a sweep, or on the parameters of its delete.
    """
    store = expiring(lab, refresh_on_read=False)
    if not hasattr(store.raw, "sweep_ttl"):
        lab.unsupported("has no sweep_ttl: the engine expires by itself")
    ops = [PutOp((*D, f"n{n % 3}"), f"dead{n}", {"n": n}, None, SOON) for n in range(CROWD)]
    lives = [PutOp((*D, f"n{n % 3}"), f"lives{n}", {"n": n}, None, 600.0) for n in range(20)]
    for first in range(0, CROWD, 400):
        store.batch(ops[first : first + 400])
    store.batch(lives)
    lab.sleep(GRACE)

    sweep(store)

    left = {i.key for i in store.walk(D, page=50, refresh_ttl=False)}
    living = {op.key for op in lives}
    lab.equal(len(left - living), 0, f"of {CROWD} expired items those that one sweep left")
    lab.equal(sorted(left & living), sorted(living), "the items whose time has not come")


@case("T7", needs=(Capability.TTL, Capability.VECTORS), waits=True)
def test_a_sweep_removes_the_vectors(lab: Lab) -> None:
    """
    A key that is used again after it was swept is not found by the old text.
    """
    store = expiring(lab, index=lab.index("text"), refresh_on_read=False)
    for key in ("k", "l"):
        store.put(D, key, {"text": "apple"}, ttl=SOON)
    store.put(D, "live", {"text": "apple banana"})
    store.put(D, "same", {"text": "apple"})
    lab.sleep(grace(lab))
    sweep(store)

    in_order(lab, store.ranked(D, "apple"), ["same", "live"], "the ranking after the sweep")
    store.put(D, "k", {"text": "apple"}, index=False)
    unscored(lab, store, D, "apple", "k", "the key was swept, then put with index=False")
    store.put(D, "l", {"text": "cherry"})
    matches(lab, store, D, "cherry", "l", "the key was swept, then put again")
    does_not_match(lab, store, D, "apple", "l", "the old text was swept")


@case("T7", needs=TTL, seconds=60, waits=True)
def test_the_sweeper_runs_between_start_and_stop_only(lab: Lab) -> None:
    """
    Nothing is swept before ``start_ttl_sweeper``, expired items are after it, none after the stop.

    If this fails, look at a sweeper that is started by the constructor, or that a stop does not
    end.
    """
    store = expiring(lab, refresh_on_read=False, sweep_interval_minutes=0.005)
    if not hasattr(store.raw, "start_ttl_sweeper"):
        lab.unsupported("has no sweeper: the engine expires by itself")
    lab.equal(stop(lab, store, 1), True, "a stop when none was started")
    store.put(D, "first", {"n": 1}, ttl=SOON)
    store.put(D, "live", {"n": 2}, ttl=10)
    lab.sleep(GRACE + 0.2)
    shown = there(store, D, ["first"]) == ["first"]
    # A store that hides the expired by itself leaves nothing to see; a count then tells.
    if not shown:
        lab.true(sweep(store) in (0, 1), "the count of a sweep before the sweeper was started")

    start(lab, store, 0.005)
    lab.until(lambda: not there(store, D, ["first"]), 6, "the sweeper has not swept")
    start(lab, store, 0.005)
    lab.equal(stop(lab, store, 5), True, "a stop of the sweeper")
    store.put(D, "second", {"n": 3}, ttl=SOON)
    lab.sleep(GRACE + 0.2)
    if shown:
        lab.equal(there(store, D, ["second"]), ["second"], "an expired item after the stop")
    lab.equal(stop(lab, store), True, "a second stop")
    lab.equal(there(store, D, ["live"]), ["live"], "an item that has not expired")
    start(lab, store)
    lab.until(
        lambda: not there(store, D, ["second"]),
        6,
        "the sweeper that was started again, with the configured interval, has not swept",
    )
    stop(lab, store, 5)


@case("T7", needs=TTL, waits=True)
def test_the_sweeper_deletes_what_reads_hide(lab: Lab) -> None:
    """
    Where reads hide what has expired the sweeper deletes it all the same, also when it was started again.

    If this fails, look at a stop that is never taken back, and at a sweep that asks as the reads do.
    """
    store = expiring(lab, refresh_on_read=False, omit_expired=True, sweep_interval_minutes=0.005)
    if not (hasattr(store.raw, "start_ttl_sweeper") and hasattr(store.raw, "sweep_ttl")):
        lab.unsupported("has no sweeper: the engine expires by itself")
    if _left_to_sweep(lab, store, "before", GRACE) != 1:
        lab.unsupported(
            "the expired are shown or gone, or the count of a sweep is another (see the other cases)"
        )

    for turn in ("started", "again"):
        start(lab, store, 0.005)
        left = [_left_to_sweep(lab, store, turn, GRACE + 0.7)]
        while left[-1] and len(left) < 4:  # on a busy machine the sweeper comes late
            left.append(_left_to_sweep(lab, store, turn, GRACE + 2 ** len(left)))
        lab.equal(left[-1], 0, f"what the sweeper left to a sweep by hand, {turn}")
        lab.equal(stop(lab, store, 5), True, "a stop of the sweeper")


def _left_to_sweep(lab: Lab, store: Subject, key: str, seconds: float) -> Any:
    """Put an item that expires, and give how many a sweep finds that long after; ``None`` where it was shown."""
    store.put(D, key, {"n": 1}, ttl=SOON)
    lab.sleep(seconds)
    shown = bool(there(store, D, [key]))
    count = sweep(store)
    return None if shown or isinstance(count, bool) else count


@case("T8", needs=TTL, waits=True)
def test_nothing_is_swept_early_and_nothing_of_zero_lasts(lab: Lab) -> None:
    """
    Sweeps before the time delete nothing; a ttl of zero or below means expired already, or is
    refused.
    """
    store = expiring(lab, refresh_on_read=False)
    begin = time.monotonic()
    longer = {"one": 0.05, "two": 0.1, "three": 60.0, "four": 100_000.0}
    for key, ttl in longer.items():
        store.put(D, key, {"n": 1}, ttl=ttl)
    expired: list[str] = []
    for ttl in (0, 0.0, -1, -0.5):
        refused = lab.attempt(lambda ttl=ttl: store.put(D, f"ttl{ttl}", {"n": 2}, ttl=ttl))  # type: ignore[misc]
        expired += [] if refused else [f"ttl{ttl}"]
    lab.observe("ttl.zero_or_below", f"{len(expired)} of 4 accepted")

    while True:
        sweep(store)
        left, alive = there(store, D, expired), there(store, D, list(longer))
        spent = time.monotonic() - begin
        if spent < 1.9:
            lab.equal(
                alive, list(longer), f"items with seconds to live, after {spent:.1f} s of sweeps"
            )
        if spent > 1.4 and (not left or spent > max(3.0, grace(lab))):
            break
        lab.sleep(0.2)
    lab.equal(left, [], "items with a ttl of zero or below, a second later")


@case("T8", needs=TTL, waits=True)
def test_a_read_makes_nothing_of_zero_last(lab: Lab) -> None:
    """
    A read that refreshes gives an item its own ttl again: one of zero or below has expired after it, too.

    If this fails, look at the end that a refresh reckons from a negative ttl: nothing instead of a time?
    """
    store = expiring(lab, refresh_on_read=True)
    taken: list[str] = []
    for n, ttl in enumerate((0, -1, -0.5, -525_600)):
        refused = lab.attempt(lambda k=f"k{n}", t=ttl: store.put(D, k, {"n": 1}, ttl=t))  # type: ignore[misc]
        taken += [] if refused else [f"k{n}"]
    if not taken:
        lab.unsupported("a ttl of zero or below is refused")
    for key in taken:
        store.get(D, key, refresh_ttl=True)
    store.search(D, refresh_ttl=True)
    store.batch([GetOp(D, key, refresh_ttl=True) for key in taken])

    def gone() -> bool:
        sweep(store)
        return not there(store, D, taken)

    if not lab.attempt_until(gone, max(2 * GRACE, grace(lab)), every=0.1):
        left = there(store, D, taken)
        lab.equal(left, [], "items with a ttl of zero or below, seconds after they were read")
