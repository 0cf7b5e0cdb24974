"""
Stores that break the rules of batches (O1 to O6).
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

from langgraph.store.base import GetOp, Item, ListNamespacesOp, Op, PutOp, SearchOp

from store_conformance.mutants.groups import ALL, ASYNC, DELETES
from store_conformance.mutants.reference import Embedded, Plan, ReferenceStore, Write

BATCHES = ("O1", "O2", "O3", "O4", "O5", "O6", "O7", "T3", "T4", "V15", "E7", "K10", "X3", "N3")

# O1


class Answers(ReferenceStore):
    """A base for stores that alter the list of results."""

    also: tuple[str, ...] = BATCHES

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        return results

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> Any:
        return self.answer(plan, super().execute(plan, embedded, turn))


class ResultsAreGroupedByType(Answers):
    """The results of gets come before those of searches, lists and puts."""

    breaks = "O1"

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        order = [GetOp, SearchOp, ListNamespacesOp, PutOp]
        ranks = [order.index(type(op)) for op in plan.ops]
        return [results[i] for i in sorted(range(len(ranks)), key=ranks.__getitem__)]


class PutsGiveNoResult(Answers):
    """A put in a batch has no place in the results."""

    breaks = "O1"
    also = ALL

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        if len(results) == 1:
            return results
        return [x for x, op in zip(results, plan.ops) if not isinstance(op, PutOp)]


class PutsGiveTheirKey(Answers):
    """A put in a batch gives its key."""

    breaks = "O1"
    also = (*Answers.also, "X2")

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        return [op.key if isinstance(op, PutOp) else x for x, op in zip(results, plan.ops)]


class MissingItemsGiveNoResult(Answers):
    """A get of a missing item in a batch has no place in the results."""

    breaks = "O1"
    also = (*Answers.also, "K1", "K2", "N5", "N7", "T5", "X1", "X7")

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        if len(results) == 1:
            return results
        pairs = list(zip(results, plan.ops))
        return [x for x, op in pairs if x is not None or isinstance(op, PutOp)]


class ResultsAreReversed(Answers):
    """The results of a batch come in reverse order."""

    breaks = "O1"
    also = (
        *Answers.also,
        "F1",
        "F13",
        "F14",
        "K1",
        "K11",
        "K12",
        "K2",
        "K3",
        "K4",
        "K5",
        "L1",
        "N2",
        "N4",
        "N5",
        "N7",
        "S4",
        "X1",
        "X7",
    )

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        return results[::-1]


class ResultsAreATuple(Answers):
    """The results come as an iterator."""

    breaks = "O1"
    also = ALL

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        return iter(results) if len(results) != 1 else results


class EmptyBatchGivesNone(Answers):
    """An empty batch gives None."""

    breaks = "O1"

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        return results or None


class EmptyBatchRaises(Answers):
    """An empty batch raises."""

    breaks = "O1"

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        if not results:
            raise ValueError("A batch must not be empty.")
        return results


class GeneratorsAreRefused(ReferenceStore):
    """A batch that is not a list raises."""

    breaks = "O1"
    also = BATCHES

    def plan(self, ops: Any) -> Plan:
        if not len(ops):
            return super().plan([])
        return super().plan(ops)


class GeneratorsAreReadTwice(ReferenceStore):
    """The operations are read twice, so a generator is empty the second time."""

    breaks = "O1"
    also = BATCHES

    def plan(self, ops: Any) -> Plan:
        for op in ops:
            self.validate(op)
        return super().plan(ops)


class GetsOfOneNamespaceAreMixedUp(Answers):
    """Several gets in one namespace are answered in the order of their keys."""

    breaks = "O1"
    also = (*Answers.also, "K1", "K11", "K2", "N7", "X7")

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        places = [i for i, op in enumerate(plan.ops) if isinstance(op, GetOp)]
        by_key = sorted(places, key=lambda i: str(getattr(plan.ops[i], "key", "")))
        found = list(results)
        for place, other in zip(places, by_key):
            found[place] = results[other]
        return found


class SearchesOfABatchShareTheFirstAnswer(Answers):
    """Every search of a batch gives what the first one found."""

    breaks = "O1"
    also = (*Answers.also, "F1", "S4")

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        first = [x for x, op in zip(results, plan.ops) if isinstance(op, SearchOp)]
        return [first[0] if isinstance(op, SearchOp) else x for x, op in zip(results, plan.ops)]


# O2


class PutsComeFirst(ReferenceStore):
    """Reads of a batch see what it writes."""

    breaks = "O2"
    also = (*BATCHES, *DELETES)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> Any:
        super().run(replace(plan, ops=[]), writes, embedded)
        return super().run(plan, [], embedded)


class OpsRunInOrder(ReferenceStore):
    """Reads of a batch see what was written before them in it."""

    breaks = "O2"
    also = (*BATCHES, *DELETES)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> Any:
        results = []
        for op in plan.ops:
            results.append(self.read(op, embedded))
            for write in writes:
                if write.op is op:
                    self.apply(write, embedded)
        return results


class SearchesSeeThePuts(ReferenceStore):
    """Searches of a batch see what it writes."""

    breaks = "O2"
    also = (*BATCHES, *DELETES)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> Any:
        results = super().run(plan, writes, embedded)
        late = [self.read(op, embedded) if isinstance(op, SearchOp) else None for op in plan.ops]
        return [x if new is None else new for x, new in zip(results, late)]


class ListsSeeThePuts(ReferenceStore):
    """Lists of a batch see what it writes."""

    breaks = "O2"
    also = (*BATCHES, *DELETES)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> Any:
        results = super().run(plan, writes, embedded)
        late = [isinstance(op, ListNamespacesOp) and self.read(op, embedded) for op in plan.ops]
        return [x if new is False else new for x, new in zip(results, late)]


# O3


class Dedupes(ReferenceStore):
    """A base for stores that treat a key twice in a batch wrongly."""

    also: tuple[str, ...] = (*BATCHES, "O11", "K4")

    def all_puts(self, ops: list[Op]) -> list[PutOp]:
        return [op for op in ops if isinstance(op, PutOp)]


class FirstPutWins(Dedupes):
    """Of two puts of a key in a batch the first wins."""

    breaks = "O3"

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        return super().dedupe(ops[::-1])


class DeletesComeLast(Dedupes):
    """A delete in a batch wins over a later put of the key."""

    breaks = "O3"

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        return sorted(self.all_puts(ops), key=lambda op: op.value is None)


class DeletesComeFirst(Dedupes):
    """A put in a batch wins over a later delete of the key."""

    breaks = "O3"

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        return sorted(self.all_puts(ops), key=lambda op: op.value is not None)


class MixedPairsCancelOut(Dedupes):
    """A put and a delete of one key in a batch cancel each other."""

    breaks = "O3"

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        kinds: dict[Any, set[bool]] = {}
        for op in self.all_puts(ops):
            kinds.setdefault((op.namespace, op.key), set()).add(op.value is None)
        return [op for op in super().dedupe(ops) if len(kinds[op.namespace, op.key]) == 1]


class DuplicatesRaise(Dedupes):
    """A key twice in a batch raises."""

    breaks = "O3"

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        kept = super().dedupe(ops)
        if len(kept) != len(self.all_puts(ops)):
            raise RuntimeError("ON CONFLICT DO UPDATE command cannot affect row a second time")
        return kept


class DuplicatePutsMerge(Dedupes):
    """Two puts of one key in a batch are merged."""

    breaks = "O3"

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        merged: dict[Any, PutOp] = {}
        for op in self.all_puts(ops):
            old = merged.get((op.namespace, op.key))
            if old is not None and old.value is not None and op.value is not None:
                op = op._replace(value={**old.value, **op.value})
            merged[op.namespace, op.key] = op
        return list(merged.values())


class DuplicateGetsAreAnsweredOnce(Answers):
    """Of two gets of one key in a batch the second gives None."""

    breaks = "O3"
    also = (*Answers.also, "K1")

    def answer(self, plan: Plan, results: list[Any]) -> Any:
        seen: set[Any] = set()
        found = []
        for op, result in zip(plan.ops, results):
            address = (op.namespace, op.key) if isinstance(op, GetOp) else object()
            found.append(None if address in seen else result)
            seen.add(address)
        return found


class VectorsOfTheFirstPutWin(ReferenceStore):
    """Of two puts of a key in a batch the second gives the value, the first the vectors."""

    breaks = "O3"
    also = (*BATCHES, "V11")

    def plan(self, ops: Any) -> Plan:
        ops = list(ops)
        first: dict[Any, PutOp] = {}
        for op in ops:
            if isinstance(op, PutOp) and op.value is not None:
                first.setdefault((op.namespace, op.key), op)
        self.firsts = first
        return super().plan(ops)

    def prepare(self, op: PutOp) -> Write:
        write = super().prepare(op)
        first = self.firsts.get((op.namespace, op.key), op)
        return replace(write, texts=super().prepare(first).texts) if write.text else write


# O4


class NoTransaction(ReferenceStore):
    """A base for stores that apply the operations of a batch one by one."""

    also: tuple[str, ...] = (*BATCHES, *ASYNC, "V13", "V14", "K7", "T1", "K13", "O12")

    def one_by_one(self, ops: list[Op]) -> list[Any]:
        return [ReferenceStore.batch(self, [op])[0] for op in ops]


class HalfABatchStays(NoTransaction):
    """When an operation of a batch fails, those before it stay."""

    breaks = "O4"

    def batch(self, ops: Any) -> Any:
        return self.one_by_one(list(ops))

    async def abatch(self, ops: Any) -> Any:
        return [(await super(NoTransaction, self).abatch([op]))[0] for op in list(ops)]


class BadOpsAreSkipped(ReferenceStore):
    """A put of a batch that cannot be stored is left out, and the others are applied."""

    breaks = "O4"
    also = (*BATCHES, "K7", "K13")

    def plan(self, ops: Any) -> Plan:
        ops = list(ops)
        good = []
        for op in ops:
            try:
                self.validate(op)
            except (TypeError, ValueError):
                if len(ops) == 1:
                    raise
                continue
            good.append(op)
        return super().plan(good)


class DeletesStayWhenABatchFails(ReferenceStore):
    """When a batch fails, its deletes have been done."""

    breaks = "O4"
    also = (*BATCHES, "V13", "V14", "N6")

    def undo(self, ops: list[Op]) -> None:
        with self.transaction():
            for op in ops:
                if isinstance(op, PutOp) and op.value is None:
                    self.remove_item(self.address(op.namespace, op.key))

    def batch(self, ops: Any) -> Any:
        ops = list(ops)
        try:
            return super().batch(ops)
        except Exception:
            self.undo(ops)
            raise

    async def abatch(self, ops: Any) -> Any:
        ops = list(ops)
        try:
            return await super().abatch(ops)
        except Exception:
            self.undo(ops)
            raise


class PutsStayWhenAnEmbeddingFails(ReferenceStore):
    """When the embedder fails, the puts of the batch that need none have been done."""

    breaks = "O4"
    also = (*BATCHES, "V13", "V14")

    def check_vectors(self, plan: Plan, documents: Any, queries: Any) -> Embedded:
        try:
            return super().check_vectors(plan, documents, queries)
        except ValueError:
            self.rescue(plan)
            raise

    def rescue(self, plan: Plan) -> None:
        with self.transaction():
            for write in plan.writes:
                if not write.texts:
                    self.apply(write, Embedded())

    def embed(self, plan: Plan) -> Embedded:
        try:
            return super().embed(plan)
        except RuntimeError:
            self.rescue(plan)
            raise

    async def aembed(self, plan: Plan) -> Embedded:
        try:
            return await super().aembed(plan)
        except RuntimeError:
            self.rescue(plan)
            raise


class UnknownOpsAreNoticedTooLate(ReferenceStore):
    """An unknown operation is refused after the batch was applied."""

    breaks = "O4"
    also = (*BATCHES,)

    def plan(self, ops: Any) -> Plan:
        kinds = (GetOp, PutOp, SearchOp, ListNamespacesOp)
        ops = list(ops)
        self.strange = not all(isinstance(op, kinds) for op in ops)
        return super().plan([op for op in ops if isinstance(op, kinds)])

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> Any:
        results = super().execute(plan, embedded, turn)
        if self.strange:
            raise ValueError("Unknown operation type.")
        return results


# O5


class EngineError(Exception):
    """What went wrong below the store."""


class BatchesOfThousandAtMost(ReferenceStore):
    """A batch of more than 1000 operations is refused."""

    breaks = "O5"
    also = ("K13", "E7")

    def plan(self, ops: Any) -> Plan:
        plan = super().plan(ops)
        if len(plan.ops) > 1000:
            raise RuntimeError("too many SQL variables")
        return plan


class LargeBatchesAreTheDriversError(ReferenceStore):
    """A batch of more than 200 operations runs into a limit of the database's."""

    breaks = "O5"
    also = BATCHES

    def plan(self, ops: Any) -> Plan:
        plan = super().plan(ops)
        if len(plan.ops) > 200:
            raise sqlite3.OperationalError("too many SQL variables, 32766 at most in a batch")
        return plan


