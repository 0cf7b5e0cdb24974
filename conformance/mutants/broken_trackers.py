"""
Stores with faults of the kinds that issue trackers of memory stores are full of.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from langgraph.store.base import Op, PutOp, Result, SearchItem, SearchOp

from store_conformance.mutants.groups import ALL, DELETES, LABELS, LIVES, PLAIN, REPLACES, VECTORS
from store_conformance.mutants.reference import (
    MINUTE,
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)

_WORD = re.compile(r"\w+")


class LabelsMatchByTheirWords(ReferenceStore):
    """A prefix finds labels of the same words in any order, as a search engine's text fields do."""

    breaks = "S1"
    also = (*LABELS, *PLAIN, *VECTORS)

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        def words(label: str) -> Any:
            return sorted(_WORD.findall(label)) or label

        start = namespace[: len(prefix)]
        return list(map(words, start)) == list(map(words, prefix))


class EmptiedNamespacesAreDropped(ReferenceStore):
    """When the last item of a namespace is deleted, what lies below it goes too."""

    breaks = "X7"
    also = (*DELETES, "E4")

    def remove_item(self, address: Address) -> None:
        super().remove_item(address)
        left = self.connection.execute("SELECT 1 FROM items WHERE namespace = ?", address[:1])
        if left.fetchone() is None:
            below = self.decode_namespace(address[0])
            for row in self.scan():
                if self.decode_namespace(row.namespace_text)[: len(below)] == below:
                    super().remove_item(row.address)


class FiltersReadColumns(ReferenceStore):
    """A filter on ``key`` compares the item's own key, not the field of that name."""

    breaks = "F13"
    also = (*(rule for rule in ALL if rule[0] in "FVE"), "K6", "S8")

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        if not op.filter:
            return True
        value = {**self.load_value(row), "key": self.decode_key(row.key_text)}
        return self.matches_filter(value, op.filter)


class EqualValuesAreNotWritten(ReferenceStore):
    """A put of a value that Python takes for equal to the old one changes nothing but the time."""

    breaks = "K3"
    also = ("K6", "K8", "K7", "K4", "E1", "X7", "T3")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if old is not None and self.load_value(old) == json.loads(write.text or "{}"):
            write = replace(write, text=json.dumps(self.load_value(old)))
        super().write_item(write, old)


class LabelsOfDigitsAreNumbers(ReferenceStore):
    """Labels of digits are one where they are the same number: "7" and "007"."""

    breaks = "N7"
    also = LABELS

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        plain = [str(int(n)) if n.isascii() and n.isdigit() else n for n in namespace]
        return super().encode_namespace(tuple(plain))


class KeysOfDigitsAreNumbers(ReferenceStore):
    """Keys of digits are one where they are the same number: "7" and "007"."""

    breaks = "X7"
    also = ("K1", "K11", "K9", "K7", "E4")

    def encode_key(self, key: str) -> str:
        return super().encode_key(str(int(key)) if key.isascii() and key.isdigit() else key)


class EmbeddingsAreCachedByBeginnings(ReferenceStore):
    """Texts that begin alike for 40 characters get the vector of the first of them."""

    breaks = "V16"
    also = (*VECTORS, "E1", "E7")

    def cached(self, found: Embedded) -> Embedded:
        known: dict[str, Vector] = self.__dict__.setdefault("known", {})
        return replace(
            found,
            documents={t: known.setdefault(t[:40], v) for t, v in found.documents.items()},
        )

    def embed(self, plan: Plan) -> Embedded:
        return self.cached(super().embed(plan))

    async def aembed(self, plan: Plan) -> Embedded:
        return self.cached(await super().aembed(plan))


class LongQueriesAreCut(ReferenceStore):
    """Of the text of a query the first 256 characters are embedded."""

    breaks = "V16"
    also = (*VECTORS, "E1", "E7")

    def plan(self, ops: Iterable[Op]) -> Plan:
        plan = super().plan(ops)
        return replace(plan, queries=[query[:256] for query in plan.queries])

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        return super().read_search(op, query)

    def read(self, op: Op, embedded: Embedded) -> Result:
        if isinstance(op, SearchOp) and op.query:
            op = op._replace(query=op.query[:256])
        return super().read(op, embedded)


class LongQueriesFail(ReferenceStore):
    """A query of more than a thousand characters fails by an error that does not say why."""

    breaks = "V16"
    also = (*VECTORS, "E1", "E7")

    def plan(self, ops: Iterable[Op]) -> Plan:
        plan = super().plan(ops)
        if any(len(query) > 1000 for query in plan.queries):
            raise ValueError("The embedder gave no answer.")
        return plan


