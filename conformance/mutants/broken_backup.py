"""
Stores that are right where they are, and of which a backup does not bring everything back (E10).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from langgraph.store.base import BaseStore, IndexConfig, TTLConfig

from store_conformance.mutants.reference import TABLES, ReferenceStore


class VectorsLieBesideTheFolder(ReferenceStore):
    """Vectors are kept in a second file, which does not lie in the folder that is backed up."""

    breaks = "E10"

    def connect(self, database: str) -> sqlite3.Connection:
        connection = super().connect(database)
        folder = Path(self.at.path)
        aside = folder.parent / f"{folder.name}-aside.sqlite3"
        connection.execute("ATTACH DATABASE ? AS aside", (str(aside),))
        return connection

    def setup(self) -> None:
        statements = TABLES.replace("NOT EXISTS vectors", "NOT EXISTS aside.vectors")
        with self.transaction():
            for statement in statements.split(";"):
                self.connection.execute(statement)


class KnowsItsPlace(ReferenceStore):
    """A base for stores that remember where they were made, and do something elsewhere."""

    elsewhere: ClassVar[str]
    """The statement."""

    def setup(self) -> None:
        super().setup()
        place = str(Path(self.at.path).resolve())
        with self.transaction():
            known = self.connection.execute("SELECT value FROM facts WHERE name = 'place'")
            if (known.fetchone() or (place,))[0] != place:
                self.connection.execute(self.elsewhere)
            self.connection.execute("INSERT OR REPLACE INTO facts VALUES ('place', ?)", (place,))


class RestoreLosesVectors(KnowsItsPlace):
    """Vectors are not taken over from another place."""

    breaks = "E10"
    elsewhere = "DELETE FROM vectors"


class RestoreIsACreation(KnowsItsPlace):
    """Items that come from another place count as created now."""

    breaks = "E10"
    elsewhere = (
        "UPDATE items SET created_at = created_at + 60000000, updated_at = updated_at + 60000000"
    )


class RestoreForgetsTimesToLive(KnowsItsPlace):
    """Items that come from another place never expire."""

    breaks = "E10"
    elsewhere = "UPDATE items SET ttl = NULL, expires_at = NULL"


class RestoreFindsNoOldNamespaces(KnowsItsPlace):
    """Namespaces of several labels are those of the place they were made in."""

    breaks = "E10"
    elsewhere = "DELETE FROM items WHERE json_array_length(namespace) > 1"


class RestoredItemsCannotBeChanged(KnowsItsPlace):
    """An overwrite of what comes from another place has no effect, without an error."""

    breaks = "E10"
    elsewhere = (
        "CREATE TRIGGER frozen BEFORE UPDATE OF value ON items BEGIN SELECT RAISE(IGNORE); END"
    )


class RestoreRaises(ReferenceStore):
    """The store's own function that restores a backup does not take what the other one made."""

    breaks = "E10"

    @classmethod
    @contextmanager
    def open_store(
        cls, at: Any, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> Iterator[BaseStore]:
        with super().open_store(at, index=index, ttl=ttl) as store:
            yield store


def _take(at: Any, folder: Path) -> None:
    (folder / "backup").write_text(str(at.path))


def _restore(folder: Path, at: Any) -> None:
    raise ValueError(f"{folder.name} is no backup for {at.name}")


vars(RestoreRaises)["open_store"].__func__.backup = (_take, _restore)
