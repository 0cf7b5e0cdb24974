"""
``store-conformance``: the command line.

Exit codes: 0 the gate holds, 1 a rule failed or an expectation is stale, 2 wrong usage, 3 nothing could
be verified, 65 a run file cannot be read, 130 interrupted.  Whatever is a `UserError` says its own.

Each command imports what it needs when it is called: ``--help`` and a wrong option answer at once, and
need neither pytest nor LangGraph.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from store_conformance.cli import check, gate, init, migrate, trend
from store_conformance.contract import UserError
from store_conformance.contract.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE

F = TypeVar("F", bound=Callable[..., Any])


def _workers(context: click.Context, parameter: click.Parameter, given: str) -> int | None:
    """A number of processes; ``auto`` comes out as ``None``."""
    if given == "auto":
        return None
    if not given.isdecimal():
        raise click.BadParameter(f"{given!r} is not a number of processes; write auto, 1, 2, ...")
    return int(given)


def _explain(func: F) -> F:
    """Turn every mistake of the user into one message and the right exit code, without a traceback."""

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        begun = time.time()
        try:
            return func(*args, **kwargs)
        except KeyboardInterrupt:
            click.echo(f"interrupted{_kept(func.__name__, kwargs.get('out'), begun)}", err=True)
            sys.exit(EXIT_INTERRUPTED)
        except UserError as error:
            _end(str(error), error.exit_code)
        except OSError as error:
            _end(_file_error(error), EXIT_USAGE)
        except Exception as error:
            _end_by_kind(error)
            raise

    return wrapper  # type: ignore[return-value]


_KEPT = {
    "run": "; the run file holds what was checked so far, and --resume goes on from there",
    "bench": "; the run file holds what was measured so far",
    "crash": "; the folder holds what was found so far, and --resume goes on from there",
    "export_command": "; nothing was written",
    "import_command": "; the same import again leaves what is there already as it is",
}
"""What is left of a command that was interrupted."""


def _end_by_kind(error: Exception) -> None:
    """End for errors whose classes are imported only now: they come with much else."""
    from store_conformance.harness.backends import VectorStoreError
    from store_conformance.harness.errors import HarnessError

    if isinstance(error, VectorStoreError):
        _end(str(error), EXIT_USAGE)
    if isinstance(error, HarnessError):
        _end(str(error), EXIT_FAILED, "error of the harness")


def _kept(command: str, out: object, begun: float) -> str:
    """What to say of it; of a run file only where this command has begun one."""
    if command in ("run", "bench"):
        try:
            written = (Path(str(out)) / "run.jsonl").stat().st_mtime
        except OSError:
            written = 0.0
        if written < begun - 2.0:  # file systems count in steps
            return " before anything was checked: no run file was written"
    return _KEPT.get(command, "")


def _file_error(error: OSError) -> str:
    if error.filename is None or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}. Hint: check the path and your rights to it"


def _end(message: str, code: int, head: str = "error") -> NoReturn:
    from store_conformance.contract.secrets import redact_text

    click.echo(f"{head}: {redact_text(message)}", err=True)
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="langgraph-store-conformance", prog_name="store-conformance")
def main() -> None:
    """Check LangGraph memory stores against the store contract, on their real engines."""


def _listed(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    """What was repeated or given with commas, as one list."""
    return tuple(part.strip() for text in given for part in text.split(","))


def _targets(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which stores, on which engines, and where the results go."""
    options = (
        click.option(
            "-b",
            "--backend",
            multiple=True,
            callback=_listed,
            help="A backend (see `backends`); repeatable, or with commas. "
            "Default: memory, sqlite and postgres.",
        ),
        click.option(
            "--store",
            multiple=True,
            metavar="REF",
            help="A store of yours: FILE.py:FUNCTION or package.module:FUNCTION.",
        ),
        click.option("--name", help="The name of the --store in the report."),
        click.option(
            "--declare",
            default="",
            metavar="CAP,...",
            help="What the --store does not offer: "
            "no-vectors, no-ttl, no-sync, no-async, no-persistence, no-processes, no-threads,"
            " own-scores; and text, if a query finds words without an index.",
        ),
        click.option(
            "--option",
            multiple=True,
            metavar="KEY=VALUE",
            help="Passed to the store's function or backend; repeatable.",
        ),
        click.option(
            "--deployment", help="Where the engine comes from: embedded, process, container or url."
        ),
        click.option("--url", help="The address of an engine of your own."),
        click.option(
            "--items",
            type=click.IntRange(min=10),
            default=1000,
            show_default=True,
            help="Items of the latency measurements.",
        ),
        click.option(
            "--embed",
            default="real",
            show_default=True,
            help="Embedder of scenarios and latencies: "
            "real, minilm, exact or a LangChain provider string.",
        ),
        click.option(
            "--out",
            default="conformance-run",
            show_default=True,
            type=click.Path(path_type=Path),
            help="Folder of the run file and the reports.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@main.command()
@_targets
@click.option(
    "--rule",
    "rules",
    multiple=True,
    callback=_listed,
    help="Only this rule; repeatable, or with commas.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    callback=_listed,
    help="Only this group of rules (K, X, N, S, ...); repeatable, or with commas.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    callback=_listed,
    help="Only this scenario: procedural, semantic or episodic.",
)
@click.option(
    "--skip",
    multiple=True,
    callback=_listed,
    metavar="RULE",
    help="Do not run this rule, and say so: its rows are unverified; repeatable, or with commas.",
)
@click.option(
    "--profile",
    type=click.Choice(["quick", "default", "thorough"]),
    default="default",
    show_default=True,
    help="quick: every MUST rule, without kills and what is long; thorough: each case with three "
    "seeds, many random histories, and moves to every other backend.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    help="Seconds for one case.",
)
@click.option(
    "-n",
    "--workers",
    callback=_workers,
    metavar="auto|N",
    default="auto",
    show_default=True,
    help="Run in this many processes; 0 or 1: in this one; auto: one a core, one for a few cases.",
)
@click.option(
    "--data",
    multiple=True,
    type=click.Path(),
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
    help="Random histories a backend and mode. Default: the profile's, 15.",
)
@click.option("--bench/--no-bench", default=False, help="Measure latency too.")
@click.option(
    "--expectations",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A TOML file of failures known in advance; repeatable.",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path, dir_okay=False),
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
@_explain
def run(schema: bool, **options: Any) -> None:
    """Run the suite, write the run file and the reports, and say whether the gate holds."""
    if schema:
        from store_conformance.runs.run_file import schema as run_schema

        click.echo(json.dumps(run_schema(), indent=2))
        return
    from store_conformance.cli import commands

    sys.exit(commands.run(**options))


@main.command()
@_targets
@_explain
def bench(**options: Any) -> None:
    """Measure latencies only."""
    from store_conformance.cli import commands

    sys.exit(commands.bench(**options))


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    default="conformance-report",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of the reports.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(
        ["md", "html", "json", "junit", "pictures", "badge", "sarif", "summary", "annotations"]
    ),
    help="Only this format; repeatable. pictures: SVG and PNG files, which need matplotlib. badge: "
    "JSON for Shields, and SVG. summary and annotations: for GitHub Actions.",
)
@click.option(
    "--survival",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A crash.json, or the folder of a campaign, to be told beside the runs; repeatable.",
)
@click.option(
    "--history",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Earlier runs, or a folder of them, to be told over time beside these; repeatable.",
)
@_explain
def report(
    runs: tuple[Path, ...],
    out: Path,
    formats: tuple[str, ...],
    survival: tuple[Path, ...],
    history: tuple[Path, ...],
) -> None:
    """Make one report of one or more run files (or their folders), and of campaigns of faults."""
    from store_conformance.cli import commands

    commands.report(runs, out, formats, survival, history)


@main.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "shape",
    type=click.Choice(["text", "md", "json"]),
    default="text",
    show_default=True,
    help="For a terminal, for a comment on a pull request, or for a program.",
)
@_explain
def diff(before: Path, after: Path, shape: str) -> None:
    """Say what changed between two runs; exits 1 if something newly fails."""
    from store_conformance.cli import commands

    sys.exit(commands.diff(before, after, shape))


@main.command()
@click.argument("run_path", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("finding", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the scripts and issue drafts into this folder.",
)
@_explain
def repro(run_path: Path, finding: str | None, out: Path | None) -> None:
    """Write the reproducer of each finding in RUN (or of one: its rule or case id), with an issue draft."""
    from store_conformance.cli import commands

    sys.exit(commands.repro(run_path, finding, out))


@main.command()
@click.option(
    "-b",
    "--backend",
    multiple=True,
    callback=_listed,
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
    callback=_listed,
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
    type=click.Path(path_type=Path),
    help="Folder of the results.",
)
@click.option("--resume", is_flag=True, help="Go on with the campaign in the --out folder.")
@_explain
def crash(**options: Any) -> None:
    """Kill clients and engines in their work again and again, and count what was acknowledged and lost."""
    from store_conformance.cli import crash as crash_command

    sys.exit(crash_command.crash(**options))


@main.command()
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-b", "--backend", help="Of which backend, where the runs are of several.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write or to update. Default: BACKEND.toml.",
)
@_explain
def expect(paths: tuple[Path, ...], backend: str | None, out: Path | None) -> None:
    """Write the failures of RUN into a file of expectations, or update it, for review."""
    from store_conformance.cli import commands

    sys.exit(commands.expect(paths, backend, out))


_STORE_OPTIONS = (
    click.option(
        "--store",
        required=True,
        metavar="REF",
        help="The store: FILE.py:FUNCTION or package.module:FUNCTION.",
    ),
    click.option(
        "--folder",
        type=click.Path(path_type=Path),
        help="What the function finds in at.path. Default: here.",
    ),
    click.option("--url", help="What the function finds in at.url."),
    click.option(
        "--option", multiple=True, metavar="KEY=VALUE", help="Passed to the store's function."
    ),
)


def _takes_a_store(func: F) -> F:
    for option in reversed(_STORE_OPTIONS):
        func = option(func)
    return func


@main.command("export")
@_takes_a_store
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The file to write (JSON Lines)."
)
@_explain
def export_command(store: str, out: Path, **where: Any) -> None:
    """Write every memory of a store to a file."""
    from store_conformance.cli import commands

    click.echo(f"wrote {commands.export_memories(store, out, **where)} items to {out}")


