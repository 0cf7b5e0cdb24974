"""
Legal variants of how a store is called: batches in order, executors, one thread, conventions of its own.

``also`` names the rules below MUST that a variant leaves aside; nothing else may accuse it of that.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from struct import pack, unpack
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    InvalidNamespaceError,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
    TTLConfig,
)

from store_conformance.mutants.correct import Variant
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    Plan,
    ReferenceStore,
    Write,
)


class EachCallInAThread(Variant, ReferenceStore):
    """Async calls are the blocking ones in a pool of threads, so that of calls at once any may be the last."""

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        return await asyncio.get_running_loop().run_in_executor(None, self.batch, ops)

    def overtaken(self, address: Address, turn: int) -> bool:
        return False


class BatchesInOrder(Variant, ReferenceStore):
    """The operations of a batch are applied in their order: reads see the writes before them."""

    also = ("O2",)

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        results: list[Result] = []
        for op in plan.ops:
            results.append(self.read(op, embedded))
            for write in writes:
                if write.op is op:
                    self.apply(write, embedded)
        return results


class OneTransactionEach(Variant, ReferenceStore):
    """Each put of a batch is a transaction of its own, and what stands before it is done before."""

    also = ("O2", "O4", "O11")

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        parts = self.parts(list(ops))
        return [result for part in parts for result in ReferenceStore.batch(self, part)]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        parts = self.parts(list(ops))
        return [result for part in parts for result in await ReferenceStore.abatch(self, part)]

    def parts(self, ops: list[Op]) -> list[list[Op]]:
        """The operations as they are executed: reads, which see the state before, and each put."""
        return [ops] if not any(isinstance(op, PutOp) for op in ops) else list(self.split(ops))

    def split(self, ops: list[Op]) -> Iterable[list[Op]]:
        """Reads keep their places because each part is answered in its turn."""
        kept: list[Op] = []
        last = {(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}
        for op in ops:
            kept.append(op)
            if isinstance(op, PutOp) and last[op.namespace, op.key] is op:
                yield kept
                kept = []
        if kept:
            yield kept


class RangesOverTextAreRefused(Variant, ReferenceStore):
    """A range over text is refused by name."""

    also = ("F4",)

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        if isinstance(operand, str):
            raise NotImplementedError("Ranges are over numbers only.")
        return super().compare(operator, actual, operand)


class NestedFiltersAreRefused(Variant, ReferenceStore):
    """A filter by a nested object is refused by name."""

    also = ("F10",)

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        super().check_filter(wanted, below)
        nested = below and isinstance(wanted, dict)
        if nested and not any(str(name).startswith("$") for name in wanted):
            raise ValueError("A filter by a nested object is not supported.")


class LargeIntegersAreSingle(Variant, ReferenceStore):
    """Filters compare integers that single precision cannot tell apart as such."""

    also = ("F12",)

    def equal(self, left: Any, right: Any) -> bool:
        return super().equal(self.single(left), self.single(right))

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        return super().compare(operator, self.single(actual), self.single(operand))

    def single(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) <= 2**50:
            return value
        return unpack("f", pack("f", value))[0]


class InAnExecutor(Variant, ReferenceStore):
    """Async calls run the sync one in a thread, which goes on when its caller is cancelled."""

    also = ("O11",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return await asyncio.to_thread(self.batch, list(ops))


class OneThread(Variant, ReferenceStore):
    """A store that is documented for one thread, that which opened it."""

    declares = ("no-threads",)

    def setup(self) -> None:
        self.owner = self.__dict__.get("owner", threading.get_ident())
        self.check_thread()
        super().setup()

    def check_thread(self) -> None:
        if threading.get_ident() != self.owner:
            raise RuntimeError("This store is for the thread that opened it.")

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        self.check_thread()
        return super().batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        self.check_thread()
        return await super().abatch(ops)


class SweeperByName(Variant, ReferenceStore):
    """The sweeper takes its interval, and the stop its patience, by name only."""

    def start_ttl_sweeper(self, *, interval: float | None = None) -> Any:  # type: ignore[override]
        return super().start_ttl_sweeper(interval)

    def stop_ttl_sweeper(self, *, patience: float | None = None) -> Any:  # type: ignore[override]
        return super().stop_ttl_sweeper(patience)


class SweeperByConfiguration(Variant, ReferenceStore):
    """The sweeper takes no arguments: its interval is configured."""

    def start_ttl_sweeper(self) -> Any:  # type: ignore[override]
        return super().start_ttl_sweeper(None)


class SweepsAtAnInterval(Variant, ReferenceStore):
    """Where an interval is configured the sweeper runs from the opening on, as its documentation says."""

    def setup(self) -> None:
        super().setup()
        if (self.ttl_config or {}).get("sweep_interval_minutes"):
            self.start_ttl_sweeper()

    def close(self) -> None:
        self.stop_ttl_sweeper(5)
        super().close()


class SetupOfASchema(Variant, ReferenceStore):
    """``setup`` needs to be told a schema; opening has set up the usual one."""

    @classmethod
    @contextmanager
    def open_store(
        cls, at: Any, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> Iterator[BaseStore]:
        store = cls(at, index=index, ttl=ttl)
        try:
            ReferenceStore.setup(store)
            yield store
        finally:
            store.close()

    def setup(self, schema: str) -> None:  # type: ignore[override]
        super().setup()


class ReservedPlacesAreRefused(Variant, ReferenceStore):
    """Reads where no item can be, in () and below the root ``langgraph``, are refused as a put is."""

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        deleting = isinstance(op, PutOp) and op.value is None
        if (deleting or isinstance(op, GetOp)) and not op.namespace:  # type: ignore[union-attr]
            raise InvalidNamespaceError("No item can be in the empty namespace.")
        if isinstance(op, GetOp) and op.namespace[:1] == ("langgraph",):
            raise InvalidNamespaceError("The root langgraph is reserved.")
        if isinstance(op, SearchOp) and op.namespace_prefix[:1] == ("langgraph",):
            raise InvalidNamespaceError("The root langgraph is reserved.")
        if isinstance(op, ListNamespacesOp):
            for condition in op.match_conditions or ():
                if condition.match_type == "prefix" and condition.path[:1] == ("langgraph",):
                    raise InvalidNamespaceError("The root langgraph is reserved.")


class RefusesWithErrorsOfItsOwn(Variant, ReferenceStore):
    """
    A read in () is refused with a ValueError, and a label of a batch that cannot be with whatever its encoding raises.
    """

    def validate_namespaces(self, op: Op) -> None:
        deleting = isinstance(op, PutOp) and op.value is None
        if (deleting or isinstance(op, GetOp)) and not op.namespace:  # type: ignore[union-attr]
            raise ValueError("A namespace cannot be empty here.")
        places = [getattr(op, "namespace", ()), getattr(op, "namespace_prefix", ())]
        places += [c.path for c in getattr(op, "match_conditions", None) or ()]
        labels = [label for place in places if not isinstance(place, str) for label in place]
        if any(not isinstance(label, str) or not label or "." in label for label in labels):
            raise LookupError("There is no such place.")
        super().validate_namespaces(op)
