"""
Schemas that are used again: a store has set itself up there, and what it kept has been taken out since.

To make tables and indexes costs a server four times what it costs to empty them.  A place is used again on
a server of ours alone, and only for stores of the same shape and mode as the one that has set it up, so that
each of these sets up a place of its own at least once in every process.  A place that anybody else may have
opened (a script, another process, a store of another shape) is dropped.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from store_conformance.contract import Mode

NO_PART_OF_TABLES = frozenset({"embed", "fields"})
"""What of an index decides how a store writes and reads, and not what tables it makes."""
MOST = 16
"""How many empty places of a shape are kept: more than are open at a time."""


class Shape(NamedTuple):
    """What decides how a place looks once a store has set itself up there."""

    tables: str
    mode: Mode
    """Of the store that set it up."""


def shape_of(index: Mapping[str, object] | None, mode: Mode) -> Shape | None:
    """``None`` where nobody can say: an index that is none, as some cases give."""
    if index is None:
        return Shape("", mode)
    if type(index) is not dict or type(index.get("dims")) is not int:
        return None
    kept = {name: value for name, value in index.items() if name not in NO_PART_OF_TABLES}
    try:
        return Shape(json.dumps(kept, sort_keys=True), mode)
    except (TypeError, ValueError):
        return None


class UsedPlaces:
    """What is known of the places that may be used again; thread safe."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}
        self._set_up: set[str] = set()
        self._empty: defaultdict[Shape, list[str]] = defaultdict(list)
        self._lock = threading.Lock()

    def take(self, shape: Shape) -> str | None:
        """An empty place of that shape, if there is one."""
        with self._lock:
            names = self._empty[shape]
            if not names:
                return None
            name = names.pop()
            self._shapes[name] = shape
            self._set_up.add(name)
            return name

    def begin(self, name: str, shape: Shape) -> None:
        """A new place, at which a store of that shape is about to set itself up."""
        with self._lock:
            self._shapes[name] = shape

    def opening(self, name: str, shape: Shape | None) -> None:
        """A store is being opened there: one of other tables makes the place useless for others."""
        with self._lock:
            known = self._shapes.get(name)
            if known is not None and (shape is None or shape.tables != known.tables):
                del self._shapes[name]

    def set_up(self, name: str) -> None:
        """A store has set itself up there from the beginning to the end."""
        with self._lock:
            self._set_up.add(name)

    def forget(self, name: str) -> None:
        """Somebody else may have been there."""
        with self._lock:
            self._shapes.pop(name, None)

    def handed_over(self) -> None:
        """Other processes may open what was made so far."""
        with self._lock:
            self._shapes.clear()

    def end(self, name: str) -> Shape | None:
        """The place is not needed any more; its shape if it can be emptied for another store."""
        with self._lock:
            shape = self._shapes.pop(name, None)
            was_set_up = name in self._set_up
            self._set_up.discard(name)
            if shape is None or not was_set_up or len(self._empty[shape]) >= MOST:
                return None
            return shape

    def keep(self, name: str, shape: Shape) -> None:
        """An empty place, for the next store of that shape."""
        with self._lock:
            self._empty[shape].append(name)
