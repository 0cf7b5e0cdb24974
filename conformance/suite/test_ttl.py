"""
T1 to T3, T5 and T6: items that expire, and what is seen of them.
"""

from __future__ import annotations

import time

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.text import message_of
from store_conformance.suite.support.expiry import (
    SOON,
    TTL,
    D,
    expiring,
    grace,
    has_ttl,
    in_time,
    not_taken,
    says_ttl,
    shown_or_ended,
    sweep,
    there,
)
from store_conformance.suite.support.ranking import in_order

HALF_A_MINUTE = 32.0
"""Seconds that whole minutes make one of, and seconds make none."""


def _after(lab: Lab, begin: float, seconds: float) -> None:
    lab.sleep(begin + seconds - time.monotonic())


@case("T1")
def test_a_store_without_ttl_half_applies_none(lab: Lab) -> None:
    """
    Where ``supports_ttl`` is False a put with a ttl is refused whole, or stored as one without.

    ``ttl=None`` is taken.  If this fails, look at a check that comes after the write.
    """
    store = lab.open()
    if store.raw.supports_ttl:
        lab.unsupported("supports_ttl is True")
    for n, ttl in enumerate((5, 0.5, 5.0)):
        store.put(D, f"old{n}", {"n": 1})
        for key in (f"new{n}", f"old{n}"):
            before = store.get(D, key)
            refused = lab.attempt(lambda k=key, t=ttl: store.put(D, k, {"n": 2}, ttl=t))  # type: ignore[misc]
            item = store.get(D, key)
            wanted = (before and before.value) if refused else {"n": 2}
            what = "refused" if refused else "taken"
            lab.equal(
                item and item.value, wanted, f"the item after a put with ttl={ttl} was {what}"
            )
    store.put(D, "none", {"n": 3}, ttl=None)
    lab.equal(store.value(D, "none"), {"n": 3}, "a put with ttl=None")


@case("T8")
def test_a_store_without_ttl_refuses_a_ttl(lab: Lab) -> None:
    """
    Where ``supports_ttl`` is False a put with a ttl raises NotImplementedError and stores nothing.

    If this fails in async mode only, look at an ``aput`` that overrides the one that checks.
    """
    store = lab.open()
    if store.raw.supports_ttl:
        lab.unsupported("supports_ttl is True")
    store.put(D, "old", {"n": 1})
    for ttl in (5, 0.5, 0):
        for key in ("new", "old"):
            with lab.refuses(NotImplementedError, f"a put with ttl={ttl}"):
                store.put(D, key, {"n": 2}, ttl=ttl)

    lab.equal(store.keys(D), ["old"], "nothing new is stored")
    lab.equal(store.value(D, "old"), {"n": 1}, "the old value")
    store.put(D, "none", {"n": 3}, ttl=None)
    lab.equal(store.value(D, "none"), {"n": 3}, "a put with ttl=None")


@case("T1", waits=True)
def test_supports_ttl_says_whether_a_ttl_has_an_effect(lab: Lab) -> None:
    """
    ``supports_ttl`` is true where an item with a ttl expires, and false where it does not.

    If this fails in async mode only, look at the order of the base classes: the first that has the
    attribute decides.
    """
    says = says_ttl(lab.open())
    if says and not lab.offers(Capability.TTL):
        lab.unsupported("declared: no ttl")
    if says:
        shown_or_ended(lab)
    lab.equal(
        says, has_ttl(lab), "supports_ttl, where an item with a ttl has (True) or has not an end"
    )


@case("T1")
def test_a_store_without_ttl_refuses_or_ignores_one_in_a_batch(lab: Lab) -> None:
    """
    A ``PutOp`` with a ttl is refused with its whole batch, or stored as if it had none.
    """
    store = lab.open()
    if store.raw.supports_ttl:
        lab.unsupported("supports_ttl is True")
    ops = [PutOp(D, "a", {"n": 1}), PutOp(D, "b", {"n": 2}, None, 5.0), PutOp(D, "c", {"n": 3})]

    refused = lab.attempt(lambda: store.batch(ops))

    expected = [] if refused else ["a", "b", "c"]
    lab.equal(store.keys(D), expected, "either the whole batch is stored or nothing of it")
    lab.observe("ttl.in_batch", f"refused: {refused!r}" if refused else "ignored")