class LargeBatchesFailWithoutAReason(ReferenceStore):
    """A batch of more than 200 operations fails by an error of the store's own, which names no limit."""

    breaks = "O5"
    also = BATCHES

    def plan(self, ops: Any) -> Plan:
        plan = super().plan(ops)
        if len(plan.ops) > 200:
            raise EngineError("the write failed")
        return plan


class PutsBeyondTenThousandAreLost(ReferenceStore):
    """The puts of a batch after the ten thousandth are not applied."""

    breaks = "O5"
    also = ("K13", "E7")

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> Any:
        return super().run(plan, writes[:9_999], embedded)


class GetsBeyondThousandGiveNone(ReferenceStore):
    """The gets of a batch after the thousandth give None."""

    breaks = "O5"
    also = ("K13", "E7")

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> Any:
        results = super().run(plan, writes, embedded)
        return [None if i > 1000 and type(x) is Item else x for i, x in enumerate(results)]


# O6


class UnknownOpsGiveNone(ReferenceStore):
    """An unknown operation gives None."""

    breaks = "O6"
    also = ("O4",)

    def validate(self, op: Any) -> None:
        if isinstance(op, (GetOp, PutOp, SearchOp, ListNamespacesOp)):
            super().validate(op)


class UnknownOpsAreDropped(ReferenceStore):
    """An unknown operation has no place in the results."""

    breaks = "O6"
    also = ("O4",)

    def plan(self, ops: Any) -> Plan:
        kinds = (GetOp, PutOp, SearchOp, ListNamespacesOp)
        return super().plan(op for op in ops if isinstance(op, kinds))


class UnknownOpsAreGets(ReferenceStore):
    """Anything with a namespace and a key is taken for a get."""

    breaks = "O6"
    also = ("O4",)

    def plan(self, ops: Any) -> Plan:
        kinds = (GetOp, PutOp, SearchOp, ListNamespacesOp)
        return super().plan(op if isinstance(op, kinds) else GetOp(("a",), "a") for op in ops)
