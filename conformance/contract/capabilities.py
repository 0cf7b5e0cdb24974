"""
What a store can offer, declared by its backend and observed by the suite.

A capability that is declared and fails is a failure; one that is not declared and works is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from store_conformance.contract.errors import UserError
from store_conformance.contract.hints import did_you_mean


class Capability(str, Enum):
    """One thing that a store may offer; the value is its name after ``no-`` in ``--declare``."""

    SYNC = "sync"
    """The blocking methods work."""
    ASYNC = "async"
    """The awaitable methods work."""
    VECTORS = "vectors"
    """An ``index`` makes ``search(query=...)`` semantic."""
    TTL = "ttl"
    """Items can expire; a store also says so by its class attribute ``supports_ttl``."""
    PERSISTENCE = "persistence"
    """What was acknowledged is found when the location is opened again."""
    PROCESSES = "processes"
    """Several processes may use one location at the same time."""
    THREADS = "threads"
    """Several threads may use one store object at the same time."""
    COSINE = "cosine"
    """The scores of a query are cosines; without it the store has an order and a scale of its own."""
    TEXT = "text"
    """``search(query=...)`` finds words without an ``index``; has to be declared."""
    TTL_OF_CALLS = "ttl-of-calls"
    """A ttl is given with each put and a refresh with each read, and there is no ``TTLConfig``; has to be declared."""
    JSONB = "jsonb"
    """Values are kept as Postgres keeps JSONB, without the order of names and with 1e16 as an integer; has to be declared."""

    def __str__(self) -> str:
        return self.value


TO_BE_DECLARED = frozenset({Capability.TEXT, Capability.TTL_OF_CALLS, Capability.JSONB})
"""What a store offers only if it says so."""
ALL = frozenset(Capability) - TO_BE_DECLARED
"""What a store offers unless it says otherwise."""

_SPELLINGS = {"own-scores": "no-cosine", "no-ttl-config": "ttl-of-calls"}
"""Other words for a declaration."""


class Mode(str, Enum):
    """Which of a store's two APIs is used."""

    SYNC = "sync"
    ASYNC = "async"

    def __str__(self) -> str:
        return self.value


def _unknown(name: str) -> UserError:
    known = sorted([*(f"no-{c}" for c in ALL), *map(str, TO_BE_DECLARED), *_SPELLINGS])
    meant = did_you_mean(name, known) or did_you_mean(f"no-{name}", known)
    return UserError(f"unknown capability {name!r}", f"{meant}known are {', '.join(known)}")


def declared(names: Iterable[str], base: frozenset[Capability] = ALL) -> frozenset[Capability]:
    """
    The capabilities left when ``names`` (such as ``no-vectors``, or ``vectors`` to add one) are applied.

    Raises ``UserError`` with the nearest right name.
    """
    have = set(base)
    for raw in names:
        name = _SPELLINGS.get(raw.strip(), raw.strip())
        bare = name.removeprefix("no-")
        try:
            capability = Capability(bare)
        except ValueError:
            raise _unknown(name) from None
        if name.startswith("no-"):
            have.discard(capability)
        else:
            have.add(capability)
    if not have & {Capability.SYNC, Capability.ASYNC}:
        raise UserError(
            "no-sync together with no-async leaves nothing to check", "declare one of them"
        )
    if Capability.PERSISTENCE not in have:
        have.discard(Capability.PROCESSES)
    if Capability.VECTORS not in have:
        have.discard(Capability.COSINE)
    if Capability.TTL not in have:
        have.discard(Capability.TTL_OF_CALLS)
    return frozenset(have)
