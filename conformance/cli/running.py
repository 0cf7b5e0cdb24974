"""
``run`` and ``bench``: the commands that check and measure stores.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from store_conformance.cli.choices import (
    ReadPath,
    finite,
    listed,
    number_of_workers,
    targets,
)
from store_conformance.cli.endings import explain


@click.command()
@targets
@click.option(
    "--rule",
    "rules",
    multiple=True,
    callback=listed,
    help="Only this rule; repeatable, or with commas.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    callback=listed,
    help="Only this group of rules (K, X, N, S, ...); repeatable, or with commas.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    callback=listed,
    help="Only this scenario: procedural, semantic or episodic.",
)
@click.option(
    "--skip",
    multiple=True,
    callback=listed,
    metavar="RULE",
    help="Do not run this rule, and say so: its rows are unverified; repeatable, or with commas.",
)
@click.option(
    "--profile",
    type=click.Choice(["quick", "default", "thorough"]),
    default="default",
    show_default=True,
    help="quick: every MUST rule, each case in one mode and with a few parameters, without kills and "
    "what is long; thorough: each case with three seeds, many random histories, and moves to every other backend.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    default=120.0,
    show_default=True,
    help="Seconds for one case.",
)
@click.option(
    "-n",
    "--workers",
    callback=number_of_workers,
    metavar="auto|N",
    default="auto",
    show_default=True,
    help="Run in this many processes; 0 or 1: in this one; auto: one a core and one"
    " for what mostly waits; one for a few cases.",
)
@click.option(
    "--data",
    multiple=True,
    type=ReadPath(),
    help="A folder with a corpus of your own (docs/DATA.md); repeatable.",
)
@click.option(
    "--seed", type=int, default=20_260, show_default=True, help="Seed of everything random."
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Steps of one random history. Default: the profile's, 40.",
)
@click.option(
    "--histories",
    type=click.IntRange(min=0),
    help="Random histories a backend, shared by its modes. Default: the profile's, 15.",
)
@click.option("--bench/--no-bench", default=False, help="Measure latency too.")
@click.option(
    "--expectations",
    multiple=True,
    type=ReadPath(path_type=Path),
    help="A TOML file of failures known in advance; repeatable.",
)
@click.option(
    "--policy",
    "policy_file",
    type=ReadPath(path_type=Path, dir_okay=False),
    help="What this project asks of a run (see `gate`). Default: the one in pyproject.toml, or gate.toml.",
)
@click.option("--no-policy", is_flag=True, help="Ask for no more than the suite itself does.")
@click.option(
    "--confirm/--no-confirm",
    default=True,
    help="Run the reproducer of each unexpected finding in a clean process.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in the --out folder.")
@click.option("-v", "--verbose", is_flag=True, help="List the failures that are known, too.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of run files and exit.")
@explain
def run(schema: bool, **options: Any) -> None:
    """Run the suite, write the run file and the reports, and say whether the gate holds."""
    if schema:
        from store_conformance.runs.run_file import schema as run_schema

        click.echo(json.dumps(run_schema(), indent=2))
        return
    from store_conformance.cli import commands

    sys.exit(commands.run(**options))


@click.command()
@targets
@explain
def bench(**options: Any) -> None:
    """Measure latencies only."""
    from store_conformance.cli import commands

    sys.exit(commands.bench(**options))
