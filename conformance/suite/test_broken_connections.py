"""
O21: what becomes of an open store whose connections die, because the server ends them or is restarted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from store_conformance.contract import Capability, Location
from store_conformance.harness.backends import Backend
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.harness.private_engines import private_backend
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.doors import through

D = ("d",)
KEPT = ["k0", "k1", "k2", "k3"]
POOLS = {"pool of one", "pool of several"}
PATIENCE_SECONDS = 10.0
ATTEMPTS = 20
"""A pool has so long, and so many attempts at a call, to replace what died; one that works takes one or two."""
WITHOUT_POOL = 2
"""How often a store without a pool is asked: whether it works on is recorded only."""

USUAL = "as usual"
WAYS: dict[str, tuple[str, str]] = {
    "sessions are ended": ("end", USUAL),
    "sessions of a pool of one are ended": ("end", "pool of one"),
    "sessions of a pool of several are ended": ("end", "pool of several"),
    "the engine is restarted": ("restart", USUAL),
    "the engine is restarted under a pool": ("restart", "pool of several"),
}


@dataclass
class Asked:
    """What a store was asked after its connections had died, and which calls have been answered."""

    lab: Lab
    store: Subject
    answered: set[str] = field(default_factory=set)
    raised: list[str] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)

    def calls(self) -> dict[str, Callable[[], None]]:
        return {
            "get": self._get,
            "put": self._put,
            "search": self._search,
            "list_namespaces": self._list,
            "delete": self._delete,
        }

    def answers(self, name: str, *, pooled: bool) -> bool:
        """Make one call until it is answered; gives whether it was, in the time that a pool may take."""
        begin, attempts = time.monotonic(), 0
        while True:
            late = time.monotonic() - begin > PATIENCE_SECONDS
            attempts += 1
            error = self.lab.attempt(self.calls()[name])
            if error is None:
                self.answered.add(name)
                return True
            self.raised.append(f"{name}: {type(error).__name__}")
            if attempts >= (ATTEMPTS if pooled else WITHOUT_POOL) and (late or not pooled):
                return False
            self.lab.sleep(0.2 if pooled else 0.0)

    def _get(self) -> None:
        item = self.store.get(D, "k1")
        found = None if item is None else item.value
        self.lab.equal(found, {"n": 1}, "a get after the connections died raises or finds the item")

    def _put(self) -> None:
        key = f"new{len(self.tried)}"
        self.tried[key] = len(self.tried)
        self.store.put(("e",), key, {"n": self.tried[key]})
        self.acknowledged[key] = self.tried[key]

    def _search(self) -> None:
        self.lab.equal(
            self.store.keys(D), KEPT, "a search after the connections died raises or finds all"
        )

    def _list(self) -> None:
        self.lab.true(
            D in self.store.list_namespaces(),
            "a listing after the connections died raises or holds the namespace",
        )

    def _delete(self) -> None:
        self.store.delete(("f",), "gone")

    def check(self, store: Subject, what: str) -> None:
        """What was acknowledged is there; what raised happened wholly or not at all."""
        self.lab.equal(store.keys(D), KEPT, f"the items of before, {what}")
        found = {i.key: i.value for i in store.search(("e",), limit=1000)}
        for key, n in self.acknowledged.items():
            self.lab.equal(found.get(key), {"n": n}, f"an acknowledged put, {what}")
        for key, n in self.tried.items():
            self.lab.true(
                found.get(key, {"n": n}) == {"n": n}, f"a put that raised, {what}", got=found
            )
        if "delete" in self.answered:
            self.lab.equal(store.get(("f",), "gone"), None, f"an acknowledged delete, {what}")


@case(
    "O21",
    needs=(Capability.PERSISTENCE,),
    params=WAYS,
    serial=True,
    seconds=240,
)
def test_a_store_outlives_its_connections(lab: Lab, way: tuple[str, str]) -> None:
    """
    When the connections of an open store die, calls raise or are right, and one with a pool works on.

    If this fails, look for a pool that hands out connections it has not looked at, and for errors that
    are swallowed.
    """
    how, opening = way
    backend, at, cut = _prepared(lab, how)
    opened = backend if opening == USUAL else through(lab, opening, backend)
    pooled = opening in POOLS or backend.pooled
    store = lab.open(at=at, backend=opened)
    _filled(lab, store)

    asked = Asked(lab, store)
    works = True
    for number, name in enumerate(asked.calls()):
        if number == 0 or how == "end":  # each kind of call meets a connection that has died
            cut()
        works = asked.answers(name, pooled=pooled) and works
        if pooled and not works:
            break
    lab.observe(
        "connection.died",
        "works on" if works else "goes on raising",
        raised=asked.raised[:10],
        failed_calls=len(asked.raised),
        pooled=pooled,
    )
    if works:
        asked.check(store, "by the store that works again")
    fresh = _another_store(lab, at, backend)
    asked.check(fresh, "by a store that was opened afterwards")
    if pooled and not works:
        lab.fail(
            "a store with a pool works on after its connections died",
            expected="every call answered",
            got=asked.raised[-5:],
        )


def _filled(lab: Lab, store: Subject) -> None:
    for n, key in enumerate([*KEPT, "k4"]):
        store.put(D, key, {"n": n})
    store.put(("f",), "gone", {"n": 0})
    store.delete(D, "k4")
    lab.equal(store.keys(D), KEPT, "the items before")


def _another_store(lab: Lab, at: Location, backend: Backend) -> Subject:
    """One opened now; ends the case where the engine answers nobody."""
    opened: list[Subject] = []
    error = lab.attempt(lambda: opened.append(lab.open(at=at, backend=backend)))
    if error is not None:
        lab.unverified(f"the engine takes no new store either: {type(error).__name__}")
    return opened[0]


def _prepared(lab: Lab, how: str) -> tuple[Backend, Location, Callable[[], Any]]:
    """The backend, a place, and what ends the connections to it; ends the case where nothing does."""
    if how == "restart":
        backend = private_backend(lab.backend)
        engine = backend.engine() if backend is not None else None
        if backend is None or engine is None:
            lab.unsupported("there is no engine of ours that could be restarted")
            raise AssertionError

        def restart() -> None:
            engine.stop()
            engine.start()

        return backend, lab.location(backend), restart
    at = lab.location()
    if lab.backend.sever(at) is None:
        lab.unsupported("nothing of ours ends the connections of a store from the other side")
    ended: list[int] = []

    def end() -> None:
        ended.append(lab.backend.sever(at) or 0)
        if not any(ended):
            lab.unverified("no connection was there that could be ended")

    return lab.backend, at, end
