"""
The pictures: the same bytes each time, readable in dark mode, and nothing imported before something is drawn.
"""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from store_conformance.contract import Mode, UserError
from store_conformance.contract.records import Measurement, Run
from store_conformance.reports import build_report, drawing, pictures, write_reports
from store_conformance.reports.pictures import Picture, can_draw, draw
from store_conformance.reports.sharing import FIGURE
from store_conformance.reports.tables import tables
from tests.sample_run import BACKENDS, make_run, row

needs_matplotlib = pytest.mark.skipif(not can_draw(), reason="matplotlib is not installed")


def writing(name: str, pace: dict[int, float]) -> list[Measurement]:
    return [
        Measurement(name, FIGURE, "ok", Mode.SYNC, facts={"writers": n, "per_second": value})
        for n, value in pace.items()
    ]


def timed(name: str, milliseconds: float) -> Measurement:
    samples = tuple(milliseconds / 1000 * (1 + n / 100) for n in range(120))
    return Measurement(
        name, "latency.put", 0.0, Mode.SYNC, "s", facts={"n_items": 1000}, samples=samples
    )


def figures_run(pace: dict[int, float], *names: str) -> Run:
    names = names or ("memory", "postgres")
    figures = [m for n, name in enumerate(names) for m in writing(name, pace)]
    figures += [timed(name, 0.5 + n) for n, name in enumerate(names)]
    figures += [Measurement(names[0], "disk.bytes_per_item", 2048.0, unit="B")]
    figures += [Measurement(name, "recall.index@5", 0.99, Mode.SYNC) for name in names]
    facts = dict.fromkeys(names, BACKENDS["memory"])
    return make_run([row(name, "K1") for name in names], figures, backends=facts)


@pytest.fixture(scope="module")
def drawn() -> tuple[Picture, ...]:
    return draw(build_report(figures_run({1: 900.0, 3: 700.0, 8: 500.0})))


@needs_matplotlib
def test_each_picture_has_a_table_and_words_for_those_who_do_not_see_it(
    drawn: tuple[Picture, ...],
) -> None:
    told = tables(build_report(figures_run({1: 900.0, 3: 700.0, 8: 500.0})))

    assert [p.id for p in drawn] == ["latency", "writers", "recall", "disk"]
    assert all(p.id in told and p.alt.endswith(".") for p in drawn)
    assert all(ET.fromstring(p.svg).tag.endswith("svg") for p in drawn)
    assert told["writers"].rows[0] == ("memory", "900", "700", "500")


@needs_matplotlib
def test_the_same_report_gives_the_same_bytes(drawn: tuple[Picture, ...]) -> None:
    again = draw(build_report(figures_run({1: 900.0, 3: 700.0, 8: 500.0})))
    other = draw(build_report(figures_run({1: 900.0, 3: 700.0, 8: 499.0})))

    assert [p.svg for p in again] == [p.svg for p in drawn]
    assert other[1].svg != drawn[1].svg
    assert not any(re.search(r"\b20\d\d-\d\d-\d\d|<metadata>", p.svg) for p in drawn)


@needs_matplotlib
def test_every_colour_has_one_for_dark_mode_that_can_be_seen(drawn: tuple[Picture, ...]) -> None:
    for picture in drawn:
        style, _, shapes = picture.svg.partition("</style>")
        used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", shapes))
        assert used
        for colour in used & set(drawing.DARK):
            assert f'[style*="fill: {colour}"]' in style
        unmapped = used - set(drawing.DARK)
        assert unmapped <= {colour for colour, _ in drawing.SERIES}, unmapped


@needs_matplotlib
def test_the_bytes_do_not_depend_on_what_else_the_process_set(drawn: tuple[Picture, ...]) -> None:
    import matplotlib

    with matplotlib.rc_context({"xtick.major.size": 30, "svg.hashsalt": "other"}):
        again = draw(build_report(figures_run({1: 900.0, 3: 700.0, 8: 500.0})))

    assert again[3].svg == drawn[3].svg


@needs_matplotlib
def test_names_in_pictures_are_texts_and_no_formulas() -> None:
    hostile = "<script>alert(1)</script> $\\frac{1}{0}$ 日本"

    (picture, *_) = draw(build_report(figures_run({3: 1.0}, hostile)))

    texts = [e.text for e in ET.fromstring(picture.svg).iter() if e.tag.endswith("}text")]
    assert any(text and text.startswith("<script>alert(1)") for text in texts)


@needs_matplotlib
def test_pictures_as_files_stand_beside_the_report_that_shows_them(tmp_path: Path) -> None:
    run = replace(figures_run({3: 1.0}), measurements=tuple(writing("memory", {3: 1.0})))

    written = write_reports(run, tmp_path, ["md", "pictures"])

    names = [path.relative_to(tmp_path).as_posix() for path in written]
    assert names == ["report.md", "pictures/writers.svg", "pictures/writers.png"]
    assert "](pictures/writers.svg)" in written[0].read_text("utf-8")
    assert written[2].read_bytes().startswith(b"\x89PNG")
    (alone,) = write_reports(run, tmp_path / "alone", ["md"])
    assert "](pictures/" not in alone.read_text("utf-8"), "no link to a file that was not written"


def test_without_matplotlib_the_page_is_written_and_picture_files_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pictures, "can_draw", lambda: False)
    monkeypatch.setattr("store_conformance.reports.write.can_draw", lambda: False)
    run = figures_run({3: 1.0})

    assert write_reports(run, tmp_path, ["html"])
    with pytest.raises(UserError, match="matplotlib is not installed") as refused:
        write_reports(run, tmp_path, ["pictures"])
    assert "[pictures]" in refused.value.hint


def test_a_run_without_figures_imports_no_matplotlib() -> None:
    code = (
        "import sys\n"
        "from tests.sample_run import make_run, row\n"
        "from store_conformance.reports import build_report, page\n"
        "page.render(build_report(make_run([row('memory', 'K1')])))\n"
        "sys.exit('matplotlib' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False
    )

    assert done.returncode == 0
