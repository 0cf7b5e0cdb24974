"""
Where a finding has its place: the file of a user's store, as far as the run tells it.

A run knows the reference that it was given (``my_store.py:open_store``), and of a case that stood still the
stacks, which name lines of that file.  Of a store that is installed it knows no file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from store_conformance.contract.records import Row
from store_conformance.reports.model import Report

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_DRIVE = re.compile(r"[A-Za-z]:/")


@dataclass(frozen=True)
class Place:
    """A file and a line of it."""

    file: str
    """As it was given, with ``/`` between folders."""
    line: int
    """The line that a stack names; 1 where only the file is known."""

    @property
    def uri(self) -> str:
        """The file as a reference for a URI: relative as it was given, or ``file:``."""
        if self.file.startswith("/"):
            return f"file://{quote(self.file)}"
        if _DRIVE.match(self.file):
            return f"file:///{quote(self.file, safe='/:')}"
        return quote(str(PurePosixPath(self.file)))


def place_of(report: Report, row: Row) -> Place | None:
    """The place of a row in the file of the user's store; ``None`` where no file is known."""
    view = next((view for view in report.backends if view.name == row.backend), None)
    reference = view.fact("store") if view is not None and view.deployment == "factory" else None
    if not isinstance(reference, str):
        return None
    file, colon, _ = reference.replace("\\", "/").rpartition(":")
    if not colon or not file.endswith(".py"):
        return None
    return Place(file, _line(row, file))


def _line(row: Row, file: str) -> int:
    """The innermost line of the file that the row's stacks name."""
    ending = "/" + str(PurePosixPath(file)).lstrip("./")
    for told in row.history:
        for path, line in _FRAME.findall(told):
            if path.replace("\\", "/").endswith(ending):
                return max(1, int(line))
    return 1