@case("T2", needs=TTL, waits=True)
def test_a_ttl_is_in_minutes_and_may_be_a_fraction(lab: Lab) -> None:
    """
    An item with ttl=0.03 is gone after two to three seconds; one with ttl=1.0 is not.

    If this fails, look at the unit, and for an int where a float is due.
    """
    store = expiring(lab, refresh_on_read=False)
    begin = time.monotonic()
    store.put(D, "short", {"n": 1}, ttl=0.03)
    store.put(D, "minute", {"n": 2}, ttl=1.0)
    store.put(D, "half", {"n": 3}, ttl=0.5)
    store.put(D, "int", {"n": 4}, ttl=1)
    store.put(D, "never", {"n": 5})
    store.put(D, "renewed", {"n": 6}, ttl=10)
    longer = ["minute", "half", "int", "never", "renewed"]
    sweep(store)
    early = there(store, D, ["short", *longer])
    if time.monotonic() - begin < 0.7:
        lab.equal(early, ["short", *longer], "every item right after the puts and a sweep")

    def gone() -> bool:
        sweep(store)
        return not there(store, D, ["short"])

    lab.until(gone, 5.5, "the item with ttl=0.03 (1.8 s) has not expired", every=0.15)
    took = time.monotonic() - begin
    lab.true(took > 0.75, "the item with ttl=0.03 lives for 1.8 s", got=took)
    _after(lab, begin, 2.3)
    sweep(store)
    left, found = there(store, D, longer), store.keys(D, refresh_ttl=False)
    in_time(lab, begin, 0.5)
    lab.equal(left, longer, "longer-lived items after a few seconds")
    lab.equal(found, sorted(longer), "a search after a few seconds")
    begin = time.monotonic()
    store.put(D, "renewed", {"n": 7}, ttl=0.03)
    sweep(store)
    left = there(store, D, ["renewed"])
    if time.monotonic() - begin < 0.7:
        lab.equal(left, ["renewed"], "a ttl counts from the put that gives it")


@case("T2", needs=TTL, waits=True)
def test_a_refresh_gives_a_fraction_of_a_minute_its_time_again(lab: Lab) -> None:
    """
    An item with ttl=0.4 lives on after it was read: a refresh counts in the same minutes.

    If this fails, look for a column of whole minutes from which the refresh reckons.
    """
    store = expiring(lab, refresh_on_read=True)
    keys = ["get", "search", "op"]
    begin = time.monotonic()
    for key in keys:
        store.put(("r", key), key, {"n": 1}, ttl=0.4)
    store.get(("r", "get"), "get", refresh_ttl=True)
    store.search(("r", "search"), refresh_ttl=True)
    store.batch([GetOp(("r", "op"), "op", refresh_ttl=True)])
    lab.sleep(0.05)
    sweep(store)

    left = {key: there(store, ("r", key), [key]) for key in keys}
    in_time(lab, begin, 0.4)
    for key in keys:
        lab.equal(left[key], [key], f"the item with 24 s to live, read by {key}")


@case("T2", needs=TTL, waits=True)
def test_each_put_of_a_batch_has_its_own_ttl(lab: Lab) -> None:
    """
    In a batch each put lives as long as its own ttl says, beside others with another one or none.

    If this fails, look for a statement that writes all rows of a batch with one time.
    """
    store = expiring(lab, refresh_on_read=False)
    lives: dict[str, float | None] = {"soon": SOON, "none": None, "later": 10.0, "also_soon": SOON}
    store.batch([PutOp(D, key, {"n": 1}, None, ttl) for key, ttl in lives.items()])
    store.batch([PutOp(("e",), key, {"n": 1}, None, ttl) for key, ttl in [*lives.items()][::-1]])
    lab.sleep(grace(lab))
    sweep(store)

    for namespace in (D, ("e",)):
        left = there(store, namespace, [*lives])
        lab.equal(left, ["none", "later"], f"the items of a batch of {namespace} whose ttl goes on")


LONG: dict[str, float] = {
    "30 days": 43_200,
    "400 days": 576_000,
    "ten years": 5_259_600,
    "a hundred years": 52_596_000,
}


