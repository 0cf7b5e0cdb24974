"""
T1 to T8: items that expire.

Some stores keep time in whole seconds, so every check leaves a second on either side: what should be
gone is looked for a second later, what should be there a second earlier.
"""

from __future__ import annotations

import time
from typing import Any

from conformance.case import case
from conformance.compat import GetOp, PutOp, SearchOp
from conformance.contract import Capability
from conformance.lab import Lab
from conformance.subject import Subject
from conformance.suite._ranking import does_not_match, matches, unscored

TTL = (Capability.TTL,)
D = ("d",)
SOON = 0.002
"""Minutes: an eighth of a second."""
GRACE = 1.25
"""Seconds after which what expires soon has expired, for a clock of whole seconds too."""


def _store(lab: Lab, index: Any = None, **config: Any) -> Subject:
    """A store with this ``TTLConfig``; ends the case where the store says that it has no TTL."""
    store = lab.open(ttl=config, index=index)
    if not store.raw.supports_ttl:
        lab.unsupported("supports_ttl is False")
    return store


def _sweep(store: Subject) -> Any:
    """Sweep where there is something to call: an engine that expires natively needs none."""
    return store.maintenance("sweep_ttl") if hasattr(store.raw, "sweep_ttl") else None


def _there(store: Subject, at: tuple[str, ...], keys: list[str]) -> list[str]:
    """The keys that are still there, looked up without refreshing them."""
    return [key for key in keys if store.get(at, key, refresh_ttl=False) is not None]


def _after(begin: float, seconds: float) -> None:
    time.sleep(max(0.0, begin + seconds - time.monotonic()))


@case("T1")
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


@case("T2", needs=TTL)
def test_a_ttl_is_in_minutes_and_may_be_a_fraction(lab: Lab) -> None:
    """
    An item with ttl=0.03 is gone after two to three seconds; one with ttl=1.0 is not.

    If this fails, look at the unit, and for an int where a float is due.
    """
    store = _store(lab, refresh_on_read=False)
    begin = time.monotonic()
    store.put(D, "short", {"n": 1}, ttl=0.03)
    store.put(D, "minute", {"n": 2}, ttl=1.0)
    store.put(D, "half", {"n": 3}, ttl=0.5)
    store.put(D, "int", {"n": 4}, ttl=1)
    store.put(D, "never", {"n": 5})
    store.put(D, "renewed", {"n": 6}, ttl=10)
    longer = ["minute", "half", "int", "never", "renewed"]
    _sweep(store)
    early = _there(store, D, ["short", *longer])
    if time.monotonic() - begin < 0.7:
        lab.equal(early, ["short", *longer], "every item right after the puts and a sweep")

    def gone() -> bool:
        _sweep(store)
        return not _there(store, D, ["short"])

    lab.until(gone, 5.5, "the item with ttl=0.03 (1.8 s) has not expired", every=0.15)
    took = time.monotonic() - begin
    lab.true(took > 0.75, "the item with ttl=0.03 lives for 1.8 s", got=took)
    _after(begin, 2.3)
    _sweep(store)
    lab.equal(_there(store, D, longer), longer, "longer-lived items after a few seconds")
    lab.equal(store.keys(D, refresh_ttl=False), sorted(longer), "a search after a few seconds")
    store.put(D, "renewed", {"n": 7}, ttl=0.03)
    _sweep(store)
    lab.equal(_there(store, D, ["renewed"]), ["renewed"], "a ttl counts from the put that gives it")


@case("T2", needs=TTL)
def test_a_refresh_gives_a_fraction_of_a_minute_its_time_again(lab: Lab) -> None:
    """
    An item with ttl=0.4 lives on after it was read: a refresh counts in the same minutes.

    If this fails, look for a column of whole minutes from which the refresh reckons.
    """
    store = _store(lab, refresh_on_read=True)
    keys = ["get", "search", "op"]
    for key in keys:
        store.put(("r", key), key, {"n": 1}, ttl=0.4)
    store.get(("r", "get"), "get", refresh_ttl=True)
    store.search(("r", "search"), refresh_ttl=True)
    store.batch([GetOp(("r", "op"), "op", refresh_ttl=True)])
    time.sleep(0.05)
    _sweep(store)

    for key in keys:
        lab.equal(_there(store, ("r", key), [key]), [key], f"the item with 24 s to live, read by {key}")


