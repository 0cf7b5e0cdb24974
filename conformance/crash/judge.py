"""
The judgement: from what a writer did and what was seen afterwards to what is wrong with it.

Pure: it reads no clock, no file and no store.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from store_conformance.crash.account import Account, Finding, Hit, Look, Wrong
from store_conformance.crash.history import Entry, History, Key, Outcome, Write
from store_conformance.crash.values import is_whole, text_of, version_in
from store_conformance.embedding.exact import ExactEmbeddings

CLOSE = 5e-3
"""How far a score may be off: some engines keep vectors in half the bits."""
_EMBEDDER = ExactEmbeddings()


@dataclass(frozen=True)
class _Step:
    """One version that a key may have taken."""

    version: str | None
    acknowledged: bool
    expires: bool = False
    at: int | None = None


def judge(
    history: History,
    before: Mapping[Key, str | None],
    look: Look,
    late: Sequence[Write] = (),
) -> Account:
    """
    What became of a writer's work.

    ``before`` is what its keys held when it began; a key that is not in it held nothing.  Operations that raised or
    never returned may have taken effect at any time since they were sent, and must be whole.  ``late`` are such writes
    of earlier rounds, which an engine may still have carried out after ``before`` was read.
    """
    steps = _steps(history, before, late)
    places = sorted({*look.got, *(place for place, _ in look.listed), *steps})
    findings: list[Finding] = []
    for place in places:
        wrong = _version_fault(place, steps.get(place, ()), look.got.get(place))
        if wrong is None and not any(s.expires for s in steps.get(place, ())):
            wrong = _view_fault(place, look)
        if wrong is not None:
            findings.append(wrong)
    findings += _homeless(look, places)
    state = {place: version_in(look.got.get(place)) for place in places}
    # Where acknowledged changes are undone, a key may be empty for that reason.
    undone = any(f.wrong in (Wrong.LOST, Wrong.STALE, Wrong.RESURRECTED) for f in findings)
    torn, whole = _batches(history, steps, state, deletions_tell=not undone)
    return Account(history.acknowledged, whole, (*findings, *torn), state)


def _steps(
    history: History, before: Mapping[Key, str | None], late: Sequence[Write]
) -> dict[Key, tuple[_Step, ...]]:
    """The versions that each key has been given, oldest first; it begins with what it held."""
    found: dict[Key, list[_Step]] = {key: [_Step(v, True)] for key, v in before.items()}
    for write in late:
        if write.place in found:
            found[write.place].append(_Step(write.version, acknowledged=False))
    for entry in history.entries:
        acknowledged = entry.outcome is Outcome.ACKNOWLEDGED
        for write in entry.operation.writes:
            step = _Step(write.version, acknowledged, write.expires, entry.ended)
            found.setdefault(write.place, [_Step(None, True)]).append(step)
    return {key: tuple(steps) for key, steps in found.items()}


def _allowed(steps: tuple[_Step, ...]) -> set[str | None]:
    """What a key may hold: the last acknowledged version, or any that nobody knows the fate of."""
    last = max((n for n, s in enumerate(steps) if s.acknowledged), default=0)
    allowed = {s.version for n, s in enumerate(steps) if n == last or not s.acknowledged}
    if any(s.expires for s in steps):
        allowed.add(None)
    return allowed


def _version_fault(place: Key, steps: tuple[_Step, ...], value: Any) -> Finding | None:
    steps = steps or (_Step(None, True),)
    last = next(s for s in reversed(steps) if s.acknowledged)
    if value is None:
        if None in _allowed(steps):
            return None
        said = f"{_name(place)}: {last.version} was acknowledged and is not there"
        return Finding(Wrong.LOST, said, last.at)
    seen = version_in(value)
    if not is_whole(value) or seen not in {s.version for s in steps}:
        said = f"{_name(place)}: holds what nobody put there (it names version {seen})"
        return Finding(Wrong.ALTERED, said)
    if seen in _allowed(steps):
        return None
    if last.version is None:
        said = f"{_name(place)}: its deletion was acknowledged, and {seen} is there again"
        return Finding(Wrong.RESURRECTED, said, last.at)
    said = f"{_name(place)}: {last.version} was acknowledged, and the older {seen} is there"
    return Finding(Wrong.STALE, said, last.at)


def _view_fault(place: Key, look: Look) -> Finding | None:
    """What get, search and search by meaning say of one item must be the same."""
    value = look.got.get(place)
    rows = [row for listed, row in look.listed if listed == place]
    hits = [hit for hit in look.found or () if hit.place == place]
    if len(rows) > 1 or max(Counter(h.query for h in hits).values(), default=0) > 1:
        return Finding(Wrong.DUPLICATED, f"{_name(place)}: a search gives it more than once")
    said = ""
    if value is None and rows:
        said = "search lists it, and get does not find it"
    elif value is not None and not rows:
        said = "get finds it, and search does not list it"
    elif rows and rows[0] != value:
        said = f"get gives {version_in(value)}, and search {version_in(rows[0])}"
    elif look.found is not None:
        said = _vector_fault(value, hits, look.cosine)
    return Finding(Wrong.TORN_ITEM, f"{_name(place)}: {said}") if said else None


def _vector_fault(value: Any, hits: list[Hit], cosine: bool) -> str:
    if value is None:
        return "a search by meaning finds it, and get does not" if hits else ""
    scored = [hit for hit in hits if hit.score is not None]
    if not scored:
        return "the item is there, and no search by meaning finds it"
    version = version_in(value)
    if not cosine or version is None:
        return ""
    for hit in scored:
        assert hit.score is not None
        right = _EMBEDDER.cosine(hit.query, text_of(version))
        if not math.isclose(hit.score, right, abs_tol=CLOSE):
            return (
                f"its vector is not that of {version}: it scores {hit.score:.3f}, not {right:.3f}"
            )
    return ""


def _homeless(look: Look, places: list[Key]) -> Iterator[Finding]:
    """What a search by meaning finds at keys where nothing else is."""
    for place in sorted({hit.place for hit in look.found or ()} - set(places)):
        yield Finding(Wrong.TORN_ITEM, f"{_name(place)}: a vector without an item")


def _batches(
    history: History,
    steps: Mapping[Key, tuple[_Step, ...]],
    state: Mapping[Key, str | None],
    *,
    deletions_tell: bool,
) -> tuple[list[Finding], int]:
    """The batches that are there in part, and how many unacknowledged operations are there wholly."""
    torn: list[Finding] = []
    whole = 0
    for entry in history.entries:
        if entry.outcome is Outcome.ACKNOWLEDGED:
            continue
        effects = _effects(entry, steps, state)
        if not deletions_tell:
            effects = {w: there for w, there in effects.items() if w.version is not None}
        if all(effects.values()) and effects:
            whole += 1
        elif any(effects.values()):
            missing = ", ".join(_name(w.place) for w, there in effects.items() if not there)
            said = f"operation {entry.operation.number} of {history.writer}: {len(effects)} keys, not {missing}"
            torn.append(Finding(Wrong.TORN_BATCH, said))
    return torn, whole


def _effects(
    entry: Entry, steps: Mapping[Key, tuple[_Step, ...]], state: Mapping[Key, str | None]
) -> dict[Write, bool]:
    """
    Which writes of an operation have taken effect, of those that can tell.

    One that was written again, that expires, or that left its key as it was, tells nothing.
    """
    told: dict[Write, bool] = {}
    for write in entry.operation.writes:
        own = steps[write.place]
        here = next(n for n, s in enumerate(own) if s.version == write.version and n > 0)
        later = own[here + 1 :]
        before = own[here - 1]
        if write.version is None and here > 1:
            continue  # that the key is empty may also be the loss of what was put there just before
        if write.expires or later or not before.acknowledged or before.version == write.version:
            continue
        if state.get(write.place) in (write.version, before.version):
            told[write] = state.get(write.place) == write.version
    return told


def _name(place: Key) -> str:
    return f"{'/'.join(place[0])} {place[1]}"
