"""
What the cases of items that expire share.

Some stores keep time in whole seconds, so every check leaves a second on either side: what should
be
gone is looked for a second later, what should be there a second earlier.
"""

from __future__ import annotations

import re
import time
from enum import Enum
from typing import Any
from weakref import WeakKeyDictionary

from store_conformance.contract import Capability, Mode
from store_conformance.harness.backends import Backend
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.conventions import fitted, needs_arguments

TTL = (Capability.TTL,)
D = ("d",)
SOON = 0.002
"""Minutes: an eighth of a second."""
GRACE = 1.25
"""Seconds after which what expires soon has expired, for a clock of whole seconds too."""


def expiring(lab: Lab, index: Any = None, **config: Any) -> Subject:
    """
    A store with this ``TTLConfig``; ends the case where the store has no TTL.

    Such a store may refuse the configuration, too.  One that only says so is asked for all of it: whether
    ``supports_ttl`` is true is T1's.
    """
    opened: list[Subject] = []
    refused = lab.attempt(lambda: opened.append(lab.open(ttl=config, index=index)))
    store = (opened or [lab.open(index=index)])[0]
    if not says_ttl(store) and not has_ttl(lab):
        lab.unsupported("supports_ttl is False")
    shown_or_ended(lab)
    if refused is not None and "omit_expired" in config and "omit_expired" in message_of(refused):
        lab.unsupported(f"omit_expired is refused by name: {message_of(refused, 160)}")
    if refused is not None:
        lab.fail("a store that supports TTL takes a TTLConfig", expected=config, got=refused)
    return opened[0]


_HIDDEN: WeakKeyDictionary[Backend, dict[Mode, tuple[str, str] | None]] = WeakKeyDictionary()
_LATE: WeakKeyDictionary[Backend, dict[Mode, float]] = WeakKeyDictionary()
"""Seconds after its put at which an item that expires soon was seen to be gone, of a store that has no ``sweep_ttl``."""
_NAMES_TIME = re.compile("(?i)ttl|expir|minute|second|time to live")
BEST_EFFORT = 'deletion is "on a best-effort basis"'


def shown_or_ended(lab: Lab) -> None:
    """
    End the case where the end of a short life cannot be seen: it is refused by name, or nothing tells of it.

    The docs promise a deletion on a best-effort basis.  An engine that deletes by its own monitor, once in a
    minute or a day, is right; what it did in the seconds of a case says nothing.
    """
    known = _HIDDEN.setdefault(lab.backend, {})
    if lab.mode not in known:
        known[lab.mode] = _why_hidden(lab)
    why = known[lab.mode]
    if why is not None:
        (lab.unsupported if why[0] == "refused" else lab.unverified)(why[1])


def _why_hidden(lab: Lab) -> tuple[str, str] | None:
    opened: list[Subject] = []
    if lab.attempt(lambda: opened.append(lab.open(ttl={"refresh_on_read": False}))) is not None:
        return None
    (store,) = opened
    error = lab.attempt(lambda: store.put(D, "soon", {"n": 1}, ttl=SOON))
    if error is not None:
        longer = lab.attempt(lambda: store.put(D, "later", {"n": 1}, ttl=5.0))
        by_name = longer is None and _NAMES_TIME.search(message_of(error))
        return (
            ("refused", f"a ttl of seconds is refused: {message_of(error, 160)}")
            if by_name
            else None
        )
    if hasattr(store.raw, "sweep_ttl"):
        return None
    seen = (
        f"what has expired is there {2 * GRACE:g} s later, and the store has no sweep_ttl to call"
    )
    return None if _ends_in_time(lab, store) else ("unseen", f"{seen}; {BEST_EFFORT}")


def _ends_in_time(lab: Lab, store: Subject) -> bool:
    """
    Whether short lives end within seconds by themselves; how late they do is kept for ``grace``.

    The second item is put as soon as the first is gone: what deletes at intervals has just done so, and is never later.
    """
    for key in ("soon", "again"):
        begin = time.monotonic()
        lab.attempt(lambda k=key: store.put(D, k, {"n": 1}, ttl=SOON))  # type: ignore[misc]
        if not lab.attempt_until(lambda k=key: not there(store, D, [k]), 2 * GRACE, every=0.1):  # type: ignore[misc]
            return False
        late = _LATE.setdefault(lab.backend, {})
        late[lab.mode] = max(late.get(lab.mode, 0.0), time.monotonic() - begin)
    return True


