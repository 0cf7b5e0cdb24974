"""
Stores that break the rules of list_namespaces (L1 to L6).
"""

from __future__ import annotations

import random
import re
from typing import Any

from langgraph.store.base import ListNamespacesOp, MatchCondition

from store_conformance.mutants.groups import LISTS
from store_conformance.mutants.reference import ReferenceStore

Names = tuple[str, ...]

# L1


class PrefixIsText(ReferenceStore):
    """A prefix is compared as joined text, so ("a",) lists ("ab",)."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        if condition.match_type == "prefix" and "*" not in condition.path:
            return ".".join(namespace).startswith(".".join(condition.path))
        return super().matches_condition(namespace, condition)


class SuffixIsText(ReferenceStore):
    """A suffix is compared as joined text, so ("b",) lists ("ab",)."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        if condition.match_type == "suffix" and "*" not in condition.path:
            return ".".join(namespace).endswith(".".join(condition.path))
        return super().matches_condition(namespace, condition)


class StarIsTextInAPrefix(ReferenceStore):
    """A star in a prefix crosses labels, so ("a", "*", "c") lists ("a", "b", "x", "c")."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        if "*" not in condition.path:
            return super().matches_condition(namespace, condition)
        body = r"\.".join(".*" if part == "*" else re.escape(part) for part in condition.path)
        suffix = condition.match_type == "suffix"
        pattern = rf"(.*\.)?{body}" if suffix else rf"{body}(\..*)?"
        return re.fullmatch(pattern, ".".join(namespace), re.DOTALL) is not None


class StarMatchesNoLabelToo(ReferenceStore):
    """A star also stands for no label, so ("a", "*") lists ("a",)."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        without = condition._replace(path=tuple(part for part in condition.path if part != "*"))
        matches = super().matches_condition
        return matches(namespace, condition) or matches(namespace, without)


class StarIsLiteral(ReferenceStore):
    """A star in a condition is a label."""

    breaks = "L1"
    also = LISTS

    def matches_label(self, label: str, wanted: str) -> bool:
        return label == wanted


class SecondStarIsLiteral(ReferenceStore):
    """Of several stars in a condition the first is a wildcard."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        path = tuple(condition.path)
        if path.count("*") > 1:
            rest = path[: path.index("*") + 1]
            tail = tuple("\0" if part == "*" else part for part in path[len(rest) :])
            condition = condition._replace(path=rest + tail)
        return super().matches_condition(namespace, condition)


class SuffixStarIsLiteral(ReferenceStore):
    """A star in a suffix is a label."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        self.suffix = condition.match_type == "suffix"
        return super().matches_condition(namespace, condition)

    def matches_label(self, label: str, wanted: str) -> bool:
        return label == wanted or (wanted == "*" and not self.suffix)


class SuffixIsIgnored(ReferenceStore):
    """A suffix is no condition."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        return condition.match_type == "suffix" or super().matches_condition(namespace, condition)


class SuffixIsIgnoredBesideAPrefix(ReferenceStore):
    """Of a prefix and a suffix the prefix counts."""

    breaks = "L1"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        return super().read_namespaces(
            op._replace(match_conditions=(op.match_conditions or ())[:1])
        )


class ConditionsAreOred(ReferenceStore):
    """Of a prefix and a suffix one is enough."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        matches = super().matches_condition
        return any(matches(namespace, each) for each in (condition, *self.others))

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        self.others = op.match_conditions or ()
        return super().read_namespaces(op)


class SuffixMatchesAnywhere(ReferenceStore):
    """A suffix lists namespaces that hold it anywhere."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        if condition.match_type != "suffix":
            return super().matches_condition(namespace, condition)
        ends = range(len(condition.path), len(namespace) + 1)
        matches = super().matches_condition
        return any(matches(namespace[:end], condition) for end in ends)


class SuffixIsReversed(ReferenceStore):
    """The labels of a suffix are compared from the end."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        if condition.match_type == "suffix":
            condition = condition._replace(path=tuple(condition.path)[::-1])
        return super().matches_condition(namespace, condition)


