"""
``store-conformance migrate``: its options, its progress and what it says at the end.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from store_conformance.cli.choices import GivenPath
from store_conformance.contract.errors import EXIT_INTERRUPTED

EVERY_SECONDS = 2.0
QUIET_SECONDS = 60.0
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
        type=GivenPath(path_type=Path),
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
        try:
            report = _migrated(source, target, journal=journal, add=add, vectors=vectors)
        except KeyboardInterrupt:
            click.echo("interrupted; the same command goes on from here", err=True)
            sys.exit(EXIT_INTERRUPTED)
        if as_json:
            click.echo(json.dumps(asdict(report), indent=2))
            return
        _tell_of(report)


def _migrated(source: str, target: str, **how: Any) -> Any:
    from store_conformance.migration.urls import migrate

    # What a pool says of connections that it makes anew is no news: the command tells why it ends.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    with Teller().waiting() as tell:
        return migrate(source, target, tell=tell, **how)


def _tell_of(report: Any) -> None:
    click.echo(
        f"{report.items} items in {len(report.spaces)} namespaces moved and verified by count and hash"
        + (f"; {report.expired} had expired" if report.expired else "")
    )
    if report.vectors is not None:
        click.echo(str(report.vectors))
    for loss in report.losses:
        click.echo(f"not kept: {loss}")


class Teller:
    """
    Says on stderr how far a migration is, and that it waits where nothing came for a while.

    A server that is frozen, or a network that swallows what it is given and keeps the connection, is no
    error to any client: only the user can end the wait.
    """

    def __init__(self, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._quiet = quiet_seconds
        self._last, self._stage, self._told = time.monotonic(), "", -1
        self._heard = threading.Event()
        self._over = False

    @contextmanager
    def waiting(self) -> Iterator[Teller]:
        """For the block it says so where nothing is told for long."""
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            yield self
        finally:
            self._over = True
            self._heard.set()

    def __call__(self, progress: Any) -> None:
        self._heard.set()
        now = time.monotonic()
        begins = progress.stage != self._stage
        ends = progress.items == progress.total != self._told
        if begins or ends or now - self._last >= EVERY_SECONDS:
            self._last, self._stage, self._told = now, progress.stage, progress.items
            click.echo(str(progress), err=True)

    def _listen(self) -> None:
        begun = time.monotonic()
        while not self._over:
            if self._heard.wait(self._quiet):
                self._heard.clear()
                begun = time.monotonic()
            elif not self._over:
                seconds = time.monotonic() - begun
                click.echo(
                    f"{self._stage or 'opening'}: nothing new for {seconds:.0f} s, still waiting;"
                    " Ctrl-C ends it, and the same command goes on from there",
                    err=True,
                )
