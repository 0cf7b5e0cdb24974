"""
One case of a run after the other: whether it is run at all, how often, for how long, and what its end says.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from store_conformance.contract import Verdict
from store_conformance.contract.records import Row
from store_conformance.harness.backends import Backend
from store_conformance.harness.loops import HungError
from store_conformance.harness.runner import Outcome, not_run, run_case
from store_conformance.harness.settings import Settings
from store_conformance.harness.waiting import Job
from store_conformance.runs.health import NOT_RUN, STOPPED, Health
from store_conformance.runs.known import KnownFailures
from store_conformance.runs.profiles import profile
from store_conformance.runs.selection import Selection

IMPATIENT_SECONDS = 15.0
MOST_KILLED = 30
"""So many processes a store may end: each costs the start of another, and the run must come to an end."""
_SPENT = ("seconds", "in_store", "waited", "calls")
"""What the rounds of a case spend together."""


@dataclass
class Ends:
    """How many cases of each backend ended by their time-out, and how many ended their process."""

    hung: Counter[str] = dataclasses.field(default_factory=Counter)
    killed: Counter[str] = dataclasses.field(default_factory=Counter)


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
        killed = self._ends.killed[job.backend]
        if killed >= MOST_KILLED:
            return f"not run: the store had ended {killed} processes that ran cases of it"
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
        first = self._facts.get(name, {}).get("seconds_to_first_put")
        health = Health(self._backends[name], answered=first is not None)
        return self._health.setdefault(name, health)

    def _patience(self, backend: str) -> float | None:
        """A shorter time-out once a store has hung three times: the run must come to an end."""
        hung = self._ends.hung[backend]
        return min(self._settings.timeout, IMPATIENT_SECONDS) if hung >= 3 else None
