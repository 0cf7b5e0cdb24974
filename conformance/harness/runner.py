"""
Runs one case against one backend and turns whatever happens into rows.

Which fault is whose: an exception of the store's calls and an answer that cannot be used are the
store's (``fail``); an exception of the harness's own machinery is ours (``error``); what could not be
tried is ``unverified``.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Capability, Level, Verdict
from store_conformance.contract import rule as contract_rule
from store_conformance.contract.records import Measurement, Row
from store_conformance.harness.case import CaseSpec, Mode
from store_conformance.harness.compat import operation_came_later, since
from store_conformance.harness.errors import (
    CheckFailedError,
    HarnessError,
    MigrationError,
    StoreRaisedError,
    UnsupportedError,
    UnverifiedError,
)
from store_conformance.harness.lab import Lab
from store_conformance.harness.loops import BodyExitedError, HungError, TooSlowError, run_bounded
from store_conformance.harness.process.child import ChildFailedError
from store_conformance.harness.settings import Settings
from store_conformance.harness.text import represent, shorten

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend

_MODE_NEEDS: dict[Mode, Capability] = {"sync": Capability.SYNC, "async": Capability.ASYNC}


@dataclass(frozen=True)
class Outcome:
    """What one case came to: its row, what it measured, and the lab for whoever wants the calls."""

    row: Row
    measurements: tuple[Measurement, ...]
    lab: Lab
    failure: BaseException | None
    others: tuple[Row, ...] = ()
    """Failures of other rules that the case came upon."""


def missing(backend: Backend, spec: CaseSpec, mode: Mode) -> Capability | None:
    """The first capability that the case needs and the backend does not declare."""
    needed = {_MODE_NEEDS[mode], *spec.needs}
    return next((c for c in Capability if c in needed and c not in backend.capabilities), None)


def run_case(
    backend: Backend,
    spec: CaseSpec,
    mode: Mode,
    param: str | None,
    settings: Settings,
    *,
    avoid: frozenset[str] = frozenset(),
    patience: float | None = None,
) -> Outcome:
    """
    Run one case in one mode, bounded in time, and close everything it opened.

    ``avoid`` are the features that random histories exclude.  ``patience`` is a shorter time-out for
    a store that has hung before; a long case that it ends is ``unverified`` and no failure.
    """
    lab = Lab(backend, spec, mode, param, settings)
    lab.avoid = avoid
    lacking = missing(backend, spec, mode)
    if lacking is not None:
        row = _row(lab, Verdict.UNSUPPORTED, f"declared: no {lacking}", 0.0, None)
        return Outcome(row, (), lab, None)
    if spec.rule.since and not since(spec.rule.since):
        later = f"a promise since langgraph-checkpoint {spec.rule.since}"
        return Outcome(_row(lab, Verdict.UNSUPPORTED, later, 0.0, None), (), lab, None)
    begin = time.perf_counter()
    failure: BaseException | None = None
    try:
        run_bounded(
            lambda: _body(lab),
            patience or spec.seconds or settings.timeout,
            f"{spec.case_id(param)}-{mode}",
            lambda: lab.journal.busy_since,
        )
        verdict, message = Verdict.PASS, spec.sentence
    except Exception as error:  # noqa: BLE001 - every ending of a case becomes a verdict
        failure = error
        if isinstance(error, (HungError, TooSlowError)):
            lab.abandon()
        verdict, message = judge(error, spec)
        if isinstance(error, HungError) and patience is not None:
            message += "; it hung in other cases, so this one was not given longer"
            if spec.seconds or spec.serial:  # long by nature: this time says nothing
                verdict = Verdict.UNVERIFIED
    except BaseException:  # the user's Ctrl-C, raised in this thread
        lab.abandon()
        raise
    seconds = time.perf_counter() - begin
    row = _row(lab, verdict, message, seconds, failure)
    measurements = tuple(
        Measurement(
            backend=backend.name,
            name=o["name"],
            value=o["value"],
            mode=mode,
            case=spec.case_id(param),
            unit=o.get("unit", ""),
            samples=tuple(o.get("samples", ())),
            facts={k: v for k, v in o.items() if k not in ("name", "value", "unit", "samples")},
        )
        for o in lab.observations
    )
    return Outcome(row, measurements, lab, failure, _others(row, lab))


def _others(row: Row, lab: Lab) -> tuple[Row, ...]:
    """A row for each failure of another rule; they cost nothing beyond the case's own row."""
    return tuple(
        dataclasses.replace(
            row,
            rule=f.rule_id,
            level=str(contract_rule(f.rule_id).level),
            verdict=str(Verdict.FAIL),
            message=shorten(f.message),
            expected=_text(f.expected, f.got)[0],
            got=_text(f.expected, f.got)[1],
            history=f.history,
            seconds=0.0,
            in_store=0.0,
            waited=0.0,
            calls=0,
        )
        for f in lab.findings
    )


