"""
The reproducers of a run's failures: made where a case failed, and run in a clean process as long as the
run has time for that.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from store_conformance.contract import Verdict
from store_conformance.contract.records import Row
from store_conformance.harness.backends import Backend
from store_conformance.harness.runner import Outcome
from store_conformance.runs.known import KnownFailures

CONFIRM_SECONDS = 60.0
"""What running reproducers may take in all; a quarter of it is for causes that were confirmed before."""


class Scripts:
    """Makes scripts of failures and confirms some: one for each cause comes first, then one for each case."""

    def __init__(
        self,
        backends: Mapping[str, Backend],
        facts: Mapping[str, Mapping[str, Any]],
        known: KnownFailures,
        *,
        confirm: bool,
    ) -> None:
        self._backends = backends
        self._facts = facts
        self._known = known
        self._confirm = confirm
        self._seconds = 0.0
        self._tried: set[str] = set()
        """Cases whose reproducer was run: one confirmation a case is enough."""
        self._shown: set[tuple[str, str]] = set()
        """Backends and causes of which one script was confirmed."""

    def scripted(self, outcome: Outcome) -> Row:
        """A failed row with its reproducer, run in a clean process if that was asked for."""
        from store_conformance.runs.repro import reproducer

        row = outcome.row
        if row.verdict is not Verdict.FAIL:
            return row
        versions = self._facts.get(row.backend, {}).get("packages", {})
        try:
            made = reproducer(outcome, self._backends[row.backend], versions)
        except Exception:  # noqa: BLE001 - a finding without script is better than none
            return row
        if made is None:
            return row
        row = dataclasses.replace(row, script=made.text)
        if not self._confirm or not self._worth_confirming(row):
            return row
        return dataclasses.replace(row, confirmed=self._confirmed(outcome, row, made.text))

    def _confirmed(self, outcome: Outcome, row: Row, text: str) -> bool | None:
        from store_conformance.runs.repro import confirm

        backend = self._backends[row.backend]
        begin = time.perf_counter()
        at = backend.location()
        try:
            snippet = backend.snippet(at, outcome.lab.mode)
            environment = snippet.environment if snippet is not None else {}
            shown = confirm(text, environment).confirmed
            if shown and row.cause is not None:
                self._shown.add((row.backend, row.cause))
            return shown
        finally:
            backend.discard(at)
            self._seconds += time.perf_counter() - begin

    def _worth_confirming(self, row: Row) -> bool:
        """
        Whether to run the script now.

        `repro` runs the rest when asked; a broken store has very many.
        """
        case = row.case.split("[")[0]
        if case in self._tried or self._known.expected(row) is not None:
            return False
        again = (row.backend, row.cause or "") in self._shown
        if self._seconds > (CONFIRM_SECONDS / 4 if again else CONFIRM_SECONDS):
            return False
        self._tried.add(case)
        return True
