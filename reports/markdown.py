"""
The report as one Markdown page that a code host shows well: short cells first, the long parts folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from store_conformance.contract import Rule
from store_conformance.contract.checked import counted
from store_conformance.reports.cells import Finding, confirmation
from store_conformance.reports.derived import SIGNS, Derived, Grade
from store_conformance.reports.durability import level_verdicts
from store_conformance.reports.model import Report
from store_conformance.reports.pictures import Picture
from store_conformance.reports.recommendation import Candidate, Recommendation
from store_conformance.reports.summary import (
    GRADE_WORDS,
    comparison_rows,
    flags,
    group_tally,
    what_ran,
)
from store_conformance.reports.survival import KIND_TITLES
from store_conformance.reports.table import Table
from store_conformance.reports.tables import (
    concurrency,
    disk,
    latency,
    left,
    paces,
    recall,
    trend,
    trend_latencies,
)
from store_conformance.reports.tables_checklist import checklist
from store_conformance.reports.tables_run import backend_facts, run_facts, seconds
from store_conformance.reports.tables_survival import survives
from store_conformance.reports.text import ICONS, one_line, plural, safe_link, visible
from store_conformance.reports.view import BackendView

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$])")
_LINKS = re.compile(r"(?<=\w):(?=//)|(?<=www)\.|@", re.IGNORECASE)
"""What a code host makes a link of without any brackets: an address, or somebody's name."""
_TICKS = re.compile(r"`+")


def escape(text: str, limit: int = 600) -> str:
    """The text on one line with everything escaped that Markdown or HTML would take as markup or a link."""
    flat = _SPECIAL.sub(r"\\\1", one_line(text, limit).replace("&", "&amp;"))
    return _LINKS.sub(lambda found: "".join(f"&#{ord(c)};" for c in found.group()), flat)


