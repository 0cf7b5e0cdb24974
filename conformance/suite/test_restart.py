"""
E4: what was acknowledged is there after a restart, for each memory type and each kind of restart.

    a new store object  <  a new process  <  the client killed  <  the engine restarted  <  the engine killed
"""

from __future__ import annotations

import time
from typing import Any

from store_conformance.contract import Capability, MemoryType, Restart
from store_conformance.contract.observations import RestartFacts
from store_conformance.harness.case import case
from store_conformance.harness.errors import CheckFailedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.private_engines import private_backend
from store_conformance.harness.process.child import Child, ChildFailedError
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import keys_taken, spaces_taken
from store_conformance.suite.support.expiry import expiring
from store_conformance.suite.support.memories import KINDS, Entry, memories, memory, namespace_of
from store_conformance.suite.support.scale import by_cosine

PERSISTS = (Capability.PERSISTENCE,)
ENOUGH = 20
"""Fewer acknowledged writes than this before a kill say nothing about durability."""
WANTED = 120
WAIT_SECONDS = 12.0
LIFE = 5.0
"""Seconds that an item lives which expires after the restart."""


def _index(lab: Lab) -> dict[str, Any] | None:
    return lab.index("text") if lab.offers(Capability.VECTORS) else None


def _embed(lab: Lab) -> str | None:
    return "exact" if lab.offers(Capability.VECTORS) else None


def check_entries(lab: Lab, store: Subject, entries: list[Entry], after: str) -> None:
    """Every entry reads back by get, by search and in list_namespaces, and is found by meaning."""
    for namespace, key, value in entries:
        item = store.get(namespace, key)
        if item is None:
            raise CheckFailedError(
                f"an acknowledged write was lost: {namespace!r} {key!r} after {after}",
                expected=value,
                got=None,
            )
        lab.same(item.value, value, f"{namespace!r} {key!r} after {after}")
    for namespace in sorted({e[0] for e in entries}):
        wanted = sorted(k for n, k, _ in entries if n == namespace)
        found = store.keys(namespace, limit=max(1000, len(wanted) + 100))
        lab.equal(
            [k for k in wanted if k not in found], [], f"keys missing in search after {after}"
        )
        listed = store.list_namespaces(prefix=namespace, limit=1000)
        lab.true(namespace in listed, f"{namespace!r} is not listed after {after}", got=listed)
    if lab.offers(Capability.VECTORS):
        _check_meaning(lab, store, entries, after)


def _check_meaning(lab: Lab, store: Subject, entries: list[Entry], after: str) -> None:
    for namespace, key, value in (entries[0], entries[-1]):
        hits = store.search(namespace, query=value["text"], limit=max(1000, len(entries) + 100))
        scores = {h.key: h.score for h in hits}
        lab.true(
            scores.get(key) is not None,
            f"{key!r} is not found by meaning after {after}",
            got=sorted(scores)[:10],
        )
        best = max(s for s in scores.values() if s is not None)
        lab.true(
            best - scores[key] < 1e-4 or not by_cosine(lab),
            f"{key!r} is not among the best matches of its own text after {after}",
            got=scores[key],
            expected=best,
        )


@case("E4", restart=Restart.OBJECT, needs=PERSISTS, params=KINDS)
def test_a_new_store_object_finds_everything(lab: Lab, kind: MemoryType) -> None:
    """
    After the store is closed, a new store object at the same place finds values, vectors and timestamps.

    If this fails, look for writes that reach the engine only when something else happens.
    """
    store = lab.open(index=_index(lab))
    entries = memories(kind, 12)
    for entry in entries:
        store.put(*entry)
    before = {e[1]: store.fetch(e[0], e[1]) for e in entries}
    stamps = {k: (i.created_at, i.updated_at) for k, i in before.items()}

    again = lab.reopen(store)

    check_entries(lab, again, entries, "a new store object")
    for namespace, key, _ in entries:
        item = again.fetch(namespace, key)
        lab.equal(
            (item.created_at, item.updated_at),
            stamps[key],
            f"timestamps of {key!r} after reopening",
        )
    lab.observe("restart.object", "survived", RestartFacts(len(entries), memory=kind))


