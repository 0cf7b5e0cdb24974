"""
Strikes in the middle of a store's work, a few within a bounded time, and what they come to as a verdict.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from store_conformance.contract.observations import FaultFacts
from store_conformance.crash.client import ClientFailedError
from store_conformance.crash.faults import Fault
from store_conformance.crash.rig import Rig, no_engine
from store_conformance.crash.round import BY_ITSELF, DIED, NEVER, OPENED_ANEW, Round
from store_conformance.crash.strikes import strike
from store_conformance.harness.backends import Backend, Deployment
from store_conformance.harness.errors import CheckFailedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.private_engines import private_backend

TRIES = 3
"""Strikes for each one that is wanted: some fall between two calls."""
UNDONE = ("lost", "stale", "resurrected", "unreadable", "disordered")
"""What may be wrong with what was acknowledged (P1)."""
IN_PARTS = ("altered", "torn_item", "duplicated")
"""What may be wrong with what was in flight (P2)."""


def engine_of(lab: Lab) -> Backend:
    """A backend whose engine may be struck; ends the case where there is none."""
    backend = private_backend(lab.backend)
    if backend is not None and backend.engine() is not None:
        return backend
    why = no_engine(lab.backend)
    if lab.backend.deployment is Deployment.URL:
        lab.unverified(why)
    lab.unsupported(why)
    raise AssertionError("unreachable")


def struck(
    lab: Lab,
    backend: Backend,
    faults: Sequence[Fault],
    seconds: float,
    *,
    patient: bool = False,
    at_least: int = 1,
) -> list[Round]:
    """
    Each fault once, as far as the seconds last.

    ``at_least`` so many of the faults are made however long they take: on a machine that is slow the seconds
    would be over before the store has met what the case is about.
    ``patient``: the store gets time to work again by itself; when it does not, that is the last strike.
    """
    rounds: list[Round] = []
    begin = time.monotonic()
    proxied = any(fault.of_network for fault in faults)
    made = Rig(lambda: backend, lent=True, proxied=proxied, mode=lab.mode)
    with closing(made) as rig:
        _ready(lab, rig, faults)
        for number, fault in enumerate(faults):
            for turn in range(TRIES):
                # The last one's time, as the first one starts what the others find started.
                late = rounds and time.monotonic() - begin + rounds[-1].seconds > seconds
                if late and number >= at_least:
                    return rounds
                if late and turn:
                    break
                if not rounds:
                    begin = time.monotonic()
                name = f"{fault.name}-{number}-{turn}"
                rounds.append(strike(rig, fault, name, lab.settings.seed, patient=patient))
                if rounds[-1].came_back not in ("", BY_ITSELF):
                    return rounds
                if rounds[-1].struck or rounds[-1].broken:
                    break
    return rounds


def _ready(lab: Lab, rig: Rig, faults: Sequence[Fault]) -> None:
    """End the case where another process cannot open the store, or a fault cannot be made here."""
    try:
        rig.client()
    except ClientFailedError as error:
        lab.unverified(f"another process could not open the store: {error}")
    for why_not in filter(None, map(rig.refusal, faults)):
        lab.unverified(why_not)


def judge(lab: Lab, what: str, rounds: Sequence[Round]) -> None:
    """
    Record the account of these strikes, and end the case unless they kept its rule.

    What breaks the other rules of faults is a finding of theirs, so that each thing is told once.
    """
    account = _account(rounds)
    lab.observe(f"fault.{lab.spec.id.partition('::')[2]}", _told(rounds, account), account)
    own = lab.spec.rule_id
    broken: dict[str, CheckFailedError] = {}
    of_network = own == "P4"  # which says all of it by itself
    for rule_id, names, said in (
        ("P1", UNDONE, "what was acknowledged is not what is there"),
        ("P2", IN_PARTS, "an item is there in parts, or is not what was put"),
    ):
        seen = _worst(rounds, names)
        if seen is not None:
            failure = CheckFailedError(f"{said} after {what}: {seen[0]}", got=seen[1])
            broken.setdefault(own if of_network else rule_id, failure)
    # No sentence promises that a single connection is made anew: of such a store it is told, as O21 has it.
    well = ("", BY_ITSELF) if lab.backend.pooled else ("", BY_ITSELF, OPENED_ANEW)
    back = [r.came_back for r in rounds if r.came_back not in well]
    if back:
        how = {NEVER: "its calls never worked again", DIED: "its process had ended"}
        said = how.get(back[0], "only a new store object worked")
        broken.setdefault("P4" if of_network else "P3", CheckFailedError(f"after {what} {said}"))
    for rule_id, failure in broken.items():
        if rule_id != own:
            told = (failure.message, failure.expected, failure.got)
            lab.finding(rule_id, told[0], expected=told[1], got=told[2], history=[])
    if own in broken:
        raise broken[own]
    if not account.strikes:
        reasons = [r.reason for r in rounds if r.reason]
        lab.unverified(f"no strike counts: {max(reasons, key=reasons.count)}")


def _worst(rounds: Sequence[Round], names: Sequence[str]) -> tuple[str, str] | None:
    """What is wrong most often of these, and an example of it."""
    sums = {n: sum(r.wrong.get(n, 0) for r in rounds) for n in names}
    worst = max(sums, key=lambda n: sums[n])
    if not sums[worst]:
        return None
    examples = [e for r in rounds for e in r.examples if e.startswith(worst)]
    return worst.replace("_", " "), next(iter(examples), worst)


def _account(rounds: Sequence[Round]) -> FaultFacts:
    def wrong(*names: str) -> int:
        return sum(r.wrong.get(n, 0) for r in rounds for n in names)

    return FaultFacts(
        strikes=sum(r.struck for r in rounds),
        missed=sum(not r.struck for r in rounds),
        acknowledged=sum(r.acknowledged for r in rounds),
        lost=wrong("lost"),
        stale=wrong("stale"),
        resurrected=wrong("resurrected"),
        torn=wrong("torn_item", "altered"),
        duplicated=wrong("duplicated"),
        unreadable=wrong("unreadable"),
        half_batches=wrong("torn_batch"),
        whole=sum(r.whole for r in rounds),
        faults=tuple(dict.fromkeys(r.fault for r in rounds if r.struck)),
        came_back=tuple(r.came_back for r in rounds if r.came_back) or None,
    )


def _told(rounds: Sequence[Round], account: FaultFacts) -> str:
    if any(r.broken for r in rounds):
        return "lost or spoilt"
    return "survived" if account.strikes else "not struck"
