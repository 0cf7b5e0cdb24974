"""
Stores that are right in the middle and wrong at the edges: deep, long, large, close together, and after the closing.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, cast

from langgraph.store.base import (
    ListNamespacesOp,
    PutOp,
    TTLConfig,
)

from store_conformance.mutants.groups import (
    ALL,
    DELETES,
    FILTERS,
    LISTS,
    LIVES,
    PLAIN,
    REPLACES,
    VECTORS,
)
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    ReferenceStore,
    Vector,
    Write,
)

# values


class NamesOfAColumn(ReferenceStore):
    """A field is known by the first 63 characters of its name."""

    breaks = "K6"
    also = (*FILTERS, "K13")

    def encode_value(self, value: Any) -> str:
        return super().encode_value({name[:63]: part for name, part in dict(value).items()})


class DeepNumbersAreShort(ReferenceStore):
    """Floats below the third level have 15 digits."""

    breaks = "K6"
    also = ("K7", "E9")

    def decode_value(self, text: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self.shortened(super().decode_value(text), 0))

    def shortened(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {name: self.shortened(part, depth + 1) for name, part in value.items()}
        if isinstance(value, list):
            return [self.shortened(part, depth + 1) for part in value]
        return float(f"{value:.15g}") if isinstance(value, float) and depth > 2 else value


class Spilling(ReferenceStore):
    """A base for stores that keep large values in files beside the database, besides the row."""

    LARGE = 100_000

    def spilled(self, address: Address) -> Path:
        return Path(self.at.path) / f"spilled-{zlib.crc32(repr(address).encode()):x}"

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        if len(write.text or "") > self.LARGE:
            self.spilled(write.address).write_text(write.text or "")


class TheSpilledValueWins(Spilling):
    """A large value is read from its file, which is there still when a small one has taken its place."""

    breaks = "K3"
    also = (*PLAIN, *REPLACES, "K6", "K13", "X4")

    def load_value(self, row: ItemRow) -> dict[str, Any]:
        file = self.spilled(row.address)
        return self.decode_value(file.read_text()) if file.exists() else super().load_value(row)

    def remove_item(self, address: Address) -> None:
        super().remove_item(address)
        self.spilled(address).unlink(missing_ok=True)


class TheSpilledFileStays(Spilling):
    """A large value has a file to itself, which nobody removes."""

    breaks = "X4"
    also = (*PLAIN, "O19", "X1")


# what a caller hands in


class PathsAreSortedInPlace(ReferenceStore):
    """The paths of the index argument are sorted in the caller's own list."""

    breaks = "K14"
    also = VECTORS

    def fields(self, op: PutOp) -> list[str]:
        if isinstance(op.index, list):
            op.index.sort()
        return super().fields(op)


class TheTtlConfigurationIsFilled(ReferenceStore):
    """What a TTLConfig leaves open is written into the caller's own dict."""

    breaks = "K14"
    also = LIVES

    def __init__(self, at: Any, *, index: Any = None, ttl: TTLConfig | None = None) -> None:
        if ttl is not None:
            ttl.setdefault("refresh_on_read", True)
        super().__init__(at, index=index, ttl=ttl)


# vectors


class AGapEndsTheList(ReferenceStore):
    """The elements of a list are embedded up to the first that lacks the field."""

    breaks = "V2"
    also = VECTORS

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        if "[*]." not in path:
            return super().texts_at(value, path)
        head, tail = path.split("[*].", 1)
        found: list[str] = []
        while texts := super().texts_at(value, f"{head}[{len(found)}].{tail}"):
            found += texts[:1]
        return found


class TenVectorsAPath(ReferenceStore):
    """The number of an element is kept as one digit."""

    breaks = "V3"
    also = (*VECTORS, "K13")

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        texts = tuple((path, number % 10, text) for path, number, text in write.texts)
        super().write_vectors(Write(write.op, write.address, write.text, texts), documents)


class TheLastOfOneIsNone(ReferenceStore):
    """``[-1]`` of a list of one element is before its beginning."""

    breaks = "V3"
    also = VECTORS

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        if path.endswith("[-1]") and not super().texts_at(value, path.replace("[-1]", "[1]")):
            return []
        return super().texts_at(value, path)


class ScoresAreRoundedFirst(ReferenceStore):
    """Scores are rounded to two digits before they are compared; the order of keys decides between equal ones."""

    breaks = "V4"
    also = (*VECTORS, "V9")

    def rank(self, scored: Any) -> list[tuple[ItemRow, float | None]]:
        hits = super().rank(scored)
        return sorted(hits, key=lambda hit: (-round(hit[1] or 0.0, 2), hit[0].key_text))


class HalvedWhenClosed(ReferenceStore):
    """Vectors are made into half precision when the store is closed."""

    breaks = "V17"
    also = ("V5", "V11", "O16")

    def close(self) -> None:
        import struct

        self.stop_ttl_sweeper()
        with self.transaction():
            rows = self.connection.execute("SELECT rowid, vector FROM vectors").fetchall()
            for rowid, data in rows:
                vector = self.decode_vector(data)
                halves = struct.unpack(f"{len(vector)}e", struct.pack(f"{len(vector)}e", *vector))
                self.connection.execute(
                    "UPDATE vectors SET vector = ? WHERE rowid = ?",
                    (self.encode_vector(halves), rowid),
                )
        super().close()


class VectorsAreTidiedUp(ReferenceStore):
    """At the closing, the vectors of overwritten items that will expire are taken for old ones."""

    breaks = "V17"
    also = (*VECTORS, *LIVES)

    def close(self) -> None:
        with self.transaction():
            self.connection.execute(
                "DELETE FROM vectors WHERE (namespace, key) IN (SELECT namespace, key FROM items"
                " WHERE ttl IS NOT NULL AND created_at < updated_at)"
            )
        super().close()


class OneElementIsNamedOtherwise(ReferenceStore):
    """Where a path finds one text its vector has the path's name, else numbers; an overwrite removes those it knows."""

    breaks = "V11"
    also = (*VECTORS, *REPLACES, *DELETES)

    def apply(self, write: Write, embedded: Embedded) -> None:
        self.single = len(write.texts) < 2
        super().apply(write, embedded)

    def remove_vectors(self, address: Address) -> None:
        if getattr(self, "single", True):
            super().remove_vectors(address)
            return
        self.connection.execute(
            "DELETE FROM vectors WHERE namespace = ? AND key = ? AND number >= 0", address
        )

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        texts = tuple((p, -1 if self.single else n, t) for p, n, t in write.texts)
        super().write_vectors(Write(write.op, write.address, write.text, texts), documents)


class NamespacesAreThoseWithVectors(ReferenceStore):
    """Where there is an index, namespaces are read from the table of vectors."""

    breaks = "L1"
    also = (*LISTS, *(rule for rule in ALL if rule[0] in "VXOE"))

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        if not self.embeddings:
            return super().read_namespaces(op)
        rows = self.connection.execute("SELECT DISTINCT namespace FROM vectors").fetchall()
        held = {self.decode_namespace(text) for (text,) in rows}
        return [name for name in super().read_namespaces(op) if name in held]
