"""
One case of a run after the other: whether it is run at all, how often, for how long, and what its end says.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from store_conformance.contract import Mode, Verdict
from store_conformance.contract.records import Row
from store_conformance.harness.backends import Backend
from store_conformance.harness.loops import HungError
from store_conformance.harness.runner import Outcome, not_run, run_case
from store_conformance.harness.settings import Settings
from store_conformance.harness.waiting import Job
from store_conformance.runs.health import NO_PROCESS, NOT_RUN, STOPPED, Health
from store_conformance.runs.known import KnownFailures
from store_conformance.runs.profiles import profile
from store_conformance.runs.selection import Selection

IMPATIENT_SECONDS = 15.0
MOST_KILLED = 30
"""So many processes a store may end: each costs the start of another, and the run must come to an end."""
MOST_IN_A_ROW = 8
"""So many it may end one after the other, without a single case that came to its own end."""
_SPENT = ("seconds", "in_store", "waited", "calls")
"""What the rounds of a case spend together."""


@dataclass
class Ends:
    """How many cases of each backend ended by their time-out, and how many ended their process."""

    hung: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    in_a_row: Counter[str] = field(default_factory=Counter)
    """Of those that ended their process, the last ones, since a case came to its own end."""

    def given_up(self, backend: str) -> str | None:
        """How many processes the store has ended, where it is not given another one."""
        if self.killed[backend] >= MOST_KILLED:
            return f"{self.killed[backend]} processes"
        row = self.in_a_row[backend]
        return f"{row} processes, one after the other," if row >= MOST_IN_A_ROW else None

    def to_dict(self) -> dict[str, dict[str, int]]:
        return {name: dict(counter) for name, counter in vars(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Mapping[str, int]]) -> Ends:
        return cls(**{name: Counter(counts) for name, counts in data.items()})


class CaseRuns:
    """Runs cases of a run; what a backend did to earlier ones shortens or ends what it may do to later ones."""

    def __init__(
        self,
        backends: Mapping[str, Backend],
        selection: Selection,
        settings: Settings,
        facts: Mapping[str, Mapping[str, Any]],
        known: KnownFailures,
        ends: Ends,
    ) -> None:
        self._backends = backends
        self._selection = selection
        self._settings = settings
        self._facts = facts
        self._known = known
        self._ends = ends
        self._health: dict[str, Health] = {}
        self.not_loaded: dict[str, str] = {}
        """Users' stores that could not be loaded in this process, and why."""

    def run(self, job: Job) -> Outcome:
        """Run a case, unless it was not wanted or its engine is gone, and see whether a failure tells of the store."""
        backend = self._backends[job.backend]
        why_not = self._why_not(job)
        if why_not is not None:
            return not_run(backend, job.spec, job.mode, job.param, self._settings, why_not)

        def run() -> Outcome:
            return self._rounds(backend, job)

        outcome = run()
        if outcome.row.verdict == Verdict.FAIL and self._known.expected(outcome.row) is not None:
            return outcome
        return self._health_of(job.backend).judged(outcome, run)

    def surprises(self, outcome: Outcome) -> bool:
        """Whether this is neither a pass nor a failure that was expected; a hang takes too long to repeat."""
        row = outcome.row
        if row.verdict in (Verdict.PASS, Verdict.UNSUPPORTED) or row.message.startswith(STOPPED):
            return False
        return not isinstance(outcome.failure, HungError) and self._known.expected(row) is None

    def _why_not(self, job: Job) -> str | None:
        if self._selection.skips(job.spec.rule_id):
            return f"skipped: --skip {job.spec.rule_id}"
        ended = self._ends.given_up(job.backend)
        if ended is not None:
            return f"not run: the store had ended {ended} that ran cases of it"
        if job.backend in self.not_loaded:
            return f"{NO_PROCESS}: {self.not_loaded[job.backend]}"
        gone = self._health_of(job.backend).gone
        return None if gone is None else f"{NOT_RUN} in {gone}"

    def _rounds(self, backend: Backend, job: Job) -> Outcome:
        """Run a case as often as the profile asks, with another seed each time, until it does not pass."""
        before: list[Row] = []
        for number in range(profile(self._selection.profile).rounds_of(job.spec)):
            outcome = run_case(
                backend,
                job.spec,
                job.mode,
                job.param,
                dataclasses.replace(self._settings, seed=self._settings.seed + number),
                avoid=self._known.excluded(job.backend),
                patience=self._patience(job.backend),
            )
            before.append(outcome.row)
            if outcome.row.verdict is not Verdict.PASS or outcome.others:
                break
        sums = {name: sum(getattr(r, name) for r in before) for name in _SPENT}
        return dataclasses.replace(outcome, row=dataclasses.replace(outcome.row, **sums))

    def _health_of(self, name: str) -> Health:
        answered = map(Mode, self._facts.get(name, {}).get("answers", ()))
        health = Health(self._backends[name], answered=answered)
        return self._health.setdefault(name, health)

    def _patience(self, backend: str) -> float | None:
        """A shorter time-out once a store has hung three times: the run must come to an end."""
        hung = self._ends.hung[backend]
        return min(self._settings.timeout, IMPATIENT_SECONDS) if hung >= 3 else None
