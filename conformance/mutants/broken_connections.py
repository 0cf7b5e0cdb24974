"""
Stores whose connections can be ended from the other side, and which do not get over it (O21).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from langgraph.store.base import GetOp, Op, PutOp, Result

from store_conformance.mutants.connections import Connected, ConnectionDiedError
from store_conformance.mutants.reference import Plan


class DeadConnectionsStay(Connected):
    """A pool hands out a connection that has died again and again."""

    breaks = "O21"
    reconnects = False


class ReadsReconnectAndWritesDoNot(Connected):
    """After its connections have died a store reads again, and every put raises."""

    breaks = "O21"

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        if self.deaths and any(isinstance(op, PutOp) for op in ops):
            raise ConnectionDiedError("the connection for writes is closed")
        return super().plan(ops)


class PutsAreLostWhileConnectionsDie(Connected):
    """A put that meets a connection that has died is acknowledged, and not repeated."""

    breaks = "O21"

    def died(self, ops: list[Op]) -> list[Result]:
        if any(isinstance(op, PutOp) for op in ops):
            return [None for _ in ops]
        return super().died(ops)


class NothingIsFoundWhileConnectionsDie(Connected):
    """A read that meets a connection that has died finds nothing, and nobody is told."""

    breaks = "O21"
    EMPTY: ClassVar[dict[type, Any]] = {GetOp: None, PutOp: None}

    def died(self, ops: list[Op]) -> list[Result]:
        if any(isinstance(op, PutOp) for op in ops):
            return super().died(ops)
        return [self.EMPTY.get(type(op), []) for op in ops]