@case("T3", needs=TTL)
def test_the_default_ttl_applies_unless_one_is_given(lab: Lab) -> None:
    """
    With ``default_ttl`` a put without ttl expires; ``ttl=None`` and a ``PutOp`` without ttl do not.
    """
    store = _store(lab, default_ttl=SOON, refresh_on_read=False)
    store.put(D, "default", {"n": 1})
    store.put(D, "none", {"n": 2}, ttl=None)
    store.put(D, "long", {"n": 3}, ttl=10)
    store.batch([PutOp(D, "op none", {"n": 4}), PutOp(D, "op long", {"n": 5}, None, 10.0)])
    store.batch([PutOp(D, "op soon", {"n": 6}, None, SOON)])
    store.put(D, "again", {"n": 7}, ttl=None)
    store.put(D, "again", {"n": 8})
    store.put(D, "freed", {"n": 9})
    store.put(D, "freed", {"n": 10}, ttl=None)
    store.put(D, "shorter", {"n": 11}, ttl=10)
    store.put(D, "shorter", {"n": 12})
    time.sleep(GRACE)
    _sweep(store)

    stays = ["none", "long", "op none", "op long", "freed"]
    goes = ["default", "op soon", "again", "shorter"]
    lab.equal(_there(store, D, stays), stays, "items with ttl=None or a longer one")
    lab.equal(_there(store, D, goes), [], "items put with the default, or last put with it")


@case("T3", needs=TTL)
def test_an_overwrite_decides_about_the_ttl_anew(lab: Lab) -> None:
    """
    Without a default an overwrite without ttl makes the item live on; the last put decides.

    If this fails, look for an upsert that keeps the old expiry when none is given.
    """
    store = _store(lab, refresh_on_read=False)
    for key in ("plain", "none", "batched", "deleted"):
        store.put(D, key, {"n": 1}, ttl=SOON)
    store.put(D, "plain", {"n": 2})
    store.put(D, "none", {"n": 2}, ttl=None)
    store.batch([PutOp(D, "batched", {"n": 2})])
    store.delete(D, "deleted")
    store.put(D, "deleted", {"n": 2})
    store.put(D, "limited", {"n": 1})
    store.put(D, "limited", {"n": 2}, ttl=SOON)
    store.put(D, "shortened", {"n": 1}, ttl=10)
    store.put(D, "shortened", {"n": 2}, ttl=SOON)
    store.batch([PutOp(D, "won", {"n": 1}, None, SOON), PutOp(D, "won", {"n": 2})])
    store.batch([PutOp(D, "lost", {"n": 1}), PutOp(D, "lost", {"n": 2}, None, SOON)])
    time.sleep(GRACE)
    _sweep(store)

    stays = ["plain", "none", "batched", "deleted", "won"]
    goes = ["limited", "shortened", "lost"]
    lab.equal(_there(store, D, stays), stays, "items whose last put had no ttl")
    lab.equal([store.value(D, key)["n"] for key in stays], [2] * 5, "their values")
    lab.equal(_there(store, D, goes), [], "items whose last put had a short ttl")


LIFE = 5.0
READ_AT = 3.2
"""Seconds: what is read then lives until 8.2, at least 7.2; what is not is gone at 5, at most 6."""


