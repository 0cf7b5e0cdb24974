"""
What the user can set of a run, in one frozen record that travels to workers and children.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Settings of one run; the run file's header carries them."""

    seed: int = 20_260
    timeout: float = 120.0
    """Seconds for one case, unless the case has a time-out of its own."""
    embed: str = "real"
    """The embedder of the scenarios; rules always use the exact one."""
    data: tuple[str, ...] = ()
    """Directories of corpora for the scenarios; empty: the shipped one."""
    items: int = 1000
    """Items of the latency measurements."""
    steps: int = 40
    """Steps of one random history."""
    histories: int = 15
    """Random histories a backend: its modes share them."""
    confirm: bool = False
    """Whether reproducers are run in a clean process before they count as confirmed."""
    options: dict[str, str] = field(default_factory=dict)
    """``--option key=value`` pairs for the store's own function."""

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "data": list(self.data)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Settings:
        return cls(**{**data, "data": tuple(data.get("data", ()))})
