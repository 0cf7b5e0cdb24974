"""
Stores that break the rules of the time to live (T1 to T8).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langgraph.store.base import (
    NOT_PROVIDED,
    GetOp,
    InvalidNamespaceError,
    Item,
    Op,
    PutOp,
    SearchItem,
    SearchOp,
)

from store_conformance.mutants.groups import LIVES
from store_conformance.mutants.reference import (
    MINUTE,
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)

# T1, for stores that say they have no time to live


class WithoutTtl(ReferenceStore):
    """A base for stores without a time to live."""

    supports_ttl = False
    declares = ("no-ttl",)
    also: tuple[str, ...] = ("O4", "O7", "E5", "T8")

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return None


class TtlIsIgnored(WithoutTtl):
    """A store without time to live takes ``put(ttl=...)`` in silence."""

    breaks = "T8"

    def put(self, *args: Any, ttl: Any = None, **kwargs: Any) -> None:
        super().put(*args, **kwargs)

    async def aput(self, *args: Any, ttl: Any = None, **kwargs: Any) -> None:
        await super().aput(*args, **kwargs)


class AsyncTtlIsIgnored(WithoutTtl):
    """A store without time to live takes ``aput(ttl=...)`` in silence."""

    breaks = "T8"
    modes = ("async",)

    async def aput(self, *args: Any, ttl: Any = None, **kwargs: Any) -> None:
        await super().aput(*args, **kwargs)


class TtlWorksAndIsDenied(ReferenceStore):
    """``supports_ttl`` is False, and put keeps the time to live that it takes all the same."""

    breaks = "T1"
    also = ("T8",)
    supports_ttl = False

    def put(self, namespace: Any, key: Any, value: Any, index: Any = None, **kwargs: Any) -> None:
        self.batch([self._op(namespace, key, value, index, **kwargs)])

    async def aput(
        self, namespace: Any, key: Any, value: Any, index: Any = None, **kwargs: Any
    ) -> None:
        await self.abatch([self._op(namespace, key, value, index, **kwargs)])

    def _op(
        self, namespace: Any, key: Any, value: Any, index: Any, *, ttl: Any = NOT_PROVIDED
    ) -> PutOp:
        if ttl is NOT_PROVIDED:
            ttl = (self.ttl_config or {}).get("default_ttl")
        if namespace == () or namespace[:1] == ("langgraph",):
            raise InvalidNamespaceError("The namespace cannot be.")
        return PutOp(namespace, str(key), value, index, ttl)


class TtlIsPromisedAndIgnored(ReferenceStore):
    """``supports_ttl`` is True, and nothing ever expires."""

    breaks = "T1"
    also = ("T2", "T3", "T4", "T5", "T7", "T8", "E4")

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return None


class TtlRaisesValueError(WithoutTtl):
    """A store without time to live refuses ``put(ttl=...)`` with a ValueError."""

    breaks = "T8"

    def put(self, *args: Any, ttl: Any = None, **kwargs: Any) -> None:
        if ttl:
            raise ValueError("There is no time to live.")
        super().put(*args, **kwargs)

    async def aput(self, *args: Any, ttl: Any = None, **kwargs: Any) -> None:
        if ttl:
            raise ValueError("There is no time to live.")
        await super().aput(*args, **kwargs)


class TtlNoneIsRefused(WithoutTtl):
    """A store without time to live refuses ``put(ttl=None)``."""

    breaks = "T1"

    def put(self, *args: Any, ttl: Any = NOT_PROVIDED, **kwargs: Any) -> None:
        if ttl is not NOT_PROVIDED:
            raise NotImplementedError("There is no time to live.")
        super().put(*args, **kwargs)

    async def aput(self, *args: Any, ttl: Any = NOT_PROVIDED, **kwargs: Any) -> None:
        if ttl is not NOT_PROVIDED:
            raise NotImplementedError("There is no time to live.")
        await super().aput(*args, **kwargs)


class TtlIsRefusedAfterTheWrite(WithoutTtl):
    """A store without time to live refuses a batch with ttl after it was applied."""

    breaks = "T1"

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> Any:
        results = super().execute(plan, embedded, turn)
        if any(write.op.ttl is not None for write in plan.writes):
            raise NotImplementedError("There is no time to live.")
        return results


class TtlOpsAreSkipped(WithoutTtl):
    """A store without time to live leaves the operations with ttl out of a batch."""

    breaks = "T1"

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> Any:
        return super().run(plan, [write for write in writes if write.op.ttl is None], embedded)


# T2


class TtlIsInSeconds(ReferenceStore):
    """``ttl`` counts seconds."""

    breaks = "T2"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return super().expiry(None if ttl is None else ttl / 60, now)


class TtlIsInHours(ReferenceStore):
    """``ttl`` counts hours."""

    breaks = "T2"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return super().expiry(None if ttl is None else ttl * 60, now)


class TtlIsCutToMinutes(ReferenceStore):
    """``ttl`` is cut to whole minutes."""

    breaks = "T2"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return super().expiry(None if ttl is None else int(ttl), now)


class TtlIsRoundedUpToMinutes(ReferenceStore):
    """``ttl`` is rounded up to whole minutes."""

    breaks = "T2"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return super().expiry(None if ttl is None else -int(-ttl // 1), now)


class TtlCountsFromCreation(ReferenceStore):
    """A new ttl counts from the creation of the item."""

    breaks = "T2"
    also = LIVES

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        row = self.find(write.address)
        if row:
            self.set_expiry(row, self.expiry(row.ttl, row.created_at))


class NothingExpires(ReferenceStore):
    """``ttl`` is kept, but nothing ever expires."""

    breaks = "T2"
    also = LIVES

    def expired(self, row: ItemRow, now: int) -> bool:
        return False


class AsyncTtlIsInSeconds(ReferenceStore):
    """``ttl`` of async calls counts seconds."""

    breaks = "T2"
    also = LIVES
    modes = ("async",)

    async def abatch(self, ops: Any) -> Any:
        return await super().abatch(
            op._replace(ttl=op.ttl / 60) if isinstance(op, PutOp) and op.ttl else op for op in ops
        )


# T3


class PutTtl(ReferenceStore):
    """A base for stores that take the ttl of put for another one."""

    also: tuple[str, ...] = LIVES

    def given(self, ttl: Any) -> Any:
        return ttl

    def put(self, *args: Any, ttl: Any = NOT_PROVIDED, **kwargs: Any) -> None:
        super().put(*args, ttl=self.given(ttl), **kwargs)

    async def aput(self, *args: Any, ttl: Any = NOT_PROVIDED, **kwargs: Any) -> None:
        await super().aput(*args, ttl=self.given(ttl), **kwargs)


class DefaultTtlIsIgnored(PutTtl):
    """``default_ttl`` is ignored."""

    breaks = "T3"

    def given(self, ttl: Any) -> Any:
        return None if ttl is NOT_PROVIDED else ttl


class NoneMeansTheDefault(PutTtl):
    """``put(ttl=None)`` gives the default."""

    breaks = "T3"

    def given(self, ttl: Any) -> Any:
        return NOT_PROVIDED if ttl is None else ttl


class DefaultWinsOverTtl(PutTtl):
    """``default_ttl`` wins over the ttl of put."""

    breaks = "T3"

    def given(self, ttl: Any) -> Any:
        return (self.ttl_config or {}).get("default_ttl") or ttl


class AsyncDefaultTtlIsIgnored(ReferenceStore):
    """``default_ttl`` is ignored by ``aput``."""

    breaks = "T3"
    also = LIVES
    modes = ("async",)

    async def aput(self, *args: Any, ttl: Any = None, **kwargs: Any) -> None:
        await super().aput(*args, ttl=ttl, **kwargs)


class NoneInABatchMeansTheDefault(ReferenceStore):
    """``PutOp(ttl=None)`` gives the default."""

    breaks = "T3"
    also = LIVES

    def prepare(self, op: PutOp) -> Write:
        default = (self.ttl_config or {}).get("default_ttl")
        return super().prepare(op if op.ttl is not None else op._replace(ttl=default))


class OverwriteKeepsTheTtl(ReferenceStore):
    """A put without ttl keeps the ttl of the old value."""

    breaks = "T3"
    also = LIVES

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if write.op.ttl is None and old is not None:
            write = Write(write.op._replace(ttl=old.ttl), write.address, write.text, write.texts)
        super().write_item(write, old)


class OverwriteKeepsTheExpiry(ReferenceStore):
    """A put without ttl leaves the moment at which the old value expires."""

    breaks = "T3"
    also = LIVES

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        row = self.find(write.address)
        if row and old and row.ttl is None and old.expires_at is not None:
            self.set_expiry(row, old.expires_at)


class DefaultOnCreationOnly(PutTtl):
    """``default_ttl`` is given to new items only."""

    breaks = "T3"

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        default = (self.ttl_config or {}).get("default_ttl")
        if old is not None and default is not None and write.op.ttl == default:
            write = Write(write.op._replace(ttl=None), write.address, write.text, write.texts)
        super().write_item(write, old)


# T4


class RefreshIsOffByDefault(ReferenceStore):
    """``refresh_on_read`` is False when it is not given."""

    breaks = "T4"
    also = LIVES

    def __init__(self, at: Any, *, index: Any = None, ttl: Any = None) -> None:
        given: Any = {"refresh_on_read": False, **(ttl or {})}
        super().__init__(at, index=index, ttl=given)


class RefreshCannotBeSwitchedOff(ReferenceStore):
    """``refresh_ttl=False`` is ignored."""

    breaks = "T4"
    also = LIVES

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        super().refresh(rows, True)


class RefreshCannotBeSwitchedOffInGet(ReferenceStore):
    """``get(refresh_ttl=False)`` is ignored."""

    breaks = "T4"
    also = LIVES

    def read_item(self, op: GetOp) -> Item | None:
        return super().read_item(op._replace(refresh_ttl=True))


class RefreshCannotBeSwitchedOn(ReferenceStore):
    """``refresh_ttl=True`` is ignored when the configuration says False."""

    breaks = "T4"
    also = LIVES

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        super().refresh(rows, wanted and (self.ttl_config or {}).get("refresh_on_read", True))


class ConfiguredRefreshIsIgnored(ReferenceStore):
    """``refresh_on_read=False`` is ignored."""

    breaks = "T4"
    also = LIVES

    def __init__(self, at: Any, *, index: Any = None, ttl: Any = None) -> None:
        given: Any = {**(ttl or {}), "refresh_on_read": True}
        super().__init__(at, index=index, ttl=given)


class GetNeverRefreshes(ReferenceStore):
    """``get`` does not refresh."""

    breaks = "T4"
    also = LIVES

    def read_item(self, op: GetOp) -> Item | None:
        return super().read_item(op._replace(refresh_ttl=False))


class SearchNeverRefreshes(ReferenceStore):
    """``search`` does not refresh."""

    breaks = "T4"
    also = LIVES

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        return super().read_search(op._replace(refresh_ttl=False), query)


class QueryNeverRefreshes(ReferenceStore):
    """A search with a query does not refresh."""

    breaks = "T4"
    also = LIVES

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        return super().read_search(op._replace(refresh_ttl=False) if query else op, query)


class SearchRefreshesWhatItSees(ReferenceStore):
    """``search`` refreshes every match, not only those it gives."""

    breaks = "T4"
    also = LIVES

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        self.refresh(self.candidates(op), op.refresh_ttl)
        return super().read_search(op, query)


class SearchRefreshesWhatItFilters(ReferenceStore):
    """``search`` refreshes every item in scope, also those that the filter leaves out."""

    breaks = "T4"
    also = LIVES

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        wanted = super().wanted(row, op)
        if not wanted:
            self.refresh([row], op.refresh_ttl)
        return wanted


class GetRefreshesTheNamespace(ReferenceStore):
    """``get`` refreshes every item of the namespace."""

    breaks = "T4"
    also = LIVES

    def read_item(self, op: GetOp) -> Item | None:
        text = self.encode_namespace(op.namespace)
        self.refresh([row for row in self.visible() if row.namespace_text == text], op.refresh_ttl)
        return super().read_item(op)


class OneFlagCountsForTheBatch(ReferenceStore):
    """One ``refresh_ttl=True`` in a batch refreshes what all its operations give."""

    breaks = "T4"
    also = LIVES

    def plan(self, ops: Any) -> Plan:
        plan = super().plan(ops)
        self.any = any(getattr(op, "refresh_ttl", False) for op in plan.ops)
        return plan

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        super().refresh(rows, self.any)


class FirstFlagCountsForTheBatch(ReferenceStore):
    """The ``refresh_ttl`` of the first operation counts for the whole batch."""

    breaks = "T4"
    also = LIVES

    def plan(self, ops: Any) -> Plan:
        plan = super().plan(ops)
        every: Iterable[Any] = plan.ops
        self.first = next((op.refresh_ttl for op in every if hasattr(op, "refresh_ttl")), True)
        return plan

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        super().refresh(rows, self.first)


class RefreshUsesTheDefault(ReferenceStore):
    """A refresh gives the default and not the item's own ttl."""

    breaks = "T4"
    also = LIVES

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        default = (self.ttl_config or {}).get("default_ttl")
        super().refresh(
            [row._replace(ttl=row.ttl and (default or row.ttl)) for row in rows], wanted
        )


