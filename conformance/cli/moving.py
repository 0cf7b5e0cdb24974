"""
``export`` and ``import``: the memories of one store as a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from store_conformance.cli.choices import GivenPath, takes_a_store
from store_conformance.cli.endings import explain


@click.command("export")
@takes_a_store
@click.option(
    "--out", required=True, type=GivenPath(path_type=Path), help="The file to write (JSON Lines)."
)
@explain
def export_command(store: str, out: Path, **where: Any) -> None:
    """Write every memory of a store to a file."""
    from store_conformance.cli import commands

    click.echo(f"wrote {commands.export_memories(store, out, **where)} items to {out}")


@click.command("import")
@takes_a_store
@click.option(
    "--from",
    "source",
    required=True,
    type=GivenPath(path_type=Path),
    help="A file that `export` wrote.",
)
@click.option("--embed", help="Embed while importing: real, minilm or a LangChain provider string.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    help="A field to embed; repeatable. Default: the store's own.",
)
@explain
def import_command(store: str, source: Path, **where: Any) -> None:
    """Write every memory of a file to a store; everything is checked before anything is written."""
    from store_conformance.cli import commands

    click.echo(f"imported {commands.import_memories(store, source, **where)} items from {source}")
