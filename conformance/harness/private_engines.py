"""
Engines that cases may kill: one private backend a process and backend, started when first asked for.
"""

from __future__ import annotations

from store_conformance.harness.backends import Backend, create

_running: dict[int, Backend] = {}
_partners: dict[str, Backend] = {}


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


def partner(name: str) -> Backend:
    """
    The started backend of that name, for a case that needs two; shared and stopped as private ones are.

    Raises ``EngineUnavailableError`` where its engine is not there.
    """
    known = _partners.get(name)
    if known is None:
        known = create(name)
        known.start()
        _partners[name] = known
    return known


def stop_private() -> None:
    """Stop every private backend of this process."""
    for started in (_running, _partners):
        while started:
            _, backend = started.popitem()
            backend.stop()
