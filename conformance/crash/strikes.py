"""
One strike: writers at work, the fault at its moment, and what is left.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from store_conformance.contract.secrets import one_line
from store_conformance.crash.account import Account, Look, Wrong
from store_conformance.crash.client import Client, ClientFailedError, ClientSilentError
from store_conformance.crash.failing_sync import FailingSync, NoFailingSyncError
from store_conformance.crash.faults import Fault, Strike
from store_conformance.crash.ground import Ground
from store_conformance.crash.history import History, Key, Kind, Outcome, Write
from store_conformance.crash.judge import judge
from store_conformance.crash.ledger import read_ledger
from store_conformance.crash.meeting import disorder, meetings
from store_conformance.crash.plan import keys_of, shared_keys
from store_conformance.crash.values import version_in
from store_conformance.harness.backends import BackendError, Engine

ENOUGH = 5
"""Operations that must have been acknowledged before a strike counts."""
MOST = {Strike.CUT_POWER: 120}
"""Operations before the strike, at most, where it is not the usual number."""
USUALLY = 30
MOMENT_SECONDS = 20.0
"""How long the moment is waited for."""
SPREAD = 1.2
"""The strike falls within this many usual durations after the operation was begun."""
FROZEN = (0.5, 2.0)
"""Seconds that an engine is stopped."""
TROUBLED = (0.4, 1.2)
"""Seconds that the network is not as it should be."""
AFTERWARDS = 3
"""Operations that must go through again after an engine has come back."""
BY_ITSELF, OPENED_ANEW, NEVER = "by itself", "opened anew", "never"
DIED = "its process ended"
LATE_SECONDS = 2.0
"""How long an engine has for what dead clients have asked of it, before what was read is held against it."""
BACK_SECONDS = 15.0
SENT_SECONDS = 5.0
"""How long a call may take that had begun before syncs failed."""


@dataclass(frozen=True)
class Round:
    """What one strike came to."""

    fault: str
    struck: bool
    """Whether it counts: work was in flight, and enough had been acknowledged."""
    reason: str = ""
    """Why it does not count."""
    acknowledged: int = 0
    whole: int = 0
    wrong: dict[str, int] = field(default_factory=dict)
    """How often each `Wrong` was found; ``unreadable`` and ``disordered`` beside them."""
    oldest_lost: float = 0.0
    """Seconds from the acknowledgement of the oldest lost thing to the strike."""
    examples: tuple[str, ...] = ()
    seconds: float = 0.0
    came_back: str = ""
    """How the store worked again (`BY_ITSELF`, `OPENED_ANEW`, `NEVER`, `DIED`), where it was given time for that."""

    @property
    def broken(self) -> bool:
        """Whether something was wrong that a store promises to keep right."""
        return any(n for name, n in self.wrong.items() if name != Wrong.TORN_BATCH.value)


def strike(ground: Ground, fault: Fault, name: str, seed: int, *, patient: bool = False) -> Round:
    """
    Let writers work, strike, and judge what is left; ``name`` is the round's and in every version.

    ``patient``: a store gets time to work again by itself, before it is opened anew.
    """
    begin = time.monotonic()
    chance = random.Random(f"strike {seed} {name}")
    fight = _Fight(ground, fault, name, chance, patient=patient)
    try:
        fight.work()
        fight.strike()
    except ClientFailedError as error:
        fight.broken = f"the store could not be worked with: {one_line(error)}"
    except BackendError as error:
        fight.broken = f"the engine did not come back: {one_line(error)}"
    finally:
        fight.end()
    done = fight.account()
    return Round(**{**vars(done), "seconds": time.monotonic() - begin})


class _Fight:
    """The state of one strike."""

    def __init__(
        self, ground: Ground, fault: Fault, name: str, chance: random.Random, *, patient: bool
    ) -> None:
        self._ground = ground
        self._fault = fault
        self._name = name
        self._chance = chance
        self._clients: list[Client] = []
        self._ledgers: list[Path] = []
        self._at = self._over_at = 0
        self._least = chance.randint(ENOUGH, MOST.get(fault.strike, USUALLY))
        self._share = chance.random() * SPREAD
        dies = fault.strike is Strike.KILL_CLIENT and sys.platform == "linux"
        self._doom = (self._least, self._share) if dies else None
        self._over = ground.ledgers / "over" if patient else None
        """The file that tells the writers that the fault is over."""
        if self._over is not None:
            self._over.unlink(missing_ok=True)
        self._syncs: FailingSync | None = None
        self._died = False
        """Whether the writer that was to go on has ended, although nobody killed it."""
        self._met = True
        """Whether anything was under way that met the trouble of the network."""
        self._reason = ""
        self.broken = ""
        """What kept the strike from its end; whether anything is left to be read is seen afterwards."""

    # -- before -----------------------------------------------------------------------------------

    def work(self) -> None:
        """Start the writers, all at one moment."""
        ground = self._ground
        if self._fault.opening and not ground.kill_an_opening(self._share):
            self._reason = "it fell after the store was set up"
        self._clients.append(ground.take_client())
        for _ in range(ground.writers_for(self._fault) - 1):
            self._clients.append(ground.another())
        if ground.image is not None:
            ground.image.settle()
        at = time.monotonic_ns() + 20_000_000
        for number, client in enumerate(self._clients):
            writer = f"w{number}"
            ledger = ground.ledgers / f"{writer}.ledger"
            ledger.unlink(missing_ok=True)
            self._ledgers.append(ledger)
            held = {k: v for k, v in ground.state.items() if k in set(keys_of(writer))}
            kinds = self._fault.kinds
            shared = self._fault.shared
            doom = self._doom if number == 0 else None
            client.write(
                ledger,
                self._name,
                writer,
                held=held,
                kinds=kinds,
                shared=shared,
                at=at,
                doom=doom,
                over=self._over,
                again=self._fault.heals,
                synced=not self._fault.of_syncs,
            )

    # -- the moment -------------------------------------------------------------------------------

    def strike(self) -> None:
        """Wait for the moment, and do it."""
        first = self._clients[0]
        deadline = time.monotonic() + MOMENT_SECONDS
        while time.monotonic() < deadline:
            word = first.follow(deadline - time.monotonic())
            if word is None:
                break
            kind = first.began[-1][1] if first.began else None
            its_time = first.acknowledged >= self._least and kind in self._fault.kinds
            if word == "b" and its_time and self._doom is None:
                assert kind is not None
                time.sleep(self._share * first.usual_seconds(kind))
                break
        else:
            self._reason = f"its moment did not come within {MOMENT_SECONDS:g} s"
        if first.failed and not first.acknowledged:
            self._reason = f"no operation went through: {first.last_failure}"
        self._do()

    def _do(self) -> None:
        how, first = self._fault.strike, self._clients[0]
        engine = self._ground.backend.engine()
        self._at = time.monotonic_ns()
        if how is Strike.KILL_CLIENT:
            first.kill()
            self._let_others_go_on()
            return
        if how in (Strike.CUT_POWER, Strike.FAIL_SYNCS):
            if how is Strike.FAIL_SYNCS:
                self._fail_syncs()
            self._cut_power()
            return
        if how is Strike.FILL_DISK:
            self._fill_disk()
        else:
            assert engine is not None
            self._trouble(how, engine, first)
        if how is not Strike.KILL_BOTH:
            self._over_at = time.monotonic_ns()
            if self._over is not None:
                self._over.touch()
            self._wait_until_it_works(first)
            self._died = first.is_gone()

    def _trouble(self, how: Strike, engine: Engine, first: Client) -> None:
        """Do to the engine, or to the way to it, what has an end."""
        if how is Strike.FREEZE_ENGINE:
            engine.freeze()
            try:
                time.sleep(self._chance.uniform(*FROZEN))
            finally:
                engine.thaw()
        elif how is Strike.TROUBLE_NETWORK:
            self._trouble_network()
        elif how is Strike.RESTART_ENGINE:
            engine.stop()
            engine.start()
        else:
            engine.kill()
            if how is Strike.KILL_BOTH:
                first.kill()
            engine.start()

    def _cut_power(self) -> None:
        image, engine = self._ground.image, self._ground.backend.engine()
        assert image is not None
        if engine is not None:
            engine.kill()
        for client in self._clients:
            client.kill()
        if self._syncs is not None:
            self._syncs.end()
        image.cut()
        if engine is not None:
            engine.start()

    def _fail_syncs(self) -> None:
        """
        For a while; a system drops what it could not write, so the power is cut before syncs work again.

        What had been acknowledged before is on the disk, with the calls that had begun: what they lose to a power
        cut, although their syncs had worked, is another fault's to tell.
        """
        image, engine = self._ground.image, self._ground.backend.engine()
        assert image is not None
        try:
            self._syncs = FailingSync(
                [c.pid for c in self._clients] if engine is None else engine.processes()
            )
        except NoFailingSyncError as error:
            self._reason = str(error)
            return
        self._let_calls_end(time.monotonic_ns())
        image.settle()
        time.sleep(self._chance.uniform(*TROUBLED))
        self._died = any(client.is_gone() for client in self._clients)

    def _let_calls_end(self, since: int) -> None:
        """Until each writer has had an answer, or an error, to what it had sent before that time."""
        for client in self._clients:
            deadline, failed = time.monotonic() + SENT_SECONDS, client.failed
            while client.acknowledged_at < since and client.failed == failed:
                if client.follow(max(0.0, deadline - time.monotonic())) is None:
                    break

    def _fill_disk(self) -> None:
        image, engine = self._ground.image, self._ground.backend.engine()
        assert image is not None
        try:
            image.fill()
            time.sleep(self._chance.uniform(*TROUBLED))
        finally:
            image.make_room()
        if engine is not None:
            engine.start()  # some end themselves on a full disk, and wait for an administrator

    def _trouble_network(self) -> None:
        detours, trouble = list(self._ground.detours.values()), self._fault.trouble
        assert trouble is not None
        before = sum(d.hits for d in detours)
        try:
            for detour in detours:
                detour.begin(trouble)
            time.sleep(self._chance.uniform(*TROUBLED))
        finally:
            for detour in detours:
                detour.heal()
        self._met = sum(d.hits for d in detours) > before

    def _let_others_go_on(self) -> None:
        """Those that were not struck write some more, beside what the dead one has left."""
        for client in self._clients[1:]:
            wanted = client.acknowledged + AFTERWARDS
            self._follow(client, wanted)

    def _wait_until_it_works(self, client: Client) -> None:
        # What it had said before the strike still stands in the pipe.
        self._follow(client, client.acknowledged + 10 * AFTERWARDS)
        if self._over is not None:
            self._follow(client, client.acknowledged + AFTERWARDS, after=self._over_at)

    @staticmethod
    def _follow(client: Client, wanted: int, after: int = 0) -> None:
        """Until so many operations were acknowledged, the last of them after that time."""
        deadline = time.monotonic() + BACK_SECONDS
        while client.acknowledged < wanted or client.acknowledged_at < after:
            if time.monotonic() > deadline:
                return
            if client.follow(max(0.0, deadline - time.monotonic())) is None:
                return

    def end(self) -> None:
        """Kill what still writes; afterwards nothing of this strike runs."""
        for client in self._clients:
            client.kill()
        if self._syncs is not None:
            self._syncs.end()

    # -- afterwards -------------------------------------------------------------------------------

    def account(self) -> Round:
        """What new processes find, judged."""
        histories = [read_ledger(path) for path in self._ledgers]
        reason = self._reason or self._uncounted(histories)
        if self.broken:
            # The opening was struck where that is the fault: then it is for that that no writer could be started.
            reason = "" if self._fault.opening else f"it worked when tried again: {self.broken}"
        acknowledged = sum(h.acknowledged for h in histories)
        done = Round(
            self._fault.name,
            not reason,
            reason,
            acknowledged,
            came_back=self._came_back(histories),
        )
        try:
            # What fails once may be the machine's fault; new processes try it several times.
            judged, disordered = self._judged(histories)
        except (ClientFailedError, BackendError) as error:
            self._ground.renew()
            if isinstance(error, ClientSilentError) and not self._ground.is_quick():
                slow = f"too slow to tell: {one_line(error)}, and a fresh place is slow as well"
                return replace(done, struck=False, reason=slow)
            said = f"unreadable: after {self._fault.name}: {self.broken or one_line(error)}"
            return Round(**{**vars(done), "wrong": {"unreadable": 1}, "examples": (said,)})
        return self._summed(done, judged, disordered)

    def _came_back(self, histories: list[History]) -> str:
        """How the writer that was struck worked again after the fault; empty where that was not looked at."""
        if self._over is None or not self._over.exists() or not histories:
            return ""
        if self._died:
            return DIED
        if self._clients[0].reopened:
            return OPENED_ANEW
        answered = (e for e in histories[0].entries if e.outcome is Outcome.ACKNOWLEDGED)
        again = any(e.ended is not None and e.ended > self._over_at for e in answered)
        return BY_ITSELF if again else NEVER

    def _judged(self, histories: list[History]) -> tuple[list[Account], list[str]]:
        ground = self._ground
        accounts, disordered = self._read(histories)
        unanswered = _unanswered(histories) if ground.outlived(self._fault) else ()
        if unanswered and (disordered or any(a.findings for a in accounts)):
            # The engine may have been in the middle of one of those while it was read.
            time.sleep(LATE_SECONDS)
            accounts, disordered = self._read(histories)
        for account in accounts:
            ground.state.update(account.state)
        ground.late = unanswered
        return accounts, disordered

    def _read(self, histories: list[History]) -> tuple[list[Account], list[str]]:
        ground = self._ground
        reader = ground.new_client()
        if self._fault.shared:
            look = reader.look(shared_keys())
            seen = _versions(look)
            disordered = disorder(histories, ground.state, seen, time.monotonic_ns(), ground.late)
            # The order of the calls is judged key by key, what is left of each item like any other.
            return [judge(History("shared", ()), seen, look)], disordered
        accounts = []
        for history in histories:
            keys = keys_of(history.writer)
            before = {k: v for k, v in ground.state.items() if k in set(keys)}
            accounts.append(judge(history, before, reader.look(keys), ground.late))
        return accounts, []

    def _summed(self, done: Round, accounts: Sequence[Account], disordered: list[str]) -> Round:
        wrong = {w.value: sum(a.count(w) for a in accounts) for w in Wrong}
        wrong["disordered"] = len(disordered)
        findings = [f for a in accounts for f in a.findings]
        missing = [f.acknowledged_at for f in findings if f.acknowledged_at is not None]
        oldest = max((self._at - at for at in missing), default=0) / 1e9
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

    def _uncounted(self, histories: list[History]) -> str:
        """Why the strike does not count; empty if it does."""
        if not histories:
            return "no writer could be started"
        before = [
            e
            for e in histories[0].entries
            if e.outcome is Outcome.ACKNOWLEDGED and e.ended is not None and e.ended <= self._at
        ]
        if len(before) < ENOUGH:
            return f"only {len(before)} operations had been acknowledged"
        if self._fault.shared:
            return "" if meetings(histories) else "no two calls of different writers met"
        if self._fault.strike is Strike.KILL_CLIENT:
            last = histories[0].entries[-1]
            hit = last.outcome is Outcome.OPEN and last.operation.kind in self._fault.kinds
            hit = hit or self._fault.opening  # what counts was struck before that
            return "" if hit else f"it fell outside of {_either(self._fault.kinds)}"
        if self._fault.strike in (Strike.FILL_DISK, Strike.FAIL_SYNCS):
            late = [e for h in histories for e in h.entries if (e.ended or 0) > self._at]
            met = self._died or any(e.outcome is Outcome.FAILED for e in late)
            what = "full disk" if self._fault.strike is Strike.FILL_DISK else "failing fsync"
            return "" if met else f"no call met the {what}"
        if self._fault.of_network:
            return "" if self._met else "nothing was under way between store and engine"
        hit = any(h.in_flight(self._at) for h in histories)
        return "" if hit else "it fell between two operations"


def _unanswered(histories: Sequence[History]) -> tuple[Write, ...]:
    """What was asked for and never acknowledged."""
    entries = [e for h in histories for e in h.entries if e.outcome is not Outcome.ACKNOWLEDGED]
    return tuple(write for entry in entries for write in entry.operation.writes)


def _either(kinds: Sequence[Kind]) -> str:
    return " or ".join(kind.value for kind in kinds)


def _versions(look: Look) -> dict[Key, str | None]:
    return {place: version_in(value) for place, value in look.got.items()}
