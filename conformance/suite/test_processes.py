"""
E6: several processes share one store.
"""

from __future__ import annotations

import time
from typing import Any

from store_conformance.contract import Capability, MemoryType
from store_conformance.contract.observations import WriterFacts
from store_conformance.harness.case import case
from store_conformance.harness.errors import CheckFailedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.process.child import Child, ChildFailedError
from store_conformance.suite.support.memories import Entry, memories, memory

SHARES = (Capability.PERSISTENCE, Capability.PROCESSES)
WRITERS = 3
EACH = 25


def _embed(lab: Lab) -> str | None:
    return "exact" if lab.offers(Capability.VECTORS) else None


def _finish(writers: list[Child], count: int, seconds: float) -> list[str]:
    """Wait until every writer has acknowledged ``count`` writes; gives their errors."""
    errors = []
    for writer in writers:
        try:
            writer.wait_acknowledged(count, seconds)
        except ChildFailedError as error:
            errors.append(str(error))
    return errors


@case("E6", needs=SHARES, serial=True, seconds=180)
def test_parallel_writers_lose_nothing_and_raise_nothing(lab: Lab) -> None:
    """
    Several processes that write at once raise no error and lose no acknowledged write.

    If this fails, look at locks (database is locked), whole-file rewrites and caches.
    """
    at = lab.location()
    lab.open(at=at, index=lab.index("text") if _embed(lab) else None).close()
    writers = [lab.child(at, embed=_embed(lab)) for _ in range(WRITERS)]
    work = {
        n: [memory(MemoryType.SEMANTIC, f"user{n}", i) for i in range(EACH)] for n in range(WRITERS)
    }
    begin = time.perf_counter()
    for number, writer in enumerate(writers):
        writer.write(work[number])
    errors = _finish(writers, EACH, 40)
    seconds = time.perf_counter() - begin

    store = lab.open(at=at, index=lab.index("text") if _embed(lab) else None)
    lost = [
        (namespace, key)
        for number, writer in enumerate(writers)
        for namespace, key, value in work[number]
        if key in writer.acknowledged and _value(store, namespace, key) != value
    ]
    total = sum(len(w.acknowledged) for w in writers)
    rate = round(total / seconds, 1) if seconds else None
    lab.observe(
        "processes.writers",
        "ok" if not (lost or errors) else "errors" if errors else "lost writes",
        WriterFacts(WRITERS, total, lost=len(lost), errors=tuple(errors[:3]), per_second=rate),
    )
    lab.equal(errors, [], "errors of the writers")
    lab.equal(lost, [], "acknowledged writes that are missing or changed")
    if total < WRITERS * EACH:
        lab.unverified(f"only {total} of {WRITERS * EACH} writes were acknowledged in time")


def _value(store: Any, namespace: tuple[str, ...], key: str) -> Any:
    item = store.get(namespace, key)
    return None if item is None else item.value


@case("E6", needs=SHARES, serial=True)
def test_a_process_sees_what_another_has_acknowledged(lab: Lab) -> None:
    """
    A store that was opened before another process wrote, and has only read, sees the writes: by get, search,
    meaning and list.

    If this fails, look for data or an index that is loaded once at opening, or copied from time to time.
    """
    at = lab.location()
    index = lab.index("text") if _embed(lab) else None
    store = lab.open(at=at, index=index)
    first = memory(MemoryType.SEMANTIC, "lance", 0)
    other = lab.child(at, embed=_embed(lab))
    _write_all(lab, other, [first])  # this store itself writes nothing
    store.search(first[0], limit=5)
    entries = [memory(MemoryType.SEMANTIC, "lance", n) for n in range(1, 21)]
    for namespace, key, _ in entries[::2]:  # what was looked for in vain may be remembered
        lab.equal(store.get(namespace, key), None, f"{key!r}, before the other process wrote it")
    # And so may the answers of what is asked again below.
    store.keys(first[0])
    store.keys(())
    store.list_namespaces(limit=1000)
    if index is not None:
        store.ranked(first[0], entries[4][2]["text"], limit=100)
    _write_all(lab, other, entries)

    wanted = sorted([first[1], *(e[1] for e in entries)])
    lab.equal(store.keys(first[0]), wanted, "keys found by search in the older process")
    for namespace, key, value in entries:
        lab.same(store.value(namespace, key), value, f"{key!r} read in the older process")
    fresh = memory(MemoryType.EPISODIC, "zoe", 7)
    _write_all(lab, other, [fresh])
    lab.true(
        fresh[0] in store.list_namespaces(limit=1000),
        "a namespace made by the other process is not listed in the older one",
    )
    lab.true(fresh[1] in store.keys(()), "a search over everything finds what is new", got=fresh)
    if index is not None:
        found = store.ranked(first[0], entries[4][2]["text"], limit=100)
        lab.equal(sorted(found), wanted, "keys found by meaning in the older process")


