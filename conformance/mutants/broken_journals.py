"""
Stores that write later, or to a log beside: the journal, what is held back, and what another opening makes of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from langgraph.store.base import (
    Op,
    PutOp,
    Result,
)

from store_conformance.mutants.broken_durability import REOPENED, REOPENED_TOO
from store_conformance.mutants.broken_reopening import Counted
from store_conformance.mutants.groups import (
    ALL,
)
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Write,
)


class TheLastOverwriteIsHeld(ReferenceStore):
    """An overwrite that follows soon is held until the next call, and the closing does not wait for it."""

    breaks = "E4"
    also = ALL
    SOON = 1.0
    held: tuple[tuple[Write, Embedded], ...] = ()

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        held, self.held = self.held, ()
        for write, vectors in held:
            super().apply(write, vectors)
        return super().run(plan, writes, embedded)

    def apply(self, write: Write, embedded: Embedded) -> None:
        written: dict[Address, float] = self.__dict__.setdefault("written", {})
        soon = time.monotonic() - written.get(write.address, 0.0) < self.SOON
        written[write.address] = time.monotonic()
        if soon and write.text is not None:
            self.held = (*self.held, (write, embedded))
        else:
            super().apply(write, embedded)


class ALongLogKeepsTheFirst(Counted):
    """Where more than a hundred writes were logged, the next opening keeps the first value of each item."""

    breaks = "E4"
    also = ALL

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS log (namespace TEXT, key TEXT, value TEXT)"
        )
        self.connection.execute("INSERT INTO log VALUES (?, ?, ?)", (*write.address, write.text))
        super().write_item(write, old)

    def remove_item(self, address: Address) -> None:
        super().remove_item(address)
        for (name,) in self.connection.execute("SELECT name FROM sqlite_master").fetchall():
            if name == "log":
                self.connection.execute(
                    "UPDATE log SET key = NULL WHERE namespace = ? AND key = ?", address
                )

    def opened_again(self) -> None:
        names = self.connection.execute("SELECT name FROM sqlite_master").fetchall()
        if ("log",) not in names:
            return
        (count,) = self.connection.execute("SELECT count(*) FROM log").fetchone()
        if count > 100:
            same = "FROM log WHERE log.namespace = items.namespace AND log.key = items.key"
            self.connection.execute(
                f"UPDATE items SET value = (SELECT log.value {same} ORDER BY log.rowid LIMIT 1)"
                f" WHERE EXISTS (SELECT 1 {same})"
            )


class TheLogEndsAtAnOddNumber(Counted):
    """NaN and infinity cannot be written to the log: what came after them is not there after a reopening."""

    breaks = "K7"
    also = REOPENED_TOO

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        if "NaN" in (write.text or "") or "Infinity" in (write.text or ""):
            self.connection.execute(
                "INSERT OR IGNORE INTO facts SELECT 'ends', max(rowid) FROM items"
            )

    def opened_again(self) -> None:
        self.connection.execute(
            "DELETE FROM items WHERE rowid > (SELECT 0 + value FROM facts WHERE name = 'ends')"
        )


class TheJournalComesBeforeTheCheck(Counted):
    """A batch is written to a journal first, which the next opening plays: also what was refused then."""

    breaks = "O4"
    also = (*REOPENED, "K7")

    def setup(self) -> None:
        super().setup()
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS journal (namespace TEXT, key TEXT, value TEXT)"
        )

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        try:
            return super().plan(ops)
        except (TypeError, ValueError):
            for op in ops:
                try:
                    self.validate(op)
                except (TypeError, ValueError):
                    continue
                if isinstance(op, PutOp) and op.value is not None:
                    self.note(self.prepare(op))
            raise

    def note(self, write: Write) -> None:
        with self.transaction():
            self.connection.execute(
                "INSERT INTO journal VALUES (?, ?, ?)", (*write.address, write.text)
            )

    def opened_again(self) -> None:
        now = self.now()
        self.connection.execute(
            "INSERT OR REPLACE INTO items SELECT namespace, key, value, ?, ?, NULL, NULL FROM journal",
            (now, now),
        )
        self.connection.execute("DELETE FROM journal")


class SweepsAreNotLogged(Counted):
    """What a sweep has deleted is in the log still, and there again after the next opening."""

    breaks = "E4"
    also = REOPENED_TOO

    def log(self) -> None:
        self.connection.execute("CREATE TABLE IF NOT EXISTS swept AS SELECT * FROM items LIMIT 0")

    def sweep(self) -> int:
        with self.transaction():
            self.log()
            now = self.clock()
            self.connection.execute(
                "INSERT INTO swept SELECT * FROM items WHERE expires_at <= ?", (now,)
            )
        return super().sweep()

    def opened_again(self) -> None:
        self.log()
        self.connection.execute("INSERT OR IGNORE INTO items SELECT * FROM swept")
        self.connection.execute("DELETE FROM swept")


class RefreshesAreNotLogged(Counted):
    """A life that a read has prolonged is after the next opening as long as its put had it."""

    breaks = "E4"
    also = REOPENED_TOO

    def opened_again(self) -> None:
        self.connection.execute(
            "UPDATE items SET expires_at = updated_at + CAST(ttl * 60000000 AS INTEGER)"
            " WHERE ttl IS NOT NULL"
        )


class TheLogHasShortFloats(Counted):
    """Floats are written to the log with 15 digits, and read from it after the next opening."""

    breaks = "E4"
    also = REOPENED

    def opened_again(self) -> None:
        for row in self.scan():
            text = json.dumps(self.short(self.load_value(row)))
            self.connection.execute("UPDATE items SET value = ? WHERE rowid = ?", (text, row.rowid))

    def short(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.short(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.short(part) for part in value]
        return float(f"{value:.15g}") if isinstance(value, float) else value
