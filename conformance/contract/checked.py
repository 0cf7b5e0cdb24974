"""
One line of the production checklist as a run file keeps it: a promise of a database, and whether it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

PASS, FAIL, WARN, HIDDEN = "pass", "fail", "warn", "not visible"
STATUSES = (FAIL, WARN, HIDDEN, PASS)
"""What is not well first."""
PARTS = ("setup", "security", "performance", "data")


@dataclass(frozen=True)
class CheckedLine:
    """What ``check`` saw; ``advice`` is what to do, or how to look by hand where nothing was to be seen."""

    backend: str
    """Whose database it is about."""
    id: str
    part: str
    level: str
    promise: str
    status: str
    said: str
    advice: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"a check has no status {self.status!r}")

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among others: by its part, then what is not well first."""
        part = PARTS.index(self.part) if self.part in PARTS else len(PARTS)
        return part, STATUSES.index(self.status)

    def to_dict(self) -> dict[str, object]:
        return {"kind": "check", **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CheckedLine:
        """Raises ``TypeError`` or ``ValueError`` for what is none."""
        return cls(**{f.name: str(data[f.name]) for f in fields(cls) if f.name in data})


def counted(lines: tuple[CheckedLine, ...]) -> str:
    """``1 fail, 2 warn, 3 not visible, 40 pass``."""
    counts = {status: sum(line.status == status for line in lines) for status in STATUSES}
    return ", ".join(f"{number} {status}" for status, number in counts.items())
