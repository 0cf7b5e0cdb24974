"""
What a writer will do: a seeded stream of operations that begins at what its keys hold.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from store_conformance.crash.history import Key, Kind, Operation, Write

ROOMS = ("facts", "talks")
KEYS = 16
"""Keys in each of a writer's namespaces."""
BATCH = 6
"""Keys that a batch changes."""
TURNS = 8
"""Batches of items that expire, before their keys are taken again."""
SHARED = ("crash", "shared")
"""Where several writers write the same keys."""
FEW = 4
"""Keys there: few, so that their calls meet."""
FAVOURED = 0.6
"""How much of the work is of the kind that shall be struck."""


def namespaces_of(writer: str) -> tuple[tuple[str, ...], ...]:
    """The namespaces of a writer: nobody else writes there."""
    return tuple(("crash", writer, room) for room in ROOMS)


def passing_of(writer: str) -> tuple[str, ...]:
    """The namespace of a writer's items that expire."""
    return ("crash", writer, "passing")


def keys_of(writer: str) -> tuple[Key, ...]:
    """Every key that a writer may hold beyond its time to live."""
    return tuple((ns, f"k{n}") for ns in namespaces_of(writer) for n in range(KEYS))


def shared_keys() -> tuple[Key, ...]:
    """The keys that several writers write at once."""
    return tuple((SHARED, f"k{n}") for n in range(FEW))


class Planner:
    """
    The operations of one writer in one round, without end.

    ``held`` are its keys that have a value.  The same ``name``, ``held`` and ``kinds`` give the same stream.
    """

    def __init__(
        self, writer: str, name: str, held: Mapping[Key, str | None], kinds: tuple[Kind, ...]
    ) -> None:
        self._writer = writer
        self._name = name
        self._chance = random.Random(f"plan {name} {writer}")
        self._held = {key for key, version in held.items() if version is not None}
        self._keys = keys_of(writer)
        self._kinds = kinds
        self._number = 0

    def operations(self) -> Iterator[Operation]:
        """The stream; a sweep comes with the puts of what expires."""
        while True:
            kind = self._kind()
            if kind is Kind.SWEEP:
                yield self._next(Kind.BATCH, self._passing())
                yield self._next(Kind.SWEEP, ())
            elif kind is Kind.BATCH:
                chosen = self._chance.sample(self._keys, BATCH)
                yield self._next(kind, tuple(map(self._batched, chosen)))
            else:
                wanted = [k for k in self._keys if (k in self._held) == (kind is not Kind.PUT)]
                if wanted:
                    key = self._chance.choice(wanted)
                    change = self._gone(key) if kind is Kind.DELETE else self._put(key)
                    yield self._next(kind, (change,))

    def _kind(self) -> Kind:
        if self._chance.random() < FAVOURED:
            return self._chance.choice(self._kinds)
        return self._chance.choice((Kind.PUT, Kind.OVERWRITE, Kind.DELETE, Kind.BATCH))

    def _next(self, kind: Kind, writes: tuple[Write, ...]) -> Operation:
        self._number += 1
        return Operation(self._number, kind, writes)

    def _batched(self, key: Key) -> Write:
        if key in self._held and self._chance.random() < 0.3:
            return self._gone(key)
        return self._put(key)

    def _version(self, key: Key) -> str:
        return f"{self._name}.{self._writer}.{self._number + 1}.{key[0][-1]}.{key[1]}"

    def _put(self, key: Key) -> Write:
        self._held.add(key)
        return Write(*key, self._version(key))

    def _gone(self, key: Key) -> Write:
        self._held.discard(key)
        return Write(*key, None)

    def _passing(self) -> tuple[Write, ...]:
        turn = self._number % TURNS
        keys = [(passing_of(self._writer), f"k{turn}-{n}") for n in range(BATCH)]
        return tuple(Write(*key, self._version(key), expires=True) for key in keys)


def meeting(writer: str, name: str) -> Iterator[Operation]:
    """One of several writers' puts, deletes and reads of the same few keys, without end."""
    chance = random.Random(f"meeting {name} {writer}")
    number = 0
    while True:
        number += 1
        place = chance.choice(shared_keys())
        kind = chance.choices((Kind.PUT, Kind.DELETE, Kind.GET), (45, 15, 40))[0]
        if kind is Kind.GET:
            yield Operation(number, kind, reads=place)
        else:
            version = None if kind is Kind.DELETE else f"{name}.{writer}.{number}.{place[1]}"
            yield Operation(number, kind, (Write(*place, version),))