class ShortNamespacesMatchLongPaths(ReferenceStore):
    """("a",) is listed for the prefix ("a", "b")."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        path = tuple(condition.path)
        if condition.match_type == "prefix":
            path = path[: len(namespace)]
        return super().matches_condition(namespace, condition._replace(path=path))


class ParentsAreListed(ReferenceStore):
    """The namespaces above one that has items are listed too."""

    breaks = "L1"
    also = (*(*LISTS, "E1", "E3"), "E5", "K10", "K3", "N2", "O1", "O14", "O16")

    def sort_namespaces(self, namespaces: list[Names]) -> list[Names]:
        every = {name[: depth + 1] for name in namespaces for depth in range(len(name))}
        return super().sort_namespaces(list(every))


class NamespacesRepeat(ReferenceStore):
    """A namespace is listed once per item."""

    breaks = "L1"
    also = (*LISTS, "K3", "O1", "O16", "T7", "V3")

    def sort_namespaces(self, namespaces: list[Names]) -> list[Names]:
        every = [self.decode_namespace(row.namespace_text) for row in self.visible()]
        wanted = set(namespaces)
        return sorted(name for name in every if name in wanted) or sorted(namespaces)


class ConditionsIgnoreCase(ReferenceStore):
    """Labels of a condition are compared without case."""

    breaks = "L1"
    also = LISTS

    def matches_label(self, label: str, wanted: str) -> bool:
        return super().matches_label(label.lower(), wanted.lower())


class ConditionsAreLikePatterns(ReferenceStore):
    """A percent sign or underscore in a condition is a wildcard."""

    breaks = "L1"
    also = LISTS

    def matches_label(self, label: str, wanted: str) -> bool:
        pattern = re.escape(wanted).replace("%", ".*").replace("_", ".")
        return wanted == "*" or re.fullmatch(pattern, label, re.DOTALL) is not None


class StarWithinALabelIsAWildcard(ReferenceStore):
    """A star inside a label of a condition matches any text."""

    breaks = "L1"
    also = LISTS

    def matches_label(self, label: str, wanted: str) -> bool:
        pattern = ".*".join(map(re.escape, wanted.split("*")))
        return re.fullmatch(pattern, label, re.DOTALL) is not None


class EmptyPathListsNothing(ReferenceStore):
    """An empty prefix or suffix lists nothing."""

    breaks = "L1"
    also = (*LISTS, "N2")

    def list_namespaces(self, **kwargs: Any) -> list[Names]:
        empty = () in (kwargs.get("prefix"), kwargs.get("suffix"))
        return [] if empty else super().list_namespaces(**kwargs)

    async def alist_namespaces(self, **kwargs: Any) -> list[Names]:
        empty = () in (kwargs.get("prefix"), kwargs.get("suffix"))
        return [] if empty else await super().alist_namespaces(**kwargs)


class PrefixIsExact(ReferenceStore):
    """A prefix lists that namespace only."""

    breaks = "L1"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        same = condition.match_type == "suffix" or len(namespace) == len(condition.path)
        return same and super().matches_condition(namespace, condition)


# L2


class DeepNamespacesAreLeftOut(ReferenceStore):
    """``max_depth`` leaves deeper namespaces out."""

    breaks = "L2"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        self.depth = op.max_depth
        return super().read_namespaces(op)

    def sort_namespaces(self, namespaces: list[Names]) -> list[Names]:
        whole = {self.decode_namespace(row.namespace_text) for row in self.visible()}
        return [n for n in super().sort_namespaces(namespaces) if self.depth is None or n in whole]


class TruncatedNamespacesRepeat(ReferenceStore):
    """``max_depth`` lists a namespace once for each it was cut from."""

    breaks = "L2"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        found = super().read_namespaces(op._replace(max_depth=None, limit=10**9, offset=0))
        return self.page([self.truncate(name, op.max_depth) for name in found], op.limit, op.offset)


class LimitBeforeDepth(ReferenceStore):
    """``limit`` counts namespaces before they are cut."""

    breaks = "L2"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        found = super().read_namespaces(op._replace(max_depth=None))
        return list(dict.fromkeys(self.truncate(name, op.max_depth) for name in found))


class OffsetBeforeDepth(ReferenceStore):
    """``offset`` counts namespaces before they are cut."""

    breaks = "L2"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        found = super().read_namespaces(op._replace(max_depth=None, limit=10**9))
        return list(dict.fromkeys(self.truncate(name, op.max_depth) for name in found))[: op.limit]


class DepthBeforeConditions(ReferenceStore):
    """Conditions are compared with namespaces that are already cut."""

    breaks = "L2"
    also = LISTS

    def matches_condition(self, namespace: Names, condition: MatchCondition) -> bool:
        return super().matches_condition(self.truncate(namespace, self.depth), condition)

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        self.depth = op.max_depth
        return super().read_namespaces(op)


class DepthIsOneMore(ReferenceStore):
    """``max_depth`` leaves one label more."""

    breaks = "L2"
    also = LISTS

    def truncate(self, namespace: Names, depth: int | None) -> Names:
        return super().truncate(namespace, None if depth is None else depth + 1)


class DepthCountsFromThePrefix(ReferenceStore):
    """``max_depth`` counts the labels after the prefix."""

    breaks = "L2"
    also = LISTS

    def truncate(self, namespace: Names, depth: int | None) -> Names:
        return super().truncate(namespace, None if depth is None else depth + self.skip)

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        prefixes = [c.path for c in op.match_conditions or () if c.match_type == "prefix"]
        self.skip = sum(map(len, prefixes))
        return super().read_namespaces(op)


class DepthIsIgnored(ReferenceStore):
    """``max_depth`` is ignored."""

    breaks = "L2"
    also = LISTS

    def truncate(self, namespace: Names, depth: int | None) -> Names:
        return namespace


class DepthIsIgnoredBesideAPrefix(ReferenceStore):
    """``max_depth`` is ignored when there is a condition."""

    breaks = "L2"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        return super().read_namespaces(op._replace(max_depth=None) if op.match_conditions else op)


class TruncateTakesTheEnd(ReferenceStore):
    """``max_depth`` keeps the last labels."""

    breaks = "L2"
    also = LISTS

    def truncate(self, namespace: Names, depth: int | None) -> Names:
        return namespace if depth is None else namespace[-depth:]


# L3


class ListIsRandom(ReferenceStore):
    """Each list has an order of its own."""

    breaks = "L3"
    also = LISTS

    def sort_namespaces(self, namespaces: list[Names]) -> list[Names]:
        return random.sample(namespaces, len(namespaces))


class ListIsNotSorted(ReferenceStore):
    """Namespaces are listed in the order of their creation."""

    breaks = "L3"
    also = LISTS

    def sort_namespaces(self, namespaces: list[Names]) -> list[Names]:
        return namespaces


class ListPagesOverlap(ReferenceStore):
    """Each page of a list but the first starts with the last of the one before."""

    breaks = "L3"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        return super().read_namespaces(op._replace(offset=max(op.offset - 1, 0)))


class ListOffsetIsIgnored(ReferenceStore):
    """The offset of a list is ignored."""

    breaks = "L3"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        return super().read_namespaces(op._replace(offset=0))


class ListOffsetIsInPages(ReferenceStore):
    """The offset of a list counts pages."""

    breaks = "L3"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        return super().read_namespaces(op._replace(offset=op.offset * op.limit))


class ListPagesAreSortedAlone(ReferenceStore):
    """A page of a list is sorted after it was cut."""

    breaks = "L3"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        return sorted(super().read_namespaces(op))

    def sort_namespaces(self, namespaces: list[Names]) -> list[Names]:
        return sorted(namespaces, key=lambda name: name[::-1], reverse=True)


# L6


class ListDefaultsToTen(ReferenceStore):
    """Without a limit a list gives ten."""

    breaks = "L6"
    also = LISTS

    def list_namespaces(self, **kwargs: Any) -> list[Names]:
        return super().list_namespaces(**{"limit": 10, **kwargs})

    async def alist_namespaces(self, **kwargs: Any) -> list[Names]:
        return await super().alist_namespaces(**{"limit": 10, **kwargs})


class ListStopsAtHundred(ReferenceStore):
    """No list gives more than 100."""

    breaks = "L6"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        return super().read_namespaces(op._replace(limit=min(op.limit, 100)))


class ListDefaultsToAll(ReferenceStore):
    """Without a limit a list gives everything."""

    breaks = "L6"
    also = LISTS

    def list_namespaces(self, **kwargs: Any) -> list[Names]:
        return super().list_namespaces(**{"limit": 10**9, **kwargs})

    async def alist_namespaces(self, **kwargs: Any) -> list[Names]:
        return await super().alist_namespaces(**{"limit": 10**9, **kwargs})


class ListSeesTheFirstHundredItems(ReferenceStore):
    """A list looks at the first 100 items."""

    breaks = "L6"
    also = LISTS

    def read_namespaces(self, op: ListNamespacesOp) -> list[Names]:
        self.listing = True
        try:
            return super().read_namespaces(op)
        finally:
            self.listing = False

    def scan(self) -> Any:
        return super().scan()[:100] if getattr(self, "listing", False) else super().scan()
