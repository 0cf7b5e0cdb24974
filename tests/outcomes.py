"""
pytest, with the outcome of each test noted: ``python tests/outcomes.py NOTES ONLY [ARGS]``.

``NOTES`` gets a JSON line a report of a test that passed or failed; that a test took its worker with it is a
failure too.  ``ONLY`` is a file with the ids of the tests to run of those that the arguments select, or ``-``
for all of them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

GROUP = re.compile(r"@[^\]@/:]*$")
"""What ``--dist loadgroup`` adds to the id of a test that has a group."""


class Outcomes:
    """A plugin of the process that hears of every test: the one that starts the workers, if there are any."""

    def __init__(self, notes: Path, only: frozenset[str] | None) -> None:
        self.notes = notes
        self.only = only

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        if self.only is not None:
            left_out = [item for item in items if item.nodeid not in self.only]
            items[:] = [item for item in items if item.nodeid in self.only]
            config.hook.pytest_deselected(items=left_out)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or (report.passed and report.when == "call"):
            note = {"test": GROUP.sub("", report.nodeid), "failed": report.failed}
            with self.notes.open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")


def main(notes: str, only: str, *arguments: str) -> int:
    sys.path[0] = str(Path.cwd())  # as ``python -m pytest`` does, and not this file's folder
    ids = None if only == "-" else frozenset(Path(only).read_text("utf-8").splitlines())
    return int(pytest.main([*arguments], plugins=[Outcomes(Path(notes), ids)]))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
