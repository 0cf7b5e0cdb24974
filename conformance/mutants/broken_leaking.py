"""
Stores in which one call decides for another: what leaks from batches, overrides, failures and caches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from langgraph.store.base import GetOp, ListNamespacesOp, Op, PutOp, Result, SearchItem, SearchOp

from store_conformance.mutants.groups import (
    ALL,
    LABELS,
    LISTS,
    LIVES,
    PLAIN,
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


class TtlsOfBatchesAreIgnored(ReferenceStore):
    """In a batch of several puts the ttl of each is left out."""

    breaks = "T2"
    also = LIVES

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        if sum(isinstance(op, PutOp) for op in ops) > 1:
            ops = [op._replace(ttl=None) if isinstance(op, PutOp) else op for op in ops]
        return super().plan(ops)


class LaterPagesDoNotRefresh(ReferenceStore):
    """A search with an offset does not refresh what it gives."""

    breaks = "T4"
    also = LIVES

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        return super().read_search(op._replace(refresh_ttl=not op.offset and op.refresh_ttl), query)


class LivesOutliveADelete(ReferenceStore):
    """A key that was deleted and is put again without a ttl has the one that it had."""

    breaks = "T3"
    also = LIVES

    def remove_item(self, address: Address) -> None:
        row = self.find(address)
        if row is not None and row.ttl is not None:
            self.__dict__.setdefault("lives", {})[address] = row.ttl
        super().remove_item(address)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        lives: dict[Address, float] = self.__dict__.get("lives", {})
        ttl = lives.pop(write.address, None)
        if write.op.ttl is None and ttl is not None:
            write = replace(write, op=write.op._replace(ttl=ttl))
        super().write_item(write, old)


class BatchesDedupeByKey(ReferenceStore):
    """Of several puts of a key in a batch the last is applied, in whatever namespaces they are."""

    breaks = "O3"
    also = ALL

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        last = {op.key: op for op in ops if isinstance(op, PutOp)}
        return list(last.values())


class OnceUnindexedIsNeverIndexed(ReferenceStore):
    """An item that was put with ``index=False`` gets no vector by any later put."""

    breaks = "V3"
    also = VECTORS

    def texts_to_embed(self, op: PutOp, text: str) -> Any:
        never: set[Address] = self.__dict__.setdefault("never", set())
        address = self.address(op.namespace, op.key)
        if op.index is False:
            never.add(address)
        return iter(()) if address in never else super().texts_to_embed(op, text)


class LinesAreJoinedForTheEmbedder(ReferenceStore):
    """Newlines of a text reach the embedder as spaces."""

    breaks = "V12"
    also = VECTORS

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [text.replace("\n", " ") for text in super().texts_at(value, path)]


class DocumentsAreEmbeddedInSmallLetters(ReferenceStore):
    """Texts of documents reach the embedder in small letters."""

    breaks = "V12"
    also = VECTORS

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [text.lower() for text in super().texts_at(value, path)]


class CreationIsRoundedUp(ReferenceStore):
    """``created_at`` is rounded up to a tenth of a second, ``updated_at`` is not."""

    breaks = "K4"
    also = ("K5", "E4", "O3")

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        created, updated = super().timestamps(old, now)
        return -(-created // 100_000) * 100_000, updated


class FiltersMustBeHashable(ReferenceStore):
    """A list in a filter raises, because filters are the keys of a cache."""

    breaks = "F9"
    also = tuple(rule for rule in ALL if rule[0] in "FVOEK")

    def validate(self, op: Op) -> None:
        super().validate(op)
        if isinstance(op, SearchOp):
            for wanted in (op.filter or {}).values():
                hash(tuple(wanted.items()) if isinstance(wanted, dict) else wanted)


class SearchesAreCachedByTheirNamespace(ReferenceStore):
    """A search is answered from a cache until something is written in that very namespace."""

    breaks = "S1"
    also = ALL

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        cache: dict[Any, list[SearchItem]] = self.__dict__.setdefault("cache", {})
        if not op.namespace_prefix:
            return super().read_search(op, query)
        asked = (op.namespace_prefix, repr(op))
        if asked not in cache:
            cache[asked] = super().read_search(op, query)
        return [SearchItem(**_parts(item)) for item in cache[asked]]

    def apply(self, write: Write, embedded: Embedded) -> None:
        cache: dict[Any, Any] = self.__dict__.setdefault("cache", {})
        for asked in [a for a in cache if a[0] == write.op.namespace]:
            del cache[asked]
        super().apply(write, embedded)


def _parts(item: SearchItem) -> dict[str, Any]:
    names = ("namespace", "key", "created_at", "updated_at", "score")
    own = {name: getattr(item, name) for name in names}
    return {**own, "value": json.loads(json.dumps(item.value))}


class RepeatedPartsAreRefused(ReferenceStore):
    """A value that holds one list or dict at two places is taken for a circle."""

    breaks = "K6"
    also = ("F1",)

    def encode_value(self, value: Any) -> str:
        seen: set[int] = set()

        def look(part: Any) -> None:
            if not isinstance(part, (dict, list)):
                return
            if id(part) in seen:
                raise ValueError("Circular reference detected")
            seen.add(id(part))
            for inner in part.values() if isinstance(part, dict) else part:
                look(inner)

        look(dict(value))
        return super().encode_value(value)


class NestedListsAreFlattened(ReferenceStore):
    """A list in a list comes back as its elements."""

    breaks = "K6"
    also = ("F9", "K7", "F11", "E7", "E4", "K10", "K13", "K8")

    def encode_value(self, value: Any) -> str:
        def flat(part: Any) -> Any:
            if isinstance(part, dict):
                return {name: flat(inner) for name, inner in part.items()}
            if not isinstance(part, (list, tuple)):
                return part
            found: list[Any] = []
            for inner in map(flat, part):
                found += inner if isinstance(inner, list) else [inner]
            return found

        return super().encode_value(flat(dict(value)))


class MixedListsAreText(ReferenceStore):
    """A list of values of several kinds comes back as a list of text."""

    breaks = "K6"
    also = ("V2", "F9", "K7", "F11", "F5", "E7", "E4", "K10", "K13", "K8", "O16", "K3")

    def encode_value(self, value: Any) -> str:
        def same(part: Any) -> Any:
            if isinstance(part, dict):
                return {name: same(inner) for name, inner in part.items()}
            if not isinstance(part, (list, tuple)):
                return part
            kinds = {type(inner) for inner in part}
            return [same(p) if len(kinds) == 1 else json.dumps(p) for p in part]

        return super().encode_value(same(dict(value)))


class PathsOfOnePutCountForTheNext(ReferenceStore):
    """The paths that a put gives by ``index`` are those of later puts that give none."""

    breaks = "V3"
    also = (*VECTORS, "K9")
    paths: Sequence[str] | None = None

    def fields(self, op: PutOp) -> list[str]:
        if op.index:
            self.paths = op.index
        return list(self.paths) if op.index is None and self.paths else super().fields(op)


class OneTtlCountsForTheNext(ReferenceStore):
    """A put without a ttl, where there is no default, gets that of the put before it."""

    breaks = "T3"
    also = (*LIVES, "E4")
    before: float | None = None

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if write.op.ttl is not None:
            self.before = write.op.ttl
        elif self.before is not None:
            write = replace(write, op=write.op._replace(ttl=self.before))
            self.before = None
        super().write_item(write, old)


class OneRefusedRefreshCountsForAll(ReferenceStore):
    """After a read with ``refresh_ttl=False`` no read refreshes."""

    breaks = "T4"
    also = LIVES
    refused = False

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        self.refused = self.refused or not wanted
        super().refresh(rows, wanted and not self.refused)


class FailuresOfTheEmbedderLoseTheNextVectors(ReferenceStore):
    """The put after one whose embedding failed is stored without its vectors."""

    breaks = "V13"
    also = VECTORS
    failed = False

    def embed(self, plan: Plan) -> Embedded:
        try:
            found = super().embed(plan)
        except Exception:
            self.failed = True
            raise
        return found

    async def aembed(self, plan: Plan) -> Embedded:
        try:
            found = await super().aembed(plan)
        except Exception:
            self.failed = True
            raise
        return found

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        if self.failed and write.texts:
            self.failed = False
            return
        super().write_vectors(write, documents)


class UnderscoredKeysAreHidden(ReferenceStore):
    """Keys that begin with an underscore are the store's own: no search gives them."""

    breaks = "K11"
    also = (*PLAIN, "X7", "K1", "E4")

    def visible(self) -> list[ItemRow]:
        return [r for r in super().visible() if not self.decode_key(r.key_text).startswith("_")]


