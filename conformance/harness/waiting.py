"""
Cases that mostly wait (for an item to expire, for a clock to move) run side by side, in threads.

Their waits overlap, so that a run does not last as long as all of them added up.  A verdict that surprises
is not believed of a case that ran beside others: the case is run again alone.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from store_conformance.contract import Mode
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.runner import Outcome

AT_ONCE = 12


@dataclass(frozen=True)
class Job:
    """One waiting case in one mode on one backend."""

    spec: CaseSpec
    backend: str
    mode: Mode
    param: str | None

    @property
    def key(self) -> tuple[str, str, Mode]:
        return self.backend, self.spec.case_id(self.param), self.mode


class WaitingCases:
    """
    The waiting cases that this process has before it; ``run`` runs one of them.

    The first ``take`` calls ``prepare`` with the name of each backend, then starts all the cases:
    ``at_once`` at a time of each backend, those that are long by nature first.  ``surprises`` says
    whether to run a case again, alone.
    """

    def __init__(
        self,
        run: Callable[[Job], Outcome],
        prepare: Callable[[str], object],
        surprises: Callable[[Outcome], bool],
        jobs: Iterable[Job] = (),
        *,
        at_once: int = AT_ONCE,
    ) -> None:
        self._run = run
        self._prepare = prepare
        self._surprises = surprises
        self._at_once = at_once
        self._jobs: defaultdict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            self._jobs[job.backend].append(job)
        self._started: dict[tuple[str, str, Mode], Future[Outcome]] = {}

    def take(self, job: Job) -> Outcome:
        """What the case came to: at once if it has ended by now, else when it does."""
        waiting, self._jobs = self._jobs, defaultdict(list)
        for jobs in waiting.values():
            self._start(jobs)
        future = self._started.pop(job.key, None)
        if future is None:
            return self._run(job)
        outcome = future.result()
        return self._run(job) if self._surprises(outcome) else outcome

    def _start(self, jobs: list[Job]) -> None:
        if len(jobs) < 2:
            return
        self._prepare(jobs[0].backend)
        free = threading.Semaphore(self._at_once)
        for job in sorted(jobs, key=lambda job: -(job.spec.seconds or 0.0)):
            future: Future[Outcome] = Future()
            self._started[job.key] = future
            # Daemons, as a store that hangs must not keep the process from ending.
            thread = threading.Thread(
                target=self._work, args=(job, future, free), name=job.key[1], daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # the process may have no more of them: each runs when it is taken
                del self._started[job.key]
                return

    def _work(self, job: Job, future: Future[Outcome], free: threading.Semaphore) -> None:
        with free:
            try:
                future.set_result(self._run(job))
            except BaseException as error:  # noqa: BLE001 - raised where the outcome is taken
                future.set_exception(error)
