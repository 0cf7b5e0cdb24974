"""
Which cases a run checks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from store_conformance.contract import MemoryType, UserError, group, rule, rules
from store_conformance.contract.hints import suggestion
from store_conformance.harness.case import CaseSpec
from store_conformance.suite.register import all_cases, cases_naming


@dataclass(frozen=True)
class Selection:
    """Which cases a run checks; nothing named: all of them."""

    rules: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    scenarios: tuple[MemoryType, ...] = ()

    @classmethod
    def named(
        cls, rules: Iterable[str], groups: Iterable[str], scenarios: Iterable[str]
    ) -> Selection:
        """A checked selection; raises ``UserError`` with the nearest right name."""
        wanted = tuple(_scenario(name) for name in scenarios)
        return cls(tuple(rule(r).id for r in rules), tuple(group(g).id for g in groups), wanted)

    @property
    def everything(self) -> bool:
        return not (self.rules or self.groups or self.scenarios)

    def takes(self, spec: CaseSpec) -> bool:
        return (
            self.everything
            or spec.rule_id in self.rules
            or spec.rule.group in self.groups
            or (spec.scenario in self.scenarios if spec.scenario else False)
        )

    def cases(self) -> tuple[CaseSpec, ...]:
        """The cases that are taken; modules that cannot hold one are not imported where that shows."""
        if self.everything or self.scenarios:
            known = all_cases()
        else:
            groups = {r.id for r in rules() if r.group in self.groups}
            known = cases_naming(frozenset({*self.rules, *groups}))
        return tuple(spec for spec in known if self.takes(spec))

    def to_dict(self) -> dict[str, list[str]]:
        return {
            "rules": list(self.rules),
            "groups": list(self.groups),
            "scenarios": [str(s) for s in self.scenarios],
        }


def _scenario(name: str) -> MemoryType:
    try:
        return MemoryType(name)
    except ValueError:
        hint = suggestion(name, [str(m) for m in MemoryType])
        raise UserError(f"unknown scenario {name!r}", hint) from None
