"""
Engines that cases may kill: one private backend a process and backend, started when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend

_running: dict[int, Backend] = {}


def private_backend(backend: Backend) -> Backend | None:
    """
    A started backend like ``backend`` on an engine of its own, or ``None`` where there is no engine to kill.

    It is shared by the cases of this process, one after the other, and stopped by ``stop_private``.
    """
    known = _running.get(id(backend))
    if known is not None:
        return known
    made = backend.private()
    if made is None:
        return None
    made.start()
    _running[id(backend)] = made
    return made


def stop_private() -> None:
    """Stop every private backend of this process."""
    while _running:
        _, backend = _running.popitem()
        backend.stop()
