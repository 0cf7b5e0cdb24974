"""
The documentation as a site: it is built strictly and without a network, its links lead somewhere, and what is
generated says what the contract and the published runs say.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from store_conformance.contract import rules
from website.lists import with_wide_lists
from website.places import Places, outside_of_code

pytestmark = pytest.mark.xdist_group("site")  # the site is built once
ROOT = Path(__file__).resolve().parent.parent
SCRIPTED = "page.html"
"""The report's own page, whose script makes the places that its links lead to (test_page_browser.py)."""
BUILD = """
import socket, sys

def refuse(*address):
    raise OSError("the site must be built without a network")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from mkdocs.__main__ import cli
cli(["build", "--strict", "--site-dir", sys.argv[1]])
"""


# -- the whole site ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="unverified: mkdocs-material is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


class _Page(HTMLParser):
    """What a page has to be pointed at, and what it points at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def has(self, fragment: str) -> bool:
        return not fragment or fragment in self.ids

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.fetched.append(given.get("href", ""))
        elif "src" in given:
            self.fetched.append(given["src"])


def pages_of(folder: Path) -> dict[Path, _Page]:
    return {path: _Page(path.read_text("utf-8")) for path in sorted(folder.rglob("*.html"))}


def dead_links(folder: Path) -> Iterator[str]:
    """Links that lead nowhere, and what would be fetched from elsewhere."""
    every = pages_of(folder)
    for path, page in every.items():
        if path.name == "404.html":
            continue  # its addresses begin at the site's root, wherever it was asked for
        where = path.relative_to(folder).as_posix()
        for target in (*page.links, *page.fetched):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if target in page.fetched and parts.scheme != "data":
                    yield f"{where} fetches {target}"
                continue
            found = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not found.is_file():
                yield f"{where}: {target}: there is no such file"
            elif (
                found.suffix == ".html"
                and found.name != SCRIPTED
                and not every[found].has(unquote(parts.fragment))
            ):
                yield f"{where}: {target}: there is no such place"


@pytest.mark.slow
def test_every_link_of_the_site_leads_somewhere(site: Path) -> None:
    assert list(dead_links(site)) == []


def test_a_link_that_leads_nowhere_is_seen(tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text(
        '<p id="here"><a href="#here">a</a><a href="#there">b</a><a href="two.html">c</a>'
        '<img src="https://example.org/a.png"><a href="https://example.org">d</a>',
        "utf-8",
    )

    assert list(dead_links(tmp_path)) == [
        "one.html: #there: there is no such place",
        "one.html: two.html: there is no such file",
        "one.html fetches https://example.org/a.png",
    ]


def words(path: Path) -> str:
    """What a reader reads on a page."""
    body = path.read_text("utf-8").partition("<article")[2].partition("</article>")[0]
    text = re.sub(r"<[^>]+>", " ", body)
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(entity, sign)
    return " ".join(text.split())


@pytest.mark.slow
def test_each_rule_and_each_finding_has_a_page(site: Path) -> None:
    findings = sorted(p.stem for p in (ROOT / "reports/published/findings").glob("*-*.md"))

    assert sorted(p.stem for p in (site / "rules").glob("*.html")) == sorted(
        [*(r.id for r in rules()), "index"]
    )
    assert sorted(p.stem for p in (site / "findings").glob("*-*.html")) == findings
    assert all((site / "findings" / f"{name}.py").is_file() for name in findings)


@pytest.mark.slow
def test_the_page_of_a_rule_tells_all_of_it(site: Path) -> None:
    told = words(site / "rules" / "T7.html")
    rule = next(r for r in rules() if r.id == "T7")

    assert rule.title in told
    assert rule.why in told
    assert "deletes exactly the expired, returns the count" in told
    assert "langgraph/store/sqlite/base.py (langgraph-checkpoint-sqlite 3.1.2), lines" in told
    assert re.search(r"postgres ✗ fail \(expected\) (get\(|put\(|the errors of puts)", told)
    assert re.search(r"qdrant ✓ pass \d+ checks", told)
    assert "The TTL sweeper of PostgresStore breaks the connection" in told
    assert "sweep_deletes_nothing" in told or "sweep" in told.partition("proves")[2]


@pytest.mark.slow
def test_generated_parts_stand_where_the_pages_ask_for_them(site: Path) -> None:
    front, figures = words(site / "index.html"), words(site / "FIGURES.html")

    assert re.search(r"Promises kept ◐ \d+ of \d+ \d+ broken", front)
    assert "pinecone (emulated)" in front
    assert "Scalability “Single process (declared)” if" in figures
    assert "emulator . It says nothing about the service" in words(
        site / "backends" / "pinecone.html"
    )


# -- the parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "page", "path", "leads"),
    [
        ("CONTRACT.md#x", "STORES.md", "docs/STORES.md", "CONTRACT.md#x"),
        ("../CONTRIBUTING.md", "DESIGN.md", "docs/DESIGN.md", "CONTRIBUTING.md"),
        ("docs/STORES.md", "CONTRIBUTING.md", "CONTRIBUTING.md", "STORES.md"),
        ("../README.md", "STORES.md", "docs/STORES.md", "index.md"),
        ("../findings/README.md", "published/x.md", "reports/published/runs/x.md", "../findings/README.md"),
        ("https://example.org/a", "STORES.md", "docs/STORES.md", "https://example.org/a"),
        ("#there", "STORES.md", "docs/STORES.md", "#there"),
        ("nowhere.md", "STORES.md", "docs/STORES.md", "nowhere.md"),
        ("../tox.ini", "STORES.md", "docs/STORES.md", "https://host/us/blob/main/tox.ini"),
    ],
)  # fmt: skip
def test_a_link_is_moved_with_its_page(link: str, page: str, path: str, leads: str) -> None:
    assert Places("https://host/us").link(link, page, path) == leads


def test_a_link_to_the_repository_is_taken_off_while_nobody_knows_its_address() -> None:
    text = "see [the settings](../tox.ini), [`rules`](CONTRACT.md) and `[this](../tox.ini)`"

    assert Places("").moved(text, "STORES.md", "docs/STORES.md") == (
        "see the settings, [`rules`](CONTRACT.md) and `[this](../tox.ini)`"
    )


def test_examples_are_not_changed() -> None:
    text = "a\n```\na\n~~~\na\n```\na"

    assert outside_of_code(text, str.upper) == "A\n```\na\n~~~\na\n```\nA"


@pytest.mark.parametrize(
    ("written", "wide"),
    [
        ("1. One:\n\n   ```toml\n   a = 1\n   ```\n\n2. Two", "1. One:\n\n    ```toml\n    a = 1\n    ```\n\n2. Two"),
        ("- one\n  goes on\n  - below\n\nafter", "- one\n    goes on\n    - below\n\nafter"),
        ("words:\n- one", "words:\n\n- one"),
        ("- one\n\n```\n- no item\n```", "- one\n\n```\n- no item\n```"),
        ("plain\ntext", "plain\ntext"),
    ],
)  # fmt: skip
def test_lists_are_as_python_markdown_reads_them(written: str, wide: str) -> None:
    assert with_wide_lists(written) == wide