class RefreshNeedsADefault(ReferenceStore):
    """A read refreshes only where the configuration has a ``default_ttl``."""

    breaks = "T4"
    also = LIVES

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        if (self.ttl_config or {}).get("default_ttl") is not None:
            super().refresh(rows, wanted)


class ListRefreshes(ReferenceStore):
    """``list_namespaces`` refreshes every item."""

    breaks = "T4"
    also = LIVES

    def read_namespaces(self, op: Any) -> Any:
        self.refresh(self.visible(), True)
        return super().read_namespaces(op)


class AsyncReadsNeverRefresh(ReferenceStore):
    """Async reads do not refresh."""

    breaks = "T4"
    also = LIVES
    modes = ("async",)

    async def abatch(self, ops: Any) -> Any:
        return await super().abatch(
            op._replace(refresh_ttl=False) if isinstance(op, (GetOp, SearchOp)) else op
            for op in ops
        )


class SecondRefreshIsLost(ReferenceStore):
    """An item is refreshed once in its life."""

    breaks = "T4"
    also = LIVES

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        done: set[Any] = self.__dict__.setdefault("done", set())
        fresh = [row for row in rows if (row.rowid, row.updated_at) not in done]
        super().refresh(fresh, wanted)
        done.update((row.rowid, row.updated_at) for row in fresh)


