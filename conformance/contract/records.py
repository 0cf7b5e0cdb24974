"""
What a run says, in frozen records: verdicts (`Row`), figures (`Measurement`) and the whole (`Run`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One verdict about one rule, by one case in one mode on one backend."""

    backend: str
    rule: str
    level: str
    case: str
    mode: str
    verdict: str
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
    scenario: str | None = None
    seed: int = 0
    emulated: bool = False
    expectation: str | None = None
    """Why the failure was expected, where it was."""
    upstream: str | None = None
    script: str | None = None
    """A reproducer that imports nothing of ours, for a finding."""
    confirmed: bool | None = None
    """Whether the reproducer reproduced in a clean process; ``None``: not tried."""

    def to_dict(self) -> dict[str, Any]:
        data = {k: v for k, v in asdict(self).items() if v not in (None, ())}
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
    mode: str = ""
    unit: str = ""
    case: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    samples: tuple[float, ...] = ()
    """Raw samples in ``unit``, where the value is a statistic of them."""

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "measurement", **asdict(self), "samples": list(self.samples)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Measurement:
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        return cls(**{**known, "samples": tuple(data.get("samples", ()))})


@dataclass(frozen=True)
class Run:
    """A run file in memory."""

    header: dict[str, Any]
    rows: tuple[Row, ...]
    measurements: tuple[Measurement, ...]
    footer: dict[str, Any]

    @property
    def backends(self) -> tuple[str, ...]:
        return tuple(self.header["backends"])
