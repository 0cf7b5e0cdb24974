"""
The findings of a run: failed rows, one a case, with reproducer and issue draft.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store_conformance.contract import Verdict
from store_conformance.contract.records import Row, Run
from store_conformance.runs.repro import issue_draft


@dataclass(frozen=True)
class Finding:
    """One failed case of a run, with the versions that it was seen with."""

    row: Row
    versions: dict[str, str]

    @property
    def status(self) -> str:
        if self.row.script is None:
            return "no script"
        if self.row.confirmed is None:
            return "script not run yet"
        return (
            "confirmed in a clean process"
            if self.row.confirmed
            else "UNCONFIRMED: the script did not show it"
        )


def findings(run: Run, wanted: str | None = None) -> list[Finding]:
    """
    The failed cases of a run, those with a confirmed script first in each case.

    ``wanted`` is a rule id or (the beginning of) a case id.
    """
    best: dict[tuple[str, str, str], Row] = {}
    for row in run.rows:
        if row.verdict is not Verdict.FAIL or not _wanted(row, wanted):
            continue
        place = (row.backend, row.rule, row.case.split("[")[0])
        if place not in best or _worth(row) > _worth(best[place]):
            best[place] = row
    return [Finding(row, _versions(run.header, row.backend)) for row in best.values()]


def _wanted(row: Row, wanted: str | None) -> bool:
    return wanted is None or row.rule == wanted.upper() or row.case.startswith(wanted)


def _worth(row: Row) -> tuple[bool, bool]:
    return bool(row.confirmed), row.script is not None


def _versions(header: dict[str, Any], backend: str) -> dict[str, str]:
    facts = header["backends"].get(backend, {})
    return {**facts.get("packages", {}), "engine": str(facts.get("engine", "unknown"))}


def write_finding(finding: Finding, folder: Path) -> Path:
    """Write ``<backend>-<rule>-<case>.md`` and, where there is a script, ``.py``; gives the draft's path."""
    row = finding.row
    name = re.sub(r"[^\w.-]+", "_", f"{row.backend}-{row.rule}-{row.case.split('[')[0]}")
    draft = folder / f"{name}.md"
    draft.write_text(
        f"{issue_draft(row, finding.versions)}\nReproducer: {finding.status}.\n", "utf-8"
    )
    if row.script is not None:
        (folder / f"{name}.py").write_text(row.script, "utf-8")
    return draft
