"""
Engines come up side by side, while this process does what it has to do anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store_conformance.harness.backends import EngineUnavailableError
from store_conformance.harness.text import message_of

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend


@dataclass(frozen=True)
class Started:
    """How the start of one backend ended."""

    seconds: float
    error: Exception | None


class EngineStarts:
    """The starts of several backends, each in a thread, from now on."""

    def __init__(self, backends: Mapping[str, Backend]) -> None:
        self._pool = ThreadPoolExecutor(max(1, len(backends)), "start")
        self._futures = {n: self._pool.submit(_start, b) for n, b in backends.items()}

    def ended(self) -> dict[str, Started]:
        """How each of them ended; returns when none is under way any more, and may be asked again."""
        try:
            return {name: future.result() for name, future in self._futures.items()}
        finally:  # also after Ctrl-C
            self._pool.shutdown()


def start_side_by_side(
    backends: Mapping[str, Backend], meanwhile: Callable[[], object]
) -> dict[str, Started]:
    """
    Start all of them and call ``meanwhile`` in this thread; gives how each start ended.

    Returns, or raises what ``meanwhile`` or Ctrl-C raised, when no start is under way any more, so
    that whoever stops the backends then leaves no engine behind.
    """
    return ended_meanwhile(EngineStarts(backends), meanwhile)


def ended_meanwhile(starts: EngineStarts, meanwhile: Callable[[], object]) -> dict[str, Started]:
    """The same of starts that are under way."""
    try:
        meanwhile()
    except BaseException:
        starts.ended()
        raise
    return starts.ended()


def _start(backend: Backend) -> Started:
    begin = time.perf_counter()
    error: Exception | None = None
    try:
        backend.start()
    except OSError as raised:  # of the machine: a folder, a right, a limit
        error = _unavailable(backend.name, raised)
    except Exception as raised:  # noqa: BLE001 - judged by the thread that asked for all of them
        error = raised
    return Started(time.perf_counter() - begin, error)


def _unavailable(name: str, error: OSError) -> EngineUnavailableError:
    """What the machine refused, as a backend that is not there: other backends are run without it."""
    place = f"{error.filename}: " if error.filename is not None else ""
    why = f"its engine cannot be started: {place}{error.strerror or message_of(error)}."
    made = EngineUnavailableError(
        name, why, "check the path, your rights and the limits of this machine"
    )
    made.__cause__ = error
    return made
