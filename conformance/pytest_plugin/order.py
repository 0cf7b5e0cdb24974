"""
The order in which the cases of a run begin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

from store_conformance.pytest_plugin.items import CaseItem

GOLDEN = (5**0.5 - 1) / 2
"""A step round a circle that comes near none of its earlier places."""


def put_in_order(items: Sequence[pytest.Item], *, parallel: bool) -> list[pytest.Item]:
    """
    The items so that no worker ends alone with what takes long.

    First what waits (all of it together), then what must not run beside its like, then the cases that are
    long by nature.  Where workers share the rest, the cells of one case are spread over it: side by side they
    would rest together, and no processor had anything to do.
    """
    places = _spread(items) if parallel else [0.0] * len(items)
    ranked = sorted(zip(map(_rank, items), places, range(len(items)), strict=True))
    return [items[number] for *_, number in ranked]


def _rank(item: pytest.Item) -> tuple[bool, bool, float]:
    if not isinstance(item, CaseItem):
        return (True, True, 0.0)
    return (not item.spec.waits, not item.spec.serial, -(item.spec.seconds or 0.0))


def _spread(items: Iterable[pytest.Item]) -> list[float]:
    """
    A place from 0 to 1 for each: the cells of one case are equally far apart, and each case begins somewhere else.

    Tests that are no cases of ours keep their order behind them: they may share fixtures of their module.
    """
    names = [i.spec.id if isinstance(i, CaseItem) else None for i in items]
    many = Counter(names)
    begins = {name: number * GOLDEN for number, name in enumerate(many)}
    met: Counter[str | None] = Counter()
    places = []
    for name in names:
        places.append(1.0 if name is None else (begins[name] + met[name] / many[name]) % 1.0)
        met[name] += 1
    return places
