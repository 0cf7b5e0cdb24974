"""
Legal variants as authors of stores over other engines would write them: limits, names, clocks, classes.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)

from store_conformance.mutants.correct import Variant
from store_conformance.mutants.reference import (
    Embedded,
    Plan,
    ReferenceStore,
    Vector,
)


class NamesCheckedEverywhere(Variant, ReferenceStore):
    """Labels and keys are plain names, as a bucket of NATS has them; reads of others are refused too."""

    also = ("N8", "K11", "N4")

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        names = [getattr(op, "namespace", ()), getattr(op, "namespace_prefix", ())]
        names += [c.path for c in getattr(op, "match_conditions", None) or ()]
        stars = isinstance(op, ListNamespacesOp)
        for label in (label for path in names for label in path):
            if not re.fullmatch(r"[A-Za-z0-9_=-]+", label) and not (stars and label == "*"):
                raise InvalidNamespaceError(
                    f"{label!r}: a label has letters, digits, '-', '_', '='."
                )
        if isinstance(op, (GetOp, PutOp)) and not re.fullmatch(r"[A-Za-z0-9_=.-]+", str(op.key)):
            raise ValueError(f"{op.key!r}: a key has letters, digits, '-', '_', '=' and '.'.")


class LimitsAreNamed(Variant, ReferenceStore):
    """
    What is beyond a limit is refused by name.

    Keys and labels of 64 characters, namespaces of five labels, values of 400 kB, pages of 50 (listings of 300) and
    batches of 25 are the most; a page of nothing is none, and no namespace is as deep as a prefix of six labels.
    """

    also = ("N8", "K11", "O5")

    def validate(self, op: Op) -> None:
        super().validate(op)
        if isinstance(op, (SearchOp, ListNamespacesOp)):
            most = 50 if isinstance(op, SearchOp) else 300
            if not 0 < op.limit <= most:
                raise ValueError(f"limit={op.limit}: a page has 1 to {most} items.")
        if isinstance(op, SearchOp) and len(op.namespace_prefix) > 5:
            raise InvalidNamespaceError(f"{op.namespace_prefix!r} is deeper than 5 labels.")

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        if len(ops) > 25:
            raise ValueError(f"A batch of {len(ops)} operations exceeds the limit of 25.")
        return super().plan(ops)

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if not isinstance(op, PutOp) or op.value is None:
            return
        if len(op.namespace) > 5:
            raise InvalidNamespaceError(f"{op.namespace!r} is deeper than 5 labels.")
        for text in (*op.namespace, str(op.key)):
            if len(text) > 64:
                raise ValueError(f"{text[:20]!r}... is longer than 64 characters.")

    def encode_value(self, value: Any) -> str:
        text = super().encode_value(value)
        if len(text) > 400_000:
            raise ValueError(f"The size of the value is {len(text)}; an item has 400000 at most.")
        return text


class NamesOfFields(Variant, ReferenceStore):
    """Names in a value are not empty, have no dot, NUL or first dollar; ``_id`` and ``id`` are reserved."""

    also = ("F13",)

    def check_value(self, value: Any, depth: int = 0) -> None:
        super().check_value(value, depth)
        for name in value if isinstance(value, dict) else ():
            if not name or name[0] == "$" or "." in name or "\x00" in name:
                raise ValueError(f"{name!r} cannot be the name of a field.")
            if depth == 0 and name in ("_id", "id"):
                raise ValueError(f"The field {name!r} is reserved.")


class ManagedEngine(Variant, ReferenceStore):
    """
    The engine expires by itself, in whole seconds: there is no sweeper, and nothing expired is shown.

    It embeds each text by a call of its own, the last one first, and blank text not at all.
    """

    sweep_ttl = start_ttl_sweeper = stop_ttl_sweeper = property()

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    def expiry(self, ttl: float | None, now: int) -> int | None:
        exact = super().expiry(ttl, now)
        return None if exact is None else -(-exact // 1_000_000) * 1_000_000

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        self.sweep()
        return super().execute(plan, embedded, turn)

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [text for text in super().texts_at(value, path) if text.strip()]

    def embed(self, plan: Plan) -> Embedded:
        if not self.embeddings:
            return Embedded()
        one = self.embeddings.embed_documents
        documents = [vector for text in reversed(plan.texts) for vector in one([text])]
        queries = [self.embeddings.embed_query(query) for query in plan.queries]
        return self.check_vectors(plan, documents[::-1], queries)

    async def aembed(self, plan: Plan) -> Embedded:
        if not self.embeddings:
            return Embedded()
        one = self.embeddings.aembed_documents
        found = await asyncio.gather(*(one([text]) for text in plan.texts))
        queries = [await self.embeddings.aembed_query(query) for query in plan.queries]
        return self.check_vectors(plan, [vector for part in found for vector in part], queries)


class Answer(list[Any]):
    """A list of the store's own."""


