"""
The report as one self-contained HTML page: no network, readable without JavaScript, light and dark.

Texts of a run are foreign: everything is escaped, links go to ``http(s)`` only, and a content security
policy lets nothing run but the page's own script, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from contextlib import suppress
from functools import lru_cache
from importlib import resources
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup, escape

from store_conformance.contract import Level, Restart, Verdict
from store_conformance.reports.cells import (
    Cell,
    Evidence,
    confirmation,
    evidence_of,
    shows_values,
)
from store_conformance.reports.derived import SIGNS, Derived
from store_conformance.reports.latency import Latency
from store_conformance.reports.model import Report
from store_conformance.reports.portability import PortabilityRow
from store_conformance.reports.survival import KIND_TITLES, Survival
from store_conformance.reports.text import (
    ICONS,
    milliseconds,
    number,
    plural,
    safe_link,
    show,
    slugs,
    visible,
)
from store_conformance.reports.view import BackendView

_CODE = re.compile(r"`([^`]+)`")
BAR = 160
"""Width of a latency bar in pixels."""


def _finalize(value: Any) -> Any:
    if value is None:
        return ""
    return visible(value) if type(value) is str else value


def code(text: str) -> Markup:
    """A promise with its backticked parts as code elements."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(visible(text)))))


def _source(name: str) -> str:
    folder = resources.files("store_conformance.reports").joinpath("templates")
    return folder.joinpath(name).read_text("utf-8").strip()


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; "
        f"script-src 'sha256-{_digest(script)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def shown_evidence(cell: Cell) -> tuple[Evidence, ...]:
    """What to show in full: the rows that are neither a pass nor a plain lack of the feature."""
    plain = (Verdict.PASS, Verdict.UNSUPPORTED)
    return evidence_of(r for r in cell.rows if r.verdict not in plain or r.expectation)


def differs(report: Report, rule_id: str) -> bool:
    """Whether the backends do not all have the same verdict on the rule."""
    words = {view.cells[rule_id].word for view in report.backends if rule_id in view.cells}
    return len(words) > 1


def troubled(report: Report, rule_id: str) -> bool:
    """Whether the rule failed, or ended in a harness error, on any backend."""
    cells = [view.cells[rule_id] for view in report.backends if rule_id in view.cells]
    return any(cell.verdict in (Verdict.FAIL, Verdict.ERROR) for cell in cells)


def bars(timed: Latency, every: tuple[Latency, ...]) -> dict[str, int] | None:
    """Pixel widths of p50 and p95, on the scale of the operation's slowest p95."""
    alike = [t for t in every if (t.operation, t.items) == (timed.operation, timed.items)]
    top = max((t.figures.p95 or t.median or 0.0 for t in alike), default=0.0)
    if not top or timed.median is None:
        return None
    far = timed.figures.p95 or timed.median
    return {"p50": max(1, round(BAR * timed.median / top)), "p95": max(1, round(BAR * far / top))}


def answers(row: PortabilityRow, name: str) -> list[str]:
    """The backend's answers, with the modes where they differ."""
    choices = row.answers.get(name, ())
    if len(choices) == 1:
        return [choices[0].text]
    return [f"{c.text} ({', '.join(c.modes)})" if c.modes else c.text for c in choices]


def survival_rows(report: Report) -> list[tuple[str, str, dict[str, Survival]]]:
    """The restart matrix, a row a backend and memory type, its entries by kind of restart."""
    table: dict[tuple[str, str], dict[str, Survival]] = {}
    for entry in report.survival:
        table.setdefault((entry.backend, entry.memory_name), {})[entry.kind] = entry
    return [(backend, memory, entries) for (backend, memory), entries in table.items()]


def share(view: BackendView) -> str:
    """Which part of the seconds that no case waited for was spent outside the store."""
    total, inside = view.seconds.get("total"), view.seconds.get("in_store")
    busy = (total or 0.0) - view.seconds.get("waited", 0.0)
    if busy <= 0 or inside is None:
        return "–"
    return f"{max(0.0, 1 - inside / busy):.0%}"


def details(derived: Derived, slug: str, view: BackendView) -> list[tuple[str, str]]:
    """The rules that a value used as (id, anchor), those that the page has."""
    return [(r, f"{slug}-{r}") for r in derived.rules if r in view.cells]


class _Compiled(FileSystemBytecodeCache):
    """Compiled templates beside compiled modules, under the same conditions; else they are compiled anew."""

    def __init__(self) -> None:
        module = Path(str(resources.files("store_conformance.reports") / "templates" / "page.py"))
        super().__init__(str(Path(cache_from_source(str(module))).parent))

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):  # a package that we may not write to
            Path(self.directory).mkdir(parents=True, exist_ok=True)
            super().dump_bytecode(bucket)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        bytecode_cache=_Compiled(),
        loader=PackageLoader("store_conformance.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(
        code=code, ms=milliseconds, number=number, show=show, link=safe_link, plural=plural
    )
    environment.globals.update(
        icons={str(v): sign for v, sign in ICONS.items()},
        signs={str(grade): sign for grade, sign in SIGNS.items()},
        kinds=tuple(Restart),
        kind_titles=KIND_TITLES,
        verdicts=[str(v) for v in Verdict],
        impl=Level.IMPL,
        answers=answers,
        bars=bars,
        bar_width=BAR,
        confirmation=confirmation,
        details=details,
        differs=differs,
        share=share,
        shows_values=shows_values,
        shown_evidence=shown_evidence,
        evidence_of=evidence_of,
        survival_rows=survival_rows,
        troubled=troubled,
    )
    return environment


def compile_templates() -> None:
    """Do now what the first ``render`` would do first."""
    for name in _environment().list_templates(extensions=("j2",)):
        _environment().get_template(name)


def render(report: Report) -> str:
    """The page as text."""
    style, script = _source("style.css"), _source("page.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            anchors=slugs(report.names),
            style=Markup(style),
            script=Markup(script),
            policy=Markup(_policy(style, script)),
        )
    )
