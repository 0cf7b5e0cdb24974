"""
Every mutant (a store broken on purpose in one way) and every correct variant, discovered from the modules beside this one.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from store_conformance import mutants as mutants_package

EVERYTHING = ("E1", "E2", "E3", "E4", "E5", "E7", "E9", "E10", "N9", "O23")
"""
Rules whose cases use a store as a whole (scenarios, restarts, moving, backups, histories, attacks): any sin may
trip them.
"""


@dataclass(frozen=True)
class Mutant:
    """A store that is broken on purpose in one way."""

    name: str
    """The sin in snake case."""
    store: type[Any]
    reference: str
    """``<module>:<class>.open_store``, or the class of a backend, as ``--store`` takes it."""
    breaks: str
    """The one rule that must catch it."""
    also: tuple[str, ...] = ()
    """Rules that the sin may trip too."""
    declares: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("sync", "async")
    """The modes in which the sin shows."""

    @property
    def sin(self) -> str:
        return (self.store.__doc__ or "").strip()


@dataclass(frozen=True)
class Variant:
    """A store that differs from the reference where the contract leaves a choice."""

    name: str
    store: type[Any]
    reference: str
    breaks: None = None
    also: tuple[str, ...] = ()
    """Rules that its documented column type rules out."""
    declares: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("sync", "async")


def _classes(beginning: str) -> list[type[Any]]:
    """The classes that the modules whose names begin so define themselves."""
    found: list[type[Any]] = []
    for info in sorted(pkgutil.iter_modules(mutants_package.__path__), key=lambda m: m.name):
        if not info.name.startswith(beginning):
            continue
        module = importlib.import_module(f"{mutants_package.__name__}.{info.name}")
        members = vars(module).values()
        found += [m for m in members if isinstance(m, type) and m.__module__ == module.__name__]
    return found


def _reference(store: type[Any]) -> str:
    """A store's function, or a `Backend` of its own, which has an engine that can be struck."""
    ending = ".open_store" if hasattr(store, "open_store") else ""
    return f"{store.__module__}:{store.__name__}{ending}"


def _facts(store: type[Any]) -> dict[str, Any]:
    own = vars(store).get("breaks", "")
    return {
        "name": re.sub(
            r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", store.__name__
        ).lower(),
        "store": store,
        "reference": _reference(store),
        "breaks": own,
        "also": tuple(
            r for r in dict.fromkeys((*getattr(store, "also", ()), *EVERYTHING)) if r != own
        ),
        "declares": tuple(store.declares),
        "modes": tuple(store.modes),
    }


@lru_cache(maxsize=1)
def mutants() -> tuple[Mutant, ...]:
    """The broken stores: every class that says itself which rule it breaks."""
    found = _classes("broken_")
    return tuple(Mutant(**_facts(store)) for store in found if vars(store).get("breaks"))


@lru_cache(maxsize=1)
def variants() -> tuple[Variant, ...]:
    """The legal variants, the reference among them."""
    legal = [
        s for s in _classes("correct") if getattr(s, "legal", False) and hasattr(s, "declares")
    ]
    return tuple(
        Variant(**{**_facts(store), "breaks": None, "also": tuple(store.also)}) for store in legal
    )
