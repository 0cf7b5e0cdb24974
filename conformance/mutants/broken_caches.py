"""
Stores whose caches are cleared by some ways of writing, and not by all, or hand one answer to several callers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from langgraph.store.base import GetOp, Item, Op, Result, SearchOp

from store_conformance.mutants.groups import ALL
from store_conformance.mutants.reference import Address, Embedded, Plan, ReferenceStore, Write


class BatchesDoNotClearTheCache(ReferenceStore):
    """Gets are answered from a cache, which a single put or delete clears and a batch of several does not."""

    breaks = "K3"
    also = ALL

    def read_item(self, op: GetOp) -> Item | None:
        cache: dict[Address, Item | None] = self.__dict__.setdefault("cache", {})
        address = self.address(op.namespace, op.key)
        if address not in cache:
            cache[address] = super().read_item(op)
        item = cache[address]
        if item is None:
            return None
        own = {name: getattr(item, name) for name in Item.__slots__ if name != "value"}
        return Item(**own, value=json.loads(json.dumps(item.value)))

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Any]:
        results = super().run(plan, writes, embedded)
        if len(plan.ops) == 1:
            for write in writes:
                self.__dict__.setdefault("cache", {}).pop(write.address, None)
        return results


class CallersOfOneTickShareAnAnswer(ReferenceStore):
    """Equal reads that are issued at once are one read, whose answer all their callers get."""

    breaks = "K10"
    also = ("O7", "O9", "O10", "O12", "O20", "O23")
    modes = ("async",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        read = len(ops) == 1 and isinstance(ops[0], (GetOp, SearchOp)) and repr(ops[0])
        asked: dict[Any, Any] = self.__dict__.setdefault("asked", {})
        if not read:
            return await super().abatch(ops)
        if read not in asked:
            asked[read] = asyncio.ensure_future(super().abatch(ops))
            asyncio.get_running_loop().call_soon(asked.pop, read)
        answer: list[Result] = await asyncio.shield(asked[read])
        return answer


class SearchesOfABatchAreJoinedByTheirPrefix(ReferenceStore):
    """Of the searches in a batch those with equal prefix, query, limit and offset are one, whatever they filter by."""

    breaks = "O1"
    also = ALL

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Any]:
        first: dict[Any, int] = {}
        results = super().run(plan, writes, embedded)
        for n, op in enumerate(plan.ops):
            if isinstance(op, SearchOp):
                joined = first.setdefault(repr(op._replace(filter=None)), n)
                results[n] = results[joined]
        return results
