"""
The production checklist of the databases that a run was pointed at, as a table.
"""

from __future__ import annotations

from store_conformance.contract.checked import FAIL, HIDDEN, PASS, WARN
from store_conformance.reports.model import Report
from store_conformance.reports.table import Table

CHECK_MARKS = {PASS: "✓ pass", FAIL: "✗ fail", WARN: "◐ warn", HIDDEN: "? not visible"}


def checklist(report: Report) -> Table:
    """A row a check of each database that is the user's own, what is not well first within its part."""
    lines = sorted(report.checks, key=lambda line: (line.backend, line.place))
    return Table(
        "checklist",
        "Production checklist",
        "What a client sees of the databases that this run was pointed at, as “store-conformance check” does. It "
        "decides nothing of the run.",
        ("Status", "Id", "Backend", "Part", "Promise", "Seen", "What to do"),
        tuple(
            (
                CHECK_MARKS[line.status], line.id, line.backend, line.part, line.promise, line.said,
                f"by hand: {line.advice}" if line.status == HIDDEN and line.advice else line.advice,
            )
            for line in lines
        ),
    )  # fmt: skip
