"""
Odd namespaces and keys that a store takes: what it refuses is left out of a shared population.

Whether it may refuse them is judged once, by N8 and K11; elsewhere one refused label would hide all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject

Namespace = tuple[str, ...]
Address = tuple[Namespace, str]

_KEY = "k"
_SPACE = ("keys",)
_known: WeakKeyDictionary[Any, dict[tuple[str, Address], str]] = WeakKeyDictionary()
"""By backend: what a put of an address in a mode was refused with, empty where it was taken."""
_lock = Lock()


def spaces_taken(lab: Lab, spaces: Iterable[Namespace]) -> list[Namespace]:
    """The namespaces without those that the store refuses; plain ones are never left out."""
    return [s for s, _ in _taken(lab, [(tuple(space), _KEY) for space in spaces], _plain_space)]


def labels_taken(lab: Lab, labels: Iterable[str]) -> list[str]:
    """The labels without those that the store refuses at the root."""
    return [space[0] for space in spaces_taken(lab, [(label,) for label in labels])]


def keys_taken(lab: Lab, keys: Iterable[str]) -> list[str]:
    """The keys without those that the store refuses; letters and digits are never left out."""
    return [key for _, key in _taken(lab, [(_SPACE, key) for key in keys], _plain_key)]


def refusals(lab: Lab, addresses: Iterable[Address]) -> dict[Address, str]:
    """What the puts of these addresses are refused with; those that are taken are left out."""
    wanted = list(dict.fromkeys(addresses))
    with _lock:
        known = _known.setdefault(lab.backend, {})
        new = [a for a in wanted if (lab.mode, a) not in known]
        if new:
            known.update({(lab.mode, a): text for a, text in _ask(lab, new).items()})
        return {a: known[lab.mode, a] for a in wanted if known[lab.mode, a]}


def _taken(lab: Lab, addresses: list[Address], plain: Callable[[Address], bool]) -> list[Address]:
    every = list(dict.fromkeys(addresses))
    refused = refusals(lab, [a for a in every if not plain(a)])
    if refused:
        told = [f"{a}: {text[:80]}" for a, text in refused.items()]
        lab.observe("refused.left_out", len(told), first=told[:5])
    return [a for a in every if a not in refused]


def _plain_space(address: Address) -> bool:
    return len(address[0]) < 4 and all(
        label.isascii() and label.isalnum() and len(label) < 20 for label in address[0]
    )


def _plain_key(address: Address) -> bool:
    return address[1].isascii() and address[1].isalnum()


def _ask(lab: Lab, addresses: list[Address]) -> dict[Address, str]:
    """Put them all at once; one by one where that is refused.  In a lab of its own: the case's is clean."""
    other = Lab(lab.backend, lab.spec, lab.mode, lab.param, lab.settings)
    try:
        store = other.open()
        ops = [PutOp(space, key, {"n": 1}) for space, key in addresses]
        if len(ops) > 1 and other.attempt(lambda: store.batch(ops)) is None:
            return dict.fromkeys(addresses, "")
        return {address: _one(other, store, address) for address in addresses}
    finally:
        other.close()


def _one(lab: Lab, store: Subject, address: Address) -> str:
    error = lab.attempt(lambda: store.put(*address, {"n": 1}))
    return "" if error is None else f"{type(error).__name__}: {error}"
