"""
One strike: writers at work, the fault at its moment, and what is left.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from pathlib import Path

from store_conformance.contract.secrets import one_line
from store_conformance.crash.aftermath import ENOUGH, account
from store_conformance.crash.client import Client, ClientFailedError
from store_conformance.crash.faults import Fault, Strike
from store_conformance.crash.injection import Injection
from store_conformance.crash.ongoing import OngoingStrike
from store_conformance.crash.plan import keys_of
from store_conformance.crash.rig import Rig
from store_conformance.crash.round import Round
from store_conformance.harness.backends import BackendError

MOST = {Strike.CUT_POWER: 120}
"""Operations before the strike, at most, where it is not the usual number."""
USUALLY = 30
MOMENT_SECONDS = 20.0
"""How long the moment is waited for."""
SPREAD = 1.2
"""The strike falls within this many usual durations after the operation was begun."""


def strike(rig: Rig, fault: Fault, name: str, seed: int, *, patient: bool = False) -> Round:
    """
    Let writers work, strike, and judge what is left; ``name`` is the round's and in every version.

    ``patient``: a store gets time to work again by itself, before it is opened anew.
    """
    begin = time.monotonic()
    chance = random.Random(f"strike {seed} {name}")
    moment = _Moment(fault, chance)
    ongoing = OngoingStrike(
        rig, fault, name, over=_fresh(rig.ledgers / "over") if patient else None
    )
    injection = Injection(ongoing, chance)
    try:
        _work(ongoing, moment)
        moment.wait(ongoing)
        injection.inject()
    except ClientFailedError as error:
        ongoing.broken = f"the store could not be worked with: {one_line(error)}"
    except BackendError as error:
        ongoing.broken = f"the engine did not come back: {one_line(error)}"
    finally:
        for client in ongoing.clients:  # afterwards nothing of this strike runs
            client.kill()
        injection.end()
    return replace(account(ongoing), seconds=time.monotonic() - begin)


def _fresh(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


def _work(ongoing: OngoingStrike, moment: _Moment) -> None:
    """Start the writers, all at one time; raises ``ClientFailedError``."""
    rig, fault = ongoing.rig, ongoing.fault
    if fault.opening and not rig.kill_an_opening(moment.share):
        ongoing.reason = "it fell after the store was set up"
    ongoing.clients.append(rig.take_client())
    for _ in range(rig.writers_for(fault) - 1):
        ongoing.clients.append(rig.another())
    if rig.image is not None:
        rig.image.settle()
    at = time.monotonic_ns() + 20_000_000
    for number, client in enumerate(ongoing.clients):
        writer = f"w{number}"
        ledger = _fresh(rig.ledgers / f"{writer}.ledger")
        ongoing.ledgers.append(ledger)
        client.write(
            ledger,
            ongoing.name,
            writer,
            held={k: v for k, v in rig.state.items() if k in set(keys_of(writer))},
            kinds=fault.kinds,
            shared=fault.shared,
            at=at,
            kill=moment.kill if number == 0 else None,
            over=ongoing.over,
            again=fault.heals,
            synced=not fault.of_syncs,
        )


class _Moment:
    """When it is struck: within an operation, after so many others, at a share of what such ones take."""

    def __init__(self, fault: Fault, chance: random.Random) -> None:
        self._least = chance.randint(ENOUGH, MOST.get(fault.strike, USUALLY))
        self.share = chance.random() * SPREAD
        dies = fault.strike is Strike.KILL_CLIENT and sys.platform == "linux"
        self.kill = (self._least, self.share) if dies else None
        """What a client is told that the system is to kill at its moment."""

    def wait(self, ongoing: OngoingStrike) -> None:
        """Until it has come; if it does not, the strike has a reason not to count."""
        first = ongoing.clients[0]
        deadline = time.monotonic() + MOMENT_SECONDS
        while time.monotonic() < deadline:
            word = first.follow(deadline - time.monotonic())
            if word is None or (word == "b" and self._has_come(ongoing.fault, first)):
                break
        else:
            ongoing.reason = f"its moment did not come within {MOMENT_SECONDS:g} s"
        if first.failed and not first.acknowledged:
            ongoing.reason = f"no operation went through: {first.last_failure}"

    def _has_come(self, fault: Fault, first: Client) -> bool:
        """Whether an operation that is to be struck has begun; then its share of the time is waited for."""
        kind = first.began[-1][1]
        if self.kill is not None or first.acknowledged < self._least or kind not in fault.kinds:
            return False
        time.sleep(self.share * first.usual_seconds(kind))
        return True
