"""
Stores that keep a promise by the plain put and break it by another way: in a batch, with an argument, after a reopening.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langgraph.store.base import GetOp, Item, ListNamespacesOp, Op, PutOp, Result, SearchOp

from store_conformance.mutants.groups import (
    ALL,
    DELETES,
    FILTERS,
    LISTS,
    LIVES,
    REPLACES,
    TIMES,
    VECTORS,
)
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Write,
)


class InABatch(ReferenceStore):
    """A base for stores that do something else where a batch has several operations."""

    many = False

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        self.many = len(plan.ops) > 1
        return super().run(plan, writes, embedded)


class FromEarlier(ReferenceStore):
    """A base for stores that do something else with the items of earlier openings."""

    def setup(self) -> None:
        super().setup()
        found = self.connection.execute("SELECT namespace, key FROM items").fetchall()
        self.earlier: set[Address] = {tuple(address) for address in found}


# times


class CreationIsForgottenAtOpening(FromEarlier):
    """The times of creation are held in memory: what another opening put is created by its first overwrite."""

    breaks = "K4"
    also = TIMES

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        forgotten = write.address in self.earlier
        self.earlier.discard(write.address)
        super().write_item(write, None if forgotten else old)


class AnIndexArgumentCreatesAnew(ReferenceStore):
    """An overwrite that names paths, or none, deletes and inserts."""

    breaks = "K4"
    also = (*TIMES, *VECTORS)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old if write.op.index is None else None)


class EqualValuesOfABatchAreNotUpdated(InABatch):
    """A batch passes over what is equal; a single put does not."""

    breaks = "K5"
    also = (*TIMES, *REPLACES)

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        created, updated = super().timestamps(old, now)
        return created, old.updated_at if old and self.many and self.same else updated

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        self.same = old is not None and self.load_value(old) == self.decode_value(write.text or "")
        super().write_item(write, old)


# time to live


class ABatchKeepsTheOldExpiry(InABatch):
    """An overwrite in a batch of several writes its value and leaves the expiry of the item as it was."""

    breaks = "T2"
    also = (*LIVES, *REPLACES)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        if (
            self.many
            and old is not None
            and old.expires_at is not None
            and write.op.ttl is not None
        ):
            self.set_expiry(old, old.expires_at)


class ABatchDoesNotClearTheExpiry(InABatch):
    """An overwrite without a ttl clears the old one, unless it stands in a batch of several."""

    breaks = "T3"
    also = (*LIVES, *REPLACES)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        if self.many and old is not None and write.op.ttl is None:
            self.set_expiry(old, old.expires_at)


class SecondsOfThirtyTwoBits(ReferenceStore):
    """A time to live is a number of seconds of 32 bits, which is over after 68 years."""

    breaks = "T2"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        if ttl is not None and ttl * 60 >= 2**31:
            ttl -= 2**32 / 60
        return super().expiry(ttl, now)


class AnIndexArgumentKeepsTheExpiry(ReferenceStore):
    """The statement for puts with an index argument does not name the column of the expiry."""

    breaks = "T3"
    also = (*LIVES, *REPLACES)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        if old is not None and write.op.index is not None and write.op.ttl is None:
            self.set_expiry(old, old.expires_at)


class ExpiriesOfEarlierOpeningsStay(FromEarlier):
    """An item that was put by an earlier opening keeps its expiry when it is overwritten without one."""

    breaks = "T3"
    also = (*LIVES, *REPLACES)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        if old is not None and write.op.ttl is None and write.address in self.earlier:
            self.set_expiry(old, old.expires_at)


class ARefreshGivesTheFirstTtl(ReferenceStore):
    """A read gives an item the time that its first put gave it."""

    breaks = "T4"
    also = (*LIVES, *REPLACES)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        self.__dict__.setdefault("first", {}).setdefault(write.address, write.op.ttl)

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        first: dict[Address, float | None] = self.__dict__.get("first", {})
        known = [
            r if r.ttl is None else r._replace(ttl=first.get(r.address) or r.ttl) for r in rows
        ]
        super().refresh(known, wanted)


class AQueryRefreshesWhatItRanks(ReferenceStore):
    """A search with a query gives their time again to all that were ranked, not only to its page."""

    breaks = "T4"
    also = LIVES

    def ranked(self, rows: list[ItemRow], query: Any) -> Any:
        hits = super().ranked(rows, query)
        self.refresh([row for row, _ in hits], True)
        return hits


# the index


class AnEqualValueIsPassedOver(ReferenceStore):
    """A put of an equal value moves the times, and does not look at its index argument."""

    breaks = "V3"
    also = (*VECTORS, *REPLACES)

    def apply(self, write: Write, embedded: Embedded) -> None:
        old = self.find(write.address)
        if (
            old is None
            or write.text is None
            or self.load_value(old) != self.decode_value(write.text)
        ):
            super().apply(write, embedded)
            return
        self.write_item(write, old)


class OnceUnindexedAlwaysUnindexed(ReferenceStore):
    """A mark in the database says that an item is not indexed, and is read at the opening; a put takes it away too late."""

    breaks = "V3"
    also = (*VECTORS, *REPLACES)

    def setup(self) -> None:
        super().setup()
        found = self.connection.execute(
            "SELECT value FROM facts WHERE name LIKE 'off:%'"
        ).fetchall()
        self.off = {value for (value,) in found}

    def write_vectors(self, write: Write, documents: Any) -> None:
        mark = repr(write.address)
        if mark not in self.off:
            super().write_vectors(write, documents)
        statement = "INSERT OR REPLACE INTO facts VALUES (?, ?)"
        if write.op.index is not False:
            statement = "DELETE FROM facts WHERE name = ? AND value = ?"
        self.connection.execute(statement, ("off:" + mark, mark))


class ATtlHidesTheIndexArgument(ReferenceStore):
    """The put with a ttl hands on its arguments without index=False."""

    breaks = "V3"
    also = (*VECTORS, *LIVES)

    def fields(self, op: PutOp) -> list[str]:
        return super().fields(op._replace(index=None) if op.index is False and op.ttl else op)


# deletes


class DeletesTakeKeysInEachNamespace(ReferenceStore):
    """A batch of deletes is one statement: namespace IN (...) AND key IN (...)."""

    breaks = "X7"
    also = (*DELETES, "X1", "O1", "O5")

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        results = super().run(plan, writes, embedded)
        gone = [write.address for write in writes if write.text is None]
        put = {write.address for write in writes if write.text is not None}
        for namespace in {namespace for namespace, _ in gone} if len(gone) > 1 else ():
            for address in {(namespace, key) for _, key in gone} - put:
                self.remove_vectors(address)
                self.remove_item(address)
        return results


class VectorsOfEachNamespaceAreRemoved(ReferenceStore):
    """The old vectors of a batch are removed by one statement: namespace IN (...) AND key IN (...)."""

    breaks = "X7"
    also = (*VECTORS, *REPLACES, *DELETES)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        for namespace in {write.address[0] for write in writes}:
            for key in {write.address[1] for write in writes}:
                self.remove_vectors((namespace, key))
        return super().run(plan, writes, embedded)


class AReadInTheBatchSavesItsItem(ReferenceStore):
    """Operations are kept by their key: of a get and a delete in one batch only the get is left."""

    breaks = "X1"
    also = (*DELETES, "O1", "O2")

    def dedupe(self, ops: list[Any]) -> list[PutOp]:
        read = {self.address(op.namespace, op.key) for op in ops if isinstance(op, GetOp)}
        return [
            op
            for op in super().dedupe(ops)
            if op.value is not None or self.address(op.namespace, op.key) not in read
        ]


class DeletesKnowTheirOwnKeys(FromEarlier):
    """A delete of a key that this opening has not put, or read, is taken for one of nothing."""

    breaks = "X1"
    also = (*DELETES, "V17", "X4")

    def remove_item(self, address: Address) -> None:
        if address not in self.earlier:
            super().remove_item(address)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        self.earlier.discard(write.address)


class BatchesOfMissingKeysRaise(ReferenceStore):
    """A batch of several deletes expects that it deletes something."""

    breaks = "X2"
    also = (*DELETES, "O5")

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        deletes = [write for write in writes if write.text is None]
        if len(deletes) == len(plan.ops) > 1 and not any(self.find(w.address) for w in deletes):
            raise KeyError("nothing to delete")
        return super().run(plan, writes, embedded)


class BatchesClearNoAnswer(ReferenceStore):
    """The answers of queries are kept until something is put or deleted alone."""

    breaks = "X1"
    also = (*VECTORS, *DELETES, *REPLACES, *LIVES, *FILTERS, "S2", "S3")

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        kept: dict[str, Result] = self.__dict__.setdefault("kept", {})
        results = super().run(plan, writes, embedded)
        for n, op in enumerate(plan.ops):
            if isinstance(op, SearchOp) and op.query:
                results[n] = kept.setdefault(repr(op), results[n])
        if writes and len(plan.ops) == 1:
            kept.clear()
        return results


class NoneWithoutAnIndexIsNoDelete(ReferenceStore):
    """A put with index=False takes another path, on which None is nothing to do."""

    breaks = "X3"
    also = DELETES

    def dedupe(self, ops: list[Any]) -> list[PutOp]:
        return [op for op in super().dedupe(ops) if op.value is not None or op.index is not False]


class NoneWithATtlOnlyExpires(ReferenceStore):
    """A put of None with a ttl sets the expiry of what is there."""

    breaks = "X3"
    also = (*DELETES, *LIVES)

    def apply(self, write: Write, embedded: Embedded) -> None:
        old = self.find(write.address)
        if write.text is None and write.op.ttl is not None and old is not None:
            self.set_expiry(old, self.expiry(write.op.ttl, self.clock()))
        else:
            super().apply(write, embedded)


class SweptNamespacesAreListed(ReferenceStore):
    """The register of namespaces is kept by puts and deletes; the sweep does not know it."""

    breaks = "X5"
    also = (*LISTS, *LIVES)

    def sweep(self) -> int:
        before = {self.decode_namespace(row.namespace_text) for row in self.scan()}
        swept = super().sweep()
        left = {self.decode_namespace(row.namespace_text) for row in self.scan()}
        self.__dict__.setdefault("ghosts", set()).update(before - left)
        return swept

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        found = super().read_namespaces(op)
        return sorted({*found, *self.__dict__.get("ghosts", ())})


class ADeleteInABatchLeavesTheVectors(ReferenceStore):
    """Where a batch puts and deletes a key, the vectors are left as they were before it."""

    breaks = "X4"
    also = (*VECTORS, *DELETES)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        puts = [self.address(op.namespace, op.key) for op in plan.ops if isinstance(op, PutOp)]
        self.twice = {address for address in puts if puts.count(address) > 1}
        return super().run(plan, writes, embedded)

    def apply(self, write: Write, embedded: Embedded) -> None:
        if write.text is None and write.address in self.twice:
            self.remove_item(write.address)
        else:
            super().apply(write, embedded)

    def remove_vectors(self, address: Address) -> None:
        if self.find(address) is not None:
            super().remove_vectors(address)


# equal operations


class ASecondListingIsNotAnswered(ReferenceStore):
    """Listings of a batch are kept by their operation, so that an equal one has no answer."""

    breaks = "O1"
    also = tuple(rule for rule in ALL if rule[0] in "LXO")

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        results = super().run(plan, writes, embedded)
        for n, op in enumerate(plan.ops):
            if isinstance(op, ListNamespacesOp) and op in plan.ops[:n]:
                results[n] = None
        return results


# the two APIs


class AsyncTimesAreShort(ReferenceStore):
    """The async twin gives times to the millisecond."""

    breaks = "O7"
    also = (*TIMES, "O8")

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        results = await super().abatch(ops)
        for answer in results:
            for item in answer if isinstance(answer, list) else [answer]:
                if isinstance(item, Item):
                    moment = item.updated_at
                    item.updated_at = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        return results


# other processes


class MissesAreRemembered(ReferenceStore):
    """What was looked for in vain is not there until this very store has put it."""

    breaks = "E6"
    also = ("O13", "O21", "E4", "O16")

    def find(self, address: Address) -> ItemRow | None:
        missed: set[Address] = self.__dict__.setdefault("missed", set())
        row = None if address in missed else super().find(address)
        if row is None:
            missed.add(address)
        return row

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, super().find(write.address))
        self.__dict__.setdefault("missed", set()).discard(write.address)