# T5


class Shows(ReferenceStore):
    """A base for stores that show expired items in one place."""

    also: tuple[str, ...] = (*LIVES, "S4", "X5")
    place = ""

    def hidden(self, row: ItemRow) -> bool:
        return getattr(self, "at_place", "") != self.place and super().hidden(row)

    def read(self, op: Op, embedded: Embedded) -> Any:
        self.at_place = type(op).__name__
        if isinstance(op, SearchOp) and embedded.queries.get(op.query or ""):
            self.at_place = "query"
        try:
            return super().read(op, embedded)
        finally:
            self.at_place = ""


class GetShowsTheExpired(Shows):
    """``omit_expired`` is ignored by get."""

    breaks = "T5"
    place = "GetOp"


class SearchShowsTheExpired(Shows):
    """``omit_expired`` is ignored by search."""

    breaks = "T5"
    place = "SearchOp"


class QueryShowsTheExpired(Shows):
    """``omit_expired`` is ignored by a search with a query."""

    breaks = "T5"
    place = "query"


class ListShowsTheExpired(Shows):
    """``omit_expired`` is ignored by list_namespaces."""

    breaks = "T5"
    place = "ListNamespacesOp"


class OmitExpiredIsIgnored(ReferenceStore):
    """``omit_expired`` is ignored everywhere."""

    breaks = "T5"
    also = LIVES

    def hidden(self, row: ItemRow) -> bool:
        return False


