"""
T4: what gives an item its time again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.expiry import TTL, D, expiring, grace, sweep, there


def _after(lab: Lab, begin: float, seconds: float) -> None:
    lab.sleep(begin + seconds - time.monotonic())


LIVES = (5.0, 12.0, 30.0)
"""
Seconds: the first is enough for most stores; the longer ones are for a slow store or a busy machine.

Of items that live for five seconds, those read after three live until 8.2, at least 7.2; the others are
gone at 5, at most 6.
"""
PAGE = 130
"""Items of a page: more than stores ask for at once."""
LONG_LIVES = (32.0, 50.0)
"""Seconds that are more than half a minute: what counts in whole minutes gives them one, and none is gone before."""


_Note = Callable[[bool, tuple[str, ...], str, str], None]
"""Told whether an item lives on, its namespace and key, and what was done with it."""


class _TooSlowError(Exception):
    """The margins were missed, so nothing can be told."""


class _Timeline:
    """Items that live for ``life`` seconds, read after three fifths of it, looked at after its end."""

    def __init__(self, lab: Lab, life: float) -> None:
        self.lab = lab
        self.life = life
        self.kept: list[tuple[Subject, tuple[str, ...], str, str]] = []
        self.lost: list[tuple[Subject, tuple[str, ...], str, str]] = []
        self.soon: list[tuple[Subject, tuple[str, ...], str, float]] = []
        """Items that were read with most of their time left, and when."""
        self.begin = time.monotonic()
        self.written = self.begin
        self.read_first = self.begin

    def put(self, store: Subject, at: tuple[str, ...], *keys: str) -> None:
        store.batch(
            [PutOp(at, key, {"text": "apple", "key": key}, None, self.life / 60) for key in keys]
        )
        self.written = time.monotonic()

    def read_soon(self, store: Subject, at: tuple[str, ...], key: str) -> None:
        """Read an item that has two thirds of its time left, which a read gives it again all the same."""
        _after(self.lab, self.begin, self.life * 0.36)
        read = time.monotonic()
        store.get(at, key, refresh_ttl=True)
        self.soon.append((store, at, key, read))

    def wait_for_reads(self) -> None:
        _after(self.lab, self.begin, self.life * 0.64)
        self.read_first = time.monotonic()

    def in_time(self) -> None:
        """Raise ``_TooSlowError`` where the items may have expired while they were read."""
        if time.monotonic() - self.begin > self.life - 1.05:
            raise _TooSlowError("the reads took so long that items expired before they were read")

    def look(self) -> None:
        """Check who lives; raises ``_TooSlowError`` where the margins were missed."""
        self.in_time()
        _after(self.lab, self.written, self.life + max(1.1, grace(self.lab) - 0.15))
        for store in {id(s): s for s, *_ in self.kept + self.lost}.values():
            sweep(store)
        kept = [
            ("an item read with two thirds of its time left", alive)
            for s, at, key, read in self.soon
            if (alive := bool(there(s, at, [key]))) or time.monotonic() < read + self.life - 0.3
        ]
        kept += [(what, bool(there(s, at, [key]))) for s, at, key, what in self.kept]
        in_time = time.monotonic() - self.read_first < self.life - 1.0
        lost = [(what, bool(there(s, at, [key]))) for s, at, key, what in self.lost]
        if not in_time:
            raise _TooSlowError("the look took so long that refreshed items expired too")
        # All that went wrong in one sentence: another fault of a store with a known one reads differently.
        wrong = {
            "not refreshed, so it expires, but is there": [what for what, alive in lost if alive],
            "refreshed, so it lives on, but is gone": [what for what, alive in kept if not alive],
        }
        told = "; ".join(
            f"{which}: {', '.join(dict.fromkeys(items))}" for which, items in wrong.items() if items
        )
        count = sum(map(len, wrong.values()))
        self.lab.true(not count, told, got=f"{count} items with another time to live")


CONFIGS: dict[str, tuple[dict[str, Any], bool]] = {
    "by default": ({}, True),
    "refresh_on_read=True": ({"refresh_on_read": True}, True),
    "refresh_on_read=False": ({"refresh_on_read": False}, False),
    "no default_ttl": ({"default_ttl": None, "refresh_on_read": True}, True),
}
"""
What a ``TTLConfig`` says, and whether a read refreshes where the call says nothing.

An item's own time to live is refreshed as well where no default is given: some stores have no other to give.

