"""
A checklist for a terminal, as Markdown and as JSON.
"""

from __future__ import annotations

import json

from store_conformance.checklist.model import FAIL, HIDDEN, PARTS, PASS, WARN, Checklist, Line

_MARKS = {PASS: "ok", FAIL: "FAIL", WARN: "warn", HIDDEN: "?"}


def _order(line: Line) -> tuple[int, int]:
    return PARTS.index(line.check.part), (FAIL, WARN, HIDDEN, PASS).index(line.status)


def summary(found: Checklist) -> str:
    counts = ", ".join(f"{number} {status}" for status, number in found.counts.items())
    return f"{found.where}: {len(found.lines)} checks: {counts}"


def as_text(found: Checklist, *, every: bool = False) -> str:
    """What is not well first within each part; what is well only where ``every`` is asked for."""
    lines, part = [], ""
    for line in sorted(found.lines, key=_order):
        if line.status == PASS and not every:
            continue
        if line.check.part != part:
            part = line.check.part
            lines.append(f"\n{part}")
        lines.append(
            f"  {_MARKS[line.status]:<5} {line.check.id:<5} {line.check.promise}: {line.said}"
        )
        if line.advice:
            how = "by hand" if line.status == HIDDEN else "fix"
            lines.append(f"              {how}: {line.advice}")
    return "\n".join([*lines, "", summary(found)]).lstrip("\n")


def as_markdown(found: Checklist) -> str:
    """Every line as a row of a table."""
    rows = [
        f"| {_MARKS[line.status]} | {line.check.id} | {line.check.part} | {_cell(line.check.promise)} | {_cell(line.said)} | {_cell(line.advice)} | {_cell(line.check.source)} |"
        for line in sorted(found.lines, key=_order)
    ]
    head = "| | id | part | promise | seen | what to do | source |\n|---|---|---|---|---|---|---|"
    return "\n".join([f"# Production checklist\n\n{summary(found)}\n", head, *rows, ""])


def as_json(found: Checklist) -> str:
    return json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
