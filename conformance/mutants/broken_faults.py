"""
Stores that break the rules of faults in the middle of work (P1 to P4), in a way that a few strikes show.
"""

from __future__ import annotations

import time
from typing import ClassVar

from langgraph.store.base import Result, SearchItem, SearchOp

from store_conformance.mutants import broken_survival as survival
from store_conformance.mutants.groups import ALL
from store_conformance.mutants.reference import Address, Embedded, Plan, ReferenceStore, Vector
from store_conformance.mutants.served import ServedBackend, ServedStore

# P1


class LosesTheLastCall(survival.LosesTheLastWrite):
    """The last acknowledged call stays in memory until the next one comes."""

    breaks = "P1"
    also = ALL

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        if plan.writes:
            time.sleep(survival.PAUSE)  # or most kills would fall after what is made up for at once
        return super().execute(plan, embedded, turn)


class LosesOneInTen(survival.LosesOneInMany):
    """One acknowledged call in ten is forgotten."""

    breaks = "P1"
    also = ALL
    every = 10


class AcknowledgesFirst(survival.AcknowledgesBeforeWriting):
    """A call returns at once, and a thread writes some time later."""

    breaks = "P1"
    also = ALL


class KeepsHalfOfABatch(ReferenceStore):
    """Of an acknowledged batch the first half is in the file, and the rest comes with the next call."""

    breaks = "P1"
    also = ALL
    rest: survival.Call | None = None

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        rest, self.rest = self.rest, None
        if rest is not None:
            time.sleep(0.02)  # most of the time between two calls
            super().execute(*rest)
        half = len(plan.writes) // 2
        if not half:
            return super().execute(plan, embedded, turn)
        self.rest = (Plan([], plan.writes[half:], [], []), embedded, turn)
        first = Plan(plan.ops, plan.writes[:half], plan.texts, plan.queries)
        return super().execute(first, embedded, turn)


class OlderWritesWin(survival.Reorders):
    """Of two writes of one key, the first takes effect last."""

    breaks = "P1"
    also = ALL


class DeletionsAreCarriedOutAtClose(survival.Resurrects):
    """A deletion is only remembered, and carried out when the store is closed."""

    breaks = "P1"
    also = ALL


class LosesItsLastWritesWithItsEngine(ServedBackend):
    """What an engine wrote last it forgets when it is killed."""

    breaks = "P1"
    also = ("O14", "O15", "O16")

    class Store(ServedStore):
        def setup(self) -> None:
            super().setup()
            with self.transaction():
                found = self.connection.execute("SELECT value FROM facts WHERE name = 'engine'")
                before, now = found.fetchone(), str(self.ask())
                if before is not None and before[0] != now:
                    last = "(SELECT rowid FROM items ORDER BY updated_at DESC LIMIT 8)"
                    self.connection.execute(f"DELETE FROM items WHERE rowid IN {last}")
                self.connection.execute("INSERT OR REPLACE INTO facts VALUES ('engine', ?)", (now,))

    store: ClassVar[type[ServedStore]] = Store


# P2


class ItemsComeBeforeTheirVectors(survival.WritesItemsBeforeVectors):
    """An item is committed, and its vector some time later."""

    breaks = "P2"
    also = ALL


class SearchGivesAnItemTwice(survival.Duplicates):
    """A search gives the first of its items twice."""

    breaks = "P2"
    also = ALL


# P3


class KeepsABrokenConnection(ServedBackend):
    """A connection that is broken is kept, and every call from then on raises."""

    breaks = "P3"
    also = ("P1", "P4", "E6")

    class Store(ServedStore):
        def give_up(self) -> None:
            return None

    store: ClassVar[type[ServedStore]] = Store


# P4


class NeverDialsAgainAfterARefusal(ServedBackend):
    """Once a connection was refused or reset, no other one is tried."""

    breaks = "P4"
    also = ("P3", "P1", "E6")

    class Store(ServedStore):
        refused = False

        def ask(self) -> int:
            if self.refused:
                raise ConnectionError("the server is down")
            try:
                return super().ask()
            except (ConnectionRefusedError, ConnectionResetError):
                self.refused = True
                raise

    store: ClassVar[type[ServedStore]] = Store


class TakesACutAnswerForAYes(ServedBackend):
    """A write whose request was cut off counts as done."""

    breaks = "P4"
    also = ("P1", "P3")

    class Store(ServedStore):
        def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
            try:
                return super().execute(plan, embedded, turn)
            except OSError:
                if not plan.writes:
                    raise
                return [None] * len(plan.ops)

    store: ClassVar[type[ServedStore]] = Store


class SendsAnItemBeforeItsVectors(ServedBackend):
    """An item and its vectors are two requests, and the first stays where the second fails."""

    breaks = "P4"
    also = ("P1", "P2", "P3")

    class Store(ServedStore):
        def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
            with self.lock:
                for write in plan.writes:
                    if write.text is not None:
                        with self.transaction():
                            self.write_item(write, self.find(write.address))
            return super().execute(plan, embedded, turn)

    store: ClassVar[type[ServedStore]] = Store


class AWriteThatIsTriedAgainIsThereTwice(ServedBackend):
    """What was written once more after a failure is found twice."""

    breaks = "P4"
    also = ("P1", "P2", "P3")

    class Store(ServedStore):
        def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
            try:
                return super().execute(plan, embedded, turn)
            except OSError:
                for write in plan.writes:
                    fact = ("twice:" + repr(write.address), "")
                    self.connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", fact)
                raise

        def doubled(self, address: Address) -> bool:
            sql = "SELECT 1 FROM facts WHERE name = ?"
            found = self.connection.execute(sql, ("twice:" + repr(address),)).fetchone()
            return found is not None

        def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
            found = super().read_search(op, query)
            return found + [f for f in found if self.doubled(self.address(f.namespace, f.key))]

    store: ClassVar[type[ServedStore]] = Store
