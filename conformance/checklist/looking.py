"""
``check``: facts of a database and of the project, each check judged by them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from store_conformance.checklist.judges import JUDGES
from store_conformance.checklist.model import (
    FAIL,
    HIDDEN,
    PARTS,
    PASS,
    WARN,
    Check,
    Checklist,
    Line,
    checks,
)
from store_conformance.checklist.project import files_with_secret, history_findings
from store_conformance.contract import UserError
from store_conformance.embedding import embedder_from_name, spec_of
from store_conformance.factory.environment import load_files, wanted
from store_conformance.harness.backends import Gathered, inspect, stores_of


def check(
    url: str | None = None, *, read_only: bool = False, folder: Path | None = None
) -> Checklist:
    """
    The checklist of a user's own database: by reads, and one schema of its own that it removes.

    Without a URL the environment's, as ``create_store`` has it.  Raises ``UserError`` where there is
    nobody to ask.
    """
    where = folder or Path.cwd()
    load_files(where, given=url is not None)
    chosen = wanted(url=url, folder=where)
    return checklist_of(chosen.url, chosen.embeddings, read_only=read_only, folder=where)


def checklist_of(
    url: str,
    embeddings: str | None = None,
    *,
    read_only: bool = False,
    folder: Path | None = None,
) -> Checklist:
    """The same of this very URL, whatever the environment says; ``embeddings`` is the memories' model."""
    stores = stores_of(url)
    if stores is not None:
        return _of_several(
            {
                name: partial(checklist_of, one, embeddings, read_only=read_only, folder=folder)
                for name, one in stores.items()
            }
        )
    seen = inspect(url, read_only=read_only)
    _project(seen, folder or Path.cwd())
    _embedder(seen, embeddings)
    return judged(seen)


def _of_several(looks: Mapping[str, Callable[[], Checklist]]) -> Checklist:
    """The lists of a hybrid's stores as one, each line with the name of its store before its id."""
    lines: list[Line] = []
    where = []
    for name, look in looks.items():
        try:
            found = look()
        except UserError as error:
            lines.append(Line(_unseen(name), HIDDEN, error.problem))
            continue
        where.append(f"{name} {found.where}")
        lines += [
            replace(line, check=replace(line.check, id=f"{name}/{line.check.id}"))
            for line in found.lines
        ]
    return Checklist("hybrid", "; ".join(where) or "hybrid", tuple(lines))


def _unseen(name: str) -> Check:
    return Check(
        id=f"{name}/-",
        engines=("hybrid",),
        part=PARTS[0],
        level="must",
        promise="the store can be looked at",
        source="docs/PRODUCTION.md",
        fix="look at it by itself: store-conformance check with its own URL",
    )


def _project(seen: Gathered, folder: Path) -> None:
    secret = str(seen.facts.get("password") or "")
    seen.see("files_with_secret", lambda: files_with_secret(folder, secret))
    seen.see("history_findings", lambda: history_findings(folder))


def _embedder(seen: Gathered, name: str | None) -> None:
    """What EMBEDDINGS makes; ``dims`` of a Postgres table are in the type of its column."""
    seen.facts["embeddings"] = name
    column = seen.facts.get("vector_column")
    if column and "(" in column:
        seen.facts["dims"] = [int(column.rstrip(")").partition("(")[2])]
    if name is None:
        seen.hidden["embedder_dims"] = "EMBEDDINGS is not set"
        return
    try:
        seen.facts["embedder_dims"] = spec_of(embedder_from_name(name)).dims
    except UserError as error:
        seen.hidden["embedder_dims"] = error.problem


def judged(seen: Gathered) -> Checklist:
    """Every check of this engine, judged by the facts."""
    lines = [_line(one, seen) for one in checks() if seen.engine in one.engines]
    return Checklist(seen.engine, seen.where, tuple(lines))


def _line(one: Check, seen: Gathered) -> Line:
    try:
        well, said = JUDGES[one.id](_Facts(seen))
    except _NotVisibleError as error:
        return Line(one, HIDDEN, str(error))
    status = PASS if well else (FAIL if one.level == "must" else WARN)
    return Line(one, status, said)


class _NotVisibleError(Exception):
    """A fact that a judge asks for was not to be had."""


class _Facts(dict[str, Any]):
    def __init__(self, seen: Gathered) -> None:
        super().__init__(seen.facts)
        self._hidden = seen.hidden

    def __missing__(self, name: str) -> Any:
        raise _NotVisibleError(self._hidden.get(name, f"{name} was not to be seen"))
