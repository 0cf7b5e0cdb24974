"""
Whether a backend still answers in the middle of a run.

An engine that is gone makes every case fail and says nothing of the store.  So after a failure by a lost
connection, or after several in a row, a fresh location is tried, in this process and in another one.  If
neither answers although one did before, the run says so once and leaves the rest.  A store that breaks
its own connection, its own place or its own process is told apart by this, and stays a finding; so does one
of whose methods one never worked, in one mode or in both: what is tried later has worked before.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from store_conformance.contract import Capability, Level, Mode, Verdict
from store_conformance.harness.backends import causes, is_lost_connection
from store_conformance.harness.journal import Journal
from store_conformance.harness.loops import HungError, LoopThread, run_bounded
from store_conformance.harness.process.child import Child
from store_conformance.harness.runner import Outcome
from store_conformance.harness.subject import Subject
from store_conformance.harness.surroundings import ENVIRONMENT

if TYPE_CHECKING:
    from store_conformance.contract.records import Row
    from store_conformance.harness.backends import Backend

EVERY = 4
"""After the first of several failures in a row, each so many-th is a reason to look again."""
MOST_SECONDS = 60.0
"""For looking after failures of no particular kind, in all."""
PATIENCE = (15.0, 15.0, 60.0)
"""
Seconds for each try.  A place that gives no answer may be slow, as all is on a machine that is overloaded, and waits
for the last of them; one that refuses does not.
"""
PAUSE = 1.0
"""Seconds between two tries: an engine that comes back is not gone."""
QUICK_SHARE = 0.1
"""Of a case's time-out: a fresh place that is opened, used and closed within it is quick."""
USED_WITH = 10
"""Operations for which that says something: a batch of more takes as much longer as it has more of them."""
STOPPED = "the store stopped answering anything, a fresh location included"
NOT_RUN = "not run: the store had stopped answering"
NO_PROCESS = "not run: there was no process in which its cases could run"
NEVER_OPENED = "not run: the store could not be used"
UNANSWERED = (STOPPED, NOT_RUN, NO_PROCESS, NEVER_OPENED)
"""How the messages of cases begin that came to no verdict because nothing of the store could be asked."""


