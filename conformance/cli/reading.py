"""
``report``, ``diff``, ``repro`` and ``expect``: the commands that read run files.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from store_conformance.cli.choices import GivenPath, ReadPath
from store_conformance.cli.endings import explain


@click.command()
@click.argument("runs", nargs=-1, required=True, type=ReadPath(path_type=Path))
@click.option(
    "--out",
    default="conformance-report",
    show_default=True,
    type=GivenPath(path_type=Path),
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
    type=ReadPath(path_type=Path),
    help="A crash.json, or the folder of a campaign, to be told beside the runs; repeatable.",
)
@click.option(
    "--history",
    multiple=True,
    type=ReadPath(path_type=Path),
    help="Earlier runs, or a folder of them, to be told over time beside these; repeatable.",
)
@explain
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


@click.command()
@click.argument("before", type=ReadPath(path_type=Path))
@click.argument("after", type=ReadPath(path_type=Path))
@click.option(
    "--format",
    "shape",
    type=click.Choice(["text", "md", "json"]),
    default="text",
    show_default=True,
    help="For a terminal, for a comment on a pull request, or for a program.",
)
@explain
def diff(before: Path, after: Path, shape: str) -> None:
    """Say what changed between two runs; exits 1 if something newly fails."""
    from store_conformance.cli import commands

    sys.exit(commands.diff(before, after, shape))


@click.command()
@click.argument("run_path", metavar="RUN", type=ReadPath(path_type=Path))
@click.argument("finding", required=False)
@click.option(
    "--out",
    type=GivenPath(path_type=Path),
    help="Write the scripts and issue drafts into this folder.",
)
@explain
def repro(run_path: Path, finding: str | None, out: Path | None) -> None:
    """Write the reproducer of each finding in RUN (or of one: its rule or case id), with an issue draft."""
    from store_conformance.cli import commands

    sys.exit(commands.repro(run_path, finding, out))


@click.command()
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=ReadPath(path_type=Path))
@click.option("-b", "--backend", help="Of which backend, where the runs are of several.")
@click.option(
    "-o",
    "--out",
    type=GivenPath(path_type=Path, dir_okay=False),
    help="The file to write or to update. Default: BACKEND.toml.",
)
@explain
def expect(paths: tuple[Path, ...], backend: str | None, out: Path | None) -> None:
    """Write the failures of RUN into a file of expectations, or update it, for review."""
    from store_conformance.cli import commands

    sys.exit(commands.expect(paths, backend, out))
