"""
Which cases a run checks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from store_conformance.contract import Capability, MemoryType, Mode, UserError, group, rule, rules
from store_conformance.contract.hints import suggestion
from store_conformance.harness.case import CaseSpec
from store_conformance.runs.profiles import DEFAULT, QUICK, profile
from store_conformance.suite.register import all_cases, cases_naming


@dataclass(frozen=True)
class Selection:
    """Which cases a run checks; nothing named: all of them."""

    rules: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    scenarios: tuple[MemoryType, ...] = ()
    skip: tuple[str, ...] = ()
    """Rules whose cases are not run although they are taken: their rows say so."""
    profile: str = DEFAULT

    @classmethod
    def named(
        cls,
        rules: Iterable[str],
        groups: Iterable[str],
        scenarios: Iterable[str],
        skip: Iterable[str] = (),
        profile_name: str = DEFAULT,
    ) -> Selection:
        """A checked selection; raises ``UserError`` with the nearest right name."""
        wanted = tuple(_scenario(name) for name in scenarios)
        chosen, skipped = (tuple(rule(r).id for r in ids) for ids in (rules, skip))
        both = next((r for r in skipped if r in chosen), None)
        if both is not None:
            raise UserError(
                f"rule {both} is asked for and skipped", "take it from --rule or from --skip"
            )
        ids = tuple(group(g).id for g in groups)
        return cls(chosen, ids, wanted, skipped, profile(profile_name).name)

    @property
    def everything(self) -> bool:
        """Whether no rule, group or scenario is named."""
        return not (self.rules or self.groups or self.scenarios)

    def takes(self, spec: CaseSpec) -> bool:
        return self._names(spec) and profile(self.profile).takes(spec)

    def _names(self, spec: CaseSpec) -> bool:
        return (
            self.everything
            or spec.rule_id in self.rules
            or spec.rule.group in self.groups
            or (spec.scenario in self.scenarios if spec.scenario else False)
        )

    def variants(
        self, spec: CaseSpec, offered: Collection[Capability]
    ) -> tuple[tuple[Mode, str | None], ...]:
        """The modes and parameters that a case is run with on a backend; see `Profile.variants`."""
        return profile(self.profile).variants(spec, offered)

    def skips(self, rule_id: str) -> bool:
        return rule_id in self.skip

    def cases(self) -> tuple[CaseSpec, ...]:
        """The cases that are taken; modules that cannot hold one are not imported where that shows."""
        if self.everything or self.scenarios:
            known = all_cases()
        else:
            groups = {r.id for r in rules() if r.group in self.groups}
            known = cases_naming(frozenset({*self.rules, *groups}))
        return tuple(spec for spec in known if self.takes(spec))

    def left_out(self) -> list[str]:
        """What a run of this selection says nothing about, in sentences; empty for the whole."""
        told = []
        if self.profile != DEFAULT:
            told.append(f"Profile {self.profile}: {profile(self.profile).tells}.")
        if self.skip:
            told.append(f"Skipped by --skip, and unverified: {', '.join(self.skip)}.")
        return told

    def to_dict(self) -> dict[str, list[str]]:
        """For the header of a run file: what was chosen, where it is not the whole."""
        return {
            "rules": list(self.rules),
            "groups": list(self.groups),
            "scenarios": [str(s) for s in self.scenarios],
            **({"skip": list(self.skip)} if self.skip else {}),
            **({"profile": [self.profile]} if self.profile == QUICK else {}),
        }

    def to_spec(self) -> dict[str, Any]:
        """The arguments of ``named``, for a worker."""
        return {
            "rules": list(self.rules),
            "groups": list(self.groups),
            "scenarios": [str(s) for s in self.scenarios],
            "skip": list(self.skip),
            "profile_name": self.profile,
        }


def _scenario(name: str) -> MemoryType:
    try:
        return MemoryType(name)
    except ValueError:
        hint = suggestion(name, [str(m) for m in MemoryType])
        raise UserError(f"unknown scenario {name!r}", hint) from None