@main.command("import")
@_takes_a_store
@click.option(
    "--from",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    help="A file that `export` wrote.",
)
@click.option("--embed", help="Embed while importing: real, minilm or a LangChain provider string.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    help="A field to embed; repeatable. Default: the store's own.",
)
@_explain
def import_command(store: str, source: Path, **where: Any) -> None:
    """Write every memory of a file to a store; everything is checked before anything is written."""
    from store_conformance.cli import commands

    click.echo(f"imported {commands.import_memories(store, source, **where)} items from {source}")


@main.command("self-test")
@click.option(
    "-n",
    "--workers",
    callback=_workers,
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
    "--quick", is_flag=True, help="Each case in one mode, without kills, loads and histories."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_explain
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
@_explain
def backends(as_json: bool) -> None:
    """Which backends can run on this machine now, and how to get those that cannot."""
    from store_conformance.cli import commands

    commands.backends(as_json)


@main.command()
@click.argument("rule_id", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_explain
def rules(rule_id: str | None, as_json: bool) -> None:
    """The contract: every rule, or one with its source, its cases and its mutants."""
    from store_conformance.cli import commands

    commands.rules(rule_id, as_json)


check.register(main, _explain)
gate.register(main, _explain)
init.register(main, _explain)
migrate.register(main, _explain)
trend.register(main, _explain)


if __name__ == "__main__":
    main()