def grace(lab: Lab) -> float:
    """
    Seconds after which what expires soon has expired, and is deleted where a store does that in its own time.

    A thread of its own that looks every second or two is as right as a sweep that is called.
    """
    late = _LATE.get(lab.backend, {}).get(lab.mode, 0.0)
    return max(GRACE, 1.5 * late + 0.5) if late else GRACE


def not_taken(store: Subject) -> str:
    """What to say of a store that was given a ``TTLConfig`` and has none, where BaseStore's methods look for it."""
    if store.ttl is None or getattr(store.raw, "ttl_config", None) is not None:
        return ""
    return (
        "; its ttl_config, where BaseStore's put, get and search look for defaults, is None"
        " (a store that takes no TTLConfig: --declare no-ttl-config)"
    )


def says_ttl(store: Subject) -> bool:
    """What the store's ``supports_ttl`` says."""
    return bool(getattr(store.raw, "supports_ttl", False))


class Life(Enum):
    """What becomes of an item whose time has run out."""

    ENDS = "it ends"
    LASTS = "it is kept without an end"
    REFUSED = "its ttl is refused"


def has_ttl(lab: Lab) -> bool:
    """Whether a ttl has an effect, whatever ``supports_ttl`` says, in a store of its own."""
    return life(lab, lab.mode) is Life.ENDS


def life(lab: Lab, mode: Mode) -> Life:
    """What becomes of short lives by this API, in a store of its own."""
    opened: list[Subject] = []
    config = {"refresh_on_read": False}
    if lab.attempt(lambda: opened.append(lab.open(ttl=config, mode=mode))) is not None:
        return Life.REFUSED
    (store,) = opened
    short = {"soon": SOON, "by_now": -1.0}
    # One of them may be refused: a time that is over, or one that is too short.
    taken = [
        key
        for key, ttl in short.items()
        if lab.attempt(lambda k=key, t=ttl: store.put(D, k, {"n": 1}, ttl=t)) is None  # type: ignore[misc]
    ]
    begin = time.monotonic()
    for seconds in (
        (0.0, GRACE, 2 * GRACE) if taken else ()
    ):  # most take a ttl below zero for one that has run out
        lab.sleep(begin + seconds - time.monotonic())
        lab.attempt(lambda: sweep(store))
        if any(store.get(D, key, refresh_ttl=False) is None for key in taken):
            return Life.ENDS
    return Life.LASTS if taken else Life.REFUSED


def sweep(store: Subject) -> Any:
    """Sweep where there is something to call: an engine that expires natively needs none."""
    return store.maintenance("sweep_ttl") if hasattr(store.raw, "sweep_ttl") else None


def there(store: Subject, at: tuple[str, ...], keys: list[str]) -> list[str]:
    """The keys that are still there, looked up without refreshing them."""
    return [key for key in keys if store.get(at, key, refresh_ttl=False) is not None]


def in_time(lab: Lab, begin: float, minutes: float) -> None:
    """
    End the case where a life of so many minutes, from ``begin`` on, may be over: a slow store is no wrong one.

    Asked before what should still be there is judged, and after it was looked up.
    """
    took = time.monotonic() - begin
    if took > minutes * 60 - 1:
        lab.unverified(f"the calls took {took:.0f} s, and an item had {minutes * 60:g} s to live")


def start(lab: Lab, store: Subject, *minutes: float) -> None:
    """Start the sweeper, without waiting for the task or future that it may give."""
    begin: Any = getattr(store.raw, "start_ttl_sweeper")  # noqa: B009 - not every store has it
    if not minutes and needs_arguments(begin):
        minutes = (5.0,)
    args, kwargs = fitted(begin, *minutes)

    async def started(result: Any = None) -> None:
        result = result if result is not None else begin(*args, **kwargs)
        if hasattr(result, "cr_await"):
            await result

    def work() -> None:
        # A loop-bound store creates its task in the loop's thread.
        lab.loop_thread.run(started(None if store.in_loop else begin(*args, **kwargs)))

    store.timed("start_ttl_sweeper", work)


def stop(lab: Lab, store: Subject, *seconds: float) -> Any:
    """Stop the sweeper, where the store has a method for it; gives what that gives."""
    end: Any = getattr(store.raw, "stop_ttl_sweeper", None)
    if end is None:
        lab.unsupported("has no stop_ttl_sweeper: the sweeper ends with the store")
    args, kwargs = fitted(end, *seconds)
    return store.maintenance("stop_ttl_sweeper", *args, **kwargs)