class LongTextsAreCutForTheEmbedder(ReferenceStore):
    """A text reaches the embedder up to its thousandth character."""

    breaks = "V16"
    also = (*VECTORS, "E1", "E7")

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [text[:1000] for text in super().texts_at(value, path)]


class ChaptersAreCutForTheEmbedder(ReferenceStore):
    """A text reaches the embedder up to what a column of 16 bits holds."""

    breaks = "V16"
    also = (*VECTORS, "E1", "E7", "K13")

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [text[:65_535] for text in super().texts_at(value, path)]


class QuotesInQueriesRaise(ReferenceStore):
    """A quote or a bracket in a query is an error of syntax."""

    breaks = "V16"
    also = (*VECTORS, "V1", "E1")

    def validate(self, op: Op) -> None:
        super().validate(op)
        if isinstance(op, SearchOp) and any(mark in (op.query or "") for mark in "\"'()*:"):
            raise ValueError(f"syntax error near {op.query!r}")


class EmptyFiltersFindNothing(ReferenceStore):
    """``filter={}`` finds nothing."""

    breaks = "F1"
    also = (*PLAIN, "S4", "S8", "F6", "F10")

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        return op.filter != {} and super().wanted(row, op)


class UnchangedTextKeepsTheOldPayload(ReferenceStore):
    """A query gives the value that an item had when its text was last embedded anew."""

    breaks = "K3"
    also = (*VECTORS, "V11", "E1", "E7")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        payloads: dict[Address, tuple[Any, str | None]] = self.__dict__.setdefault("payloads", {})
        known = payloads.get(write.address)
        if known is None or known[0] != write.texts:
            payloads[write.address] = (write.texts, write.text)
        super().write_item(write, old)

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        payloads = self.__dict__.get("payloads", {})
        for item in found if query is not None else ():
            texts, text = payloads.get(self.address(item.namespace, item.key), ((), None))
            if text is not None and texts:
                item.value = self.decode_value(text)
        return found


class QueriesGiveTheFirstTimes(ReferenceStore):
    """A query gives items with ``updated_at`` of their creation."""

    breaks = "K4"
    also = VECTORS

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found if query is not None else ():
            item.updated_at = item.created_at
        return found


class OverwritesTakeTheVectorsOfEqualTexts(ReferenceStore):
    """An overwrite takes the vectors of its old text from every item that has the same text."""

    breaks = "X7"
    also = (*VECTORS, *REPLACES)

    def remove_vectors(self, address: Address) -> None:
        vectors = self.connection.execute(
            "SELECT vector FROM vectors WHERE namespace = ? AND key = ?", address
        ).fetchall()
        for (vector,) in vectors if self.find(address) is not None else ():
            self.connection.execute("DELETE FROM vectors WHERE vector = ?", (vector,))
        super().remove_vectors(address)


class SweepsTakeTheKeyEverywhere(ReferenceStore):
    """A sweep deletes the expired keys from every namespace."""

    breaks = "T7"
    also = LIVES

    def sweep(self) -> int:
        with self.transaction():
            now = self.clock()
            dead = [row for row in self.scan() if self.expired(row, now)]
            for row in dead:
                self.remove_vectors(row.address)
                self.connection.execute("DELETE FROM items WHERE key = ?", (row.key_text,))
        return len(dead)


class SweepsTakeTheVectorsOfEqualTexts(ReferenceStore):
    """A sweep deletes the vectors of the expired from every item that has the same text."""

    breaks = "T7"
    also = (*LIVES, *VECTORS)

    def sweep(self) -> int:
        with self.transaction():
            now = self.clock()
            dead = [row for row in self.scan() if self.expired(row, now)]
            for row in dead:
                self.connection.execute(
                    "DELETE FROM vectors WHERE vector IN"
                    " (SELECT vector FROM vectors WHERE namespace = ? AND key = ?)",
                    row.address,
                )
                self.remove_item(row.address)
        return len(dead)


class LongLivesWrapAround(ReferenceStore):
    """A time to live is kept in milliseconds of 32 bits: what is longer than 25 days has ended long ago."""

    breaks = "T2"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        if ttl is None:
            return None
        milliseconds = int(ttl * MINUTE) // 1000
        return now + ((milliseconds + 2**31) % 2**32 - 2**31) * 1000


