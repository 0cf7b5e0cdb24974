"""
What a failure looks like: a short text that is the same wherever and whenever the same fault shows.

Addresses, ids, paths, times, numbers and the texts of a case's data are left out, so that another seed,
machine or Python version gives the same text; the call, the kind of exception and the kind of difference
stay, so that another fault gives another one.  Expectations pin it, and failures are grouped by it.
"""

from __future__ import annotations

import builtins
import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store_conformance.harness.compat import Item
from store_conformance.harness.errors import CheckFailedError, StoreRaisedError
from store_conformance.harness.text import message_of

MOST = 200
"""The longest text of what a failure looks like."""
GAP = "…"
"""Stands for whatever was left out."""
NOTHING_RAISED = "no exception"
"""What a check that wants a refusal says it got (`Lab.refuses`)."""


@dataclass(frozen=True)
class Signature:
    """What a failure looks like, and what it shares with others of the same likely cause."""

    kind: str
    cause: str


# -- texts --------------------------------------------------------------------------------------

_URL = re.compile(r"\b\w+://[^\s'\")]+")
_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[\\/][\w.~+-]+){2,}[\\/]?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_QUOTED = re.compile(
    r"(?P<before>\b(?:attribute|argument) )?(?<!\w)[bBrRuU]{0,2}"
    r"(?:'(?P<one>(?:[^'\\]|\\.)*)'|\"(?P<two>(?:[^\"\\]|\\.)*)\")(?!\w)"
)
_TASK = re.compile(r"<Task \w+ .*?coro=<(?P<what>[\w.]+(?:<locals>[\w.]+)*)\(.*")
_CUT_OFF = re.compile(rf"(?<![\w{GAP}])[bBrRuU]{{0,2}}['\"](?![\w.]+').*")
"""Quoted data whose end was cut off."""
_THING = re.compile(r"<(?P<kind>[A-Za-z_][\w.]*) [^<>]*>")
_SIZED = re.compile(r"\b(?:u?int|float)(?:8|16|32|64)\b")
_NUMBERED = re.compile(r"[-+]?\w*\d(?:[\w,]*\w)?(?:\.\d+)?(?:[eE][-+]?\d+)?%?")
_LITERAL = (
    rf"(?:\w+=)?(?:{GAP}|True|False|None|nan|inf|'[\w.]+'"
    rf"|[\w.]*\({GAP}?\)|\[{GAP}?\]|{{{GAP}?}})"
)
_GROUP = re.compile(
    rf"(?P<open>[\[({{])\s*{_LITERAL}(?:\s*[,:]\s*{_LITERAL})*\s*,?\s*(?P<close>[\])}}])"
)
_GAPS = re.compile(rf"{GAP}(?:(?:\s*[,;:]\s*|\s*){GAP})+")
_TYPES = frozenset(
    {name for name in dir(builtins) if isinstance(getattr(builtins, name), type)}
    | {"NoneType", "Item", "SearchItem", "coroutine", "function", "module", "method"}
)


def normal(text: str) -> str:
    """The text without what differs from run to run; of several lines the first that says something."""
    line = next((one for one in text.splitlines() if one.strip()), "")
    line = _THING.sub(rf"<\g<kind> {GAP}>", _TASK.sub(r"task of \g<what>", line))
    line = _SIZED.sub(lambda m: m.group().translate(_LETTERS), line)
    line = _CUT_OFF.sub(GAP, _QUOTED.sub(_quoted, line))
    for pattern in (_URL, _TIME, _UUID, _PATH):
        line = pattern.sub(GAP, line)
    line = _NUMBERED.sub(GAP, line)
    before = None
    while line != before:
        before = line
        line = _GROUP.sub(rf"\g<open>{GAP}\g<close>", line)
    line = _GAPS.sub(GAP, " ".join(line.split()))
    return line.translate(_DIGITS)


_LETTERS = {ord("0") + n: 0xE000 + n for n in range(10)}
"""Digits that belong to the name of a type are kept out of the way of those of numbers."""
_DIGITS = {0xE000 + n: ord("0") + n for n in range(10)}


