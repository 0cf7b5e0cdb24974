"""
The last lines of a run: what is new, where it can be read and seen again, and whether the gate holds.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from store_conformance.cli import reporting
from store_conformance.cli.gate import judgement_lines
from store_conformance.contract.records import Row, Run
from store_conformance.runs.causes import causes_of
from store_conformance.runs.gate import Gate, judge_run
from store_conformance.runs.judging import judge
from store_conformance.runs.policy import Policy
from store_conformance.runs.profiles import DEFAULT, QUICK
from store_conformance.runs.session import RunSession

MOST_REASONS = 20
MOST_WARNINGS = 5


def conclude(
    result: Run,
    session: RunSession,
    folder: Path,
    written: Iterable[Path],
    again: Callable[[str, str], str],
    *,
    verbose: bool,
    policy: Policy | None = None,
) -> int:
    """
    Print the tables, what was found, where the page is and the gate; gives the exit code.

    ``again`` gives the command that runs one rule on one backend; ``verbose`` lists known failures;
    ``policy`` is what the project asks for, if it says so.
    """
    reporting.print_run(result, run_path=str(folder), again=again, verbose=verbose)
    page = next((path for path in written if path.suffix == ".html"), folder)
    click.echo(f"The page: {page} (beside it run.jsonl and the other formats)")
    one = _one_to_see(result)
    if one is not None:
        told = f"store-conformance repro {shlex.quote(str(folder))} {one.rule}"
        click.echo(f"One finding with its script: {told}")
    for line in session.selection.left_out():
        click.echo(line)
    if policy is not None:
        judged = judge([result], policy, session.selected_expectations())
        click.echo("\n".join(judgement_lines(judged, policy.place, again, told=True)))
        return judged.code
    gate = judge_run(result, session)
    click.echo("\n".join([*warning_lines(gate), *gate_lines(gate, session.selection.profile)]))
    return gate.code


def _one_to_see(result: Run) -> Row | None:
    """The smallest failure of the most frequent cause, of those that nobody expected if there are any."""
    new = causes_of(r for r in result.rows if r.expectation is None)
    causes = new or causes_of(result.rows)
    scripted = causes_of(r for c in causes for r in c.rows if r.script)
    return next((c.smallest for c in (*scripted, *causes)), None)


def warning_lines(gate: Gate) -> list[str]:
    """What does not close the gate and should be known, a line each."""
    lines = [f"! {' '.join(text.split())[:200]}" for text in gate.warnings[:MOST_WARNINGS]]
    if len(gate.warnings) > MOST_WARNINGS:
        lines.append(f"! … and {len(gate.warnings) - MOST_WARNINGS} more like this")
    return lines


def gate_lines(gate: Gate, profile: str = DEFAULT) -> list[str]:
    """Whether the gate holds, and in which profile; if not, the likely causes and the other reasons."""
    which = "" if profile == DEFAULT else f" in the {profile} profile"
    if not gate.code:
        part = ": only a part of the contract was checked" if profile == QUICK else ""
        return [f"The gate holds{which}{part}."]
    told = []
    if gate.causes:
        causes = _count(len(gate.causes), "cause")
        told.append(f"{_count(gate.failures, 'failure')}, likely {causes}")
    if gate.beside:
        told.append(_count(len(gate.beside), "other reason" if told else "reason"))
    reasons = [*(cause.line for cause in gate.causes), *gate.beside]
    lines = [f"The gate does not hold{which}: {'; '.join(told)}."]
    lines += [f"  {' '.join(reason.split())[:300]}" for reason in reasons[:MOST_REASONS]]
    if len(reasons) > MOST_REASONS:
        lines.append(f"  … and {len(reasons) - MOST_REASONS} more in the report")
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
