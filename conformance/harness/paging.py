"""
Pages of a store that takes only so many items at once, and says so.

The docs name no most for ``limit`` and promise no absence of one.  A store that refuses a limit by name is asked
for smaller pages, so that no rule about something else fails by it; one that gives less than was asked for, without
an error, is never helped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from store_conformance.harness.errors import StoreRaisedError, UnsupportedError
from store_conformance.harness.text import message_of

LEAST_FOUND = 10
"""A search of so many is asked of every store: the default of ``limit``."""
LEAST_LISTED = 100
"""A listing of so many is asked of every store: the default of its ``limit``."""
MOST = 1000
"""A page above this is asked for by cases about large pages alone, which see the refusal."""
WINDOW = 100
"""So many matches of a query are reached in every store: engines give the nearest so many, and no more by an offset."""
_REFUSALS = (ValueError, TypeError, NotImplementedError)
_OF_DRIVERS = ("DatabaseError", "InterfaceError")
"""From these DB-API has what a driver raises: a store that runs into "too many SQL variables" has refused nothing."""
_WORDS = (
    *("limit", "max", "at most", "page", "exceed", "too many", "too large", "greater than"),
    *("more than", "larger than", "less than", "fewer than", "up to"),
)
_SAID_IN_NUMBERS = re.compile(
    r"\b(?:operations?|ops?|items?|entr(?:y|ies)|records?|rows?|results?|requests?|writes?|batch(?:es)?)\b"
)
"""Words that, beside a number, say how much is taken: "a batch may have 100 operations, this one has 121"."""


def names_a_limit(error: BaseException, words: tuple[str, ...] = _WORDS) -> bool:
    """Whether a store refused what was asked by an error of its own that names how much it takes."""
    text = message_of(error).lower()
    if not _is_meant(error):
        return False
    return any(word in text for word in words) or _in_numbers(text)


def _is_meant(error: BaseException) -> bool:
    """Whether an error may be meant for the caller: not one of Python's accidents, nor of a database's driver."""
    kinds = type(error).__mro__
    if isinstance(error, _REFUSALS):
        return True
    by_driver = any(kind.__name__ in _OF_DRIVERS for kind in kinds)
    return isinstance(error, Exception) and kinds[0].__module__ != "builtins" and not by_driver


def _in_numbers(text: str) -> bool:
    """Whether this says a number of operations, items or the like."""
    return bool(re.search(r"\d", text) and _SAID_IN_NUMBERS.search(text))


Ask = Callable[[dict[str, Any]], list[Any]]


class Pages:
    """The page that one store takes, as far as it is known."""

    def __init__(self, least: int) -> None:
        self.least = least
        self.page = MOST
        self.none_refused = False
        """Whether a page of no items at all was refused by name."""

    def ask(self, ask: Ask, arguments: dict[str, Any]) -> list[Any]:
        """The answer to these arguments of a search or listing, put together from smaller ones where they must be."""
        ask = _beyond_no_window(ask) if arguments.get("query") else ask
        limit = arguments.get("limit")
        if type(limit) is int and limit == 0:
            return self._ask_for_none(ask, arguments)
        if type(limit) is not int or not self.least < limit <= MOST:
            return ask(arguments)
        while limit > self.page:
            try:
                return self._put_together(ask, arguments, limit)
            except StoreRaisedError as error:
                self.shrink(error)
        try:
            return ask(arguments)
        except StoreRaisedError as error:
            self.page = limit
            self.shrink(error)
        return self.ask(ask, arguments)

    def _ask_for_none(self, ask: Ask, arguments: dict[str, Any]) -> list[Any]:
        try:
            return ask(arguments)
        except StoreRaisedError as error:
            if not names_a_limit(error.cause):
                raise
            self.none_refused = True
            return []

    def _put_together(self, ask: Ask, arguments: dict[str, Any], limit: int) -> list[Any]:
        first = arguments.get("offset") or 0
        found: list[Any] = []
        while len(found) < limit:
            size = min(self.page, limit - len(found))
            part = ask({**arguments, "limit": size, "offset": first + len(found)})
            if not isinstance(part, list):
                return part  # for whoever asked to judge
            found += part
            if len(part) < size:
                break
        return found

    def shrink(self, error: StoreRaisedError) -> None:
        """Take the next smaller page, or let the error pass: it names no limit, or too small a one."""
        if not names_a_limit(error.cause) or self.page <= self.least:
            raise error
        self.page = max(self.least, self.page // 2)


def _beyond_no_window(ask: Ask) -> Ask:
    """As it is asked, but a page of a query that lies beyond the nearest hundred may be refused by name."""

    def asked(arguments: dict[str, Any]) -> list[Any]:
        try:
            return ask(arguments)
        except StoreRaisedError as error:
            first, limit = arguments.get("offset"), arguments.get("limit")
            if type(first) is not int or type(limit) is not int:
                raise
            refused = first > 0 and first + limit > WINDOW and limit <= LEAST_FOUND
            if not refused or not names_a_limit(error.cause):
                raise
            why = message_of(error.cause, 160)
            raise UnsupportedError(
                f"matches {first} to {first + limit} of a query are refused by name: {why}"
            ) from error

    return asked
