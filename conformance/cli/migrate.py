"""
``store-conformance migrate``: its options, its progress and what it says at the end.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from store_conformance.contract.errors import EXIT_INTERRUPTED

EVERY_SECONDS = 2.0
_VECTORS = click.option(
    "--vectors",
    type=click.Choice(["carry", "embed"]),
    default="embed",
    show_default=True,
    help="Take the source's vectors along, if they are of the same model, or make them anew.",
)


def register(main: click.Group, explain: Callable[[Any], Any]) -> None:
    """Add the command; ``explain`` turns a user's mistake into one line."""

    @main.command("migrate")
    @click.argument("source", metavar="FROM")
    @click.argument("target", metavar="TO")
    @click.option(
        "--journal",
        type=click.Path(path_type=Path),
        help="Folder of what was read and written so far. Default: store-migration-... here.",
    )
    @click.option("--add", is_flag=True, help="The target may hold other items already.")
    @_VECTORS
    @click.option(
        "--json", "as_json", is_flag=True, help="The report as JSON, with each namespace."
    )
    @explain
    def command(
        source: str, target: str, journal: Path | None, add: bool, vectors: str, as_json: bool
    ) -> None:
        """
        Move every memory from one store to another, both given as URLs (docs/PRODUCTION.md).

        Vectors are made by EMBEDDINGS, or carried. Ended in the middle, the same command goes on from there.
        """
        from store_conformance.migration.urls import migrate

        try:
            report = migrate(
                source, target, journal=journal, add=add, vectors=vectors, tell=_teller()
            )
        except KeyboardInterrupt:
            click.echo("interrupted; the same command goes on from here", err=True)
            sys.exit(EXIT_INTERRUPTED)
        if as_json:
            click.echo(json.dumps(asdict(report), indent=2))
            return
        _tell_of(report)


def _tell_of(report: Any) -> None:
    click.echo(
        f"{report.items} items in {len(report.spaces)} namespaces moved and verified by count and hash"
        + (f"; {report.expired} had expired" if report.expired else "")
    )
    if report.vectors is not None:
        click.echo(str(report.vectors))
    for loss in report.losses:
        click.echo(f"not kept: {loss}")


def _teller() -> Callable[[Any], None]:
    last, stage, told = time.monotonic(), "", -1

    def tell(progress: Any) -> None:
        nonlocal last, stage, told
        now = time.monotonic()
        begins = progress.stage != stage
        ends = progress.items == progress.total != told
        if begins or ends or now - last >= EVERY_SECONDS:
            last, stage, told = now, progress.stage, progress.items
            click.echo(str(progress), err=True)

    return tell
