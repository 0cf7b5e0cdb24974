"""
The report as one JSON document; ``report.schema.json`` beside this file is its schema.

Additions keep ``schema``; a field that changes its meaning or goes away raises it.
"""

from __future__ import annotations

import json
import math
from importlib import resources
from typing import Any

from store_conformance.contract.checked import CheckedLine
from store_conformance.contract.records import Measurement, Row
from store_conformance.contract.survival import SurvivalFile
from store_conformance.reports.cells import Cell, Finding
from store_conformance.reports.derived import Derived, Feature
from store_conformance.reports.latency import Latency
from store_conformance.reports.model import Report
from store_conformance.reports.portability import PortabilityRow
from store_conformance.reports.recommendation import Candidate, Recommendation
from store_conformance.reports.summary import comparison_rows
from store_conformance.reports.survival import Survival
from store_conformance.reports.trend_formats import to_values
from store_conformance.reports.view import BackendView

SCHEMA = 1


def schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    text = (
        resources.files("store_conformance.reports")
        .joinpath("report.schema.json")
        .read_text("utf-8")
    )
    data: dict[str, Any] = json.loads(text)
    return data


def _backend(view: BackendView) -> dict[str, Any]:
    return {
        "name": view.name,
        "deployment": view.deployment,
        "emulated": view.emulated,
        "facts": view.facts,
        "rules": view.rule_counts,
        "checks": view.row_counts,
        "expected_failures": view.expected_failures,
        "seconds": view.seconds,
    }


def _comparison(feature: Feature, values: dict[str, Derived]) -> dict[str, Any]:
    return {
        "feature": feature.id,
        "title": feature.title,
        "derivation": feature.how,
        "values": {
            name: {
                "word": derived.short,
                "detail": derived.detail,
                "value": derived.value,
                "grade": str(derived.grade),
                "because": derived.because,
                "notes": list(derived.notes),
                "rules": list(derived.rules),
                "figures": list(derived.figures),
            }
            for name, derived in values.items()
        },
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "backend": candidate.backend,
        "why": candidate.why,
        "broken": candidate.broken,
        "bites": [
            {"rule": b.rule.id, "promise": b.text, "known": b.known} for b in candidate.bites
        ],
        "lacks": list(candidate.lacks),
        "own_store": candidate.own,
    }


def _recommendation(answer: Recommendation) -> dict[str, Any]:
    return {
        "for": answer.kind.id,
        "title": answer.kind.title,
        "derivation": answer.kind.how,
        "candidates": [_candidate(c) for c in answer.candidates],
        "refused": answer.refused,
        "reservation": answer.reservation,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "backend": cell.backend,
        "rule": cell.rule,
        "level": str(cell.level),
        "verdict": str(cell.verdict),
        "expected": cell.expected,
        "emulated": cell.emulated,
        "checks": cell.counts,
        "reason": cell.reason,
    }


def _row(row: Row) -> dict[str, Any]:
    data = row.to_dict()
    data.pop("kind")
    return data


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "backend": finding.backend,
        "rule": finding.rule.id,
        "level": str(finding.rule.level),
        "promise": finding.rule.promise,
        "source": finding.rule.source,
        "expected": finding.expected,
        "upstream": finding.upstream,
        "emulated": finding.emulated,
        "evidence": [{"modes": list(e.modes), **_row(e.row)} for e in finding.evidence],
    }


def _latency(timed: Latency) -> dict[str, Any]:
    figures = timed.figures
    return {
        "backend": timed.backend,
        "operation": timed.operation,
        "mode": timed.mode,
        "items": timed.items,
        "n": figures.n,
        "p50": timed.median,
        "p95": figures.p95,
        "p99": figures.p99,
        "max": figures.maximum,
        "mean": figures.mean,
        "per_second": figures.per_second,
        "emulated": timed.emulated,
    }


def _survival(entry: Survival) -> dict[str, Any]:
    return {
        "backend": entry.backend,
        "restart": str(entry.kind),
        "memory": entry.memory_name,
        "verdict": str(entry.verdict),
        "observed": entry.observed,
        "writes_covered": entry.writes,
        "survived": entry.survived,
    }


def _campaign(file: SurvivalFile) -> dict[str, Any]:
    data = file.to_dict()
    data.pop("kind")
    data.pop("schema")
    return data


def _campaigns(report: Report) -> dict[str, Any]:
    """Only in a report that was given campaigns of faults."""
    if not report.campaigns:
        return {}
    return {"what_survives": [_campaign(file) for file in report.campaigns]}


def _over_time(report: Report) -> dict[str, Any]:
    """Only in a report that was given earlier runs."""
    return {"over_time": to_values(report.history)} if report.history.points else {}


def _portability(row: PortabilityRow) -> dict[str, Any]:
    return {
        "rule": row.rule.id,
        "question": row.question,
        "differs": row.differs,
        "answers": {
            name: [{"text": c.text, "modes": list(c.modes)} for c in choices]
            for name, choices in row.answers.items()
        },
    }


def _measurement(figure: Measurement) -> dict[str, Any]:
    data = figure.to_dict()
    data.pop("kind")
    data.pop("samples")
    return data


def _check(line: CheckedLine) -> dict[str, Any]:
    data = line.to_dict()
    data.pop("kind")
    return data


def to_dict(report: Report) -> dict[str, Any]:
    """The document as JSON values."""
    return {
        "kind": "report",
        "schema": SCHEMA,
        "run": {k: v for k, v in report.header.items() if k not in ("kind", "backends")},
        "interrupted": report.interrupted,
        "truncated": report.truncated,
        "seconds": report.footer.get("seconds", {}),
        "totals": {"checks": report.counts, "unexpected": report.unexpected},
        "backends": [_backend(view) for view in report.backends],
        "absent": report.absent,
        "comparison": [_comparison(*row) for row in comparison_rows(report)],
        "recommendations": [_recommendation(answer) for answer in report.recommendations],
        "cells": [_cell(c) for view in report.backends for c in view.cells.values()],
        "findings": [_finding(f) for f in report.findings],
        "harness_errors": [_row(r) for r in report.harness_errors],
        "stale_expectations": [_row(r) for r in report.stale],
        "survival": [_survival(s) for s in report.survival],
        **_campaigns(report),
        **_over_time(report),
        "latency": [_latency(t) for t in report.latencies],
        "embedding": [_latency(t) for t in report.embedding],
        "portability": [_portability(p) for p in report.portability],
        "recall": [_measurement(m) for m in report.recall],
        "measurements": [_measurement(m) for m in (*report.figures, *report.troubles)],
        **({"checklist": [_check(line) for line in report.checks]} if report.checks else {}),
        "cannot_say": list(report.caveats),
    }


def _finite(value: Any) -> Any:
    """The same value with NaN and infinities, which JSON has no word for, as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def render(report: Report) -> str:
    """The document as text; ASCII only, so that lone surrogates of nasty values survive."""
    return (
        json.dumps(
            _finite(to_dict(report)), indent=1, ensure_ascii=True, allow_nan=False, default=repr
        )
        + "\n"
    )
