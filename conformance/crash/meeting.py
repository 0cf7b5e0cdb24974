"""
Several writers on the same keys: whether their calls met, and whether one order explains them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from store_conformance.crash.history import Entry, History, Key, Outcome, Write
from store_conformance.oracle import registers
from store_conformance.oracle.linearizability import Call, Order, linearizable
from store_conformance.oracle.registers import Said


def meetings(histories: Sequence[History]) -> int:
    """How many calls of one key were under way while another writer's call of that key was."""
    return registers.meetings(
        [_said(history.writer, entry) for history in histories for entry in history.entries]
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
        own = [_said(h.writer, e) for h in histories for e in h.entries if _place(e) == place]
        calls = [one.call for one in own]
        calls += [Call(0, None, w.version) for w in late if w.place == place]
        order = linearizable([*calls, Call(now, now + 1, last, reads=True)], before.get(place))
        if order is Order.NONE:
            said = f"{'/'.join(place[0])} {place[1]}: no order explains its {len(calls)} calls"
            found.append(
                f"disordered: {said} from {before.get(place)} to {last}: {registers.told(own)}"
            )
    return found


def _place(entry: Entry) -> Key:
    return entry.operation.reads or entry.operation.writes[0].place


def _said(writer: str, entry: Entry) -> Said:
    return Said(writer, "/".join((*_place(entry)[0], _place(entry)[1])), _call(entry))


def _call(entry: Entry) -> Call:
    # What raised may have taken effect, at any time.
    ended = entry.ended if entry.outcome is Outcome.ACKNOWLEDGED else None
    if entry.operation.reads is not None:
        return Call(entry.began, ended, entry.seen, reads=True)
    return Call(entry.began, ended, entry.operation.writes[0].version)