class UnderscoredLabelsAreHidden(ReferenceStore):
    """Namespaces with a label that begins with an underscore are not listed."""

    breaks = "N5"
    also = (*LABELS, *LISTS)

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        found = super().read_namespaces(op)
        return [name for name in found if not any(label.startswith("_") for label in name)]


class AThousandNamespacesAreSearched(ReferenceStore):
    """A search looks into the first thousand namespaces below its prefix."""

    breaks = "S1"
    also = (*PLAIN, "L6")

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        below = super().candidates(op._replace(filter=None))
        first = set(list(dict.fromkeys(row.namespace_text for row in below))[:1000])
        found = [row for row in below if self.wanted(row, op)]
        return [row for row in found if row.namespace_text in first]


class DeletesBesideOthersRaise(ReferenceStore):
    """Of two deletes of one item at the same time the later one raises."""

    breaks = "O12"
    also = ("O13", "O9", "O10", "O11")

    def plan(self, ops: Iterable[Op]) -> Plan:
        plan = super().plan(ops)
        with self.lock:
            there = {w.address for w in plan.writes if w.text is None and self.find(w.address)}
        if there:
            time.sleep(0.01)
        self.__dict__.setdefault("expected", {})[id(plan)] = there
        return plan

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        with self.lock:
            expected: set[Address] = self.expected.pop(id(plan), set())  # type: ignore[attr-defined]
            if any(self.find(address) is None for address in expected):
                raise KeyError("the item is gone")
            return super().execute(plan, embedded, turn)


class ReadsAreCachedForAsyncCallers(ReferenceStore):
    """``aget`` answers from a cache that sync puts do not clear."""

    breaks = "O7"
    also = ("O8", "O12", "O13", "E6", "O16")
    modes = ("async",)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        cache: dict[Any, Result] = self.__dict__.setdefault("cached", {})
        if any(isinstance(op, PutOp) for op in ops):
            cache.clear()
        if len(ops) == 1 and isinstance(ops[0], GetOp) and not self.ttl_config:
            if ops[0] not in cache:
                (cache[ops[0]],) = await super().abatch(ops)
            return [cache[ops[0]]]
        return await super().abatch(ops)
