"""
Namespaces in order, without reading the items where there is a shorter way.

Some engines can tell the namespaces that are in use.  For the others the store keeps a register, one
small row a namespace with the id of one of its items, its sentinel.  The register may be behind: a
namespace is listed only if its sentinel is there, or if a look into the namespace finds another item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from langgraph.store.base import MatchCondition

from store_conformance.backends.vector import encoding
from store_conformance.backends.vector.driver import Driver, Where
from store_conformance.backends.vector.planning import Listing
from store_conformance.backends.vector.reading import Found, scan_all

Path = tuple[str, ...]

_LOOKED_INTO_AT_ONCE = 50


def listed(driver: Driver, alive_at: int | None, listing: Listing) -> list[Path]:
    """One page of sorted namespaces; ``alive_at`` hides those in which all has expired by then."""
    op = listing.op
    if not op.limit:
        return []
    stop = op.offset + op.limit
    conditions = tuple(op.match_conditions or ())
    where = Where(prefix=_literal_prefix(conditions), alive_at=alive_at)
    register = None if driver.abilities.namespaces else _Register(driver, where)
    spaces = register.sentinels if register is not None else driver.namespaces(where)
    shown: dict[Path, list[Path]] = {}
    for namespace in sorted(map(encoding.from_space, spaces)):
        if all(matches(condition, namespace) for condition in conditions):
            shown.setdefault(namespace[: op.max_depth], []).append(namespace)
    names = list(shown) if register is None else register.inhabited(shown, stop)
    return names[op.offset : stop]


class _Register:
    """The rows that were written with the first item of each namespace."""

    def __init__(self, driver: Driver, where: Where) -> None:
        self._driver = driver
        self._alive_at = where.alive_at
        rows = replace(where, kinds=frozenset({"namespace"}), alive_at=None)
        self.sentinels = {
            row.parent: row.head for row in scan_all(driver, rows, driver.limits.rows_per_page)
        }

    def inhabited(self, shown: Mapping[Path, Sequence[Path]], enough: int) -> list[Path]:
        """Those names of which a namespace has an item, in their order; no more than ``enough``."""
        names = list(shown)
        kept: list[Path] = []
        start = 0
        # Names come in order, so those of the page asked for are known before the last is.
        while start < len(names) and len(kept) < enough:
            some = names[start : start + min(enough - len(kept), self._driver.limits.ids_per_fetch)]
            start += len(some)
            spaces = {name: [*map(encoding.to_space, shown[name])] for name in some}
            used = self._sentineled([each[0] for each in spaces.values()])
            doubtful = [each for each in spaces.values() if each[0] not in used]
            used |= self._sentineled([space for each in doubtful for space in each[1:]])
            self._look_into([each for each in doubtful if used.isdisjoint(each)], used)
            kept += [name for name in some if not used.isdisjoint(spaces[name])]
        return kept

    def _sentineled(self, spaces: Sequence[str]) -> set[str]:
        """Those whose sentinel is there."""
        named = {space: self.sentinels[space] for space in spaces if self.sentinels[space]}
        heads = self._driver.heads
        ids = list(named.values())
        size = self._driver.limits.ids_per_fetch
        alive = {
            id
            for start in range(0, len(ids), size)
            for id, head in heads(ids[start : start + size]).items()
            if self._alive_at is None or head.expires_at > self._alive_at
        }
        return {space for space, sentinel in named.items() if sentinel in alive}

    def _look_into(self, doubtful: Sequence[Sequence[str]], used: set[str]) -> None:
        """Add to ``used`` what is found in these groups, of which one space each is enough."""
        group_of = {space: n for n, group in enumerate(doubtful) for space in group}
        left = list(group_of)
        while left:
            some, left = left[:_LOOKED_INTO_AT_ONCE], left[_LOOKED_INTO_AT_ONCE:]
            found = self._in_use(some)
            used |= found
            decided = {group_of[space] for space in found}
            if decided:
                left = [space for space in left if group_of[space] not in decided]

    def _in_use(self, spaces: Iterable[str]) -> set[str]:
        """
        Which of these have an item, in as few requests as rows allow.

        A big namespace may fill the answer alone; the others are asked for again without it.
        """
        left = dict.fromkeys(spaces)
        used: set[str] = set()
        while left:
            where = Where(spaces=tuple(left), alive_at=self._alive_at)
            size = min(2 * len(left), self._driver.limits.rows_per_page)
            rows = self._driver.scan(where, size).rows
            seen = {encoding.to_space(Found.from_row(row).namespace) for row in rows}
            used |= seen
            if len(rows) < size:
                return used
            for space in seen:
                left.pop(space, None)
        return used


def _literal_prefix(conditions: Sequence[MatchCondition]) -> str | None:
    """The longest prefix without a wildcard that all namespaces asked for begin with."""
    longest: tuple[str, ...] = ()
    for condition in conditions:
        if condition.match_type == "prefix":
            path = tuple(condition.path)
            literal = path[: path.index("*")] if "*" in path else path
            longest = max(longest, literal, key=len)
    return encoding.prefix_token(longest) if longest else None


def matches(condition: MatchCondition, namespace: tuple[str, ...]) -> bool:
    """Whole labels from the front or the back; ``*`` stands for exactly one."""
    path = tuple(condition.path)
    if len(namespace) < len(path):
        return False
    front = condition.match_type == "prefix"
    part = namespace[: len(path)] if front else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))
