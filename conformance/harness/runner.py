"""
Runs one case against one backend and turns whatever happens into rows.

Which fault is whose: an exception of the store's calls and an answer that cannot be used are the
store's (``fail``); an exception of the harness's own machinery is ours (``error``); what could not be
tried is ``unverified``.  What a case ends with on purpose carries its verdict (`CaseEnded`); of anything
else `store_conformance.harness.blame` tells whose it is.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store_conformance.contract import Capability, Level, Mode, UserError, Verdict
from store_conformance.contract import rule as contract_rule
from store_conformance.contract.records import Measurement, Row
from store_conformance.harness.blame import is_the_stores, where
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.compat import operation_came_later, since
from store_conformance.harness.errors import CaseEnded, CheckFailedError
from store_conformance.harness.exhaustion import exhausted
from store_conformance.harness.lab import Lab
from store_conformance.harness.leftovers import (
    collect_while,
    count_quickly,
    more_than,
    regain_temporary_folder,
)
from store_conformance.harness.loops import (
    BodyExitedError,
    HungError,
    NothingButErrorsError,
    TooSlowError,
    run_bounded,
)
from store_conformance.harness.settings import Settings
from store_conformance.harness.signatures import check_signature, signature_of
from store_conformance.harness.surroundings import environment_fault
from store_conformance.harness.text import contrasted, message_of, shorten

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend

TELL_SECONDS = 20.0
"""For what takes milliseconds, also where values are large."""


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
    needed = {Capability(mode), *spec.needs}
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
    cannot = _why_not(backend, spec, mode)
    if cannot is not None:
        return Outcome(_row(lab, Verdict.UNSUPPORTED, cannot, 0.0, None), (), lab, None)
    begin = time.perf_counter()
    failure: Exception | None = None
    limit, name = patience or spec.seconds or settings.timeout, f"{spec.case_id(param)}-{mode}"
    held = {} if spec.waits else count_quickly(name)
    try:
        run_bounded(lambda: _body(lab), limit, name, lab.journal.watch())
    except Exception as error:  # noqa: BLE001 - every ending of a case becomes a verdict
        failure = error
        if isinstance(error, (HungError, TooSlowError, NothingButErrorsError)):
            lab.abandon()
            regain_temporary_folder()
    except BaseException:  # the user's Ctrl-C, raised in this thread
        lab.abandon()
        raise
    seconds = time.perf_counter() - begin
    _note_left(lab, held, name)
    row, others, failure = _told(lab, failure, seconds, hurried=patience is not None)
    return Outcome(row, _measurements(lab), lab, failure, others)


def _told(
    lab: Lab, failure: Exception | None, seconds: float, *, hurried: bool
) -> tuple[Row, tuple[Row, ...], Exception | None]:
    """
    The case's row, those of other rules, and what the case ended with.

    To judge and show what a store raised or answered is to call its code (``__str__``, ``__eq__``), which may
    hang or exit as its methods may: it is bounded as they are.
    """

    def tell() -> tuple[Row, tuple[Row, ...]]:
        verdict, message = Verdict.PASS, lab.spec.sentence
        if failure is not None:
            verdict, message = _judge_in_its_place(failure, lab, hurried=hurried)
        row = _row(lab, verdict, message, seconds, failure)
        return row, _others(row, lab)

    if failure is None and not lab.findings:
        return (*tell(), None)
    try:
        return (*run_bounded(tell, TELL_SECONDS, f"told-{lab.spec.case_id(lab.param)}"), failure)
    except (HungError, BodyExitedError) as ending:
        lab.journal.forget()
        lab.findings.clear()
        ending.verdict = getattr(failure, "verdict", Verdict.FAIL)
        verdict, _ = judge(ending, lab.spec)
        message = f"what the store raised or answered cannot be shown: {ending}"
        return _row(lab, verdict, message, seconds, ending), (), ending


def _note_left(lab: Lab, held: Mapping[str, int], name: str) -> None:
    """What this process holds more than before the case; of cases that run side by side it cannot be told."""
    if not held:
        return
    left = collect_while(lambda: more_than(held, count_quickly(name)))
    if left:
        lab.observations.append({"name": "left.after_case", "value": left})


def _why_not(backend: Backend, spec: CaseSpec, mode: Mode) -> str | None:
    """Why the case does not apply to this backend and this release of LangGraph; ``None`` if it does."""
    lacking = missing(backend, spec, mode)
    if lacking is not None:
        return f"declared: no {lacking}"
    if spec.rule.since and not since(spec.rule.since):
        return f"a promise since langgraph-checkpoint {spec.rule.since}"
    return None


def _judge_in_its_place(error: Exception, lab: Lab, *, hurried: bool) -> tuple[Verdict, str]:
    """
    As `judge`, but what the surroundings did is not laid to the store.

    ``hurried``: it was given less time than the case asks for, because the store has hung before.
    """
    spec = lab.spec
    verdict, message = judge(error, spec)
    fault = environment_fault(lab.backend, error, lab.journal)
    if fault is None and verdict is Verdict.FAIL:
        fault = lab.clock.was_set()
    if fault is not None and verdict != Verdict.UNSUPPORTED:
        verdict, message = Verdict.UNVERIFIED, fault
        lab.findings.clear()
    if isinstance(error, HungError) and hurried:
        message += "; it hung in other cases, so this one was not given longer"
        if spec.seconds or spec.serial:  # long by nature: this time says nothing
            verdict = Verdict.UNVERIFIED
    return verdict, message


def _measurements(lab: Lab) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(
            backend=lab.backend.name,
            name=o["name"],
            value=o["value"],
            mode=lab.mode,
            case=lab.spec.case_id(lab.param),
            unit=o.get("unit", ""),
            samples=tuple(o.get("samples", ())),
            facts={k: v for k, v in o.items() if k not in ("name", "value", "unit", "samples")},
            rule=lab.spec.rule.id,
        )
        for o in lab.observations
    )


def not_run(
    backend: Backend, spec: CaseSpec, mode: Mode, param: str | None, settings: Settings, why: str
) -> Outcome:
    """The outcome of a case that was left because nothing could be told from it."""
    lab = Lab(backend, spec, mode, param, settings)
    return Outcome(_row(lab, Verdict.UNVERIFIED, why, 0.0, None), (), lab, None)


def _others(row: Row, lab: Lab) -> tuple[Row, ...]:
    """A row for each failure of another rule; they cost nothing beyond the case's own row."""
    seen = [
        check_signature(f.rule_id, f.message, f.expected, f.got, f.history) for f in lab.findings
    ]
    return tuple(
        dataclasses.replace(
            row,
            rule=f.rule_id,
            level=contract_rule(f.rule_id).level,
            verdict=Verdict.FAIL,
            message=shorten(f.message),
            expected=_text(f.expected, f.got)[0],
            got=_text(f.expected, f.got)[1],
            history=f.history,
            seconds=0.0,
            in_store=0.0,
            waited=0.0,
            calls=0,
            failure_kind=signature.kind,
            cause=signature.cause,
        )
        for f, signature in zip(lab.findings, seen)
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
    """The verdict and message for a case that ended with ``error``, which must have been raised."""
    verdict, message = _ending(error)
    if verdict is Verdict.FAIL and spec.rule.level is Level.IMPL:
        return Verdict.UNVERIFIED, message
    return verdict, message


def _ending(error: BaseException) -> tuple[Verdict, str]:
    if isinstance(error, CaseEnded):
        return error.verdict, str(error)
    later = operation_came_later(error)
    if later:
        return Verdict.UNSUPPORTED, later
    if isinstance(error, UserError) and error.verdict is not Verdict.ERROR:
        return error.verdict, shorten(str(error))
    stores = is_the_stores(error)
    if isinstance(error, UserError) and not stores:
        return error.verdict, str(error)
    text = f"{type(error).__name__}: {message_of(error, 300)} ({where(error)})"
    if not stores:
        spent = exhausted(error)
        return (Verdict.UNVERIFIED, f"{spent}: {text}") if spent else (Verdict.ERROR, text)
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):  # two classes before Python 3.11
        return (
            Verdict.FAIL,
            "the store's calls came to no end in the time that the case gives them",
        )
    if isinstance(error, AssertionError):
        return Verdict.FAIL, message_of(error) or text
    return Verdict.FAIL, f"the store's answer could not be used: {text}"