@case("T2", needs=TTL, params=LONG)
def test_a_long_life_does_not_end_at_once(lab: Lab, minutes: float) -> None:
    """
    An item with days or years to live outlives a sweep, read or not, by its own ttl or by the default.

    If this fails, look at the type in which a time is kept: 32 bits of milliseconds hold 24 days.
    """
    store = expiring(lab, omit_expired=True, default_ttl=minutes)
    error = lab.attempt(lambda: store.put(D, "own", {"n": 1}, ttl=minutes))
    if error is not None:
        named = any(word in message_of(error).lower() for word in ("ttl", "expir", "minute"))
        lab.true(named, "a ttl that is refused is refused by name", got=error)
        lab.unsupported(f"a ttl of {minutes} minutes is refused: {message_of(error, 160)}")
    store.put(D, "default", {"n": 2})
    store.put(D, "overwritten", {"n": 3}, ttl=1)
    store.put(D, "overwritten", {"n": 4}, ttl=minutes)
    sweep(store)

    everything = ["default", "overwritten", "own"]
    lab.equal(store.keys(D, refresh_ttl=False), everything, "the items after a sweep")
    store.get(D, "own", refresh_ttl=True)
    store.search(D, refresh_ttl=True)
    sweep(store)
    lab.equal(store.keys(D), everything, "the items after a refresh and a sweep")


@case("T3", needs=TTL, waits=True)
def test_the_default_ttl_applies_unless_one_is_given(lab: Lab) -> None:
    """
    With ``default_ttl`` a put without ttl expires; ``ttl=None`` and a ``PutOp`` without ttl do not, read or unread.

    If this fails, look at ``ttl_config``, which the store must set.  One that takes no ``TTLConfig`` says so by
    ``--declare no-ttl-config``, or by NotImplementedError when it is opened with one.
    """
    store = expiring(lab, default_ttl=SOON, refresh_on_read=False)
    store.put(D, "default", {"n": 1})
    store.put(D, "none", {"n": 2}, ttl=None)
    store.put(D, "long", {"n": 3}, ttl=10)
    store.batch([PutOp(D, "op_none", {"n": 4}), PutOp(D, "op_long", {"n": 5}, None, 10.0)])
    store.batch([PutOp(D, "op_soon", {"n": 6}, None, SOON)])
    store.put(D, "again", {"n": 7}, ttl=None)
    store.put(D, "again", {"n": 8})
    store.put(D, "freed", {"n": 9})
    store.put(D, "freed", {"n": 10}, ttl=None)
    store.put(D, "shorter", {"n": 11}, ttl=10)
    store.put(D, "shorter", {"n": 12})
    # A refresh prolongs the time that an item has, and gives none to one without.
    store.get(D, "none", refresh_ttl=True)
    store.search(D, limit=20, refresh_ttl=True)
    lab.sleep(grace(lab))
    sweep(store)

    stays = ["none", "long", "op_none", "op_long", "freed"]
    goes = ["default", "op_soon", "again", "shorter"]
    lab.equal(there(store, D, stays), stays, "items with ttl=None or a longer one")
    what = f"items put with the default, or last put with it{not_taken(store)}"
    lab.equal(there(store, D, goes), [], what)


@case("T3", needs=(*TTL, Capability.PERSISTENCE), waits=True)
def test_the_default_ttl_is_that_of_the_opening(lab: Lab) -> None:
    """
    A store that is opened again with another ``default_ttl``, or with none, goes by that one from then on.

    What was put before keeps the time that it had.  If this fails, look for a configuration that is written down
    with the tables, or a rule of the engine that is made once.
    """
    store = expiring(lab, default_ttl=600.0, refresh_on_read=False)
    store.put(D, "long", {"n": 1})
    store = lab.reopen(store, ttl={"default_ttl": SOON, "refresh_on_read": False})
    store.put(D, "soon", {"n": 2})
    store = lab.reopen(store, ttl={"refresh_on_read": False})
    store.put(D, "never", {"n": 3})
    lab.sleep(grace(lab))
    sweep(store)

    stays = ["long", "never"]
    lab.equal(there(store, D, stays), stays, "items put with a long default, or with none")
    what = f"the item put after an opening with a short default{not_taken(store)}"
    lab.equal(there(store, D, ["soon"]), [], what)


