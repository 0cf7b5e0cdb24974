"""
Stores whose helpers fail them: copies, counts, places in an index, and calls that are joined.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterable
from typing import Any

from langgraph.store.base import (
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from store_conformance.mutants.broken_doors import halves
from store_conformance.mutants.broken_durability import REOPENED
from store_conformance.mutants.groups import (
    ALL,
    DELETES,
    FILTERS,
    LISTS,
    LIVES,
    REPLACES,
    VECTORS,
)
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)


class VectorsComeBeforeTheValue(ReferenceStore):
    """The vectors of a put are written first, and stay when its value is refused then."""

    breaks = "K7"
    also = (*VECTORS, "O4")

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        try:
            return super().plan(ops)
        except (TypeError, ValueError):
            for op in ops:
                if isinstance(op, PutOp) and isinstance(op.value, dict) and self.index_config:
                    self.moved(op, op.value)
            raise

    def moved(self, op: PutOp, value: dict[Any, Any]) -> None:
        plain = {name: text for name, text in value.items() if {type(name), type(text)} == {str}}
        texts = tuple(self.texts_to_embed(op, json.dumps(plain)))
        write = Write(op, self.address(op.namespace, op.key), "", texts)
        documents = Plan([], [write], [text for _, _, text in texts], [])
        with self.transaction():
            self.remove_vectors(write.address)
            self.write_vectors(write, self.embed(documents).documents)


class APutIsTakenForAnEarlierOne(ReferenceStore):
    """A put of the value that the key was last put with is a repeated request, also after a delete."""

    breaks = "X1"
    also = ALL

    def apply(self, write: Write, embedded: Embedded) -> None:
        last: dict[Address, str] = self.__dict__.setdefault("last", {})
        repeated = write.text is not None and last.get(write.address) == write.text
        if write.text is not None:
            last[write.address] = write.text
        if not (repeated and self.find(write.address) is None):
            super().apply(write, embedded)


# what is kept beside


class NamespacesOfRefusedBatchesAreListed(ReferenceStore):
    """Namespaces are noted when a batch is looked at, whatever becomes of it."""

    breaks = "O4"
    also = (*LISTS, *DELETES)

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        try:
            return super().plan(ops)
        except (TypeError, ValueError):
            noted: set[tuple[str, ...]] = self.__dict__.setdefault("noted", set())
            if len(ops) > 1:
                noted |= {op.namespace for op in ops if isinstance(op, PutOp)}
            raise

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        listed = super().read_namespaces(op._replace(limit=100_000, offset=0))
        noted = list(self.__dict__.get("noted", ()))
        for condition in op.match_conditions or ():
            noted = [name for name in noted if self.matches_condition(name, condition)]
        listed += [self.truncate(name, op.max_depth) for name in noted]
        return self.page(self.sort_namespaces(list(set(listed))), op.limit, op.offset)


class TheIndexDoesNotGoBack(ReferenceStore):
    """Vectors are written to an index of their own, which does not go back when the batch is refused."""

    breaks = "O4"
    also = (*VECTORS, "K7")

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        try:
            return super().plan(ops)
        except (TypeError, ValueError):
            for op in ops if self.embeddings and len(ops) > 1 else ():
                self.index_alone(op)
            raise

    def index_alone(self, op: Op) -> None:
        try:
            self.validate(op)
        except (TypeError, ValueError):
            return
        if not isinstance(op, PutOp) or self.embeddings is None:
            return
        write = self.prepare(op)
        texts = [text for _, _, text in write.texts]
        vectors = self.embeddings.embed_documents(texts) if texts else []
        with self.transaction():
            self.remove_vectors(write.address)
            self.write_vectors(write, dict(zip(texts, vectors, strict=True)))


class LargeValuesAreKeptByTheirKey(ReferenceStore):
    """A large value is a file whose name is made of the key, and so that of all namespaces."""

    breaks = "X7"
    also = ("K13", "K6", "S5", "V9", "O5", "E4", "N9")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        if len(write.text or "") > 50_000:
            self.connection.execute(
                "UPDATE items SET value = ? WHERE key = ? AND length(value) > 50000",
                (write.text, write.address[1]),
            )


class EachSweepsWhatItKnows(ReferenceStore):
    """A store sweeps by the times that it has given itself, whatever others have written since."""

    breaks = "T7"
    also = ("O13", "E6", "E4", *LIVES)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        row = self.find(write.address)
        self.ends()[write.address] = row.expires_at if row else None

    def ends(self) -> dict[Address, int | None]:
        found: dict[Address, int | None] = self.__dict__.setdefault("own_ends", {})
        return found

    def set_expiry(self, row: ItemRow, expires_at: int | None) -> None:
        super().set_expiry(row, expires_at)
        self.ends()[row.address] = expires_at

    def remove_item(self, address: Address) -> None:
        self.ends().pop(address, None)
        super().remove_item(address)

    def sweep(self) -> int:
        count = super().sweep()
        now = self.clock()
        with self.transaction():
            for address, end in list(self.ends().items()):
                if end is not None and end <= now and self.find(address) is not None:
                    self.remove_vectors(address)
                    self.remove_item(address)
                    count += 1
        return count


class OverwritesAreCounted(ReferenceStore):
    """A namespace is listed while more puts than deletes of it were counted, and an overwrite counts as a put."""

    breaks = "X5"
    also = (*LISTS, *DELETES)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if old is not None:
            self.__dict__.setdefault("overwritten", {})[write.address[0]] = True
        super().write_item(write, old)

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        listed = super().read_namespaces(op._replace(limit=100_000, offset=0))
        stay = [self.decode_namespace(text) for text in self.__dict__.get("overwritten", ())]
        for condition in op.match_conditions or ():
            stay = [name for name in stay if self.matches_condition(name, condition)]
        listed += [self.truncate(name, op.max_depth) for name in stay]
        return self.page(self.sort_namespaces(list(set(listed))), op.limit, op.offset)


class SharedVectorsAreMiscounted(ReferenceStore):
    """Equal vectors are one, whose users are counted; an overwrite that needs the same one again is not."""

    breaks = "V15"
    also = VECTORS

    def users(self) -> dict[bytes, int]:
        found: dict[bytes, int] = self.__dict__.setdefault("counts", {})
        return found

    def vectors_of(self, address: Address) -> list[bytes]:
        found = self.connection.execute(
            "SELECT vector FROM vectors WHERE namespace = ? AND key = ?", address
        )
        return [data for (data,) in found.fetchall()]

    def remove_vectors(self, address: Address) -> None:
        self.before = self.vectors_of(address)
        super().remove_vectors(address)
        for data in self.before:
            self.users()[data] = self.users().get(data, 1) - 1
            if self.users()[data] < 0:
                self.connection.execute("DELETE FROM vectors WHERE vector = ?", (data,))

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        super().write_vectors(write, documents)
        for data in self.vectors_of(write.address):
            self.users()[data] = self.users().get(data, 0) + (data not in self.before)


# copies


class ReadersHaveACopy(ReferenceStore):
    """A store that has written nothing lately reads from a copy, which is made anew each second."""

    breaks = "E6"
    also = ALL
    wrote = made = 0.0
    copy: Any = None

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        now = time.monotonic()
        if writes or self.ttl_config:
            self.wrote = now
        if now - self.wrote < 1.0:
            return super().run(plan, writes, embedded)
        if self.copy is None or now - self.made > 1.0:
            if self.copy is not None:
                self.copy.close()
            self.copy = self.connect(":memory:")
            self.copy.executescript("\n".join(self.connection.iterdump()))
            self.made = now
        own, self.connection = self.connection, self.copy
        try:
            return super().run(plan, writes, embedded)
        finally:
            self.connection = own

    def close(self) -> None:
        if self.copy is not None:
            self.copy.close()
        super().close()


class AnswersAreKeptUntilAPut(ReferenceStore):
    """The answers of searches are kept until the store itself writes, whatever others write."""

    breaks = "E6"
    also = ALL

    def kept(self) -> dict[str, Any]:
        found: dict[str, Any] = self.__dict__.setdefault("answers", {})
        return found

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        if writes or self.ttl_config:
            self.kept().clear()
        try:
            return super().run(plan, writes, embedded)
        finally:
            if writes:
                self.kept().clear()

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = self.kept().setdefault(repr(op), None) or super().read_search(op, query)
        self.kept()[repr(op)] = found
        return list(found)


class ListingsAreKeptUntilAPut(AnswersAreKeptUntilAPut):
    """The answers of listings are kept until the store itself writes, whatever others write."""

    breaks = "E6"

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        return ReferenceStore.read_search(self, op, query)

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        found = self.kept().get(repr(op)) or super().read_namespaces(op)
        self.kept()[repr(op)] = found
        return list(found)


class RootsAreThoseOfTheOpening(ReferenceStore):
    """A search over everything goes through the first labels that were there at the opening, and its own."""

    breaks = "E6"
    also = ("O13", "E4", "O16")

    def setup(self) -> None:
        super().setup()
        self.roots = {self.decode_namespace(row.namespace_text)[0] for row in self.scan()}

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        self.roots.add(write.op.namespace[0])
        super().write_item(write, old)

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        found = super().candidates(op)
        if op.namespace_prefix:
            return found
        return [r for r in found if self.decode_namespace(r.namespace_text)[0] in self.roots]


class AFullPageKeepsItsSnapshot(ReferenceStore):
    """After a search whose page is full the next get still reads in its transaction."""

    breaks = "K3"
    also = ALL
    kept: dict[Address, Item] | None = None

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        self.kept = None
        if found and len(found) == op.limit and not self.ttl_config:
            self.kept = {row.address: Item(**self.facts(row)) for row in self.scan()}
        return found

    def read_item(self, op: GetOp) -> Item | None:
        kept, self.kept = self.kept, None
        if kept is not None:
            return kept.get(self.address(op.namespace, op.key))
        return super().read_item(op)


class EachThreadKeepsWhatItRead(ReferenceStore):
    """Each thread has a cache of its own, which the writes of other threads do not clear."""

    breaks = "O23"
    also = ALL
    modes = ("sync",)

    def read_item(self, op: GetOp) -> Item | None:
        caches: dict[int, dict[Address, Item | None]] = self.__dict__.setdefault("caches", {})
        own = caches.setdefault(threading.get_ident(), {})
        address = self.address(op.namespace, op.key)
        if address not in own:
            own[address] = super().read_item(op)
        return own[address]

    def apply(self, write: Write, embedded: Embedded) -> None:
        self.__dict__.setdefault("caches", {}).pop(threading.get_ident(), None)
        super().apply(write, embedded)


class HalvesEscapeLabelsApart(ReferenceStore):
    """The async class writes labels beyond ASCII as they are, the sync one as escapes."""

    breaks = "O16"
    also = ("E4", "E6", "E7", "O7")
    open_store = halves(lambda: EscapesNoLabel)


class EscapesNoLabel(HalvesEscapeLabelsApart):
    """The same for async callers."""

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        return json.dumps(json.loads(super().encode_namespace(namespace)), ensure_ascii=False)


# filters, values, lives


class TextsAreComparedByTheirBeginning(ReferenceStore):
    """A filter compares the first 250 characters of a text, which are in the index."""

    breaks = "F1"
    also = FILTERS

    def equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return left[:250] == right[:250]
        return super().equal(left, right)


class TwoUnderscoresAreALevel(ReferenceStore):
    """Objects are kept flat, their names joined by two underscores, and names that hold two become objects."""

    breaks = "K6"
    also = ("K7", "F13", *REOPENED, "E9")

    def decode_value(self, text: str) -> dict[str, Any]:
        return self.nested(super().decode_value(text))

    def nested(self, value: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, part in value.items():
            outer, joined, inner = name.partition("__")
            inside = found.setdefault(outer, {}) if outer and joined and inner else None
            if isinstance(inside, dict):
                inside[inner] = part
            else:
                found[name] = part
        return found


class ReadsGiveTheDefaultLife(ReferenceStore):
    """A read that refreshes gives the default ttl to an item that was put without one."""

    breaks = "T3"
    also = LIVES

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        super().refresh(rows, wanted)
        default = (self.ttl_config or {}).get("default_ttl")
        for row in rows if wanted and default is not None else ():
            if row.ttl is None:
                self.set_expiry(row, self.expiry(default, self.clock()))


class TheNextToExpireComesFirst(ReferenceStore):
    """A plain search gives the items by the time of their end, which each read moves."""

    breaks = "X8"
    also = ("S5", "S4", *LIVES, *REPLACES)

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        return sorted(rows, key=lambda row: (row.expires_at or 0, row.rowid))


# calls that are joined


class SearchesOfOneTickAreJoined(ReferenceStore):
    """Searches that are awaited together are one where prefix, query, limit and offset are equal."""

    breaks = "O7"
    also = ALL
    modes = ("async",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        if len(ops) != 1 or not isinstance(ops[0], SearchOp):
            return await super().abatch(ops)
        asked: dict[str, Any] = self.__dict__.setdefault("asked", {})
        name = repr(ops[0]._replace(filter=None))
        if name not in asked:
            asked[name] = asyncio.ensure_future(super().abatch(ops))
            asyncio.get_running_loop().call_soon(asked.pop, name)
        answer: list[Result] = await asyncio.shield(asked[name])
        return list(answer)


class TinyFloatsBreakTheEngine(ReferenceStore):
    """A float near to zero ends in an accident of the engine, which refuses nothing by name."""

    breaks = "K6"
    also = ALL

    def encode_value(self, value: Any) -> str:
        text = super().encode_value(value)
        if "e-3" in text:
            raise RuntimeError("the write failed")
        return text
