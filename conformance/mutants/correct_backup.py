"""
Correct stores that are backed up in other ways than by one file.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from langgraph.store.base import BaseStore, IndexConfig, TTLConfig

from store_conformance.mutants.correct import Variant
from store_conformance.mutants.reference import TABLES, ReferenceStore


class VectorsInASecondFile(Variant, ReferenceStore):
    """Vectors are kept in a second file, in the folder that is backed up."""

    def connect(self, database: str) -> sqlite3.Connection:
        connection = super().connect(database)
        connection.execute("ATTACH DATABASE ? AS aside", (f"{database}-vectors",))
        return connection

    def setup(self) -> None:
        statements = TABLES.replace("NOT EXISTS vectors", "NOT EXISTS aside.vectors")
        with self.transaction():
            for statement in statements.split(";"):
                self.connection.execute(statement)


class BackedUpByItself(Variant, ReferenceStore):
    """The store's function says itself how a backup is taken while it is open, and restored."""

    alone = True

    @classmethod
    @contextmanager
    def open_store(
        cls, at: Any, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> Iterator[BaseStore]:
        with super().open_store(at, index=index, ttl=ttl) as store:
            yield store


def _take(at: Any, folder: Path) -> None:
    with (
        closing(sqlite3.connect(Path(at.path) / "store.sqlite3")) as source,
        closing(sqlite3.connect(folder / "pages")) as target,
    ):
        source.backup(target)


def _restore(folder: Path, at: Any) -> None:
    shutil.copy(folder / "pages", Path(at.path) / "store.sqlite3")


vars(BackedUpByItself)["open_store"].__func__.backup = (_take, _restore)