def _write_all(lab: Lab, child: Child, entries: list[Entry]) -> None:
    before = len(child.acknowledged)
    child.write(entries)
    try:
        done = child.wait_acknowledged(before + len(entries), 30)
    except ChildFailedError as error:
        raise CheckFailedError(f"the other process could not write: {error}") from error
    if done < before + len(entries):
        lab.unverified(f"the other process acknowledged only {done - before} writes in time")


@case("E6", needs=SHARES, serial=True)
def test_a_process_sees_changes_and_deletes_of_another(lab: Lab) -> None:
    """
    Overwrites and deletes by one process are seen by a store that another process had open and had read.
    """
    at = lab.location()
    store = lab.open(at=at)
    entries = memories(MemoryType.PROCEDURAL, 6, users=("lance",))
    for entry in entries:
        store.put(*entry)
    for namespace, key, _ in entries:
        store.fetch(namespace, key)
    other = lab.child(at)

    namespace, changed, _ = entries[1]
    other.call("put", namespace, changed, {"prompt": "new", "turn": 2})
    other.call("delete", namespace, entries[2][1])

    lab.same(
        store.value(namespace, changed),
        {"prompt": "new", "turn": 2},
        "the value that another process overwrote",
    )
    lab.equal(store.get(namespace, entries[2][1]), None, "the item that another process deleted")
    lab.equal(
        store.keys(namespace),
        sorted(e[1] for e in entries if e[1] != entries[2][1]),
        "keys in search after another process deleted one",
    )
    store.put(namespace, changed, {"prompt": "mine", "turn": 3})
    seen = other.call("get", namespace, changed)
    lab.equal(
        seen and seen["value"], {"prompt": "mine", "turn": 3}, "what the other process reads back"
    )


@case("E6", needs=SHARES, serial=True, seconds=180)
def test_processes_that_overwrite_one_key_leave_one_whole_value(lab: Lab) -> None:
    """
    Several processes that overwrite the same key leave exactly one item with one writer's whole value.
    """
    at = lab.location()
    lab.open(at=at).close()
    writers = [lab.child(at) for _ in range(WRITERS)]
    for number, writer in enumerate(writers):
        turns: list[Entry] = [
            (("shared",), "counter", {"writer": number, "turn": turn, "pad": str(number) * 50})
            for turn in range(EACH)
        ]
        writer.write(turns)
    errors = _finish(writers, EACH, 40)

    store = lab.open(at=at)
    lab.equal(errors, [], "errors of the writers")
    if any(len(w.acknowledged) < EACH for w in writers):
        lab.unverified("not every writer had its last write acknowledged in time")
    found = store.search(("shared",), limit=10)
    lab.equal(len(found), 1, "items under the shared key")
    value = found[0].value
    lab.true(
        value["pad"] == str(value["writer"]) * 50 and value["turn"] == EACH - 1,
        "the value left behind is no writer's last value",
        got=value,
    )
