"""
The shape of what a store gives back, checked before it is looked into.

A store that answers nonsense must end as a finding about the store, wherever its answers are used as a
whole (histories, export and import), and never as an error of ours.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

from store_conformance.harness.compat import Item
from store_conformance.harness.errors import CheckFailedError
from store_conformance.harness.text import represent


class WrongAnswerError(CheckFailedError):
    """The store gave something that is no answer to what it was asked."""

    def __init__(self, call: str, expected: str, got: object) -> None:
        super().__init__(
            f"{call} gave {represent(got, 80)}, not {expected}",
            expected=expected,
            got=represent(got, 80),
        )


def _is_place(namespace: object, key: object) -> bool:
    return _is_namespace(namespace) and isinstance(key, str)


def _is_namespace(found: object) -> bool:
    return isinstance(found, (tuple, list)) and all(isinstance(label, str) for label in found)


def item(found: object, call: str) -> Item | None:
    """An item with a namespace and a key, or ``None``."""
    if found is None:
        return None
    if not isinstance(found, Item):
        raise WrongAnswerError(call, "an Item or None", found)
    if not _is_place(found.namespace, found.key):
        raise WrongAnswerError(call, "an item with a namespace and a key", found)
    return found


def items(found: object, call: str) -> list[Any]:
    """A list of items, each with a namespace, a key, and a number or ``None`` as its score."""
    if not isinstance(found, list):
        raise WrongAnswerError(call, "a list of items", found)
    for one in found:
        if item(one, call) is None:
            raise WrongAnswerError(call, "a list of items", found)
        score = getattr(one, "score", None)
        if score is not None and not isinstance(score, Real):
            raise WrongAnswerError(call, "a number as the score", score)
    return found


def namespaces(found: object, call: str = "list_namespaces") -> list[tuple[str, ...]]:
    """A list of tuples of labels; lists of labels, which L1 looks at, become tuples."""
    if not isinstance(found, list) or not all(_is_namespace(one) for one in found):
        raise WrongAnswerError(call, "a list of tuples of str", found)
    return [tuple(one) for one in found]


def results(found: object, count: int) -> list[Any]:
    """The answers of a batch of ``count`` operations; that they are a list is O1's."""
    if not isinstance(found, (list, tuple)) or len(found) != count:
        raise WrongAnswerError("batch", f"a list of {count} answers", found)
    return list(found)
