"""
Runs judged by a policy: what failed, what was expected, what went stale, and what was not checked at all.

It reads run files alone, so a gate can be asked later, elsewhere, and of several runs at once.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from packaging.version import InvalidVersion

from store_conformance.contract import Capability, Mode, UserError, Verdict
from store_conformance.contract.capabilities import ALL
from store_conformance.contract.errors import EXIT_FAILED, EXIT_OK, EXIT_UNVERIFIED
from store_conformance.contract.hints import did_you_mean
from store_conformance.contract.observations import LatencyFacts
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.harness.backends import create, names
from store_conformance.runs.causes import Cause, causes_of
from store_conformance.runs.expectations import Expectation, hiding, read_expectations, stale
from store_conformance.runs.health import UNANSWERED, stopped_answering
from store_conformance.runs.known import inherited_expectations, shipped_expectations
from store_conformance.runs.partial import is_partial, left_out, partial_lines
from store_conformance.runs.policy import ALLOW, FAIL, Demands, Policy, Ratio
from store_conformance.runs.profiles import QUICK

MOST_RULES = 8
"""How many rules a line names before it only counts them."""


@dataclass(frozen=True)
class Judgement:
    """Whether runs may pass by a policy, and everything that decided it."""

    causes: tuple[Cause, ...] = ()
    """Failures that nobody expected, of rules that count, by what likely causes them."""
    broken: tuple[str, ...] = ()
    """Other reasons why the gate does not hold."""
    unchecked: tuple[str, ...] = ()
    """What was asked for and could not be told: by itself this closes the gate as unverified."""
    stale: tuple[str, ...] = ()
    expected: tuple[Cause, ...] = ()
    """Failures that were known in advance."""
    spared: tuple[Cause, ...] = ()
    """Failures of rules that the policy does not ask for."""
    partial: tuple[str, ...] = ()
    """What a run left out because it was asked to."""
    warnings: tuple[str, ...] = ()

    @property
    def failures(self) -> int:
        return sum(len(cause.rows) for cause in self.causes)

    @property
    def code(self) -> int:
        if self.causes or self.broken or self.stale:
            return EXIT_FAILED
        return EXIT_UNVERIFIED if self.unchecked else EXIT_OK


@dataclass
class _Found:
    """What is gathered while the backends are judged."""

    failed: list[Row] = field(default_factory=list)
    known: list[Row] = field(default_factory=list)
    spared: list[Row] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """What was asked for and not run."""
    stale: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def judgement(self) -> Judgement:
        return Judgement(
            causes_of(self.failed),
            tuple(self.broken),
            tuple(self.unchecked),
            tuple(self.stale),
            causes_of(self.known),
            causes_of(self.spared),
            tuple(self.partial),
            tuple(self.warnings),
        )


def judge(
    runs: Iterable[Run], policy: Policy, started_with: Sequence[Expectation] | None = None
) -> Judgement:
    """
    Runs of different backends by one policy; raises ``UserError`` where they contradict each other.

    Where the policy names files of expectations, they and those that come with the project are all that
    counts; otherwise what each run was started with.  ``started_with`` is given by the run itself: its rows
    know these expectations, and what it was not asked to check is told and does not close the gate.
    """
    every = list(runs)
    _refuse_contradictions(every)
    found = _Found()
    seen: set[str] = set()
    for run in every:
        _judge_suite(run, policy, found)
        found.partial += [t for t in partial_lines(run) if t not in found.partial]
        if run.footer.get("interrupted"):
            found.unchecked.append(f"{', '.join(run.backends)}: the run was interrupted")
        # A process that died without a verdict belongs to no backend.
        lost = [r for r in run.rows if r.backend not in run.header["backends"]]
        found.broken += [_harness_error(r) for r in lost if r.verdict is Verdict.ERROR]
        for name in run.backends:
            seen.add(name)
            _judge_backend(run, name, policy.of(name), found, started_with)
    found.missing += [
        f"{name}: no run is of it, and the policy asks for it; {did_you_mean(name, seen)}".rstrip(
            "; "
        )
        for name in policy.backends
        if name not in seen
    ]
    (found.unchecked if started_with is None else found.warnings).extend(found.missing)
    return found.judgement()


def _refuse_contradictions(runs: Sequence[Run]) -> None:
    if not runs:
        raise UserError("no run to judge", "name at least one run file")
    versions = sorted({str(run.header.get("suite_version")) for run in runs})
    if len(versions) > 1:
        raise UserError(
            f"the runs are of suites {' and '.join(versions)}", "run all with one version"
        )
    twice = [n for n, k in Counter(name for run in runs for name in run.backends).items() if k > 1]
    if twice:
        raise UserError(
            f"backend {twice[0]} is in two of the runs", "give one of them another --name"
        )


def _judge_suite(run: Run, policy: Policy, found: _Found) -> None:
    version = str(run.header.get("suite_version"))
    try:
        fits = policy.suite.contains(version)
    except InvalidVersion:
        fits = False
    if not fits and str(policy.suite):
        found.broken.append(
            f"{', '.join(run.backends)}: run by suite {version}, the policy counts {policy.suite}:"
            " install that version and run again, or change `suite`"
        )


# -- one backend --------------------------------------------------------------------------------


def _judge_backend(
    run: Run,
    name: str,
    demands: Demands,
    found: _Found,
    started_with: Sequence[Expectation] | None,
) -> None:
    facts = run.header["backends"][name]
    if "absent" in facts:
        found.missing.append(f"{name}: was not there: {facts['absent']}")
        return
    rows = _marked(run, name, demands, found, started_with)
    found.unchecked += stopped_answering(rows)
    for row in rows:
        if row.verdict is Verdict.ERROR:
            found.broken.append(_harness_error(row))
        elif row.verdict is Verdict.FAIL and row.expectation is not None:
            found.known.append(row)
        elif row.verdict is Verdict.FAIL:
            (found.failed if demands.counts(row.rule) else found.spared).append(row)
    if not any(r.verdict is Verdict.PASS or r.expectation for r in rows):
        counts = ", ".join(f"{n} {v}" for v, n in Counter(str(r.verdict) for r in rows).items())
        found.unchecked.append(f"{name}: nothing could be verified: {counts or 'no case was run'}")
    _judge_lacks(name, facts.get("capabilities"), demands, found)
    _judge_required(run, name, rows, demands, found)
    _judge_unverified(name, rows, demands, found)
    for ratio in demands.ratios:
        _judge_ratio(run, name, ratio, found)


def _harness_error(row: Row) -> str:
    return f"harness error in {row.backend} {row.rule} {row.case} ({row.mode}): {row.message}"


def _marked(
    run: Run,
    name: str,
    demands: Demands,
    found: _Found,
    started_with: Sequence[Expectation] | None,
) -> list[Row]:
    """The backend's rows, by the policy's expectations where it names some; what is stale is noted."""
    rows = [r for r in run.rows if r.backend == name]
    packages = run.header["backends"][name].get("packages") or {}
    if started_with is not None:
        about = [e for e in started_with if e.backend == name]
    elif demands.expectations is None:
        found.stale += [
            f"{r.backend} {r.rule} {r.case} ({r.mode}) passes now: {r.expectation}"
            for r in rows
            if r.verdict is Verdict.PASS and r.expectation is not None
        ]
        return rows
    else:
        named = [e for path in demands.expectations for e in read_expectations(path)]
        about = [e for e in (*shipped_expectations(name), *named) if e.backend == name]
        holding = [e for e in about if e.holds_for(packages)]
        rows = [_by_expectations(row, (*holding, *_showing_through(name))) for row in rows]
        # What a part of the contract did not check says nothing about what is expected there.
        checked, partly = {r.rule for r in rows}, is_partial(run)
        about = [e for e in holding if e.rule in checked or not partly]
    found.warnings += [
        f"an expectation hides any other failure of its case, because it names no kind: {e.text}"
        for e in hiding(about, rows, {name: packages})
    ]
    if not run.footer.get("interrupted"):
        sampled = run.header.get("profile") == QUICK
        old = stale(about, rows, {name: packages}, sampled=sampled)
        found.stale += [f"expectation {p}" for p in old]
    return rows


def _showing_through(name: str) -> tuple[Expectation, ...]:
    """What is known of the stores that a built-in backend is made of; a user's backend is made of none."""
    return inherited_expectations(name, create(name).parts) if name in names() else ()


