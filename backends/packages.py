"""
What is installed, for the facts of a report.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any

from conformance.contract import Capability


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Installed versions; a distribution that is not installed is left out."""
    found = {}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def unknown_to(opening: Callable[..., Any]) -> frozenset[Capability]:
    """What the installed release of a store cannot offer yet: its ``opening`` takes no such argument."""
    taken = inspect.signature(opening).parameters
    late = {"index": Capability.VECTORS, "ttl": Capability.TTL}
    return frozenset(capability for name, capability in late.items() if name not in taken)


def megabytes(distributions: Iterable[str]) -> float | None:
    """
    What the installed files of these distributions take, without what they in turn depend on.

    ``None`` if that cannot be told, as with an editable install.
    """
    total = 0
    for name in versions(distributions):
        for file in metadata.files(name) or ():
            try:
                total += file.locate().stat().st_size  # type: ignore[attr-defined]
            except OSError:
                continue
    return round(total / 1e6, 1) if total else None
