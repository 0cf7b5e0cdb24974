"""
A page for each rule of the contract: the promise, its source, why it matters, the verdicts, the proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from store_conformance.cli.commands import rule_record
from store_conformance.contract import Level, Rule, Verdict, groups, rules
from store_conformance.reports.cells import Cell
from store_conformance.reports.markdown import code, escape, table
from store_conformance.reports.sources import explained
from store_conformance.reports.text import ICONS, plural
from website.published import Finding, findings, report

LEVELS = {
    Level.MUST: "**MUST**: a sentence of LangGraph's docs or docstrings says it.",
    Level.SHOULD: "**SHOULD**: no sentence says it; it follows from the data model, or most official stores agree.",
    Level.IMPL: "**IMPL**: left to each store; what it does is recorded and never failed.",
}
FOLDER = "rules"
MOST = 500
"""Characters of a message in a table."""


def pages() -> dict[str, str]:
    """Each page by its place in the site, the index first."""
    return {f"{FOLDER}/index.md": _index()} | {
        f"{FOLDER}/{rule.id}.md": _page(rule) for rule in rules()
    }


def heading(rule: Rule) -> str:
    return f"{rule.id}: {rule.title or rule.promise}"


def _index() -> str:
    """Every rule with how many of the published backends keep it."""
    lines = [
        "# Rules",
        "",
        f"{len(rules())} promises of `BaseStore`; [the contract](../CONTRACT.md) has them on one page.",
        "",
        *(f"- {level}" for level in LEVELS.values()),
    ]
    for group in groups():
        rows = [
            (f"[{r.id}]({r.id}.md)", str(r.level), escape(r.title), _tally(r))
            for r in rules()
            if r.group == group.id
        ]
        lines += ["", f"## {group.id}: {group.title}", ""]
        lines += table(("Rule", "Level", "Promise", "Published runs"), rows)
    return "\n".join(lines) + "\n"


def _tally(rule: Rule) -> str:
    cells = [cell for _, cell in _cells(rule)]
    told = [
        f"{ICONS[verdict]} {sum(c.verdict is verdict for c in cells)} {verdict}"
        for verdict in Verdict
        if any(c.verdict is verdict for c in cells)
    ]
    return ", ".join(told) or "not in them"


def _cells(rule: Rule) -> list[tuple[str, Cell]]:
    return [(view.name, view.cells[rule.id]) for view in report().backends if rule.id in view.cells]


def _page(rule: Rule) -> str:
    since = f" Since langgraph-checkpoint {rule.since}." if rule.since else ""
    lines = [
        f"# {escape(heading(rule))}",
        "",
        f"{LEVELS[rule.level]}{since}",
        "",
        "## The promise",
        "",
        f"{_marked(rule.promise)}.",
        "",
        "## Why it matters",
        "",
        rule.why,
        "",
        "## Where it is written",
        "",
        _source(rule),
        "",
        *_verdicts(rule),
        *_proof(rule),
    ]
    return "\n".join(lines) + "\n"


def _marked(text: str) -> str:
    """A part of a sentence whose backticks are markup and stay, as do the spaces around it."""
    parts = re.split(r"(`[^`]*`|^\s+|\s+$)", text)
    return "".join(p if p.startswith("`") or p.isspace() else _escaped(p) for p in parts)


def _escaped(text: str) -> str:
    before, after = len(text) - len(text.lstrip()), len(text) - len(text.rstrip())
    return " " * bool(before) + escape(text, 2000) + " " * bool(after)


def _source(rule: Rule) -> str:
    told = [
        f"[{escape(part.text)}]({part.link})" if part.link else _marked(part.text)
        for part in explained(rule.source)
    ]
    return "".join(told)


def _verdicts(rule: Rule) -> list[str]:
    """What each backend did in the published runs, and the findings about it."""
    cells = _cells(rule)
    lines = ["## What the backends do", ""]
    if not cells:
        return [*lines, "The published runs are older than this rule.", ""]
    started = str(report().header.get("started", ""))[:10]
    lines += [f"In the [published runs](../published/report.md) of {started}:", ""]
    rows = [
        (f"[{name}](../backends/{name}.md)", f"{ICONS[c.verdict]} {c.word}", _why(c))
        for name, c in cells
    ]
    lines += [*table(("Backend", "Verdict", "What was seen"), rows), ""]
    about = [finding for finding in findings() if rule.id in finding.rules]
    if about:
        lines += ["Findings with a script that shows it:", "", *map(_finding, about), ""]
    return lines


def _finding(finding: Finding) -> str:
    return f"- [{escape(finding.title)}](../findings/{finding.name}.md)"


def _why(cell: Cell) -> str:
    """The reason of what is no pass; a pass says how many checks it is made of."""
    if cell.verdict is Verdict.PASS:
        return plural(len(cell.rows), "check")
    known = next((r.expectation for r in cell.rows if r.expectation), "")
    told = escape(cell.reason, MOST)
    return f"{told}.<br>Known: {escape(known, MOST)}" if known else told


def _proof(rule: Rule) -> Iterator[str]:
    """The cases, and the broken stores that they must catch."""
    record = rule_record(rule.id)
    yield from ("## How it is checked", "", *map(_case, record["cases"]), "")
    yield from (f"`store-conformance run -b memory --rule {rule.id}` runs them.", "")
    yield from ("## What proves the check", "")
    if record["mutants"]:
        yield "A check counts only if it catches stores that are broken on purpose. It must catch these:"
        yield ""
        for mutant in record["mutants"]:
            yield f"- {code(mutant['name'])}: {escape(mutant['sin'])}"
    else:
        yield "Nothing can be broken here: each answer is right, and is recorded."


def _case(case: dict[str, object]) -> str:
    modes = case["modes"]
    told = f" ({', '.join(map(str, modes))})" if isinstance(modes, list) else ""
    return f"- {code(str(case['id']))}{told}: {escape(str(case['sentence']))}"
