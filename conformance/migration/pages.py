"""
The pages of a store's searches and listings, to their very end.

A store may give fewer than was asked for, in silence or because its pages end by their size: only a page with
nothing on it is behind the last one.  One that refuses a page of our size by name is asked for smaller ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from store_conformance.contract import UserError, Verdict
from store_conformance.harness.backends import is_lost_connection, tables_of
from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.paging import names_a_limit

PAGE = 500
MOST_PAGES = 100_000
Ask = Callable[[int, int], list[Any]]
"""Asks for so many from an offset on."""


class EndlessPagesError(UserError):
    """A store whose pages bring something for ever."""

    verdict = Verdict.FAIL


class Pages:
    """The page that one store takes, as far as it is known by now."""

    def __init__(self, store: Any) -> None:
        self.size = PAGE
        # The official stores give as many as there are, so that a short page of theirs is the last one.
        self._exact = tables_of(getattr(store, "raw", store)) is not None

    def all_of(self, ask: Ask) -> Iterator[list[Any]]:
        """Each page with something on it; raises `EndlessPagesError` after ``MOST_PAGES``."""
        offset = 0
        for _ in range(MOST_PAGES):
            page = self._one(ask, offset)
            if not page:
                return
            yield page
            offset += len(page)
            if self._exact and len(page) < self.size:
                return
        raise EndlessPagesError(
            f"the store's pages do not end: {MOST_PAGES} of them had something on them",
            "is the store being written to?",
        )

    def _one(self, ask: Ask, offset: int) -> list[Any]:
        while True:
            try:
                return ask(self.size, offset)
            except Exception as error:
                cause = error.cause if isinstance(error, StoreRaisedError) else error
                if self.size == 1 or is_lost_connection(cause) or not names_a_limit(cause):
                    raise
                self.size //= 2
