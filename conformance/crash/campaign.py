"""
A campaign: strike after strike on each backend and setting, and what they came to.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from store_conformance.contract import Capability, UserError, Verdict
from store_conformance.contract.secrets import one_line, redact, redact_text
from store_conformance.contract.survival import Survival, SurvivalFile
from store_conformance.crash.client import ClientFailedError
from store_conformance.crash.faults import Fault
from store_conformance.crash.image import NoImageError
from store_conformance.crash.record import NAME, Plan, Rounds
from store_conformance.crash.rig import Rig, no_disk
from store_conformance.crash.round import BY_ITSELF, Round
from store_conformance.crash.strikes import strike
from store_conformance.harness.backends import Backend, BackendError

TRIES = 3
"""Strikes for each one that is asked for: some fall between two operations."""
EXAMPLES = 8


@dataclass(frozen=True)
class Target:
    """One backend in one setting; ``make`` gives a new object of it that nobody else uses."""

    backend: str
    make: Callable[[], Backend]
    setting: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Without secrets: it is written and printed."""
        words = [f"{key}={value}" for key, value in sorted(redact(dict(self.setting)).items())]
        return redact_text(" ".join([self.backend, *words]))


@dataclass(frozen=True)
class Progress:
    """How far a campaign is."""

    done: int
    """Strikes that count, of all targets and faults."""
    wanted: int
    target: str
    fault: str
    seconds_left: float | None
    """As far as the strikes so far tell; ``None`` before the first."""
    broken: int
    """Strikes that left something wrong."""


Told = Callable[[Progress], None]