def code(text: str, limit: int = 300, *, in_table: bool = False) -> str:
    """The text as inline code, whatever backticks it holds; a bar would end a table's cell."""
    flat = one_line(text, limit)
    flat = flat.replace("|", "\\|") if in_table else flat
    fence = "`" * (max((len(t) for t in _TICKS.findall(flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def promise(rule: Rule) -> str:
    """A rule in plain words: its title, or its promise, whose own backticks are markup and may stay."""
    parts = re.split(r"(`[^`]*`)", visible(rule.title or rule.promise))
    return "".join(
        p.replace("|", "\\|") if p.startswith("`") else _SPECIAL.sub(r"\\\1", p) for p in parts if p
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of cells that are escaped already."""
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join('---' for _ in head)}|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def _name(view: BackendView) -> str:
    return f"{escape(view.name)} (emulated)" if view.emulated else escape(view.name)


def _names(report: Report) -> list[str]:
    return [_name(view) for view in report.backends]


def folded(title: str, lines: Iterable[str]) -> list[str]:
    """A part that a code host shows closed; ``title`` is escaped already."""
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>", ""]


def told(made: Table) -> list[str]:
    """A table of the report, its note above it."""
    if not made.rows:
        return []
    rows = [[escape(value) or "–" for value in row] for row in made.rows]
    note = [escape(made.note, 2000), ""] if made.note else []
    return [*note, *table([escape(name) for name in made.head], rows)]


# -- the first screen ----------------------------------------------------------------------------


def _value(derived: Derived) -> str:
    word = f"{SIGNS[derived.grade]} {escape(derived.short)}".strip()
    word = word if derived.grade is Grade.UNKNOWN else f"**{word}**"
    return f"{word}<br>{escape(derived.detail)}" if derived.detail else word


def _comparison(report: Report) -> list[str]:
    rows = [
        [f"**{feature.title}**", *(_value(values[view.name]) for view in report.backends)]
        for feature, values in comparison_rows(report)
    ]
    signs = ", ".join(f"{SIGNS[g]} {words}" for g, words in GRADE_WORDS.items() if SIGNS[g])
    lines = ["## Comparison", "", *table(["", *_names(report)], rows), "", f"{signs}.", ""]
    return [*lines, *folded("From what each value follows", _derivations(report))]


def _derivations(report: Report) -> list[str]:
    lines = []
    for feature, values in comparison_rows(report):
        lines += [f"**{feature.title}**: {escape(feature.how, 2000)}", ""]
        for view in report.backends:
            derived = values[view.name]
            notes = "".join(f" {escape(note)}." for note in derived.notes)
            why = escape(derived.because, 2000)
            lines.append(f"- {_name(view)}: **{escape(derived.value)}**. {why}{notes}")
        lines.append("")
    return lines


def _bites(candidate: Candidate) -> str:
    if not candidate.bites:
        return "no check saw a promise broken"
    first = "; ".join(f"{escape(b.rule.id)} {promise(b.rule)}" for b in candidate.bites)
    return f"of {plural(candidate.broken, 'broken promise')} first: {first}"


def _recommendation(answer: Recommendation) -> list[str]:
    kind, chosen = answer.kind, answer.chosen
    lines = [f"### {kind.title}: {escape(chosen.backend) if chosen else 'none'}", ""]
    if chosen is None:
        lines += ["No backend of this run meets the conditions.", ""]
    else:
        lines.append(f"- Why: {escape(chosen.why)}.")
        lines.append(f"- What will bite: {_bites(chosen)}.")
        if chosen.lacks:
            lines.append(f"- Declares not to offer: {', '.join(chosen.lacks)}.")
        if chosen.own:
            lines.append("- Its store is this project's own, written with these checks at hand.")
        if answer.reservation:
            lines.append(f"- {SIGNS[Grade.UNKNOWN]} {escape(answer.reservation)}")
        lines.append("")
    others = [f"- How this follows: {kind.how}"]
    others += [
        f"- {escape(c.backend)}, next: {escape(c.why)}; {plural(c.broken, 'broken promise')}"
        for c in answer.candidates[1:]
    ]
    others += [f"- {escape(name)}, not: {escape(why)}" for name, why in answer.refused.items()]
    return [*lines, *folded("Others, and how this follows", others)]


# -- rules and findings --------------------------------------------------------------------------


def _matrix(report: Report) -> list[str]:
    head = ["rules passed", *_names(report)]
    rows = [
        [
            f"**{escape(grid.group.id)}** {escape(grid.group.title)}",
            *(group_tally(view, grid) for view in report.backends),
        ]
        for grid in report.groups
    ]
    signs = ", ".join(f"{sign} {verdict}" for verdict, sign in ICONS.items())
    lines = ["## Every rule", "", f"{signs}; a failure in brackets was expected.", ""]
    return [*lines, *table(head, rows), "", *folded("Rule by rule", _rules(report))]


def _rules(report: Report) -> list[str]:
    def sign(view: BackendView, rule: Rule) -> str:
        cell = view.cells.get(rule.id)
        if cell is None:
            return "not run"
        return f"({ICONS[cell.verdict]})" if cell.expected else ICONS[cell.verdict]

    rows = [
        [
            escape(rule.id),
            str(rule.level),
            promise(rule),
            *(sign(view, rule) for view in report.backends),
        ]
        for rule in report.rules
    ]
    return table(["rule", "level", "promise", *_names(report)], rows)


def _link(address: str) -> str:
    link = safe_link(address)
    if link and not re.search(r"[<>\s|]", link):
        return f"<{one_line(link, 500)}>"
    return escape(address)


def _findings(report: Report) -> list[str]:
    lines = ["## Findings", ""]
    if not report.findings:
        lines += ["No rule failed.", ""]
    by_rule: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_rule.setdefault(finding.rule.id, []).append(finding)
    rows = []
    for of_rule in by_rule.values():
        rule = of_rule[0].rule
        where = [
            f"{escape(f.backend)}{' (emulated)' if f.emulated else ''} "
            + ("known" if f.expected else "**new**")
            for f in of_rule
        ]
        links = dict.fromkeys(f.upstream for f in of_rule if f.upstream)
        rows.append(
            [
                escape(rule.id),
                str(rule.level),
                promise(rule),
                "<br>".join(where),
                "<br>".join(map(_link, links)),
            ]
        )
    if rows:
        lines += [*table(["rule", "level", "does not hold", "where", "upstream"], rows), ""]
        lines += folded("What was seen", [_seen(finding) for finding in report.findings])
    return [*lines, *_troubles(report)]


def _seen(finding: Finding) -> str:
    row = finding.first
    known = f" Known: {escape(row.expectation)}." if row.expectation is not None else ""
    script = f" Reproducer: {confirmation(row)}." if row.script else ""
    where = f"{escape(finding.rule.id)} {escape(finding.backend)} {code(row.case)}"
    return f"- {where}: {escape(row.message, 300)}.{known}{script}"


def _troubles(report: Report) -> list[str]:
    lines = []
    for title, rows in (
        ("Faults of the harness", report.harness_errors),
        ("Stale expectations (the check passes now)", report.stale),
    ):
        if rows:
            lines += [f"### {title}", ""]
            for row in rows:
                text = row.expectation if row in report.stale else row.message
                where = f"{escape(row.backend)} {escape(row.rule)} {code(row.case)} ({row.mode})"
                lines.append(f"- {where}: {escape(str(text))}")
            lines.append("")
    return lines


# -- figures -------------------------------------------------------------------------------------


def _restarts(report: Report) -> list[str]:
    levels = {view.name: level_verdicts(view) for view in report.backends}
    if not any(levels.values()):
        return []
    rows = []
    for view in report.backends:
        of = levels[view.name]
        rows.append(
            [
                _name(view),
                *(f"{ICONS[of[k]]} {of[k]}" if k in of else "not measured" for k in KIND_TITLES),
            ]
        )
    head = ["backend", *KIND_TITLES.values()]
    return ["## Restart survival", "", *table(head, rows), ""]


def _survives(report: Report, pictures: tuple[Picture, ...]) -> list[str]:
    made = survives(report)
    return [f"## {made.title}", "", *_drawn(made, pictures), *told(made), ""] if made.rows else []


def _drawn(made: Table, pictures: tuple[Picture, ...]) -> list[str]:
    """The picture of a table, where it was drawn."""
    return [
        line
        for p in pictures
        if p.id == made.id
        for line in (f"![{p.alt}]({FOLDER}/{p.id}.svg)", "")
    ]


def _figures(report: Report, pictures: tuple[Picture, ...]) -> list[str]:
    lines = []
    for make in (latency, paces, recall, disk, concurrency, left, trend, trend_latencies):
        made = make(report)
        if not made.rows:
            continue
        lines += [f"## {made.title}", "", *_drawn(made, pictures), *told(made), ""]
    return lines


def _portability(report: Report) -> list[str]:
    rows = []
    for row in report.portability:
        if row.differs:
            cells = [
                escape("; ".join(c.text for c in row.answers.get(name, ())), 80) or "not measured"
                for name in report.names
            ]
            rows.append([escape(row.rule.id), escape(row.question) or promise(row.rule), *cells])
    if not rows:
        return []
    title = f"{plural(len(rows), 'answer')} of {len(report.portability)} that differ by right"
    head = ["rule", "what", *_names(report)]
    return ["## Portability", "", *folded(title, table(head, rows))]


def _checklist(report: Report) -> list[str]:
    made = checklist(report)
    if not made.rows:
        return []
    title = f"{escape(counted(report.checks))}"
    return [f"## {made.title}", "", *folded(title, told(made))]


def _run(report: Report) -> list[str]:
    parts = [
        line for made in (seconds, backend_facts, run_facts) for line in (*told(made(report)), "")
    ]
    return ["## The run", "", *folded("Seconds, backends, settings", parts)]


MORE = (
    "Every check, every answer and each reproducer: `report.html` and `report.json`, which "
    "`store-conformance report RUN...` makes of the run files; a script for one finding: "
    "`store-conformance repro RUN RULE`."
)
FOLDER = "pictures"
"""Where the picture files are, beside the report."""


def render(report: Report, pictures: tuple[Picture, ...] = ()) -> str:
    """The Markdown document; it shows the pictures that are given, as files of ``pictures/``."""
    lines = [
        "# LangGraph store conformance",
        "",
        f"{'; '.join(map(escape, what_ran(report)))}.",
        "",
        *(f"- **{escape(flag)}**" for flag in flags(report)),
        *(f"- {escape(name)} could not run: {escape(why)}" for name, why in report.absent.items()),
        "",
        *_comparison(report),
        "## Which for whom",
        "",
        *(line for answer in report.recommendations for line in _recommendation(answer)),
        *_matrix(report),
        *_findings(report),
        *_restarts(report),
        *_survives(report, pictures),
        *_figures(report, pictures),
        *_portability(report),
        *_checklist(report),
        *_run(report),
        "## What this report cannot say",
        "",
        *(f"- {escape(sentence, 2000)}" for sentence in report.caveats),
        "",
        MORE,
        "",
    ]
    return "\n".join(lines)
