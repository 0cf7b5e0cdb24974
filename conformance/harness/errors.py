"""
How a case ends when it does not pass.
"""

from __future__ import annotations

from typing import Any

from store_conformance.harness.text import shorten


class CheckFailedError(AssertionError):
    """The store's answer breaks the rule."""

    def __init__(self, message: str, *, expected: Any = None, got: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.got = got


class StoreRaisedError(Exception):
    """A call to the store raised; ``cause`` is what it raised."""

    def __init__(self, call: str, cause: BaseException) -> None:
        super().__init__(f"{call} raised {type(cause).__name__}: {shorten(str(cause), 300)}")
        self.call = call
        self.cause = cause


class UnsupportedError(Exception):
    """The store does not offer this and says so."""


class UnverifiedError(Exception):
    """The check could not tell: a prerequisite failed, or nothing was exercised."""


class HarnessError(Exception):
    """The harness's own fault."""


class MigrationError(ValueError):
    """Memories were not moved: the store would not hold or give them; the message says what to do."""
