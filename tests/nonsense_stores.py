"""
Stores whose answers are no answers, as factories by kind; data for ``test_nonsense.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

from langgraph.store.base import GetOp, ListNamespacesOp, Op, SearchOp
from langgraph.store.memory import InMemoryStore


class Hostile:
    """It can neither be shown nor compared."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __repr__(self) -> str:
        raise RuntimeError("repr")


def _with(**changed: Any) -> Callable[[Any], Any]:
    def change(item: Any) -> Any:
        made = copy.copy(item)
        for name, value in changed.items():
            setattr(made, name, value)
        return made

    return lambda found: [change(i) for i in found] if isinstance(found, list) else change(found)


KINDS: dict[str, tuple[type[Any] | None, Callable[[Any], Any]]] = {
    "a text for a get": (GetOp, lambda found: "x"),
    "a hostile object for a get": (GetOp, lambda found: Hostile()),
    "a text as the value": (GetOp, lambda found: found and _with(value="text")(found)),
    "none for a search": (SearchOp, lambda found: None),
    "dicts for a search": (SearchOp, lambda found: [i.dict() for i in found]),
    "items of no namespace": (SearchOp, _with(namespace=None)),
    "items of no key": (SearchOp, _with(key=None)),
    "hostile namespaces": (ListNamespacesOp, lambda found: [Hostile() for _ in found]),
    "namespaces of none": (ListNamespacesOp, lambda found: [(None,) for _ in found]),
    "none for a batch": (None, lambda answers: None),
    "an answer too few": (None, lambda answers: answers[:-1]),
}


class Nonsense(InMemoryStore):
    def __init__(self, kind: str, index: Any) -> None:
        super().__init__(index=index)
        self.kind = kind

    def spoil(self, ops: list[Op], answers: list[Any]) -> Any:
        asked, change = KINDS[self.kind]
        if asked is None:
            return change(answers)
        return [change(a) if isinstance(op, asked) else a for op, a in zip(ops, answers)]

    def batch(self, ops: Iterable[Op]) -> Any:
        ops = list(ops)
        return self.spoil(ops, super().batch(ops))

    async def abatch(self, ops: Iterable[Op]) -> Any:
        ops = list(ops)
        return self.spoil(ops, await super().abatch(ops))


def open_store(at: Any, index: Any, ttl: Any, kind: str) -> Nonsense:
    return Nonsense(kind, index)
