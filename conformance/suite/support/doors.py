"""
A backend whose stores are opened by another documented way; no case itself.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Location, Mode
from store_conformance.harness.backends import Backend, Door


class Through(Backend):
    """Opens by another door of the same backend."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    def open(self, at: Location, index: Any, ttl: Any, mode: Mode) -> Any:
        return self._door(at, index, ttl)