class GetRevivesTheDead(ReferenceStore):
    """``get`` refreshes before it looks whether the item has expired."""

    breaks = "T5"
    also = LIVES

    def read_item(self, op: GetOp) -> Item | None:
        row = self.find(self.address(op.namespace, op.key))
        if row and row.ttl is not None and op.refresh_ttl:
            self.set_expiry(row, self.expiry(row.ttl, self.clock()))
        return super().read_item(op)


class SearchRevivesTheDead(ReferenceStore):
    """``search`` refreshes before it looks whether an item has expired."""

    breaks = "T5"
    also = LIVES

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        for row in self.scan():
            namespace = self.decode_namespace(row.namespace_text)
            if row.ttl and op.refresh_ttl and self.matches_prefix(namespace, op.namespace_prefix):
                self.set_expiry(row, self.expiry(row.ttl, self.clock()))
        return super().read_search(op, query)


class GetRevivesTheDeadBehindTheScenes(ReferenceStore):
    """``get`` of an expired item gives None, and refreshes it."""

    breaks = "T5"
    also = LIVES

    def read_item(self, op: GetOp) -> Item | None:
        item = super().read_item(op)
        row = self.find(self.address(op.namespace, op.key))
        if item is None and row and row.ttl and op.refresh_ttl:
            self.set_expiry(row, self.expiry(row.ttl, self.clock()))
        return item


