"""
Legal variants of what becomes a vector: the docs say "separately" of the elements of an array, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from langgraph.store.base import PutOp

from store_conformance.mutants.correct import Variant
from store_conformance.mutants.reference import ReferenceStore


class FieldsAreOneText(Variant, ReferenceStore):
    """The fields of an item are one text, a line each, and so one vector; elements of an array have their own."""

    def texts_to_embed(self, op: PutOp, text: str) -> Iterator[tuple[str, int, str]]:
        found = list(super().texts_to_embed(op, text))
        lines = [line for path, _, line in found if "*" not in path]
        if lines:
            yield "fields", 0, "\n".join(lines)
        yield from (one for one in found if "*" in one[0])
