"""
Several correct variants in one store, so that the suite runs once for all of them.

Variants whose freedoms touch different methods do not meet: a class that inherits from each of them is as
correct as they are.  A quick look at the packs costs a third of a look at each variant; ``self-test`` takes
them one by one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from store_conformance.mutants.catalogue import Variant, variants
from store_conformance.mutants.reference import AsyncReferenceStore, ReferenceStore

LARGEST = 8
"""Variants in a pack: a failure should leave few to suspect."""
_VECTORS = frozenset(
    {
        "aembed",
        "by_vector",
        "check_vector",
        "connect",
        "cosine",
        "decode_vector",
        "embed",
        "encode_vector",
        "rank",
        "ranked",
        "read_search",
        "remove_vectors",
        "similarity",
        "texts_at",
        "write_vectors",
    }
)
_EXPIRY = frozenset(
    {
        "check_ttl",
        "clock",
        "close",
        "expiry",
        "hidden",
        "refresh",
        "start_ttl_sweeper",
        "stop_ttl_sweeper",
        "sweep_ttl",
        "visible",
    }
)
_CALLS = frozenset({"abatch", "batch", "execute", "plan", "run"})
_OPENING = frozenset({"choose_journal", "close", "connect", "database", "open_store", "setup"})
_UNSEEN = {
    "no-vectors": _VECTORS,
    "own-scores": _VECTORS,
    "text": frozenset({"read_search"}),
    "no-ttl": _EXPIRY,
    "jsonb": frozenset({"encode_value"}),
    "no-threads": _CALLS,
    "no-processes": _OPENING,
    "no-persistence": _OPENING,
}
"""
The methods of which less is seen in a store that declares this: whoever has a freedom there is looked at beside stores
that do not.  What can be declared and is not here is declared alone.
"""
_OF_A_CLASS = frozenset({"_abc_impl", "also", "alone", "declares", "legal", "modes"})
"""What a variant says of itself and what is no behaviour."""


def _behaviour(store: type[Any]) -> set[str]:
    """The names that a variant and its own bases define anew, those of the reference left out."""
    names: set[str] = set()
    for one in store.__mro__:
        if one in (ReferenceStore, AsyncReferenceStore):
            break
        names |= {n for n in vars(one) if not (n.startswith("__") and n != "__init__")}
    return names - _OF_A_CLASS


def _unseen(variant: Variant) -> frozenset[str]:
    """The methods of which a store says less because of what this variant declares."""
    return frozenset().union(*(_UNSEEN.get(name, frozenset()) for name in variant.declares))


def _meet(one: Variant, other: Variant) -> bool:
    """Whether two variants have a method in common, or one hides what the other does."""
    first, second = _behaviour(one.store), _behaviour(other.store)
    return bool((first | _unseen(one)) & second or first & _unseen(other))


def _kind(variant: Variant) -> tuple[object, ...]:
    """What all variants of a pack have in common."""
    only = variant.store.alone or not set(variant.declares) <= set(_UNSEEN)
    return (
        issubclass(variant.store, AsyncReferenceStore),
        variant.modes,
        variant.name if only else "",
    )


@lru_cache(maxsize=1)
def packs() -> tuple[tuple[Variant, ...], ...]:
    """Every variant in one pack: same base, same modes, and none that meet."""
    found: list[list[Variant]] = []
    for variant in sorted(variants(), key=lambda v: not v.declares):
        for members in found:
            if (
                len(members) < LARGEST
                and _kind(members[0]) == _kind(variant)
                and not any(_meet(variant, member) for member in members)
            ):
                members.append(variant)
                break
        else:
            found.append([variant])
    return tuple(tuple(members) for members in found)


@lru_cache(maxsize=1)
def packed() -> tuple[Variant, ...]:
    """The packs as variants; one of a single variant is that variant."""
    return tuple(_packed(members) for members in packs())


def _packed(members: tuple[Variant, ...]) -> Variant:
    if len(members) == 1:
        return members[0]
    name = "+".join(m.name for m in members)
    identifier = "__".join(m.name for m in members)
    store = type(identifier, tuple(m.store for m in members), {"__doc__": name})
    store.__module__ = __name__
    globals()[identifier] = store
    return Variant(
        name=name,
        store=store,
        reference=f"{__name__}:{identifier}.open_store",
        also=tuple(dict.fromkeys(rule for m in members for rule in m.also)),
        declares=tuple(dict.fromkeys(name for m in members for name in m.declares)),
        modes=members[0].modes,
    )


def __getattr__(name: str) -> type[Any]:
    """The class of a pack, in a process that has only its name."""
    if "__" in name.strip("_"):
        packed()
        if name in globals():
            return globals()[name]  # type: ignore[no-any-return]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
