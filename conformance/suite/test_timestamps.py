"""
Group K, the timestamps: when an item was created and when it was last put.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.expiry import expiring
from store_conformance.suite.support.shapes import fill

NS = ("users", "u1")
QUARTER = timedelta(minutes=15)
"""By which time zones differ."""
SLOW = timedelta(minutes=2)
"""What a put may take, and looking it up."""
TICK = 2.2
"""Seconds in which a clock of whole seconds has moved."""


# -- K4, K5: timestamps ---------------------------------------------------------------------------


@case("K4", waits=True)
def test_created_at_is_kept_by_every_overwrite(lab: Lab) -> None:
    """
    The time of creation stays what it was, however the item is overwritten.

    If this fails, look for INSERT OR REPLACE, delete-then-insert, or an Item built anew on each put.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 0})
    created = _moment(lab, store.fetch(NS, "k").created_at, "created_at")
    _let_the_clock_move(lab, created)

    writes: list[Callable[[], Any]] = [
        lambda: store.put(NS, "k", {"n": 1}),
        lambda: store.put(NS, "k", {"n": 1}),
        lambda: store.batch([PutOp(NS, "k", {"n": 2}), PutOp(NS, "k2", {"n": 2})]),
        lambda: store.put(NS, "k", {}),
    ]
    for write in writes:
        write()
        now = _moment(lab, store.fetch(NS, "k").created_at, "created_at")
        lab.equal(now, created, "created_at after an overwrite")
    found = [i for i in store.search(NS) if i.key == "k"]
    lab.equal(_moment(lab, found[0].created_at, "created_at"), created, "created_at in search")


@case("K5")
def test_updated_at_grows_with_every_put(lab: Lab) -> None:
    """
    Each acknowledged put gives a strictly later updated_at, also when puts follow one another at once.

    If this fails, look at the resolution of the column, and at a clock that is read too coarsely.
    """
    store = lab.open()
    seen: list[datetime] = []
    for n in range(25):
        store.put(NS, "k", {"n": n})
        seen.append(_moment(lab, store.fetch(NS, "k").updated_at, "updated_at"))

    for n, (earlier, later) in enumerate(pairwise(seen), start=1):
        lab.true(
            later > earlier,
            f"updated_at after put number {n + 1} is later than after the one before",
            expected=f"later than {earlier.isoformat()}",
            got=later.isoformat(),
        )


@case("K4", waits=True)
def test_updated_at_is_the_time_of_the_last_put(lab: Lab) -> None:
    """
    A put moves updated_at on as soon as the store's clock has moved, and never back.

    If this fails, look at a column that is written by the first put only.
    """
    store = lab.open()
    updated = None
    for n in range(3):
        updated = _moved_on(lab, store, lambda n=n: store.put(NS, "k", {"n": n}), updated)  # type: ignore[misc]


@case("K5", waits=True)
def test_updated_at_grows_when_the_value_stays_equal(lab: Lab) -> None:
    """
    A put of an equal value is a put: updated_at becomes later.

    If this fails, look for a write that is skipped because nothing seems to have changed.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1, "list": [1, 2]})
    updated = _moment(lab, store.fetch(NS, "k").updated_at, "updated_at")

    for name, write in (
        ("put", lambda: store.put(NS, "k", {"n": 1, "list": [1, 2]})),
        ("a put in a batch", lambda: store.batch([PutOp(NS, "k", {"list": [1, 2], "n": 1})])),
        (
            "a put in a batch of several",
            lambda: store.batch(
                [PutOp(NS, key, {"list": [1, 2], "n": 1}) for key in ("a", "k", "z")]
            ),
        ),
    ):
        updated = _moved_on(lab, store, write, updated, f"{name} of an equal value")


@case("K4", waits=True)
def test_reads_change_no_timestamp(lab: Lab) -> None:
    """
    Gets, searches, filters and listings leave created_at and updated_at as they were.

    If this fails, look for a refresh on read that touches more than the expiry.
    """
    store = lab.open()
    _check_reads_change_no_timestamp(lab, store)


@case("K4", needs=(Capability.TTL,), waits=True)
def test_a_refreshed_ttl_changes_no_timestamp(lab: Lab) -> None:
    """
    A read that extends an item's life leaves created_at and updated_at as they were.

    If this fails, look at the UPDATE that refreshes the expiry.
    """
    store = expiring(lab, default_ttl=60, refresh_on_read=True)
    _check_reads_change_no_timestamp(lab, store)


@case("K4", waits=True)
def test_a_write_beside_it_changes_no_timestamp(lab: Lab) -> None:
    """
    Puts and deletes of other items leave an item's timestamps as they were.

    If this fails, look at updates whose condition matches more than one row.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    before = _times(lab, store, NS, "k")
    _let_the_clock_move(lab, before[0])
    store.put(NS, "k2", {"n": 1})
    store.put((*NS, "sub"), "k", {"n": 1})
    store.put(NS[:1], "k", {"n": 1})
    store.batch([PutOp(NS, "k3", {"n": 1}), PutOp(NS, "k2", None)])
    store.delete(NS[:1], "k")

    lab.equal(_times(lab, store, NS, "k"), before, "created_at and updated_at of an untouched item")