class Health:
    """What is known of one backend; thread safe."""

    def __init__(self, backend: Backend, *, answered: Iterable[Mode]) -> None:
        """``answered``: the modes in which a fresh location is known to have worked in this run."""
        self._backend = backend
        self._lock = threading.Lock()
        self._failed: Counter[Mode] = Counter()
        self._answered = set(answered)
        self._asked: set[Mode] = set()
        """Modes that were tried when a case first passed in them."""
        self._gone: str | None = None
        self._broken_here = False
        """Whether the store has been seen to answer in other processes and in this one no more."""
        self._spent = 0.0

    @property
    def gone(self) -> str | None:
        """The case since which no further one is run; ``None`` while the backend answers."""
        return self._gone

    def judged(self, outcome: Outcome, again: Callable[[], Outcome]) -> Outcome:
        """The outcome, or what it is worth after a look at the backend; ``again`` runs the case anew."""
        row, mode = outcome.row, outcome.lab.mode
        if row.verdict in (Verdict.PASS, Verdict.UNSUPPORTED):
            if row.verdict is Verdict.PASS:
                self._note_pass(mode)
            self._failed[mode] = 0
            return outcome
        if row.message.startswith(ENVIRONMENT):
            return outcome  # a limit is met, which says why, and the next case may stay below it
        if isinstance(outcome.failure, HungError) and row.verdict is Verdict.UNVERIFIED:
            return self._hung(outcome, outcome.failure)
        self._failed[mode] += 1
        lost = any(is_lost_connection(e) for e in causes(outcome.failure))
        known = self._known(mode)
        if self._broken_here or known is None or not (lost or self._suspicious(mode)):
            return outcome
        with self._lock:
            if self._gone is not None:
                return _unverified(outcome, f"{NOT_RUN} in {self._gone}: {row.message}")
            if not self.answers(known):
                return self._without_engine(outcome, again, known)
        return self._repeated(outcome, again) if lost and not self._broken_here else outcome

    def _hung(self, outcome: Outcome, hung: HungError) -> Outcome:
        """
        A call that gives no answer while a fresh place answers at once is stuck, and not slow.

        Of a batch of thousands that is said by a fresh place only which answers so much faster.
        """
        known = self._known(outcome.lab.mode)
        if known is None:
            return outcome
        with self._lock:
            if self._gone is not None:
                return _unverified(outcome, f"{NOT_RUN} in {self._gone}: {outcome.row.message}")
            begin = time.monotonic()
            answered = self.answers(known)
            took = time.monotonic() - begin
        many = max(1.0, outcome.lab.journal.operations / USED_WITH)
        if not answered or took * many > hung.seconds * QUICK_SHARE:
            return outcome
        if outcome.row.level is Level.IMPL:
            return outcome
        said = f"no answer within {hung.seconds:g} s, while a fresh place answered in {took:.2f} s"
        row = replace(outcome.row, verdict=Verdict.FAIL, message=f"the store gave {said}")
        return replace(outcome, row=row)

    def _note_pass(self, mode: Mode) -> None:
        """A case passed; whether a fresh location answers is not said by that, where it did not before."""
        if mode not in self._answered and mode not in self._asked:
            self._asked.add(mode)
            if _failure(partial(_use_here, self._backend, mode), PATIENCE[0]) is None:
                self._answered.add(mode)

    def _known(self, mode: Mode) -> Mode | None:
        """The mode in which to look whether anything answers: one that worked, this one if it did."""
        return mode if mode in self._answered else next(iter(self._answered), None)

    def _suspicious(self, mode: Mode) -> bool:
        failed = self._failed[mode]
        return self._spent < MOST_SECONDS and (failed == 1 or failed % EVERY == 0)

    def _repeated(self, outcome: Outcome, again: Callable[[], Outcome]) -> Outcome:
        """A connection that is lost once may be anybody's doing; a store that breaks it does so again."""
        second = again()
        if second.row.verdict != Verdict.PASS:
            return second
        said = "a connection was lost, and the case passed when it was run again"
        return _unverified(outcome, f"{said}: {outcome.row.message}")

    def _without_engine(
        self, outcome: Outcome, again: Callable[[], Outcome], known: Mode
    ) -> Outcome:
        """
        Nothing answers.  An engine of ours is started again and the case run again: the one that takes
        its engine down twice does it itself.
        """
        row = outcome.row
        if self._started(known):
            second = again()
            if self.answers(known):
                said = "the engine was gone, and the case ended otherwise when it was started again"
                same = second.row.verdict != Verdict.PASS
                return second if same else _unverified(outcome, f"{said}: {row.message}")
            if self._started(known):
                message = f"its engine was gone after this case, and again when it was run again: {row.message}"
                return replace(outcome, row=replace(row, verdict=Verdict.FAIL, message=message))
        self._gone = f"{row.case} ({row.mode})"
        return _unverified(outcome, f"{STOPPED}, in this case: {row.message}")

    def _started(self, mode: Mode) -> bool:
        """Start an engine of ours again; whether it answers then."""
        engine = self._backend.engine()
        return (
            engine is not None
            and _failure(engine.start, PATIENCE[0]) is None
            and self.answers(mode)
        )

    def answers(self, mode: Mode) -> bool:
        """Whether a fresh location can be used, from this process or from another one."""
        begin = time.monotonic()
        try:
            return self._answers(mode)
        finally:
            self._spent += time.monotonic() - begin

    def _answers(self, mode: Mode) -> bool:
        ours = self._backend.engine() is not None
        for number, seconds in enumerate(PATIENCE):
            time.sleep(PAUSE if number else 0.0)
            failure = _failure(partial(_use_here, self._backend, mode), seconds)
            if failure is None:
                return True
            if ours and not isinstance(failure, HungError):
                break  # what is gone and can be started again need not be waited for
        # What another process can use is broken in this one alone, and that is the store's doing.
        if ours or Capability.PROCESSES not in self._backend.capabilities:
            return False
        elsewhere = _failure(partial(_use_elsewhere, self._backend, mode), PATIENCE[0])
        self._broken_here = elsewhere is None
        return self._broken_here


def stopped_answering(rows: Sequence[Row]) -> list[str]:
    """
    Each backend that stopped answering, or never did, a line each, at the case where it began.

    A case that was left out for it says so too: the first one is missing in a run that was cut off.
    """
    told: dict[str, str] = {}
    for start in UNANSWERED:
        for r in rows:
            if r.message.startswith(start):
                place = "" if start == NEVER_OPENED else f"{r.case} ({r.mode}): "
                told.setdefault(r.backend, f"{r.backend}: {place}{r.message}")
    return list(told.values())


def _unverified(outcome: Outcome, message: str) -> Outcome:
    row = replace(outcome.row, verdict=Verdict.UNVERIFIED, message=message)
    return replace(outcome, row=row, others=())


def _failure(work: Callable[[], object], seconds: float) -> Exception | None:
    """What the work raised, ``HungError`` where it took too long; ``None`` if it succeeded."""
    try:
        run_bounded(work, seconds, "health")
    except Exception as error:  # noqa: BLE001 - that it fails is the answer
        return error
    return None


def _use_here(backend: Backend, mode: Mode) -> None:
    loop_thread, at = LoopThread(), backend.location()
    try:
        opened = backend.open(at, None, None, mode)
        store = Subject(opened, at=at, mode=mode, loop_thread=loop_thread, journal=Journal())
        store.put(("health",), "key", {"n": 1})
        store.fetch(("health",), "key")
        store.close()
    finally:
        loop_thread.close()
        backend.discard(at)


def _use_elsewhere(backend: Backend, mode: Mode) -> None:
    at = backend.location()
    child = Child(backend, at, mode=mode)
    try:
        child.call("put", ("health",), "key", {"n": 1}, timeout=PATIENCE[0])
        child.call("get", ("health",), "key", timeout=PATIENCE[0])
    finally:
        child.end()
        backend.discard(at)
