"""
``store-conformance``: the command line.

Exit codes: 0 the gate holds, 1 a rule failed or an expectation is stale, 2 wrong usage, 3 nothing could
be verified, 65 a run file cannot be read, 130 interrupted.  Whatever is a `UserError` says its own.

Each command imports what it needs when it is called: ``--help`` and a wrong option answer at once, and
need neither pytest nor LangGraph.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from store_conformance.cli import check, gate, init, migrate, moving, reading, running, trend
from store_conformance.cli.choices import GivenPath, listed, number_of_workers
from store_conformance.cli.endings import explain


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="langgraph-store-conformance", prog_name="store-conformance")
def main() -> None:
    """Check LangGraph memory stores against the store contract, on their real engines."""


@main.command()
@click.option(
    "-b",
    "--backend",
    multiple=True,
    callback=listed,
    help="A backend (see `backends`); repeatable, or with commas.",
)
@click.option(
    "--store",
    multiple=True,
    metavar="REF",
    help="A store of yours: FILE.py:FUNCTION or package.module:FUNCTION.",
)
@click.option(
    "--option",
    multiple=True,
    metavar="KEY=VALUE",
    help="Passed to the store's function or backend; repeatable.",
)
@click.option(
    "--deployment", help="Where the engine comes from: embedded, process, container or url."
)
@click.option(
    "--declare",
    default="",
    metavar="CAP,...",
    help="What the --store does not offer: no-vectors, no-ttl, no-sync, no-processes, ...",
)
@click.option("--url", help="The address of an engine of your own, which is never struck itself.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    callback=listed,
    help="Only this fault (docs/SURVIVAL.md), or client, engine, network, all; repeatable, or with commas. "
    "Default: all but power-loss, disk-full and failing-fsync.",
)
@click.option(
    "--kills",
    type=int,
    default=100,
    show_default=True,
    help="Strikes on each backend, shared out over the faults.",
)
@click.option(
    "--vary", is_flag=True, help="Also in each setting that decides what outlives a power loss."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of everything random.")
@click.option(
    "--out",
    default="conformance-crash",
    show_default=True,
    type=GivenPath(path_type=Path),
    help="Folder of the results.",
)
@click.option("--resume", is_flag=True, help="Go on with the campaign in the --out folder.")
@explain
def crash(**options: Any) -> None:
    """Kill clients and engines in their work again and again, and count what was acknowledged and lost."""
    from store_conformance.cli import crash as crash_command

    sys.exit(crash_command.crash(**options))


@main.command("self-test")
@click.option(
    "-n",
    "--workers",
    callback=number_of_workers,
    metavar="auto|N",
    default="auto",
    show_default=True,
    help="Parallel processes; auto: one a core.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of everything random.")
@click.option(
    "--only", multiple=True, metavar="NAME", help="Only this mutant or variant; repeatable."
)
@click.option(
    "--own-rule",
    is_flag=True,
    help="Run only the rule that each mutant breaks: fast, and blind to false positives.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Each case in one mode and with a few parameters, without kills, loads and histories.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@explain
def self_test(
    workers: int | None,
    seed: int,
    only: tuple[str, ...],
    own_rule: bool,
    quick: bool,
    as_json: bool,
) -> None:
    """Prove the checks: broken stores must be caught, correct ones must not be accused."""
    from store_conformance.cli import commands

    sys.exit(commands.self_test(workers, seed, only, own_rule, quick, as_json))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@explain
def backends(as_json: bool) -> None:
    """Which backends can run on this machine now, and how to get those that cannot."""
    from store_conformance.cli import commands

    commands.backends(as_json)


@main.command()
@click.argument("rule_id", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@explain
def rules(rule_id: str | None, as_json: bool) -> None:
    """The contract: every rule, or one with its source, its cases and its mutants."""
    from store_conformance.cli import commands

    commands.rules(rule_id, as_json)


for command in (
    running.run,
    running.bench,
    reading.report,
    reading.diff,
    reading.repro,
    reading.expect,
    moving.export_command,
    moving.import_command,
):
    main.add_command(command)
check.register(main, explain)
gate.register(main, explain)
init.register(main, explain)
migrate.register(main, explain)
trend.register(main, explain)


if __name__ == "__main__":
    main()