class LongLivesOverflow(ReferenceStore):
    """A time to live of years is an error of the calendar."""

    breaks = "T2"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        if ttl is not None and ttl > 525_600:
            raise OverflowError("date value out of range")
        return super().expiry(ttl, now)


class ManyDimensionsAreCut(ReferenceStore):
    """Of a vector the first 2,000 numbers are kept."""

    breaks = "K13"
    also = VECTORS

    def encode_vector(self, vector: Vector) -> bytes:
        return super().encode_vector(list(vector)[:2000])

    def score(self, query: Vector, vector: Vector) -> float:
        return super().score(list(query)[:2000], vector)


class RefusalsLeaveATransactionOpen(ReferenceStore):
    """After a call that was refused, what is written next is undone when the store is closed."""

    breaks = "O16"
    also = ("E4", "E5", "O4", "K7", "X7")

    def plan(self, ops: Iterable[Op]) -> Plan:
        try:
            return super().plan(ops)
        except (TypeError, ValueError):
            self.undo: dict[Address, str | None] = {}
            raise

    def apply(self, write: Write, embedded: Embedded) -> None:
        if "undo" in self.__dict__:
            old = self.find(write.address)
            self.undo.setdefault(write.address, old and json.dumps(self.load_value(old)))
        super().apply(write, embedded)

    def close(self) -> None:
        with self.transaction():
            for address, text in self.__dict__.get("undo", {}).items():
                if text is None:
                    self.remove_vectors(address)
                    self.remove_item(address)
                else:
                    self.connection.execute(
                        "UPDATE items SET value = ? WHERE namespace = ? AND key = ?",
                        (text, *address),
                    )
        super().close()


class AsyncCallsEmbedInTheLoop(ReferenceStore):
    """Async calls embed by the blocking method, in the loop, which stands still meanwhile."""

    breaks = "V12"
    also = VECTORS
    modes = ("async",)

    async def aembed(self, plan: Plan) -> Embedded:
        await asyncio.sleep(0)
        return self.embed(plan)


class TicksOfManyLoseTheRest(ReferenceStore):
    """Of the puts that wait for one another the first 256 are written, and all are acknowledged."""

    breaks = "O12"
    also = ("O10", "O9", "O11")
    modes = ("async",)
    waiting = 0

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        self.waiting += 1
        late = self.waiting > 256
        try:
            await asyncio.sleep(0)
            if late and all(isinstance(op, PutOp) for op in ops):
                return [None for _ in ops]
            return await super().abatch(ops)
        finally:
            self.waiting -= 1


class LongNamesOfFieldsAreCut(ReferenceStore):
    """Names of fields are kept to their 63rd character, as names in Postgres are."""

    breaks = "F13"
    also = ("K6", "F14", "E7")

    def encode_value(self, value: Any) -> str:
        return super().encode_value({str(name)[:63]: inner for name, inner in dict(value).items()})


class SmallestFloatsAreZero(ReferenceStore):
    """A float below 2.2e-308 comes back as zero."""

    breaks = "K6"

    def decode_value(self, text: str) -> dict[str, Any]:
        def flushed(number: str) -> float:
            found = float(number)
            return found if abs(found) >= 2.2250738585072014e-308 else 0.0

        return json.loads(text, parse_float=flushed)  # type: ignore[no-any-return]


class OtherFieldsHideOldItems(ReferenceStore):
    """A location that is opened with other ``fields`` than before ranks only what was put since."""

    breaks = "O17"
    also = VECTORS

    def setup(self) -> None:
        super().setup()
        fields = json.dumps((self.index_config or {}).get("fields"))
        with self.transaction():
            old = self.connection.execute("SELECT value FROM facts WHERE name = 'fields'")
            known = old.fetchone()
            if self.index_config is not None:
                if known is not None and known[0] != fields:
                    self.connection.execute("DELETE FROM vectors")
                self.connection.execute(
                    "INSERT OR REPLACE INTO facts VALUES ('fields', ?)", (fields,)
                )


class ValuesSetTheirOwnTimes(ReferenceStore):
    """A field ``created_at`` or ``updated_at`` of a value is taken for the item's own."""

    breaks = "K1"
    also = ("K4", "K5", "K12", "E3", "E7", "K6", "F4")

    def facts(self, row: ItemRow) -> dict[str, Any]:
        found = super().facts(row)
        own = {name: found["value"].get(name) for name in ("created_at", "updated_at")}
        return {**found, **{name: when for name, when in own.items() if isinstance(when, str)}}
