"""
Legal variants that go as far as the docs allow: coarse clocks, numbers, names, limits and engines' own ways.

Each is right by the sentences of ``langgraph.store.base``; ``also`` names the rules below MUST that its
documented limit leaves aside.
"""

from __future__ import annotations

import asyncio
import threading
import unicodedata
from array import array
from collections.abc import Iterable, Mapping
from struct import pack, unpack
from typing import Any

from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from store_conformance.mutants.correct import NoTtl, Variant
from store_conformance.mutants.reference import (
    MINUTE,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)


def whole(part: Any) -> Any:
    """The same JSON value as an engine writes it that has one kind of number: 1.0 is 1."""
    if isinstance(part, dict):
        return {name: whole(inner) for name, inner in part.items()}
    if isinstance(part, (list, tuple)):
        return [whole(inner) for inner in part]
    small = isinstance(part, float) and part.is_integer() and abs(part) < 2**53
    return int(part) if small else part


class WholeNumbersHaveNoPoint(Variant, ReferenceStore):
    """A float without a fraction comes back as an integer, as every engine in JavaScript writes it."""

    also = ("K8",)

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return super().encode_value(whole(dict(value)))


class EpochsInSeconds(Variant, ReferenceStore):
    """Timestamps count whole seconds, as a table of epochs keeps them."""

    also = ("K5",)

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        second = now // 1_000_000 * 1_000_000
        fresh = old is None or self.hidden(old)
        return (second if fresh or old is None else old.created_at), second


class OneNormalForm(Variant, ReferenceStore):
    """Labels and keys that are not in normal form C are refused by name."""

    also = ("N8", "K11")

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if isinstance(op, PutOp) and op.value is not None:
            for text in (*op.namespace, str(op.key)):
                if not unicodedata.is_normalized("NFC", text):
                    raise InvalidNamespaceError(f"{text!r} is not in normal form C.")


class KeyAndLabelsTogether(Variant, ReferenceStore):
    """The key and all labels have 511 bytes together at most, as in LMDB."""

    also = ("N8", "K11")
    MOST = 511

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if isinstance(op, PutOp) and op.value is not None:
            parts = [str(part).encode("utf-8", "surrogatepass") for part in (*op.namespace, op.key)]
            size = sum(map(len, parts)) + len(parts)
            if size > self.MOST:
                raise ValueError(
                    f"The key with its namespace has {size} bytes; the limit is {self.MOST}."
                )


class ExpiredNamesAreListed(Variant, ReferenceStore):
    """Reads leave out what has expired, but its namespace is listed until it is swept."""

    def hidden(self, row: ItemRow) -> bool:
        return self.expired(row, self.clock())

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        omit = (self.ttl_config or {}).get("omit_expired", False)
        self.listing = not omit
        try:
            return super().read_namespaces(op)
        finally:
            self.listing = False

    def visible(self) -> list[ItemRow]:
        return self.order(self.scan()) if self.__dict__.get("listing") else super().visible()


class TheEngineDeletesInTime(Variant, ReferenceStore):
    """
    An engine's own monitor deletes the expired, once in a minute or two, and nothing can be called for it.

    Until then they are there: the docs promise a deletion on a best-effort basis.
    """

    alone = True
    sweep_ttl = start_ttl_sweeper = stop_ttl_sweeper = property()

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    def hidden(self, row: ItemRow) -> bool:
        """``omit_expired`` is not supported, as the docs leave it to a store."""
        return False

    also = ("T5",)


