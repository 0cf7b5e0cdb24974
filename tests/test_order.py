"""
The order of a run's cases: what takes long begins first, and the cells of one case are no neighbours in workers.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from itertools import pairwise

import pytest

from store_conformance.harness.case import CaseSpec
from store_conformance.pytest_plugin.items import CaseItem
from store_conformance.pytest_plugin.order import put_in_order
from store_conformance.suite.register import all_cases

SPECS = all_cases()


def cells(specs: Iterable[CaseSpec], each: int = 6) -> list[CaseItem]:
    """So many items of each case, one case after the other, as they are collected."""
    items = []
    for spec in specs:
        for _ in range(each):
            item = CaseItem.__new__(CaseItem)
            item.spec = spec
            items.append(item)
    return items


def plain(count: int) -> list[CaseSpec]:
    return [s for s in SPECS if not (s.waits or s.serial or s.seconds)][:count]


def test_cells_of_one_case_are_no_neighbours_where_workers_share_them() -> None:
    items = cells(plain(20))

    ordered = put_in_order(items, parallel=True)

    assert sorted(map(id, ordered)) == sorted(map(id, items))
    assert all(a.spec is not b.spec for a, b in pairwise(ordered))  # type: ignore[attr-defined]


def test_every_tenth_of_a_shared_run_has_cells_of_most_cases() -> None:
    specs = plain(20)
    ordered = put_in_order(cells(specs, each=10), parallel=True)

    for start in range(0, len(ordered), 20):
        met = {item.spec.id for item in ordered[start : start + 20]}  # type: ignore[attr-defined]
        assert len(met) > 15


def test_one_process_keeps_the_order_of_the_files() -> None:
    items: list[pytest.Item] = [*cells(plain(5))]

    assert put_in_order(items, parallel=False) == items


def test_tests_of_others_keep_their_order_and_come_last(request: pytest.FixtureRequest) -> None:
    others = [copy(request.node) for _ in range(3)]
    cases = cells(plain(5))

    ordered = put_in_order([others[0], *cases, *others[1:]], parallel=True)

    assert list(map(id, ordered[-3:])) == list(map(id, others))


@pytest.mark.parametrize("parallel", [True, False])
def test_what_waits_begins_first_then_what_is_alone_then_what_is_long(parallel: bool) -> None:
    ordered = put_in_order(cells(reversed(SPECS), each=2), parallel=parallel)

    ranks = [
        (not i.spec.waits, not i.spec.serial, -(i.spec.seconds or 0))  # type: ignore[attr-defined]
        for i in ordered
    ]
    assert ranks == sorted(ranks)
    assert ranks[0][0] is False
    assert ranks[-1] == (True, True, 0)
