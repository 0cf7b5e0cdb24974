"""
What the cases of items that expire share.

Some stores keep time in whole seconds, so every check leaves a second on either side: what should
be
gone is looked for a second later, what should be there a second earlier.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.conventions import fitted, needs_arguments

TTL = (Capability.TTL,)
D = ("d",)
SOON = 0.002
"""Minutes: an eighth of a second."""
GRACE = 1.25
"""Seconds after which what expires soon has expired, for a clock of whole seconds too."""


def expiring(lab: Lab, index: Any = None, **config: Any) -> Subject:
    """
    A store with this ``TTLConfig``; ends the case where the store says that it has no TTL.

    Such a store may refuse the configuration, too.
    """
    opened: list[Subject] = []
    refused = lab.attempt(lambda: opened.append(lab.open(ttl=config, index=index)))
    if not (opened or [lab.open(index=index)])[0].raw.supports_ttl:
        lab.unsupported("supports_ttl is False")
    if refused is not None:
        lab.fail("a store that supports TTL takes a TTLConfig", expected=config, got=refused)
    return opened[0]


def sweep(store: Subject) -> Any:
    """Sweep where there is something to call: an engine that expires natively needs none."""
    return store.maintenance("sweep_ttl") if hasattr(store.raw, "sweep_ttl") else None


def there(store: Subject, at: tuple[str, ...], keys: list[str]) -> list[str]:
    """The keys that are still there, looked up without refreshing them."""
    return [key for key in keys if store.get(at, key, refresh_ttl=False) is not None]


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
