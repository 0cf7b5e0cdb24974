"""
A walk over the pages of a search ends, whatever the store answers.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from store_conformance.backends.factory import user_supplied
from store_conformance.contract import Mode
from store_conformance.harness.errors import CheckFailedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.settings import Settings
from store_conformance.harness.subject import STALE_PAGES, Subject
from store_conformance.mutants.catalogue import Mutant, Variant, mutants, variants
from store_conformance.suite.register import all_cases

D = ("d",)
ITEMS = 2 * STALE_PAGES
_EVERY: tuple[Mutant | Variant, ...] = (*variants(), *mutants())
STORES = {store.name: store for store in _EVERY}
ANY_CASE = next(s for s in all_cases() if s.rule_id == "S5")


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """A broken or correct store of that name, with as many items as a walk needs."""
    chosen = STORES[request.param]
    backend = user_supplied(chosen.reference, name=chosen.name)
    backend.start()
    lab = Lab(backend, ANY_CASE, Mode.SYNC, None, Settings())
    try:
        opened = lab.open()
        for n in range(ITEMS):
            opened.put(D, f"k{n:03}", {"n": n})
        yield opened
    finally:
        lab.close()
        backend.stop()


@pytest.mark.parametrize("store", ["plain"], indirect=True)
def test_a_walk_brings_every_item_page_by_page(store: Subject) -> None:
    assert [i.key for i in store.walk(D, page=1)] == [f"k{n:03}" for n in range(ITEMS)]


@pytest.mark.parametrize("store", ["offset_past_the_end_gives_the_last_page"], indirect=True)
def test_a_walk_in_circles_is_given_up_soon(store: Subject) -> None:
    with pytest.raises(
        CheckFailedError, match=f"the last {STALE_PAGES} of {STALE_PAGES + 2} pages"
    ):
        store.walk(D, page=ITEMS // 2)


@pytest.mark.parametrize("store", ["pages_skip_an_item"], indirect=True)
def test_a_walk_that_ends_is_no_circle(store: Subject) -> None:
    assert 0 < len(store.walk(D, page=10)) < ITEMS
