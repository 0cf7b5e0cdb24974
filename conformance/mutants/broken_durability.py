"""
Stores that break the rules of setting up and of what survives (O14 to O17, E4, E6).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from langgraph.store.base import GetOp, Item, SearchOp

from store_conformance.mutants.groups import ALL
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    ReferenceStore,
    Vector,
    Write,
)

REOPENED = (
    "E1",
    "E2",
    "E3",
    "E4",
    "E6",
    "E7",
    "K4",
    "K7",
    "O13",
    "O14",
    "O15",
    "O16",
    "O17",
    "V11",
    "V17",
    "X4",
)
REOPENED_TOO = ("T2", "T3", "T4", "T5", "T7", "T8", *REOPENED)

# O14


class SetupAgain(ReferenceStore):
    """A base for stores that do something else when ``setup`` is called again."""

    also: tuple[str, ...] = ("O15", "O16", "E4")

    def again(self) -> None:
        return None

    def setup(self) -> None:
        if getattr(self, "ready", False):
            self.again()
        super().setup()
        self.ready = True


class SecondSetupRaises(SetupAgain):
    """``setup`` raises when it is called again."""

    breaks = "O14"

    def again(self) -> None:
        self.connection.execute("CREATE TABLE items (namespace TEXT)")


class SecondSetupWipes(SetupAgain):
    """``setup`` empties the store when it is called again."""

    breaks = "O14"

    def again(self) -> None:
        self.connection.executescript("DELETE FROM items; DELETE FROM vectors;")


class SecondSetupDropsVectors(SetupAgain):
    """``setup`` drops the vectors when it is called again."""

    breaks = "O14"

    def again(self) -> None:
        self.connection.execute("DROP TABLE vectors")


class SecondSetupResetsTimes(SetupAgain):
    """``setup`` resets the timestamps when it is called again."""

    breaks = "O14"

    def again(self) -> None:
        self.connection.execute(
            "UPDATE items SET created_at = ?, updated_at = ?", (self.now(),) * 2
        )


class SetupOfAnExistingLocationRaises(ReferenceStore):
    """``setup`` raises when the location was set up by another store object."""

    breaks = "O14"
    also = (*REOPENED_TOO, "V3", "X1")

    def setup(self) -> None:
        tables = self.connection.execute("SELECT name FROM sqlite_master").fetchall()
        if tables and not getattr(self, "ready", False):
            raise sqlite3.OperationalError("table items already exists")
        self.ready = True
        super().setup()


class SetupDeadlocks(SetupAgain):
    """``setup`` waits for itself when it is called again."""

    breaks = "O14"

    def again(self) -> None:
        if not threading.Lock().acquire(timeout=0.2) or self.lock:
            raise TimeoutError("setup waits for a lock that it holds itself")


# O15


class ParallelSetupRaises(ReferenceStore):
    """``setup`` looks whether the table is there before it creates it."""

    breaks = "O15"
    also = ("O13", "E6")

    def setup(self) -> None:
        found = self.connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        time.sleep(0.15)
        if found is None:
            self.connection.execute("CREATE TABLE marker (x)")
        super().setup()


class ParallelSetupIsLocked(ReferenceStore):
    """``setup`` holds the file, and does not wait for another one that does."""

    breaks = "O15"
    also = ("O13", "E6", "E4")

    def setup(self) -> None:
        self.connection.execute("PRAGMA busy_timeout = 0")
        self.connection.execute("BEGIN EXCLUSIVE")
        time.sleep(0.5)
        self.connection.execute("COMMIT")
        super().setup()
        self.connection.execute("PRAGMA busy_timeout = 60000")


class ParallelSetupWipes(ReferenceStore):
    """A ``setup`` that found the location fresh creates its tables anew, whoever was faster."""

    breaks = "O15"
    also = ("O13", "E6")

    def setup(self) -> None:
        found = self.connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        time.sleep(0.15)
        if found is None:
            for table in ("items", "vectors", "facts"):
                self.connection.execute(f"DROP TABLE IF EXISTS {table}")
        super().setup()
        self.connection.execute("CREATE TABLE IF NOT EXISTS versions (v INTEGER PRIMARY KEY)")
        if found is None:
            self.connection.execute("INSERT INTO versions VALUES (1)")


class SetupsOfProcessesMeet(ReferenceStore):
    """``setup`` takes turns within a process, and looks before it creates beside those of others."""

    breaks = "O15"
    also = ("O13", "E6", "E4")
    own_turn = threading.Lock()

    def setup(self) -> None:
        with self.own_turn:
            found = self.connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            time.sleep(0.5 if found is None else 0)  # processes start apart on a busy machine
            if found is None:
                self.connection.execute("CREATE TABLE marker (x)")
            super().setup()


# O16


class AtClose(ReferenceStore):
    """A base for stores that lose something when they are closed."""

    also: tuple[str, ...] = REOPENED_TOO

    def lose(self) -> None:
        return None

    def close(self) -> None:
        self.lose()
        super().close()


class NothingIsCommitted(AtClose):
    """What was written is rolled back when the store is closed."""

    breaks = "O16"

    def lose(self) -> None:
        self.connection.executescript("DELETE FROM items; DELETE FROM vectors;")


class LastWriteIsLost(AtClose):
    """The last put before closing is lost."""

    breaks = "O16"

    def lose(self) -> None:
        self.connection.execute(
            "DELETE FROM items WHERE updated_at = (SELECT max(updated_at) FROM items)"
        )


class DeletesAreLostAtClose(AtClose):
    """What was deleted is back after the store was closed."""

    breaks = "O16"

    def remove_item(self, address: Address) -> None:
        self.connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS gone AS SELECT * FROM items WHERE 0"
        )
        self.connection.execute(
            "INSERT INTO gone SELECT * FROM items WHERE namespace = ? AND key = ?", address
        )
        super().remove_item(address)

    def setup(self) -> None:
        super().setup()
        self.connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS gone AS SELECT * FROM items WHERE 0"
        )

    def lose(self) -> None:
        self.connection.execute("INSERT OR IGNORE INTO items SELECT * FROM gone")


class OverwritesAreLostAtClose(AtClose):
    """An item has its first value again after the store was closed."""

    breaks = "O16"

    def setup(self) -> None:
        super().setup()
        self.connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS first AS SELECT * FROM items WHERE 0"
        )

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        if old is None:
            self.connection.execute(
                "INSERT INTO first SELECT * FROM items WHERE namespace = ? AND key = ?",
                write.address,
            )

    def lose(self) -> None:
        self.connection.execute(
            "INSERT OR REPLACE INTO items SELECT * FROM first WHERE EXISTS (SELECT 1 FROM items i"
            " WHERE i.namespace = first.namespace AND i.key = first.key)"
        )


class DeepNamespacesAreLostAtClose(AtClose):
    """Items three labels deep or more are lost when the store is closed."""

    breaks = "E4"

    def lose(self) -> None:
        for row in self.scan():
            if len(self.decode_namespace(row.namespace_text)) > 2:
                self.remove_item(row.address)


class OpenedTwiceIsEmpty(ReferenceStore):
    """Each opening starts an empty store."""

    breaks = "O16"
    also = ALL

    def database(self) -> str:
        return str(Path(self.at.path) / f"{os.getpid()}-{time.time_ns()}.sqlite3")


# O17


class AddingAnIndexRaises(ReferenceStore):
    """A location that was set up without an index cannot be opened with one."""

    breaks = "O17"
    also = REOPENED

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            self.connection.execute(
                "INSERT OR IGNORE INTO facts VALUES ('index', ?)", (str(bool(self.embeddings)),)
            )
            sql = "SELECT value FROM facts WHERE name = 'index'"
            if self.embeddings and self.connection.execute(sql).fetchone()[0] == "False":
                raise ValueError("The location has no index.")


class AddingAnIndexHidesOldItems(ReferenceStore):
    """With an index only indexed items are found by a plain search."""

    breaks = "O17"
    also = (*REOPENED, "V2", "V3", "V8", "S10", "S7", "V13", "V14")

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        sql = "SELECT 1 FROM vectors WHERE namespace = ? AND key = ?"
        indexed = self.connection.execute(sql, row.address).fetchone()
        return bool(indexed or not self.embeddings) and super().wanted(row, op)


class AddingAnIndexDropsOldItems(ReferenceStore):
    """Opening with an index for the first time empties the location."""

    breaks = "O17"
    also = REOPENED

    def setup(self) -> None:
        super().setup()
        if self.embeddings and not getattr(self, "ready", False):
            self.ready = True
            with self.transaction():
                if not self.connection.execute(
                    "SELECT 1 FROM facts WHERE name = 'dims'"
                ).fetchone():
                    self.connection.execute("DELETE FROM items")


class OtherDimsAreTaken(ReferenceStore):
    """Vectors of another size than the old ones are stored, and compared as far as they go."""

    breaks = "O17"
    also = ("V14", "V17")

    def check_dims(self, dims: int) -> None:
        return None

    def score(self, query: Vector, vector: Vector) -> float:
        size = min(len(query), len(vector))
        return self.similarity(query[:size], vector[:size])


class OtherDimsMakeOldItemsUnreadable(ReferenceStore):
    """With other dims the old items cannot be read any more."""

    breaks = "O17"
    also = ("V14", "V17")

    def setup(self) -> None:
        super().setup()
        sql = "SELECT value FROM facts WHERE name = 'dims'"
        found = self.connection.execute(sql).fetchone()
        dims = (self.index_config or {}).get("dims")
        self.foreign = bool(found and dims and int(found[0]) != dims)

    def load_value(self, row: ItemRow) -> dict[str, Any]:
        if getattr(self, "foreign", False):
            raise RuntimeError("different vector dimensions")
        return super().load_value(row)


class OtherDimsAreSkippedInSilence(ReferenceStore):
    """A put whose vector has another size than the old ones stores the item without it."""

    breaks = "O17"
    also = ("V14", "V17")

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        try:
            super().write_vectors(write, documents)
        except ValueError:
            return


# E4


class FlushedAtClose(ReferenceStore):
    """What was acknowledged is in memory, and written to the file when the store is closed."""

    breaks = "E4"
    also = (*REOPENED_TOO, "O12")

    def connect(self, database: str) -> sqlite3.Connection:
        memory = super().connect(":memory:")
        with sqlite3.connect(database) as file:
            file.backup(memory)
        file.close()
        return memory

    def close(self) -> None:
        self.stop_ttl_sweeper()
        file = sqlite3.connect(self.database())
        self.connection.backup(file)
        file.close()
        self.connection.close()


class FlushedAfterASecond(FlushedAtClose):
    """What was acknowledged is written to the file a second later."""

    breaks = "E4"
    timer: threading.Timer | None = None

    def execute(self, plan: Any, embedded: Embedded, turn: int) -> Any:
        results = super().execute(plan, embedded, turn)
        if plan.writes and not self.timer:
            timer = threading.Timer(1, self.flush)
            timer.daemon = True
            self.timer = timer
            timer.start()
        return results

    def flush(self) -> None:
        with self.lock:
            self.timer = None
            file = sqlite3.connect(self.database())
            self.connection.backup(file)
            file.close()

    def close(self) -> None:
        if self.timer:
            self.timer.cancel()
        super().close()


class LastWriteWaits(ReferenceStore):
    """A put is written to the file with the next call or at closing."""

    breaks = "E4"
    also = (*REOPENED_TOO, "O12", "O11")
    held: tuple[Any, Embedded, int] | None = None

    def execute(self, plan: Any, embedded: Embedded, turn: int) -> Any:
        self.flush()
        if len(plan.ops) == 1 and plan.writes and plan.writes[0].text is not None:
            self.held = (plan, embedded, turn)
            return [None]
        return super().execute(plan, embedded, turn)

    def flush(self) -> None:
        with self.lock:
            held, self.held = self.held, None
            if held:
                super().execute(*held)

    def sweep(self) -> int:
        self.flush()
        return super().sweep()

    def close(self) -> None:
        self.flush()
        super().close()


class TtlsAreLostAtReopening(ReferenceStore):
    """After reopening nothing expires any more."""

    breaks = "E4"
    also = ("T2", "T3", "T5", "T7", "O14", "O15", "E7")

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            self.connection.execute("UPDATE items SET ttl = NULL, expires_at = NULL")


class TtlsStartAnewAtReopening(ReferenceStore):
    """Reopening counts as an access to every item."""

    breaks = "E4"
    also = ("T2", "T3", "T5", "T7", "O14", "O15", "E7")

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            for row in self.scan():
                if row.ttl is not None:
                    self.set_expiry(row, self.expiry(row.ttl, self.clock()))


class TimesAreLostAtReopening(ReferenceStore):
    """After reopening every item was created just now."""

    breaks = "E4"
    also = ("K4", "O14", "O15", "O16", "E7", "E1", "O13", "E6")

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            times = (self.now(),) * 2
            self.connection.execute("UPDATE items SET created_at = ?, updated_at = ?", times)


class SecondsAreKeptOnly(ReferenceStore):
    """After reopening timestamps are cut to whole seconds."""

    breaks = "E4"
    also = ("K4", "K5", "O14", "O15", "O16", "E7", "E1", "O13", "E6", "T8")

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            self.connection.execute(
                "UPDATE items SET created_at = created_at / 1000000 * 1000000,"
                " updated_at = updated_at / 1000000 * 1000000"
            )


class VectorsAreFlushedAtClose(ReferenceStore):
    """Vectors are written to the file when the store is closed."""

    breaks = "E4"
    also = (*REOPENED, "O12", "E2")

    def setup(self) -> None:
        super().setup()
        self.connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS vectors (namespace, key, path, number, vector,"
            " PRIMARY KEY (namespace, key, path, number))"
        )
        self.connection.execute("INSERT OR IGNORE INTO temp.vectors SELECT * FROM main.vectors")

    def close(self) -> None:
        with self.transaction():
            self.connection.execute("DELETE FROM main.vectors")
            self.connection.execute("INSERT INTO main.vectors SELECT * FROM temp.vectors")
        super().close()


# E6


class OtherProcessesAreInvisible(ReferenceStore):
    """What another process wrote is not seen while that process lives."""

    breaks = "E6"
    also = ("E4", "O13", "X4")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        name = "pid:" + repr(write.address)
        sql = "INSERT OR REPLACE INTO facts VALUES (?, ?)"
        self.connection.execute(sql, (name, str(os.getpid())))

    def foreign(self, address: Address) -> bool:
        sql = "SELECT value FROM facts WHERE name = ?"
        found = self.connection.execute(sql, ("pid:" + repr(address),)).fetchone()
        if not found or int(found[0]) == os.getpid():
            return False
        try:
            os.kill(int(found[0]), 0)
        except OSError:
            return False
        return True

    def read_item(self, op: GetOp) -> Item | None:
        foreign = self.foreign(self.address(op.namespace, op.key))
        return None if foreign else super().read_item(op)

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        return not self.foreign(row.address) and super().wanted(row, op)


class ReadsAreCachedPerProcess(ReferenceStore):
    """All stores of a process share a cache that other processes do not clear."""

    breaks = "E6"
    also = ("E4", "T2", "T5", "T7", "K4")
    cache: ClassVar[dict[Any, Any]] = {}

    def read_item(self, op: GetOp) -> Item | None:
        address = (str(self.at.path), *self.address(op.namespace, op.key))
        row = self.find(address[1:])
        if row is None or row.ttl is not None or address not in self.cache:
            self.cache[address] = super().read_item(op)
        item = self.cache[address]
        if item is None:
            return None
        facts = {name: getattr(item, name) for name in Item.__slots__}
        return Item(**{**facts, "value": self.decode_value(self.encode_value(item.value))})

    def apply(self, write: Write, embedded: Embedded) -> None:
        super().apply(write, embedded)
        self.cache.pop((str(self.at.path), *write.address), None)


class OneProcessAtATime(ReferenceStore):
    """A second process cannot open the location while the first has it."""

    breaks = "E6"
    also = ("E4", "E7", "O15")

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            sql = "SELECT value FROM facts WHERE name = 'owner'"
            found = self.connection.execute(sql).fetchone()
            if found and int(found[0]) not in (os.getpid(), 0) and self.alive(int(found[0])):
                raise RuntimeError("The location is in use by another process.")
            sql = "INSERT OR REPLACE INTO facts VALUES ('owner', ?)"
            self.connection.execute(sql, (str(os.getpid()),))

    def alive(self, pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True

    def close(self) -> None:
        self.connection.execute("UPDATE facts SET value = '0' WHERE name = 'owner'")
        super().close()


class SecondProcessOverwritesTheFirst(ReferenceStore):
    """A process that writes for the first time drops what others wrote since it opened."""

    breaks = "E6"
    also = ("E4", "X4")

    def setup(self) -> None:
        super().setup()
        self.opened: int = self.__dict__.get("opened", self.clock())

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if not getattr(self, "started", False):
            self.started = True
            sql = "DELETE FROM items WHERE updated_at > ? AND rowid IN (SELECT i.rowid FROM items i"
            sql += " JOIN facts f ON f.name = 'pid:' || i.namespace || i.key WHERE f.value <> ?)"
            self.connection.execute(sql, (self.opened, str(os.getpid())))
        super().write_item(write, old)
        name = "pid:" + "".join(write.address)
        sql = "INSERT OR REPLACE INTO facts VALUES (?, ?)"
        self.connection.execute(sql, (name, str(os.getpid())))


class DeletesOfOtherProcessesAreNotSeen(ReferenceStore):
    """A process goes on to give an item that it has seen and another process deleted."""

    breaks = "E6"
    also = ("E4",)
    seen: ClassVar[dict[Any, Any]] = {}

    def read_item(self, op: GetOp) -> Item | None:
        address = (str(self.at.path), *self.address(op.namespace, op.key))
        item = super().read_item(op)
        if item is not None and self.find(address[1:]).ttl is None:  # type: ignore[union-attr]
            self.seen[address] = {name: getattr(item, name) for name in Item.__slots__}
        elif item is None and address in self.seen:
            return Item(**self.seen[address])
        return item

    def remove_item(self, address: Address) -> None:
        self.seen.pop((str(self.at.path), *address), None)
        super().remove_item(address)
