"""
Stores that break the rules of delete (X1 to X7).
"""

from __future__ import annotations

from typing import Any

from langgraph.store.base import GetOp, Item, ListNamespacesOp, PutOp, SearchItem, SearchOp

from store_conformance.mutants.groups import ALL, DELETES, LISTS
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Write,
)

# X1


class DeleteHidesFromGetOnly(ReferenceStore):
    """A deleted item is still found by search."""

    breaks = "X1"
    also = DELETES

    def remove_item(self, address: Address) -> None:
        self.connection.execute(
            "UPDATE items SET ttl = -1 WHERE namespace = ? AND key = ?", address
        )

    def read_item(self, op: GetOp) -> Item | None:
        row = self.find(self.address(op.namespace, op.key))
        return None if row and row.ttl == -1 else super().read_item(op)


class DeleteHidesFromSearchOnly(ReferenceStore):
    """A deleted item is still given by get."""

    breaks = "X1"
    also = DELETES

    def remove_item(self, address: Address) -> None:
        self.connection.execute(
            "UPDATE items SET ttl = -1 WHERE namespace = ? AND key = ?", address
        )

    def scan(self) -> list[ItemRow]:
        return [row for row in super().scan() if row.ttl != -1]


class DeletedItemsAreFoundByMeaning(ReferenceStore):
    """A deleted item that has a vector is still found by a query."""

    breaks = "X1"
    also = (*DELETES, "T7")

    def apply(self, write: Write, embedded: Embedded) -> None:
        kept = self.connection.execute(
            "SELECT 1 FROM vectors WHERE namespace = ? AND key = ?", write.address
        ).fetchone()
        if write.text is None and kept:
            self.connection.execute(
                "UPDATE items SET ttl = -1 WHERE namespace = ? AND key = ?", write.address
            )
        else:
            super().apply(write, embedded)

    def find(self, address: Address) -> ItemRow | None:
        row = super().find(address)
        return None if row and row.ttl == -1 else row

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        self.semantic = query is not None
        return super().read_search(op, query)

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        rows = super().order(rows)
        return rows if getattr(self, "semantic", False) else [r for r in rows if r.ttl != -1]


class DeleteNeedsTwoCalls(ReferenceStore):
    """The first delete of an item only marks it."""

    breaks = "X1"
    also = DELETES

    def apply(self, write: Write, embedded: Embedded) -> None:
        row = self.find(write.address)
        if write.text is None and row and row.ttl != -1:
            self.connection.execute("UPDATE items SET ttl = -1 WHERE rowid = ?", (row.rowid,))
        else:
            super().apply(write, embedded)


class AsyncDeleteDoesNothing(ReferenceStore):
    """``adelete`` is acknowledged and ignored."""

    breaks = "X1"
    also = DELETES
    modes = ("async",)

    async def adelete(self, namespace: tuple[str, ...], key: str) -> None:
        await self.aget(namespace, key)


class DeleteDoesNothing(ReferenceStore):
    """``delete`` is acknowledged and ignored."""

    breaks = "X1"
    also = DELETES

    def apply(self, write: Write, embedded: Embedded) -> None:
        if write.text is not None:
            super().apply(write, embedded)


class OverwrittenItemsCannotBeDeleted(ReferenceStore):
    """An item that was overwritten once cannot be deleted."""

    breaks = "X1"
    also = DELETES

    def remove_item(self, address: Address) -> None:
        row = self.find(address)
        if row and row.created_at == row.updated_at:
            super().remove_item(address)


# X2


class DeleteOfMissingRaises(ReferenceStore):
    """``delete`` of a missing item raises KeyError."""

    breaks = "X2"
    also = (*DELETES, "N2", "X6")

    def remove_item(self, address: Address) -> None:
        if self.find(address) is None:
            raise KeyError(address[1])
        super().remove_item(address)


class SecondDeleteRaises(ReferenceStore):
    """``delete`` of an item that was deleted before raises."""

    breaks = "X2"
    also = (*DELETES, "X6")

    def remove_item(self, address: Address) -> None:
        gone: set[Address] = self.__dict__.setdefault("gone", set())
        if address in gone and self.find(address) is None:
            raise KeyError(address[1])
        gone.add(address)
        super().remove_item(address)


