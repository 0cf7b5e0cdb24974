"""
Stores that break the rules of a search without query (S1 to S10).
"""

from __future__ import annotations

import random
from typing import Any

from langgraph.store.base import Item, SearchItem, SearchOp

from store_conformance.mutants.groups import ALL, FILTERS, PLAIN, VECTORS
from store_conformance.mutants.reference import Embedded, ItemRow, Plan, ReferenceStore

Names = tuple[str, ...]
SCOPES = ("S1", "S2", "N5", "N7", "V10", "V18", "E2", "E3", "E5", "E7", "K3", "X1", "F8", "T5")


# S1


class PrefixIsCompletedText(ReferenceStore):
    """("a",) finds ("ab",), because joined text is compared."""

    breaks = "S1"
    also = (*SCOPES, *PLAIN, "F1")

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return ".".join(namespace).startswith(".".join(prefix))


class LastLabelIsCompleted(ReferenceStore):
    """The last label of a prefix of two or more finds those that start with it."""

    breaks = "S1"
    also = (*SCOPES, "T4")

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        if len(prefix) < 2:
            return super().matches_prefix(namespace, prefix)
        return ".".join(namespace).startswith(".".join(prefix))


class DescendantsAreNotFound(ReferenceStore):
    """A prefix finds its own namespace only."""

    breaks = "S1"
    also = (*SCOPES, *PLAIN, "F1", "K1", "N4", "O1", "O16", "V1", "V15", "V4", "V9")

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return not prefix or namespace == tuple(prefix)


class OnlyDescendantsAreFound(ReferenceStore):
    """A prefix finds what is below, but not its own namespace."""

    breaks = "S1"
    also = ALL

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return super().matches_prefix(namespace, prefix) and len(namespace) > len(prefix)


class GrandchildrenAreNotFound(ReferenceStore):
    """A prefix finds one level below and no more."""

    breaks = "S1"
    also = (*SCOPES, *PLAIN, "V4")

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        near = not prefix or len(namespace) <= len(prefix) + 1
        return near and super().matches_prefix(namespace, prefix)


class PrefixIgnoresCase(ReferenceStore):
    """("Foo",) finds ("foo",), as LIKE does."""

    breaks = "S1"
    also = SCOPES

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        lowered = tuple(label.lower() for label in namespace)
        return super().matches_prefix(lowered, tuple(label.lower() for label in prefix))


class PrefixMatchesAnywhere(ReferenceStore):
    """A prefix finds namespaces that hold it anywhere."""

    breaks = "S1"
    also = (*SCOPES, "F1", "N2", "S3")

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        starts = range(len(namespace) - len(prefix) + 1)
        return any(ReferenceStore.matches_prefix(self, namespace[i:], prefix) for i in starts)


class PrefixMatchesInAnyOrder(ReferenceStore):
    """A prefix finds namespaces that hold all its labels."""

    breaks = "S1"
    also = (*SCOPES, "F1", "N2", "N4", "S3")

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return set(prefix) <= set(namespace)


class OnlyTheFirstLabelCounts(ReferenceStore):
    """A prefix of several labels is compared by its first."""

    breaks = "S1"
    also = (
        *SCOPES,
        *PLAIN,
        "T4",
        "F1",
        "K9",
        "N4",
        "O1",
        "O10",
        "O11",
        "O3",
        "O4",
        "V11",
        "V5",
        "V7",
        "V9",
    )

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return super().matches_prefix(namespace, prefix[:1])


class LabelsBeyondThreeAreIgnored(ReferenceStore):
    """A prefix is compared by its first three labels."""

    breaks = "S1"
    also = (*SCOPES, *PLAIN)

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return super().matches_prefix(namespace, prefix[:3])


class ShortNamespacesMatchLongPrefixes(ReferenceStore):
    """("a",) is found by the prefix ("a", "b")."""

    breaks = "S1"
    also = (*SCOPES, *PLAIN, "F1")

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return all(label == wanted for label, wanted in zip(namespace, prefix))


