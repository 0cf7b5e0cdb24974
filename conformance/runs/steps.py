"""
The steps of a failed case as lines of a script: its calls, what it did in between, and what tells the bug.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from store_conformance.harness.errors import CheckFailedError, StoreRaisedError
from store_conformance.harness.journal import Call, Change
from store_conformance.harness.signatures import NOTHING_RAISED
from store_conformance.runs.expressions import (
    READS,
    literal,
    locate,
    locate_keys,
    locate_words,
)

if TYPE_CHECKING:
    from store_conformance.harness.backends import Snippet

RAISES, REFUSED = "raises", "refused"
CLOSE = 2e-3
"""How far a score may be from the one that was promised, as the checks have it."""


@dataclass(frozen=True)
class Verdict:
    """At which call the bug shows, and how: it raises, it does not, or by lines that set ``bug``."""

    number: int
    kind: str = ""
    telling: tuple[str, ...] = ()
    walk: bool = False
    """Whether the call at ``number`` is the first page of a walk, whose keys the lines have as ``found``."""
    refusable: bool = False
    """Whether the write before it may as well be refused."""


def verdict_on(failure: Any, calls: Sequence[Call]) -> Verdict | None:
    """What tells a failure by the results of these calls; ``None`` where nothing does."""
    last = max((n for n, c in enumerate(calls) if c.change is None), default=None)
    if last is None:
        return None
    check = isinstance(failure, CheckFailedError)
    if isinstance(failure, StoreRaisedError) or (check and calls[last].raised is not None):
        return Verdict(last, RAISES) if calls[last].raised is not None else None
    if not check:
        return None
    if isinstance(failure.got, str) and failure.got == NOTHING_RAISED:
        return Verdict(last, REFUSED)
    if failure.shows is not None:
        put, read = failure.shows
        return _shown(put, read, calls)
    place = locate(failure.got, calls) or locate_words(failure.got, calls)
    walk = locate_keys(failure.got, calls, failure.expected) if place is None else None
    if walk is not None:
        told = _compared(failure.expected, failure.got, calls, walk.first)
        telling = (f"got = {walk.expression}", *(told or ()))
        return Verdict(walk.first, telling=telling, walk=True) if told else None
    if place is None:
        return None
    number, expression = place
    # What the case did to an object comes before the look, whatever call the object is from.
    number = max([number, *(n for n, c in enumerate(calls) if c.change is not None)])
    if failure.compared:
        told = _compared(failure.expected, failure.got, calls, number)
    else:
        told = _told(failure)
    return Verdict(number, telling=(f"got = {expression}", *told)) if told else None


def _shown(expected: Any, got: Any, calls: Sequence[Call]) -> Verdict | None:
    """By the one value that a check over several shows: read back equal, or refused."""
    place = locate(got, calls)
    told = _compared(expected, got, calls, place[0]) if place is not None else None
    if place is None or told is None:
        return None
    return Verdict(place[0], telling=(f"got = {place[1]}", *told), refusable=True)


def _compared(expected: Any, got: Any, calls: Sequence[Call], number: int) -> list[str] | None:
    """The lines where the answer had to equal something."""
    promised = literal(expected)
    if promised is None:
        other = locate(expected, calls[:number])
        if other is None:
            return None
        promised = other[1]
    try:
        alike = bool(got == expected) or expected != expected  # noqa: PLR0124 - NaN
    except Exception:  # noqa: BLE001 - an answer that cannot be compared
        return None
    # Equal values of other types differ in how they are written.
    bug = "bug = repr(got) != repr(promised)" if alike else "bug = got != promised"
    return [f"promised = {promised}", *_printed("repr(promised)"), bug]


def _told(failure: CheckFailedError) -> list[str] | None:
    """The lines where the expectation is told in words, or is a score."""
    got, expected = failure.got, failure.expected
    if isinstance(expected, float) and (got is None or isinstance(got, float)):
        bug = f"bug = got is None or not abs(got - promised) <= {CLOSE}"
        return [f"promised = {expected!r}", *_printed("promised"), bug]
    words = expected if isinstance(expected, str) else failure.message
    told = _printed(repr(" ".join(words.split())[:160]))
    if isinstance(got, list) and any(isinstance(x, float) and math.isnan(x) for x in got):
        return [*told, "bug = any(x != x for x in got)"]
    text = literal(got)
    if isinstance(got, float):
        return [*told, f"bug = got is not None and abs(got - {got!r}) <= {CLOSE}"]
    if text is not None:  # the same wrong answer again
        return [*told, f"bug = got == {text}"]
    return None


def _printed(promised: str) -> list[str]:
    return ['print("got:     ", repr(got))', f'print("promised:", {promised})']


class Steps:
    """The calls of a case as lines, each result ``r<number>``, each store ``s<number>``."""

    def __init__(self, calls: Sequence[Call], snippet: Snippet, *, asynchronous: bool) -> None:
        self._calls = calls
        self._snippet = snippet
        self._asynchronous = asynchronous
        self._opened = False
        self._changes = [c.change for c in calls if c.change is not None]
        self._named: dict[int, str] = {}
        """What the case changes later and hands in before: a variable each, by identity."""

    def lines(self, verdict: Verdict) -> list[str] | None:
        """The steps up to the one that shows the bug; ``None`` where one has no source."""
        lines: list[str] = []
        writes = [n for n, c in enumerate(self._calls[: verdict.number]) if _writes(c)]
        for at, call in enumerate(self._calls[: verdict.number + 1]):
            shown = verdict.kind if at == verdict.number else ""
            if at == verdict.number and verdict.walk:
                step = self._walk(call)
            else:
                step = self._step(at, call, shown)
            if step is None:
                return None
            if verdict.refusable and writes and at == writes[-1]:
                refused = ["except Exception as error:", "    print('refused', repr(error)[:200])"]
                step = ["try:", *(f"    {s}" for s in step), *refused, "    return False"]
            lines += step
        return [*lines, *verdict.telling]

    def _walk(self, call: Call) -> list[str] | None:
        """Every page of a search from its first one on, as long as there is one."""
        page = call.kwargs.get("limit")
        begin = call.kwargs.get("offset", 0)
        source = self._source(replace(call, kwargs={**call.kwargs, "offset": 0}), [])
        if source is None:
            return None
        if not isinstance(page, int) or "offset" not in call.kwargs:
            wait, twin = ("await ", "a") if self._asynchronous else ("", "")
            plain = self._source(call, [])
            return [f"found = [i.key for i in {wait}s{call.store}.{twin}{plain}]"]
        wait, twin = ("await ", "a") if self._asynchronous else ("", "")
        asked = source.replace("offset=0", "offset=offset")
        return [
            f"found, offset = [], {begin!r}",
            f"while page := {wait}s{call.store}.{twin}{asked}:",
            "    found += [i.key for i in page]",
            f"    offset += {page}",
            "    if offset > 100_000: break  # no page is empty",
        ]

    def _step(self, at: int, call: Call, shown: str) -> list[str] | None:
        if call.name == "open":
            return self._opening(call, fails=shown == RAISES)
        if call.change is not None:
            place = self._place(call.change, at)
            return None if place is None else [f"{call.change.function.__name__}({place})"]
        if call.name not in (*READS, "put", "delete", "setup"):
            return None
        before: list[str] = []
        source = self._source(call, before)
        if source is None:
            return None
        wait, twin = ("await ", "a") if self._asynchronous else ("", "")
        if call.name == "setup":  # it has no twin: a store has it async or not
            steps = [f"x = s{call.store}.{source}"]
            steps += ["if hasattr(x, '__await__'): await x"] if self._asynchronous else []
        else:
            steps = [f"{wait}s{call.store}.{twin}{source}"]
        if shown:
            return [*before, *_raising(steps, shown)]
        if call.raised is not None:  # the case went on, whatever was raised
            return [*before, "try:", *(f"    {s}" for s in steps), "except Exception: pass"]
        if call.name in READS:
            steps[0] = f"r{at} = {steps[0]}"
        return [*before, *steps]

    # -- arguments ----------------------------------------------------------------------------

    def _source(self, call: Call, before: list[str]) -> str | None:
        """The call as source; what is changed later is made by lines ``before`` it."""
        parts = []
        args, kwargs = call.given or (call.args, call.kwargs)
        names = [*("" for _ in args), *kwargs]
        held = (*call.args, *call.kwargs.values())
        for name, value, kept in zip(names, held, (*args, *kwargs.values())):
            if call.name == "batch":
                text = self._ops(value, kept, before)
            else:
                text = self._value(value, kept, before)
            if text is None:
                return None
            parts.append(f"{name}={text}" if name else text)
        return f"{call.name}({', '.join(parts)})"

    def _value(self, value: Any, kept: Any, before: list[str]) -> str | None:
        """The name of an object that the case changes, else ``kept``, which is equal, as source."""
        if id(value) in self._named:
            return self._named[id(value)]
        change = next((c for c in self._changes if c.value is value), None)
        if change is None:
            return literal(kept)
        name = f"v{len(self._named)}"
        self._named[id(value)] = name
        before.append(f"{name} = {change.before}")
        return name

    def _ops(self, ops: Any, kept: Any, before: list[str]) -> str | None:
        """A list of operations as source: their classes have such a representation."""
        if not isinstance(ops, (list, tuple)):
            return None
        texts = []
        for op, copied in zip(ops, kept):
            if isinstance(op, tuple) and hasattr(op, "_fields"):
                fields = [self._value(f, k, before) or _condition(f) for f, k in zip(op, copied)]
                if any(f is None for f in fields):
                    return None
                texts.append(f"{type(op).__name__}({', '.join(map(str, fields))})")
            else:
                text = literal(copied)
                if text is None:
                    return None
                texts.append(text)
        return f"[{', '.join(texts)}]"

    def _place(self, change: Change, at: int) -> str | None:
        """Where a script has the object that the case changed."""
        if id(change.value) in self._named:
            return self._named[id(change.value)]
        for number in range(at - 1, -1, -1):
            if self._calls[number].name in READS:
                found = _inside(self._calls[number].result, change.value, f"r{number}", 3)
                if found is not None:
                    return found
        return None

    # -- opening ------------------------------------------------------------------------------

    def _opening(self, call: Call, *, fails: bool) -> list[str]:
        """The lines that open a store, after the one before it is closed; ``fails``: here the bug shows."""
        snippet, asynchronous = self._snippet, self._asynchronous
        text = _filled(snippet.opening, call.kwargs)
        store = f"s{call.store}"
        enter, leave = "await m.__aenter__()", "await m.__aexit__(None, None, None)"
        if not (asynchronous if snippet.awaits is None else snippet.awaits):
            enter, leave = "m.__enter__()", "m.__exit__(None, None, None)"
        lines = [leave] if self._opened else []
        self._opened = True
        steps = [f"m = {text}", f"{store} = {enter}"]
        if snippet.setup:
            steps.append(f"{'await ' if asynchronous else ''}{store}.setup()")
        if fails:
            return [*lines, *_raising(steps, RAISES)]
        if call.raised is not None:
            return [*lines, "try:", *(f"    {s}" for s in steps), "except Exception: pass"]
        return [*lines, *steps]


def _writes(call: Call) -> bool:
    return call.raised is None and call.name in ("put", "batch")


def _condition(value: Any) -> str | None:
    """The conditions of a listing, whose classes have a representation too."""
    text = repr(value)
    return text if "MatchCondition(" in text and " at 0x" not in text else None


def _inside(answer: Any, wanted: Any, name: str, depth: int) -> str | None:
    """The expression that leads from an answer to an object in it."""
    if answer is wanted:
        return name
    if not depth:
        return None
    if isinstance(answer, (list, tuple)):
        for n, element in enumerate(answer[:20]):
            found = _inside(element, wanted, f"{name}[{n}]", depth - 1)
            if found is not None:
                return found
        return None
    if getattr(answer, "value", None) is wanted:
        return f"{name}.value"
    return None


def _filled(opening: str, given: dict[str, Any]) -> str:
    """The opening expression with the index and ttl of this opening in it."""
    values = {"index": "None", "ttl": "None"}
    if "index" in given:
        rest = {k: v for k, v in given["index"].items() if k != "embed"}
        values["index"] = f"{{'embed': embed, **{rest!r}}}"
    if "ttl" in given:
        values["ttl"] = repr(given["ttl"])
    pairs = [f"{k}={v}" for k, v in values.items() if k in given]
    first = next((p for p in pairs if p.startswith("index")), "")
    filled = opening.replace("{args}", "".join(f", {p}" for p in pairs)).replace("{index}", first)
    return filled.replace("{INDEX}", values["index"]).replace("{TTL}", values["ttl"])


def _raising(steps: list[str], kind: str) -> list[str]:
    """The steps, where it is the bug that they raise, or (of one call) that they do not."""
    if kind == RAISES:
        return [
            "bug = False",
            "try:",
            *(f"    {step}" for step in steps),
            "except Exception as error:",
            '    print("got:      raised", type(error).__name__, str(error)[:200])',
            '    print("promised: no exception")',
            "    bug = True",
        ]
    return [
        "bug = False",
        "try:",
        f"    print('got:      ', {steps[0]})",
        "    print('promised: a refusal')",
        "    bug = True",
        "except Exception as error:",
        "    print('refused with', type(error).__name__)",
    ]
