"""
What a target cannot hold, found out before anything of the migration is written to it.

Items that any store holds (plain text, ordinary numbers) are tried by sample.  Each item with something
unusual in it is tried: put aside under labels of nobody's, read back, compared and deleted.
"""

from __future__ import annotations

import math
import uuid
from typing import Any

from store_conformance.contract.errors import EXIT_USAGE
from store_conformance.harness.compat import GetOp, PutOp, operation
from store_conformance.migration.journal import Entry, Journal
from store_conformance.migration.transfer import (
    BATCH,
    Exported,
    MigrationError,
    Refusal,
    Writable,
    beside,
    invalid,
    take_away,
    tried_part,
)

SAMPLE = 200
"""So many plain items are tried with the others."""
_LONG_TEXT = 8_000
_DEEP = 10
_LARGE = 2**53
_MOST_FIELDS = 100


def unusual(item: Exported) -> bool:
    """Whether an engine might refuse or alter this item; what is usual no known engine does."""
    if not all(_usual_text(label, 100) for label in (*item.namespace, item.key)):
        return True
    if len(item.namespace) > _DEEP or len(item.key) > 200:
        return True
    waiting: list[tuple[Any, int]] = [(item.value, 0)]
    length = fields = 0
    while waiting:
        part, depth = waiting.pop()
        fields += 1
        if depth > _DEEP or fields > _MOST_FIELDS:
            return True
        if isinstance(part, dict):
            if not all(isinstance(name, str) and name and _usual_text(name, 100) for name in part):
                return True
            if any(name[0] == "$" or "." in name for name in part):
                return True
            waiting += [(inner, depth + 1) for inner in part.values()]
        elif isinstance(part, (list, tuple)):
            waiting += [(inner, depth + 1) for inner in part]
        elif isinstance(part, str):
            length += len(part)
            if length > _LONG_TEXT or not _usual_text(part, _LONG_TEXT):
                return True
        elif not _usual_number(part):
            return True
    return False


def _usual_text(text: str, most: int) -> bool:
    """Printable, in one piece, and without a space at an end that an engine might trim."""
    return len(text) <= most and text == text.strip(" ") and _printable(text)


def _printable(text: str) -> bool:
    return all(c.isprintable() or c in "\n\t" for c in text)


def _usual_number(part: Any) -> bool:
    if part is None or isinstance(part, bool):
        return True
    if isinstance(part, int):
        return abs(part) <= _LARGE
    if isinstance(part, float):
        short = math.isfinite(part) and "e" not in repr(part)
        return short and (part != 0 or math.copysign(1, part) > 0)
    return False


def refusals(store: Writable, journal: Journal, done: Any) -> list[Refusal]:
    """
    What the target cannot hold of the items that the journal has not seen tried.

    ``done`` is told how many are through.  Items without a refusal are marked; those with one are not.
    """
    found: list[Refusal] = []
    sampled = 0
    after = 0
    while entries := journal.left("tried", BATCH * 5, after=after):
        after = entries[-1].id
        refused = {e.id: r for e in entries if (r := invalid(e.item)) is not None}
        chosen = []
        for entry in entries:
            if entry.id in refused:
                continue
            if unusual(entry.item):
                chosen.append(entry)
            elif sampled < SAMPLE:
                sampled += 1
                chosen.append(entry)
        refused.update(_tried(store, journal, chosen))
        found += refused.values()
        journal.mark("tried", [entry for entry in entries if entry.id not in refused])
        done(len(entries))
    return found


def _tried(store: Writable, journal: Journal, entries: list[Entry]) -> dict[int, Refusal]:
    aside = f"migration-check-{uuid.uuid4().hex}"
    by_address = {entry.item.address: entry.id for entry in entries}
    found: dict[int, Refusal] = {}
    for start in range(0, len(entries), BATCH):
        part = [entry.item for entry in entries[start : start + BATCH]]
        with journal.aside((beside(item, aside), item.key) for item in part):
            try:
                for refusal in tried_part(store, aside, part):
                    found[by_address[refusal.namespace, refusal.key]] = refusal
            finally:
                take_away(store, [(beside(item, aside), item.key) for item in part])
    return found


def is_the_same(source: Any, target: Writable, journal: Journal) -> bool:
    """
    Whether the two are one store by two addresses: what is put into one is there in the other.

    It is put under a label of nobody's and taken away again.
    """
    namespace, key = (f"migration-check-{uuid.uuid4().hex}",), "one"
    with journal.aside([(namespace, key)]):
        target.batch([operation(PutOp, namespace, key, {"n": 1}, index=False)])
        try:
            return (
                source.batch([operation(GetOp, namespace, key, refresh_ttl=False)])[0] is not None
            )
        finally:
            target.batch([PutOp(namespace, key, None)])


def both_the_same() -> MigrationError:
    return MigrationError(
        "both sides are the same store",
        "give another schema, collection or file as the target",
        EXIT_USAGE,
    )
