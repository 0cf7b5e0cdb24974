"""
How much a run checks: a look for each push, the whole for each change, what is long for the night.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from zlib import crc32

from store_conformance.contract import Capability, Level, Mode, UserError
from store_conformance.contract.hints import suggestion
from store_conformance.harness.case import CaseSpec

QUICK, DEFAULT, THOROUGH = "quick", "default", "thorough"
HISTORIES_RULE = "E9"
"""The rule of random histories: as long as they are many, and told by a few."""
LONG_SECONDS = 100.0
"""A case that asks for more time than this is long by nature."""
FEW = 4
"""How many of its parameters the quick profile runs a case with."""


@dataclass(frozen=True)
class Profile:
    """Which cases a run takes, and how often it tries what depends on chance."""

    name: str
    tells: str
    """What it checks, for the last lines of a run."""
    histories: int
    steps: int
    rounds: int = 1
    """How often each case is run, with a seed of its own each time, until it does not pass."""

    def takes(self, spec: CaseSpec) -> bool:
        """Whether a run of this profile has the case."""
        if spec.thorough:
            return self.name == THOROUGH
        if self.name != QUICK:
            return True
        if spec.rule.level is not Level.MUST or spec.serial:
            return False
        return spec.rule_id == HISTORIES_RULE or (spec.seconds or 0.0) <= LONG_SECONDS

    def variants(
        self, spec: CaseSpec, offered: Collection[Capability]
    ) -> tuple[tuple[Mode, str | None], ...]:
        """
        The modes and parameters that the case is run with, on a backend that offers these capabilities.

        All of them; the quick profile runs each case with a few parameters, spread over all that it has, and
        each of these in one mode, in turns.  Which ones depends on the case alone, so that two runs have the same.
        """
        if self.name != QUICK:
            return tuple(product(spec.modes, spec.expand()))
        modes = [m for m in spec.modes if Capability(m.value) in offered] or list(spec.modes)
        return few_variants(spec, modes)

    def rounds_of(self, spec: CaseSpec) -> int:
        """How often the case is run; histories are many by themselves, and other engines no matter of chance."""
        return 1 if spec.rule_id == HISTORIES_RULE or spec.thorough else self.rounds


def few_variants(
    spec: CaseSpec, modes: Sequence[Mode], salt: str = ""
) -> tuple[tuple[Mode, str | None], ...]:
    """
    At most `FEW` of a case's parameters, spread over all that it has, each in one of these modes, in turns.

    Which ones depends on the case, and on ``salt`` where several stores are to be looked at by different ones.
    """
    start = crc32(f"{spec.id}{salt}".encode())
    params = list(spec.expand())
    few = min(FEW, len(params))
    chosen = sorted({(start + n * len(params) // few) % len(params) for n in range(few)})
    return tuple((modes[(start + n) % len(modes)], params[at]) for n, at in enumerate(chosen))


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        p.name: p
        for p in (
            Profile(
                QUICK,
                "every MUST rule, each case in one mode and with a few of its parameters, without kills,"
                " other processes and what is long; this says nothing of the rest",
                histories=2,
                steps=20,
            ),
            Profile(DEFAULT, "every rule", histories=15, steps=40),
            Profile(
                THOROUGH,
                "every rule, each case with three seeds, four times as many random histories, and moves to every"
                " other backend",
                histories=60,
                steps=80,
                rounds=3,
            ),
        )
    }
)


def profile(name: str) -> Profile:
    """The profile of that name; raises ``UserError`` with the nearest right one."""
    try:
        return PROFILES[name]
    except KeyError:
        raise UserError(f"unknown profile {name!r}", suggestion(name, list(PROFILES))) from None