@case("E4", restart=Restart.OBJECT, needs=PERSISTS, params=KINDS)
def test_deletes_and_overwrites_survive_a_new_store_object(lab: Lab, kind: MemoryType) -> None:
    """
    What was deleted stays deleted and what was overwritten stays overwritten when the store is reopened.
    """
    store = lab.open(index=_index(lab))
    entries = memories(kind, 10)
    for entry in entries:
        store.put(*entry)
    for namespace, key, _ in entries[:3]:
        store.delete(namespace, key)
    namespace, key, value = entries[4]
    changed = {**value, "text": f"lemon {value['text']}", "edited": True}
    store.put(namespace, key, changed)
    created = store.fetch(namespace, key).created_at

    again = lab.reopen(store)

    for gone_namespace, gone_key, _ in entries[:3]:
        lab.equal(
            again.get(gone_namespace, gone_key), None, f"the deleted {gone_key!r} after reopening"
        )
    again.put(namespace, key, {**changed, "edited": False})
    lab.same(again.value(namespace, key), {**changed, "edited": False}, "the overwritten value")
    lab.equal(
        again.fetch(namespace, key).created_at, created, "created_at, kept across the reopening"
    )
    rest = [*entries[3:4], *entries[5:]]
    check_entries(lab, again, rest, "a new store object")


@case("E4", restart=Restart.PROCESS, needs=PERSISTS, params=KINDS, serial=True)
def test_a_new_process_finds_everything(lab: Lab, kind: MemoryType) -> None:
    """
    What one process wrote and closed, another process reads: values, vectors, namespaces.
    """
    at = lab.location()
    entries = memories(kind, ENOUGH)
    writer = lab.child(at, embed=_embed(lab))
    writer.write(entries)
    acknowledged = writer.wait_acknowledged(len(entries), WAIT_SECONDS * 2)
    writer.end()
    if acknowledged < len(entries):
        lab.unverified(f"the writer acknowledged only {acknowledged} of {len(entries)} writes")

    store = lab.open(at=at, index=_index(lab))

    check_entries(lab, store, entries, "a new process")
    lab.observe("restart.process", "survived", RestartFacts(acknowledged, memory=kind))


@case("E4", restart=Restart.CLIENT_KILLED, needs=PERSISTS, params=KINDS, serial=True)
def test_the_client_killed_loses_nothing_acknowledged(lab: Lab, kind: MemoryType) -> None:
    """
    A writer that is killed with SIGKILL right after an acknowledged write loses none of them.

    If this fails, look for buffers that are flushed at close, or commits that happen later.
    """
    at = lab.location()
    writer = lab.child(at, embed=_embed(lab))
    survivors = _write_then(lab, writer, kind, writer.kill)

    store = lab.open(at=at, index=_index(lab))

    check_entries(lab, store, survivors, "the client was killed")
    _still_works(lab, store, kind)
    lab.observe("restart.client_killed", "survived", RestartFacts(len(survivors), memory=kind))


@case("E4", restart=Restart.ENGINE_STOPPED, needs=PERSISTS, params=KINDS, serial=True)
def test_the_engine_stopped_and_started_loses_nothing(lab: Lab, kind: MemoryType) -> None:
    """
    After the engine was stopped and started again, everything acknowledged is there.
    """
    backend = private_backend(lab.backend)
    engine = backend.engine() if backend is not None else None
    if backend is None or engine is None:
        lab.observe("restart.engine_stopped", _no_engine(lab), RestartFacts(memory=kind))
        lab.unsupported(_no_engine(lab))
        return
    at = lab.location(backend)
    store = lab.open(at=at, index=_index(lab), backend=backend)
    entries = memories(kind, 30)
    for entry in entries:
        store.put(*entry)
    stamps = {e[1]: store.fetch(e[0], e[1]).created_at for e in entries}
    store.close()

    engine.stop()
    engine.start()

    again = lab.open(at=at, index=_index(lab), backend=backend)
    check_entries(lab, again, entries, "the engine was stopped and started")
    for namespace, key, _ in entries:
        lab.equal(again.fetch(namespace, key).created_at, stamps[key], f"created_at of {key!r}")
    lab.observe("restart.engine_stopped", "survived", RestartFacts(len(entries), memory=kind))


