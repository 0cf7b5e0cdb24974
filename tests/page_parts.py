"""
A written page taken apart, for tests: what a browser would find in it, and the data that it carries.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from store_conformance.reports.page_data import unpacked


def page_data(text: str) -> dict[str, Any]:
    """The data that stand in the page, unpacked."""
    (packed,) = re.findall(
        r'<script type="application/octet-stream" id="data">([^<]*)</script>', text
    )
    return unpacked(packed)


class Page(HTMLParser):
    """What a browser would find in a page: ids, links, loads, unclosed tags, table heads."""

    VOID = frozenset({"meta", "link", "br", "input", "rect", "col"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.scripts: list[str | None] = []
        """The types of the scripts; ``None``: one that runs."""
        self.heads: list[str | None] = []
        self.headings: list[int] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))
        loads = {"src", "srcset", "data", "poster", "action", "background"} & set(given)
        self.loads += [str(given[name]) for name in loads]
        if tag == "link":
            self.loads.append(str(given["href"]))
        self.handlers += [name for name in given if name.startswith("on") or name == "style"]
        if tag == "script":
            self.scripts.append(given.get("type"))
        if tag == "th":
            self.heads.append(given.get("scope"))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"