def _quoted(found: re.Match[str]) -> str:
    """Quoted data is left out; the name of a type, of an attribute or an argument is none."""
    word = found["one"] if found["one"] is not None else found["two"]
    before = found["before"] or ""
    kept = word in _TYPES or (before and word.isidentifier())
    return f"{before}'{word}'" if kept else f"{before}{GAP}"


def _cut(text: str) -> str:
    """The text, or its beginning with a digest of the whole, so that what is cut off counts too."""
    if len(text) <= MOST:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{text[:MOST].rstrip()}{GAP} [{digest}]"


# -- values -------------------------------------------------------------------------------------


def _named(value: Any) -> str:
    """What kind of thing a value is, with an article."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "infinity"
    if isinstance(value, (str, list, tuple, dict, set, frozenset)) and not value:
        return f"an empty {type(value).__name__}"
    if isinstance(value, (list, tuple)):
        kinds = sorted({_named(v).removeprefix("an ").removeprefix("a ") for v in value[:50]})
        return f"a {type(value).__name__} of {', '.join(kinds[:3])}"
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


def difference(expected: Any, got: Any) -> str:
    """In a few words how ``got`` differs from ``expected``; empty where that cannot be said."""
    try:
        return _difference(expected, got)
    except Exception:  # noqa: BLE001 - a store's answer may break in any hand
        return f"an answer of type {type(got).__name__} that cannot be looked into"


def _difference(expected: Any, got: Any) -> str:
    if got is None and expected is None:
        return ""
    if isinstance(got, BaseException):
        return f"{type(got).__name__}: {normal(message_of(got))}"
    if expected is None or (isinstance(expected, str) and not isinstance(got, str)):
        return f"got {_named(got)}"  # an expectation in words, or none
    if isinstance(expected, (set, frozenset)) and isinstance(got, (set, frozenset)):
        return _elements(list(expected), list(got), ordered=False)
    if isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)):
        return _elements(list(expected), list(got), ordered=True)
    if isinstance(expected, dict) and isinstance(got, dict):
        return _entries(expected, got)
    if type(expected) is not type(got):
        return f"{_named(got)}, not {_named(expected)}"
    if isinstance(expected, datetime):
        return _moments(expected, got)
    if isinstance(expected, (int, float)) and not isinstance(expected, bool):
        return f"a {'larger' if got > expected else 'smaller'} {type(got).__name__}"
    if isinstance(got, bool):
        return repr(got)
    if isinstance(got, (bytes, str)):
        return f"another {type(got).__name__}" if got else f"an empty {type(got).__name__}"
    if isinstance(got, Item):
        fields = ("namespace", "key", "value", "created_at", "updated_at", "score")
        unlike = [f for f in fields if getattr(got, f, None) != getattr(expected, f, None)]
        return f"another {' and '.join(unlike) or 'Item'}"
    return f"got {_named(got)}"


def _moments(expected: datetime, got: datetime) -> str:
    if (expected.tzinfo is None) != (got.tzinfo is None):
        return "a time without a zone" if got.tzinfo is None else "a time with a zone"
    return "a later time" if got > expected else "an earlier time"


def _entries(expected: dict[Any, Any], got: dict[Any, Any]) -> str:
    told = []
    if expected.keys() - got.keys():
        told.append("keys missing")
    if got.keys() - expected.keys():
        told.append("further keys")
    unlike = [k for k in expected if k in got and _text(got[k]) != _text(expected[k])]
    told += sorted({_difference(expected[k], got[k]) for k in unlike} - {""})[:2]
    return " and ".join(told)


def _elements(expected: list[Any], got: list[Any], *, ordered: bool) -> str:
    """Which elements are missing, further or repeated; else those that differ in place."""
    wanted, found = Counter(map(_text, expected)), Counter(map(_text, got))
    missing, further = wanted - found, found - wanted
    if not missing and not further:
        return "another order" if ordered and expected != got else ""
    if not got:
        return "an empty answer"
    complaints = sorted({_complaint(t) for t in got if _complains(t)}) if not expected else []
    if complaints:  # a list of what went wrong, which should be empty
        return "; ".join(complaints)
    if ordered and len(expected) == len(got) and isinstance(expected[0], type(got[0])):
        told = {_difference(a, b) for a, b in zip(expected, got) if _text(a) != _text(b)} - {""}
        if len(told) == 1 and not told & {"another str"}:
            return f"element: {told.pop()}"
    repeated = [t for t in further if t in wanted]
    told_of = ["elements missing"] if missing else []
    told_of += ["further elements"] if set(further) - set(repeated) else []
    told_of += ["elements repeated"] if repeated else []
    return " and ".join(told_of)


def _complains(element: Any) -> bool:
    """Whether a text is a sentence about a failure, or an exception, and no datum."""
    if not isinstance(element, str):
        return False
    sentence = " " in element and any(sign in element for sign in "'\"(:")
    return sentence or _EXCEPTION.fullmatch(element) is not None


_NEW_LINE = "\\n"
"""As a representation has it."""
_EXCEPTION = re.compile(r"(?P<name>\w+)\((?P<quote>['\"])(?P<said>.*)(?P=quote),?\)", re.DOTALL)


def _complaint(text: str) -> str:
    """The sentence without its data; of the representation of an exception its type and what it says."""
    found = _EXCEPTION.fullmatch(text)
    if found is None:
        return normal(text)
    return f"{found['name']}: {normal(found['said'].split(_NEW_LINE)[0])}"


def _text(value: Any) -> str:
    return repr(value)


# -- failures -----------------------------------------------------------------------------------

_TYPE_CHANGE = re.compile(r" is .* \((?P<got>\w+)\), not .* \((?P<wanted>\w+)\)$")
_NOT_FOUND = "found nothing although the put was acknowledged"
_LAST_WORD = re.compile(r": [^\s:]+$")


def signature_of(
    rule: str, message: str, failure: BaseException | None, history: Sequence[str] = ()
) -> Signature:
    """
    The signature of a failure of ``rule``.

    ``message`` is that of its row, ``failure`` what ended the case, ``history`` its calls as text.
    """
    if isinstance(failure, StoreRaisedError):
        kind = f"{called(failure.call)} raised {_raised(failure.cause)}"
        return Signature(_cut(kind), _cut(_LAST_WORD.sub(f": {GAP}", kind)))
    if isinstance(failure, CheckFailedError):
        return check_signature(rule, failure.message, failure.expected, failure.got, history)
    kind = _cut(normal(message))
    return Signature(kind, kind)


def check_signature(
    rule: str, message: str, expected: Any, got: Any, history: Sequence[str] = ()
) -> Signature:
    """The signature of a failed check that wanted ``expected`` and ``got`` something else."""
    told = normal(message)
    if isinstance(got, str) and got == NOTHING_RAISED:
        return Signature(_cut(told), f"{rule}: nothing was raised")
    if isinstance(got, BaseException):
        raised = _raised(got)
        known = type(got).__name__ in told
        cause = _LAST_WORD.sub(f": {GAP}", f"raised {raised}")
        return Signature(_cut(told if known else f"{told}: {raised}"), _cut(f"{rule}: {cause}"))
    if _NOT_FOUND in message:
        return Signature(_cut(told), "get: returned None where an item was expected")
    last = next(
        (c for c in map(called, reversed(history)) if c not in ("open", "close", "#")), "store"
    )
    change = _TYPE_CHANGE.search(told)
    if change is not None:
        cause = f"{last}: {change['got']} where {change['wanted']} was expected"
        return Signature(_cut(told), cause)
    how = difference(expected, got)
    kind = f"{told}: {how}" if how else told
    return Signature(_cut(kind), _cut(f"{rule}: {last}: {how}" if how else f"{rule}: {told}"))


def _raised(error: BaseException) -> str:
    return f"{type(error).__name__}: {normal(message_of(error, 2000))}"


def called(text: str) -> str:
    """The name of the call that ``put(('a',), 'k', ...)`` begins with."""
    return re.split(r"[(\s]", text.strip(), maxsplit=1)[0] or "a call"