@case("K4", waits=True)
def test_a_delete_ends_the_item(lab: Lab) -> None:
    """
    A put after a delete creates the item anew, with a new created_at.

    If this fails, look at a delete that only marks the row, or at a cache of creation times.
    """
    store = lab.open()
    fill(store, [(NS, key, {"n": 1}) for key in ("by_method", "by_batch", "by_put")])
    first = {i.key: _moment(lab, i.created_at, "created_at") for i in store.search(NS)}
    lab.equal(len(first), 3, "the number of items")
    again: dict[str, datetime] = {}
    # A full second where the store's clock has not moved: it may count tenths, or seconds.
    for wait in (0.03, 1.05):
        lab.sleep(wait)
        store.delete(NS, "by_method")
        store.batch([PutOp(NS, "by_batch", None)])
        store.put(NS, "by_put", None)
        for key in first:
            store.put(NS, key, {"n": 2})
        again = {key: _moment(lab, store.fetch(NS, key).created_at, "created_at") for key in first}
        if all(again[key] > before for key, before in first.items()):
            break

    for key, before in first.items():
        anew = again[key]
        lab.true(anew > before, f"an item deleted {key} and put again is created anew",
                 expected=f"created_at later than {before.isoformat()}", got=anew.isoformat())  # fmt: skip


@case("K4", waits=True)
def test_each_item_has_a_time_of_creation_of_its_own(lab: Lab) -> None:
    """
    Items that were created at different moments keep their times when one batch overwrites them all; the same
    key in another namespace is another item, created when it was.

    If this fails, look at times that are kept by key, and at one time that is written for a whole batch.
    """
    store = lab.open()
    places = [(NS, "a"), ((*NS, "sub"), "a"), (NS[:1], "a"), (("other",), "a"), (NS, "b")]
    created: dict[tuple[tuple[str, ...], str], datetime] = {}
    # A full second where the store's clock has not moved: it may count tenths, or seconds.
    for wait in (0.03, 1.05):
        created = {}
        for ns, key in places:
            store.delete(ns, key)
            store.put(ns, key, {"n": 0})
            created[ns, key] = _times(lab, store, ns, key)[0]
            lab.sleep(wait)
        if all(earlier < later for earlier, later in pairwise(created.values())):
            break
    for (first, earlier), (second, later) in pairwise(created.items()):
        lab.true(later > earlier, f"{second!r}, put after {first!r}, was created after it",
                 expected=f"later than {earlier.isoformat()}", got=later.isoformat())  # fmt: skip

    for turn, order in enumerate((places, places[::-1]), start=1):
        puts = [PutOp(ns, key, {"n": turn}) for ns, key in order]
        store.batch([*puts, PutOp(NS, f"new{turn}", {"n": turn})])
        now = {place: _times(lab, store, *place)[0] for place in places}
        lab.equal(now, created, f"the times of creation after {turn} batches that overwrite all")


