"""
Findings as SARIF 2.1.0, for code scanning: a run of the tool a backend, a result a case that failed.

A result stands in the file of the user's store where that is known, else at the case, by name.  Known
failures are results with a suppression that says why; what must not be overlooked (emulated, partial,
unverified) and faults of the harness are notifications of the invocation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from store_conformance.contract import Level, Rule
from store_conformance.reports.cells import Evidence, Finding, confirmation, shows_values
from store_conformance.reports.model import Report
from store_conformance.reports.places import place_of
from store_conformance.reports.sources import sentence
from store_conformance.reports.summary import flags
from store_conformance.reports.text import one_line, safe_link, visible

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS = {Level.MUST: "error", Level.SHOULD: "warning", Level.IMPL: "note"}


def message(text: str) -> dict[str, str]:
    """The text as a message: no placeholder and no link of its own, as SARIF has them in plain text."""
    plain = visible(text).replace("{", "{{").replace("}", "}}")
    return {"text": plain.replace("](", "\\](")}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": visible(rule.id),
        "shortDescription": {"text": visible(rule.title or rule.promise)},
        "fullDescription": {"text": visible(rule.promise)},
        "help": {"text": visible(f"Source: {sentence(rule.source)}")},
        "defaultConfiguration": {"level": LEVELS[rule.level]},
        "properties": {"tags": [rule.level.value, rule.group]},
    }


def _location(report: Report, evidence: Evidence) -> dict[str, Any]:
    row = evidence.row
    logical = {
        "name": visible(row.case.rpartition("::")[2]),
        "fullyQualifiedName": visible(row.case),
        "kind": "function",
    }
    place = place_of(report, row)
    if place is None:
        return {"logicalLocations": [logical]}
    physical = {
        "artifactLocation": {"uri": place.uri},
        "region": {"startLine": place.line},
    }
    return {"physicalLocation": physical, "logicalLocations": [logical]}


def _result(
    report: Report, finding: Finding, evidence: Evidence, positions: dict[str, int]
) -> dict[str, Any]:
    row = evidence.row
    lines = [row.message]
    if shows_values(row):
        lines += [f"expected: {row.expected}", f"got: {row.got}"]
    identity = "\n".join((finding.backend, row.rule, row.case, *evidence.modes))
    properties = {
        "backend": visible(finding.backend),
        "emulated": finding.emulated,
        "modes": list(evidence.modes),
        "reproducer": confirmation(row) if row.script else "none",
    }
    result: dict[str, Any] = {
        "ruleId": visible(finding.rule.id),
        "ruleIndex": positions[finding.rule.id],
        "kind": "fail",
        "level": LEVELS[row.level],
        "message": message("\n".join(lines)),
        "locations": [_location(report, evidence)],
        "partialFingerprints": {
            "backendRuleCase/v1": hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()
        },
        "properties": properties,
    }
    link = safe_link(row.upstream)
    if link:
        properties["upstream"] = visible(link)
    if row.expectation is not None:
        result["suppressions"] = [{"kind": "external", "justification": visible(row.expectation)}]
    return result


def _notifications(report: Report, backend: str) -> list[dict[str, Any]]:
    told = [{"level": "warning", "message": message(flag)} for flag in flags(report)]
    for row in report.harness_errors:
        if row.backend in (backend, "?"):
            text = f"fault of the harness: {row.rule} {row.case}: {row.message}"
            told.append({"level": "error", "message": message(one_line(text, 1000))})
    for row in report.stale:
        if row.backend == backend:
            text = f"stale expectation: {row.rule} {row.case} passes now ({row.expectation})"
            told.append({"level": "error", "message": message(one_line(text, 1000))})
    return told


def _run(report: Report, backend: str, findings: Iterable[Finding]) -> dict[str, Any]:
    """What one backend failed; a backend without a finding has a run without results: nothing is left open."""
    every = tuple(findings)
    rules = {finding.rule.id: finding.rule for finding in every}
    positions = {rule_id: position for position, rule_id in enumerate(rules)}
    notifications = _notifications(report, backend)
    faulty = any(told["level"] == "error" for told in notifications)
    driver = {
        "name": "langgraph-store-conformance",
        "rules": [_rule(rule) for rule in rules.values()],
    }
    version = report.header.get("suite_version")
    if version:
        driver["version"] = visible(str(version))
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"langgraph-store-conformance/{visible(backend)}/"},
        "invocations": [
            {
                "executionSuccessful": not report.interrupted and not faulty,
                "toolExecutionNotifications": notifications,
            }
        ],
        "results": [
            _result(report, finding, evidence, positions)
            for finding in every
            for evidence in finding.evidence
        ],
    }


def render(report: Report) -> str:
    """The SARIF log."""
    names = dict.fromkeys([*report.names, *(f.backend for f in report.findings)])
    runs = [_run(report, name, (f for f in report.findings if f.backend == name)) for name in names]
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"
