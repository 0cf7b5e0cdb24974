"""
The facts beside a measurement that reports compute with: written by cases, read by reports, in one form.

In a run file they are the ``facts`` of a measurement.  A fact that was not told is left out there and
``None`` here; one of another type than it should have (in a file of somebody else's) counts as not told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Protocol

from store_conformance.contract.memory import MemoryType


class Facts(Protocol):
    """What `Measurement.facts` can be made from."""

    def to_dict(self) -> dict[str, object]: ...


@dataclass(frozen=True)
class RestartFacts:
    """What a restart left of acknowledged writes; the measurement is named ``restart.<kind>``."""

    writes_covered: int | None = None
    """Acknowledged writes that were looked for afterwards."""
    survived: int | None = None
    """How many of them were there, where they were counted."""
    memory: MemoryType | None = None

    def to_dict(self) -> dict[str, object]:
        return _told(self)

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> RestartFacts:
        memory = facts.get("memory")
        return cls(
            _whole(facts.get("writes_covered")),
            _whole(facts.get("survived")),
            MemoryType(memory) if memory in list(MemoryType) else None,
        )


@dataclass(frozen=True)
class WriterFacts:
    """What several processes did that wrote to one store; the measurement is ``processes.writers``."""

    writers: int | None = None
    writes: int | None = None
    """Acknowledged writes of all of them."""
    lost: int | None = None
    """Acknowledged writes that could not be read back."""
    errors: tuple[str, ...] | None = None
    """What the first calls that raised said."""
    per_second: float | None = None
    """Acknowledged writes a second, of all writers together."""

    def to_dict(self) -> dict[str, object]:
        return _told(self)

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> WriterFacts:
        errors = facts.get("errors")
        return cls(
            _whole(facts.get("writers")),
            _whole(facts.get("writes")),
            _whole(facts.get("lost")),
            tuple(map(str, errors)) if isinstance(errors, (list, tuple)) else None,
            _number(facts.get("per_second")),
        )


@dataclass(frozen=True)
class FaultFacts:
    """The account of strikes in the middle of work; the measurement is named ``fault.<what was struck>``."""

    strikes: int | None = None
    """Those that count: a call was in flight, and enough had been acknowledged."""
    faults: tuple[str, ...] | None = None
    """Those that struck, by the names of ``store-conformance crash``."""
    missed: int | None = None
    """Those that fell between two calls, or too early."""
    acknowledged: int | None = None
    """Keys that acknowledged calls wrote or deleted."""
    lost: int | None = None
    stale: int | None = None
    resurrected: int | None = None
    torn: int | None = None
    """Items whose answers exclude each other, or that nobody put."""
    duplicated: int | None = None
    unreadable: int | None = None
    half_batches: int | None = None
    """Batches that were never acknowledged and are there in part, which the contract leaves open."""
    whole: int | None = None
    """Calls that were never acknowledged and have happened wholly."""
    came_back: tuple[str, ...] | None = None
    """How the store worked again after each strike, where it was given time to do so by itself."""

    def to_dict(self) -> dict[str, object]:
        return _told(self)


@dataclass(frozen=True)
class LatencyFacts:
    """How an operation was timed; the measurement is named ``latency.<operation>``."""

    n_items: int | None = None
    """Items in the store meanwhile."""
    ops_per_call: float = 1
    """Operations in each timed call."""
    rounds: int | None = None
    """How often everything was measured."""

    def to_dict(self) -> dict[str, object]:
        return _told(self)

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> LatencyFacts:
        per_call = _number(facts.get("ops_per_call"))
        return cls(
            _whole(facts.get("n_items")),
            1 if per_call is None else per_call,
            _whole(facts.get("rounds")),
        )


@dataclass(frozen=True)
class BackupFacts:
    """What a backup brought back; the measurement is named ``backup.<way>``, or ``backup.in_use``."""

    writes_covered: int | None = None
    """Acknowledged writes that were looked for afterwards."""
    command: str | None = None
    """How a person takes such a backup."""
    whole: int | None = None
    """Of copies of files in use: how many held all that was acknowledged before."""
    said: str | None = None
    """What was wrong with one that did not."""

    def to_dict(self) -> dict[str, object]:
        return _told(self)

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> BackupFacts:
        command, said = facts.get("command"), facts.get("said")
        return cls(
            _whole(facts.get("writes_covered")),
            command if isinstance(command, str) else None,
            _whole(facts.get("whole")),
            said if isinstance(said, str) else None,
        )


@dataclass(frozen=True)
class DelayFacts:
    """
    How long acknowledged puts took until a kind of search showed them; the measurement is ``concurrency.delay.<kind>``.

    Its samples are the seconds, its value the largest of them.
    """

    puts: int | None = None
    late: int | None = None
    """Puts that the first search did not show."""
    unseen: int | None = None
    """Puts that no search showed in the time that was given."""
    p50_ms: float | None = None
    p95_ms: float | None = None
    max_ms: float | None = None

    def to_dict(self) -> dict[str, object]:
        return _told(self)

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> DelayFacts:
        counts = (_whole(facts.get(name)) for name in ("puts", "late", "unseen"))
        return cls(*counts, *(_number(facts.get(name)) for name in ("p50_ms", "p95_ms", "max_ms")))


@dataclass(frozen=True)
class LookFacts:
    """What readers saw of batches that were written beside them; the measurement is ``concurrency.batches``."""

    looks: int | None = None
    """Reads of all keys of a batch in one call, begun before it was acknowledged and ended after it had begun."""
    half: int | None = None
    """How many of them showed some keys from before it and some from after."""
    batches: int | None = None

    def to_dict(self) -> dict[str, object]:
        return _told(self)

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> LookFacts:
        return cls(*(_whole(facts.get(name)) for name in ("looks", "half", "batches")))


@dataclass(frozen=True)
class CounterFacts:
    """What became of increments by get and put; the measurement is ``concurrency.counter``."""

    callers: int | None = None
    increments: int | None = None
    """Acknowledged ones, of all callers together."""
    lost: int | None = None

    def to_dict(self) -> dict[str, object]:
        return _told(self)

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> CounterFacts:
        return cls(*(_whole(facts.get(name)) for name in ("callers", "increments", "lost")))


def _told(facts: Any) -> dict[str, object]:
    """The fields that are not ``None``, as JSON values."""
    values = {f.name: getattr(facts, f.name) for f in fields(facts)}
    return {k: _plain(v) for k, v in values.items() if v is not None}


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