class Campaign:
    """
    ``kills`` strikes on each target, shared out over the faults, at least one each.

    What is done is in ``folder`` after each strike; with ``resume`` a campaign goes on from there.
    """

    def __init__(
        self,
        targets: tuple[Target, ...],
        faults: tuple[Fault, ...],
        *,
        kills: int,
        seed: int,
        version: str,
        folder: Path,
        resume: bool = False,
        told: Told = lambda progress: None,
    ) -> None:
        self._targets = targets
        self._faults = faults
        self._kills = kills
        self._seed = seed
        self._version = version
        self._told = told
        self._started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._refused: dict[tuple[str, str], str] = {}
        plan = Plan(
            version,
            seed,
            tuple(t.name for t in targets),
            tuple(f.name for f in faults),
        )
        self._rounds = Rounds(folder / NAME, plan, resume=resume)
        self._pace: list[float] = []

    def run(self) -> SurvivalFile:
        """Every strike; an interruption leaves what was done in the file."""
        try:
            for target in self._targets:
                self._work_on(target)
        finally:
            self._rounds.close()
        return self.file(finished=True)

    # -- one target -------------------------------------------------------------------------------

    def _work_on(self, target: Target) -> None:
        with ExitStack() as stack:
            rigs: dict[tuple[bool, bool], Rig | str] = {}
            struck: list[tuple[Fault, Rig]] = []
            for fault in self._faults:
                kind = (fault.on_image, fault.of_network)
                if kind not in rigs:
                    rigs[kind] = self._ground(target, fault, stack)
                rig = rigs[kind]
                refusal = rig if isinstance(rig, str) else rig.refusal(fault)
                if refusal is not None or isinstance(rig, str):
                    self._refused[target.name, fault.name] = str(refusal)
                else:
                    struck.append((fault, rig))
            # In turns, so that a campaign that is broken off has tried each of them.
            while struck:
                struck = [(f, g) for f, g in struck if not self._is_done(target, f)]
                for fault, rig in struck:
                    self._strike(target, fault, rig)

    def _ground(self, target: Target, fault: Fault, stack: ExitStack) -> Rig | str:
        """Where that fault may strike, or why it cannot anywhere."""
        backend = target.make()
        self._rounds.describe(target.name, str(backend.deployment))
        if Capability.PERSISTENCE not in backend.capabilities:
            return "the store keeps nothing beyond its process, and says so"
        why_not = no_disk(backend, fault) if fault.on_image else None
        if why_not is not None:
            return why_not
        try:
            rig = Rig(target.make, on_image=fault.on_image, proxied=fault.of_network)
        except (NoImageError, BackendError) as error:
            return one_line(error)
        stack.callback(rig.close)
        self._rounds.describe(target.name, str(backend.deployment), rig.engine_name)
        try:
            rig.client()
        except ClientFailedError as error:
            return f"the store could not be opened: {one_line(error)}"
        return rig

    def _strike(self, target: Target, fault: Fault, rig: Rig) -> None:
        number = len(self._rounds.of(target.name, fault.name))
        name = f"{fault.name}-{number}"
        done = strike(rig, fault, name, self._seed, patient=fault.heals)
        self._rounds.add(target.name, done)
        self._pace.append(done.seconds)
        self._told(self._progress(target, fault))

    # -- how far ----------------------------------------------------------------------------------

    def _wanted(self, target: Target, fault: Fault) -> int:
        """The strikes of one fault: those that can strike share the kills, as far as that is known."""
        sharing = [f for f in self._faults if (target.name, f.name) not in self._refused]
        if fault not in sharing:
            return 0
        share, rest = divmod(self._kills, len(sharing))
        return max(1, share + (sharing.index(fault) < rest))

    def _counted(self, target: Target, fault: Fault) -> int:
        return sum(r.struck for r in self._rounds.of(target.name, fault.name))

    def _is_done(self, target: Target, fault: Fault) -> bool:
        wanted = self._wanted(target, fault)
        tried = len(self._rounds.of(target.name, fault.name))
        return self._counted(target, fault) >= wanted or tried >= TRIES * wanted + TRIES

    def _progress(self, target: Target, fault: Fault) -> Progress:
        pairs = [(t, f) for t in self._targets for f in self._faults]
        open_pairs = [(t, f) for t, f in pairs if (t.name, f.name) not in self._refused]
        wanted = sum(self._wanted(t, f) for t, f in open_pairs)
        done = sum(min(self._counted(t, f), self._wanted(t, f)) for t, f in open_pairs)
        recent = self._pace[-50:]
        struck = max(1, sum(r.struck for _, r in self._rounds.done[-len(recent) :]))
        left = (wanted - done) * sum(recent) / struck
        broken = sum(r.broken for _, r in self._rounds.done)
        return Progress(done, wanted, target.name, fault.name, left, broken)

    # -- the result -------------------------------------------------------------------------------

    def file(self, *, finished: bool) -> SurvivalFile:
        """What came of it so far."""
        return SurvivalFile(
            self._version,
            self._seed,
            self._started,
            f"{platform.system()} {platform.release()}",
            finished,
            tuple(self._result(t, f) for t in self._targets for f in self._faults),
        )

    def _result(self, target: Target, fault: Fault) -> Survival:
        rounds = self._rounds.of(target.name, fault.name)
        deployment, engine = self._rounds.about.get(target.name, ("", ""))
        counts = _sum(rounds)
        summed = Survival(
            backend=target.backend,
            deployment=deployment,
            fault=fault.name,
            setting=redact(dict(target.setting)),
            engine=engine,
            wanted=self._wanted(target, fault),
            kills=sum(r.struck for r in rounds),
            missed=sum(not r.struck for r in rounds),
            acknowledged=sum(r.acknowledged for r in rounds),
            whole=sum(r.whole for r in rounds),
            reopened=sum(r.came_back not in ("", BY_ITSELF) for r in rounds),
            oldest_lost_seconds=round(max((r.oldest_lost for r in rounds), default=0.0), 3),
            seconds=round(sum(r.seconds for r in rounds), 3),
            examples=tuple(e for r in rounds for e in r.examples)[:EXAMPLES],
            lost=counts.get("lost", 0),
            stale=counts.get("stale", 0),
            resurrected=counts.get("resurrected", 0),
            altered=counts.get("altered", 0),
            torn_items=counts.get("torn_item", 0),
            torn_batches=counts.get("torn_batch", 0),
            duplicated=counts.get("duplicated", 0),
            unreadable=counts.get("unreadable", 0),
            disordered=counts.get("disordered", 0),
        )
        verdict, reason = self._verdict(target, fault, summed, rounds)
        return Survival(**{**vars(summed), "verdict": verdict, "reason": reason})

    def _verdict(
        self, target: Target, fault: Fault, summed: Survival, rounds: list[Round]
    ) -> tuple[Verdict, str]:
        if summed.broken:
            return Verdict.FAIL, ""
        refused = self._refused.get((target.name, fault.name))
        if refused:
            return Verdict.UNVERIFIED, refused
        if summed.kills == 0:
            reasons = [r.reason for r in rounds if r.reason]
            why = max(reasons, key=reasons.count) if reasons else "it was not tried"
            return Verdict.UNVERIFIED, f"no strike counts: {why}" if reasons else why
        short = summed.kills < summed.wanted
        told = f"{summed.kills} of {summed.wanted} strikes count" if short else ""
        return Verdict.PASS, told


def _sum(rounds: list[Round]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in rounds:
        for name, count in one.wrong.items():
            total[name] = total.get(name, 0) + count
    return total


def check_kills(kills: int) -> int:
    """Raises ``UserError`` for a number of strikes that says nothing."""
    if kills < 1:
        raise UserError(f"{kills} kills say nothing about what survives", "give --kills 1 or more")
    return kills