class DeleteSaysWhetherItDid(ReferenceStore):
    """``delete`` gives a bool."""

    breaks = "X2"
    also = ("O1", "O7", "X1", "N2")

    def delete(self, namespace: tuple[str, ...], key: str) -> Any:
        found = self.get(namespace, key)
        super().delete(namespace, key)
        return found is not None

    async def adelete(self, namespace: tuple[str, ...], key: str) -> Any:
        found = await self.aget(namespace, key)
        await super().adelete(namespace, key)
        return found is not None


class DeleteInUnknownNamespaceRaises(ReferenceStore):
    """``delete`` raises when the namespace holds no item at all."""

    breaks = "X2"
    also = (*DELETES, "N2", "X6")

    def remove_item(self, address: Address) -> None:
        sql = "SELECT 1 FROM items WHERE namespace = ?"
        if self.connection.execute(sql, address[:1]).fetchone() is None:
            raise LookupError("No such namespace.")
        super().remove_item(address)


# X3


class PutOfNoneStoresNothing(ReferenceStore):
    """A put of None is ignored."""

    breaks = "X3"
    also = ("O3", "O1", "O7", "K4", "V11", "X2", "X4", "X5", "X7")

    def put(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        if value is not None:
            super().put(namespace, key, value, *args, **kwargs)

    async def aput(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        if value is not None:
            await super().aput(namespace, key, value, *args, **kwargs)


class PutOfNoneStoresAnEmptyValue(ReferenceStore):
    """A put of None stores an empty value."""

    breaks = "X3"
    also = ("X1", "O3", "O1", "O7", "K4", "X2", "X5", "X7")

    def put(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        super().put(namespace, key, {} if value is None else value, *args, **kwargs)

    async def aput(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        await super().aput(namespace, key, {} if value is None else value, *args, **kwargs)


class PutOfNoneIsRefused(ReferenceStore):
    """A put of None is refused."""

    breaks = "X3"
    also = ("O3", "O1", "O7", "K4", "V11", "X2", "X4", "X5", "X7")

    def put(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        if value is None:
            raise TypeError("A value must be a mapping.")
        super().put(namespace, key, value, *args, **kwargs)

    async def aput(self, namespace: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        if value is None:
            raise TypeError("A value must be a mapping.")
        await super().aput(namespace, key, value, *args, **kwargs)


class DeletesAreIgnoredInBatches(ReferenceStore):
    """A delete among several operations is ignored."""

    breaks = "X3"
    also = (*DELETES, "O1", "O3", "O5", "T7")

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> Any:
        kept = [write for write in writes if write.text is not None or len(plan.ops) == 1]
        return super().run(plan, kept, embedded)


class PutOpOfNoneStoresNull(ReferenceStore):
    """A PutOp of None stores an empty value."""

    breaks = "X3"
    also = ALL

    def prepare(self, op: PutOp) -> Write:
        return super().prepare(op if op.value is not None else op._replace(value={}))


# X4


class DeleteLeavesVectors(ReferenceStore):
    """A deleted item leaves its vectors, which the next item of that key inherits."""

    breaks = "X4"
    also = (*DELETES, "V11")

    def apply(self, write: Write, embedded: Embedded) -> None:
        self.fresh = write.text is None or self.find(write.address) is None
        super().apply(write, embedded)

    def remove_vectors(self, address: Address) -> None:
        if not getattr(self, "fresh", False):
            super().remove_vectors(address)


class DeleteLeavesAllVectorsButOne(ReferenceStore):
    """A deleted item leaves all its vectors but the first."""

    breaks = "X4"
    also = (*DELETES, "V11")

    def apply(self, write: Write, embedded: Embedded) -> None:
        self.fresh = write.text is None or self.find(write.address) is None
        super().apply(write, embedded)

    def remove_vectors(self, address: Address) -> None:
        if getattr(self, "fresh", False):
            self.connection.execute(
                "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors"
                " WHERE namespace = ? AND key = ? LIMIT 1)",
                address,
            )
        else:
            super().remove_vectors(address)


class DeleteWithoutIndexLeavesVectors(ReferenceStore):
    """A store that was opened without an index deletes items but not their vectors."""

    breaks = "X4"
    also = (*DELETES, "V11", "V17")

    def remove_vectors(self, address: Address) -> None:
        if self.embeddings or self.find(address) is None:
            super().remove_vectors(address)

    def apply(self, write: Write, embedded: Embedded) -> None:
        if write.text is not None and self.find(write.address) is None:
            self.write_item(write, None)
            self.write_vectors(write, embedded.documents)
        else:
            super().apply(write, embedded)


# X5


class NamespacesStayListed(ReferenceStore):
    """A namespace stays listed when its last item is deleted."""

    breaks = "X5"
    also = (*LISTS, "T7", "X4")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        self.connection.execute(
            "INSERT OR IGNORE INTO facts VALUES (?, '')", ("seen:" + write.address[0],)
        )

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        rows = self.connection.execute("SELECT name FROM facts WHERE name LIKE 'seen:%'")
        self.seen = [ItemRow(0, name[5:], "", 0, 0, None, None) for (name,) in rows]
        try:
            return super().read_namespaces(op)
        finally:
            self.seen = []

    def scan(self) -> list[ItemRow]:
        return super().scan() + getattr(self, "seen", [])


class NamespacesStayListedUntilClosed(ReferenceStore):
    """A namespace stays listed by this store object when its last item is deleted."""

    breaks = "X5"
    also = (*LISTS, "T7")

    def remove_item(self, address: Address) -> None:
        self.ghosts: dict[str, ItemRow] = self.__dict__.get("ghosts", {})
        self.ghosts[address[0]] = ItemRow(0, address[0], "", 0, 0, None, None)
        super().remove_item(address)

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        self.listing = True
        try:
            return super().read_namespaces(op)
        finally:
            self.listing = False

    def scan(self) -> list[ItemRow]:
        ghosts = self.__dict__.get("ghosts", {}) if getattr(self, "listing", False) else {}
        return super().scan() + list(ghosts.values())


# X6


class CreatesNamespaces(ReferenceStore):
    """A base for stores that create a namespace where none was asked for."""

    def create(self, namespace: tuple[str, ...]) -> None:
        text = self.encode_namespace(namespace)
        self.made: dict[str, ItemRow] = self.__dict__.get("made", {})
        self.made[text] = ItemRow(0, text, "", 0, 0, None, None)

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        self.listing = True
        try:
            return super().read_namespaces(op)
        finally:
            self.listing = False

    def scan(self) -> list[ItemRow]:
        made = self.__dict__.get("made", {}) if getattr(self, "listing", False) else {}
        return super().scan() + list(made.values())


class GetCreatesNamespace(CreatesNamespaces):
    """``get`` makes its namespace appear in the list."""

    breaks = "X6"
    also = LISTS

    def read_item(self, op: GetOp) -> Item | None:
        self.create(op.namespace)
        return super().read_item(op)


class SearchCreatesNamespace(CreatesNamespaces):
    """``search`` makes its namespace appear in the list."""

    breaks = "X6"
    also = (*LISTS, "O1", "O16", "X8")

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        if op.namespace_prefix:
            self.create(op.namespace_prefix)
        return super().read_search(op, query)


class DeleteCreatesNamespace(CreatesNamespaces):
    """``delete`` of a missing item makes its namespace appear in the list."""

    breaks = "X6"
    also = LISTS

    def remove_item(self, address: Address) -> None:
        if self.find(address) is None:
            self.create(self.decode_namespace(address[0]))
        super().remove_item(address)


class GetCreatesAnEmptyItem(ReferenceStore):
    """``get`` of a missing item answers None and stores an empty one."""

    breaks = "X6"
    also = ALL

    def read_item(self, op: GetOp) -> Item | None:
        item = super().read_item(op)
        if item is None and op.namespace:
            address = self.address(op.namespace, op.key)
            self.write_item(Write(PutOp(op.namespace, op.key, {}), address, "{}"), None)
        return item


class DeleteOfMissingLeavesATombstone(ReferenceStore):
    """``delete`` of a missing item stores an empty one."""

    breaks = "X6"
    also = (*DELETES, "X1", "X2")

    def apply(self, write: Write, embedded: Embedded) -> None:
        if write.text is None and self.find(write.address) is None:
            self.write_item(Write(write.op, write.address, "{}"), None)
        else:
            super().apply(write, embedded)


# X7


class DeleteTakesTheNamespace(ReferenceStore):
    """``delete`` removes every item of the namespace."""

    breaks = "X7"
    also = (*DELETES, "T5", "X6")

    def remove_item(self, address: Address) -> None:
        self.connection.execute("DELETE FROM items WHERE namespace = ?", address[:1])


class DeleteTakesTheKeyEverywhere(ReferenceStore):
    """``delete`` removes the key from every namespace."""

    breaks = "X7"
    also = (*DELETES, "N2", "X6")

    def remove_item(self, address: Address) -> None:
        self.connection.execute("DELETE FROM items WHERE key = ?", address[1:])


class DeleteTakesDescendants(ReferenceStore):
    """``delete`` removes the key from the namespaces below too."""

    breaks = "X7"
    also = (*DELETES, "N2")

    def remove_item(self, address: Address) -> None:
        namespace = self.decode_namespace(address[0])
        for row in self.scan():
            below = self.decode_namespace(row.namespace_text)[: len(namespace)] == namespace
            if below and row.key_text == address[1]:
                super().remove_item(row.address)


class DeleteTakesKeysThatStartAlike(ReferenceStore):
    """``delete`` removes every key that starts with the given one."""

    breaks = "X7"
    also = (*DELETES, "K11", "K13", "O5")

    def remove_item(self, address: Address) -> None:
        key = self.decode_key(address[1])
        for row in self.scan():
            alike = str(self.decode_key(row.key_text)).startswith(key)
            if row.namespace_text == address[0] and alike:
                super().remove_item(row.address)


class DeleteIgnoresCase(ReferenceStore):
    """``delete`` removes keys that differ in case only."""

    breaks = "X7"
    also = (*DELETES, "K11", "N7")

    def remove_item(self, address: Address) -> None:
        self.connection.execute(
            "DELETE FROM items WHERE lower(namespace) = lower(?) AND lower(key) = lower(?)", address
        )


class DeleteTakesLikePatterns(ReferenceStore):
    """``delete`` takes its key for a LIKE pattern."""

    breaks = "X7"
    also = (*DELETES, "K11", "N5")

    def remove_item(self, address: Address) -> None:
        self.connection.execute("DELETE FROM items WHERE namespace = ? AND key LIKE ?", address)


class DeleteTakesEqualValues(ReferenceStore):
    """``delete`` removes the items of the namespace that hold the same value."""

    breaks = "X7"
    also = DELETES

    def remove_item(self, address: Address) -> None:
        self.connection.execute(
            "DELETE FROM items WHERE namespace = ? AND value IN"
            " (SELECT value FROM items WHERE namespace = ? AND key = ?)",
            (address[0], *address),
        )


class DeleteTakesEqualValuesEverywhere(ReferenceStore):
    """``delete`` removes every item that holds the same value under another key."""

    breaks = "X7"
    also = DELETES

    def remove_item(self, address: Address) -> None:
        self.connection.execute(
            "DELETE FROM items WHERE value IN"
            " (SELECT value FROM items WHERE namespace = ? AND key = ?)",
            address,
        )


class PutMovesTheKey(ReferenceStore):
    """A put removes the same key from every other namespace."""

    breaks = "X7"
    also = ALL

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        self.connection.execute(
            "DELETE FROM items WHERE key = ? AND namespace <> ?", write.address[::-1]
        )
        super().write_item(write, old)


class PutDropsEqualValues(ReferenceStore):
    """A put removes other items of the namespace that hold the same value."""

    breaks = "X7"
    also = ALL

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        self.connection.execute(
            "DELETE FROM items WHERE namespace = ? AND value = ? AND key <> ?",
            (write.address[0], write.text, write.address[1]),
        )
        super().write_item(write, old)


class PutChangesTheSameKeyBelow(ReferenceStore):
    """A put writes its value to the same key in the namespaces below too."""

    breaks = "X7"
    also = ALL

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        self.connection.execute(
            "UPDATE items SET value = ? WHERE key = ? AND namespace LIKE ?",
            (write.text, write.address[1], write.address[0][:-1] + ",%"),
        )


class DeleteOfUppercaseKeysTakesTheLowercase(ReferenceStore):
    """``delete`` of a key with capitals removes the one in small letters."""

    breaks = "X7"
    also = (*DELETES, "K11")

    def remove_item(self, address: Address) -> None:
        super().remove_item((address[0], address[1].lower()))
        super().remove_item(address)
