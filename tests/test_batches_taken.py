"""
A batch that a store refuses by name comes in smaller ones where that cannot be told apart, and in no other case.
"""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.store.base import GetOp, PutOp, SearchOp

from store_conformance.harness.batches import Batches
from store_conformance.harness.errors import StoreRaisedError, UnsupportedError
from store_conformance.harness.paging import LEAST_FOUND, LEAST_LISTED, Pages

NS = ("n",)


class Store:
    """Keeps what is put; ``operations`` and ``page`` are its limits, and what it says of more."""

    def __init__(
        self, operations: int = 500, page: int = 1000, *, error: type[Exception] = ValueError
    ) -> None:
        self.operations = operations
        self.page = page
        self.error = error
        self.kept: dict[str, Any] = {}
        self.batches: list[int] = []

    def batch(self, ops: Any) -> list[Any]:
        if len(ops) > self.operations:
            self.refuse(f"a batch has {self.operations} operations at most")
        for op in ops:
            if isinstance(op, SearchOp) and not 0 < op.limit <= self.page:
                self.refuse(f"limit is 1 to {self.page}")
        self.batches.append(len(ops))
        return [self.answer(op) for op in ops]

    def refuse(self, why: str) -> None:
        raise StoreRaisedError("batch", self.error(why))

    def answer(self, op: Any) -> Any:
        if isinstance(op, PutOp):
            self.kept[op.key] = op.value
            return None
        if isinstance(op, GetOp):
            return self.kept.get(op.key)
        return list(self.kept)[op.offset : op.offset + op.limit]


def batches() -> Batches:
    return Batches(Pages(LEAST_FOUND), Pages(LEAST_LISTED))


def puts(number: int) -> list[PutOp]:
    return [PutOp(NS, f"k{n}", {"n": n}) for n in range(number)]


@pytest.mark.parametrize("most", [25, 26, 99, 100, 499, 500])
def test_puts_and_reads_come_in_parts_and_in_their_order(most: int) -> None:
    store, taken = Store(most), batches()

    stored = taken.ask(store.batch, puts(500))
    found = taken.ask(store.batch, [GetOp(NS, f"k{n}") for n in range(500)])

    assert stored == [None] * 500
    assert found == [{"n": n} for n in range(500)]
    assert max(store.batches) <= most


@pytest.mark.parametrize(
    "ops",
    [
        [*puts(30), GetOp(NS, "k1")],  # reads would see what was put before them
        [*puts(30), *puts(1)],  # which put is the last might change
    ],
)
def test_what_would_run_otherwise_in_parts_is_unsupported(ops: list[Any]) -> None:
    store = Store(26)

    with pytest.raises(UnsupportedError, match="26 operations at most"):
        batches().ask(store.batch, ops)

    assert store.kept == {}


@pytest.mark.parametrize(
    ("store", "number"),
    [
        (Store(24), 25),  # too few to be a limit
        (Store(100, error=OSError), 200),
        (Store(500), 501),  # asked for by the cases about large batches alone
    ],
)
def test_other_refusals_are_the_stores_own(store: Store, number: int) -> None:
    with pytest.raises(StoreRaisedError):
        batches().ask(store.batch, puts(number))


@pytest.mark.parametrize("page", [10, 50, 100, 1000])
def test_searches_of_a_batch_have_pages_that_the_store_takes(page: int) -> None:
    store, taken = Store(page=page), batches()
    taken.ask(store.batch, puts(75))
    everything = [f"k{n}" for n in range(75)]
    ops = [SearchOp(NS, limit=1000), GetOp(NS, "k3"), SearchOp(NS, limit=60, offset=5)]

    found = taken.ask(store.batch, ops)

    assert found == [everything, {"n": 3}, everything[5:65]]


def test_a_page_of_nothing_may_be_refused_in_a_batch() -> None:
    store = Store()
    store.kept = {"k": {}}

    taken = batches()

    for _ in range(2):  # the second time it is known
        ops = [SearchOp(NS, limit=0), SearchOp(NS), SearchOp(NS, limit=0)]
        assert taken.ask(store.batch, ops) == [[], ["k"], []]


def test_a_page_that_is_cut_beside_a_put_is_not_made_up() -> None:
    store = Store(page=50)
    store.kept = {f"k{n}": {} for n in range(80)}

    with pytest.raises(StoreRaisedError, match="limit is 1 to 50"):
        batches().ask(store.batch, [PutOp(NS, "new", {}), SearchOp(NS, limit=100)])


def test_answers_that_are_none_are_handed_on() -> None:
    answers: list[Any] = batches().ask(lambda ops: ops[:1], [SearchOp(NS), SearchOp(NS)])

    assert len(answers) == 1
