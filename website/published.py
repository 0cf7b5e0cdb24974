"""
What the pages are made of beside the docs: the published runs as one report, and the findings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from store_conformance.contract.survival import read_campaigns
from store_conformance.reports.model import Report, build_report
from store_conformance.reports.pictures import Picture
from store_conformance.reports.tables import tables
from store_conformance.runs.run_file import merge_runs, read_run
from website.places import FINDINGS, ROOT

PUBLISHED = ROOT / "reports" / "published"
PAGE = "published/page.html"
"""Where the report's own page stands in the site."""


@dataclass(frozen=True)
class Finding:
    """A page about a bug of an official store."""

    name: str
    title: str
    rules: tuple[str, ...]
    stores: str


@lru_cache(maxsize=1)
def report() -> Report:
    """The report on the published runs and campaigns."""
    runs = [read_run(path) for path in sorted((PUBLISHED / "runs").iterdir())]
    return build_report(merge_runs(runs), read_campaigns((PUBLISHED / "campaigns",)))


@lru_cache(maxsize=1)
def findings() -> tuple[Finding, ...]:
    """Every finding, in the order of their names."""
    found = []
    for path in sorted((ROOT / FINDINGS).glob("*.md")):
        text = path.read_text("utf-8")
        rules = re.search(r"\*\*Rules of the contract:\*\* ([^*]+)\.", text)
        stores = re.search(r"\*\*Stores:\*\* ([^*]+)\.", text)
        title = re.match(r"# (.+)", text)
        if rules and stores and title:
            ids = tuple(re.findall(r"[A-Z]\d+", rules[1]))
            found.append(Finding(path.stem, title[1], ids, stores[1]))
    return tuple(found)


def pictures() -> tuple[Picture, ...]:
    """The pictures that were published with the report; nothing is drawn."""
    made = tables(report())
    drawn = sorted((PUBLISHED / "pictures").glob("*.svg"))
    return tuple(
        Picture(p.stem, made[p.stem].title, made[p.stem].title, p.read_text("utf-8"))
        for p in drawn
        if p.stem in made
    )
