"""
The last lines of a run: what is new, where it can be read and seen again, and whether the gate holds.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from store_conformance.cli import reporting
from store_conformance.contract import Verdict
from store_conformance.contract.records import Run
from store_conformance.pytest_plugin.running import Gate, judge_run
from store_conformance.runs.session import RunSession

MOST_REASONS = 20


def conclude(
    result: Run,
    session: RunSession,
    folder: Path,
    written: Iterable[Path],
    again: Callable[[str, str], str],
    *,
    verbose: bool,
) -> int:
    """
    Print the tables, what was found, where the page is and the gate; gives the exit code.

    ``again`` gives the command that runs one rule on one backend; ``verbose`` lists known failures.
    """
    reporting.print_run(result, run_path=str(folder), again=again, verbose=verbose)
    page = next((path for path in written if path.suffix == ".html"), folder)
    click.echo(f"The page: {page} (beside it run.jsonl and the other formats)")
    failed = [r for r in result.rows if r.verdict == Verdict.FAIL]
    if failed:
        one = next((r for r in failed if r.expectation is None), failed[0])
        told = f"store-conformance repro {shlex.quote(str(folder))} {one.rule}"
        click.echo(f"One finding with its script: {told}")
    gate = judge_run(result, session)
    click.echo("\n".join(gate_lines(gate)))
    return gate.code


def gate_lines(gate: Gate) -> list[str]:
    """Whether the gate holds; if not, the first of its reasons, a line each."""
    if not gate.code:
        return ["The gate holds."]
    count = len(gate.reasons)
    lines = [f"The gate does not hold: {count} reason{'' if count == 1 else 's'}."]
    lines += [f"  {' '.join(reason.split())[:200]}" for reason in gate.reasons[:MOST_REASONS]]
    if count > MOST_REASONS:
        lines.append(f"  … and {count - MOST_REASONS} more in the report")
    return lines
