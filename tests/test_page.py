"""
The page as a text: what it loads, what it carries, that foreign texts stay texts, its palette.

What its script does is in ``test_page_browser.py``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from store_conformance.contract.records import Run
from store_conformance.reports import write_reports
from store_conformance.reports.text import slugs
from tests.page_parts import Page, page_data
from tests.sample_run import BACKENDS, HOSTILE, UPSTREAM, make_run, row, sample_run


@pytest.fixture(scope="module")
def run() -> Run:
    return sample_run()


@pytest.fixture(scope="module")
def written(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    (path,) = write_reports(run, tmp_path_factory.mktemp("page"), ["html"])
    return {path.name: path.read_text("utf-8")}


def test_the_page_loads_nothing_and_every_link_has_its_target(
    run: Run, written: dict[str, str]
) -> None:
    page = Page(written["report.html"])
    inside = {link[1:] for link in page.links if link.startswith("#")}
    cells = page_data(written["report.html"])["cells"]
    targets = {f"{backend}-{rule}" for rule, of in cells.items() for backend in of}

    assert page.open == []
    assert page.loads == ["data:,"]
    assert "@import" not in written["report.html"] and "url(" not in written["report.html"]
    assert len(page.ids) == len(set(page.ids))
    assert inside <= set(page.ids) | targets
    assert {f"{r.backend}-{r.rule}" for r in run.rows} == targets
    assert [link for link in page.links if not link.startswith("#")] == []


def test_the_page_lets_no_foreign_text_act(written: dict[str, str]) -> None:
    page = Page(written["report.html"])

    assert page.scripts == ["application/octet-stream", None]
    assert page.handlers == []
    assert "script-src 'sha256-" in written["report.html"]
    assert "unsafe-inline" not in written["report.html"]
    (evidence,) = page_data(written["report.html"])["cells"]["K10"]["memory"]["evidence"]
    assert evidence["message"] == HOSTILE
    assert "\\x00" in evidence["got"] and "🦜" in evidence["got"]
    assert "link" not in evidence, "an address that a browser may not be sent to is no link"
    for hidden in ("\x00", "\x07", "\u202e"):
        assert hidden not in written["report.html"] + str(evidence)


def test_the_page_can_be_read_by_machines_that_read_aloud(written: dict[str, str]) -> None:
    page = Page(written["report.html"])

    assert set(page.heads) == {"col", "row"}
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))
    assert '<html lang="en">' in written["report.html"]
    assert all(f"<{tag}" in written["report.html"] for tag in ("main", "header", "nav", "footer"))


def _luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_the_palette_has_enough_contrast(scheme: int, written: dict[str, str]) -> None:
    html = written["report.html"]
    assert "@media (prefers-color-scheme: dark)" in html
    roots = re.findall(r":root \{(.*?)\}", html, flags=re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", roots[scheme]))
    pairs = [(ink, paper) for ink in ("ink", "soft", "link") for paper in ("page", "sheet", "band")]
    words = ("good", "bad", "some", "none", "odd")
    pairs += [(word, f"{word}-bg") for word in words] + [(word, "sheet") for word in words]
    pairs += [("ink", "mark")]

    for ink, paper in pairs:
        bright, dim = sorted((_luminance(colours[ink]), _luminance(colours[paper])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (ink, paper)


def test_the_page_of_backends_with_odd_names_keeps_its_links(tmp_path: Path) -> None:
    names = ("my store", "my-store", "<b>", "ünïcode", "日本")
    odd = make_run([row(n, "K1") for n in names], backends=dict.fromkeys(names, BACKENDS["memory"]))

    page = Page(write_reports(odd, tmp_path, ["html"])[0].read_text("utf-8"))

    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(set(slugs(names).values())) == len(names)


def test_the_first_screen_needs_no_script(written: dict[str, str]) -> None:
    before = written["report.html"].split("<noscript>")[0]

    for told in ("Promises kept", "Persistence", "Best for", "Which for whom", "Large scale"):
        assert told in before
    assert "emulated: pinecone" in before
    assert "report.md" in written["report.html"].split("<noscript>")[1].split("</noscript>")[0]


def test_an_interrupted_run_of_a_part_says_so_at_the_top(run: Run, tmp_path: Path) -> None:
    part = replace(
        run,
        header={**run.header, "selection": {"rules": ["K1"]}},
        footer={**run.footer, "interrupted": True},
    )

    (path,) = write_reports(part, tmp_path, ["html"])
    top = path.read_text("utf-8").split("<main>")[0]

    assert "interrupted: what is missing was not run" in top
    assert "only a part was run" in top


def test_evidence_tells_what_came_back_and_whether_the_script_was_confirmed(
    written: dict[str, str],
) -> None:
    told = page_data(written["report.html"])
    (known,) = told["cells"]["F5"]["memory"]["evidence"]

    assert told["cells"]["F5"]["memory"]["word"] == "known fail"
    assert (known["expected"], known["known"]) == ("[]", "known upstream")
    assert (known["link"], known["confirmed"]) == (UPSTREAM, "confirmed in a clean process")
    assert known["modes"] == ["sync", "async"]
    assert "langgraph/store" in str(told["rules"]["K1"]["source"])
