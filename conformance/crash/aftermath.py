"""
What a strike has left, read by new processes and judged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from store_conformance.contract.secrets import one_line
from store_conformance.crash.account import Account, Look, Wrong
from store_conformance.crash.client import ClientFailedError, ClientSilentError
from store_conformance.crash.faults import Strike
from store_conformance.crash.history import History, Key, Kind, Outcome, Write
from store_conformance.crash.judge import judge
from store_conformance.crash.ledger import read_ledger
from store_conformance.crash.meeting import disorder, meetings
from store_conformance.crash.ongoing import OngoingStrike
from store_conformance.crash.plan import keys_of, shared_keys
from store_conformance.crash.round import BY_ITSELF, DIED, NEVER, OPENED_ANEW, Round
from store_conformance.crash.values import version_in
from store_conformance.harness.backends import BackendError

ENOUGH = 5
"""Operations that must have been acknowledged before a strike counts."""
LATE_SECONDS = 2.0
"""How long an engine has for what dead clients have asked of it, before what was read is held against it."""


def account(ongoing: OngoingStrike) -> Round:
    """What new processes find, judged."""
    histories = [read_ledger(path) for path in ongoing.ledgers]
    reason = ongoing.reason or _uncounted(ongoing, histories)
    if ongoing.broken:
        # The opening was struck where that is the fault: then it is for that that no writer could be started.
        reason = "" if ongoing.fault.opening else f"it worked when tried again: {ongoing.broken}"
    acknowledged = sum(h.acknowledged for h in histories)
    done = Round(
        ongoing.fault.name,
        not reason,
        reason,
        acknowledged,
        came_back=_came_back(ongoing, histories),
    )
    try:
        # What fails once may be the machine's fault; new processes try it several times.
        judged, disordered = _judged(ongoing, histories)
    except (ClientFailedError, BackendError) as error:
        ongoing.rig.renew()
        if isinstance(error, ClientSilentError) and not ongoing.rig.is_quick():
            slow = f"too slow to tell: {one_line(error)}, and a fresh place is slow as well"
            return replace(done, struck=False, reason=slow)
        said = f"unreadable: after {ongoing.fault.name}: {ongoing.broken or one_line(error)}"
        return Round(**{**vars(done), "wrong": {"unreadable": 1}, "examples": (said,)})
    return _summed(ongoing, done, judged, disordered)


def _came_back(ongoing: OngoingStrike, histories: list[History]) -> str:
    """How the writer that was struck worked again after the fault; empty where that was not looked at."""
    if ongoing.over is None or not ongoing.over.exists() or not histories:
        return ""
    if ongoing.died:
        return DIED
    if ongoing.clients[0].reopened:
        return OPENED_ANEW
    answered = (e for e in histories[0].entries if e.outcome is Outcome.ACKNOWLEDGED)
    again = any(e.ended is not None and e.ended > ongoing.over_at for e in answered)
    return BY_ITSELF if again else NEVER


def _judged(ongoing: OngoingStrike, histories: list[History]) -> tuple[list[Account], list[str]]:
    rig = ongoing.rig
    accounts, disordered = _read(ongoing, histories)
    unanswered = _unanswered(histories) if rig.outlived(ongoing.fault) else ()
    if unanswered and (disordered or any(a.findings for a in accounts)):
        # The engine may have been in the middle of one of those while it was read.
        time.sleep(LATE_SECONDS)
        accounts, disordered = _read(ongoing, histories)
    for one in accounts:
        rig.state.update(one.state)
    rig.late = unanswered
    return accounts, disordered


def _read(ongoing: OngoingStrike, histories: list[History]) -> tuple[list[Account], list[str]]:
    rig = ongoing.rig
    reader = rig.new_client()
    if ongoing.fault.shared:
        look = reader.look(shared_keys())
        seen = _versions(look)
        disordered = disorder(histories, rig.state, seen, time.monotonic_ns(), rig.late)
        # The order of the calls is judged key by key, what is left of each item like any other.
        return [judge(History("shared", ()), seen, look)], disordered
    accounts = []
    for history in histories:
        keys = keys_of(history.writer)
        before = {k: v for k, v in rig.state.items() if k in set(keys)}
        accounts.append(judge(history, before, reader.look(keys), rig.late))
    return accounts, []


def _summed(
    ongoing: OngoingStrike, done: Round, accounts: Sequence[Account], disordered: list[str]
) -> Round:
    wrong = {w.value: sum(a.count(w) for a in accounts) for w in Wrong}
    wrong["disordered"] = len(disordered)
    findings = [f for a in accounts for f in a.findings]
    missing = [f.acknowledged_at for f in findings if f.acknowledged_at is not None]
    oldest = max((ongoing.at - at for at in missing), default=0) / 1e9
    examples = (*(f"{f.wrong.value}: {f.sentence}" for f in findings), *disordered)
    return Round(
        done.fault,
        done.struck,
        done.reason,
        done.acknowledged,
        sum(a.whole for a in accounts),
        {name: count for name, count in wrong.items() if count},
        max(0.0, oldest),
        examples[:5],
        came_back=done.came_back,
    )


def _uncounted(ongoing: OngoingStrike, histories: list[History]) -> str:
    """Why the strike does not count; empty if it does."""
    if not histories:
        return "no writer could be started"
    before = [
        e
        for e in histories[0].entries
        if e.outcome is Outcome.ACKNOWLEDGED and e.ended is not None and e.ended <= ongoing.at
    ]
    if len(before) < ENOUGH:
        return f"only {len(before)} operations had been acknowledged"
    if ongoing.fault.shared:
        return "" if meetings(histories) else "no two calls of different writers met"
    if ongoing.fault.strike is Strike.KILL_CLIENT:
        last = histories[0].entries[-1]
        hit = last.outcome is Outcome.OPEN and last.operation.kind in ongoing.fault.kinds
        hit = hit or ongoing.fault.opening  # what counts was struck before that
        return "" if hit else f"it fell outside of {_either(ongoing.fault.kinds)}"
    if ongoing.fault.strike in (Strike.FILL_DISK, Strike.FAIL_SYNCS):
        late = [e for h in histories for e in h.entries if (e.ended or 0) > ongoing.at]
        met = ongoing.died or any(e.outcome is Outcome.FAILED for e in late)
        what = "full disk" if ongoing.fault.strike is Strike.FILL_DISK else "failing fsync"
        return "" if met else f"no call met the {what}"
    if ongoing.fault.of_network:
        return "" if ongoing.met else "nothing was under way between store and engine"
    hit = any(h.in_flight(ongoing.at) for h in histories)
    return "" if hit else "it fell between two operations"


def _unanswered(histories: Sequence[History]) -> tuple[Write, ...]:
    """What was asked for and never acknowledged."""
    entries = [e for h in histories for e in h.entries if e.outcome is not Outcome.ACKNOWLEDGED]
    return tuple(write for entry in entries for write in entry.operation.writes)


def _either(kinds: Sequence[Kind]) -> str:
    return " or ".join(kind.value for kind in kinds)


def _versions(look: Look) -> dict[Key, str | None]:
    return {place: version_in(value) for place, value in look.got.items()}
