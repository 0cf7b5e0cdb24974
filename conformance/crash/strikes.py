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
from store_conformance.crash.blows import Blow
from store_conformance.crash.client import Client, ClientFailedError
from store_conformance.crash.faults import Fault, Strike
from store_conformance.crash.fight import Fight
from store_conformance.crash.ground import Ground
from store_conformance.crash.plan import keys_of
from store_conformance.crash.round import Round
from store_conformance.harness.backends import BackendError

MOST = {Strike.CUT_POWER: 120}
"""Operations before the strike, at most, where it is not the usual number."""
USUALLY = 30
MOMENT_SECONDS = 20.0
"""How long the moment is waited for."""
SPREAD = 1.2
"""The strike falls within this many usual durations after the operation was begun."""


def strike(ground: Ground, fault: Fault, name: str, seed: int, *, patient: bool = False) -> Round:
    """
    Let writers work, strike, and judge what is left; ``name`` is the round's and in every version.

    ``patient``: a store gets time to work again by itself, before it is opened anew.
    """
    begin = time.monotonic()
    chance = random.Random(f"strike {seed} {name}")
    moment = _Moment(fault, chance)
    fight = Fight(ground, fault, name, over=_fresh(ground.ledgers / "over") if patient else None)
    blow = Blow(fight, chance)
    try:
        _work(fight, moment)
        moment.wait(fight)
        blow.deal()
    except ClientFailedError as error:
        fight.broken = f"the store could not be worked with: {one_line(error)}"
    except BackendError as error:
        fight.broken = f"the engine did not come back: {one_line(error)}"
    finally:
        for client in fight.clients:  # afterwards nothing of this strike runs
            client.kill()
        blow.end()
    return replace(account(fight), seconds=time.monotonic() - begin)


def _fresh(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


def _work(fight: Fight, moment: _Moment) -> None:
    """Start the writers, all at one time; raises ``ClientFailedError``."""
    ground, fault = fight.ground, fight.fault
    if fault.opening and not ground.kill_an_opening(moment.share):
        fight.reason = "it fell after the store was set up"
    fight.clients.append(ground.take_client())
    for _ in range(ground.writers_for(fault) - 1):
        fight.clients.append(ground.another())
    if ground.image is not None:
        ground.image.settle()
    at = time.monotonic_ns() + 20_000_000
    for number, client in enumerate(fight.clients):
        writer = f"w{number}"
        ledger = _fresh(ground.ledgers / f"{writer}.ledger")
        fight.ledgers.append(ledger)
        client.write(
            ledger,
            fight.name,
            writer,
            held={k: v for k, v in ground.state.items() if k in set(keys_of(writer))},
            kinds=fault.kinds,
            shared=fault.shared,
            at=at,
            doom=moment.doom if number == 0 else None,
            over=fight.over,
            again=fault.heals,
            synced=not fault.of_syncs,
        )


class _Moment:
    """When it is struck: within an operation, after so many others, at a share of what such ones take."""

    def __init__(self, fault: Fault, chance: random.Random) -> None:
        self._least = chance.randint(ENOUGH, MOST.get(fault.strike, USUALLY))
        self.share = chance.random() * SPREAD
        dies = fault.strike is Strike.KILL_CLIENT and sys.platform == "linux"
        self.doom = (self._least, self.share) if dies else None
        """What a client is told that the system is to kill at its moment."""

    def wait(self, fight: Fight) -> None:
        """Until it has come; if it does not, the fight has a reason not to count."""
        first = fight.clients[0]
        deadline = time.monotonic() + MOMENT_SECONDS
        while time.monotonic() < deadline:
            word = first.follow(deadline - time.monotonic())
            if word is None or (word == "b" and self._has_come(fight.fault, first)):
                break
        else:
            fight.reason = f"its moment did not come within {MOMENT_SECONDS:g} s"
        if first.failed and not first.acknowledged:
            fight.reason = f"no operation went through: {first.last_failure}"

    def _has_come(self, fault: Fault, first: Client) -> bool:
        """Whether an operation that is to be struck has begun; then its share of the time is waited for."""
        kind = first.began[-1][1]
        if self.doom is not None or first.acknowledged < self._least or kind not in fault.kinds:
            return False
        time.sleep(self.share * first.usual_seconds(kind))
        return True