class ExpiredItemsTakePlacesOnAPage(ReferenceStore):
    """Expired items are taken off the page after it was cut."""

    breaks = "T5"
    also = (*LIVES, "S4", "S5")

    def visible(self) -> list[ItemRow]:
        return self.order(self.scan())

    def page(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        page = super().page(found, limit, offset)
        rows = bool(page) and isinstance(page[0][0], ItemRow)
        return [hit for hit in page if not self.hidden(hit[0])] if rows else page

    def read_namespaces(self, op: Any) -> Any:
        found = super().read_namespaces(op)
        alive = [self.decode_namespace(r.namespace_text) for r in super().visible()]
        return [n for n in found if any(name[: len(n)] == n for name in alive)]


# T7


class SweepTakesWhateverHasATtl(ReferenceStore):
    """``sweep_ttl`` deletes every item that has a ttl."""

    breaks = "T7"
    also = (*LIVES, "T8")

    def sweep(self) -> int:
        with self.transaction():
            return self.connection.execute("DELETE FROM items WHERE ttl IS NOT NULL").rowcount


class SweepTakesNothing(ReferenceStore):
    """``sweep_ttl`` deletes nothing."""

    breaks = "T7"
    also = LIVES

    def sweep(self) -> int:
        return 0


class SweepCountsWithoutDeleting(ReferenceStore):
    """``sweep_ttl`` counts the expired and leaves them."""

    breaks = "T7"
    also = LIVES

    def sweep(self) -> int:
        return sum(self.expired(row, self.clock()) for row in self.scan())


class SweepSaysNothing(ReferenceStore):
    """``sweep_ttl`` gives None."""

    breaks = "T7"
    also = LIVES

    def sweep(self) -> Any:
        super().sweep()


class SweepCountsWhatIsLeft(ReferenceStore):
    """``sweep_ttl`` gives the number of items that are left."""

    breaks = "T7"
    also = LIVES

    def sweep(self) -> int:
        super().sweep()
        return len(self.scan())


class SweepCountsVectors(ReferenceStore):
    """``sweep_ttl`` counts the vectors it deletes too."""

    breaks = "T7"
    also = LIVES

    def sweep(self) -> int:
        count = "SELECT count(*) FROM vectors"
        before = self.connection.execute(count).fetchone()[0]
        swept = super().sweep()
        return int(swept + before - self.connection.execute(count).fetchone()[0])


class SweepTakesThreeAtMost(ReferenceStore):
    """``sweep_ttl`` deletes the first two expired items only."""

    breaks = "T7"
    also = LIVES

    def sweep(self) -> int:
        self.left = 2
        try:
            return super().sweep()
        finally:
            self.left = 10**9

    def expired(self, row: ItemRow, now: int) -> bool:
        dead = super().expired(row, now)
        self.left = getattr(self, "left", 10**9) - dead
        return dead and self.left >= 0


class SweepLeavesVectors(ReferenceStore):
    """``sweep_ttl`` leaves the vectors, which the next item of that key inherits."""

    breaks = "T7"
    also = (*LIVES, "X4", "V11")

    def apply(self, write: Write, embedded: Embedded) -> None:
        self.fresh = write.text is not None and self.find(write.address) is None
        super().apply(write, embedded)
        self.fresh = False

    def remove_vectors(self, address: Address) -> None:
        if not getattr(self, "fresh", False) and not getattr(self, "sweeping_now", False):
            super().remove_vectors(address)

    def sweep(self) -> int:
        self.sweeping_now = True
        try:
            return super().sweep()
        finally:
            self.sweeping_now = False


class SweepTakesItemsWithoutTtl(ReferenceStore):
    """``sweep_ttl`` deletes items that never expire when any has expired."""

    breaks = "T7"
    also = LIVES

    def sweep(self) -> int:
        swept = super().sweep()
        if swept:
            with self.transaction():
                self.connection.execute("DELETE FROM items WHERE ttl IS NULL")
        return swept


class OpeningSweeps(ReferenceStore):
    """The expired are deleted when the store is opened."""

    breaks = "T7"
    also = (*LIVES, "O14")

    def setup(self) -> None:
        super().setup()
        self.sweep()


class PutSweeps(ReferenceStore):
    """Each put deletes the expired."""

    breaks = "T7"
    also = (*LIVES, "K4")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        super().write_item(write, old)
        self.connection.execute(
            "DELETE FROM items WHERE expires_at <= ? AND key <> ?", (self.clock(), write.address[1])
        )


class SweeperStartsByItself(ReferenceStore):
    """The sweeper runs from the opening on."""

    breaks = "T7"
    also = (*LIVES, "O18")

    def setup(self) -> None:
        super().setup()
        if self.sweeper is None:
            ReferenceStore.start_ttl_sweeper(self, 0.002)


class StopGivesNone(ReferenceStore):
    """``stop_ttl_sweeper`` gives None."""

    breaks = "T7"
    also = LIVES

    def stop_ttl_sweeper(self, timeout: float | None = None) -> Any:
        super().stop_ttl_sweeper(timeout)


class StopWithoutStartGivesFalse(ReferenceStore):
    """``stop_ttl_sweeper`` gives False when none ran."""

    breaks = "T7"
    also = LIVES

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        return self.sweeper is not None and bool(super().stop_ttl_sweeper(timeout))


class StopWithoutStartRaises(ReferenceStore):
    """``stop_ttl_sweeper`` raises when none ran."""

    breaks = "T7"
    also = LIVES

    def stop_ttl_sweeper(self, timeout: float | None = None) -> Any:
        if self.sweeper is None:
            raise RuntimeError("No sweeper runs.")
        return super().stop_ttl_sweeper(timeout)

    def close(self) -> None:
        self.sweeper_stop.set()
        self.connection.close()


class StopDoesNotStop(ReferenceStore):
    """``stop_ttl_sweeper`` gives True and the sweeper goes on."""

    breaks = "T7"
    also = LIVES

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        return True

    def close(self) -> None:
        super().stop_ttl_sweeper()
        super().close()


class SweeperNeverSweeps(ReferenceStore):
    """The sweeper runs and deletes nothing."""

    breaks = "T7"
    also = LIVES

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Any:
        return super().start_ttl_sweeper(10**6)


class SweeperSweepsOnce(ReferenceStore):
    """The sweeper ends after its first round."""

    breaks = "T7"
    also = LIVES

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Any:
        self.rounds = 0
        return super().start_ttl_sweeper(sweep_interval_minutes)

    def sweep(self) -> int:
        swept = super().sweep()
        if self.sweeper is not None and swept:
            self.sweeper_stop.set()
        return swept


class SweeperCannotStartAgain(ReferenceStore):
    """A sweeper that was stopped does not start again."""

    breaks = "T7"
    also = LIVES

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Any:
        return self.sweeper or super().start_ttl_sweeper(sweep_interval_minutes)


class SweeperLosesTheConnection(ReferenceStore):
    """Once the sweeper has met a call under way, every call raises."""

    breaks = "T7"
    also = LIVES
    rounds = 0

    def sweep(self) -> int:
        if self.sweeper is not None:
            self.rounds += 1
        return super().sweep()

    def batch(self, ops: Iterable[Op]) -> list[Any]:
        if self.rounds > 5:
            raise RuntimeError("another command is already in progress")
        return super().batch(ops)


class SweeperDiesOfACall(ReferenceStore):
    """A put while the sweeper runs ends the sweeper."""

    breaks = "T7"
    also = LIVES

    def batch(self, ops: Iterable[Op]) -> list[Any]:
        given = list(ops)
        written = any(isinstance(op, PutOp) and op.ttl is None for op in given)
        if written and self.sweeper is not None:
            self.sweeper_stop.set()
        return super().batch(given)


# T8


class SweepIsAMinuteEarly(ReferenceStore):
    """``sweep_ttl`` deletes what expires within a minute."""

    breaks = "T8"
    also = LIVES

    def sweep(self) -> int:
        self.early = MINUTE
        try:
            return super().sweep()
        finally:
            self.early = 0

    def expired(self, row: ItemRow, now: int) -> bool:
        return super().expired(row, now + getattr(self, "early", 0))


class ExpiryIsCutToSeconds(ReferenceStore):
    """An item expires at the last whole second before its time."""

    breaks = "T8"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        expiry = super().expiry(ttl, now)
        return None if expiry is None else expiry // 1_000_000 * 1_000_000


class ZeroTtlIsForever(ReferenceStore):
    """``ttl=0`` means that the item stays."""

    breaks = "T8"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return super().expiry(ttl or None, now)


class NegativeTtlIsForever(ReferenceStore):
    """A negative ttl means that the item stays."""

    breaks = "T8"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return super().expiry(None if ttl is not None and ttl < 0 else ttl, now)


class NegativeTtlIsAbsolute(ReferenceStore):
    """A negative ttl counts as a positive one."""

    breaks = "T8"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return super().expiry(None if ttl is None else abs(ttl), now)


class NegativeTtlIsForeverOnceRead(ReferenceStore):
    """A read gives an item with a negative ttl no end at all."""

    breaks = "T8"
    also = LIVES

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        for row in rows if wanted else ():
            if row.ttl is not None and row.ttl < 0:
                self.set_expiry(row, None)
        super().refresh(rows, wanted)


class ZeroTtlIsTheDefault(ReferenceStore):
    """``ttl=0`` gives a ttl of one minute."""

    breaks = "T8"
    also = LIVES

    def expiry(self, ttl: float | None, now: int) -> int | None:
        return super().expiry(1.0 if ttl == 0 else ttl, now)
