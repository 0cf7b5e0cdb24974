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

LARGEST = 4
"""Variants in a pack: a failure should leave few to suspect."""
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


@lru_cache(maxsize=1)
def packs() -> tuple[tuple[Variant, ...], ...]:
    """Every variant in one pack: same base, same declared capabilities and modes, no method in common."""
    found: list[tuple[Any, set[str], list[Variant]]] = []
    for variant in variants():
        own = _behaviour(variant.store)
        kind = (
            issubclass(variant.store, AsyncReferenceStore),
            variant.declares,
            variant.modes,
            variant.name if variant.store.alone else "",
        )
        for other, taken, members in found:
            if other == kind and not taken & own and len(members) < LARGEST:
                taken |= own
                members.append(variant)
                break
        else:
            found.append((kind, set(own), [variant]))
    return tuple(tuple(members) for _, _, members in found)


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
        declares=members[0].declares,
        modes=members[0].modes,
    )


def __getattr__(name: str) -> type[Any]:
    """The class of a pack, in a process that has only its name."""
    if "__" in name.strip("_"):
        packed()
        if name in globals():
            return globals()[name]  # type: ignore[no-any-return]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
