"""
Stores whose figures under several callers are known; data for ``test_callers_at_once.py``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from langgraph.store.base import Op, PutOp, Result, SearchOp

from store_conformance.mutants.reference import ItemRow, ReferenceStore

LAG = 0.03
"""Seconds until a search shows a put."""


class SearchesLag(ReferenceStore):
    """A search shows a put 30 ms after it; a get at once."""

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        oldest = (time.time() - LAG) * 1_000_000
        return [row for row in super().candidates(op) if row.updated_at < oldest]


class BatchesTrickle(ReferenceStore):
    """The keys of a batch are written one after the other, with time for others in between."""

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        every = list(ops)
        if len(every) < 2 or not all(isinstance(op, PutOp) for op in every):
            return super().batch(every)
        for op in every:
            super().batch([op])
            time.sleep(0.0005)
        return [None] * len(every)
