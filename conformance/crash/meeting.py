"""
Several writers on the same keys: whether their calls met, and whether one order explains them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from store_conformance.crash.history import Entry, History, Key, Outcome, Write
from store_conformance.crash.linearizability import Call, Order, linearizable


def meetings(histories: Sequence[History]) -> int:
    """How many calls of one key were under way while another writer's call of that key was."""
    spans = [
        (_place(entry), entry.began, entry.ended, history.writer)
        for history in histories
        for entry in history.entries
    ]
    return sum(
        a[0] == b[0]
        and a[3] != b[3]
        and (b[2] is None or a[1] < b[2])
        and (a[2] is None or b[1] < a[2])
        for n, a in enumerate(spans)
        for b in spans[n + 1 :]
    )


def disorder(
    histories: Sequence[History],
    before: Mapping[Key, str | None],
    after: Mapping[Key, str | None],
    now: int,
    late: Sequence[Write] = (),
) -> list[str]:
    """
    The keys whose calls no single order explains, a sentence each.

    ``before`` is what they held, ``after`` what a new process read at ``now``, when all had ended.  ``late`` are writes
    of earlier rounds that were never answered, and may have taken effect since ``before`` was read.
    """
    found = []
    for place, last in after.items():
        own = [(h.writer, e) for h in histories for e in h.entries if _place(e) == place]
        calls = [_call(entry) for _, entry in own]
        calls += [Call(0, None, w.version) for w in late if w.place == place]
        order = linearizable([*calls, Call(now, now + 1, last, reads=True)], before.get(place))
        if order is Order.NONE:
            said = f"{'/'.join(place[0])} {place[1]}: no order explains its {len(calls)} calls"
            found.append(f"disordered: {said} from {before.get(place)} to {last}: {_told(own)}")
    return found


def _told(own: Sequence[tuple[str, Entry]]) -> str:
    """The calls of one key in the order of their begins, with milliseconds from the first one."""
    ordered = sorted(own, key=lambda one: one[1].began)
    first = ordered[0][1].began if ordered else 0
    words = []
    for writer, entry in ordered:
        call = _call(entry)
        what = "get" if call.reads else "put"
        what = "delete" if call.value is None and not call.reads else f"{what} {call.value}"
        end = "" if call.ended is None else f"{(call.ended - first) / 1e6:.1f}"
        words.append(f"{writer} {what} {(entry.began - first) / 1e6:.1f}-{end}")
    return ", ".join(words)


def _place(entry: Entry) -> Key:
    return entry.operation.reads or entry.operation.writes[0].place


def _call(entry: Entry) -> Call:
    # What raised may have taken effect, at any time.
    ended = entry.ended if entry.outcome is Outcome.ACKNOWLEDGED else None
    if entry.operation.reads is not None:
        return Call(entry.began, ended, entry.seen, reads=True)
    return Call(entry.began, ended, entry.operation.writes[0].version)