@case("T3", needs=TTL, params={"shown": False, "hidden": True}, waits=True)
def test_an_item_that_is_put_after_its_end_has_a_new_life(lab: Lab, omit: bool) -> None:
    """
    A put over an item that has expired, and was not swept yet, has the ttl of that put and no other.

    If this fails, look for an upsert that keeps the old expiry, or fills a row that the next sweep deletes.
    """
    store = expiring(lab, refresh_on_read=False, omit_expired=omit)
    lives = {"none": None, "long": 600.0}
    for key in (*lives, "batch"):
        store.put(D, key, {"n": 1}, ttl=SOON)
    lab.sleep(grace(lab))
    for key, ttl in lives.items():
        store.put(D, key, {"n": 2}, ttl=ttl)
    store.batch([PutOp(D, "batch", {"n": 2})])

    keys = [*lives, "batch"]
    lab.equal(there(store, D, keys), keys, "items that were put again after their end")
    sweep(store)
    lab.equal(there(store, D, keys), keys, "the same after a sweep")
    values = [store.fetch(D, key, refresh_ttl=False).value for key in keys]
    lab.equal(values, [{"n": 2}] * 3, "their values")


@case("T3", needs=TTL, waits=True)
def test_an_overwrite_decides_about_the_ttl_anew(lab: Lab) -> None:
    """
    Without a default an overwrite without ttl makes the item live on; the last put decides.

    If this fails, look for an upsert that keeps the old expiry when none is given, and at a put of an equal
    value that is passed over.
    """
    store = expiring(lab, refresh_on_read=False)
    for key in ("plain", "none", "batched", "deleted"):
        store.put(D, key, {"n": 1}, ttl=SOON)
    for key, ttl in (("equal", SOON), ("equal-limited", None)):
        store.put(D, key, {"n": 2}, ttl=ttl)
    store.put(D, "plain", {"n": 2})
    store.put(D, "none", {"n": 2}, ttl=None)
    store.batch([PutOp(D, "batched", {"n": 2})])
    store.delete(D, "deleted")
    store.put(D, "deleted", {"n": 2})
    store.put(D, "equal", {"n": 2})
    store.put(D, "equal-limited", {"n": 2}, ttl=SOON)
    store.put(D, "limited", {"n": 1})
    store.put(D, "limited", {"n": 2}, ttl=SOON)
    store.put(D, "shortened", {"n": 1}, ttl=10)
    store.put(D, "shortened", {"n": 2}, ttl=SOON)
    twice = [
        *(PutOp(D, "won", {"n": 1}, None, SOON), PutOp(D, "won", {"n": 2})),
        *(PutOp(D, "lost", {"n": 1}), PutOp(D, "lost", {"n": 2}, None, SOON)),
    ]
    refused = lab.attempt(
        lambda: store.batch(twice)
    )  # whether a key may be in a batch twice is O3's
    lab.sleep(grace(lab))
    sweep(store)

    stays = ["plain", "none", "batched", "deleted", "equal", *(["won"] if refused is None else [])]
    goes = ["limited", "equal-limited", "shortened", "lost"]
    lab.equal(there(store, D, stays), stays, "items whose last put had no ttl")
    lab.equal([store.value(D, key)["n"] for key in stays], [2] * len(stays), "their values")
    lab.equal(there(store, D, goes), [], "items whose last put had a short ttl")


@case("T5", needs=TTL, waits=True)
def test_omit_expired_hides_what_has_expired(lab: Lab) -> None:
    """
    With ``omit_expired`` expired items are in no answer, before any sweep.

    If this fails, look at whether every kind of read has the condition.  A store without the option says so by an
    error that names it when it is opened with one.
    """
    store = expiring(lab, omit_expired=True)
    for n in range(6):
        ttl = SOON if n % 2 else 10
        store.put(D, f"k{n}", {"n": n, "odd": n % 2}, ttl=ttl)
        store.get(D, f"k{n}", refresh_ttl=False)  # what was read may be held in memory
    store.put(("dead", "only"), "k", {"n": 1}, ttl=SOON)
    store.search(("dead",), refresh_ttl=False)
    store.put(("live",), "k", {"n": 2})
    store.list_namespaces()
    lab.sleep(grace(lab))

    live = ["k0", "k2", "k4"]
    lab.equal(store.keys(D), live, "a search")
    lab.equal(
        store.keys(D, filter={"odd": 1}), [], "a search with a filter that only expired ones match"
    )
    lab.equal(len(store.search(D, limit=3)), 3, "a search with the limit of the living")
    lab.equal([store.get(D, f"k{n}") for n in (1, 3, 5)], [None] * 3, "gets of expired items")
    lab.equal(
        store.batch([GetOp(D, "k1"), GetOp(("dead", "only"), "k")]), [None, None], "gets in a batch"
    )
    lab.equal(sorted(store.list_namespaces()), [D, ("live",)], "the namespaces")
    lab.equal(
        store.list_namespaces(max_depth=1, prefix=("dead",)), [], "a prefix with expired ones only"
    )
    lab.equal(there(store, D, live), live, "gets of living items")


