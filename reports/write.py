"""
Writes a run's report in every format that was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from store_conformance.contract import UserError
from store_conformance.contract.hints import suggestion
from store_conformance.contract.records import Run
from store_conformance.contract.survival import SurvivalFile
from store_conformance.reports import badge, json_report, junit, markdown, page, sarif, workflow
from store_conformance.reports.model import Report, build_report
from store_conformance.reports.pictures import HINT, Picture, can_draw, draw
from store_conformance.reports.trend import Trend

FORMATS = (
    "md", "html", "json", "junit", "pictures", "badge", "sarif", "summary", "annotations",
)  # fmt: skip
DEFAULT = ("md", "html", "json", "junit")
"""What is written if nothing is named; the others are for those who ask for them."""


def _checked(formats: Iterable[str]) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(formats))
    for name in chosen:
        if name not in FORMATS:
            raise UserError(f"unknown report format {name!r}", suggestion(name, FORMATS))
    if not chosen:
        raise UserError("no report format was named", f"known are {', '.join(FORMATS)}")
    return chosen


def _write(path: Path, content: str | bytes) -> None:
    """Write the whole file or leave the old one: a reader never sees half a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    packed = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    try:
        part.write_bytes(packed)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _pictures(report: Report, chosen: tuple[str, ...]) -> tuple[Picture, ...]:
    """The pictures that the formats need; files cannot do without matplotlib, the page can."""
    if "pictures" in chosen and not can_draw():
        raise UserError("pictures cannot be drawn: matplotlib is not installed", HINT)
    return draw(report, png="pictures" in chosen) if {"pictures", "html"} & {*chosen} else ()


def _files(
    report: Report, chosen: tuple[str, ...], drawn: tuple[Picture, ...]
) -> Iterator[tuple[str, Callable[[], str | bytes]]]:
    """Each file's name and what makes its content, in the order of the formats."""
    as_files = drawn if "pictures" in chosen else ()
    makers: dict[str, tuple[str, Callable[[], str]]] = {
        "md": ("report.md", lambda: markdown.render(report, as_files)),
        "html": ("report.html", lambda: page.render(report, drawn)),
        "json": ("report.json", lambda: json_report.render(report)),
        "junit": ("junit.xml", lambda: junit.render(report)),
        "sarif": ("report.sarif", lambda: sarif.render(report)),
        "summary": ("summary.md", lambda: workflow.summary(report)),
        "annotations": ("annotations.txt", lambda: workflow.annotation_lines(report)),
    }
    for name in chosen:
        if name in makers:
            yield makers[name]
    for made in badge.badges(report) if "badge" in chosen else ():
        yield f"{badge.FOLDER}/{made.id}.json", partial(badge.endpoint, made)
        yield f"{badge.FOLDER}/{made.id}.svg", partial(badge.svg, made)
    for picture in as_files:
        yield f"{markdown.FOLDER}/{picture.id}.svg", partial(getattr, picture, "svg")
        yield f"{markdown.FOLDER}/{picture.id}.png", partial(getattr, picture, "png")


def write_reports(
    run: Run,
    out: Path,
    formats: Iterable[str] = DEFAULT,
    campaigns: Iterable[SurvivalFile] = (),
    history: Trend | None = None,
) -> list[Path]:
    """
    Write each format's files into ``out``: ``report.md``, ``junit.xml``, ``badges/`` and so on.

    The folder is made if it is not there.  Raises ``UserError`` where it cannot be written.
    """
    chosen = _checked(formats)
    report = build_report(run, campaigns, history)
    drawn = _pictures(report, chosen)
    written, failed = [], []
    for name, content in _files(report, chosen, drawn):
        try:
            _write(out / name, content())
            written.append(out / name)
        except OSError as error:  # one file that cannot be written must not cost the others
            failed.append(f"{out / name} ({error.strerror or error})")
    if failed:
        kept = f"; written: {', '.join(str(p) for p in written)}" if written else ""
        raise UserError(
            f"cannot be written: {', '.join(failed)}{kept}",
            "take away what is in the way, or give a folder that you may write to with --out DIR",
        )
    return written
