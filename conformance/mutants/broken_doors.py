"""
Stores that are right when they are opened in the usual way, and not by another door or with a part of a configuration.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from langgraph.store.base import BaseStore, Op

from store_conformance.mutants.reference import ReferenceStore, Write


def opening(door: str, behind: Callable[[], Any]) -> Any:
    """An ``open_store`` that has one more door, behind which is another store."""

    def usual(cls: Any, at: Any, index: Any = None, ttl: Any = None) -> Any:
        open_store: Any = ReferenceStore.open_store
        return open_store.__func__(cls, at, index, ttl)

    @contextmanager
    def other(at: Any, index: Any = None, ttl: Any = None) -> Iterator[BaseStore]:
        with behind().open_store(at, index, ttl) as store:
            yield store

    usual.doors = {door: other}  # type: ignore[attr-defined]
    return classmethod(usual)


class NeedsItsSetup(ReferenceStore):
    """A store that says its setup may be left out has no tables without it."""

    breaks = "O16"
    open_store = opening("setup never called", lambda: WithoutSetup)


class WithoutSetup(NeedsItsSetup):
    """The same, opened without ``setup``."""

    def setup(self) -> None:
        return None


class PlainConnectionsDoNotCommit(ReferenceStore):
    """What is written by a plain connection is seen by no other, and gone when it is closed."""

    breaks = "O16"
    open_store = opening("plain connection", lambda: Uncommitted)


class Uncommitted(PlainConnectionsDoNotCommit):
    """The same by a plain connection."""

    def database(self) -> str:
        return ":memory:"


class PoolsForgetVectors(ReferenceStore):
    """With a pool the vectors are written by a connection that is given back without a commit."""

    breaks = "O16"
    open_store = opening("pool of several", lambda: Pooled)


class Pooled(PoolsForgetVectors):
    """The same with a pool."""

    def write_vectors(self, write: Write, documents: Any) -> None:
        return None


class PoolsRunDry(ReferenceStore):
    """With a pool a call does not wait for a connection: of more than four at once the others are refused."""

    breaks = "O12"
    open_store = opening("pool of several", lambda: Dry)


class Dry(PoolsRunDry):
    """The same with a pool."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.at_work = 0
        self.counting = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[int]:
        with self.counting:
            self.at_work += 1
            full = self.at_work > 4
        try:
            if full:
                raise TimeoutError("no connection of the pool is free")
            time.sleep(0.001)
            with super().turn() as turn:
                yield turn
        finally:
            with self.counting:
                self.at_work -= 1


class ShowsWhatIsNotThere(ReferenceStore):
    """Its example, ``from store_conformance.mutants.broken_doors import PoolSettings``, cannot be run."""

    breaks = "O16"


class ClosingNeedsACall(ReferenceStore):
    """A store that was asked nothing cannot be closed."""

    breaks = "O16"
    also = ("O17", "O19")
    asked = False

    def validate(self, op: Op) -> None:
        self.asked = True
        super().validate(op)

    def close(self) -> None:
        super().close()
        if not self.asked:
            raise AttributeError("'NoneType' object has no attribute 'done'")


class PartialTtlIsAnError(ReferenceStore):
    """A ``TTLConfig`` without ``default_ttl`` cannot be used."""

    breaks = "O16"
    also = ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "O18", "K14", "E4")

    def write_item(self, write: Write, old: Any) -> None:
        if self.ttl_config is not None and "default_ttl" not in self.ttl_config:
            raise KeyError("default_ttl")
        super().write_item(write, old)


class PartialIndexHasNoFields(ReferenceStore):
    """An ``IndexConfig`` without ``fields`` embeds nothing."""

    breaks = "O16"
    also = ("V2", "V3", "V12", "V15", "V16", "E3")

    def fields(self, op: Any) -> list[str]:
        config = self.index_config or {}
        return super().fields(op) if config.get("fields") or op.index else []


def indexing(kind: str, *configurations: dict[str, Any]) -> Any:
    """An ``open_store`` that says which kind of index it has, and with which entries."""

    def usual(cls: Any, at: Any, index: Any = None, ttl: Any = None) -> Any:
        open_store: Any = ReferenceStore.open_store
        return open_store.__func__(cls, at, index, ttl)

    usual.indexes = {kind: configurations}  # type: ignore[attr-defined]
    return classmethod(usual)


class HalvesAreCut(ReferenceStore):
    """With vectors of half precision the second half of each is left out."""

    breaks = "O16"
    open_store = indexing("hnsw of halves", {"halves": True})

    def encode_vector(self, vector: Any) -> bytes:
        halves = (self.index_config or {}).get("halves")
        kept = [0.0 if halves and n % 2 == 0 else x for n, x in enumerate(vector)]
        return super().encode_vector(kept)


class OneKindKeepsDeletedVectors(ReferenceStore):
    """With lists for an index an overwrite leaves the place of the old vector as it was."""

    breaks = "O16"
    open_store = indexing("ivfflat", {"lists": 4}, {"lists": 4, "distance_type": "l2"})

    def remove_vectors(self, address: Any) -> None:
        if "lists" not in (self.index_config or {}) or self.find(address) is None:
            super().remove_vectors(address)

    def write_vectors(self, write: Write, documents: Any) -> None:
        if "lists" not in (self.index_config or {}) or not self.has_vector(write):
            super().write_vectors(write, documents)

    def has_vector(self, write: Write) -> bool:
        found = self.connection.execute(
            "SELECT 1 FROM vectors WHERE namespace = ? AND key = ?", write.address
        )
        return found.fetchone() is not None


def halves(behind: Callable[[], Any]) -> Any:
    """An ``open_store`` whose async callers get another class."""

    def usual(cls: Any, at: Any, index: Any = None, ttl: Any = None) -> Any:
        open_store: Any = ReferenceStore.open_store
        return open_store.__func__(cls, at, index, ttl)

    def in_a_loop(at: Any, index: Any = None, ttl: Any = None) -> Any:
        return behind().open_store(at, index, ttl)

    usual.for_async = in_a_loop  # type: ignore[attr-defined]
    return classmethod(usual)


class HalvesSpellKeysApart(ReferenceStore):
    """The async class writes keys in another form than the sync one."""

    breaks = "O16"
    also = ("E4", "E6", "E7")
    open_store = halves(lambda: SpellsKeysApart)


class SpellsKeysApart(HalvesSpellKeysApart):
    """The same for async callers."""

    def encode_key(self, key: str) -> str:
        return f" {super().encode_key(key)}"


class OneHalfDropsTheTtl(ReferenceStore):
    """The async class says that it has no time to live, takes one all the same, and keeps the item for ever."""

    breaks = "O7"
    also = ("T8", "O16", "E4")
    open_store = halves(lambda: DropsTheTtl)


class DropsTheTtl(OneHalfDropsTheTtl):
    """The same for async callers."""

    supports_ttl = False

    async def aput(self, *args: Any, ttl: Any = None, **more: Any) -> None:
        await super().aput(*args, **more)


class HalvesWriteVectorsApart(ReferenceStore):
    """The async class writes the numbers of a vector in another order than the sync one."""

    breaks = "O16"
    also = ("E4", "E6")
    open_store = halves(lambda: WritesVectorsApart)


class WritesVectorsApart(HalvesWriteVectorsApart):
    """The same for async callers."""

    def encode_vector(self, vector: Any) -> bytes:
        return super().encode_vector(list(vector)[::-1])

    def decode_vector(self, data: bytes) -> Any:
        return super().decode_vector(data)[::-1]
