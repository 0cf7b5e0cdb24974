"""
What writers did: operations with their outcome, as their ledgers tell them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Key = tuple[tuple[str, ...], str]
"""A namespace and a key in it."""


class Kind(str, Enum):
    """What an operation does."""

    PUT = "put"
    """A key that is not there."""
    OVERWRITE = "overwrite"
    """A key that is there."""
    DELETE = "delete"
    BATCH = "batch"
    """Several puts and deletes in one call of ``batch``."""
    SWEEP = "sweep"
    """``sweep_ttl``, after some items have expired."""
    GET = "get"
    """One key, between the writes of others."""

    def __str__(self) -> str:
        return self.value


class Outcome(str, Enum):
    """How an operation ended, as far as its writer knows."""

    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"
    """It raised; whether it took effect, nobody knows."""
    OPEN = "open"
    """It never returned: its writer was killed."""


@dataclass(frozen=True)
class Write:
    """One key that an operation changes."""

    namespace: tuple[str, ...]
    key: str
    version: str | None
    """Which value is put (`store_conformance.crash.values`); ``None``: the item is deleted."""
    expires: bool = False
    """Whether the item has a time to live that is over at once: it may be gone at any time."""

    @property
    def place(self) -> Key:
        return self.namespace, self.key


@dataclass(frozen=True)
class Operation:
    """One call of the store that a writer makes."""

    number: int
    kind: Kind
    writes: tuple[Write, ...] = ()
    reads: Key | None = None
    """The key of a ``get``."""


@dataclass(frozen=True)
class Entry:
    """One operation as a ledger tells it; times are those of ``time.monotonic_ns``."""

    operation: Operation
    began: int
    ended: int | None = None
    outcome: Outcome = Outcome.OPEN
    error: str = ""
    """What a failed one raised, on one line."""
    seen: str | None = None
    """The version that a ``get`` gave; ``None``: there was no item."""

    def in_flight(self, moment: int) -> bool:
        """Whether it had been sent and not yet been answered at that time."""
        return self.began <= moment and (self.ended is None or self.ended > moment)


@dataclass(frozen=True)
class History:
    """What one writer did, in its order; no other writer touches its keys."""

    writer: str
    entries: tuple[Entry, ...]

    @property
    def acknowledged(self) -> int:
        """Keys that acknowledged operations wrote or deleted, each counted as often as it was."""
        return sum(
            len(e.operation.writes) for e in self.entries if e.outcome is Outcome.ACKNOWLEDGED
        )

    def in_flight(self, moment: int) -> bool:
        """Whether the writer was waiting for an answer at that time."""
        return any(e.in_flight(moment) for e in self.entries)
