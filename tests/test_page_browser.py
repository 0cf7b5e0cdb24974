"""
The page in a real Chromium: every interaction, its weight, its accessibility, hostile texts, widths.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from store_conformance.reports import build_report, page, write_reports
from store_conformance.runs.run_file import merge_runs, read_run
from tests.browser import Visit, chromium
from tests.planted_run import PLANTED, planted_run
from tests.sample_run import BACKENDS, make_run, row, sample_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.xdist_group("browser")
PUBLISHED = Path(__file__).resolve().parent.parent / "reports" / "published" / "runs"
Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = write_reports(sample_run(), tmp_path_factory.mktemp("sample"), ["html"])
    return path


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = merge_runs([read_run(path) for path in sorted(PUBLISHED.glob("*.gz"))])
    (path,) = write_reports(run, tmp_path_factory.mktemp("published"), ["html"])
    return path


@pytest.fixture
def visit(browser: Browser, sample: Path) -> Iterator[Open]:
    visits: list[Visit] = []

    def open_page(path: Path = sample, **how: Any) -> Visit:
        visits.append(Visit(browser, path, **how))
        return visits[-1]

    yield open_page
    complaints = [complaint for opened in visits for complaint in opened.complaints]
    for opened in visits:
        opened.close()
    assert complaints == []


# -- the first screen ----------------------------------------------------------------------------


def test_eight_systems_fit_the_first_screen_and_nothing_is_cut_off(
    visit: Open, published: Path
) -> None:
    opened = visit(published)
    cut = """
        const table = document.querySelector(".compare");
        const box = table.getBoundingClientRect();
        const cells = [...table.querySelectorAll("th, td")];
        ({
          columns: table.tHead.rows[0].cells.length,
          rows: table.tBodies[0].rows.length,
          bottom: box.bottom, right: box.right, top: document.querySelector("h1").getBoundingClientRect().top,
          cut: cells.filter((c) => c.scrollWidth > c.clientWidth + 1).map((c) => c.textContent),
        })
    """

    seen = opened.page.evaluate(cut)

    assert (seen["columns"], seen["rows"]) == (9, 9)
    assert seen["top"] >= 0
    assert seen["bottom"] <= 800
    assert seen["right"] <= 1280
    assert seen["cut"] == []


def test_the_page_of_eight_systems_is_light(visit: Open, published: Path) -> None:
    assert published.stat().st_size < 1_000_000

    opened = visit(published)

    assert opened.nodes() < 5000
    opened.page.locator("#filter-text").fill("prefix")
    assert "rules" in opened.page.locator("#matrix-count").inner_text()


def test_twenty_systems_with_three_hundred_rules_stay_light(visit: Open, tmp_path: Path) -> None:
    names = [f"system {n}" for n in range(20)]
    rows = [
        row(
            name,
            f"{group}{number}",
            "fail" if (number + at) % 9 == 0 else "pass",
            message=f"{name} answered {number * at}",
            history=tuple(f"put(('a', '{n}'), 'k{number}', {{'n': {at}}})" for n in range(6)),
        )
        for at, name in enumerate(names)
        for group in "ABCDEFGHIJ"
        for number in range(1, 31)
    ]
    path = tmp_path / "report.html"
    report = build_report(make_run(rows, backends=dict.fromkeys(names, BACKENDS["memory"])))
    path.write_text(page.render(report, ()), "utf-8")

    assert path.stat().st_size < 2_000_000
    opened = visit(path)
    assert opened.nodes() < 5000
    opened.page.locator("#matrix-table button[data-group=A]").click()
    assert opened.page.locator("#matrix-table tr[data-rule]").count() == 30


def test_nothing_is_loaded_from_anywhere(visit: Open) -> None:
    opened = visit(place="findings")

    assert {url.split(":")[0] for url in opened.requests} <= {"file", "data", "blob"}


def test_without_javascript_the_tables_of_the_first_screen_are_there(visit: Open) -> None:
    opened = visit(script=False)

    assert opened.page.locator(".compare td").count() == 9 * 3
    assert opened.page.locator("article .chosen").count() == 4
    assert "report.md" in opened.page.locator("noscript").inner_text()
    opened.page.locator("#derivations summary").click()
    opened.page.locator("#why-kept-memory").wait_for(state="visible")


def test_a_value_of_the_comparison_opens_what_it_follows_from(visit: Open) -> None:
    opened = visit()

    opened.page.locator('a[href="#why-persistence-postgres"]').click()

    panel = opened.page.locator("#panel")
    assert panel.locator("h3").inner_text() == "Persistence of postgres"
    assert "Yes, through engine kill -9" in panel.inner_text()


# -- the matrix ----------------------------------------------------------------------------------


def shown(opened: Visit) -> list[str]:
    every = opened.page.locator("#matrix-table tr[data-rule]").evaluate_all(
        "rows => rows.map((row) => row.dataset.rule)"
    )
    return list(every)


def test_rows_are_dense_with_the_promise_beside_its_id(visit: Open, published: Path) -> None:
    opened = visit(published)
    heights = opened.page.locator("#matrix-table tbody tr").evaluate_all(
        "rows => rows.map((row) => row.getBoundingClientRect().height)"
    )

    assert len(heights) > 100
    assert min(heights) >= 24 and max(heights) <= 30
    cut = opened.page.locator("#matrix-table td.cell").evaluate_all(
        "cells => cells.filter((c) => c.scrollWidth > c.clientWidth).map((c) => c.textContent)"
    )
    assert cut == []
    first = opened.page.locator("#matrix-table tr[data-rule=K2] th").inner_text()
    assert "K2" in first and "returns None" in first


@pytest.mark.parametrize(
    ("name", "value", "rules"),
    [
        ("verdict", "failed", {"K7", "K10", "N5", "F5", "O5"}),
        ("verdict", "known", {"F5"}),
        ("verdict", "error", {"O5"}),
        ("verdict", "unverified", {"V9"}),
        ("level", "IMPL", {"S6", "S9", "F7", "V8", "L4", "L5", "T6", "O24", "O25", "O26"}),
        ("group", "L", {"L1", "L2", "L3", "L4", "L5", "L6"}),
        ("text", "wildcard", {"N5"}),
    ],
)
def test_filters_leave_what_fits(visit: Open, name: str, value: str, rules: set[str]) -> None:
    opened = visit()
    field = opened.page.locator(f"#filter-{name}")

    if name == "text":
        field.fill(value)
    else:
        field.select_option(value)

    found = set(shown(opened))
    assert found == rules if name != "text" else rules <= found
    assert opened.page.locator("#matrix-count").inner_text().startswith(f"{len(found)} of ")
    assert f"{name}={value}" in opened.page.url


def test_a_backend_can_be_looked_at_alone(visit: Open) -> None:
    opened = visit(place="matrix?backend=postgres&verdict=fail")

    assert shown(opened) == ["K7"]
    assert opened.page.locator("#matrix-table thead th").all_inner_texts()[2:] == ["postgres"]
    opened.page.locator("#filter-text").fill("nothing like this")
    assert "No rule fits" in opened.page.locator("#matrix-table").inner_text()


def test_groups_fold_and_unfold(visit: Open) -> None:
    opened = visit()
    button = opened.page.locator("#matrix-table button[data-group=K]")
    every = len(shown(opened))

    button.click()
    folded = shown(opened)

    assert not [rule for rule in folded if re.fullmatch(r"K\d+", rule)]
    assert len(folded) < every
    assert button.get_attribute("aria-expanded") == "false"
    opened.page.locator("#fold-fold").click()
    assert shown(opened) == []
    opened.page.locator("#fold-unfold").click()
    assert len(shown(opened)) == every


def test_the_matrix_is_walked_by_the_keyboard(visit: Open) -> None:
    opened = visit()
    keyboard = opened.page.keyboard

    keyboard.press("/")
    assert opened.focused() == "filter-text"
    opened.page.locator('#matrix-table td.cell[tabindex="0"]').focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft"):
        keyboard.press(key)
    keyboard.press("Enter")

    opened.page.wait_for_url("**#postgres-K2")
    opened.page.wait_for_function("document.activeElement.id === 'panel-title'")
    keyboard.press("Escape")
    opened.page.locator("#panel").wait_for(state="hidden")
    opened.page.wait_for_function("document.activeElement.dataset.backend !== undefined")
    place = opened.page.evaluate(
        "[document.activeElement.dataset.backend, document.activeElement.parentElement.dataset.rule]"
    )
    assert place == ["postgres", "K2"]
    assert opened.page.locator('#matrix-table td.cell[tabindex="0"]').count() == 1


# -- the side panel ------------------------------------------------------------------------------


def test_a_deep_link_opens_the_cell_with_everything_about_it(visit: Open) -> None:
    panel = visit(place="memory-F5").page.locator("#panel")

    told = panel.inner_text()
    assert "F5 on memory" in told
    assert "SHOULD" in told and "Where it is written" in told
    assert "Expected: []" in told
    assert panel.locator(".sides").first.locator("tbody tr").count() == 3
    assert "emulated" in panel.locator(".sides").first.inner_text()
    assert "known upstream" in told
    assert panel.locator('a[href^="https://github.com"]').count() == 1
    assert "search(('a',)) -> raised TypeError" in panel.locator("pre").first.text_content()  # type: ignore[operator]
    assert "confirmed in a clean process" in told


def test_another_backend_is_one_click_away(visit: Open) -> None:
    opened = visit(place="rule-K7")
    panel = opened.page.locator("#panel")
    assert "K7 on postgres" in panel.inner_text(), "the first that failed"

    panel.get_by_role("button", name="pinecone (emulated)").click()

    assert "K7 on pinecone (emulated)" in panel.locator("h3").inner_text()
    assert "says nothing about the service" in " ".join(panel.inner_text().split()).replace(
        "say nothing", "says nothing"
    )
    opened.page.go_back()
    opened.page.wait_for_function(
        "document.querySelector('#panel h3').textContent.includes('postgres')"
    )


def test_the_reproducer_is_copied(browser: Browser, sample: Path) -> None:
    opened = Visit(browser, sample, place="postgres-K7")
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    opened.page.locator("#panel .copy").click()
    opened.page.wait_for_selector("text=Copied")
    copied = opened.page.evaluate("navigator.clipboard.readText()")

    assert copied.startswith("from langgraph.store.memory import InMemoryStore")
    assert "unconfirmed: it did not reproduce" in opened.page.locator("#panel").inner_text()
    opened.close()


def test_what_differs_by_right_is_shown_side_by_side(visit: Open) -> None:
    opened = visit(place="portability")

    opened.page.locator('#portability a[href="#answers-0"]').click()

    panel = opened.page.locator("#panel")
    assert "left to the store" in panel.locator("h3").inner_text()
    assert panel.locator("tbody tr").count() == 3


# -- the other sections --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("findings", "label * was a wildcard"),
        ("portability", "does not match"),
        ("figures", "Restart survival"),
        ("run", "langgraph-checkpoint-postgres"),
        ("pictures", "Latency"),
    ],
)
def test_a_section_is_rendered_when_it_is_opened(visit: Open, section: str, told: str) -> None:
    opened = visit(place=section)

    assert told in opened.page.locator(f"#{section} .body").inner_text()


def test_tables_are_sorted_by_their_heads(visit: Open) -> None:
    opened = visit(place="findings")
    head = opened.page.locator("#findings th button", has_text="Backend")

    head.click()
    names = opened.page.locator("#findings .sortable td:nth-child(3)").all_inner_texts()

    assert names == sorted(names) and len(set(names)) > 1
    assert head.locator("..").get_attribute("aria-sort") == "ascending"
    head.click()
    assert (
        opened.page.locator("#findings .sortable td:nth-child(3)").first.inner_text() == names[-1]
    )


def test_every_picture_is_shown_with_its_table(visit: Open) -> None:
    pytest.importorskip("matplotlib", reason="unverified: nothing draws without matplotlib")
    opened = visit()
    images = opened.page.locator("#pictures img")

    assert images.count() >= 3
    opened.page.wait_for_function(
        "[...document.querySelectorAll('#pictures img')].every((image) => image.naturalWidth > 100)"
    )
    opened.page.locator("#pictures details summary").first.click()
    opened.page.locator("#pictures table").first.wait_for(state="visible")


def test_what_is_printed_has_findings_and_no_controls(visit: Open) -> None:
    opened = visit()
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.page.emulate_media(media="print")

    assert opened.page.locator("#findings .sortable").is_visible()
    assert opened.page.locator(".controls").is_hidden()
    assert opened.page.locator(".compare").is_visible()


# -- foreign texts -------------------------------------------------------------------------------


def test_planted_texts_do_nothing_and_are_shown(browser: Browser, tmp_path: Path) -> None:
    (path,) = write_reports(planted_run(), tmp_path, ["html"])
    opened = Visit(browser, path)

    for section in ("findings", "portability", "figures", "run"):
        opened.page.evaluate(f"location.hash = {json.dumps(section)}")
        opened.page.wait_for_function(f"document.getElementById('{section}').open")
    for cell in opened.page.locator("#matrix-table td.cell").all():
        cell.click()
        for summary in opened.page.locator("#panel details:not([open]) summary").all():
            summary.click()
        opened.page.keyboard.press("Escape")
    opened.page.wait_for_timeout(100)

    assert opened.complaints == [], "no dialog, no error, no violation of the policy"
    assert {url.split(":")[0] for url in opened.requests} <= {"file", "data", "blob"}
    assert opened.page.locator("script").count() == 2
    inside = "main :is(script, iframe, object, embed, form), aside :is(script, iframe, img)"
    assert opened.page.locator(inside).count() == 0
    assert opened.page.locator('a[href^="javascript"]').count() == 0
    assert PLANTED[0] in opened.page.locator("#findings").inner_text()
    opened.close()


def test_the_policy_is_what_stops_a_script_that_gets_in(browser: Browser, tmp_path: Path) -> None:
    """The control of the test above: it would see a text that acts."""
    (path,) = write_reports(planted_run(), tmp_path, ["html"])
    html = path.read_text("utf-8")
    path.write_text(html.replace("<main>", "<main><script>alert(1)</script>", 1), "utf-8")

    stopped = Visit(browser, path)
    assert any("Content Security Policy" in told for told in stopped.complaints)
    stopped.close()

    path.write_text(re.sub(r"<meta http-equiv[^>]*>", "", path.read_text("utf-8")), "utf-8")
    acting = Visit(browser, path, script=True)
    assert any("dialog" in told for told in acting.complaints)
    acting.close()


# -- widths, schemes, readers --------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (768, "dark"), (1280, "light")])
def test_the_page_is_no_wider_than_its_screen(visit: Open, width: int, scheme: str) -> None:
    opened = visit(width=width, scheme=scheme)
    assert opened.wide() == width

    opened.page.evaluate("location.hash = 'memory-K10'")
    opened.page.wait_for_selector("#panel:not([hidden])")

    assert opened.wide() == width
    right = opened.page.locator("#panel").evaluate("panel => panel.getBoundingClientRect().right")
    assert right <= width
    inside = opened.page.locator("#panel").evaluate(
        "panel => panel.scrollWidth <= panel.clientWidth"
    )
    assert inside, "the panel's texts wrap"


def violations(opened: Visit, only: str | None = None) -> list[tuple[str, str, int]]:
    """What axe finds: the rule, the first place, and in how many places."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="unverified: axe is not installed"
    ).Axe()
    options = {"runOnly": [only]} if only else None
    found = axe.run(opened.page, options=options).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:200], len(v["nodes"])) for v in found]


@pytest.mark.parametrize(
    ("scheme", "rows", "sections"),
    [
        ("light", "matrix?group=V", ("findings", "figures")),
        ("dark", "matrix?verdict=failed", ("portability", "run")),
    ],
)
def test_axe_finds_no_violation(
    visit: Open, scheme: str, rows: str, sections: tuple[str, ...]
) -> None:
    opened = visit(place=rows, scheme=scheme)
    for section in sections:
        opened.page.evaluate(f"document.getElementById('{section}').open = true")
    opened.page.locator("#derivations summary").click()
    opened.page.evaluate("location.hash = 'memory-F5'")
    opened.page.wait_for_selector("#panel:not([hidden])")

    assert violations(opened) == []


def test_axe_would_find_one(visit: Open) -> None:
    opened = visit()
    opened.page.evaluate("document.querySelector('#pictures .body').append(new Image())")

    assert [rule for rule, _, _ in violations(opened, "image-alt")] == ["image-alt"]
