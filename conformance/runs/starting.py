"""
Engines come up side by side, while this process does what it has to do anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend


@dataclass(frozen=True)
class Started:
    """How the start of one backend ended."""

    seconds: float
    error: Exception | None


def start_side_by_side(
    backends: Mapping[str, Backend], meanwhile: Callable[[], object]
) -> dict[str, Started]:
    """
    Start all of them, each in a thread, and call ``meanwhile`` in this one; gives how each start ended.

    Returns, or raises what ``meanwhile`` or Ctrl-C raised, when no start is under way any more, so
    that whoever stops the backends then leaves no engine behind.
    """
    with ThreadPoolExecutor(max(1, len(backends)), "start") as pool:
        starts = {name: pool.submit(_start, backend) for name, backend in backends.items()}
        meanwhile()
        return {name: future.result() for name, future in starts.items()}


def _start(backend: Backend) -> Started:
    begin = time.perf_counter()
    error = None
    try:
        backend.start()
    except Exception as raised:  # noqa: BLE001 - judged by the thread that asked for all of them
        error = raised
    return Started(time.perf_counter() - begin, error)
