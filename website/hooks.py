"""
What MkDocs calls: it is given the pages that are generated, and the repository's own pages at their new place.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # `mkdocs build` looks for modules in its own folder only
    sys.path.insert(0, str(ROOT))

from store_conformance.contract import groups, rules  # noqa: E402
from store_conformance.reports.page import render  # noqa: E402
from website import backend_pages, front_page, rule_pages  # noqa: E402
from website.lists import with_wide_lists  # noqa: E402
from website.places import FOLDERS, MOVED, Places  # noqa: E402
from website.published import PAGE, findings, pictures, report  # noqa: E402

_RULE_ROW = re.compile(r"^\| ([A-Z]\d+) \|", re.MULTILINE)
_RULES_LINE = re.compile(r"(?<=\*\*Rules of the contract:\*\* )[^*.]+")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation with what is generated below its headings."""
    lists: dict[str, list[Any]] = {
        "rules": [
            f"{rule_pages.FOLDER}/index.md",
            {"The contract on one page": "CONTRACT.md"},
            *(
                {
                    f"{g.id}: {g.title}".replace("`", ""): [
                        {rule_pages.heading(r): f"{rule_pages.FOLDER}/{r.id}.md"}
                        for r in rules()
                        if r.group == g.id
                    ]
                }
                for g in groups()
            ),
        ],
        "backends": [
            {view.name: f"{backend_pages.FOLDER}/{view.name}.md"} for view in report().backends
        ],
        "findings": [
            {"All findings": "findings/README.md"},
            *({f.title: f"findings/{f.name}.md"} for f in findings()),
        ],
    }
    config.nav = [_filled(entry, lists) for entry in config.nav or []]
    places = Places()
    if places.address:
        config.repo_url = places.address
    return config


def _filled(entry: Any, lists: dict[str, list[Any]]) -> Any:
    """The entry with each name in angle brackets replaced by the list of that name."""
    if not isinstance(entry, dict):
        return entry
    return {
        title: [
            found
            for one in below
            for found in (lists[one[1:-1]] if str(one).startswith("<") else [one])
        ]
        if isinstance(below, list)
        else below
        for title, below in entry.items()
    }


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The generated pages, and the repository's own that are not in docs/."""
    for place, text in (rule_pages.pages() | backend_pages.pages()).items():
        files.append(File.generated(config, place, content=text))
    for path, place in MOVED.items():
        if place != "index.md":
            files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    for folder, place in FOLDERS.items():
        for file in sorted((ROOT / folder).iterdir()):
            where = f"{place}/{file.name}"
            files.append(File.generated(config, where, abs_src_path=str(file)))
    files.append(File.generated(config, PAGE, content=render(report(), pictures())))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page's own text for this site: its links, its lists, and rules as links to their pages."""
    place = page.file.src_uri
    path = Places().file_of(place)
    if path is None:
        return markdown
    text = Places().moved(markdown, place, path)
    if place == "index.md":
        text = front_page.filled(text)
        page.meta["hide"] = ["navigation", "toc"]  # eight columns need the width
    elif place == "FIGURES.md":
        text = front_page.with_derivations(text)
    elif place == "CONTRACT.md":
        text = _RULE_ROW.sub(r"| [\1](rules/\1.md) |", text)
    elif place.startswith("findings/"):
        text = _RULES_LINE.sub(
            lambda m: re.sub(r"[A-Z]\d+", r"[\g<0>](../rules/\g<0>.md)", m[0]), text
        )
    elif place == "published/report.md":
        page.meta["hide"] = ["navigation"]
        text = text.replace("<details>", '<details markdown="1">')
        text = f"[The same report as a page]({posixpath.basename(PAGE)}), with every check behind its cell.\n\n{text}"
    return with_wide_lists(text)