def _body(lab: Lab) -> None:
    """The case itself, then the closing of its stores, all in one thread as an application would."""
    arguments = [lab] if lab.param is None else [lab, lab.spec.params[lab.param]]
    try:
        lab.spec.func(*arguments)
    finally:
        troubles = lab.close()
        if troubles:
            lab.observations.append({"name": "trouble.close", "value": "; ".join(troubles)})


def judge(error: BaseException, spec: CaseSpec) -> tuple[Verdict, str]:
    """The verdict and message for a case that ended with ``error``."""
    from store_conformance.harness.backends import BackendError, EngineUnavailableError

    failed = Verdict.UNVERIFIED if spec.rule.level is Level.IMPL else Verdict.FAIL
    if isinstance(error, UnsupportedError):
        return Verdict.UNSUPPORTED, str(error)
    if isinstance(error, UnverifiedError):
        return Verdict.UNVERIFIED, str(error)
    if isinstance(error, CheckFailedError):
        return failed, error.message
    if isinstance(error, StoreRaisedError):
        if isinstance(error.cause, EngineUnavailableError):
            return Verdict.UNVERIFIED, str(error.cause)
        return failed, str(error)
    if isinstance(error, ChildFailedError):
        return failed, str(error)
    if isinstance(error, BodyExitedError):
        return failed, f"the store's call ended with {error}"
    if isinstance(error, HungError):
        return failed, f"the store gave {error}"
    if isinstance(error, TooSlowError):
        return Verdict.UNVERIFIED, f"every call was answered, but the case was {error}"
    if isinstance(error, EngineUnavailableError):
        return Verdict.UNVERIFIED, str(error)
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):  # two classes before Python 3.11
        return failed, "the store's calls came to no end in the time that the case gives them"
    if isinstance(error, (BackendError, HarnessError)):
        return Verdict.ERROR, str(error)
    later = operation_came_later(error)
    if later:
        return Verdict.UNSUPPORTED, later
    if isinstance(error, MigrationError):  # what the store would not hold or give back
        return failed, shorten(str(error))
    where = _innermost(error)
    text = f"{type(error).__name__}: {shorten(str(error), 300)} ({where})"
    if isinstance(error, AssertionError):
        return failed, shorten(str(error)) or text
    if "conformance/suite/" in where or "conformance/subject.py" in where:
        return failed, f"the store's answer could not be used: {text}"
    return Verdict.ERROR, text


def _innermost(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = frame.filename.replace("\\", "/")
        if "/conformance/" in path or "/backends/" in path:
            return f"{'/'.join(path.split('/')[-3:])}:{frame.lineno}"
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"


def _row(
    lab: Lab, verdict: Verdict, message: str, seconds: float, failure: BaseException | None
) -> Row:
    spec = lab.spec
    expected, got = _evidence(failure)
    plain = verdict in (Verdict.PASS, Verdict.UNSUPPORTED)
    return Row(
        backend=lab.backend.name,
        rule=spec.rule_id,
        level=str(spec.rule.level),
        case=spec.case_id(lab.param),
        mode=lab.mode,
        verdict=str(verdict),
        message=shorten(message),
        seconds=round(seconds, 5),
        in_store=round(min(lab.journal.seconds, seconds) if seconds else 0.0, 5),
        waited=round(min(lab.journal.waited, seconds), 5),
        calls=lab.journal.count,
        expected=expected,
        got=got,
        history=() if plain else tuple(lab.journal.lines()),
        scenario=spec.scenario,
        seed=lab.settings.seed,
        emulated=str(lab.backend.deployment) == "emulated",
    )


def _evidence(failure: Any) -> tuple[str | None, str | None]:
    if isinstance(failure, CheckFailedError):
        return _text(failure.expected, failure.got)
    return None, None


def _text(expected: Any, got: Any) -> tuple[str | None, str | None]:
    """Both as text; nothing where neither was given."""
    if expected is None and got is None:
        return None, None
    return represent(expected), represent(got)
