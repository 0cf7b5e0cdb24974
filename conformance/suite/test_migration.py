"""
E7: memories leave any store complete, and enter any other one unaltered or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from langgraph.store.memory import InMemoryStore

from store_conformance.contract import Capability
from store_conformance.harness.backends import BUILT_IN
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.private_engines import partner
from store_conformance.harness.subject import Subject
from store_conformance.migration.export_file import read_export, write_export
from store_conformance.migration.transfer import (
    Exported,
    ImportRefusedError,
    export_items,
    import_items,
)
from store_conformance.suite.support.accepted import keys_taken, spaces_taken, without_refused

NAMESPACES: tuple[tuple[str, ...], ...] = (
    ("lance",),
    ("lance", "deep"),
    ("lance2",),
    ("email_assistant", "lance", "examples"),
    ("email_assistant", "mira", "collection"),
    ("a/b", "100%", "under_score"),
    ("sp ace", "Füße", "🚀", "quote'\"", "back\\slash", "*?[x]"),
    tuple(f"level{n}" for n in range(12)),
)
KEYS = ("agent_instructions", "emoji 🧠", "it's", 'say "hi"', "per%cent", "a/b.c", "Case", "case")
VALUES: tuple[dict[str, Any], ...] = (
    {"prompt": "100 %, 'quoted' \"twice\" \\ and\nnew lines\t🧠"},
    {"email": {"author": "a@b.example", "cc": []}, "label": "respond", "score": 0.1, "n": -7},
    {"none": None, "yes": True, "no": False, "empty": {}, "list": [1, "two", 3.5, None, [4]]},
    {"": "an empty name", "ключ": "ź", "$gt": 1, "a.b": {"c d": [{"e": "f"}]}},
)
MANY_NAMESPACES = 130
MANY_ITEMS = 1100


def _items() -> list[Exported]:
    pairs = [(n, k) for n in NAMESPACES for k in KEYS]
    items = [Exported(n, k, VALUES[at % len(VALUES)]) for at, (n, k) in enumerate(pairs)]
    return [*items, Exported(("lance",), "a_long_one", {"text": "Once upon a time. " * 4000})]


def _held(lab: Lab, store: Subject) -> list[Exported]:
    """All of the items, or all but the long one where this engine refuses that by name."""
    *others, long = _items()
    spaces, keys = spaces_taken(lab, NAMESPACES), keys_taken(lab, KEYS)
    others = [
        replace(item, value=without_refused(lab, item.value))
        for item in others
        if item.namespace in spaces and item.key in keys
    ]
    error = lab.attempt(lambda: store.put(long.namespace, long.key, long.value))
    if error is None:
        store.delete(long.namespace, long.key)
        return [*others, long]
    lab.equal(store.get(long.namespace, long.key), None, "get after the put was refused")
    lab.observe("migration.refused", f"a value of 72 kB: {str(error)[:160]}")
    return others


def _fill(store: Subject, items: Iterable[Exported]) -> None:
    every = [PutOp(i.namespace, i.key, i.value) for i in items]
    for start in range(0, len(every), 500):
        store.batch(every[start : start + 500])


def _by_address(items: Iterable[Exported]) -> dict[tuple[tuple[str, ...], str], dict[str, Any]]:
    return {i.address: i.value for i in items}


def _check(lab: Lab, got: list[Exported], wanted: list[Exported], what: str) -> None:
    """The same items, each once, with equal values of the same types."""
    found, expected = _by_address(got), _by_address(wanted)
    lab.equal(len(found), len(got), f"distinct items in {what}")
    lost = [address for address in expected if address not in found]
    lab.equal(lost[:5], [], f"{len(lost)} items lost in {what}")
    added = [address for address in found if address not in expected]
    lab.equal(added[:5], [], f"{len(added)} items that nobody put in {what}")
    for address, value in expected.items():
        lab.same(found[address], value, f"the value of {address!r} in {what}")


def _moved_in(lab: Lab, store: Subject, items: Iterable[Exported]) -> int:
    """How many items were imported; a refusal of what the store has held before fails the case."""
    try:
        return import_items(store, items)
    except ImportRefusedError as error:
        lab.fail("items that the store can hold are refused", got=str(error))
        raise


@case("E7")
def test_an_export_finds_everything(lab: Lab) -> None:
    """
    An export of the store holds every namespace, key and value as it was put, however unusual.

    Catches namespaces that are not listed, and keys or values altered on the way out.
    """
    store = lab.open()
    items = _held(lab, store)
    _fill(store, items)

    exported = list(export_items(store))

    _check(lab, exported, items, "the export")
    moments = [
        (i.created_at, i.updated_at) for i in exported if not (i.created_at and i.updated_at)
    ]
    lab.equal(moments, [], "items exported without their timestamps")


@case("E7")
def test_an_export_is_complete_beyond_one_page(lab: Lab) -> None:
    """
    More than a hundred namespaces and a thousand items of one namespace are all in the export.

    Catches limits that are capped or forgotten, and pages that overlap or leave gaps.
    """
    store = lab.open()
    few = [Exported(("user", f"u{n:03}"), "note", {"n": n}) for n in range(MANY_NAMESPACES)]
    many = [Exported(("log",), f"entry{n}", {"n": n}) for n in range(MANY_ITEMS)]
    _fill(store, [*few, *many])

    _check(lab, list(export_items(store)), [*few, *many], "the export")


@case("E7")
def test_memories_move_in_from_another_store_and_back(lab: Lab) -> None:
    """
    What ``InMemoryStore`` holds moves into this store and, by way of a file, back into a fresh
    ``InMemoryStore``: equal at every stop.

    Catches batches that alter or lose items, and a second import that is not the same as one.
    """
    store = lab.open()
    items = _held(lab, store)
    other = InMemoryStore()
    import_items(other, items)

    moved = _moved_in(lab, store, export_items(other))

    lab.equal(moved, len(items), "the number of items imported")
    _check(lab, list(export_items(store)), items, "this store after the import")
    path = store.at.path / "export.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_export(path, export_items(store))
    back = InMemoryStore()
    import_items(back, read_export(path))
    path.unlink()
    _check(lab, list(export_items(back)), items, "the other store after the way back")
    lab.equal(_moved_in(lab, store, export_items(back)), moved, "the number imported a second time")
    _check(lab, list(export_items(store)), items, "this store after a second import")


UNUSUAL: dict[str, dict[str, Any]] = {
    "NUL": {"text": "a\x00b"},
    "surrogate": {"text": "\ud83d alone"},
    "NaN": {"n": float("nan")},
    "infinity": {"n": float("inf")},
    "huge": {"n": 2**70},
    "big_float": {"n": 1e16},
}


@case("E7")
def test_what_cannot_be_held_is_refused_by_name(lab: Lab) -> None:
    """
    Values that this store may not hold are imported equal, or refused by name with nothing written.

    Tried with NUL, a lone surrogate, NaN, infinity and numbers that some engines alter.  Catches values
    altered in silence and imports that stop half way.
    """
    store = lab.open()
    usual = [Exported(("usual",), f"k{n}", {"n": n}) for n in range(20)]
    unusual = {k: Exported(("unusual",), k, v) for k, v in UNUSUAL.items()}
    refused: tuple[str, ...] = ()

    try:
        import_items(store, [*usual, *unusual.values()])
    except ImportRefusedError as error:
        refused = tuple(r.key for r in error.refusals)
        lab.true(set(refused) <= set(unusual), "a usual item was refused", got=str(error))
        lab.equal(list(export_items(store)), [], "what was written by a refused import")
        kept = [item for key, item in unusual.items() if key not in refused]
        _moved_in(lab, store, [*usual, *kept])
    kept = [item for key, item in unusual.items() if key not in refused]

    _check(lab, list(export_items(store)), [*usual, *kept], "the store after the import")
    lab.observe("migration.refused", ", ".join(refused) or "nothing", tried=list(UNUSUAL))


@case("E7")
def test_wrong_items_are_refused_before_anything_is_written(lab: Lab) -> None:
    """
    A bad namespace, a value that is not JSON, an item twice and one that would overwrite another are
    refused by name, and the store is as it was.

    Catches a refused import that left something behind.
    """
    store = lab.open()
    store.put(("there",), "k", {"n": 1})
    good = Exported(("good",), "k", {"n": 1})
    wrong: dict[str, list[Exported]] = {
        "dotted": [good, Exported(("a.b",), "dotted", {})],
        "reserved": [good, Exported(("langgraph", "x"), "reserved", {})],
        "set": [good, Exported(("a",), "set", {"s": {1, 2}})],
        "number": [good, Exported(("a",), "number", {"deep": [{1: "one"}]})],
        "twice": [Exported(("a",), "twice", {"n": 1}), Exported(("a",), "twice", {"n": 2})],
        "k": [good, Exported(("there",), "k", {"n": 2})],
    }
    for key, items in wrong.items():
        try:
            import_items(store, items)
            lab.fail(f"the import with {key!r} was not refused")
        except ImportRefusedError as error:
            lab.equal([r.key for r in error.refusals], [key], "the items that were refused")
    _check(lab, list(export_items(store)), [Exported(("there",), "k", {"n": 1})], "the store")


@case("E7", params={name: name for name in BUILT_IN}, serial=True, thorough=True)
def test_memories_move_to_every_other_backend(lab: Lab, name: str) -> None:
    """
    What this store holds moves into a store of each backend that is shipped, and is equal there.

    What that one cannot hold is refused by name, with nothing written, and the rest moves.  An engine that is
    not there, or raises, leaves the pair unverified: the other store is judged by its own runs.
    """
    other = lab.backend if name == lab.backend.name else partner(name)
    if Capability(str(lab.mode)) not in other.capabilities:
        lab.unsupported(f"{name} has no {lab.mode} methods")
    source, target = lab.open(), lab.open(backend=other)
    items = _held(lab, source)
    _fill(source, items)
    exported = list(export_items(source))
    _check(lab, exported, items, "the export")

    try:
        refused = _refused_by(lab, target, exported)
        kept = [item for item in exported if item.address not in refused]
        moved = _moved_in(lab, target, kept)
        arrived = list(export_items(target))
    except StoreRaisedError as error:
        lab.unverified(f"{name} itself raised {type(error.cause).__name__}: {error.cause}"[:300])
    lab.equal(moved, len(kept), f"the number of items moved to {name}")
    _check(lab, arrived, kept, f"the store of {name}")
    _check(lab, list(export_items(source)), items, "this store after its items were moved")
    lab.observe("migration.pair", f"{moved} of {len(items)} items", to=name)


def _refused_by(lab: Lab, target: Subject, items: list[Exported]) -> set[Any]:
    """The addresses of what the target refuses; then nothing was written."""
    try:
        import_items(target, items)
    except ImportRefusedError as error:
        lab.equal(list(export_items(target)), [], "what was written by a refused import")
        return {(refusal.namespace, refusal.key) for refusal in error.refusals}
    return set()