class FoundItemsCarryThePrefix(ReferenceStore):
    """An item found below a prefix says that it is in the prefix."""

    breaks = "S1"
    also = (*SCOPES, *PLAIN, "S7", "K1", "V4")

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            item.namespace = tuple(op.namespace_prefix) or item.namespace
        return found


# S2


class EmptyPrefixFindsNothing(ReferenceStore):
    """The prefix ``()`` finds nothing."""

    breaks = "S2"
    also = ALL

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return bool(prefix) and super().matches_prefix(namespace, prefix)


class EmptyPrefixFindsOneLevel(ReferenceStore):
    """The prefix ``()`` finds namespaces of one label."""

    breaks = "S2"
    also = ALL

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return super().matches_prefix(namespace, prefix) and (bool(prefix) or len(namespace) == 1)


class EmptyPrefixFindsTheFirstRoot(ReferenceStore):
    """The prefix ``()`` finds what is below the first root only."""

    breaks = "S2"
    also = ALL

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        rows = super().candidates(op)
        roots = [self.decode_namespace(row.namespace_text)[:1] for row in rows]
        keep = op.namespace_prefix or (roots[0] if roots else ())
        return [row for row, root in zip(rows, roots) if root[:1] == keep[:1]]


# S3


class StarIsAWildcardInSearch(ReferenceStore):
    """A star in a prefix finds any label."""

    breaks = "S3"
    also = ("S1", "N5", "N7")

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return len(namespace) >= len(prefix) and all(map(self.matches_label, namespace, prefix))


class StarAtTheEndIsAWildcardInSearch(ReferenceStore):
    """A star at the end of a prefix finds any label."""

    breaks = "S3"
    also = ("S1", "N5")

    def matches_prefix(self, namespace: Names, prefix: Names) -> bool:
        return super().matches_prefix(namespace, prefix[:-1] if prefix[-1:] == ("*",) else prefix)


# S4


class DefaultLimitIsTwenty(ReferenceStore):
    """Without a limit a search gives 20."""

    breaks = "S4"
    also = ("S5", "S2", "S8", "V1", "V4")

    def search(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        return super().search(prefix, **{"limit": 20, **kwargs})

    async def asearch(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        return await super().asearch(prefix, **{"limit": 20, **kwargs})


class DefaultLimitIsFive(ReferenceStore):
    """Without a limit a search gives five."""

    breaks = "S4"
    also = ALL

    def search(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        return super().search(prefix, **{"limit": 5, **kwargs})

    async def asearch(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        return await super().asearch(prefix, **{"limit": 5, **kwargs})


class Pages(ReferenceStore):
    """A base for stores that cut the pages of a search wrongly, but not those of a list."""

    also: tuple[str, ...] = (*PLAIN, *VECTORS, "F1", "K13", "T4", "O2")

    def read_namespaces(self, op: Any) -> Any:
        self.listing = True
        try:
            return super().read_namespaces(op)
        finally:
            self.listing = False

    def page(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        if getattr(self, "listing", False):
            return super().page(found, limit, offset)
        return self.cut(found, limit, offset)

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().page(found, limit, offset)


class LimitStopsAtHundred(Pages):
    """No page has more than 100 items."""

    breaks = "S4"
    also = ALL

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, min(limit, 100), offset)


class LimitZeroMeansAll(Pages):
    """``limit=0`` gives everything."""

    breaks = "S4"

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, limit or len(found), offset)


class LimitZeroMeansTen(Pages):
    """``limit=0`` gives the default."""

    breaks = "S4"

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, limit or 10, offset)


class LimitZeroRaises(Pages):
    """``limit=0`` raises what the arithmetic of pages does; a refusal that names the limit would be legal."""

    breaks = "S4"
    also = ("X6",)

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        first = offset // limit * limit + offset % limit
        return super().cut(found, limit, first)


class OffsetIsRoundedToPages(Pages):
    """An offset within a page gives the whole page."""

    breaks = "S4"
    also = ("O1",)

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, limit, offset // limit * limit if limit else offset)


class OffsetPastTheEndGivesTheLastPage(Pages):
    """An offset past the end gives the last page."""

    breaks = "S4"
    also = (*Pages.also, "O1", "X8")

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, limit, offset) or found[-limit:] if limit else []


class OffsetPastTheEndRaises(Pages):
    """An offset past the end raises."""

    breaks = "S4"
    also = ALL

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        if offset > len(found):
            raise IndexError("offset is past the end.")
        return super().cut(found, limit, offset)


class LimitCountsFromTheStart(Pages):
    """The limit counts the items that were skipped too."""

    breaks = "S4"

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return found[offset:limit]


class LimitIsOneMore(Pages):
    """A page has one item more than asked for."""

    breaks = "S4"
    also = (
        "O1",
        "X7",
    )

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, limit + 1, offset)


