"""
Puts, deletes and sweeps over a driver.

An item's own row is its truth and is written after its further vectors, which name the revision they
belong to: whatever breaks off in between, a reader sees the old item or the new one.  A batch that
the engine breaks off between two requests may be written in part, never an item.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from store_conformance.backends.vector import encoding
from store_conformance.backends.vector.driver import NEVER, Driver, Head, Record, Where, size_of
from store_conformance.backends.vector.errors import LimitExceededError
from store_conformance.backends.vector.ordering import Clock, KeyLocks, Order
from store_conformance.backends.vector.planning import Write
from store_conformance.backends.vector.reading import expiry, scan_all

_KNOWN_SPACES = 100_000


class Writer:
    """Writes through one driver; remembers which namespaces are registered already."""

    def __init__(self, driver: Driver, order: Order, *, omit_expired: bool = False) -> None:
        self._driver = driver
        self._order = order
        self._omit_expired = omit_expired
        self._locks = KeyLocks()
        self._clock = Clock()
        self._sentineles: dict[str, str] = {}
        self._lock = threading.Lock()

    def write(
        self, batch: Sequence[Write], vectors: Sequence[Sequence[float]], number: int
    ) -> None:
        """
        All puts and deletes of a batch, in as few requests as the engine's limits allow.

        ``number`` is the batch's place in the order of issue; what was overtaken is left out.
        """
        with self._locks.holding(write.id for write in batch):
            writes = [w for w in batch if not self._order.overtaken(w.id, number)]
            heads = self._heads([write.id for write in writes])
            records: list[Record] = []
            gone: list[str] = []
            stale: list[str] = []
            for write in writes:
                head = heads.get(write.id)
                if head is not None:
                    if write.body is None:
                        gone.append(write.id)
                    stale += self._parts(write.id, head)
                if write.body is not None:
                    records += self._records(write, head, vectors)
            fresh = self._unregistered(writes)
            self._upsert([*map(_registration, fresh.values()), *records], heads)
            self._delete([*gone, *stale])
            self._remember(fresh)
            if gone:
                self._forget(set(gone), [encoding.to_space(w.namespace) for w in writes])
            self._order.written([write.id for write in writes], number)

    def sweep(self, now: int) -> int:
        """Delete what has expired by ``now`` with its vectors, and say how many items it was."""
        where = Where(expired_at=now)
        expired = [
            row.id for row in scan_all(self._driver, where, self._driver.limits.rows_per_page)
        ]
        swept = 0
        for start in range(0, len(expired), self._driver.limits.ids_per_fetch):
            ids = expired[start : start + self._driver.limits.ids_per_fetch]
            with self._locks.holding(ids):
                # Looked at again under the lock: a put or a read may have come in between.
                heads = {i: h for i, h in self._heads(ids).items() if h.expires_at <= now}
                parts = [part for id, head in heads.items() for part in self._parts(id, head)]
                self._delete([*heads, *parts])
                self._forget(heads)
                swept += len(heads)
        return swept

    def _heads(self, ids: Sequence[str]) -> dict[str, Head]:
        heads: dict[str, Head] = {}
        for start in range(0, len(ids), self._driver.limits.ids_per_fetch):
            heads.update(self._driver.heads(ids[start : start + self._driver.limits.ids_per_fetch]))
        return heads

    @staticmethod
    def _parts(id: str, head: Head) -> list[str]:
        facts = encoding.HeadFacts.from_text(head.head)
        return [encoding.part_id(id, facts.updated_at, n + 1) for n in range(facts.parts)]

    def _records(
        self, write: Write, head: Head | None, vectors: Sequence[Sequence[float]]
    ) -> Iterator[Record]:
        now = self._clock.tick()
        before = encoding.HeadFacts.from_text(head.head) if head is not None else None
        updated = max(now, before.updated_at + 1) if before else now
        # To whoever cannot see it any more, an expired item is gone, and this one is new.
        over = head is None or (self._omit_expired and head.expires_at <= now)
        created = updated if over or before is None else before.created_at
        own = [tuple(vectors[n]) for n in dict.fromkeys(write.texts)]
        if not self._driver.abilities.zero_vectors:
            own = [vector for vector in own if any(vector)]
        shared: dict[str, Any] = {
            "parent": write.id,
            "space": encoding.to_space(write.namespace),
            "prefixes": encoding.prefix_tokens(write.namespace),
            "tokens": write.fields.tokens,
            "numbers": write.fields.numbers,
        }
        for number, vector in enumerate(own[1:], 1):
            part = encoding.part_id(write.id, updated, number)
            yield Record(
                id=part, kind="vector", head=str(updated), body="", vector=vector,
                expires_at=NEVER, **shared,
            )  # fmt: skip
        facts = encoding.HeadFacts(created, updated, max(len(own) - 1, 0), write.ttl)
        yield Record(
            id=write.id, kind="item", head=facts.to_text(), body=write.body or "",
            vector=own[0] if own else None, expires_at=expiry(now, write.ttl), **shared,
        )  # fmt: skip

    def _unregistered(self, writes: Sequence[Write]) -> dict[str, Write]:
        """The first put into each namespace whose sentinel is not known."""
        if self._driver.abilities.namespaces:
            return {}
        first: dict[tuple[str, ...], Write] = {}
        for write in writes:
            if write.body is not None:
                first.setdefault(write.namespace, write)
        named = {encoding.to_space(name): write for name, write in first.items()}
        with self._lock:
            return {space: put for space, put in named.items() if space not in self._sentineles}

    def _remember(self, fresh: Mapping[str, Write]) -> None:
        with self._lock:
            if len(self._sentineles) > _KNOWN_SPACES:
                self._sentineles.clear()
            self._sentineles.update((space, put.id) for space, put in fresh.items())

    def _forget(self, gone: Collection[str], spaces: Sequence[str] | None = None) -> None:
        """The next put into a namespace (of these, of any) whose sentinel is gone will be its sentinel."""
        with self._lock:
            among = list(self._sentineles) if spaces is None else spaces
            for space in [s for s in among if self._sentineles.get(s) in gone]:
                self._sentineles.pop(space, None)

    def _upsert(self, records: Sequence[Record], heads: Mapping[str, Head]) -> None:
        limits = self._driver.limits
        sizes = [size_of(record) for record in records]
        biggest = max(sizes, default=0)
        if biggest > limits.bytes_per_row:
            raise LimitExceededError(
                self._driver.engine, "bytes of one item", limits.bytes_per_row, biggest
            )
        start = total = 0
        for end, size in enumerate(sizes):
            full = end - start >= limits.rows_per_write or total + size > limits.bytes_per_write
            if full and end > start:
                self._driver.upsert(records[start:end], heads)
                start, total = end, 0
            total += size
        if start < len(records):
            self._driver.upsert(records[start:], heads)

    def _delete(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), self._driver.limits.ids_per_fetch):
            self._driver.delete(ids[start : start + self._driver.limits.ids_per_fetch])


def _registration(first: Write) -> Record:
    """The entry by which a namespace is found where the engine cannot list them, with its sentinel."""
    space = encoding.to_space(first.namespace)
    return Record(
        id=encoding.space_id(space), kind="namespace", parent=space, space=space,
        prefixes=encoding.prefix_tokens(first.namespace), tokens=(), numbers={},
        expires_at=NEVER, head=first.id, body="",
    )  # fmt: skip
