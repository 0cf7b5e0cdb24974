"""
Writes a run's report in every format that was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from store_conformance.contract import UserError
from store_conformance.contract.hints import suggestion
from store_conformance.contract.records import Run
from store_conformance.reports import json_report, junit, markdown, page
from store_conformance.reports.model import Report, build_report

_RENDERERS: dict[str, tuple[str, Callable[[Report], str]]] = {
    "md": ("report.md", markdown.render),
    "html": ("report.html", page.render),
    "json": ("report.json", json_report.render),
    "junit": ("junit.xml", junit.render),
}
FORMATS = tuple(_RENDERERS)


def _checked(formats: Iterable[str]) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(formats))
    for name in chosen:
        if name not in _RENDERERS:
            raise UserError(f"unknown report format {name!r}", suggestion(name, FORMATS))
    if not chosen:
        raise UserError("no report format was named", f"known are {', '.join(FORMATS)}")
    return chosen


def _write(path: Path, text: str) -> None:
    """Write the whole file or leave the old one: a reader never sees half a report."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_reports(run: Run, out: Path, formats: Iterable[str] = FORMATS) -> list[Path]:
    """
    Write ``report.md``, ``report.html``, ``report.json`` and ``junit.xml`` into the folder ``out``.

    The folder is made if it is not there.  Raises ``UserError`` where it cannot be written.
    """
    chosen = _checked(formats)
    report = build_report(run)
    written, failed = [], []
    for name in chosen:
        file, render = _RENDERERS[name]
        try:
            out.mkdir(parents=True, exist_ok=True)
            _write(out / file, render(report))
            written.append(out / file)
        except OSError as error:  # one file that cannot be written must not cost the others
            failed.append(f"{out / file} ({error.strerror or error})")
    if failed:
        kept = f"; written: {', '.join(str(p) for p in written)}" if written else ""
        raise UserError(
            f"cannot be written: {', '.join(failed)}{kept}",
            "take away what is in the way, or give a folder that you may write to with --out DIR",
        )
    return written
