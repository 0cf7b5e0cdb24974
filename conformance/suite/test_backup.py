"""
E10: what was backed up by the engine's own means is everything, in an engine that holds nothing else.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from store_conformance.contract import Capability, Location, MemoryType, UserError
from store_conformance.contract.observations import BackupFacts
from store_conformance.harness.backends import COPY, WAYS, Backend, Backup
from store_conformance.harness.case import case
from store_conformance.harness.errors import CaseEnded, StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.private_engines import private_backend
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.expiry import expiring
from store_conformance.suite.support.memories import Entry, memories
from store_conformance.suite.test_restart import check_entries

T = TypeVar("T")
LASTING = (Capability.PERSISTENCE,)
LIFE = 4.0
"""Seconds that an item lives which expires after the restore."""
COPIES = 4
"""Copies of files in use: one alone may be lucky."""
ENOUGH = 10
"""Acknowledged writes before each of them."""


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="conformance-backup-") as name:
        yield Path(name)


def _way(lab: Lab, name: str | None) -> tuple[Backend, Backup]:
    """The way of that name (the first there is, without one) and the backend it works on."""
    found = lab.backend.backups()
    way = next(iter(found.values()), None) if name is None else found.get(name)
    if way is None:
        lab.unsupported(f"there is no {name or 'backup'} of this engine by means of a client here")
    assert way is not None
    if not way.ends_engine:
        return lab.backend, way
    private = private_backend(lab.backend)
    if private is None:
        lab.unsupported("the engine is not ours to stop")
    assert private is not None
    return private, private.backups()[name or next(iter(found))]


def _done(work: Callable[[], T], what: str) -> T:
    """What a function of the store's author raises is the store's, as what its methods raise."""
    try:
        return work()
    except (UserError, CaseEnded):
        raise
    except Exception as error:
        raise StoreRaisedError(what, error) from error


def _index(lab: Lab) -> dict[str, Any] | None:
    return lab.index("text") if lab.offers(Capability.VECTORS) else None


def _restored(lab: Lab, backend: Backend, way: Backup, store: Subject, folder: Path) -> Subject:
    """The store out of the folder, in a place that was empty; nothing is left of where it was."""
    settings = {"index": store.index, "ttl": store.ttl}
    if not way.ends_engine:
        lab.forget(store)
    fresh = lab.location(backend)
    at = _done(lambda: way.restore(folder, store.at, fresh), "the restore")
    return lab.open(at=at, backend=backend, **settings)


@case("E10", needs=LASTING, params={way: way for way in WAYS}, serial=True)
def test_a_backup_restored_into_an_empty_engine_is_everything(lab: Lab, way: str) -> None:
    """
    Values, timestamps, namespaces and vectors of all memory types come back from a backup, what was
    deleted or overwritten before it does not, and neither does what was written after it.

    If this fails, look for data that lie elsewhere than what is backed up, such as a cache or a second file.
    """
    backend, backup = _way(lab, way)
    store = lab.open(index=_index(lab), backend=backend)
    entries = [entry for kind in MemoryType for entry in memories(kind, 6)]
    gone, changed, *kept = entries
    store.put(*gone)
    store.put(changed[0], changed[1], {**changed[2], "text": "before the change"})
    for entry in entries[1:]:
        store.put(*entry)
    store.delete(gone[0], gone[1])
    stamps = _stamps(store, entries[1:])
    with _folder() as folder:
        if backup.at_rest:
            store.close()
        _done(lambda: backup.take(store.at, folder), "the backup")
        if not backup.at_rest:
            store.put(changed[0], changed[1], {"text": "after the backup"})
            store.put(("later",), "k", {"text": "after the backup"})
            store.close()
        again = _restored(lab, backend, backup, store, folder)

    check_entries(lab, again, entries[1:], "a restore")
    lab.equal(_stamps(again, entries[1:]), stamps, "timestamps after a restore")
    lab.equal(again.get(gone[0], gone[1]), None, "an item that was deleted before the backup")
    lab.equal(again.get(("later",), "k"), None, "an item that was put after the backup")
    spaces = sorted({entry[0] for entry in entries[1:]})
    lab.equal(sorted(again.list_namespaces(limit=100)), spaces, "the namespaces after a restore")
    _filters(lab, again, kept)
    _goes_on(lab, again, kept[0])
    lab.observe(f"backup.{way}", "restored", BackupFacts(len(entries) - 1, backup.command))


def _stamps(store: Subject, entries: list[Entry]) -> list[Any]:
    items = [store.fetch(namespace, key) for namespace, key, _ in entries]
    return [(item.key, item.created_at, item.updated_at) for item in items]


def _filters(lab: Lab, store: Subject, entries: list[Entry]) -> None:
    labelled = [(space, key) for space, key, value in entries if value.get("label") == "notify"]
    for space in sorted({space for space, _ in labelled}):
        wanted = sorted(key for other, key in labelled if other == space)
        found = store.keys(space, filter={"label": "notify"}, limit=100)
        lab.equal(found, wanted, f"a filter in {space!r} after a restore")


def _goes_on(lab: Lab, store: Subject, entry: Entry) -> None:
    namespace, key, value = entry
    store.put(namespace, key, {**value, "edited": True})
    lab.same(store.value(namespace, key), {**value, "edited": True}, "an overwrite after a restore")
    store.delete(namespace, key)
    lab.equal(store.get(namespace, key), None, "a delete after a restore")


@case("E10", needs=(*LASTING, Capability.TTL), waits=True)
def test_an_expiry_survives_a_backup(lab: Lab) -> None:
    """
    What had a time to live has what was left of it after a restore, and what had none stays.

    If this fails, look for a restore that starts every item's time anew, or forgets it.
    """
    if any(way.ends_engine for way in lab.backend.backups().values()):
        lab.unsupported("the engine has to be stopped for it, which cases side by side cannot bear")
    backend, backup = _way(lab, None)
    store = expiring(lab, refresh_on_read=False)
    store.put(("t",), "long", {"n": 2}, ttl=30)
    store.put(("t",), "none", {"n": 3})
    store.put(("t",), "short", {"n": 1}, ttl=LIFE / 60)
    written = time.monotonic()
    with _folder() as folder:
        if backup.at_rest:
            store.close()
        _done(lambda: backup.take(store.at, folder), "the backup")
        store.close()
        again = _restored(lab, backend, backup, store, folder)
    lab.sleep(written + LIFE - 1 - time.monotonic())
    # Given its whole life anew, the item would be there for that long from here on.
    latest = max(written + LIFE + 1.5, time.monotonic() + LIFE - 1)

    def swept() -> bool:
        if hasattr(again.raw, "sweep_ttl"):
            again.maintenance("sweep_ttl")
        return again.get(("t",), "short", refresh_ttl=False) is None

    told = f"the item with {LIFE:g} s to live was not swept after the restore"
    lab.until(swept, latest - time.monotonic(), told, every=0.25)
    lab.equal(again.keys(("t",), refresh_ttl=False), ["long", "none"], "items left after the sweep")


@case("E10", needs=LASTING, serial=True)
def test_a_copy_of_files_in_use_is_tried(lab: Lab) -> None:
    """
    What copies hold that are made while another process writes: recorded, as nobody promises anything.

    A copy is whole if it opens and has every write that was acknowledged before it began.
    """
    way = lab.backend.backups().get(COPY)
    if way is None or not way.files_only:
        lab.unsupported("its files are those of a server, or nobody says where they are")
    assert way is not None
    at = lab.location()
    writer = lab.child(at, embed="exact" if lab.offers(Capability.VECTORS) else None)
    entries = memories(MemoryType.SEMANTIC, 10)
    writer.write(entries, loop=True)
    whole, said = 0, ""
    with _folder() as folder:
        known = []
        for number in range(COPIES):
            if writer.wait_acknowledged(len(writer.acknowledged) + ENOUGH, 12) < ENOUGH:
                lab.unverified("too few writes were acknowledged to mean anything")
            known.append(list(writer.acknowledged))
            said = _copied(way, at, folder / str(number)) or said
        writer.kill()
        for number, keys in enumerate(known):
            lost = _lost(lab, way, folder / str(number), at, keys)
            whole, said = whole + (not lost), lost or said
    facts = BackupFacts(sum(map(len, known)), way.command, whole, said or None)
    outcome = "whole" if whole == COPIES else f"{COPIES - whole} of {COPIES} not whole"
    lab.observe("backup.in_use", outcome, facts)


def _copied(way: Backup, at: Location, folder: Path) -> str:
    """Copy the files although they are in use; gives what was complained about."""
    folder.mkdir()
    try:
        way.take(at, folder)
    except (shutil.Error, OSError) as error:  # a file that went away meanwhile
        return f"the copy was not complete: {type(error).__name__}"
    return ""


def _lost(lab: Lab, way: Backup, folder: Path, at: Location, keys: list[str]) -> str:
    """What is missing in a copy, in words; empty if nothing is."""
    namespaces = sorted({space for space, _, _ in memories(MemoryType.SEMANTIC, 10)})
    try:
        store = lab.open(at=way.restore(folder, at, lab.location()), index=_index(lab))
        there = {key for space in namespaces for key in store.keys(space, limit=10 * len(keys))}
        missing = [key for key in keys if key not in there]
    except CaseEnded as error:
        return f"it cannot be read: {error}"[:160]
    return f"{len(missing)} of {len(keys)} acknowledged writes are missing" if missing else ""
