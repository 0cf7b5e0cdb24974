"""
``store-conformance init``: what the author of a store begins with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

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

WORKFLOW = """\
# The store against the contract of LangGraph's stores, judged by gate.toml.
name: Store conformance

on:
  push:
    branches: [main]
  pull_request:
  workflow_dispatch:

permissions: {}

concurrency:
  group: store-conformance-${{ github.ref }}
  cancel-in-progress: true

jobs:
  conformance:
    name: the store's contract
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    permissions:
      contents: read # to check out
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - uses: actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0
        with:
          python-version: "3.13"
      - run: python -m pip install . "langgraph-store-conformance[scenarios]"
      - run: store-conformance run --store conformance_store.py:open_store --name mine
      - name: The report stays, whatever it says
        if: ${{ !cancelled() }}
        uses: actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0
        with:
          name: conformance-run
          path: conformance-run
"""


def starting_files() -> dict[str, str]:
    """What is written, by its path in the author's project."""
    from store_conformance.runs.facts import suite_version

    return {
        "conformance_store.py": STORE,
        "gate.toml": POLICY.replace("{suite}", _compatible(suite_version())),
        ".github/workflows/store-conformance.yml": WORKFLOW,
    }


def _compatible(version: str) -> str:
    """This version and those after it that may not ask for more: the same minor release."""
    from packaging.version import Version

    major, minor = (*Version(version).release, 0, 0)[:2]
    return f">={major}.{minor},<{major}.{minor + 1}"


def init(folder: Path) -> None:
    """Write what is not there yet; a file that is there is never touched, nor is a second policy made."""
    from store_conformance.runs.policy import FILE, project_table

    project = folder / "pyproject.toml"
    for name, text in starting_files().items():
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
    @click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
    @explain
    def command(folder: Path) -> None:
        """Write a starting policy, a GitHub workflow and a store function into FOLDER."""
        init(folder)
        sys.exit(0)
