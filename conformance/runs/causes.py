"""
Failures grouped by what likely causes them: the same call with the same exception or the same difference.

One fault of a store fails many cases.  Whoever mends it wants it named once, by its smallest case.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from store_conformance.contract import Verdict
from store_conformance.contract.records import Row


@dataclass(frozen=True)
class Cause:
    """Failures of one backend that likely have one cause."""

    backend: str
    text: str
    """The call and what is wrong with its answer."""
    rows: tuple[Row, ...]
    """At least one, in the order of the run."""

    @property
    def smallest(self) -> Row:
        """The row of the fewest calls; one that tells none (another process made them) comes last."""
        return min(self.rows, key=lambda r: (not r.calls, r.calls, len(r.message), r.case, r.mode))

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that fail by it, those with the most failures first."""
        return tuple(rule for rule, _ in Counter(r.rule for r in self.rows).most_common())

    @property
    def line(self) -> str:
        """How many failures of which rules, what they share, and the smallest case."""
        one = self.smallest
        rules = ", ".join(self.rules[:6]) + (", …" if len(self.rules) > 6 else "")
        return f"{len(self.rows)} × {self.backend} {rules}: {self.text}; smallest: {one.case} ({one.mode})"

    def to_dict(self) -> dict[str, Any]:
        """As the footer of a run file has it."""
        one = self.smallest
        return {
            "backend": self.backend,
            "cause": self.text,
            "failures": len(self.rows),
            "expected": sum(r.expectation is not None for r in self.rows),
            "rules": list(self.rules),
            "smallest": {"rule": one.rule, "case": one.case, "mode": str(one.mode)},
        }


def causes_of(rows: Iterable[Row]) -> tuple[Cause, ...]:
    """The likely causes of the failed rows, the one with the most failures first."""
    groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.verdict is Verdict.FAIL:
            # Runs of older versions tell no cause: there a rule's failures stand for one.
            groups[row.backend, row.cause or f"{row.rule}: {row.message}"].append(row)
    found = [Cause(backend, text, tuple(group)) for (backend, text), group in groups.items()]
    return tuple(sorted(found, key=lambda c: -len(c.rows)))
