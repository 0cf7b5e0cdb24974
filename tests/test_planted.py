"""
Hostile texts in a run do nothing in Markdown, on a terminal, in XML and in JSON (the page: ``test_page_browser.py``).
"""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from store_conformance.reports import write_reports
from store_conformance.reports.markdown import code, escape
from store_conformance.reports.terminal import print_known, print_news, print_tables
from tests.planted_run import PLANTED, planted_run

CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("planted")
    written = write_reports(planted_run(), folder, ["md", "json", "junit"])
    return {path.name: path.read_text("utf-8") for path in written}


def acting(markdown: str) -> list[str]:
    """What a code host would take for markup of the text's own: tags, links, images, names, formulas."""
    outside = re.sub(r"\\.", "", CODE.sub("", markdown))
    outside = re.sub(r"</?details>|</?summary>|<br>|<https://github\.com[^>]*>", "", outside)
    return re.findall(r"<[a-zA-Z/!][^>]*>|!?\[[^\]]*\]\(|https?://|www\.|@\w+|\$[^$]+\$", outside)


def test_markdown_shows_planted_texts_and_acts_on_none(texts: dict[str, str]) -> None:
    assert acting(texts["report.md"].replace("](pictures/", "")) == []
    assert "onerror=alert(1)" in texts["report.md"].replace("\\", "")
    assert "\x1b" not in texts["report.md"]


def test_what_acts_in_markdown_would_be_seen() -> None:
    plain = "\n".join(PLANTED)

    assert len(acting(plain)) >= 6
    assert acting("\n".join(map(escape, PLANTED))) == []
    assert acting("\n".join(map(code, PLANTED))) == []


def test_no_planted_line_begins_a_block_of_markdown(texts: dict[str, str]) -> None:
    heads = [line for line in texts["report.md"].splitlines() if line.startswith("#")]

    assert heads
    assert not [line for line in heads if "head" in line]
    assert "\n```" not in texts["report.md"]


def printed(show: Callable[[Console], None]) -> str:
    """What a terminal gets, without our own colours."""
    with open(os.devnull, "w") as nowhere:
        console = Console(width=100, record=True, file=nowhere)
        show(console)
        return console.export_text()


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(lambda out: print_tables(planted_run(), out), id="tables"),
        pytest.param(lambda out: print_known(planted_run(), out, run_path="r"), id="known"),
        pytest.param(lambda out: print_news(planted_run(), out, run_path="r"), id="news"),
    ],
)
def test_a_terminal_gets_no_escapes(show: Callable[[Console], None]) -> None:
    text = printed(show)

    assert "\x1b" not in text and "\x07" not in text
    assert "alert(1)" in text or "evil" in text


def test_xml_and_json_keep_the_texts_as_texts(texts: dict[str, str]) -> None:
    root = ET.fromstring(texts["junit.xml"])
    document = json.loads(texts["report.json"])

    assert {element.tag for element in root.iter()} <= {
        "testsuites", "testsuite", "testcase", "properties", "property",
        "failure", "error", "skipped",
    }  # fmt: skip
    assert any(PLANTED[0] in str(case.attrib) for case in root.iter("testcase"))
    assert "\x1b" not in texts["junit.xml"]
    assert PLANTED[1] in {finding["evidence"][0]["message"] for finding in document["findings"]}


def test_a_report_of_planted_texts_stays_in_its_folder(tmp_path: Path) -> None:
    written = write_reports(planted_run(), tmp_path / "out", ["md", "html", "json", "junit"])

    assert {path.parent for path in written} == {tmp_path / "out"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
