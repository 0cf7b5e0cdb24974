"""
Odd namespaces, keys, names of fields and numbers that a store takes: what it refuses is left out of a shared population.

Whether it may refuse them is judged once, by N8, K11, F13 and K8; elsewhere one refused label would hide all others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.filter_oracle import REFUSALS
from store_conformance.suite.support.shapes import ENGINE_WORDS
from store_conformance.suite.support.turns import turn

Namespace = tuple[str, ...]
Address = tuple[Namespace, str]
Asked = TypeVar("Asked", bound=Hashable)

NEAREST, FARTHEST = 1e-99, 1e99
"""Floats of this size are asked of every store; engines whose numbers are decimal end at 1e-130 and 1e126."""
_KEY = "k"
_SPACE = ("keys",)
_known: WeakKeyDictionary[Any, dict[tuple[str, str, Hashable], str]] = WeakKeyDictionary()
"""By backend: what a put of an address or a name was refused with in a mode, empty where it was taken."""


def spaces_taken(lab: Lab, spaces: Iterable[Namespace]) -> list[Namespace]:
    """The namespaces without those that the store refuses; plain ones are never left out."""
    return [s for s, _ in _taken(lab, [(tuple(space), _KEY) for space in spaces], _plain_space)]


def labels_taken(lab: Lab, labels: Iterable[str]) -> list[str]:
    """The labels without those that the store refuses at the root."""
    return [space[0] for space in spaces_taken(lab, [(label,) for label in labels])]


def keys_taken(lab: Lab, keys: Iterable[str]) -> list[str]:
    """The keys without those that the store refuses; small letters and digits are never left out."""
    return [key for _, key in _taken(lab, [(_SPACE, key) for key in keys], _plain_key)]


def names_taken(lab: Lab, names: Iterable[str]) -> list[str]:
    """The names of fields without those that the store refuses in a value, at its top or below; plain words never are."""
    every = list(dict.fromkeys(names))
    odd = [n for n in every if not _plain_name(n) or n in ENGINE_WORDS]
    puts = {n: PutOp(_SPACE, f"k{i}", {"in": {n: 1}, n: 1}) for i, n in enumerate(odd)}
    refused = _refused(lab, "name", puts, kinds=REFUSALS)
    _tell(lab, refused)
    return [n for n in every if n not in refused]


def numbers_taken(lab: Lab, numbers: Iterable[Any]) -> list[Any]:
    """Scalars without the floats, very large or very near to zero, that the store refuses, which K8 judges."""
    every = list(numbers)
    far = dict.fromkeys(n for n in every if _is_far(n))
    puts = {n: PutOp(_SPACE, f"k{i}", {"n": n}) for i, n in enumerate(far)}
    refused = _refused(lab, "number", puts, kinds=(*REFUSALS, ArithmeticError))
    _tell(lab, refused)
    return [n for n in every if not (_is_far(n) and n in refused)]


def without_refused(lab: Lab, value: Any) -> Any:
    """The JSON value without the fields whose names and without the numbers that the store refuses, at any depth."""
    taken = set(names_taken(lab, _names(value)))
    far = [n for n in _scalars(value) if _is_far(n)]
    refused = set(far) - set(numbers_taken(lab, far))

    def stays(part: Any) -> bool:
        return not (_is_far(part) and part in refused)

    def kept(part: Any) -> Any:
        if isinstance(part, dict):
            fields = ((n, inner) for n, inner in part.items() if n in taken and stays(inner))
            return {name: kept(inner) for name, inner in fields}
        return [kept(inner) for inner in part if stays(inner)] if isinstance(part, list) else part

    return kept(value)


def values_taken(lab: Lab, values: Iterable[Any]) -> list[Any]:
    """The JSON values without those that hold a name that the store refuses."""
    return [v for v in values if without_refused(lab, {"v": v}) == {"v": v}]


def refusals(lab: Lab, addresses: Iterable[Address]) -> dict[Address, str]:
    """What the puts of these addresses are refused with; those that are taken are left out."""
    wanted = dict.fromkeys(addresses)
    return _refused(lab, "address", {a: PutOp(*a, {"n": 1}) for a in wanted})


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            yield from _names(inner)


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _scalars(inner)
    else:
        yield value


def _is_far(number: Any) -> bool:
    """Whether it is a finite float beyond what decimal numbers of databases hold."""
    if type(number) is not float or not math.isfinite(number) or number == 0:
        return False
    return not NEAREST <= abs(number) <= FARTHEST


def _taken(lab: Lab, addresses: list[Address], plain: Callable[[Address], bool]) -> list[Address]:
    every = list(dict.fromkeys(addresses))
    refused = refusals(lab, [a for a in every if not plain(a)])
    _tell(lab, refused)
    return [a for a in every if a not in refused]


def _tell(lab: Lab, refused: Mapping[Any, str]) -> None:
    if refused:
        told = [f"{what!r}: {text[:80]}" for what, text in refused.items()]
        lab.observe("refused.left_out", len(told), first=told[:5])


def _plain_space(address: Address) -> bool:
    return len(address[0]) < 4 and all(
        _small_letters(label) and len(label) < 20 for label in address[0]
    )


def _plain_key(address: Address) -> bool:
    return _small_letters(address[1])


def _plain_name(name: str) -> bool:
    """Columns and identifiers begin with a letter."""
    return name.isascii() and name.isalnum() and name[0].isalpha() and len(name) < 20


def _small_letters(text: str) -> bool:
    """Names of services often have no capitals."""
    return text.isascii() and text.isalnum() and text == text.lower()


def _refused(
    lab: Lab,
    kind: str,
    puts: Mapping[Asked, PutOp],
    kinds: tuple[type[BaseException], ...] = (BaseException,),
) -> dict[Asked, str]:
    """What each put is refused with; an error of none of the kinds is no refusal."""
    with turn(lab):
        known = _known.setdefault(lab.backend, {})
        new = {what: put for what, put in puts.items() if (lab.mode, kind, what) not in known}
        if new:
            answers = _ask(lab, new, kinds)
            known.update({(lab.mode, kind, what): text for what, text in answers.items()})
        found = {what: known[lab.mode, kind, what] for what in puts}
    return {what: text for what, text in found.items() if text}


def _ask(
    lab: Lab, puts: Mapping[Asked, PutOp], kinds: tuple[type[BaseException], ...]
) -> dict[Asked, str]:
    """Put them all at once; one by one where that is refused.  In a lab of its own: the case's is clean."""
    with lab.beside() as other:
        store = other.open()
        if len(puts) > 1 and other.attempt(lambda: store.batch(list(puts.values()))) is None:
            return dict.fromkeys(puts, "")
        return {what: _one(other, store, put, kinds) for what, put in puts.items()}


def _one(lab: Lab, store: Subject, put: PutOp, kinds: tuple[type[BaseException], ...]) -> str:
    error = lab.attempt(lambda: store.put(put.namespace, put.key, put.value))
    return f"{type(error).__name__}: {message_of(error)}" if isinstance(error, kinds) else ""
