"""
Which store a namespace belongs to, and which stores a search or a listing has to ask.

A route answers three questions: does this namespace match, *could* one below this prefix match,
and do *all* below it match.  The second may answer yes too often, which costs one needless
question to a store; it never answers no wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langgraph.store.base import BaseStore, ListNamespacesOp

Namespace = tuple[str, ...]

ANY = "*"


@dataclass(frozen=True, kw_only=True)
class Route:
    """
    Sends the namespaces that meet every given condition to one store.

    `depth` is an exact number of labels, `prefix` the first labels, `pattern` the whole
    namespace; in both of them `*` stands for exactly one label.  `where` is any predicate over
    the namespace: as nothing can be known about it beforehand, its store is asked by every
    search that the other conditions do not rule out.  A predicate has to answer alike each
    time, or items are written to one store and looked for in the other.
    """

    store: BaseStore
    depth: int | None = None
    prefix: Namespace | None = None
    pattern: Namespace | None = None
    where: Callable[[Namespace], bool] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.store, BaseStore):
            raise TypeError(f"a route needs a BaseStore, not {type(self.store).__name__}")
        given = (self.depth, self.prefix, self.pattern, self.where)
        if all(condition is None for condition in given):
            raise ValueError("a route needs a condition: depth, prefix, pattern or where")
        if self.depth is not None and (isinstance(self.depth, bool) or self.depth < 1):
            raise ValueError(f"depth counts labels and is at least 1, not {self.depth!r}")
        for name, labels in (("prefix", self.prefix), ("pattern", self.pattern)):
            if labels is not None:
                _check_labels(name, labels)

    def matches(self, namespace: Namespace) -> bool:
        """
        Tell whether the namespace itself takes this route.
        """
        return (
            (self.depth is None or len(namespace) == self.depth)
            and (self.prefix is None or _starts_with(namespace, self.prefix))
            and (
                self.pattern is None
                or (len(namespace) == len(self.pattern) and _agree(namespace, self.pattern))
            )
            and (self.where is None or bool(self.where(namespace)))
        )

    def may_match_below(self, prefix: Namespace) -> bool:
        """
        Tell whether a namespace that begins with `prefix` could take this route.

        A `*` in the prefix stands for any label.
        """
        return (
            (self.depth is None or len(prefix) <= self.depth)
            and (self.prefix is None or _agree(prefix, self.prefix))
            and (
                self.pattern is None
                or (len(prefix) <= len(self.pattern) and _agree(prefix, self.pattern))
            )
        )

    def takes_all_below(self, prefix: Namespace) -> bool:
        """
        Tell whether every namespace that begins with `prefix` takes this route.
        """
        return (
            self.depth is None
            and self.pattern is None
            and self.where is None
            and self.prefix is not None
            and _starts_with(prefix, self.prefix)
        )


@dataclass(frozen=True)
class Routing:
    """
    Routes in the order they are tried, the first match wins, and the store for all the rest.
    """

    routes: tuple[Route, ...]
    default: BaseStore

    @property
    def stores(self) -> list[BaseStore]:
        """
        Every store once, in the order of the routes, the default last.
        """
        return _once([*(route.store for route in self.routes), self.default])

    def store_of(self, namespace: Namespace) -> BaseStore:
        for route in self.routes:
            if route.matches(namespace):
                return route.store
        return self.default

    def stores_below(self, prefix: Namespace) -> list[BaseStore]:
        """
        The stores that may hold a namespace beginning with `prefix`, always in the same order.
        """
        found: list[BaseStore] = []
        for route in self.routes:
            if route.may_match_below(prefix):
                found.append(route.store)
                if route.takes_all_below(prefix):
                    return _once(found)
        return _once([*found, self.default])

    def stores_listed(self, op: ListNamespacesOp) -> list[BaseStore]:
        """
        The stores that a listing concerns: those that every one of its prefixes allows.
        """
        kept = self.stores
        for condition in op.match_conditions or ():
            if condition.match_type == "prefix":
                allowed = self.stores_below(tuple(condition.path))
                kept = [store for store in kept if any(store is other for other in allowed)]
        return kept or [self.default]


def _starts_with(namespace: Namespace, pattern: Namespace) -> bool:
    return len(namespace) >= len(pattern) and all(
        wanted in (ANY, label) for label, wanted in zip(namespace, pattern, strict=False)
    )


def _agree(labels: Namespace, pattern: Namespace) -> bool:
    # As far as both reach; a literal "*" in a search prefix makes this too generous, never wrong.
    return all(
        ANY in (label, wanted) or label == wanted
        for label, wanted in zip(labels, pattern, strict=False)
    )


def _check_labels(name: str, labels: Sequence[str]) -> None:
    if isinstance(labels, str) or not isinstance(labels, tuple) or not labels:
        raise TypeError(f"{name} is a tuple of at least one label, not {labels!r}")
    for label in labels:
        if not isinstance(label, str) or not label or "." in label:
            raise ValueError(f"{name} {labels!r} holds {label!r}, which can be no label")


def _once(stores: Sequence[BaseStore]) -> list[BaseStore]:
    seen: list[BaseStore] = []
    for store in stores:
        if not any(store is other for other in seen):
            seen.append(store)
    return seen
