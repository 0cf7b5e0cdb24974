"""
``store-conformance init``: what the author of a store begins with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from store_conformance.cli.choices import GivenPath
from store_conformance.cli.workflows import MATRIX, ONE_JOB

STORE = '''\
"""
The store that is checked: `store-conformance run --store conformance_store.py:open_store --name mine`.
"""

from contextlib import contextmanager

from langgraph.store.memory import InMemoryStore


@contextmanager
def open_store(at, index, ttl):
    """
    Open your store at a place of its own.

    `at.path` is an empty folder for it, `at.url` what --url gave, `at.name` a unique name (a schema, a
    collection). Opening the same place again, from another process too, must find what was written.
    `index` and `ttl` are LangGraph's settings or None.
    """
    # Put your own store here; this one stands in for it, so that everything runs from the first minute.
    yield InMemoryStore(index=index)
'''

POLICY = """\
# What a run must show before it passes; `store-conformance run` and `store-conformance gate` read it.

suite = "{suite}"  # versions of the suite whose verdicts count; new rules come with a new version
levels = ["MUST"]  # every rule of these levels must have been checked, and hold
groups = []  # every rule of these groups too, whatever its level (`store-conformance rules`)
rules = []  # and these rules

# What the store may be without. Take out what it offers, so that it cannot be lost unnoticed.
may-lack = ["cosine", "vectors", "ttl", "persistence", "processes"]

# A check that could not tell, for want of an engine say: "allow", "warn" or "fail".
unverified = "warn"

# Failures known in advance: `store-conformance expect conformance-run -o expected.toml` writes them.
# expectations = ["expected.toml"]

# How many times as long one operation may take as another, an item; needs `run --bench`.
# [[ratio]]
# of = "batch_put"
# to = "put"
# most = 1
"""


def starting_files(*, matrix: bool = False) -> dict[str, str]:
    """What is written, by its path in the author's project."""
    from store_conformance.runs.facts import suite_version

    return {
        "conformance_store.py": STORE,
        "gate.toml": POLICY.replace("{suite}", _compatible(suite_version())),
        ".github/workflows/store-conformance.yml": MATRIX if matrix else ONE_JOB,
    }


def _compatible(version: str) -> str:
    """This version and those after it that may not ask for more: the same minor release."""
    from packaging.version import Version

    major, minor = (*Version(version).release, 0, 0)[:2]
    return f">={major}.{minor},<{major}.{minor + 1}"


def init(folder: Path, *, matrix: bool = False) -> None:
    """Write what is not there yet; a file that is there is never touched, nor is a second policy made."""
    from store_conformance.runs.policy import FILE, project_table

    project = folder / "pyproject.toml"
    for name, text in starting_files(matrix=matrix).items():
        path = folder / name
        if name == FILE and project.is_file() and project_table(project) is not None:
            click.echo(f"left out {path}: {project} has a policy")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            click.echo(f"kept  {path}: it was there")
        else:
            click.echo(f"wrote {path}")
    click.echo("Put your store into conformance_store.py, then, in that folder:")
    click.echo("  store-conformance run --store conformance_store.py:open_store --name mine")


def register(main: click.Group, explain: Callable[[Any], Any]) -> None:
    """Add the command; ``explain`` turns a user's mistake into one line."""

    @main.command("init")
    @click.argument("folder", default=".", type=GivenPath(path_type=Path, file_okay=False))
    @click.option(
        "--matrix",
        is_flag=True,
        help="A workflow of one job a store or backend, and one that merges their runs into one report.",
    )
    @explain
    def command(folder: Path, matrix: bool) -> None:
        """Write a starting policy, a GitHub workflow and a store function into FOLDER."""
        init(folder, matrix=matrix)
        sys.exit(0)
