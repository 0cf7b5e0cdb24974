"""
Stores with faults that stores in use have had, and that no other store here has.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from langgraph.store.base import Item, Op, PutOp, Result, SearchOp

from store_conformance.mutants.correct_objects import KeepsPythonObjects
from store_conformance.mutants.groups import ASYNC, LIVES, VECTORS
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
)

# -- values and filters ---------------------------------------------------------------------------


class OddValuesAreWrappedWhole(KeepsPythonObjects):
    """A value that JSON has not is wrapped with all that is beside it, where no filter looks."""

    legal = False
    breaks = "K7"

    def value_to_compare(self, row: ItemRow) -> dict[str, Any]:
        value = super().value_to_compare(row)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            return {}
        return value


class TheEmptyKeyHasAWord(ReferenceStore):
    """The empty key is kept as a word, and an item under that word is the same one."""

    breaks = "K11"
    word: ClassVar[str] = "__EMPTY_STRING__"

    def encode_key(self, key: str) -> str:
        return super().encode_key(key or self.word)

    def decode_key(self, text: str) -> str:
        key = super().decode_key(text)
        return "" if key == self.word else key


class InfinityIsTheNameOfAColumn(ReferenceStore):
    """Numbers of a filter are written into the query, where infinity is the name of no column."""

    breaks = "F12"

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        super().check_filter(wanted, below)
        if isinstance(wanted, float) and math.isinf(wanted):
            raise RuntimeError(f"no such column: {wanted}")
        for value in wanted.values() if isinstance(wanted, dict) else ():
            self.check_filter(value, below=True)


# -- queries --------------------------------------------------------------------------------------


class AStarAsksForEverything(ReferenceStore):
    """The query ``*`` is no text but means everything, unranked."""

    breaks = "V12"
    also = VECTORS

    def plan(self, ops: Iterable[Op]) -> Plan:
        return super().plan(map(self.without_star, ops))

    def without_star(self, op: Op) -> Op:
        star = isinstance(op, SearchOp) and op.query == "*"
        return op._replace(query=None) if star else op  # type: ignore[call-arg]


class IndexedFieldsAreColumns(ReferenceStore):
    """Indexed fields are written beside the value under their own names, and one called ``value`` replaces it."""

    breaks = "V2"

    def encode_value(self, value: Mapping[str, Any]) -> str:
        fields = (self.index_config or {}).get("fields") or []
        column = value.get("value") if "value" in fields else None
        return super().encode_value(value if column is None else {"value": str(column)})


class TheFirstDistanceStays(ReferenceStore):
    """The index is made for the distance of the first opening, and later ones rank by it, whatever they say."""

    breaks = "V6"
    also = ("O16",)

    def setup(self) -> None:
        super().setup()
        if not self.index_config:
            return
        config: dict[str, Any] = {"distance_type": "cosine", **self.index_config}
        self.connection.execute(
            "INSERT OR IGNORE INTO facts VALUES ('distance', ?)", (config["distance_type"],)
        )
        found = self.connection.execute("SELECT value FROM facts WHERE name = 'distance'")
        by_the_first: Any = {**config, "distance_type": found.fetchone()[0]}
        self.index_config = by_the_first


# -- callers at once ------------------------------------------------------------------------------


class BatchesLockCrosswise(ReferenceStore):
    """Of two batches of two store objects that write the same keys in opposite orders one is given up."""

    breaks = "O13"
    also = ("O12", "E6")
    modes = ("sync",)
    guard: ClassVar[Any] = threading.Lock()
    at_work: ClassVar[list[tuple[str, int, list[Address]]]] = []

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        with self.locking([write.address for write in plan.writes]):
            return super().execute(plan, embedded, turn)

    @contextmanager
    def locking(self, addresses: list[Address]) -> Iterator[None]:
        mine = (self.database(), id(self), addresses)
        with self.guard:
            others = [a for place, who, a in self.at_work if place == mine[0] and who != mine[1]]
            if any(_crossed(addresses, other) for other in others):
                raise RuntimeError("deadlock detected")
            self.at_work.append(mine)
        try:
            time.sleep(0.002 if len(addresses) > 1 else 0)
            yield
        finally:
            with self.guard:
                self.at_work.remove(mine)


def _crossed(one: Sequence[Address], other: Sequence[Address]) -> bool:
    both = set(one) & set(other)
    return [a for a in one if a in both] != [a for a in other if a in both]


class RefreshesAStepLater(ReferenceStore):
    """A base for stores that refresh what was read in a step of its own."""

    modes = ("sync",)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        wanted = [not isinstance(op, PutOp) and getattr(op, "refresh_ttl", False) for op in ops]
        results = super().batch(
            op._replace(refresh_ttl=False) if yes else op  # type: ignore[call-arg]
            for op, yes in zip(ops, wanted, strict=True)
        )
        read = [found for found, yes in zip(results, wanted, strict=True) if yes]
        flat = [i for found in read for i in (found if isinstance(found, list) else [found])]
        items = [item for item in flat if isinstance(item, Item)]
        if items:
            time.sleep(0.002)
        for item in items:
            with self.lock, self.transaction():
                self.refresh_item(self.address(item.namespace, item.key), item)
        return results

    def refresh_item(self, address: Address, item: Any) -> None:
        raise NotImplementedError


class RefreshesNeedTheItem(RefreshesAStepLater):
    """A read refreshes in a step of its own, and raises where the item has been deleted meanwhile."""

    breaks = "O12"
    also = (*LIVES, "O2", "O23")

    def refresh_item(self, address: Address, item: Item) -> None:
        row = self.find(address)
        if row is None:
            raise RuntimeError(f"no item to refresh under {item.key!r}")
        self.refresh([row], True)


class RefreshesWriteTheItemBack(RefreshesAStepLater):
    """A read refreshes by writing back what it has read, also where that was deleted meanwhile."""

    breaks = "O23"
    also = (*LIVES, *ASYNC, "O12", "O13", "E6")

    def refresh_item(self, address: Address, item: Item) -> None:
        row = self.find(address)
        if row is not None:
            self.refresh([row], True)
        elif self.ttl_config:
            now = self.now()
            ttl = self.ttl_config.get("default_ttl")
            self.connection.execute(
                "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*address, self.encode_value(item.value), now, now, ttl, self.expiry(ttl, now)),
            )
