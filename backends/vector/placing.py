"""
Whether a store over a vector database is where it was asked to be, asked through its own client.

A gateway or a wrapped client may ignore or rewrite the name of a collection, an index or a namespace.
Then another name is there before it was made, and names that nobody ever made are there too.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from store_conformance.backends.placing import UNTOUCHED, UnprovenPlaceError
from store_conformance.backends.vector.driver import Where
from store_conformance.backends.vector.errors import VectorStoreError
from store_conformance.backends.vector.store import VectorStore

PREFIX = "conformance"
"""How the name of everything begins that a run makes in a database; letters only, as all of them take."""

_EVERYTHING = Where(kinds=frozenset({"item", "vector", "namespace"}))
_MENDED = (
    "give the address of the database itself, or let what is in between pass names on as they are"
)


class Locating(Protocol):
    """A driver that can look for a name without making anything."""

    def holds(self, name: str) -> bool:
        """Whether there is a collection (or whatever a place is) of this name, as this client sees it."""


def new_name() -> str:
    return f"{PREFIX}{uuid.uuid4().hex[:16]}"


class Proof:
    """One opening of a place: ``before`` the store makes anything, ``after`` it has."""

    def __init__(
        self, backend: str, name: str, *, fresh: Callable[[], bool], folder: Path | None = None
    ) -> None:
        """
        ``fresh`` says, after a look, whether nothing may be there; ``folder`` is where an engine in the
        process keeps its files, and has no names beyond that.
        """
        self._backend = backend
        self._name = name
        self._fresh = fresh
        self._folder = folder

    def before(self, store: VectorStore) -> None:
        """Raise ``UnprovenPlaceError`` if names do not lead where they say, or this one is taken."""
        if self._folder is not None:
            if any(self._folder.iterdir()) and self._fresh():
                raise self._refusal(f"the fresh folder {self._folder} is not empty")
            return
        absent = new_name()
        driver: Any = store._driver
        if self._holds(driver, absent):
            raise self._refusal(
                f"something is found under {absent}, a name that nobody ever used: what lies between"
                " ignores or rewrites names"
            )
        if self._holds(driver, self._name) and self._fresh():
            raise self._refusal(f"the fresh name {self._name} is there already")

    def after(self, store: VectorStore) -> None:
        """Raise ``UnprovenPlaceError`` if a place that was just made is not empty."""
        if self._fresh() and store._driver.scan(_EVERYTHING, 1).rows and self._fresh():
            raise self._refusal(
                f"the place {self._name}, just made, holds rows already: what lies between rewrites"
                " its name"
            )

    def _holds(self, driver: Locating, name: str) -> bool:
        try:
            return driver.holds(name)
        except VectorStoreError:
            raise
        except Exception as error:
            raise self._refusal(
                f"no look was possible at {name} ({type(error).__name__})"
            ) from error

    def _refusal(self, what: str) -> UnprovenPlaceError:
        return UnprovenPlaceError(self._backend, f"{what}; {UNTOUCHED}.", _MENDED)
