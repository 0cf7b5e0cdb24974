"""
Progress of a run: a moving line on a terminal, a line now and then elsewhere.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, TextIO

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from store_conformance.contract.records import Row
from store_conformance.pytest_plugin.items import entries_of
from store_conformance.pytest_plugin.quiet import silence

if TYPE_CHECKING:
    from rich.progress import TaskID

PLAIN_SECONDS = 10.0


class ProgressPlugin:
    """Counts finished cases; silences pytest's own terminal output."""

    def __init__(self, stream: TextIO) -> None:
        self.console = Console(file=stream, soft_wrap=True)
        self.counts: Counter[str] = Counter()
        self.total = 0
        self.done = 0
        self.interrupted = False
        """Whether it was the user who ended the run."""
        self.trouble = ""
        """Why the cases could not be collected or run."""
        self._before = 0
        """How many had ended when this part of the run began."""
        self._last = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        silence(config)
        self._before = self.done

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._expect(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Under xdist the controller collects nothing itself."""
        del node
        if ids and self.total != self._before + len(ids):
            self._expect(len(ids))

    def _expect(self, total: int) -> None:
        self.total = self._before + total
        if not total:
            return
        if not self.console.is_terminal:
            self.console.print(f"{total} cases")
        elif self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("starting", total=self.total)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        row = next((e for e in entries_of(report) if isinstance(e, Row)), None)
        if row is not None:
            expected = row.expectation is not None
            self.counts["expected failure" if expected else str(row.verdict)] += 1
        self.done += 1
        self._show(row)

    def _show(self, row: Row | None) -> None:
        text = ", ".join(f"{n} {v}" for v, n in sorted(self.counts.items(), key=lambda c: -c[1]))
        if self._bar is not None and self._task is not None:
            where = f"{row.backend} {row.rule}" if row else ""
            self._bar.update(self._task, completed=self.done, description=f"{where:<16} {text}")
        elif time.monotonic() - self._last > PLAIN_SECONDS or self.done == self.total:
            self._last = time.monotonic()
            where = f", at {row.backend} {row.rule}" if row else ""
            self.console.print(f"{self.done}/{self.total}: {text}{where}")

    def pytest_keyboard_interrupt(self) -> None:
        self.interrupted = True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.trouble:
            self.trouble = str(report.longrepr).strip()[-300:]

    def pytest_internalerror(self, excrepr: object) -> None:
        self.trouble = str(excrepr).strip()[-300:]

    def pytest_sessionfinish(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
