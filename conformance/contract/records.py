"""
What a run says, in frozen records: verdicts (`Row`), figures (`Measurement`) and the whole (`Run`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Literal, TypeVar

from store_conformance.contract.capabilities import Mode
from store_conformance.contract.checked import CheckedLine
from store_conformance.contract.memory import MemoryType, Restart
from store_conformance.contract.verdicts import Level, Verdict

E = TypeVar("E", bound=Enum)


@dataclass(frozen=True)
class Row:
    """
    One verdict about one rule, by one case in one mode on one backend.

    Its enums may be given by their values, as a run file does; an unknown value raises ``ValueError``.
    """

    backend: str
    rule: str
    level: Level
    case: str
    mode: Mode | Literal["?"]
    """``?`` where a process died before it could tell."""
    verdict: Verdict
    message: str
    seconds: float = 0.0
    """Wall clock of the case."""
    in_store: float = 0.0
    """Seconds of it inside the store's calls."""
    waited: float = 0.0
    """Seconds of it that the case let pass between calls, because its rule is about time."""
    calls: int = 0
    expected: str | None = None
    got: str | None = None
    history: tuple[str, ...] = ()
    """The last calls before the verdict, oldest first, for rows that are no pass."""
    scenario: MemoryType | None = None
    """The memory type whose story the case plays."""
    restart: Restart | None = None
    """What the case restarts; ``None`` also in the files of versions that did not tell."""
    memory: MemoryType | None = None
    """The memory type that a restart has to leave alone; ``None``: of no type, or not told."""
    seed: int = 0
    emulated: bool = False
    expectation: str | None = None
    """Why the failure was expected, where it was."""
    upstream: str | None = None
    script: str | None = None
    """A reproducer that imports nothing of ours, for a finding."""
    confirmed: bool | None = None
    """Whether the reproducer reproduced in a clean process; ``None``: not tried."""
    failure_kind: str | None = None
    """What a failure looks like, the same for every seed and machine; expectations pin it."""
    cause: str | None = None
    """What a failure shares with others that likely have the same cause."""
    unlike: str | None = None
    """What a known failure of this case looks like, where this one looks different."""

    def __post_init__(self) -> None:
        # Frozen, hence the detour; after this nobody has to compare with texts.
        put = object.__setattr__
        put(self, "level", Level(self.level))
        put(self, "mode", Mode(self.mode) if self.mode != "?" else self.mode)
        put(self, "verdict", Verdict(self.verdict))
        put(self, "scenario", _of(MemoryType, self.scenario))
        put(self, "restart", _of(Restart, self.restart))
        put(self, "memory", _of(MemoryType, self.memory))

    def to_dict(self) -> dict[str, object]:
        data = {k: _plain(v) for k, v in asdict(self).items() if v not in (None, ())}
        data["history"] = list(self.history)
        return {"kind": "verdict", **data}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Row:
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        return cls(**{**known, "history": tuple(data.get("history", ()))})


@dataclass(frozen=True)
class Measurement:
    """A figure that is neither right nor wrong: a latency, a recall, a size, an IMPL choice."""

    backend: str
    name: str
    """Dotted: ``latency.put``, ``recall.index@5``, ``disk.bytes_per_item``, ``portability.F7``."""
    value: Any
    mode: Mode | Literal[""] = ""
    """Empty where the figure belongs to neither."""
    unit: str = ""
    case: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    samples: tuple[float, ...] = ()
    """Raw samples in ``unit``, where the value is a statistic of them."""
    rule: str = ""
    """The rule whose case recorded it; empty for a figure of no rule, and in files that did not tell."""

    def __post_init__(self) -> None:
        if self.mode:
            object.__setattr__(self, "mode", Mode(self.mode))

    def to_dict(self) -> dict[str, object]:
        data = {**asdict(self), "mode": str(self.mode), "samples": list(self.samples)}
        if not self.rule:
            data.pop("rule")
        return {"kind": "measurement", **data}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Measurement:
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        return cls(**{**known, "samples": tuple(data.get("samples", ()))})


def _of(kind: type[E], value: object) -> E | None:
    return None if value is None else kind(value)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


@dataclass(frozen=True)
class Run:
    """A run file in memory."""

    header: dict[str, Any]
    rows: tuple[Row, ...]
    measurements: tuple[Measurement, ...]
    footer: dict[str, Any]
    checks: tuple[CheckedLine, ...] = ()
    """The production checklist of the databases that the run was pointed at."""

    @property
    def backends(self) -> tuple[str, ...]:
        return tuple(self.header["backends"])
