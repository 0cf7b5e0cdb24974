"""
Stores that join labels to text for one door and forget the checks there.
"""

from __future__ import annotations

from typing import Any

from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, Op, PutOp, SearchOp

from store_conformance.mutants.groups import ALL
from store_conformance.mutants.reference import ReferenceStore, Vector


class Unchecked(ReferenceStore):
    """A base for stores that look at no label of some operations, and join them by dots."""

    also: tuple[str, ...] = tuple(rule for rule in ALL if rule[0] in "NOLX" or rule == "S1")
    kinds: tuple[type[Any], ...] = ()

    def get(self, namespace: Any, key: str, **more: Any) -> Any:
        if GetOp in self.kinds:
            return self.batch([GetOp(namespace, str(key))])[0]
        return super().get(namespace, key, **more)

    def validate_namespaces(self, op: Op) -> None:
        if not isinstance(op, self.kinds):
            super().validate_namespaces(op)

    def joined(self, namespace: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(label for label in ".".join(map(str, namespace)).split(".") if label)


class GetsJoinLabels(Unchecked):
    """A get in a batch looks at labels as text joined by dots."""

    breaks = "N7"
    kinds = (GetOp,)

    def read_item(self, op: GetOp) -> Any:
        return super().read_item(op._replace(namespace=self.joined(op.namespace)))


class SearchesJoinLabels(Unchecked):
    """A search looks at its prefix as text joined by dots."""

    breaks = "N7"
    kinds = (SearchOp,)

    def read_search(self, op: SearchOp, query: Vector | None) -> Any:
        prefix = self.joined(op.namespace_prefix)
        return super().read_search(op._replace(namespace_prefix=prefix), query)


class QueriesJoinLabels(Unchecked):
    """A query looks at its prefix as text joined by dots; a plain search does not."""

    breaks = "N7"
    kinds = (SearchOp,)

    def validate_namespaces(self, op: Op) -> None:
        if not (isinstance(op, SearchOp) and op.query):
            ReferenceStore.validate_namespaces(self, op)

    def search(self, namespace_prefix: Any, /, **more: Any) -> Any:
        if more.get("query"):
            return self.batch([SearchOp(namespace_prefix, **more)])[0]
        return super().search(namespace_prefix, **more)

    async def asearch(self, namespace_prefix: Any, /, **more: Any) -> Any:
        if more.get("query"):
            return (await self.abatch([SearchOp(namespace_prefix, **more)]))[0]
        return await super().asearch(namespace_prefix, **more)

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        return super().matches_prefix(namespace, self.joined(prefix))


class ListingsJoinLabels(Unchecked):
    """A listing looks at its paths as text joined by dots."""

    breaks = "N7"
    kinds = (ListNamespacesOp,)

    def matches_condition(self, namespace: tuple[str, ...], condition: MatchCondition) -> bool:
        path: Any = self.joined(condition.path)
        return super().matches_condition(namespace, MatchCondition(condition.match_type, path))


class DeletesJoinLabels(Unchecked):
    """A delete in a batch looks at labels as text joined by dots."""

    breaks = "N7"
    kinds = (PutOp,)

    def prepare(self, op: PutOp) -> Any:
        joined = self.joined(op.namespace) if op.value is None else op.namespace
        return super().prepare(op._replace(namespace=joined))


class PutsJoinLabels(Unchecked):
    """A put in a batch looks at labels as text joined by dots."""

    breaks = "N7"
    kinds = (PutOp,)

    def prepare(self, op: PutOp) -> Any:
        return super().prepare(op._replace(namespace=self.joined(op.namespace)))


class NulEndsALabel(Unchecked):
    """Labels end at NUL, for reads and deletes in a batch."""

    breaks = "N7"
    kinds = (GetOp, SearchOp, PutOp)

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        return super().encode_namespace(tuple(str(label).split("\x00")[0] for label in namespace))
