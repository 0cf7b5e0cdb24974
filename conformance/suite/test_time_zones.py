"""
K5 and T8 in other time zones: a machine in UTC hides what a machine elsewhere shows.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.harness.process.child import Child, ChildFailedError
from store_conformance.suite.support.expiry import SOON, grace, shown_or_ended

ZONES = {"far west": "WST12", "not of whole hours": "NPT-5:45", "far east": "EST-14"}
"""As POSIX has them, with the sign the other way round, so that no database of zones is needed."""
APART = timedelta(minutes=5)
"""What a slow machine may take between two looks at a clock; the nearest zone is hours away."""
D = ["d"]
HOUR = 60.0


def _elsewhere(lab: Lab, zone: str, **setup: Any) -> Child:
    """The store in a process whose local time is that of the zone."""
    if not hasattr(time, "tzset"):
        lab.unverified("this system takes no time zone from a process's environment")
    return lab.child(lab.location(), environment={"TZ": zone}, **setup)


def _ahead(lab: Lab) -> timedelta:
    """How far the store's clock, which may be a server's, is ahead of ours where no zone is set for it."""
    store = lab.open()
    before = datetime.now(timezone.utc)
    store.put(tuple(D), "k", {"n": 0})
    told = store.fetch(tuple(D), "k").created_at
    if told.tzinfo is None:  # judged as such in the case
        return timedelta()
    return told - before


@case("K5", params=ZONES)
def test_timestamps_are_the_same_instant_in_every_zone(lab: Lab, zone: str) -> None:
    """
    What a process elsewhere puts has timestamps of the present, with their zone, as what is put here has.

    If this fails, look for a local time without its zone, or one that is called UTC.
    """
    child = _elsewhere(lab, zone)
    ahead = _ahead(lab)
    before = datetime.now(timezone.utc) + ahead
    child.call("put", D, "k", {"n": 1})
    child.call("put", D, "k", {"n": 2})
    item = child.call("get", D, "k")

    for name in ("created_at", "updated_at"):
        told = datetime.fromisoformat(str(item[name]).replace("Z", "+00:00"))
        lab.true(told.tzinfo is not None, f"{name} has a zone", got=item[name])
        lab.true(
            before - APART < told < datetime.now(timezone.utc) + ahead + APART,
            f"{name} is the present, by the store's own clock, in a process whose TZ is {zone}",
            expected=before.isoformat(),
            got=item[name],
        )


@case("T8", needs=(Capability.TTL,), params=ZONES, waits=True)
def test_expiry_is_the_same_in_every_zone(lab: Lab, zone: str) -> None:
    """
    With a process elsewhere an item with an hour to live outlives a sweep, and one that has expired does not.

    If this fails, look for an expiry that is reckoned in local time and compared with UTC, or the reverse.
    """
    try:
        child = _elsewhere(lab, zone, ttl={"omit_expired": True})
        child.call("put", D, "long", {"n": 1}, ttl=HOUR)
    except ChildFailedError as refused:
        if refused.kind != "NotImplementedError" and "omit_expired" not in str(refused):
            raise
        lab.unsupported("a TTLConfig with omit_expired, or put(ttl=), is refused")
    shown_or_ended(lab)
    child.call("put", D, "short", {"n": 2}, ttl=SOON)
    lab.sleep(grace(lab))
    try:
        child.call("sweep_ttl")
    except ChildFailedError as missing:
        if missing.kind != "AttributeError":
            raise

    found = [k for k in ("long", "short") if child.call("get", D, k, refresh_ttl=False)]
    lab.equal(found, ["long"], f"what is there after a sweep in a process whose TZ is {zone}")
