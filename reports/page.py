"""
The report as one self-contained HTML page: no network, light and dark, on a phone and in print.

The first screen is HTML: what was run, the comparison, the recommendation.  The rest stands in the page
once, packed (``page_data``), and the page's script renders what is asked for.
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

from store_conformance.contract.checked import counted
from store_conformance.reports.derived import SIGNS
from store_conformance.reports.model import Report
from store_conformance.reports.page_data import data, packed
from store_conformance.reports.pictures import Picture, draw
from store_conformance.reports.summary import GRADE_WORDS, comparison_rows, flags, what_ran
from store_conformance.reports.tables_survival import survives
from store_conformance.reports.text import plural, slugs, visible

SCRIPTS = ("1-start", "2-matrix", "3-panel", "4-sections")
_CODE = re.compile(r"`([^`]+)`")


def _finalize(value: Any) -> Any:
    if value is None:
        return ""
    return visible(value) if type(value) is str else value


def code(text: str) -> Markup:
    """A promise with its backticked parts as code elements."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(visible(text)))))


def source(name: str) -> str:
    folder = resources.files("store_conformance.reports").joinpath("templates")
    return folder.joinpath(name).read_text("utf-8").strip()


def _script() -> str:
    return "\n".join(source(f"page-{part}.js") for part in SCRIPTS)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def policy(style: str, script: str = "") -> str:
    """What a page may load and run: its own style and script by their hashes, and nothing else."""
    runs = f"script-src 'sha256-{_digest(script)}'; " if script else ""
    return (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; "
        f"{runs}img-src data:; base-uri 'none'; form-action 'none'"
    )


def sections(report: Report) -> tuple[tuple[str, str, str, bool], ...]:
    """What is rendered when it is opened: id, title, what is in it, whether it is open at first."""
    rules = len({finding.rule.id for finding in report.findings})
    told = f"{plural(len(report.findings), 'failed cell')} of {plural(rules, 'rule')}"
    differ = sum(row.differs for row in report.portability)
    checked = counted(report.checks)
    checklist = (("checklist", "Production checklist", checked, True),) if report.checks else ()
    return (
        *checklist,
        ("pictures", "Pictures", "latency, writes a second, recall, size", True),
        ("findings", "Findings", told, False),
        (
            "portability",
            "Portability",
            f"{differ} of {len(report.portability)} answers differ",
            False,
        ),
        ("figures", "Figures", "restarts, latency, recall", False),
        ("run", "The run", "seconds, backends, settings, measurements", False),
    )


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
def environment() -> Environment:
    made = Environment(
        bytecode_cache=_Compiled(),
        loader=PackageLoader("store_conformance.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters.update(code=code, plural=plural)
    made.globals.update(
        comparison_rows=comparison_rows,
        grades=[(str(g), SIGNS[g], words) for g, words in GRADE_WORDS.items()],
    )
    return made


def compile_templates() -> None:
    """Do now what the first ``render`` would do first."""
    for name in environment().list_templates(extensions=("j2",)):
        environment().get_template(name)


def render(report: Report, pictures: tuple[Picture, ...] | None = None) -> str:
    """The page as text; the pictures are drawn if they are not given and can be."""
    style, script = source("style.css"), _script()
    drawn = draw(report) if pictures is None else pictures
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            anchors=slugs(report.names),
            what_ran=what_ran(report),
            flags=flags(report),
            sections=sections(report),
            survives=survives(report),
            data=Markup(packed(data(report, drawn))),
            style=Markup(style),
            script=Markup(script),
            policy=Markup(policy(style, script)),
        )
    )