One after the other, so that a store with a fault in one of them is judged by the others.
"""


@case("T4", needs=TTL, params=CONFIGS, waits=True, seconds=100)
def test_what_refreshes_an_item_and_what_does_not(
    lab: Lab, param: tuple[dict[str, Any], bool]
) -> None:
    """
    Reads refresh unless the configuration or the call says otherwise, and only what they return.

    If this fails, look at who decides: the call's ``refresh_ttl``, else ``refresh_on_read``, else
    True.
    """
    _in_time(lab, LIVES, lambda life: _refreshed(lab, life, *param))


@case("T4", needs=TTL, waits=True, seconds=200)
def test_what_refreshes_an_item_of_more_than_half_a_minute(lab: Lab) -> None:
    """
    Reads refresh what they return, and nothing else, also where a store counts in whole minutes.

    Of such a store an item of seconds says nothing: it is gone with its first refresh, whatever refreshed it.
    """
    config = CONFIGS["refresh_on_read=True"]
    _in_time(lab, LONG_LIVES, lambda life: _refreshed(lab, life, *config))


@case("T4", needs=(Capability.TTL, Capability.PERSISTENCE), waits=True, seconds=100)
def test_a_read_after_reopening_gives_an_item_its_own_time_again(lab: Lab) -> None:
    """
    A read refreshes by the ttl that the item was put with, also where the store was opened again in between.

    If this fails, look for a ttl that is held in memory, while only the moment of expiry is written down.
    """
    _in_time(lab, LIVES, lambda life: _refreshed_after_reopening(lab, life))


def _refreshed_after_reopening(lab: Lab, life: float) -> None:
    store = expiring(lab, default_ttl=600.0, refresh_on_read=True)
    line = _Timeline(lab, life)
    line.put(store, D, "early", "got", "untouched")
    line.put(store, ("s",), "found")
    with closing(lab.reopen(store)) as again:
        again.get(D, "early")
        line.written = time.monotonic()
        line.wait_for_reads()
        again.get(D, "got")
        again.search(("s",))
        line.kept = [
            (again, D, "got", "an item that a get found after the reopening"),
            (again, ("s",), "found", "an item that a search found after the reopening"),
        ]
        line.lost = [
            (again, D, "early", "an item whose only refresh, for its own ttl, was long ago"),
            (again, D, "untouched", "an item that nobody reads"),
        ]
        line.look()


@case(
    "T4",
    needs=(*TTL, Capability.VECTORS),
    params={"on": True, "off": False},
    waits=True,
    seconds=100,
)
def test_a_query_refreshes_what_it_gives_by_the_time_of_the_last_put(
    lab: Lab, configured: bool
) -> None:
    """
    A search with a query refreshes its page and nothing else, if the call says so; an item has the time that its last
    put gave it.

    If this fails, look at the second path of a search, and at a ttl that is taken over from an earlier put.
    """
    _in_time(lab, LIVES, lambda life: _refreshed_by_queries(lab, life, configured=configured))


def _refreshed_by_queries(lab: Lab, life: float, *, configured: bool) -> None:
    with closing(expiring(lab, index=lab.index("text"), refresh_on_read=configured)) as store:
        line = _Timeline(lab, life)
        for name in ("page", "yes", "no"):
            line.put(store, ("q", name), "a", "b")
        store.put(D, "shortened", {"n": 1}, ttl=600.0)
        line.put(store, D, "shortened")
        store.get(D, "shortened", refresh_ttl=True)
        line.written = time.monotonic()
        line.wait_for_reads()
        asked = {"query": "apple", "limit": 10}
        page = store.search(("q", "page"), query="apple", limit=1, refresh_ttl=True)
        store.search(("q", "yes"), **asked, refresh_ttl=True)
        store.search(("q", "no"), **asked, refresh_ttl=False)
        line.in_time()
        given = [i.key for i in page]
        lab.equal(len(given), 1, "the items that a query with limit=1 gives before they expire")
        other = "b" if given == ["a"] else "a"
        line.kept = [
            (store, ("q", "page"), given[0], "the item that a query with limit=1 gave"),
            *((store, ("q", "yes"), key, "a query with refresh_ttl=True") for key in "ab"),
        ]
        line.lost = [
            (store, ("q", "page"), other, "an item that a query with limit=1 did not give"),
            *((store, ("q", "no"), key, "a query with refresh_ttl=False") for key in "ab"),
            (
                store,
                D,
                "shortened",
                "an item refreshed long ago, whose first put gave it more time",
            ),
        ]
        line.look()


def _in_time(lab: Lab, lives: Sequence[float], check: Callable[[float], None]) -> None:
    """Check with items that live for the first of these times for which the store is fast enough."""
    said = ""
    for life in lives:
        try:
            check(life)
        except _TooSlowError as slow:
            said = str(slow)
        else:
            return
    lab.unverified(f"{said}, even with {lives[-1]:g} s to live")


def _refreshed(lab: Lab, life: float, config: dict[str, Any], refreshes: bool) -> None:
    index = lab.index("text") if lab.offers(Capability.VECTORS) else None
    with closing(expiring(lab, index=index, **{"default_ttl": 600.0, **config})) as store:
        line = _Timeline(lab, life)
        calls = ["get", "get_no", "op_yes", "op_no", "untouched"]
        line.put(store, D, *calls, "get_yes", "early", "twice")
        for name in (
            "search", "search_no", "search_yes", "limit", "page", "filter", "op_search", "query"
        ):  # fmt: skip
            line.put(store, ("s", name), "a", "b")
        for key in ("early", "twice"):
            store.get(D, key, refresh_ttl=True)
            line.written = time.monotonic()
        if life in LONG_LIVES:  # there is time enough to tell
            line.put(store, D, "soon")
            line.put(store, ("s", "many"), *(f"k{n:03}" for n in range(PAGE)))
            line.read_soon(store, D, "soon")
        line.wait_for_reads()

        _read(line, store, refreshes=refreshes)
        line.look()


def _read(line: _Timeline, store: Subject, *, refreshes: bool) -> None:
    """Read items in every way; ``refreshes`` is what the configuration of the store says."""

    def note(alive: bool, at: tuple[str, ...], key: str, what: str) -> None:
        (line.kept if alive else line.lost).append((store, at, key, what))

    _get(store, note, refreshes)
    _search(line, store, note, refreshes)


def _get(store: Subject, note: _Note, refreshes: bool) -> None:
    store.get(D, "get")
    store.get(D, "get_no", refresh_ttl=False)
    store.get(D, "get_yes", refresh_ttl=True)
    store.get(D, "twice", refresh_ttl=True)
    store.batch([GetOp(D, "op_yes", refresh_ttl=True), GetOp(D, "op_no", refresh_ttl=False)])
    store.list_namespaces(prefix=D)
    note(False, D, "early", "an item whose only refresh, for its own ttl, was long ago")
    note(True, D, "twice", "an item that is refreshed for the second time")
    note(refreshes, D, "get", "get")
    note(False, D, "get_no", "get(refresh_ttl=False)")
    note(True, D, "get_yes", "get(refresh_ttl=True)")
    note(True, D, "op_yes", "GetOp(refresh_ttl=True) beside one with False")
    note(False, D, "op_no", "GetOp(refresh_ttl=False) beside one with True")
    note(False, D, "untouched", "an item that nobody reads, in a namespace that is read from")


def _search_page(store: Subject, note: _Note) -> None:
    """Which has items where their life is a long one only."""
    many = store.search(("s", "many"), limit=PAGE, refresh_ttl=True)
    for item in (*many[:1], *many[-2:]):
        note(True, ("s", "many"), item.key, f"an item on a page of {PAGE}")


def _search(line: _Timeline, store: Subject, note: _Note, refreshes: bool) -> None:
    store.search(("s", "search"), limit=10)
    store.search(("s", "search_no"), limit=10, refresh_ttl=False)
    store.search(("s", "search_yes"), limit=10, refresh_ttl=True)
    store.search(("s", "filter"), filter={"key": "a"}, limit=10, refresh_ttl=True)
    _search_page(store, note)
    found = store.search(("s", "limit"), limit=1, refresh_ttl=True)
    line.in_time()
    line.lab.equal(len(found), 1, "the items found with limit=1 before they expire")
    first = found[0].key
    page = store.search(("s", "page"), limit=1, offset=1, refresh_ttl=True)
    second = [i.key for i in page]
    store.batch(
        [
            SearchOp(("s", "op_search"), filter={"key": "a"}, limit=10, refresh_ttl=True),
            SearchOp(("s", "op_search"), filter={"key": "b"}, limit=10, refresh_ttl=False),
        ]
    )
    for key in "ab":
        note(refreshes, ("s", "search"), key, "search")
        note(False, ("s", "search_no"), key, "search(refresh_ttl=False)")
        note(True, ("s", "search_yes"), key, "search(refresh_ttl=True)")
        note(key == "a", ("s", "filter"), key, f"item {key!r} where the filter of a search is 'a'")
        note(
            key == first,
            ("s", "limit"),
            key,
            f"item {key!r} where a search with limit=1 gave {first!r}",
        )
        what = f"item {key!r} where a search with limit=1 and offset=1 gave {second}"
        note(key in second, ("s", "page"), key, what)
        note(
            key == "a",
            ("s", "op_search"),
            key,
            f"item {key!r}; of two SearchOps only that of 'a' refreshes",
        )
    if store.index is not None:
        for key in [i.key for i in store.search(("s", "query"), query="apple", limit=10)]:
            note(refreshes, ("s", "query"), key, "search with a query")


@case("S5", needs=TTL)
def test_pages_whose_items_are_refreshed_are_the_whole(lab: Lab) -> None:
    """
    A walk by pages gives each item once where each page gives its items their time again, whether they were put one
    by one or by a batch.

    If this fails, look at an order that follows the last access or the time at which an item expires, and at one that
    leaves open which of equal times comes first, and changes when a row is written.
    """
    store = expiring(lab, default_ttl=10.0, refresh_on_read=True)
    keys = [f"k{n:02}" for n in range(11)]
    for key in keys:
        store.put(D, key, {"n": 1})
    store.batch([PutOp(("e",), key, {"n": 1}, ttl=10.0) for key in keys])

    for at in (D, ("e",)):
        for limit in (2, 5):
            found = [item.key for item in store.walk(at, page=limit)]
            how = "put one by one" if at == D else "put by a batch"
            told = f"the items {how}, on pages of {limit}, each refreshed when it is shown"
            lab.equal(sorted(found), keys, told)