class LimitIsPerNamespace(Pages):
    """Each namespace gives up to ``limit`` items."""

    breaks = "S4"
    also = (
        "O1",
        "X7",
    )

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        names = dict.fromkeys(row.namespace_text for row, _ in found)
        groups = [[hit for hit in found if hit[0].namespace_text == name] for name in names]
        return [hit for group in groups for hit in group[offset : offset + limit]]


class OffsetIsIgnored(Pages):
    """The offset is ignored."""

    breaks = "S4"
    also = ALL

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, limit, 0)


class OffsetOfOneIsIgnored(Pages):
    """An offset smaller than the limit is ignored."""

    breaks = "S4"
    also = ("O1", "S5", "S7", "S8", "V9")

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, limit, offset if offset >= limit else 0)


class OffsetStopsAtHundred(Pages):
    """Beyond an offset of 100 there is nothing."""

    breaks = "S4"
    also = ALL

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, limit, offset) if offset <= 100 else []


# S5


class PagesOverlap(Pages):
    """Each page but the first starts with the last item of the one before."""

    breaks = "S5"
    also = ("O1",)

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, limit, max(offset - 1, 0))


class PagesSkipAnItem(Pages):
    """Each page but the first leaves one item out."""

    breaks = "S5"
    also = ("O1",)

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        return super().cut(found, limit, offset + bool(offset))


class OrderIsRandom(ReferenceStore):
    """Each search has an order of its own."""

    breaks = "S5"
    also = (*PLAIN, "V9", "O2", "T4", "X8")

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        return random.sample(rows, len(rows))


class OrderIsRandomBeyondHundred(ReferenceStore):
    """With more than a hundred items each search has an order of its own."""

    breaks = "S5"
    also = (*PLAIN, "V9", "O2", "T4")

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        return random.sample(rows, len(rows)) if len(rows) > 100 else sorted(rows)


class ReadItemsMoveToTheEnd(ReferenceStore):
    """What a search has given moves behind the rest."""

    breaks = "S5"
    also = (*PLAIN, "O2", "V9", "X8")

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        seen: dict[int, int] = self.__dict__.get("seen", {})
        return sorted(rows, key=lambda row: (seen.get(row.rowid, 0), row.rowid))

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        super().refresh(rows, wanted)
        self.seen = self.__dict__.get("seen", {})
        for row in rows:
            self.seen[row.rowid] = max(self.seen.values(), default=0) + 1