@case("E4", restart=Restart.ENGINE_KILLED, needs=PERSISTS, params=KINDS, serial=True)
def test_the_engine_killed_loses_nothing_acknowledged(lab: Lab, kind: MemoryType) -> None:
    """
    After the engine was killed with SIGKILL right after the last acknowledged write, all of them are there.
    """
    backend = private_backend(lab.backend)
    engine = backend.engine() if backend is not None else None
    if backend is None or engine is None:
        lab.observe("restart.engine_killed", _no_engine(lab), RestartFacts(memory=kind))
        lab.unsupported(_no_engine(lab))
        return
    at = lab.location(backend)
    writer = lab.child(at, embed=_embed(lab), backend=backend)

    def crash() -> None:
        engine.kill()
        writer.kill()

    try:
        survivors = _write_then(lab, writer, kind, crash)
    finally:
        engine.start()

    store = lab.open(at=at, index=_index(lab), backend=backend)
    check_entries(lab, store, survivors, "the engine was killed")
    _still_works(lab, store, kind)
    lab.observe("restart.engine_killed", "survived", RestartFacts(len(survivors), memory=kind))


def _no_engine(lab: Lab) -> str:
    if str(lab.backend.deployment) == "url":
        return "the engine is the user's own and is not ours to stop"
    return "there is no engine apart from the client process, which is killed in a case of its own"


def _write_then(lab: Lab, writer: Child, kind: MemoryType, crash: Any) -> list[Entry]:
    """Let the child write without end, crash it or its engine, and give what it had acknowledged."""
    base = memories(kind, 40)
    by_key = {key: (namespace, value) for namespace, key, value in base}
    writer.write(base, loop=True)
    try:
        writer.wait_acknowledged(WANTED, WAIT_SECONDS)
    except ChildFailedError as error:
        raise CheckFailedError(f"the writer could not write: {error}") from error
    finally:
        crash()
    if len(writer.acknowledged) < ENOUGH:
        lab.unverified(
            f"only {len(writer.acknowledged)} writes were acknowledged in {WAIT_SECONDS:g} s,"
            f" too few to mean anything (at least {ENOUGH})"
        )
    return [
        (by_key[key.split("-turn")[0]][0], key, by_key[key.split("-turn")[0]][1])
        for key in writer.acknowledged
    ]


def _still_works(lab: Lab, store: Subject, kind: MemoryType) -> None:
    namespace, key, value = memory(kind, "after", 3)
    store.put(namespace, key, value)
    lab.same(store.value(namespace, key), value, "a new write after the crash")
    store.delete(namespace, key)
    lab.equal(store.get(namespace, key), None, "a delete after the crash")


@case("E4", restart=Restart.CLIENT_KILLED, needs=PERSISTS, serial=True)
def test_acknowledged_deletes_and_batches_survive_a_kill(lab: Lab) -> None:
    """
    A delete, an overwrite and a batch that were acknowledged right before SIGKILL have happened.
    """
    at = lab.location()
    writer = lab.child(at, embed=_embed(lab))
    entries = memories(MemoryType.SEMANTIC, 10)
    ops = [["put", [list(n), k, v]] for n, k, v in entries]
    writer.call("batch", ops)
    namespace, gone, _ = entries[0]
    _, kept, _ = entries[2]
    writer.call("put", namespace, kept, {"text": "lemon", "turn": 2})
    writer.call("delete", namespace, gone)
    writer.kill()

    store = lab.open(at=at, index=_index(lab))

    lab.equal(store.get(namespace, gone), None, "the item deleted before the kill")
    lab.same(
        store.value(namespace, kept),
        {"text": "lemon", "turn": 2},
        "the value overwritten before the kill",
    )
    check_entries(lab, store, [entries[1], *entries[3:]], "the client was killed after a batch")
    lab.true(gone not in store.keys(namespace), "the deleted item is in search after the kill")


