"""
Stores that are right as long as they are open, and not after they were closed and opened again.
"""

from __future__ import annotations

import json
from typing import Any

from store_conformance.mutants.broken_durability import REOPENED, REOPENED_TOO
from store_conformance.mutants.groups import ALL
from store_conformance.mutants.reference import Address, ItemRow, ReferenceStore, Vector, Write


class Counted(ReferenceStore):
    """A base for stores that know how often their location was opened before; ``setup`` counts."""

    also: tuple[str, ...] = REOPENED
    before = 0

    def setup(self) -> None:
        super().setup()
        if not getattr(self, "counted", False):
            self.counted = True
            with self.transaction():
                found = self.connection.execute("SELECT value FROM facts WHERE name = 'opened'")
                self.before = int((found.fetchone() or ["0"])[0])
                self.connection.execute(
                    "INSERT OR REPLACE INTO facts VALUES ('opened', ?)", (str(self.before + 1),)
                )
                if self.before:
                    self.opened_again()

    def opened_again(self) -> None:
        return None


class KeysAreFoldedAfterReopening(Counted):
    """After a reopening keys are found without regard to case."""

    breaks = "E4"
    also = ALL

    def find(self, address: Address) -> Any:
        found = super().find(address)
        if found is None and self.before:
            wanted = self.decode_key(address[1]).casefold()
            same = [r for r in self.scan() if r.namespace_text == address[0]]
            found = next(
                (r for r in same if self.decode_key(r.key_text).casefold() == wanted), None
            )
        return found

    def remove_item(self, address: Address) -> None:
        row = self.find(address)
        super().remove_item(row.address if row else address)


class RowsAreCountedAnewAfterReopening(Counted):
    """After a reopening new items take the rows of the oldest ones."""

    breaks = "E4"
    also = ALL

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        rows = list(self.scan()) if old is None and self.before else []
        if rows:
            self.remove_item(min(rows, key=lambda row: row.rowid).address)
        super().write_item(write, old)


class VectorsAreCountedAnewAfterReopening(Counted):
    """After a reopening new vectors take the places of the oldest ones."""

    breaks = "E4"
    also = ALL

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        if self.before and write.texts:
            oldest = "(SELECT min(rowid) FROM vectors)"
            self.connection.execute(f"DELETE FROM vectors WHERE rowid = {oldest}")
        super().write_vectors(write, documents)


class DeletesAreFoldedAfterReopening(Counted):
    """After a reopening a delete takes the keys that differ in case only."""

    breaks = "E4"
    also = ALL

    def remove_item(self, address: Address) -> None:
        wanted = self.decode_key(address[1]).casefold()
        for row in self.scan() if self.before else ():
            key = self.decode_key(row.key_text).casefold()
            if row.namespace_text == address[0] and key == wanted:
                super().remove_item(row.address)
        super().remove_item(address)


class DeletesReachBelowAfterReopening(Counted):
    """After a reopening a delete takes the key from the namespaces below too."""

    breaks = "E4"
    also = ALL

    def remove_item(self, address: Address) -> None:
        home = self.decode_namespace(address[0])
        for row in self.scan() if self.before else ():
            below = self.decode_namespace(row.namespace_text)[: len(home)] == home
            if below and row.key_text == address[1]:
                super().remove_item(row.address)
        super().remove_item(address)


class UpdatesAreLostAtReopening(Counted):
    """After a reopening ``updated_at`` is the time of the creation."""

    breaks = "E4"

    def opened_again(self) -> None:
        self.connection.execute("UPDATE items SET updated_at = created_at")


class NumbersAreReadAnewAfterReopening(Counted):
    """After a reopening whole numbers are floats."""

    breaks = "E4"

    def opened_again(self) -> None:
        rows = self.connection.execute("SELECT rowid, value FROM items").fetchall()
        for rowid, text in rows:
            value = json.dumps(json.loads(text, parse_int=float))
            self.connection.execute("UPDATE items SET value = ? WHERE rowid = ?", (value, rowid))


class EmptyValuesAreLostAtReopening(Counted):
    """After a reopening fields that are null or empty are gone."""

    breaks = "E4"

    def opened_again(self) -> None:
        rows = self.connection.execute("SELECT rowid, value FROM items").fetchall()
        for rowid, text in rows:
            kept = {k: v for k, v in json.loads(text).items() if v not in (None, [], {}, "")}
            changed = (json.dumps(kept), rowid)
            self.connection.execute("UPDATE items SET value = ? WHERE rowid = ?", changed)


class OneKeyIsOneItemAfterReopening(Counted):
    """After a reopening a key that is in several namespaces has one value in all of them."""

    breaks = "E4"

    def opened_again(self) -> None:
        self.connection.execute(
            "UPDATE items SET value = (SELECT value FROM items AS one WHERE one.key = items.key"
            " ORDER BY rowid LIMIT 1)"
        )


class TheSecondReopeningBringsBackTheFirst(Counted):
    """A second reopening finds the values that the first one found."""

    breaks = "E4"

    def opened_again(self) -> None:
        if self.before == 1:
            self.connection.execute(
                "INSERT OR REPLACE INTO facts SELECT 'kept:' || rowid, value FROM items"
            )
        elif self.before == 2:
            self.connection.execute(
                "UPDATE items SET value = coalesce((SELECT value FROM facts"
                " WHERE name = 'kept:' || items.rowid), value)"
            )


class VectorsOfOverwritesAreLostAtReopening(Counted):
    """After a reopening an item that was overwritten has no vector."""

    breaks = "E4"

    def opened_again(self) -> None:
        self.connection.execute(
            "DELETE FROM vectors WHERE (namespace, key) IN"
            " (SELECT namespace, key FROM items WHERE updated_at > created_at)"
        )


class EverOverwrittenNeverExpires(Counted):
    """After a reopening an item that was overwritten does not expire."""

    breaks = "E4"
    also = REOPENED_TOO

    def opened_again(self) -> None:
        self.connection.execute(
            "UPDATE items SET expires_at = NULL, ttl = NULL WHERE updated_at > created_at"
        )
