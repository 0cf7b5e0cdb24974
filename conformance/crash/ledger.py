"""
The durable record of a writer: each operation before it is sent, and after it is answered.

A ledger is a file outside the store.  Each line is on the disk (``fsync``) before the writer goes on, so that an
operation without a line was never sent, and one without an answer was never acknowledged to anybody.  Where the syncs of the
writer itself are made to fail, the line is with the system instead, which outlives the writer.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from store_conformance.contract.secrets import one_line
from store_conformance.crash.history import Entry, History, Kind, Operation, Outcome, Write


class Ledger:
    """Writes a ledger; a file that is there already is written on."""

    def __init__(self, path: Path, *, synced: bool = True) -> None:
        self._synced = synced
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def begin(self, operation: Operation) -> None:
        """The operation is about to be sent."""
        writes = [[list(w.namespace), w.key, w.version, w.expires] for w in operation.writes]
        reads = operation.reads and [list(operation.reads[0]), operation.reads[1]]
        line = {"op": operation.number, "kind": operation.kind.value, "writes": writes}
        self._add({**line, "reads": reads} if reads else line)

    def acknowledge(self, number: int, seen: str | None = None) -> None:
        """The operation of that number returned; ``seen`` is the version that a ``get`` gave."""
        self._add({"end": number} if seen is None else {"end": number, "seen": seen})

    def fail(self, number: int, error: BaseException) -> None:
        """The operation of that number raised."""
        self._add({"end": number, "error": f"{type(error).__name__}: {one_line(error)}"})

    def close(self) -> None:
        os.close(self._file)

    def _add(self, line: dict[str, Any]) -> None:
        line["at"] = time.monotonic_ns()
        os.write(self._file, json.dumps(line).encode() + b"\n")
        if self._synced:
            os.fsync(self._file)


def read_ledger(path: Path) -> History:
    """
    What a ledger says; a last line that was cut off by its writer's death is left out.

    Raises ``ValueError`` for a file that is no ledger.
    """
    entries: dict[int, Entry] = {}
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    # What follows the last newline was never completed, so nothing that it tells has been sent or answered.
    for line in lines[:-1]:
        told = json.loads(line)
        if "op" in told:
            entries[told["op"]] = Entry(_operation(told), began=told["at"])
        else:
            begun = entries[told["end"]]
            error = told.get("error", "")
            entries[told["end"]] = Entry(
                begun.operation,
                begun.began,
                told["at"],
                Outcome.FAILED if error else Outcome.ACKNOWLEDGED,
                error,
                told.get("seen"),
            )
    return History(path.stem, tuple(entries.values()))


def _operation(told: dict[str, Any]) -> Operation:
    writes = tuple(
        Write(tuple(namespace), key, version, expires)
        for namespace, key, version, expires in told["writes"]
    )
    reads = told.get("reads")
    place = (tuple(reads[0]), reads[1]) if reads else None
    return Operation(told["op"], Kind(told["kind"]), writes, place)
