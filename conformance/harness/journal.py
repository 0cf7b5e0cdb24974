"""
The record of what a case did to its store: the evidence of a run and the source of reproducers.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from store_conformance.harness.loops import Watch
from store_conformance.harness.text import message_of, represent


@dataclass(frozen=True)
class Change:
    """What a case did to an object that a call was given or gave: ``function(value)``."""

    function: Callable[[Any], None]
    value: Any
    before: str
    """The value as it was, as text."""


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
    embedder: Any = None
    """What an opening was given to embed with."""
    change: Change | None = None
    """No call but a step of the case in between."""
    given: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """Copies of ``args`` and ``kwargs``, made before the case changed an object that it holds."""

    def text(self) -> str:
        """``put(('a',), 'k', {...})`` as Python, cut to a readable length."""
        parts = [represent(a, 160) for a in self.args]
        parts += [f"{k}={represent(v, 160)}" for k, v in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})"

    def line(self) -> str:
        """The call and its outcome in one line."""
        if self.change is not None:
            return f"# then the case: {self.change.function.__name__}({self.change.before[:160]})"
        if self.raised is not None:
            return f"{self.text()} -> raised {type(self.raised).__name__}: {message_of(self.raised, 120)}"
        return f"{self.text()} -> {represent(self.result, 160)}"


def _kept(call: Call) -> Call:
    """The call with copies of its arguments, where they can be copied and were not before."""
    if call.given is not None:
        return call
    try:
        return replace(call, given=copy.deepcopy((call.args, call.kwargs)))
    except Exception:  # noqa: BLE001 - what a case hands in may be anything
        return call


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
    operations: int = 1
    """Of the call under way, or of the last one: more than one where it is a batch."""
    beside: Journal | None = None
    """The record of the lab beside, while the case asks something there."""

    raised: int = 0
    """Calls that raised, but for ``open`` and ``close``."""
    answered: bool = False
    """Whether any other call did not."""
    first_error: Call | None = None

    def add(self, call: Call) -> None:
        self.count += 1
        self._tally(call)
        if len(self.first) < 40:
            self.first.append(call)
        else:
            self.last.append(call)

    def forget(self) -> None:
        """Keep no call; how many there were is still known."""
        self.first, self.first_error = [], None
        self.last.clear()

    def note(self, function: Callable[[Any], None], value: Any) -> None:
        """A step of the case, before it is taken."""
        change = Change(function, value, represent(value, 6000))
        # What a store shares with its caller changes in the arguments of earlier calls too.
        self.first = [_kept(call) for call in self.first]
        self.last = deque(map(_kept, self.last), maxlen=self.last.maxlen)
        self.add(Call(0, "change", (), {}, change=change))

    @property
    def complete(self) -> bool:
        """Whether every call of the case is still here."""
        return self.count == len(self.first) + len(self.last)

    def watch(self) -> Watch:
        """What tells of the calls while the case is under way."""
        return Watch(self._under_way, self.only_errors)

    def _under_way(self) -> float | None:
        """When the call under way began, here or in the lab beside."""
        beside = self.beside
        if self.busy_since is None and beside is not None:
            return beside.busy_since
        return self.busy_since

    def only_errors(self) -> str | None:
        """
        The first call that raised, as text, where no call of several but ``open`` and ``close`` did anything else.
        """
        # Asked from another thread: from what was counted, and not from the calls, which change meanwhile.
        first = self.first_error
        return first.line() if first is not None and self.raised > 1 and not self.answered else None

    def _tally(self, call: Call) -> None:
        if call.change is not None or call.name in ("open", "close"):
            return
        if call.raised is None:
            self.answered = True
            return
        self.raised += 1
        self.first_error = self.first_error or call

    def calls(self) -> list[Call]:
        return [*self.first, *self.last]

    def lines(self, most: int = 12) -> list[str]:
        """The last calls as text."""
        return [c.line() for c in self.calls()[-most:]]
