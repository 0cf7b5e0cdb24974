"""
``store-conformance trend``: many runs over time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from store_conformance.cli import reporting
from store_conformance.cli.choices import ReadPath
from store_conformance.contract.errors import EXIT_DATA, EXIT_OK


def register(main: click.Group, explain: Callable[[Any], Any]) -> None:
    """Add the command; ``explain`` turns a user's mistake into one line."""

    @main.command("trend")
    @click.argument(
        "paths", metavar="DIR...", nargs=-1, required=True, type=ReadPath(path_type=Path)
    )
    @click.option(
        "--format",
        "shape",
        type=click.Choice(["text", "md", "json"]),
        default="text",
        show_default=True,
        help="Tables for a terminal, Markdown, or JSON for a program.",
    )
    @explain
    def command(paths: tuple[Path, ...], shape: str) -> None:
        """
        Tell what the run files below DIR say over time: promises kept, failures, causes, latencies.

        What keeps a run from being compared with the one before is marked; a file that cannot be read is
        named and left out. Exits 65 if none can be read.
        """
        sys.exit(EXIT_OK if reporting.tell_trend(paths, shape) else EXIT_DATA)