def _by_expectations(row: Row, holding: Sequence[Expectation]) -> Row:
    """The row as these expectations see it, whatever it was run with."""
    bare = replace(row, expectation=None, unlike=None)
    if row.verdict is not Verdict.FAIL:
        return bare
    about = [e for e in holding if e.matches(row)]
    known = next((e for e in about if e.covers(row)), None)
    if known is not None:
        return replace(bare, expectation=known.why, upstream=known.upstream)
    if not about:
        # A case that failed by known divergences of other rules alone carries the reason of one of them.
        return row if row.expectation in {e.why for e in holding} else bare
    kinds = [kind for e in about for kind in e.kinds_of(row)]
    return replace(bare, unlike=" | ".join(kinds) or "no failure of this case")


def _judge_lacks(name: str, have: Iterable[str] | None, demands: Demands, found: _Found) -> None:
    if have is None:
        return
    lacking = ALL - {Capability(c) for c in have if c in {str(known) for known in Capability}}
    for capability in sorted(lacking, key=str):
        if not demands.may_do_without(capability):
            found.broken.append(
                f"{name}: lacks {capability}, which the policy does not let it lack (`may-lack`)"
            )


def _judge_required(
    run: Run, name: str, rows: Iterable[Row], demands: Demands, found: _Found
) -> None:
    """What was asked for and not checked: no row at all, skipped, or cut down by the profile."""
    by_rule: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_rule[row.rule].append(row)
    skipped, short = left_out(run)
    wanted = demands.required()
    for why, missing in (
        ("not run", [r for r in wanted if r not in by_rule and r not in skipped]),
        ("skipped by --skip", [r for r in wanted if r in skipped]),
        (
            "run in part, by its profile",
            [r for r in wanted if r in by_rule and r in short - skipped],
        ),
    ):
        if missing:
            found.missing.append(f"{name}: {why}, and the policy asks for {_list(missing)}")