class _Timeline:
    """Items that live for five seconds, read after three, looked at after six."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.kept: list[tuple[Subject, tuple[str, ...], str, str]] = []
        self.lost: list[tuple[Subject, tuple[str, ...], str, str]] = []
        self.begin = time.monotonic()
        self.written = self.begin
        self.read_first = self.begin

    def put(self, store: Subject, at: tuple[str, ...], *keys: str) -> None:
        store.batch(
            [PutOp(at, key, {"text": "apple", "key": key}, None, LIFE / 60) for key in keys]
        )
        self.written = time.monotonic()

    def reads(self) -> None:
        """Wait for the moment of the reads."""
        _after(self.begin, READ_AT)
        self.read_first = time.monotonic()

    def look(self) -> None:
        """Check who lives; cannot tell on a machine that was too slow for the margins."""
        if time.monotonic() - self.begin > LIFE - 1.05:
            self.lab.unverified("the reads took so long that items expired before they were read")
        _after(self.written, LIFE + 1.1)
        for store in {id(s): s for s, *_ in self.kept + self.lost}.values():
            _sweep(store)
        kept = [(what, bool(_there(s, at, [key]))) for s, at, key, what in self.kept]
        in_time = time.monotonic() - self.read_first < LIFE - 1.0
        lost = [(what, bool(_there(s, at, [key]))) for s, at, key, what in self.lost]
        for what, alive in lost:
            self.lab.true(not alive, f"not refreshed, so it expires: {what}", got="it is still there")
        if not in_time:
            self.lab.unverified("the look took so long that refreshed items expired too")
        for what, alive in kept:
            self.lab.true(alive, f"refreshed, so it lives on: {what}", got="it is gone")


@case("T4", needs=TTL)
def test_what_refreshes_an_item_and_what_does_not(lab: Lab) -> None:
    """
    Reads refresh unless the configuration or the call says otherwise, and only what they return.

    If this fails, look at who decides: the call's ``refresh_ttl``, else ``refresh_on_read``, else True.
    """
    index = lab.index("text") if lab.offers(Capability.VECTORS) else None
    by_default = _store(lab, index=index, default_ttl=600.0)
    off = _store(lab, index=index, default_ttl=600.0, refresh_on_read=False)
    line = _Timeline(lab)
    calls = ["get", "get no", "op yes", "op no", "untouched"]
    for store in (by_default, off):
        line.put(store, D, *calls, "get yes", "early", "twice")
        for name in ("search", "search no", "search yes", "limit", "filter", "op search", "query"):
            line.put(store, ("s", name), "a", "b")
    for store in (by_default, off):
        for key in ("early", "twice"):
            store.get(D, key, refresh_ttl=True)
            line.written = time.monotonic()
    line.reads()

    _read(line, by_default, refreshes=True)
    _read(line, off, refreshes=False)
    line.look()


def _read(line: _Timeline, store: Subject, *, refreshes: bool) -> None:
    """Read items in every way; ``refreshes`` is what the configuration of the store says."""
    config = "by default" if refreshes else "with refresh_on_read=False"

    def note(alive: bool, at: tuple[str, ...], key: str, what: str) -> None:
        (line.kept if alive else line.lost).append((store, at, key, f"{what} {config}"))

    store.get(D, "get")
    store.get(D, "get no", refresh_ttl=False)
    store.get(D, "get yes", refresh_ttl=True)
    store.get(D, "twice", refresh_ttl=True)
    store.batch([GetOp(D, "op yes", refresh_ttl=True), GetOp(D, "op no", refresh_ttl=False)])
    store.list_namespaces(prefix=D)
    note(False, D, "early", "an item whose only refresh, for its own ttl, was long ago")
    note(True, D, "twice", "an item that is refreshed for the second time")
    note(refreshes, D, "get", "get")
    note(False, D, "get no", "get(refresh_ttl=False)")
    note(True, D, "get yes", "get(refresh_ttl=True)")
    note(True, D, "op yes", "GetOp(refresh_ttl=True) beside one with False")
    note(False, D, "op no", "GetOp(refresh_ttl=False) beside one with True")
    note(False, D, "untouched", "an item that nobody reads, in a namespace that is read from,")

    store.search(("s", "search"), limit=10)
    store.search(("s", "search no"), limit=10, refresh_ttl=False)
    store.search(("s", "search yes"), limit=10, refresh_ttl=True)
    store.search(("s", "filter"), filter={"key": "a"}, limit=10, refresh_ttl=True)
    first = store.search(("s", "limit"), limit=1, refresh_ttl=True)[0].key
    store.batch(
        [
            SearchOp(("s", "op search"), filter={"key": "a"}, limit=10, refresh_ttl=True),
            SearchOp(("s", "op search"), filter={"key": "b"}, limit=10, refresh_ttl=False),
        ]
    )
    for key in "ab":
        note(refreshes, ("s", "search"), key, "search")
        note(False, ("s", "search no"), key, "search(refresh_ttl=False)")
        note(True, ("s", "search yes"), key, "search(refresh_ttl=True)")
        note(key == "a", ("s", "filter"), key, f"item {key!r} where the filter of a search is 'a'")
        note(key == first, ("s", "limit"), key, f"item {key!r} where a search with limit=1 gave {first!r}")
        note(key == "a", ("s", "op search"), key, f"item {key!r}; of two SearchOps only that of 'a' refreshes")
    if store.index is not None:
        found = [i.key for i in store.search(("s", "query"), query="apple", limit=10)]
        for key in found:
            note(refreshes, ("s", "query"), key, "search with a query")


@case("T5", needs=TTL)
def test_omit_expired_hides_what_has_expired(lab: Lab) -> None:
    """
    With ``omit_expired`` expired items are in no answer, before any sweep.

    If this fails, look at whether every kind of read has the condition.
    """
    store = _store(lab, omit_expired=True)
    for n in range(6):
        ttl = SOON if n % 2 else 10
        store.put(D, f"k{n}", {"n": n, "odd": n % 2}, ttl=ttl)
    store.put(("dead", "only"), "k", {"n": 1}, ttl=SOON)
    store.put(("live",), "k", {"n": 2})
    time.sleep(GRACE)

    live = ["k0", "k2", "k4"]
    lab.equal(store.keys(D), live, "a search")
    lab.equal(store.keys(D, filter={"odd": 1}), [], "a search with a filter that only expired ones match")
    lab.equal(len(store.search(D, limit=3)), 3, "a search with the limit of the living")
    lab.equal([store.get(D, f"k{n}") for n in (1, 3, 5)], [None] * 3, "gets of expired items")
    lab.equal(store.batch([GetOp(D, "k1"), GetOp(("dead", "only"), "k")]), [None, None], "gets in a batch")
    lab.equal(sorted(store.list_namespaces()), [D, ("live",)], "the namespaces")
    lab.equal(store.list_namespaces(max_depth=1, prefix=("dead",)), [], "a prefix with expired ones only")
    lab.equal(_there(store, D, live), live, "gets of living items")


@case("T5", needs=TTL)
def test_a_refresh_does_not_revive_what_is_omitted(lab: Lab) -> None:
    """
    Reading an expired item, with ``refresh_ttl=True`` too, does not bring it back.

    If this fails, look at a refresh that is executed before the expired are left out.
    """
    store = _store(lab, omit_expired=True, refresh_on_read=True)
    store.put(D, "live", {"n": 0})
    for key in ("a", "b", "c"):
        store.put(D, key, {"n": 1}, ttl=SOON)
    time.sleep(GRACE)
    store.get(D, "a", refresh_ttl=True)
    store.get(D, "a")
    store.search(D, refresh_ttl=True)
    store.batch([GetOp(D, "b", refresh_ttl=True), SearchOp(D, refresh_ttl=True)])

    lab.equal(store.get(D, "a"), None, "an expired item after a get that refreshes")
    lab.equal(store.get(D, "b"), None, "an expired item after a batch that refreshes")
    lab.equal(store.keys(D), ["live"], "a search after searches that refresh")
    store.put(D, "c", {"n": 2})
    lab.equal(store.value(D, "c"), {"n": 2}, "an expired item that was put again")
    _sweep(store)
    lab.equal(store.keys(D), ["c", "live"], "a search after a sweep")


@case("T5", needs=(Capability.TTL, Capability.VECTORS))
def test_omit_expired_hides_from_semantic_search_too(lab: Lab) -> None:
    """
    Expired items are not ranked, and do not take the place of living ones.
    """
    store = _store(lab, index=lab.index("text"), omit_expired=True)
    store.put(D, "dead", {"text": "apple"}, ttl=SOON)
    store.put(D, "live", {"text": "apple banana"})
    store.put(D, "other", {"text": "apple cherry*3"})
    time.sleep(GRACE)

    lab.equal(store.ranked(D, "apple"), ["live", "other"], "the ranking")
    lab.equal(store.ranked(D, "apple", limit=1), ["live"], "the best one")
    lab.equal(store.ranked(D, "apple", refresh_ttl=True), ["live", "other"], "the ranking once more")


@case("T6", needs=TTL)
def test_what_is_seen_of_expired_items_before_the_sweep(lab: Lab) -> None:
    """
    Without ``omit_expired`` it is the store's choice whether expired items are seen, and revived.
    """
    store = _store(lab)
    store.put(D, "k", {"n": 1}, ttl=SOON)
    time.sleep(GRACE)

    seen = bool(_there(store, D, ["k"]))
    lab.observe("ttl.expired_visible", seen)
    if seen:
        store.get(D, "k", refresh_ttl=True)
        swept = _sweep(store)
        lab.observe("ttl.expired_revived", bool(_there(store, D, ["k"])), swept=swept)


@case("T7", needs=TTL)
def test_a_sweep_deletes_exactly_the_expired_and_counts_them(lab: Lab) -> None:
    """
    ``sweep_ttl`` deletes what has expired, nothing else, and says how many those were.
    """
    store = _store(lab, refresh_on_read=False)
    if not hasattr(store.raw, "sweep_ttl"):
        lab.unsupported("has no sweep_ttl: the engine expires by itself")
    lab.equal(_sweep(store), 0, "the count of a sweep of an empty store")
    expired = [f"dead{n}" for n in range(5)]
    for n, key in enumerate(expired):
        store.put((*D, f"n{n % 2}"), key, {"n": n}, ttl=SOON)
    store.put(D, "long", {"n": 1}, ttl=10)
    store.put(D, "never", {"n": 2})
    store.put(("d", "n1"), "never", {"n": 3})
    time.sleep(GRACE)
    seen = len(store.search(D, limit=100, refresh_ttl=False)) - 3

    count = _sweep(store)

    lab.true(
        count == 5 or (count == 0 and seen == 0),
        "the count of a sweep with five expired items",
        got=count,
        expected=5,
    )
    lab.true(
        isinstance(count, int), "the count of a sweep is an int", got=type(count).__name__
    )
    lab.equal(store.keys(()), ["long", "never", "never"], "the items after the sweep")
    lab.equal(sorted(store.list_namespaces()), [D, ("d", "n1")], "the namespaces after the sweep")
    lab.equal(_sweep(store), 0, "the count of a second sweep")


@case("T7", needs=(Capability.TTL, Capability.VECTORS))
def test_a_sweep_removes_the_vectors(lab: Lab) -> None:
    """
    A key that is used again after it was swept is not found by the old text.
    """
    store = _store(lab, index=lab.index("text"), refresh_on_read=False)
    for key in ("k", "l"):
        store.put(D, key, {"text": "apple"}, ttl=SOON)
    store.put(D, "live", {"text": "apple banana"})
    time.sleep(GRACE)
    _sweep(store)

    lab.equal(store.ranked(D, "apple"), ["live"], "the ranking after the sweep")
    store.put(D, "k", {"text": "apple"}, index=False)
    unscored(lab, store, D, "apple", "k", "the key was swept, then put with index=False")
    store.put(D, "l", {"text": "cherry"})
    matches(lab, store, D, "cherry", "l", "the key was swept, then put again")
    does_not_match(lab, store, D, "apple", "l", "the old text was swept")


def _start(lab: Lab, store: Subject, *minutes: float) -> None:
    """Start the sweeper, without waiting for the task or future that it may give."""
    start: Any = getattr(store.raw, "start_ttl_sweeper")  # noqa: B009 - not every store has it

    async def started() -> None:
        result = start(*minutes)
        if hasattr(result, "cr_await"):
            await result

    if lab.mode == "async":
        store.timed("start_ttl_sweeper", lambda: lab.lane.run(started()))
    else:
        store.timed("start_ttl_sweeper", lambda: start(*minutes))


@case("T7", needs=TTL, seconds=60)
def test_the_sweeper_runs_between_start_and_stop_only(lab: Lab) -> None:
    """
    Nothing is swept before ``start_ttl_sweeper``, expired items are after it, none after the stop.

    If this fails, look at a sweeper that is started by the constructor, or that a stop does not end.
    """
    store = _store(lab, refresh_on_read=False, sweep_interval_minutes=0.005)
    if not hasattr(store.raw, "start_ttl_sweeper"):
        lab.unsupported("has no sweeper: the engine expires by itself")
    lab.equal(store.maintenance("stop_ttl_sweeper", 1), True, "a stop when none was started")
    store.put(D, "first", {"n": 1}, ttl=SOON)
    store.put(D, "live", {"n": 2}, ttl=10)
    time.sleep(GRACE + 0.2)
    shown = _there(store, D, ["first"]) == ["first"]
    # A store that hides the expired by itself leaves nothing to see; a count then tells.
    if not shown:
        lab.true(_sweep(store) in (0, 1), "the count of a sweep before the sweeper was started")

    _start(lab, store, 0.005)
    lab.until(lambda: not _there(store, D, ["first"]), 6, "the sweeper has not swept")
    _start(lab, store, 0.005)
    lab.equal(store.maintenance("stop_ttl_sweeper", 5), True, "a stop of the sweeper")
    store.put(D, "second", {"n": 3}, ttl=SOON)
    time.sleep(GRACE + 0.2)
    if shown:
        lab.equal(_there(store, D, ["second"]), ["second"], "an expired item after the stop")
    lab.equal(store.maintenance("stop_ttl_sweeper"), True, "a second stop")
    lab.equal(_there(store, D, ["live"]), ["live"], "an item that has not expired")
    _start(lab, store)
    lab.until(
        lambda: not _there(store, D, ["second"]),
        6,
        "the sweeper that was started again, with the configured interval, has not swept",
    )
    store.maintenance("stop_ttl_sweeper", 5)


@case("T8", needs=TTL)
def test_nothing_is_swept_early_and_nothing_of_zero_lasts(lab: Lab) -> None:
    """
    Sweeps before the time delete nothing; a ttl of zero or below means expired already, or is refused.
    """
    store = _store(lab, refresh_on_read=False)
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
        _sweep(store)
        left, alive = _there(store, D, expired), _there(store, D, list(longer))
        spent = time.monotonic() - begin
        if spent < 1.9:
            lab.equal(alive, list(longer), f"items with seconds to live, after {spent:.1f} s of sweeps")
        if spent > 1.4 and (not left or spent > 3):
            break
        time.sleep(0.2)
    lab.equal(left, [], "items with a ttl of zero or below, a second later")
