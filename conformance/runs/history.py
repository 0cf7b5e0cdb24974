"""
The run files of a folder, one after the other, for what is told over time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from store_conformance.contract import UserError
from store_conformance.contract.records import Run
from store_conformance.runs.lines import RunFileError
from store_conformance.runs.run_file import read_run

_NAMES = (".jsonl", ".jsonl.gz")


def run_paths(paths: Iterable[Path]) -> tuple[Path, ...]:
    """
    The run files that were named, and those below folders that were named; each once.

    Raises ``UserError`` for a path that is not there and a folder without any.
    """
    found: dict[Path, Path] = {}
    for given in paths:
        if not given.exists():
            raise UserError(f"{given} is not there", "check the path")
        files = sorted(_below(given)) if given.is_dir() else [given]
        if not files:
            raise UserError(
                f"{given} has no run file below it", "run files end with .jsonl or .jsonl.gz"
            )
        for path in files:
            found.setdefault(path.resolve(), path)
    return tuple(found.values())


def _below(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if p.name.endswith(_NAMES) and p.is_file())


def runs_over_time(paths: Iterable[Path]) -> Iterator[tuple[str, Run | RunFileError]]:
    """Each run with the name of its file, or why it cannot be read; one at a time is in memory."""
    for path in paths:
        try:
            yield str(path), read_run(path)
        except RunFileError as error:
            yield str(path), error