@case("K4")
def test_timestamps_are_in_order_and_of_today(lab: Lab) -> None:
    """
    An item is created now, and never updated before it was created.

    If this fails, look at time zones, at seconds taken for milliseconds, at a default that is constant.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    store.batch([PutOp(NS, "k2", {"n": 1})])
    store.put(NS, "k", {"n": 2})

    now = datetime.now(timezone.utc)
    for item in (store.fetch(NS, "k"), store.fetch(NS, "k2"), *store.search(NS)):
        created = _moment(lab, item.created_at, "created_at")
        updated = _moment(lab, item.updated_at, "updated_at")
        lab.true(created <= updated, f"{item.key!r} was created before it was updated",
                 expected=f"created_at up to {updated.isoformat()}", got=created.isoformat())  # fmt: skip
        for name, moment in (("created_at", created), ("updated_at", updated)):
            lab.true(abs(moment - now) < timedelta(days=1), f"{name} of {item.key!r} is near the clock",
                     expected=f"within a day of {now.isoformat()}", got=moment.isoformat())  # fmt: skip


@case("K4", waits=True)
def test_search_and_batch_show_the_timestamps_of_get(lab: Lab) -> None:
    """
    Search and batch give the same created_at and updated_at as get.

    If this fails, look at the columns that the search selects.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    _let_the_clock_move(lab, _moment(lab, store.fetch(NS, "k").created_at, "created_at"))
    store.put(NS, "k", {"n": 2})

    expected = _times(lab, store, NS, "k")
    batch = store.batch([GetOp(NS, "k"), SearchOp(NS, filter={"n": 2})])
    for name, item in (
        ("search", store.search(NS)[0]),
        ("batch", batch[0]),
        ("filter", batch[1][0]),
    ):
        got = tuple(_moment(lab, t, "a timestamp") for t in (item.created_at, item.updated_at))
        lab.equal(got, expected, f"created_at and updated_at in {name}")


