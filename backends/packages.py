"""
What is installed, for the facts of a report.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType

from store_conformance.contract import Capability


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Installed versions; a distribution that is not installed is left out."""
    found = {}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def installed_with(classes: Iterable[type], names: Mapping[str, object]) -> dict[str, str]:
    """
    Versions of the distributions that define the classes, their bases, and what ``names`` refer to.

    ``names`` is the namespace of the module that uses them.  What lies in no installed distribution, such as
    the standard library or a file of the user's own, is left out.
    """
    of = metadata.packages_distributions()
    modules = {c.__module__ for given in classes for c in given.__mro__}
    modules.update(map(_module_of, names.values()))
    found = set()
    for module in modules:
        candidates = set(of.get(module.partition(".")[0], ()))
        if len(candidates) > 1:  # a namespace package, of which each distribution has a part
            candidates = {name for name in candidates if _holds(name, module)}
        found |= candidates
    return versions(sorted(found))


def _module_of(value: object) -> str:
    """The module that defines it; a lazy object may raise anything when it is looked at."""
    try:
        name = value.__name__ if isinstance(value, ModuleType) else value.__module__
    except Exception:  # noqa: BLE001
        return ""
    return name if isinstance(name, str) else ""


def _holds(distribution: str, module: str) -> bool:
    place = getattr(sys.modules.get(module), "__file__", None)
    return place is not None and any(
        Path(str(file.locate())) == Path(place)
        for file in metadata.files(distribution) or ()
        if file.name == Path(place).name
    )


def unknown_to(opening: Callable[..., object]) -> frozenset[Capability]:
    """What the installed release of a store cannot offer yet: its ``opening`` takes no such argument."""
    taken = inspect.signature(opening).parameters
    late = {"index": Capability.VECTORS, "ttl": Capability.TTL}
    return frozenset(capability for name, capability in late.items() if name not in taken)


def program_megabytes(program: str | None) -> float | None:
    """What a program's file takes; ``None`` where there is none, as with a server of somebody else's."""
    return round(Path(program).stat().st_size / 1e6, 1) if program else None


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
