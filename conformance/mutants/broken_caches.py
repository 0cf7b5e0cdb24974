"""
Stores whose caches are cleared by some ways of writing, and not by all.
"""

from __future__ import annotations

import json
from typing import Any

from langgraph.store.base import GetOp, Item

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