@case("K5")
def test_timestamps_are_aware_datetimes(lab: Lab) -> None:
    """
    Every created_at and updated_at is a datetime that knows its time zone.

    If this fails, look at text columns, and at datetimes made without a zone.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    store.put(NS, "k", {"n": 2})

    batch = store.batch([GetOp(NS, "k"), SearchOp(NS)])
    items = {
        "get": store.fetch(NS, "k"),
        "search": store.search(NS)[0],
        "batch": batch[0],
        "op": batch[1][0],
    }
    for source, item in items.items():
        _check_aware(lab, source, item)


@case("K5", needs=(Capability.VECTORS,))
def test_timestamps_of_what_a_query_finds_are_aware_datetimes(lab: Lab) -> None:
    """
    The items that a query finds have times with a zone too, alone, beside a filter and in a batch.

    If this fails, look at the second place that builds items, the one of the semantic search.
    """
    store = lab.indexed("text")
    store.put(NS, "k", {"text": "apple", "n": 1})
    answers = {
        "a query": store.search(NS, query="apple"),
        "a filtered query": store.search(NS, query="apple", filter={"n": 1}),
        "a query in a batch": store.batch([SearchOp(NS, query="apple")])[0],
    }
    for source, found in answers.items():
        for item in found:
            _check_aware(lab, source, item)


def _check_aware(lab: Lab, source: str, item: Any) -> None:
    for name in ("created_at", "updated_at"):
        moment = getattr(item, name)
        lab.true(isinstance(moment, datetime), f"{name} in {source} is a datetime", got=moment)
        lab.true(moment.utcoffset() is not None, f"{name} in {source} has a time zone", got=moment)


@case("K5")
def test_an_aware_timestamp_is_the_moment_of_the_put(lab: Lab) -> None:
    """
    A time with a zone is the moment of the put: it differs from our clock by nothing that a zone differs by.

    A server's clock may be ahead or behind, by any other time. If this fails, local time is labelled UTC, or UTC
    is labelled local.
    """
    store = lab.open()
    store.put(NS, "k", {"n": 1})
    item = store.fetch(NS, "k")
    now = datetime.now(timezone.utc)
    for name in ("created_at", "updated_at"):
        moment = _moment(lab, getattr(item, name), name)
        if getattr(item, name).utcoffset() is not None:  # one without a zone is the case above
            lab.true(not _apart_by_a_zone(moment - now), f"{name} is the moment of the put",
                     expected=f"about {now.isoformat()}", got=moment.isoformat())  # fmt: skip


def _apart_by_a_zone(apart: timedelta) -> bool:
    """Whether two clocks differ by so many quarters of an hour that zones do."""
    quarters = round(apart / QUARTER)
    return abs(quarters) > 1 and abs(apart - quarters * QUARTER) < SLOW


@case("K5", waits=True)
def test_timestamps_tell_moments_within_a_second_apart(lab: Lab) -> None:
    """
    Items put 30 ms apart have different times, and the times have a part below the second.

    If this fails, look at CURRENT_TIMESTAMP in engines where it counts whole seconds.
    """
    store = lab.open()
    items = []
    for n in range(6):
        store.put(NS, f"k{n}", {"n": n})
        items.append(store.fetch(NS, f"k{n}"))
        lab.sleep(0.03)

    for name in ("created_at", "updated_at"):
        moments = [_moment(lab, getattr(i, name), name) for i in items]
        texts = [m.isoformat() for m in moments]
        lab.equal(len(set(moments)), 6, f"different {name} of six items put 30 ms apart: {texts}")
        lab.true(
            any(m.microsecond for m in moments), f"{name} has a part below the second", got=texts
        )


def _moment(lab: Lab, value: Any, name: str) -> datetime:
    """
    The timestamp as an aware datetime; one without a zone counts as UTC here (that is K5's matter).
    """
    if isinstance(value, datetime):
        return value if value.utcoffset() is not None else value.replace(tzinfo=timezone.utc)
    lab.fail(f"{name} is a {type(value).__name__}, not a datetime", expected="datetime", got=value)
    raise AssertionError  # not reached: ``fail`` raises


def _moved_on(
    lab: Lab, store: Subject, write: Callable[[], Any], before: datetime | None, what: str = "a put"
) -> datetime:
    """
    updated_at after this write, made again until the store's clock has moved, a coarse one too.
    """
    end = time.monotonic() + TICK
    while True:
        late = time.monotonic() > end
        write()
        now = _moment(lab, store.fetch(NS, "k").updated_at, "updated_at")
        if before is None or now > before:
            return now
        lab.true(now == before, f"updated_at goes back with {what}",
                 expected=f"from {before.isoformat()} on", got=now.isoformat())  # fmt: skip
        lab.true(not late, f"updated_at is later after {what} than before",
                 expected=f"later than {before.isoformat()}", got=now.isoformat())  # fmt: skip
        lab.sleep(0.05)


def _times(lab: Lab, store: Subject, ns: tuple[str, ...], key: str) -> tuple[datetime, ...]:
    item = store.fetch(ns, key)
    return tuple(_moment(lab, t, "a timestamp") for t in (item.created_at, item.updated_at))


def _let_the_clock_move(lab: Lab, moment: datetime) -> None:
    """
    Wait until a write would show: until the next second where the store seems to count seconds.
    """
    lab.sleep(0.015 if moment.microsecond else 1.03 - time.time() % 1)


def _check_reads_change_no_timestamp(lab: Lab, store: Subject) -> None:
    store.put(NS, "k", {"n": 1})
    before = _times(lab, store, NS, "k")
    _let_the_clock_move(lab, before[0])
    store.search(NS)
    store.search((), filter={"n": {"$gte": 1}}, limit=5)
    store.search(NS[:1], limit=1)
    store.list_namespaces(prefix=NS[:1], max_depth=1)
    store.batch([GetOp(NS, "k"), SearchOp(NS, filter={"n": 1}), GetOp(NS, "none")])

    lab.equal(_times(lab, store, NS, "k"), before, "created_at and updated_at after reads")
