"""
Every control and every legal variant, discovered from the modules beside this one.
"""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))  # the file is also loaded by its path, from any directory


EVERYTHING = ("E1", "E2", "E3", "E4", "E5", "E7", "E9")
"""Rules whose cases use a store as a whole (scenarios, restarts, moving, histories): any sin may trip them."""


@dataclass(frozen=True)
class Control:
    """A store that is broken on purpose in one way."""

    name: str
    """The sin in snake case."""
    store: type[Any]
    reference: str
    """``<file>:<class>.open_store``, relative to this directory."""
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


def _classes(pattern: str) -> list[type[Any]]:
    found = []
    for path in sorted(HERE.glob(pattern)):
        module = importlib.import_module(f"controls.{path.stem}")
        members = vars(module).values()
        found += [m for m in members if isinstance(m, type) and m.__module__ == module.__name__]
    return found


def _facts(store: type[Any]) -> dict[str, Any]:
    own = vars(store).get("breaks", "")
    file = store.__module__.rsplit(".", 1)[-1]
    return {
        "name": re.sub(
            r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", store.__name__
        ).lower(),
        "store": store,
        "reference": f"{file}.py:{store.__name__}.open_store",
        "breaks": own,
        "also": tuple(
            r for r in dict.fromkeys((*getattr(store, "also", ()), *EVERYTHING)) if r != own
        ),
        "declares": tuple(store.declares),
        "modes": tuple(store.modes),
    }


@lru_cache(maxsize=1)
def controls() -> tuple[Control, ...]:
    """The broken stores: every class that says itself which rule it breaks."""
    found = _classes("broken_*.py")
    return tuple(Control(**_facts(store)) for store in found if vars(store).get("breaks"))


@lru_cache(maxsize=1)
def variants() -> tuple[Variant, ...]:
    """The legal variants, the reference among them."""
    legal = [
        store for store in _classes("correct.py") if getattr(store, "declares", None) is not None
    ]
    return tuple(
        Variant(**{**_facts(store), "breaks": None, "also": tuple(store.also)}) for store in legal
    )