@case("E4", restart=Restart.OBJECT, needs=(Capability.PERSISTENCE, Capability.TTL), waits=True)
def test_an_expiry_survives_a_restart(lab: Lab) -> None:
    """
    An item's time to live goes on across a restart: the short one is swept, the long one and the one
    without any stay.

    If this fails although items expire, look for an opening that starts every item's time anew.
    """
    store = expiring(lab, refresh_on_read=False)
    store.put(("t",), "long", {"n": 2}, ttl=30)
    store.put(("t",), "none", {"n": 3})
    store.put(("t",), "short", {"n": 1}, ttl=LIFE / 60)
    written = time.monotonic()
    lab.sleep(LIFE - 1)

    again = lab.reopen(store)
    # Given its whole life anew, the item would be there for that long from here on.
    latest = max(written + LIFE + 1.5, time.monotonic() + LIFE - 1)

    def swept() -> bool:
        if hasattr(again.raw, "sweep_ttl"):
            again.maintenance("sweep_ttl")
        return again.get(("t",), "short", refresh_ttl=False) is None

    told = f"the item with {LIFE:g} s to live was not swept after the restart"
    lab.until(swept, latest - time.monotonic(), told, every=0.25)
    lab.equal(again.keys(("t",), refresh_ttl=False), ["long", "none"], "items left after the sweep")


@case("E4", restart=Restart.OBJECT, needs=PERSISTS)
def test_namespaces_survive_with_every_character(lab: Lab) -> None:
    """
    Namespaces and keys with unusual characters are the same after a restart.
    """
    odd = (
        "a/b",
        "100%",
        "under_score",
        "sp ace",
        "Füße",
        "emoji-🚀",
        "quote'\"",
        "back\\slash",
        "*?[x]",
    )
    store = lab.open()
    taken = {label for _, label in spaces_taken(lab, [("odd", label) for label in odd])}
    keys = keys_taken(lab, [f"key {label}" for label in odd])
    labels = [label for label in odd if label in taken and f"key {label}" in keys]
    for number, label in enumerate(labels):
        store.put(("odd", label), f"key {label}", {"n": number, "label": label})

    again = lab.reopen(store)

    lab.equal(
        sorted(again.list_namespaces(prefix=("odd",), limit=100)),
        sorted(("odd", label) for label in labels),
        "the namespaces after a restart",
    )
    for number, label in enumerate(labels):
        lab.same(
            again.value(("odd", label), f"key {label}"),
            {"n": number, "label": label},
            f"under {label!r}",
        )


@case("E4", restart=Restart.OBJECT)
def test_a_store_that_does_not_persist_says_so(lab: Lab) -> None:
    """
    A backend that declares no persistence is observed: what a second opening of its place finds.
    """
    if lab.offers(Capability.PERSISTENCE):
        lab.unsupported("the backend declares persistence; the other cases check it")
    store = lab.open()
    store.put(
        namespace_of(MemoryType.PROCEDURAL, "lance"), "agent_instructions", {"prompt": "be brief"}
    )
    again = lab.reopen(store)
    found = again.get(namespace_of(MemoryType.PROCEDURAL, "lance"), "agent_instructions")
    lab.observe(
        "restart.object",
        "lost, as declared" if found is None else "found although no persistence is declared",
        RestartFacts(1),
    )