class PagesBeyondTheThirdRepeat(Pages):
    """From the fourth page on the third comes again."""

    breaks = "S5"
    also = ALL

    def cut(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        late = 0 < limit * 3 <= offset < len(found)
        return super().cut(found, limit, limit * 2 if late else offset)


# S7


class PlainSearchScoresZero(ReferenceStore):
    """Without a query the score is 0.0."""

    breaks = "S7"
    also = (*PLAIN, "S10", "V1", "V8", "V15", "V17", "V4")

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            item.score = item.score or 0.0
        return found


class PlainSearchScoresOne(ReferenceStore):
    """Without a query the score is 1.0."""

    breaks = "S7"
    also = (*PLAIN, "S10", "V1", "V8", "V15", "V17", "V4")

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            item.score = 1.0 if item.score is None else item.score
        return found


class FilteredSearchScoresOne(ReferenceStore):
    """Without a query the score is 1.0 when there is a filter."""

    breaks = "S7"
    also = (*PLAIN, "S10", "V1", "V8", "F1")

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found if op.filter else ():
            item.score = 1.0 if item.score is None else item.score
        return found


class SearchGivesItems(ReferenceStore):
    """A search gives Items and no SearchItems."""

    breaks = "S7"
    also = ALL

    def read_search(self, op: SearchOp, query: Any) -> Any:
        found = super().read_search(op, query)
        return [Item(**{name: getattr(i, name) for name in Item.__slots__}) for i in found]


class NoMatchGivesNone(ReferenceStore):
    """A search that finds nothing gives None."""

    breaks = "S7"
    also = ALL

    def read_search(self, op: SearchOp, query: Any) -> Any:
        return super().read_search(op, query) or None


class NoMatchRaises(ReferenceStore):
    """A search in a namespace without items raises."""

    breaks = "S7"
    also = ALL

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        found = super().read_search(op, query)
        if not found and not op.filter and not op.offset and op.limit:
            raise LookupError("Nothing found.")
        return found


class SearchGivesATuple(ReferenceStore):
    """A search gives a tuple and no list."""

    breaks = "S7"
    also = ALL

    def read_search(self, op: SearchOp, query: Any) -> Any:
        return tuple(super().read_search(op, query))


# S8


class FilterAfterThePage(ReferenceStore):
    """The filter is applied to the page."""

    breaks = "S8"
    also = (*FILTERS, "S5", "T4", "V9")

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        found = super().read_search(op._replace(filter=None), query)
        return [item for item in found if self.matches_filter(item.value, op.filter or {})]


class FilterAfterTheOffset(ReferenceStore):
    """The filter is applied after the offset."""

    breaks = "S8"
    also = (*FILTERS, "S5", "T4", "V9")

    def read_search(self, op: SearchOp, query: Any) -> list[SearchItem]:
        every = op._replace(filter=None, limit=10**9)
        found = super().read_search(every, query)
        return [i for i in found if self.matches_filter(i.value, op.filter or {})][: op.limit]


class FilterSeesTheFirstHundred(ReferenceStore):
    """The filter looks at the first 100 items."""

    breaks = "S8"
    also = (*FILTERS, *PLAIN, "V9")

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        rows = super().candidates(op._replace(filter=None))
        rows = rows[:100] if op.filter else rows
        return [row for row in rows if self.wanted(row, op)]


class FilterSeesTwicePage(ReferenceStore):
    """The filter looks at twice as many items as the page has."""

    breaks = "S8"
    also = (*FILTERS, "S5", "V9")

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        rows = super().candidates(op._replace(filter=None))
        rows = rows[: 2 * (op.limit + op.offset)] if op.filter else rows
        return [row for row in rows if self.wanted(row, op)]


# S10


class EmptyQueryIsEmbedded(ReferenceStore):
    """``query=""`` is a semantic search."""

    breaks = "S10"
    also = ("V1", "S7", "V15", "V4")

    def plan(self, ops: Any) -> Plan:
        plan = super().plan(ops)
        asked = any(isinstance(op, SearchOp) and op.query == "" for op in plan.ops)
        if asked and self.embeddings:
            plan.queries.append("")
        return plan


class EmptyQueryFindsNothing(ReferenceStore):
    """``query=""`` finds nothing."""

    breaks = "S10"
    also = ("V1", "S7", "V15", "V4")

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        return [] if op.query == "" else super().candidates(op)


class EmptyQueryIsRefused(ReferenceStore):
    """``query=""`` is refused."""

    breaks = "S10"
    also = ("V1", "S7", "V15", "V4")

    def validate(self, op: Any) -> None:
        super().validate(op)
        if isinstance(op, SearchOp) and op.query == "":
            raise ValueError("A query must not be empty.")


class NoQueryIsEmbedded(ReferenceStore):
    """A search without query is ranked by an embedding of nothing."""

    breaks = "S10"
    also = ALL

    def plan(self, ops: Any) -> Plan:
        plan = super().plan(ops)
        searches = [op for op in plan.ops if isinstance(op, SearchOp) and op.query is None]
        if searches and self.embeddings:
            plan.queries.append("None")
        return plan

    def read(self, op: Any, embedded: Embedded) -> Any:
        if isinstance(op, SearchOp) and op.query is None:
            op = op._replace(query="None")
        return super().read(op, embedded)
