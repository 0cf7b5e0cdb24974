"""
The production checklist as a page of its own, in the report's style.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from store_conformance.contract.checked import FAIL, HIDDEN, PARTS, PASS, WARN, CheckedLine
from store_conformance.reports.page import environment, policy, source

CLASSES = {PASS: "pass", FAIL: "fail", WARN: "warn", HIDDEN: "unseen"}
"""The signs and colours of the style sheet."""


def page(found: Mapping[str, Any]) -> str:
    """One checklist (what ``Checklist.to_dict`` gives) as a self-contained page without a script."""
    told = (CheckedLine(str(found["engine"]), **line) for line in found["lines"])
    lines = sorted(told, key=lambda line: line.place)
    style = source("style.css")
    return (
        environment()
        .get_template("checklist.html.j2")
        .render(
            where=found["where"],
            counts=found["counts"],
            parts=[(part, [line for line in lines if line.part == part]) for part in PARTS],
            classes=CLASSES,
            style=Markup(style),
            policy=Markup(policy(style)),
        )
    )
