"""
A run whose every text is hostile: HTML, script, terminal escapes, Markdown, templates.
"""

from __future__ import annotations

from dataclasses import replace

from store_conformance.contract import Mode
from store_conformance.contract.records import Measurement, Row, Run
from tests.sample_run import BACKENDS, HOSTILE, make_run, row

PLANTED = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "<svg onload=alert(1)>",
    "javascript:alert(1)",
    "\x1b]8;;http://evil.example\x07\x1b[31m",
    "{{ 7*7 }} ${alert(1)} <!--",
    "' onmouseover='alert(1)",
    "# head\n- item\n| cell |\n```\n![i](http://evil.example/i.png) @somebody www.evil.example",
    HOSTILE,
)


def planted_run() -> Run:
    """A run in which every text that a store, a user or a file can choose is hostile."""
    rows: list[Row] = []
    for number, text in enumerate(PLANTED):
        rows.append(
            row(
                PLANTED[0],
                f"K{number + 1}",
                "fail",
                case=f"case::{text}",
                message=text,
                expected=text,
                got=text,
                history=(text, text),
                upstream=text,
                expectation=text,
                script=text,
                confirmed=True,
            )
        )
    rows.append(row(PLANTED[0], PLANTED[1], "fail", message=PLANTED[1]))
    facts = {**BACKENDS["memory"], "engine": PLANTED[0], "store": PLANTED[1], "licence": PLANTED[2]}
    absent = {"absent": PLANTED[0]}
    figures = [
        Measurement(PLANTED[0], f"portability.S9.{text}", text, Mode.SYNC) for text in PLANTED
    ]
    figures.append(
        Measurement(PLANTED[0], "trouble.close", PLANTED[4], facts={PLANTED[0]: PLANTED[1]})
    )
    run = make_run(rows, figures, {PLANTED[0]: facts, PLANTED[2]: absent})
    header = {**run.header, "started": PLANTED[1], "suite": PLANTED[0], "suite_version": PLANTED[2]}
    header["machine"] = {"system": PLANTED[0], "arch": PLANTED[1], "python": PLANTED[2]}
    return replace(run, header=header)
