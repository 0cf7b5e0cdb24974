"""
Stores that give their items in smaller pages than are asked for, with an error or without: none is lost.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import PutOp
from langgraph.store.memory import InMemoryStore

from store_conformance.migration import pages
from store_conformance.migration.pages import PAGE, EndlessPagesError, Pages
from store_conformance.migration.transfer import MigrationError, export_items
from tests.test_migration import Unsettled, run

ITEMS, SPACES = 610, 90


class Refuses(InMemoryStore):
    """Takes no limit above 300, and says so; notes what it was asked for."""

    most = 300

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def batch(self, ops: Any) -> Any:
        listed = list(ops)
        for op in listed:
            limit = getattr(op, "limit", 0)
            self.asked += [limit] if limit else []
            if limit > self.most:
                raise ValueError(f"limit must be at most {self.most}")
        return super().batch(listed)


class Refuses70(Refuses):
    most = 70


class Caps(InMemoryStore):
    """Gives no more than 64 in one answer, whatever was asked for."""

    def batch(self, ops: Any) -> Any:
        return [found[:64] if isinstance(found, list) else found for found in super().batch(ops)]


class EndsBySize(InMemoryStore):
    """A page ends where its values have 2,000 characters."""

    def batch(self, ops: Any) -> Any:
        return [
            self._fitting(found) if isinstance(found, list) and found else found
            for found in super().batch(ops)
        ]

    def _fitting(self, found: list[Any]) -> list[Any]:
        total, kept = 0, found[:1]
        for item in found[1:]:
            total += len(json.dumps(getattr(item, "value", None)))
            if total > 2000:
                break
            kept.append(item)
        return kept


class Shop(InMemoryStore):
    """Refuses for a reason of its own, in which no limit is named."""

    def search(self, prefix: Any, /, **more: Any) -> Any:
        raise ValueError("the shop is closed")


def filled(store: Any) -> Any:
    puts = [PutOp(("log",), f"k{n}", {"n": n, "text": "x" * (n % 90)}) for n in range(ITEMS)]
    puts += [PutOp(("user", f"u{n}"), "k", {"n": n}) for n in range(SPACES)]
    for at in range(0, len(puts), 50):
        store.batch(puts[at : at + 50])
    return store


@pytest.mark.parametrize("kind", [InMemoryStore, Refuses, Refuses70, Caps, EndsBySize])
def test_every_item_leaves_and_enters_a_store_of_small_pages(kind: Any, tmp_path: Path) -> None:
    source = filled(kind())

    assert len(list(export_items(source))) == ITEMS + SPACES
    assert run(source, InMemoryStore(), tmp_path / "there").items == ITEMS + SPACES
    assert run(filled(InMemoryStore()), kind(), tmp_path / "back").items == ITEMS + SPACES


def test_a_page_that_is_taken_is_not_made_smaller_and_a_refused_one_not_asked_for_again() -> None:
    plain, refuses = filled(Refuses()), filled(Refuses())
    plain.most = PAGE
    plain.asked.clear(), refuses.asked.clear()

    list(export_items(plain)), list(export_items(refuses))

    assert set(plain.asked) == {PAGE}
    assert refuses.asked.count(PAGE) == 1 and max(refuses.asked[1:]) <= Refuses.most


def test_an_error_that_names_no_limit_is_told() -> None:
    with pytest.raises(ValueError, match="shop is closed"):
        list(export_items(filled(Shop())))


class UnsettledAndCapped(Unsettled):
    """Its pages overlap, and one answer never holds all."""

    def search(self, prefix: Any, /, **more: Any) -> Any:
        return super().search(prefix, **more)[:64]


class UnsettledAndRefusing(Unsettled):
    """Its pages overlap, and it is asked for all of them in vain."""

    def search(self, prefix: Any, /, **more: Any) -> Any:
        if more["limit"] > PAGE:
            raise ValueError("limit must be at most 500")
        return super().search(prefix, **more)


@pytest.mark.parametrize("kind", [UnsettledAndCapped, UnsettledAndRefusing])
def test_overlapping_pages_that_cannot_be_had_in_one_answer_are_an_error(
    kind: Any, tmp_path: Path
) -> None:
    with pytest.raises(MigrationError, match="does not give all of them at once"):
        run(filled(kind()), InMemoryStore(), tmp_path / "j")


def test_pages_without_an_end_are_an_error_and_others_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_PAGES", 5)

    with pytest.raises(EndlessPagesError, match="do not end"):
        list(Pages(None).all_of(lambda most, offset: [offset]))
    assert len(list(Pages(None).all_of(lambda most, offset: [offset][: 3 - offset]))) == 3
