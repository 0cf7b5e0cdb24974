"""
What the page renders when it is asked for: the matrix, the evidence, tables and pictures, as one JSON.

Texts of a run are foreign.  Each is made visible here (no control characters) and put into the page by
the script as text only; addresses that are not ``http(s)`` do not get this far.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

from store_conformance.contract import Rule, Verdict
from store_conformance.contract.records import Row
from store_conformance.reports.cells import (
    Cell,
    Evidence,
    confirmation,
    evidence_of,
    shows_values,
)
from store_conformance.reports.model import Report
from store_conformance.reports.pictures import Picture
from store_conformance.reports.portability import PortabilityRow
from store_conformance.reports.sources import explained
from store_conformance.reports.table import Table
from store_conformance.reports.tables import tables
from store_conformance.reports.text import safe_link, slugs, visible

_PLAIN = (Verdict.PASS, Verdict.UNSUPPORTED)
_CODE = re.compile(r"`([^`]+)`")


def cell_word(cell: Cell) -> str:
    """The verdict in the matrix: a failure that was expected is a *known* one."""
    return "known fail" if cell.verdict is Verdict.FAIL and cell.expected else cell.word


def _put(entry: dict[str, Any], **values: Any) -> dict[str, Any]:
    """The entry with what is there: empty values cost bytes and say nothing."""
    entry.update({key: value for key, value in values.items() if value not in (None, "", (), [])})
    return entry


def _evidence(told: Evidence) -> dict[str, Any]:
    row = told.row
    values: dict[str, Any] = {"expected": row.expected, "got": row.got} if shows_values(row) else {}
    return _put(
        {"case": row.case, "modes": list(told.modes), "verdict": str(row.verdict)},
        message=row.message,
        known=row.expectation,
        upstream=row.upstream,
        link=safe_link(row.upstream),
        calls=list(row.history),
        script=row.script,
        confirmed=confirmation(row) if row.script else None,
        **values,
    )


def _is_plain(row: Row) -> bool:
    return row.verdict in _PLAIN and row.expectation is None


def _cell(cell: Cell) -> dict[str, Any]:
    plain = evidence_of(row for row in cell.rows if _is_plain(row))
    return _put(
        {
            "verdict": str(cell.verdict),
            "word": cell_word(cell),
            "checks": cell.counts,
            "plain": [
                [e.row.case, ", ".join(e.modes), str(e.row.verdict), e.row.message] for e in plain
            ],
        },
        evidence=[_evidence(e) for e in evidence_of(r for r in cell.rows if not _is_plain(r))],
    )


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "group": rule.group,
        "level": str(rule.level),
        "title": rule.title or _CODE.sub(r"\1", rule.promise),
        "promise": rule.promise,
        "source": [[part.text, part.link] for part in explained(rule.source)],
    }


def _portability(row: PortabilityRow, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "rule": row.rule.id,
        "question": row.question,
        "differs": row.differs,
        "answers": {
            names[backend]: [[c.text, ", ".join(c.modes)] for c in choices]
            for backend, choices in row.answers.items()
            if backend in names
        },
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "note": table.note,
        "head": table.head,
        "rows": table.rows,
        "figures": sorted(table.figures),
    }


def _findings(report: Report, names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        _put(
            {
                "rule": finding.rule.id,
                "backend": names[finding.backend],
                "known": finding.expected,
                "message": finding.first.message,
                "script": confirmation(finding.first) if finding.first.script else "none",
            },
            why=finding.first.expectation,
            upstream=finding.upstream,
            link=safe_link(finding.upstream),
        )
        for finding in report.findings
    ]


def _troubles(report: Report) -> dict[str, list[list[str]]]:
    def told(rows: tuple[Row, ...]) -> list[list[str]]:
        return [
            [r.backend, r.rule, f"{r.case} ({r.mode})", r.message, r.expectation or ""]
            for r in rows
        ]

    return {"errors": told(report.harness_errors), "stale": told(report.stale)}


def data(report: Report, pictures: tuple[Picture, ...]) -> dict[str, Any]:
    """Everything that the page's script shows."""
    names = slugs(report.names)
    cells = {
        rule.id: {
            names[view.name]: _cell(view.cells[rule.id])
            for view in report.backends
            if rule.id in view.cells
        }
        for rule in report.rules
    }
    asked = {row.rule.id: row.rule for row in report.portability}
    extra = [rule for rule_id, rule in asked.items() if rule_id not in cells]
    return {
        "backends": [
            {"id": names[view.name], "name": view.name, "emulated": view.emulated}
            for view in report.backends
        ],
        "groups": [
            {"id": grid.group.id, "title": grid.group.title, "rules": [r.id for r in grid.rules]}
            for grid in report.groups
        ],
        "rules": {rule.id: _rule(rule) for rule in (*report.rules, *extra)},
        "cells": cells,
        "findings": _findings(report, names),
        "troubles": _troubles(report),
        "portability": [_portability(row, names) for row in report.portability],
        "tables": {name: _table(table) for name, table in tables(report).items()},
        "pictures": {
            p.id: {"id": p.id, "title": p.title, "alt": p.alt, "svg": p.address} for p in pictures
        },
    }


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(k)): _visible(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_visible(v) for v in value]
    return value


def packed(values: dict[str, Any]) -> str:
    """The values as JSON, deflated, in base64: what ``DecompressionStream("deflate")`` opens."""
    text = json.dumps(_visible(values), ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")


def unpacked(text: str) -> dict[str, Any]:
    """The values again."""
    values: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text)))
    return values
