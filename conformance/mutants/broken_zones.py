"""
Stores whose clocks are right in UTC alone (K5, T8).
"""

from __future__ import annotations

import time
from datetime import datetime

from store_conformance.mutants.reference import ItemRow, ReferenceStore


def _offset() -> int:
    """Microseconds by which local time is ahead of UTC."""
    offset = datetime.now().astimezone().utcoffset()
    return 0 if offset is None else int(offset.total_seconds() * 1e6)


class LocalTimesAreCalledUtc(ReferenceStore):
    """Timestamps are local times with UTC as their zone."""

    breaks = "K5"

    def clock(self) -> int:
        return time.time_ns() // 1000 + _offset()


class ExpiryIsComparedWithLocalTime(ReferenceStore):
    """When an item expires is kept in UTC and compared with local time."""

    breaks = "T8"

    def expired(self, row: ItemRow, now: int) -> bool:
        return super().expired(row, now + _offset())
