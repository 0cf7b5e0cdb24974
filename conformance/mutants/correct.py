"""
Legal variants: stores that differ from the reference where the contract leaves a choice.

None of them may fail a rule.  ``declares`` says what a variant does not offer; ``also`` names the rules
that its documented column type rules out.
"""

from __future__ import annotations

import asyncio
import copy
import json
import math
import sqlite3
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from hashlib import sha256
from operator import mul
from typing import Any, ClassVar

from langgraph.store.base import (
    BaseStore,
    IndexConfig,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
    TTLConfig,
)

from store_conformance.mutants.reference import (
    MISSING,
    NEVER,
    Address,
    AsyncReferenceStore,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)


class Variant:
    """Marks a class as a legal variant."""

    legal: ClassVar[bool] = True
    also: ClassVar[tuple[str, ...]] = ()
    alone: ClassVar[bool] = False
    """Not to be packed with others (`packs`): together they would break a rule that each keeps."""


class Plain(Variant, ReferenceStore):
    """The reference itself."""


class LoopBound(Variant, AsyncReferenceStore):
    """The reference bound to one loop; sync calls work from other threads only."""


class OtherLoopsAreRefused(Variant, AsyncReferenceStore):
    """The reference bound to one loop, which refuses the async calls of any other."""

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        if asyncio.get_running_loop() is not self.loop:
            raise RuntimeError("This store belongs to another event loop.")
        return await super().abatch(ops)


class AsyncOnly(Variant, AsyncReferenceStore):
    """Sync calls are refused wherever they come from."""

    declares = ("no-sync",)
    modes = ("async",)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        if self.in_own_loop():
            raise asyncio.InvalidStateError("This store has no sync methods; await the async twin.")
        raise NotImplementedError("This store has no sync methods.")