def _list(rules: Sequence[str]) -> str:
    shown = ", ".join(rules[:MOST_RULES])
    more = len(rules) - MOST_RULES
    return f"{shown} and {more} more" if more > 0 else shown


def _judge_unverified(name: str, rows: Iterable[Row], demands: Demands, found: _Found) -> None:
    """What ``unverified`` means: nothing, a warning, or that the gate does not hold."""
    if demands.unverified == ALLOW:
        return
    alike = Counter(
        (r.rule, r.message)
        for r in rows
        if r.verdict is Verdict.UNVERIFIED
        and demands.counts(r.rule)
        and not r.message.startswith((*UNANSWERED, "skipped: "))
    )
    told = [f"{name}: {n} × {rule} unverified: {why}" for (rule, why), n in alike.most_common()]
    (found.unchecked if demands.unverified == FAIL else found.warnings).extend(told)


# -- latencies ----------------------------------------------------------------------------------


def _judge_ratio(run: Run, name: str, ratio: Ratio, found: _Found) -> None:
    """One limit; a run without these latencies cannot tell."""
    modes = [ratio.mode] if ratio.mode is not None else list(Mode)
    told = False
    for mode in modes:
        above, below = (_seconds_an_item(run, name, op, mode) for op in (ratio.of, ratio.to))
        for items in sorted(above.keys() & below.keys(), key=lambda n: n or 0):
            told = True
            factor = above[items] / below[items]
            if factor > ratio.most:
                found.broken.append(
                    f"{name}: {ratio.of} takes {factor:.3g} times as long an item as {ratio.to}"
                    f" ({mode}, {above[items] * 1000:.3g} ms and {below[items] * 1000:.3g} ms),"
                    f" the policy allows {ratio.most:g}"
                )
    if not told:
        found.missing.append(
            f"{name}: {ratio.of} / {ratio.to} was not measured, and the policy limits it: run with --bench"
        )


def _seconds_an_item(run: Run, name: str, operation: str, mode: Mode) -> dict[int | None, float]:
    """The median seconds an item, by how many items were in the store."""
    found = {}
    for m in run.measurements:
        if (m.backend, m.name, m.mode) == (name, f"latency.{operation}", mode):
            facts = LatencyFacts.read(m.facts)
            seconds = _median(m) / (facts.ops_per_call or 1)
            if math.isfinite(seconds) and seconds > 0:
                found[facts.n_items] = seconds
    return found


def _median(figure: Measurement) -> float:
    if figure.samples:
        return statistics.median(figure.samples)
    return float(figure.value) if isinstance(figure.value, (int, float)) else math.nan
