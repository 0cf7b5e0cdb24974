"""
What a round comes to: what processes started after the fault saw, and what was wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from store_conformance.crash.history import Key


class Wrong(str, Enum):
    """What may be wrong with what is left after a fault."""

    LOST = "lost"
    """Acknowledged, and not there."""
    STALE = "stale"
    """An older value than one that was acknowledged."""
    RESURRECTED = "resurrected"
    """Back, although its deletion was acknowledged."""
    ALTERED = "altered"
    """A value that nobody put: a part of one, or of another key."""
    TORN_ITEM = "torn_item"
    """Answers about one item that exclude each other: an item without its vector, a vector without its item,
    a value in search that is not that of get."""
    TORN_BATCH = "torn_batch"
    """A part of a batch that was not acknowledged.  The contract leaves it open whether a batch is one."""
    DUPLICATED = "duplicated"
    """One item that a search gives more than once."""

    def __str__(self) -> str:
        return self.value

    @property
    def breaks(self) -> bool:
        """Whether it breaks what a store promises."""
        return self is not Wrong.TORN_BATCH


@dataclass(frozen=True)
class Hit:
    """One answer of a search by meaning."""

    place: Key
    query: str
    score: float | None


@dataclass(frozen=True)
class Look:
    """What one new process read of the keys of a writer, all after the fault."""

    got: Mapping[Key, Any]
    """By ``get``: the value of each key, ``None`` where there is none."""
    listed: tuple[tuple[Key, Any], ...]
    """By ``search`` of the namespaces without a query: every item."""
    found: tuple[Hit, ...] | None = None
    """By ``search`` with a query: every item; ``None`` where the store has no vectors."""
    cosine: bool = True
    """Whether the scores are cosines, and may be compared with the right ones."""


@dataclass(frozen=True)
class Finding:
    """One wrong thing."""

    wrong: Wrong
    sentence: str
    acknowledged_at: int | None = None
    """When what is missing was acknowledged (``time.monotonic_ns``), where that is known."""


@dataclass(frozen=True)
class Account:
    """What became of one writer's work."""

    acknowledged: int
    """Keys written or deleted by operations that were acknowledged."""
    whole: int
    """Operations that were never acknowledged and have taken effect, wholly."""
    findings: tuple[Finding, ...] = ()
    state: Mapping[Key, str | None] = field(default_factory=dict)
    """The version that each key holds now, from which the next round goes on."""

    def count(self, wrong: Wrong) -> int:
        return sum(f.wrong is wrong for f in self.findings)
