"""
The gate: whether a run may pass, and why not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from store_conformance.contract import Verdict
from store_conformance.contract.errors import EXIT_FAILED, EXIT_OK, EXIT_UNVERIFIED
from store_conformance.contract.records import Row, Run
from store_conformance.runs.causes import Cause, causes_of
from store_conformance.runs.expectations import hiding, stale
from store_conformance.runs.health import stopped_answering
from store_conformance.runs.profiles import QUICK
from store_conformance.runs.session import RunSession


@dataclass(frozen=True)
class Gate:
    """Whether a run may pass, and every reason why not."""

    code: int
    beside: tuple[str, ...] = ()
    """Reasons other than failures of cases."""
    causes: tuple[Cause, ...] = ()
    """The failures that nobody expected, by what likely causes them."""
    warnings: tuple[str, ...] = ()
    """What does not close the gate and should be known."""

    @property
    def failures(self) -> int:
        return sum(len(cause.rows) for cause in self.causes)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason on its own, failures of cases first."""
        failed = tuple(unexpected(row) for cause in self.causes for row in cause.rows)
        return (*failed, *self.beside)


def unexpected(row: Row) -> str:
    """A failure that nobody expected, in one line."""
    place = f"{row.backend} {row.rule} {row.case} ({row.mode})"
    if row.unlike is None:
        return f"{place}: {row.message}"
    return (
        f"{place}: looks different from what is expected ({row.unlike}):"
        f" {row.failure_kind or row.message}"
    )


def judge_run(run: Run, session: RunSession | None = None) -> Gate:
    """
    The gate: unexpected failures, errors, stale expectations, and a run that verified nothing.

    Reads from the run alone; with the session also its expectations.
    """
    causes = causes_of(r for r in run.rows if r.expectation is None)
    reasons = [
        f"harness error in {r.backend} {r.rule} {r.case} ({r.mode}): {r.message}"
        for r in run.rows
        if r.verdict is Verdict.ERROR
    ]
    warnings: tuple[str, ...] = ()
    if session is not None:
        packages = {n: f.get("packages", {}) for n, f in run.header["backends"].items()}
        wanted = session.selected_expectations()
        warnings = tuple(
            f"an expectation hides any other failure of its case, because it names no kind: {e.text}"
            for e in hiding(wanted, run.rows, packages)
        )
        if not run.footer.get("interrupted"):
            sampled = run.header.get("profile") == QUICK
            old = stale(wanted, run.rows, packages, sampled=sampled)
            reasons += [f"expectation {p}" for p in old]
    # Told whatever else there is: most of the run is missing.
    stopped = stopped_answering(run.rows)
    if reasons or causes:
        return Gate(EXIT_FAILED, (*stopped, *reasons), causes, warnings)
    if stopped:
        return Gate(EXIT_UNVERIFIED, tuple(stopped), warnings=warnings)
    if not any(r.verdict == Verdict.PASS or r.expectation for r in run.rows):
        return Gate(EXIT_UNVERIFIED, (_why_unverified(run),), warnings=warnings)
    return Gate(EXIT_OK, warnings=warnings)


def _why_unverified(run: Run) -> str:
    """Why no verdict came out: how many cases ended how, and what most of them said."""
    if not run.rows:
        return "nothing could be verified: no case was run"
    verdicts = Counter(str(r.verdict) for r in run.rows)
    counts = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.most_common())
    ((message, _),) = Counter(r.message for r in run.rows).most_common(1)
    return f"nothing could be verified: {counts}; mostly: {message}"
