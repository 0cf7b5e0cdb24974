"""
Cases that have no verdict of their own: their process ended under them, or nothing of them came back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from store_conformance.contract import Level, Mode, Verdict
from store_conformance.contract.records import Row
from store_conformance.harness.waiting import Job
from store_conformance.runs.health import NO_PROCESS


def killed(job: Job, stacks: Sequence[str], seed: int) -> Row:
    """
    A case whose process ended under it: by its watchdog (``stacks`` say where) or by the store.

    Both are the store's doing: what ran in that process beside it was the harness, which does not
    end it, and Python, which stood still.
    """
    if len(stacks) > 1:
        held = "the process stood still with the interpreter's lock held"
        message = f"hung, killed: {held} for longer than the time-out"
    elif stacks:
        message = f"hung, {stacks[-1]}"
    else:
        message = "the process that ran the case was ended from within (a crash of native code, or an exit)"
    return _failed(job, message, stacks, seed)


def out_of_memory(job: Job, stacks: Sequence[str], seed: int) -> Row:
    """A case whose process the system ended: whether by what the store takes or by how little there is, nobody can tell."""
    said = (
        "the system ended the process that ran the case for want of memory (the machine's, or what its container"
        " allows): give it more, or see what the store takes"
    )
    return _ended(job, Verdict.UNVERIFIED, said, stacks, seed)


def interrupted(row: Row) -> Row:
    """A case in which the store sent SIGINT to the process that it runs in."""
    said = "the store sent its own process SIGINT, which ends an application as Ctrl-C does"
    return replace(
        row, verdict=Verdict.FAIL, message=said, expected=None, got=None, failure_kind=None,
        cause=None, expectation=None,
    )  # fmt: skip


def lost(job: Job, seed: int) -> Row:
    """A case that ended and told nothing: what the harness tells with was taken from it."""
    said = "the case's verdict was lost: something of Python's own was changed in its process"
    return _failed(job, said, (), seed)


def never_begun(job: Job, why: str, seed: int) -> Row:
    """A case that no process could take up."""
    return _ended(job, Verdict.UNVERIFIED, f"{NO_PROCESS}: {why}", (), seed)


def crashed(nodeid: str, text: str) -> Row:
    """A case whose process died or whose item broke: our fault until shown otherwise."""
    return Row("?", "?", Level.MUST, nodeid, "?", Verdict.ERROR, f"no verdict: {text[-300:]}")


def absent(backend: str, why: str) -> Row:
    """What a backend is that could not be brought up: nothing of it was checked."""
    return Row(backend, "E4", Level.MUST, "engine", Mode.SYNC, Verdict.UNVERIFIED, why)


def _failed(job: Job, message: str, history: Sequence[str], seed: int) -> Row:
    return _ended(job, Verdict.FAIL, message, history, seed)


def _ended(job: Job, verdict: Verdict, message: str, history: Sequence[str], seed: int) -> Row:
    spec = job.spec
    return Row(
        job.backend, spec.rule_id, spec.rule.level, spec.case_id(job.param), job.mode,
        verdict, message, history=tuple(history), scenario=spec.scenario, seed=seed,
    )  # fmt: skip
