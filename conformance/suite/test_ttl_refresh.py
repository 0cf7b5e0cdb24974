"""
T4: what gives an item its time again.
"""

from __future__ import annotations

import time

from conformance.case import case
from conformance.compat import GetOp, PutOp, SearchOp
from conformance.contract import Capability
from conformance.lab import Lab
from conformance.subject import Subject
from conformance.suite._expiry import TTL, D, expiring, sweep, there


def _after(lab: Lab, begin: float, seconds: float) -> None:
    lab.sleep(begin + seconds - time.monotonic())


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
        _after(self.lab, self.begin, READ_AT)
        self.read_first = time.monotonic()

    def look(self) -> None:
        """Check who lives; cannot tell on a machine that was too slow for the margins."""
        if time.monotonic() - self.begin > LIFE - 1.05:
            self.lab.unverified("the reads took so long that items expired before they were read")
        _after(self.lab, self.written, LIFE + 1.1)
        for store in {id(s): s for s, *_ in self.kept + self.lost}.values():
            sweep(store)
        kept = [(what, bool(there(s, at, [key]))) for s, at, key, what in self.kept]
        in_time = time.monotonic() - self.read_first < LIFE - 1.0
        lost = [(what, bool(there(s, at, [key]))) for s, at, key, what in self.lost]
        for what, alive in lost:
            self.lab.true(
                not alive, f"not refreshed, so it expires: {what}", got="it is still there"
            )
        if not in_time:
            self.lab.unverified("the look took so long that refreshed items expired too")
        for what, alive in kept:
            self.lab.true(alive, f"refreshed, so it lives on: {what}", got="it is gone")


@case("T4", needs=TTL, waits=True)
def test_what_refreshes_an_item_and_what_does_not(lab: Lab) -> None:
    """
    Reads refresh unless the configuration or the call says otherwise, and only what they return.

    If this fails, look at who decides: the call's ``refresh_ttl``, else ``refresh_on_read``, else
    True.
    """
    index = lab.index("text") if lab.offers(Capability.VECTORS) else None
    by_default = expiring(lab, index=index, default_ttl=600.0)
    off = expiring(lab, index=index, default_ttl=600.0, refresh_on_read=False)
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
        note(
            key == first,
            ("s", "limit"),
            key,
            f"item {key!r} where a search with limit=1 gave {first!r}",
        )
        note(
            key == "a",
            ("s", "op search"),
            key,
            f"item {key!r}; of two SearchOps only that of 'a' refreshes",
        )
    if store.index is not None:
        found = [i.key for i in store.search(("s", "query"), query="apple", limit=10)]
        for key in found:
            note(refreshes, ("s", "query"), key, "search with a query")
