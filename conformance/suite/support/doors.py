"""
Stores opened by another of the documented ways.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Location, Mode
from store_conformance.harness.backends import Backend, Door
from store_conformance.harness.lab import Lab


class Through(Backend):
    """Opens by another door of the same backend."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    def open(self, at: Location, index: Any, ttl: Any, mode: Mode) -> Any:
        return self._door(at, index, ttl)


def through(lab: Lab, name: str, backend: Backend | None = None) -> Backend:
    """The backend whose stores are opened by the door of that name; ends the case where there is none."""
    doors = (backend or lab.backend).doors(lab.mode)
    if name not in doors:
        lab.unsupported(f"no such door: {name}")
    return Through(doors[name])