def _row(
    lab: Lab, verdict: Verdict, message: str, seconds: float, failure: BaseException | None
) -> Row:
    spec = lab.spec
    expected, got = _evidence(failure)
    plain = verdict in (Verdict.PASS, Verdict.UNSUPPORTED)
    history = () if plain else tuple(lab.journal.lines())
    failed = verdict is Verdict.FAIL
    seen = signature_of(spec.rule_id, message, failure, history) if failed else None
    return Row(
        backend=lab.backend.name,
        rule=spec.rule_id,
        level=spec.rule.level,
        case=spec.case_id(lab.param),
        mode=lab.mode,
        verdict=verdict,
        message=shorten(message),
        seconds=round(seconds, 5),
        in_store=round(min(lab.journal.seconds, seconds) if seconds else 0.0, 5),
        waited=round(min(lab.journal.waited, seconds), 5),
        calls=lab.journal.count,
        expected=expected,
        got=got,
        history=history,
        scenario=spec.scenario,
        restart=spec.restart,
        memory=spec.memory_type(lab.param),
        seed=lab.settings.seed,
        emulated=str(lab.backend.deployment) == "emulated",
        failure_kind=seen.kind if seen else None,
        cause=seen.cause if seen else None,
    )


def _evidence(failure: BaseException | None) -> tuple[str | None, str | None]:
    if isinstance(failure, CheckFailedError):
        return _text(failure.expected, failure.got)
    return None, None


def _text(expected: object, got: object) -> tuple[str | None, str | None]:
    """Both as text; nothing where neither was given."""
    if expected is None and got is None:
        return None, None
    return contrasted(expected, got)
