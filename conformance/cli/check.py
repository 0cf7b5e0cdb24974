"""
``store-conformance check``: the production checklist of a user's own database.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from store_conformance.cli import reporting
from store_conformance.cli.choices import GivenPath, GivenText

if TYPE_CHECKING:
    from store_conformance.checklist.model import Checklist


def _present(found: Checklist, shape: str, *, every: bool) -> str:
    from store_conformance.checklist import presenting

    if shape == "html":
        return reporting.checklist_page(found.to_dict())
    if shape == "md":
        return presenting.as_markdown(found)
    return presenting.as_json(found) if shape == "json" else presenting.as_text(found, every=every)


def register(main: click.Group, explain: Callable[[Any], Any]) -> None:
    """Add the command; ``explain`` turns a user's mistake into one line."""

    @main.command("check")
    @click.argument("url", required=False, type=GivenText())
    @click.option(
        "--read-only", is_flag=True, help="Reads alone: no schema of its own is made and removed."
    )
    @click.option("--all", "every", is_flag=True, help="Show what is well, too.")
    @click.option(
        "--format",
        "shape",
        type=click.Choice(["text", "md", "json", "html"]),
        default="text",
        show_default=True,
        help="For a terminal, as Markdown, as JSON or as a page in the report's style.",
    )
    @click.option("--out", type=GivenPath(path_type=Path), help="A file to write to instead.")
    @explain
    def command(
        url: str | None, read_only: bool, every: bool, shape: str, out: Path | None
    ) -> None:
        """
        Judge your own database by the production checklist; URL or the environment says which.

        Exits 1 if a check fails, 3 if nothing could be seen.
        """
        from store_conformance.checklist.looking import check

        found = check(url, read_only=read_only)
        text = _present(found, shape, every=every)
        if out is None:
            click.echo(text.rstrip("\n"))
        else:
            out.write_text(text, encoding="utf-8")
            click.echo(f"wrote {out}")
        sys.exit(found.exit_code)
