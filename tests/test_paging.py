"""
A store that refuses a large page by name is asked for smaller ones; one that gives too little is not helped.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from store_conformance.harness.errors import StoreRaisedError, UnsupportedError
from store_conformance.harness.paging import LEAST_FOUND, Pages, names_a_limit

EVERY = list(range(640))


class Store:
    """Has numbers as items; ``most`` is its largest page, ``error`` what it says of a larger one, if anything."""

    def __init__(self, most: int, error: Exception | None) -> None:
        self.most = most
        self.error = error
        self.asked: list[tuple[int, int]] = []

    def search(self, given: dict[str, Any]) -> list[Any]:
        limit, offset = given["limit"], given.get("offset", 0)
        self.asked.append((limit, offset))
        if limit > self.most and self.error is not None:
            raise StoreRaisedError("search", self.error)
        return EVERY[offset : offset + min(limit, self.most)]


REFUSAL = ValueError("limit must be 300 at most")


@pytest.mark.parametrize("most", [10, 50, 100, 299, 300, 999, 1000])
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"limit": 1000}, EVERY),
        ({"limit": 640}, EVERY),
        ({"limit": 310, "offset": 5}, EVERY[5:315]),
        ({"limit": 7, "offset": 636}, EVERY[636:]),
        ({"limit": 400, "offset": 1000}, []),
    ],
)
def test_what_is_refused_by_name_comes_in_smaller_pages(
    most: int, given: dict[str, Any], wanted: list[int]
) -> None:
    store = Store(most, REFUSAL)

    found = Pages(LEAST_FOUND).ask(store.search, given)

    assert found == wanted


def test_a_refused_page_is_not_asked_for_again() -> None:
    store, pages = Store(300, REFUSAL), Pages(LEAST_FOUND)
    pages.ask(store.search, {"limit": 1000})
    store.asked.clear()

    pages.ask(store.search, {"limit": 600})

    assert store.asked == [(250, 0), (250, 250), (100, 500)]


def test_a_store_that_gives_less_than_asked_is_not_helped() -> None:
    found = Pages(LEAST_FOUND).ask(Store(300, None).search, {"limit": 1000})

    assert found == EVERY[:300]


@pytest.mark.parametrize(
    ("most", "error", "limit"),
    [
        (300, OSError("limit must be 300 at most"), 1000),
        (300, ValueError("no such column"), 1000),
        (300, REFUSAL, 5000),  # more than any case asks for that is not about limits
        (9, REFUSAL, 1000),
        (9, REFUSAL, 10),
    ],
)
def test_other_errors_are_the_stores_own(most: int, error: Exception, limit: int) -> None:
    with pytest.raises(StoreRaisedError):
        Pages(LEAST_FOUND).ask(Store(most, error).search, {"limit": limit})


def test_a_window_of_matches_is_not_judged_by_a_page_that_needs_more() -> None:
    def search(given: dict[str, Any]) -> list[Any]:
        last = given["limit"] + given.get("offset", 0)
        if last > 100:
            raise StoreRaisedError("search", ValueError(f"offset + limit is {last}, 100 at most"))
        return EVERY[given.get("offset", 0) : last]

    assert Pages(LEAST_FOUND).ask(search, {"limit": 100, "query": "a"}) == EVERY[:100]
    for beyond in ({"limit": 400}, {"limit": 7, "offset": 300}):
        with pytest.raises(UnsupportedError, match="of a query are refused by name"):
            Pages(LEAST_FOUND).ask(search, {**beyond, "query": "a"})
        with pytest.raises(StoreRaisedError):
            Pages(LEAST_FOUND).ask(search, beyond)


class QuotaError(Exception):
    """A class of a store's own."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a batch may have 100 operations, this one has 121"),
        QuotaError("only 100 items at a time"),
        TypeError("limit must be up to 50"),
    ],
)
def test_a_limit_may_be_named_in_numbers_and_by_an_own_class(error: Exception) -> None:
    assert names_a_limit(error)


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("too many SQL variables, 999 at most"),
        RuntimeError("too many operations"),
        IndexError("item 7 of 3"),
        QuotaError("the write failed"),
        ValueError("could not convert 'n17' to a number"),
    ],
)
def test_an_accident_names_no_limit(error: Exception) -> None:
    assert not names_a_limit(error)
