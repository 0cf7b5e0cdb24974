"""
A check, and what came of it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from store_conformance.contract.checked import FAIL, HIDDEN, PARTS, PASS, WARN
from store_conformance.contract.errors import EXIT_FAILED, EXIT_OK, EXIT_UNVERIFIED

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["FAIL", "HIDDEN", "PARTS", "PASS", "WARN", "Check", "Checklist", "Line", "checks"]


@dataclass(frozen=True)
class Check:
    """One promise of a database that is fit for production; ``checks.toml`` holds them."""

    id: str
    engines: tuple[str, ...]
    part: str
    level: str
    promise: str
    source: str
    fix: str
    by_hand: str = ""


@dataclass(frozen=True)
class Line:
    """One line of the checklist, ticked or not; ``said`` is what was seen, or why nothing was."""

    check: Check
    status: str
    said: str

    @property
    def advice(self) -> str:
        """What to do now; nothing where the promise is kept."""
        if self.status == PASS:
            return ""
        return (self.check.by_hand or self.check.fix) if self.status == HIDDEN else self.check.fix


@dataclass(frozen=True)
class Checklist:
    """All the lines about one database."""

    engine: str
    where: str
    lines: tuple[Line, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        return {
            status: sum(line.status == status for line in self.lines)
            for status in (PASS, FAIL, WARN, HIDDEN)
        }

    @property
    def exit_code(self) -> int:
        """0: nothing fails, 1: something does, 3: nothing could be seen."""
        if self.counts[FAIL]:
            return EXIT_FAILED
        return EXIT_OK if self.counts[PASS] else EXIT_UNVERIFIED

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": "store-conformance-checklist",
            "version": 1,
            "engine": self.engine,
            "where": self.where,
            "counts": dict(self.counts),
            "lines": [
                {
                    "id": line.check.id,
                    "part": line.check.part,
                    "level": line.check.level,
                    "promise": line.check.promise,
                    "status": line.status,
                    "said": line.said,
                    "advice": line.advice,
                    "source": line.check.source,
                }
                for line in self.lines
            ],
        }


@cache
def checks() -> tuple[Check, ...]:
    """Every check, in the order of the file."""
    text = files("store_conformance.checklist").joinpath("checks.toml").read_text(encoding="utf-8")
    return tuple(
        Check(**{**told, "engines": tuple(told["engines"])})
        for told in tomllib.loads(text)["check"]
    )
