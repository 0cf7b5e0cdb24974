"""
What a run has found so far, in its file from the first second on.

Until the run has begun, which it has once its stores have been opened and its engines are up, its file stands
beside its later place (`store_conformance.runs.run_file.unfinished`): a mistake in a name or a store that does
not let itself be imported costs no earlier run.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from store_conformance.contract.records import Row
from store_conformance.harness.settings import Settings
from store_conformance.runs.facts import corpus_facts, machine, suite_version
from store_conformance.runs.lost import absent
from store_conformance.runs.run_file import Entry, RunWriter
from store_conformance.runs.selection import Selection

INTERRUPTED = "interrupted before the first case"


def header_of(
    settings: Settings,
    selection: Selection,
    backends: Mapping[str, Mapping[str, Any]],
    command: str = "",
) -> dict[str, Any]:
    """The header of a run; raises ``CorpusError`` where its corpus cannot be used."""
    return {
        "suite": "langgraph-store-conformance",
        "suite_version": suite_version(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command or shlex.join(["store-conformance", *sys.argv[1:]]),
        "profile": selection.profile,
        "selection": selection.to_dict(),
        "settings": settings.to_dict(),
        "seed": settings.seed,
        "machine": machine(),
        "corpus": corpus_facts(settings),
        "backends": dict(backends),
    }


class Recording:
    """The rows of a run and the seconds they took; without ``open`` they are kept in memory alone."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._writer: RunWriter | None = None
        self._header: dict[str, Any] = {}
        self._begin = time.perf_counter()
        self._spent: dict[str, float] = defaultdict(float)

    @property
    def opened(self) -> bool:
        """Whether there is a file."""
        return self._writer is not None

    def open(self, path: Path, header: dict[str, Any]) -> None:
        """Begin the file; of one that has been begun, the header alone is replaced."""
        if self._writer is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._begin = time.perf_counter()
            self._writer = RunWriter(path, header, beside=True)
        else:
            self._writer.begin_again(header)
        self._header = header

    def settle(self, header: dict[str, Any], kept: Sequence[Entry] = ()) -> None:
        """The run has begun: its file takes its place, and that of an earlier run, of which this is ``kept``."""
        if self._writer is not None:
            self._writer.begin_again(header, kept)
            self._writer.settle()
        for entry in kept:
            self._count(entry)

    def drop(self) -> None:
        """Nothing is left to run, or it cannot go on: the file of an earlier run is all there is."""
        if self._writer is not None:
            self._writer.drop()
            self._writer = None

    def spend(self, backend: str, seconds: float) -> None:
        """Seconds of a backend beside those of its cases."""
        self._spent[backend] += seconds

    def add(self, entry: Entry) -> None:
        self._count(entry)
        if self._writer is not None:
            self._writer.add(entry)

    def _count(self, entry: Entry) -> None:
        if isinstance(entry, Row):
            self.rows.append(entry)
            self._spent[entry.backend] += entry.seconds

    def could_not_begin(self, error: BaseException) -> None:
        """Nothing of any backend was checked, and why; the file of a run that has begun is left alone."""
        if self._writer is None or self._writer.settled:
            return
        interrupted = isinstance(error, KeyboardInterrupt)
        why = INTERRUPTED if interrupted else str(error) or type(error).__name__
        names = list(self._header["backends"])
        self._writer.begin_again({**self._header, "backends": {n: {"absent": why} for n in names}})
        for name in names:
            self.add(absent(name, why))
        self.close(interrupted=interrupted)

    def close(
        self, *, interrupted: bool, left: Mapping[str, int] | None = None, before: float = 0.0
    ) -> None:
        """Write the footer, with the seconds that parts of the run had taken ``before``; a second call does nothing."""
        if self._writer is not None:
            self._writer.close(
                seconds=time.perf_counter() - self._begin + before,
                by_backend=dict(self._spent),
                interrupted=interrupted,
                left=left or {},
            )
            self._writer = None