class SyncOnly(Variant, ReferenceStore):
    """Async calls are refused."""

    declares = ("no-async",)
    modes = ("sync",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        raise NotImplementedError("This store has no async methods.")


class NewestFirst(Variant, ReferenceStore):
    """A plain search gives the item written last first."""

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        return sorted(rows, key=lambda row: -row.updated_at)


class HashOrder(Variant, ReferenceStore):
    """A plain search gives an order that looks random, but is always the same."""

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        return sorted(rows, key=lambda row: _hashed(row.address))


@lru_cache(maxsize=8192)
def _hashed(address: Address) -> bytes:
    return sha256(repr(address).encode()).digest()


class KeyOrder(Variant, ReferenceStore):
    """A plain search gives the items by namespace and key."""

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        return sorted(rows, key=lambda row: row.address)


class LastFirst(Variant, ReferenceStore):
    """A plain search gives the item created last first."""

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        return sorted(rows, reverse=True)


class NotEqualNeedsField(Variant, ReferenceStore):
    """``$ne`` matches no item whose field is missing or null, as SQL does."""

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        absent = operator == "$ne" and (actual is MISSING or actual is None)
        return not absent and super().operate(operator, actual, operand)


class NullMatchesMissing(Variant, ReferenceStore):
    """``{"k": None}`` also matches an item without the field."""

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        return super().matches_field(None if actual is MISSING else actual, wanted)


class EqualIsPartialForDicts(Variant, ReferenceStore):
    """``$eq`` with a dict matches partially, like the direct value."""

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        if operator == "$eq" and isinstance(operand, dict):
            return self.matches_field(actual, operand)
        return super().operate(operator, actual, operand)


class EmptyDictMatchesOnlyItself(Variant, ReferenceStore):
    """A filter ``{"k": {}}`` matches the empty dict only."""

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        return actual == {} if wanted == {} else super().matches_field(actual, wanted)


class OperatorsCheckedPerItem(Variant, ReferenceStore):
    """An unknown operator is noticed only when there is an item to compare with."""

    def validate(self, op: Op) -> None:
        super().validate(op._replace(filter=None) if isinstance(op, SearchOp) else op)

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        self.check_filter(op.filter)
        return super().wanted(row, op)


class CaselessCollation(Variant, ReferenceStore):
    """Namespaces are listed in the order of a dictionary: capitals beside small letters."""

    def sort_namespaces(self, namespaces: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return sorted(namespaces, key=lambda name: ([label.casefold() for label in name], name))


class JoinedCollation(Variant, ReferenceStore):
    """Namespaces are listed in the order of their labels joined by dots."""

    def sort_namespaces(self, namespaces: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return sorted(namespaces, key=".".join)


class UnscoredLast(Variant, ReferenceStore):
    """A query gives the items without a vector too, at the end and with score None."""

    def rank(self, scored: list[tuple[ItemRow, list[float]]]) -> list[tuple[ItemRow, float | None]]:
        return super().rank(scored) + [(row, None) for row, scores in scored if not scores]


class NegativeLimitsRefused(Variant, ReferenceStore):
    """A negative limit, offset or depth is refused."""

    def validate(self, op: Op) -> None:
        super().validate(op)
        if isinstance(op, (SearchOp, ListNamespacesOp)):
            depth = getattr(op, "max_depth", None)
            if min(op.limit, op.offset, 0 if depth is None else depth) < 0:
                raise ValueError("limit, offset and max_depth must not be negative.")


class NegativeOffsetsFromTheEnd(Variant, ReferenceStore):
    """A negative limit or offset counts from the end, as a Python slice does."""

    def page(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return found[offset : offset + limit]


class Slow(Variant, ReferenceStore):
    """Every call takes 5 ms longer."""

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        time.sleep(0.005)
        return super().batch(ops)

    async def aembed(self, plan: Plan) -> Embedded:
        await asyncio.sleep(0.005)
        return await super().aembed(plan)


class NoVectorsRefused(Variant, ReferenceStore):
    """An ``index`` is refused at opening."""

    declares = ("no-vectors",)

    def accept_index(self, index: IndexConfig | None) -> IndexConfig | None:
        if index is not None:
            raise NotImplementedError("This store has no vector search.")
        return None


class NoVectorsIgnored(Variant, ReferenceStore):
    """An ``index`` is ignored, and so is every query."""

    declares = ("no-vectors",)

    def accept_index(self, index: IndexConfig | None) -> IndexConfig | None:
        return None


class NoTtl(Variant, ReferenceStore):
    """``ttl`` is refused by put, and ignored in a batch and at opening."""

    supports_ttl = False
    declares = ("no-ttl",)

    def __init__(
        self, at: Any, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        super().__init__(at, index=index)

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return None


class NoTtlRefused(NoTtl):
    """``ttl`` is refused everywhere."""

    def __init__(
        self, at: Any, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        if ttl is not None:
            raise NotImplementedError("This store has no time to live.")
        super().__init__(at, index=index)

    def check_ttl(self, ttl: float | None) -> None:
        if ttl is not None:
            raise NotImplementedError("This store has no time to live.")


class TtlOfAPutOnly(Variant, ReferenceStore):
    """Each put may have a ttl and each read say whether it refreshes; there is no configuration of it."""

    alone = True

    def __init__(
        self, at: Any, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        if ttl is not None:
            raise NotImplementedError("A ttl is given with a put, not by a TTLConfig.")
        super().__init__(at, index=index)


class TtlIsNotUsed(TtlOfAPutOnly):
    """The same, and its function does nothing with the ``ttl`` that it is given."""

    @classmethod
    @contextmanager
    def open_store(
        cls, at: Any, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> Iterator[BaseStore]:
        del ttl
        with super().open_store(at, index=index) as store:
            yield store


class TtlConfigIsDeclaredAway(Variant, ReferenceStore):
    """The same, with a function that gives everything on to a store that leaves a ``TTLConfig`` out of account."""

    declares = ("no-ttl-config",)
    alone = True

    def __init__(
        self, at: Any, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        super().__init__(at, index=index)


class IndexIsNotUsed(Variant, ReferenceStore):
    """No index: the function does nothing with the one that it is given."""

    alone = True

    @classmethod
    @contextmanager
    def open_store(  # type: ignore[override]
        cls, at: Any, ttl: TTLConfig | None = None
    ) -> Iterator[BaseStore]:
        with super().open_store(at, ttl=ttl) as store:
            yield store


class OmitsNothing(Variant, ReferenceStore):
    """A ``TTLConfig`` with ``omit_expired`` is refused by an error that names it."""

    alone = True

    def __init__(
        self, at: Any, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        if ttl and ttl.get("omit_expired"):
            raise ValueError("omit_expired is not supported.")
        super().__init__(at, index=index, ttl=ttl)


class NotPersistent(Variant, ReferenceStore):
    """Everything is in memory, and gone at the end."""

    declares = ("no-persistence", "no-processes")

    def database(self) -> str:
        return ":memory:"


class OneProcess(Variant, ReferenceStore):
    """A store that is documented for one process at a time."""

    declares = ("no-processes",)


class LikeJsonb(Variant, ReferenceStore):
    """Values are kept as Postgres JSONB keeps them: keys by length, numbers without a useless exponent."""

    declares = ("jsonb",)

    def encode_value(self, value: Mapping[str, Any]) -> str:
        def jsonb(part: Any) -> Any:
            if isinstance(part, dict):
                return {k: jsonb(part[k]) for k in sorted(part, key=lambda k: (len(k), k))}
            if isinstance(part, (list, tuple)):
                return [jsonb(inner) for inner in part]
            return int(part) if isinstance(part, float) and abs(part) >= 1e16 else part

        return json.dumps(jsonb(dict(value)), allow_nan=False)


class RefusesExotic(Variant, ReferenceStore):
    """NUL, surrogates, NaN and integers beyond 64 bits are refused with a clear error."""

    def encode_text(self, text: Any) -> Any:
        if isinstance(text, str):
            if "\x00" in text:
                raise ValueError("NUL cannot be stored.")
            if not text.isascii():
                text.encode()
        return text

    def check_value(self, value: Any, depth: int = 0) -> None:
        super().check_value(value, depth)
        if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
            raise ValueError("NaN and infinity cannot be stored.")
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise ValueError("An integer beyond 64 bits cannot be stored.")


class SizeLimit(Variant, ReferenceStore):
    """A value above 4 MB is refused by name."""

    def encode_value(self, value: Mapping[str, Any]) -> str:
        text = super().encode_value(value)
        if len(text) > 4_000_000:
            raise ValueError(f"The value has {len(text)} bytes; this store holds 4000000 at most.")
        return text


class OtherTimeZone(Variant, ReferenceStore):
    """Timestamps are aware, but not in UTC."""

    def to_datetime(self, micros: int) -> datetime:
        zone = timezone(timedelta(hours=5, minutes=30))
        return super().to_datetime(micros).astimezone(zone)


class CopiedValues(Variant, ReferenceStore):
    """Values are cached, and every reader gets a deep copy."""

    def decode_value(self, text: str) -> dict[str, Any]:
        cache: dict[str, dict[str, Any]] = self.__dict__.setdefault("cache", {})
        if text not in cache:
            cache[text] = super().decode_value(text)
        return copy.deepcopy(cache[text])


class RecordItem(Item):
    """An Item of the store's own class."""


class OwnItemClass(Variant, ReferenceStore):
    """``get`` gives a subclass of Item."""

    def read_item(self, op: Any) -> Item | None:
        item = super().read_item(op)
        return item and RecordItem(**{name: getattr(item, name) for name in Item.__slots__})


class ReadsRevive(Variant, ReferenceStore):
    """Without ``omit_expired`` a read revives an item that was not swept yet."""

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        for row in rows if wanted else ():
            if row.ttl is not None:
                self.set_expiry(row, self.expiry(row.ttl, self.clock()))


class ExpiredAlwaysHidden(Variant, ReferenceStore):
    """An expired item is hidden, also where ``omit_expired`` is not set."""

    def hidden(self, row: ItemRow) -> bool:
        return self.expired(row, self.clock())


class BatchRefusesRoots(Variant, ReferenceStore):
    """A put of ``()`` or of the root ``langgraph`` is refused in a batch too."""

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if (
            isinstance(op, PutOp)
            and op.value is not None
            and op.namespace[:1] in ((), ("langgraph",))
        ):
            raise InvalidNamespaceError(f"Items cannot be stored in {op.namespace}.")


class SingleFloats(Variant, ReferenceStore):
    """Vectors are kept in single precision."""

    def encode_vector(self, vector: Vector) -> bytes:
        return array("f", vector).tobytes()

    def decode_vector(self, data: bytes) -> Vector:
        return array("f", data)


class WriteAheadLog(Variant, ReferenceStore):
    """The file is kept in write-ahead mode."""

    def choose_journal(self, connection: sqlite3.Connection) -> None:
        for _ in range(200):
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:  # another one is just switching
                time.sleep(0.02)
            else:
                break


class DeleteAndPutCreatesAnew(Variant, ReferenceStore):
    """A key that is deleted and put in one batch is a new item."""

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        plan = super().plan(ops)
        gone = {
            self.address(op.namespace, op.key)
            for op in ops
            if isinstance(op, PutOp) and op.value is None
        }
        first = [Write(w.op, w.address, None) for w in plan.writes if w.text and w.address in gone]
        return replace(plan, writes=first + plan.writes)


class StrictTypes(Variant, ReferenceStore):
    """A namespace that is no tuple and a key that is no str are refused with a TypeError."""

    def validate_namespaces(self, op: Op) -> None:
        namespace = getattr(op, "namespace", getattr(op, "namespace_prefix", ()))
        if not isinstance(namespace, tuple):
            raise TypeError("A namespace must be a tuple of str.")
        if not isinstance(getattr(op, "key", ""), str):
            raise TypeError("A key must be a str.")
        super().validate_namespaces(op)


class InThreads(Variant, ReferenceStore):
    """Async calls run their transaction in a thread, so that the loop is never blocked."""

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        plan = self.plan(ops)
        with self.turn() as turn:
            embedded = await self.aembed(plan)
            work = asyncio.ensure_future(asyncio.to_thread(self.execute, plan, embedded, turn))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                await asyncio.wait([work])  # it keeps its place in the order until it is done
                raise


class HugeTtlIsForever(Variant, ReferenceStore):
    """An infinite ttl means that the item stays."""

    def check_ttl(self, ttl: float | None) -> None:
        if ttl != ttl:
            raise ValueError("ttl must be a number of minutes.")

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return NEVER if ttl == float("inf") else super().expiry(ttl, now)


class CosineOnly(Variant, ReferenceStore):
    """``distance_type`` is not documented and ignored."""

    def similarity(self, query: Vector, vector: Vector) -> float:
        return self.cosine(math.fsum(map(mul, query, vector)), query, vector)