class Labels(tuple[str, ...]):
    """A namespace of the store's own."""

    __slots__ = ()


class Moment(datetime):
    """A datetime of the driver's own."""


class Hit(SearchItem):
    """A SearchItem of the store's own, with more to tell."""

    __slots__ = ("engine",)


class Record(Item):
    """An Item of the store's own."""


class OwnAnswers(Variant, ReferenceStore):
    """
    Lists, items, namespaces and times, in milliseconds, come in classes of the store's own; namespaces in
    an order of no meaning; and there is no method beside the interface's.

    Scores stay plain: LangMem's tools write them by orjson, which takes no subclass of float.
    """

    also = ("K5", "L3")
    setup = close = property()

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
            ReferenceStore.close(store)

    def sort_namespaces(self, namespaces: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return sorted(namespaces, key=lambda name: sha256(repr(name).encode()).digest())

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return Answer(super().batch(ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return Answer(await super().abatch(ops))

    def read_item(self, op: Any) -> Item | None:
        item = super().read_item(op)
        if item is None:
            return None
        record = Record(**{name: getattr(item, name) for name in Item.__slots__})
        record.namespace = Labels(record.namespace)
        return record

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        hits = Answer()
        for item in super().read_search(op, query):
            hit = Hit(**{name: getattr(item, name) for name in (*Item.__slots__, "score")})
            hit.namespace = Labels(hit.namespace)
            hits.append(hit)
        return hits

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        return Answer(Labels(name) for name in super().read_namespaces(op))

    def to_datetime(self, micros: int) -> datetime:
        exact = super().to_datetime(micros // 1000 * 1000)
        return Moment.fromtimestamp(exact.timestamp(), exact.tzinfo)


class RefusedError(ValueError):
    """What the store will not take."""


class RefusedNamespaceError(RefusedError, InvalidNamespaceError):
    """A namespace that the store will not take."""


class EngineError(Exception):
    """What went wrong below the store."""


class GuardedCalls(Variant, ReferenceStore):
    """
    Calls wait for one another, from the embedding to the end of the transaction.

    Refusals and failures come in classes of the store's own, with their cause.
    """

    def __init__(
        self, at: Any, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        super().__init__(at, index=index, ttl=ttl)
        self.one_thread = threading.Lock()
        self.one_task: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        with self.one_thread:
            return super().batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        async with self.one_task.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            return await super().abatch(ops)

    def validate(self, op: Op) -> None:
        try:
            super().validate(op)
        except InvalidNamespaceError as error:
            raise RefusedNamespaceError(str(error)) from error
        except (TypeError, ValueError) as error:
            raise RefusedError(str(error)) from error

    def embed(self, plan: Plan) -> Embedded:
        try:
            return super().embed(plan)
        except Exception as error:
            raise EngineError(f"The text could not be embedded: {error}") from error

    async def aembed(self, plan: Plan) -> Embedded:
        try:
            return await super().aembed(plan)
        except Exception as error:
            raise EngineError(f"The text could not be embedded: {error}") from error


class PastTimesAreRefused(Variant, ReferenceStore):
    """A time to live that is zero or below is refused, as is one of less than a tenth of a second."""

    alone = True

    def check_ttl(self, ttl: float | None) -> None:
        super().check_ttl(ttl)
        if ttl is not None and ttl * 60 < 0.1:
            raise ValueError(f"ttl is at least a tenth of a second, not {ttl} minutes.")
