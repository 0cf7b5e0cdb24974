"""
The reference store itself: batches, whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)

from store_conformance.mutants.reference.rows import Address, Embedded, ItemRow, Plan, Vector, Write
from store_conformance.mutants.reference.vectors import Vectors


class ReferenceStore(Vectors):
    """
    Keeps every rule, for any number of threads and processes on one location.

    The sync methods also work inside a running loop: they block it for the time of one transaction.
    """

    declares: ClassVar[tuple[str, ...]] = ()
    modes: ClassVar[tuple[str, ...]] = ("sync", "async")

    @classmethod
    @contextmanager
    def open_store(
        cls, at: Any, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> Iterator[BaseStore]:
        store = cls(at, index=index, ttl=ttl)
        try:
            store.setup()
            yield store
        finally:
            store.close()

    # batches

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        plan = self.plan(ops)
        with self.turn() as turn:
            return self.execute(plan, self.embed(plan), turn)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        plan = self.plan(ops)
        with self.turn() as turn:
            return self.execute(plan, await self.aembed(plan), turn)

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        for op in ops:
            self.validate(op)
        writes = [self.prepare(op) for op in self.dedupe(ops)]
        texts = list(dict.fromkeys(text for write in writes for _, _, text in write.texts))
        searches = [op for op in ops if isinstance(op, SearchOp)]
        queries = [op.query for op in searches if op.query and self.embeddings]
        return Plan(ops, writes, texts, list(dict.fromkeys(queries)))

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        """The last operation of each key."""
        last = {self.address(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}
        return list(last.values())

    def prepare(self, op: PutOp) -> Write:
        address = self.address(op.namespace, op.key)
        if op.value is None:
            return Write(op, address, None)
        text = self.encode_value(op.value)
        return Write(op, address, text, tuple(self.texts_to_embed(op, text)))

    @contextmanager
    def turn(self) -> Iterator[int]:
        """
        The place of a call in the order of issue.

        A call whose text is embedded slowly is overtaken by later ones; what they wrote it must not
        overwrite.
        """
        with self.lock:
            self.issued += 1
            turn = self.issued
            self.pending.add(turn)
        try:
            yield turn
        finally:
            with self.lock:
                self.pending.discard(turn)
                if not self.pending:
                    self.newest.clear()

    def overtaken(self, address: Address, turn: int) -> bool:
        return self.newest.get(address, 0) > turn

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        with self.lock:
            writes = [write for write in plan.writes if not self.overtaken(write.address, turn)]
            with self.transaction():
                results = self.run(plan, writes, embedded)
            for write in writes:
                self.newest[write.address] = turn
        return results

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        """Reads see the state before the batch."""
        results = [self.read(op, embedded) for op in plan.ops]
        for write in writes:
            self.apply(write, embedded)
        return results

    # the operations

    def read(self, op: Op, embedded: Embedded) -> Result:
        if isinstance(op, GetOp):
            return self.read_item(op)
        if isinstance(op, SearchOp):
            return self.read_search(op, embedded.queries.get(op.query or ""))
        if isinstance(op, ListNamespacesOp):
            return self.read_namespaces(op)
        return None

    def read_item(self, op: GetOp) -> Item | None:
        row = self.find(self.address(op.namespace, op.key))
        if row is None or self.hidden(row):
            return None
        self.refresh([row], op.refresh_ttl)
        return Item(**self.facts(row))

    def apply(self, write: Write, embedded: Embedded) -> None:
        old = self.find(write.address)
        self.remove_vectors(write.address)
        if write.text is None:
            self.remove_item(write.address)
        else:
            self.write_item(write, old)
            self.write_vectors(write, embedded.documents)

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        rows = self.candidates(op)
        hits = [(row, None) for row in rows] if query is None else self.ranked(rows, query)
        hits = self.page(hits, op.limit, op.offset)
        self.refresh([row for row, _ in hits], op.refresh_ttl)
        return [SearchItem(**self.facts(row), score=score) for row, score in hits]

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        in_scope: dict[str, bool] = {}
        rows = []
        for row in self.visible():
            text = row.namespace_text
            if text not in in_scope:
                namespace = self.decode_namespace(text)
                in_scope[text] = self.matches_prefix(namespace, op.namespace_prefix)
            if in_scope[text] and self.wanted(row, op):
                rows.append(row)
        return rows

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        return not op.filter or self.matches_filter(self.value_to_compare(row), op.filter)

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        texts = dict.fromkeys(row.namespace_text for row in self.visible())
        found = [self.decode_namespace(text) for text in texts]
        for condition in op.match_conditions or ():
            found = [name for name in found if self.matches_condition(name, condition)]
        found = list(dict.fromkeys(self.truncate(name, op.max_depth) for name in found))
        return self.page(self.sort_namespaces(found), op.limit, op.offset)


vars(ReferenceStore)["open_store"].__func__.backup = "copy"  # all there is lies below at.path
