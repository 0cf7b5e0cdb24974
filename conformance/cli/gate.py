"""
``store-conformance gate``: run files judged by a policy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from store_conformance.cli import reporting
from store_conformance.cli.choices import ReadPath

if TYPE_CHECKING:
    from store_conformance.runs.causes import Cause
    from store_conformance.runs.judging import Judgement

MOST_LINES = 20
"""How many lines of one kind are shown."""
MOST_EXPECTED = 8
MOST_COMMANDS = 5
NO_POLICY = "No policy was found: every failure that nobody expected closes the gate."


def judgement_lines(
    judged: Judgement, place: str, again: Callable[[str, str], str], *, told: bool = False
) -> list[str]:
    """
    What a policy says of runs, the answer last but for the commands that run what failed once more.

    ``told``: what failed was printed before, with its commands, and is only counted here.
    """
    lines = [*_section("Partial", judged.partial), *_section("Warnings", judged.warnings)]
    for title, causes in (
        ("Expected", judged.expected),
        ("Fails, and the policy does not ask for it", judged.spared),
    ):
        failures = _count(sum(len(c.rows) for c in causes), "failure")
        lines += _section(f"{title} ({failures})", _causes(causes), MOST_EXPECTED)
    lines += _section("Not checked", judged.unchecked)
    lines += _section("Stale", judged.stale)
    lines += _section("Failed", [*_causes(judged.causes), *judged.broken])
    lines += [] if place else [NO_POLICY]
    by = f" by {place}" if place else ""
    if not judged.code:
        part = ": only a part of the contract was checked" if judged.partial else ""
        return [*lines, f"The gate holds{by}{part}."]
    lines.append(f"The gate does not hold{by}: {'; '.join(_counts(judged))}.")
    if judged.causes and not told:
        lines += _section("Again", _commands(judged.causes, again), MOST_COMMANDS)
    return lines


def _causes(causes: Iterable[Cause]) -> list[str]:
    return [_with_difference(cause) for cause in causes]


def _with_difference(cause: Cause) -> str:
    one = cause.smallest
    if one.unlike is None:
        return cause.line
    return f"{cause.line}; looks different from what is expected ({one.unlike})"


def _counts(judged: Judgement) -> list[str]:
    told = []
    if judged.causes:
        told.append(
            f"{_count(judged.failures, 'failure')}, likely {_count(len(judged.causes), 'cause')}"
        )
    for number, what in (
        (len(judged.broken), "other reason" if judged.causes else "reason"),
        (len(judged.stale), "stale expectation"),
        (len(judged.unchecked), "thing not checked"),
    ):
        told += [_count(number, what)] if number else []
    return told


def _count(number: int, what: str) -> str:
    if number != 1:
        what = what.replace("thing", "things") if what.startswith("thing") else f"{what}s"
    return f"{number} {what}"


def _commands(causes: Iterable[Cause], again: Callable[[str, str], str]) -> list[str]:
    """One command for each cause: its smallest case's rule."""
    return list(dict.fromkeys(again(c.backend, c.smallest.rule) for c in causes))


def _section(title: str, entries: Iterable[str], most: int = MOST_LINES) -> list[str]:
    every = [reporting.one_line(entry) for entry in entries]
    if not every:
        return []
    rest = [f"  … and {len(every) - most} more"] if len(every) > most else []
    return [f"{title}:", *(f"  {entry}" for entry in every[:most]), *rest]


def gate(paths: tuple[Path, ...], policy_file: Path | None) -> int:
    """The ``gate`` command; gives the exit code."""
    from store_conformance.runs.again import command_again
    from store_conformance.runs.judging import judge
    from store_conformance.runs.policy import Policy, policy_of
    from store_conformance.runs.run_file import read_run

    policy = policy_of(policy_file) or Policy()
    runs = [read_run(path) for path in paths]
    judged = judge(runs, policy)
    of = {name: run for run in runs for name in run.backends}
    lines = judgement_lines(
        judged, policy.place, lambda name, rule: command_again(of[name], name, rule)
    )
    click.echo("\n".join(lines))
    return judged.code


def register(main: click.Group, explain: Callable[[Any], Any]) -> None:
    """Add the command; ``explain`` turns a user's mistake into one line."""

    @main.command("gate")
    @click.argument(
        "paths", metavar="RUN...", nargs=-1, required=True, type=ReadPath(path_type=Path)
    )
    @click.option(
        "--policy",
        "policy_file",
        type=ReadPath(path_type=Path, dir_okay=False),
        help="The policy. Default: [tool.store-conformance] of the project's pyproject.toml, or the"
        " gate.toml beside it.",
    )
    @explain
    def command(paths: tuple[Path, ...], policy_file: Path | None) -> None:
        """
        Judge run files (or their folders) by a policy: what must hold, and what may be missing.

        Exits 1 if the gate does not hold, 3 if what the policy asks for was not checked.
        """
        sys.exit(gate(paths, policy_file))
