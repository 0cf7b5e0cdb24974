"""
Stores that let one user see or touch what is another's, by one door or for some names only (N9).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from urllib.parse import unquote

from langgraph.store.base import MatchCondition, Op, PutOp, SearchOp

from store_conformance.mutants.groups import ALL
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    ReferenceStore,
    Vector,
    Write,
)


class Leaking(ReferenceStore):
    """A base: names of whatever kind are what many rules look at."""

    also: tuple[str, ...] = tuple(rule for rule in ALL if rule[0] in "NXLSFVKOEC")


class FilteredQueriesTakePatterns(Leaking):
    """A query with a filter compares the labels of its prefix by LIKE, and escapes nothing."""

    breaks = "N9"

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        self.like = bool(op.query and op.filter)
        try:
            return super().candidates(op)
        finally:
            self.like = False

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        if not getattr(self, "like", False):
            return super().matches_prefix(namespace, prefix)
        return len(namespace) >= len(prefix) and all(
            self.is_like(label, pattern) for label, pattern in zip(namespace, prefix, strict=False)
        )

    def is_like(self, label: str, pattern: str) -> bool:
        parts = [{"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern]
        return re.fullmatch("".join(parts), label, re.DOTALL) is not None


class ListingsFoldCase(Leaking):
    """A listing by prefix compares labels without regard to case."""

    breaks = "N9"

    def matches_condition(self, namespace: tuple[str, ...], condition: MatchCondition) -> bool:
        folded: Any = tuple(label.casefold() for label in condition.path)
        names = tuple(label.casefold() for label in namespace)
        return super().matches_condition(names, MatchCondition(condition.match_type, folded))


class DeletesNormalise(Leaking):
    """A delete finds its item by the normal form of its labels and key."""

    breaks = "N9"

    def remove_item(self, address: Address) -> None:
        wanted = [unicodedata.normalize("NFKC", part) for part in self.plain(address)]
        for row in self.scan():
            if [unicodedata.normalize("NFKC", p) for p in self.plain(row.address)] == wanted:
                super().remove_item(row.address)

    def plain(self, address: Address) -> tuple[str, ...]:
        return (*self.decode_namespace(address[0]), self.decode_key(address[1]))


class SlashesAreHalfEscaped(Leaking):
    """Labels are joined by ``/`` and escape it as ``%2F``, but not the ``%`` itself."""

    breaks = "N9"

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        return "/".join(str(label).replace("/", "%2F") for label in namespace)

    def decode_namespace(self, text: str) -> tuple[str, ...]:
        return tuple(unquote(part) for part in text.split("/"))


class QuotesInFiltersWiden(Leaking):
    """A quote in a filter's value ends the condition, and that of the namespace with it."""

    breaks = "N9"

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        if "' OR " in repr(list((op.filter or {}).values())):
            return self.visible()
        return super().candidates(op)


class OrWidens(Leaking):
    """A filter named ``$or`` is joined to the condition of the namespace by OR."""

    breaks = "N9"

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        return self.visible() if "$or" in (op.filter or {}) else super().candidates(op)


class DeletesReachLongerLabels(Leaking):
    """A delete removes the key in every namespace whose text begins with that of its own."""

    breaks = "N9"

    def remove_item(self, address: Address) -> None:
        beginning = address[0].removesuffix('"]')
        for row in self.scan():
            if row.namespace_text.startswith(beginning) and row.key_text == address[1]:
                super().remove_item(row.address)


class QueriesOfWordsLeaveTheNamespace(Leaking):
    """A query with a word that its language knows searches everything."""

    breaks = "N9"

    def read_search(self, op: SearchOp, query: Vector | None) -> Any:
        if query is not None and re.search(r"\bOR\b|\*", op.query or ""):
            op = op._replace(namespace_prefix=())
        return super().read_search(op, query)


class LongLabelsAreCut(Leaking):
    """What a label has beyond 48 characters is cut off."""

    breaks = "N9"

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        return super().encode_namespace(tuple(str(label)[:48] for label in namespace))

    def facts(self, row: ItemRow) -> dict[str, Any]:
        return {**super().facts(row), "namespace": self.whole(row)}

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        self.__dict__.setdefault("full", {})[write.address] = write.op.namespace

    def whole(self, row: ItemRow) -> tuple[str, ...]:
        known: dict[Address, tuple[str, ...]] = self.__dict__.get("full", {})
        return known.get(row.address, self.decode_namespace(row.namespace_text))


class KeysShareTheirVectors(Leaking):
    """A put removes the vectors of its key in every namespace."""

    breaks = "N9"

    def apply(self, write: Write, embedded: Embedded) -> None:
        super().apply(write, embedded)
        if self.embeddings is not None:
            self.connection.execute(
                "DELETE FROM vectors WHERE key = ? AND namespace <> ?",
                (write.address[1], write.address[0]),
            )


class PutsTouchTheirTwins(Leaking):
    """A put counts as an update of the same key in namespaces that differ in case only."""

    breaks = "N9"

    def prepare(self, op: PutOp) -> Write:
        write = super().prepare(op)
        self.connection.execute(
            "UPDATE items SET updated_at = updated_at + 1"
            " WHERE key = ? AND lower(namespace) = lower(?) AND namespace <> ?",
            (write.address[1], write.address[0], write.address[0]),
        )
        return write


class Identifiers(Leaking):
    """A base: names that are no identifiers of small letters and digits are refused, so that few attacks can be made."""

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        labels: Any = getattr(op, "namespace", None) or getattr(op, "namespace_prefix", ())
        for name in (*labels, str(getattr(op, "key", "k"))):
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
                raise ValueError(f"{name!r} is no identifier of small letters and digits.")


class IdentifiersArePatterns(Identifiers, FilteredQueriesTakePatterns):
    """Names are identifiers, and a query with a filter compares the labels of its prefix by LIKE."""

    breaks = "N9"


class IdentifiersReachLongerOnes(Identifiers, DeletesReachLongerLabels):
    """Names are identifiers, and a delete removes the key in every namespace whose text begins with that of its own."""

    breaks = "N9"