@case("T5", needs=TTL, waits=True, seconds=120)
def test_a_refresh_does_not_revive_what_lived_for_half_a_minute(lab: Lab) -> None:
    """
    Reading what has expired brings it back no more where a store counts in whole minutes, which would give it one.

    If this fails, look at a refresh that is executed before the expired are left out.
    """
    store = expiring(lab, omit_expired=True, refresh_on_read=True)
    store.put(D, "live", {"n": 0})
    for key in ("a", "b", "c"):
        store.put(D, key, {"n": 1}, ttl=HALF_A_MINUTE / 60)
    lab.sleep(HALF_A_MINUTE + grace(lab))
    store.get(D, "a", refresh_ttl=True)
    store.batch([GetOp(D, "b", refresh_ttl=True), SearchOp(D, refresh_ttl=True)])
    store.search(D, refresh_ttl=True)

    lab.equal(
        [store.get(D, key) for key in "abc"], [None] * 3, "expired items after reads that refresh"
    )
    lab.equal(store.keys(D), ["live"], "a search after reads that refresh")


@case("T5", needs=TTL, waits=True)
def test_a_refresh_does_not_revive_what_is_omitted(lab: Lab) -> None:
    """
    Reading an expired item, with ``refresh_ttl=True`` too, does not bring it back.

    If this fails, look at a refresh that is executed before the expired are left out.
    """
    store = expiring(lab, omit_expired=True, refresh_on_read=True)
    store.put(D, "live", {"n": 0})
    for key in ("a", "b", "c"):
        store.put(D, key, {"n": 1}, ttl=SOON)
    lab.sleep(grace(lab))
    store.get(D, "a", refresh_ttl=True)
    store.get(D, "a")
    store.search(D, refresh_ttl=True)
    store.batch([GetOp(D, "b", refresh_ttl=True), SearchOp(D, refresh_ttl=True)])

    lab.equal(store.get(D, "a"), None, "an expired item after a get that refreshes")
    lab.equal(store.get(D, "b"), None, "an expired item after a batch that refreshes")
    lab.equal(store.keys(D), ["live"], "a search after searches that refresh")
    store.put(D, "c", {"n": 2})
    lab.equal(store.value(D, "c"), {"n": 2}, "an expired item that was put again")
    sweep(store)
    lab.equal(store.keys(D), ["c", "live"], "a search after a sweep")


@case("T5", needs=(Capability.TTL, Capability.VECTORS), waits=True)
def test_omit_expired_hides_from_semantic_search_too(lab: Lab) -> None:
    """
    Expired items are not ranked, and do not take the place of living ones.
    """
    store = expiring(lab, index=lab.index("text"), omit_expired=True)
    store.put(D, "dead", {"text": "apple"}, ttl=SOON)
    store.put(D, "live", {"text": "apple banana"})
    store.put(D, "other", {"text": "apple cherry*3"})
    lab.sleep(grace(lab))

    in_order(lab, store.ranked(D, "apple"), ["live", "other"], "the ranking")
    in_order(lab, store.ranked(D, "apple", limit=1), ["live", "other"], "the best one", limit=1)
    in_order(
        lab, store.ranked(D, "apple", refresh_ttl=True), ["live", "other"], "the ranking once more"
    )


@case("T6", needs=TTL, waits=True)
def test_what_is_seen_of_expired_items_before_the_sweep(lab: Lab) -> None:
    """
    Without ``omit_expired`` it is the store's choice whether expired items are seen, and revived.
    """
    store = expiring(lab)
    store.put(D, "k", {"n": 1}, ttl=SOON)
    lab.sleep(grace(lab))

    seen = bool(there(store, D, ["k"]))
    lab.observe("ttl.expired_visible", seen)
    if seen:
        store.get(D, "k", refresh_ttl=True)
        swept = sweep(store)
        lab.observe("ttl.expired_revived", bool(there(store, D, ["k"])), swept=swept)