class WhatHasExpiredIsDeletedALittleLater(Variant, ReferenceStore):
    """
    A thread of the store's own deletes what has expired, and every item is met a second and a half late.

    Nothing can be called for it, and until then the expired are there.
    """

    alone = True
    sweep_ttl = start_ttl_sweeper = stop_ttl_sweeper = property()

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    def hidden(self, row: ItemRow) -> bool:
        return self.expired(row, self.clock() - MINUTE // 40)


class HalfPrecisionVectors(Variant, ReferenceStore):
    """Vectors are kept in half precision."""

    also = ("V5",)

    def encode_vector(self, vector: Vector) -> bytes:
        return pack(f"{len(vector)}e", *vector)

    def decode_vector(self, data: bytes) -> Vector:
        return array("d", unpack(f"{len(data) // 2}e", data))


class VectorsOfBytes(Variant, ReferenceStore):
    """Vectors are kept in a byte for each number, in steps of a 127th of the largest, as many engines quantise them."""

    alone = True
    also = ("V5",)

    def encode_vector(self, vector: Vector) -> bytes:
        most = max(map(abs, vector), default=0.0) or 1.0
        return pack(f"d{len(vector)}b", most, *(round(127 * number / most) for number in vector))

    def decode_vector(self, data: bytes) -> Vector:
        most, *steps = unpack(f"d{len(data) - 8}b", data)
        return array("d", [most * step / 127 for step in steps])


class WindowIsLimited(Variant, ReferenceStore):
    """A page that ends beyond the ten thousandth match is refused by name, as Elasticsearch does."""

    also = ("K13",)

    def validate(self, op: Op) -> None:
        super().validate(op)
        if isinstance(op, SearchOp) and op.offset + op.limit > 10_000:
            raise ValueError(
                f"offset + limit is {op.offset + op.limit}: a result window has 10000 at most."
            )


class TheServersClock(Variant, ReferenceStore):
    """Times are those of a server whose clock is forty minutes ahead of ours."""

    def clock(self) -> int:
        return super().clock() + 40 * MINUTE


class EmbeddingsAreCached(Variant, ReferenceStore):
    """A text that was embedded once is not given to the embedder again."""

    def remembered(self, kind: str) -> dict[str, Vector]:
        known: dict[str, dict[str, Vector]] = self.__dict__.setdefault("known", {})
        return known.setdefault(kind, {})

    def missing(self, plan: Plan) -> Plan:
        documents, queries = self.remembered("document"), self.remembered("query")
        return Plan(
            plan.ops,
            plan.writes,
            [text for text in plan.texts if text not in documents],
            [text for text in plan.queries if text not in queries],
        )

    def completed(self, plan: Plan, new: Embedded) -> Embedded:
        documents, queries = self.remembered("document"), self.remembered("query")
        documents.update(new.documents)
        queries.update(new.queries)
        return Embedded(
            {text: documents[text] for text in plan.texts if text in documents},
            {text: queries[text] for text in plan.queries if text in queries},
        )

    def embed(self, plan: Plan) -> Embedded:
        return self.completed(plan, super().embed(self.missing(plan)))

    async def aembed(self, plan: Plan) -> Embedded:
        return self.completed(plan, await super().aembed(self.missing(plan)))


def lines_of(part: Any, name: str = "") -> str:
    """A JSON value as lines of text for a model: ``name: value``."""
    if isinstance(part, dict):
        return "\n".join(lines_of(inner, key) for key, inner in part.items())
    if isinstance(part, (list, tuple)):
        return "\n".join(lines_of(inner, name) for inner in part)
    return f"{name}: {part}"


class TextsAreWrittenForTheModel(Variant, ReferenceStore):
    """
    A model gets one line in small letters behind the word it wants, and a document as ``name: value``.
    """

    also = ("V12",)

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [lines_of(value)] if path == "$" else super().texts_at(value, path)

    def written(self, kind: str, text: str) -> str:
        return f"{kind}: {' '.join(unicodedata.normalize('NFC', text).split()).lower()}"

    def rewritten(self, plan: Plan) -> Plan:
        texts = [self.written("passage", text) for text in plan.texts]
        return Plan(plan.ops, plan.writes, texts, [self.written("query", q) for q in plan.queries])

    def by_own_text(self, plan: Plan, new: Embedded) -> Embedded:
        return Embedded(
            {t: new.documents[self.written("passage", t)] for t in plan.texts if new.documents},
            {q: new.queries[self.written("query", q)] for q in plan.queries if new.queries},
        )

    def embed(self, plan: Plan) -> Embedded:
        return self.by_own_text(plan, super().embed(self.rewritten(plan)))

    async def aembed(self, plan: Plan) -> Embedded:
        return self.by_own_text(plan, await super().aembed(self.rewritten(plan)))


class NumbersAreOfTwoKinds(Variant, ReferenceStore):
    """A filter by 1 does not find 1.0: "exact matches" may mean the type, too."""

    also = ("F11",)

    def equal(self, left: Any, right: Any) -> bool:
        return type(left) is type(right) and super().equal(left, right)


class EqualPutsAreNoUpdates(Variant, ReferenceStore):
    """A put of what is there already, without a time to live, writes nothing: no update, no new time."""

    also = ("K5",)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        kept = old is not None and old.expires_at is None and write.op.ttl is None
        new = repr(self.decode_value(write.text or "{}"))  # ``==`` takes True for 1
        if old is None or not kept or repr(self.load_value(old)) != new:
            super().write_item(write, old)


class TimesToLiveArePassedOver(NoTtl):
    """A store without time to live passes over the ``ttl`` of a put, as it does in a batch."""

    also = ("T8",)

    def put(self, *args: Any, ttl: Any = None, **kwargs: Any) -> None:
        super().put(*args, **kwargs)

    async def aput(self, *args: Any, ttl: Any = None, **kwargs: Any) -> None:
        await super().aput(*args, **kwargs)


class ShortTimesAreRefused(Variant, ReferenceStore):
    """A time to live below a minute is refused by name: the service counts in minutes."""

    alone = True
    also = ("T8",)

    def check_ttl(self, ttl: float | None) -> None:
        super().check_ttl(ttl)
        if ttl is not None and ttl < 1:
            raise ValueError(f"ttl is at least one minute, not {ttl}.")


class ZeroVectorsAreRefused(Variant, ReferenceStore):
    """A vector of zeros only is refused by name: it has no direction."""

    def check_vector(self, vector: Vector) -> None:
        super().check_vector(vector)
        if not any(vector):
            raise ValueError("A vector of zeros cannot be stored or asked for.")


class UnknownOperationsAreTypeErrors(Variant, ReferenceStore):
    """What is no operation of the interface is refused by a TypeError."""

    def validate(self, op: Op) -> None:
        try:
            super().validate(op)
        except ValueError as error:
            if "Unknown operation" in str(error):
                raise TypeError(str(error)) from error
            raise


class LongTextsAreChunked(Variant, ReferenceStore):
    """A text of more than 2,000 characters is embedded in parts, each a vector of its item."""

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [
            text[start : start + 2000]
            for text in super().texts_at(value, path)
            for start in range(0, max(len(text), 1), 2000)
        ]


class GetsAreHits(Variant, ReferenceStore):
    """``get`` gives a SearchItem, which is an Item, without a score."""

    def read_item(self, op: GetOp) -> Item | None:
        item = super().read_item(op)
        if item is None:
            return None
        return SearchItem(**{name: getattr(item, name) for name in Item.__slots__}, score=None)


class SinglePrecisionScores(Variant, ReferenceStore):
    """Scores are rounded to single precision, as an engine gives them."""

    def similarity(self, query: Vector, vector: Vector) -> float:
        return float(unpack("f", pack("f", super().similarity(query, vector)))[0])


class OneTimeForABatch(Variant, ReferenceStore):
    """All that a batch writes has one timestamp, that of its transaction."""

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        self.moment: int | None = super().now()
        try:
            return super().run(plan, writes, embedded)
        finally:
            self.moment = None

    def now(self) -> int:
        moment: int | None = self.__dict__.get("moment")
        return super().now() if moment is None else moment


class SyncCallsUseALoopOfTheirOwn(Variant, ReferenceStore):
    """Sync calls are run by a loop in a thread of the store's own: the embedder is always awaited."""

    def setup(self) -> None:
        super().setup()
        if "loop" not in self.__dict__:
            self.loop = asyncio.new_event_loop()
            self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            self.thread.start()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        coroutine = super().abatch(list(ops))
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        super().close()
