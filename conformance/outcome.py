"""
How a case ends when it does not pass, and the record of what it did to the store.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

MAX_TEXT = 600


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
        super().__init__(f"{call} raised {type(cause).__name__}: {brief(str(cause), 300)}")
        self.call = call
        self.cause = cause


class UnsupportedError(Exception):
    """The store does not offer this and says so."""


class UnverifiedError(Exception):
    """The check could not tell: a prerequisite failed, or nothing was exercised."""


class HarnessError(Exception):
    """The harness's own fault."""


def brief(text: str, limit: int = MAX_TEXT) -> str:
    """The text, cut in the middle where it is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 20) // 2
    return f"{text[:half]} ...[{len(text) - 2 * half} more]... {text[-half:]}"


def shown(value: Any, limit: int = MAX_TEXT) -> str:
    """``repr`` of a store's answer, which may itself be broken, cut to ``limit`` characters."""
    try:
        return brief(repr(value), limit)
    except Exception as error:  # noqa: BLE001 - an Item with a broken field raises in its own repr
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


@dataclass(frozen=True)
class Call:
    """One call to a store: what was asked and what came back, as objects."""

    store: int
    """Which opening of the case it went to, counted from 0."""
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any = None
    raised: BaseException | None = None

    def text(self) -> str:
        """``put(('a',), 'k', {...})`` as Python, cut to a readable length."""
        parts = [shown(a, 160) for a in self.args]
        parts += [f"{k}={shown(v, 160)}" for k, v in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})"

    def line(self) -> str:
        """The call and its outcome in one line."""
        if self.raised is not None:
            return f"{self.text()} -> raised {type(self.raised).__name__}: {brief(str(self.raised), 120)}"
        return f"{self.text()} -> {shown(self.result, 160)}"


@dataclass
class Journal:
    """
    The calls of one case, oldest first; only the first 40 and the last 60 are kept.
    """

    first: list[Call] = field(default_factory=list)
    last: deque[Call] = field(default_factory=lambda: deque(maxlen=60))
    count: int = 0
    seconds: float = 0.0
    """Wall-clock seconds spent inside the store's calls."""
    waited: float = 0.0
    """Wall-clock seconds that the case let pass between calls, because its rule is about time."""
    busy_since: float | None = None
    """When (``time.monotonic``) the call under way began; ``None`` between calls."""

    def add(self, call: Call) -> None:
        self.count += 1
        if len(self.first) < 40:
            self.first.append(call)
        else:
            self.last.append(call)

    @property
    def complete(self) -> bool:
        """Whether every call of the case is still here."""
        return self.count == len(self.first) + len(self.last)

    def calls(self) -> list[Call]:
        return [*self.first, *self.last]

    def lines(self, most: int = 12) -> list[str]:
        """The last calls as text."""
        return [c.line() for c in self.calls()[-most:]]
