"""
The run as JUnit XML: a test suite a backend, a test case a case and mode.

Unsupported and unverified checks are skipped with their reason, and so are expected failures; an
expectation that is stale fails, as it fails the gate.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from store_conformance.contract import Verdict
from store_conformance.contract.records import Row
from store_conformance.reports.cells import is_expected, is_stale, shows_values
from store_conformance.reports.model import Report
from store_conformance.reports.text import xml_text
from store_conformance.reports.view import BackendView


def _body(row: Row) -> str:
    lines = [row.message]
    if shows_values(row):
        lines += [f"expected: {row.expected}", f"got:      {row.got}"]
    if row.history:
        lines += ["last calls:", *(f"  {call}" for call in row.history)]
    if row.upstream:
        lines.append(f"upstream: {row.upstream}")
    if row.script:
        lines += ["reproducer:", row.script]
    return xml_text("\n".join(lines))


def _outcome(row: Row) -> tuple[str, str] | None:
    """The element that JUnit has for the row's ending, and its message; ``None`` for a pass."""
    verdict = row.verdict
    if is_expected(row):
        return "skipped", f"expected: {row.expectation}"
    if is_stale(row):
        return "failure", f"stale expectation: {row.expectation}"
    if verdict is Verdict.PASS:
        return None
    if verdict in (Verdict.UNSUPPORTED, Verdict.UNVERIFIED):
        return "skipped", f"{verdict}: {row.message}"
    return ("failure" if verdict is Verdict.FAIL else "error"), row.message


def _case(row: Row, name: str) -> ET.Element:
    case = ET.Element(
        "testcase",
        {
            "classname": xml_text(f"{name}.{row.rule}"),
            "name": xml_text(f"{row.case} [{row.mode}]" if row.mode else row.case),
            "time": f"{row.seconds:.5f}",
        },
    )
    outcome = _outcome(row)
    if outcome is not None:
        tag, message = outcome
        element = ET.SubElement(case, tag, {"message": xml_text(message)})
        if tag != "skipped":
            element.set("type", f"{row.rule} {row.level}")
            element.text = _body(row)
    return case


def _suite(report: Report, backend: str, view: BackendView | None) -> ET.Element:
    """The suite of a backend; one that could not run at all has rows but no view."""
    name = f"{backend} (emulated)" if view is not None and view.emulated else backend
    cases = [_case(row, name) for row in report.rows if row.backend == backend]
    suite = ET.Element(
        "testsuite",
        {
            "name": xml_text(name),
            "tests": str(len(cases)),
            "failures": str(sum(1 for c in cases if c.find("failure") is not None)),
            "errors": str(sum(1 for c in cases if c.find("error") is not None)),
            "skipped": str(sum(1 for c in cases if c.find("skipped") is not None)),
            "time": f"{float(view.seconds.get('total', 0.0)) if view else 0.0:.3f}",
            "timestamp": xml_text(str(report.header.get("started", ""))),
        },
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in _facts(view).items():
        ET.SubElement(properties, "property", {"name": xml_text(key), "value": xml_text(value)})
    suite.extend(cases)
    return suite


def _facts(view: BackendView | None) -> dict[str, str]:
    if view is None:
        return {}
    engine = view.fact("engine")
    told = {"engine": str(engine)} if engine is not None else {}
    return {**told, "deployment": view.deployment, **_packages(view)}


def _packages(view: BackendView) -> dict[str, str]:
    packages = view.fact("packages")
    return {str(k): str(v) for k, v in packages.items()} if isinstance(packages, dict) else {}


def render(report: Report) -> str:
    """The XML document."""
    root = ET.Element(
        "testsuites", {"name": xml_text(str(report.header.get("suite", "conformance")))}
    )
    by_name = {view.name: view for view in report.backends}
    names = dict.fromkeys([*by_name, *(row.backend for row in report.rows)])
    suites = [_suite(report, name, by_name.get(name)) for name in names]
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
