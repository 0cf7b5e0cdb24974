"""
Several writers on the same keys: whether their calls met, and whether one order explains them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from store_conformance.crash.history import Entry, History, Key, Outcome
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
) -> list[str]:
    """
    The keys whose calls no single order explains, a sentence each.

    ``before`` is what they held, ``after`` what a new process read at ``now``, when all had ended.
    """
    found = []
    for place, last in after.items():
        calls = [_call(entry) for h in histories for entry in h.entries if _place(entry) == place]
        order = linearizable([*calls, Call(now, now + 1, last, reads=True)], before.get(place))
        if order is Order.NONE:
            said = f"{'/'.join(place[0])} {place[1]}: no order explains its {len(calls)} calls"
            found.append(f"disordered: {said} and {last} at the end")
    return found


def _place(entry: Entry) -> Key:
    return entry.operation.reads or entry.operation.writes[0].place


def _call(entry: Entry) -> Call:
    # What raised may have taken effect, at any time.
    ended = entry.ended if entry.outcome is Outcome.ACKNOWLEDGED else None
    if entry.operation.reads is not None:
        return Call(entry.began, ended, entry.seen, reads=True)
    return Call(entry.began, ended, entry.operation.writes[0].version)
