"""
The one door to `store_conformance.reports`: what the commands write and print of a run comes from here.

The package is imported when it is used: most commands need none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from store_conformance.contract import UserError
from store_conformance.contract.records import Run
from store_conformance.contract.survival import SurvivalFile

if TYPE_CHECKING:
    from store_conformance.reports.trend import Trend


def load() -> None:
    """Import the package and compile its templates, while there is time for that."""
    import store_conformance.reports.terminal  # noqa: F401
    from store_conformance.reports.page import compile_templates

    compile_templates()


def print_run(run: Run, *, run_path: str, again: Callable[[str, str], str], verbose: bool) -> None:
    """The tables of a run and what is new in it, on the terminal; ``verbose``: what was known, too."""
    from store_conformance.reports.terminal import print_known, print_news, print_tables

    print_tables(run)
    if verbose:
        print_known(run, run_path=run_path)
    print_news(run, run_path=run_path, again=again, hint="" if verbose else " (list: -v)")


def write_reports(
    run: Run,
    folder: Path,
    formats: tuple[str, ...] = (),
    campaigns: tuple[SurvivalFile, ...] = (),
    history: tuple[Path, ...] = (),
) -> list[Path]:
    """
    Write the reports of a run, of campaigns of faults and of runs over time, the usual formats if none is
    named; gives the files.
    """
    from store_conformance.reports.write import DEFAULT
    from store_conformance.reports.write import write_reports as write

    return write(run, folder, formats or DEFAULT, campaigns, _trend(history) if history else None)


def checklist_page(found: Mapping[str, Any]) -> str:
    """A checklist as an HTML page in the report's style; ``found`` is its JSON."""
    from store_conformance.reports.checklist import page

    return page(found)


def one_line(text: str) -> str:
    """A text of a run on one line, with nothing in it that a terminal would obey."""
    from store_conformance.reports.text import one_line as flat

    return flat(text)


def tell_changes(before: Run, after: Run, notes: tuple[str, ...], shape: str) -> bool:
    """Say what changed between two runs, as ``text``, ``md`` or ``json``; gives whether something newly fails."""
    from store_conformance.reports import diff

    change = diff.compare(before, after, notes)
    if shape == "text":
        diff.print_diff(change)
    else:
        told = diff.to_markdown(change) if shape == "md" else diff.to_json(change)
        click.echo(told.rstrip("\n"))
    return bool(change.newly_failing)


def tell_trend(paths: tuple[Path, ...], shape: str) -> bool:
    """Say what runs over time tell, as ``text``, ``md`` or ``json``; gives whether any run could be read."""
    from store_conformance.reports import trend_formats

    told = _trend(paths)
    if shape == "text":
        trend_formats.print_trend(told)
    else:
        made = trend_formats.to_markdown(told) if shape == "md" else trend_formats.to_json(told)
        click.echo(made.rstrip("\n"))
    return bool(told.points)


def _trend(paths: tuple[Path, ...]) -> Trend:
    from store_conformance.reports.trend import Unread, trend
    from store_conformance.runs.history import run_paths, runs_over_time

    return trend(
        Unread(source, found.problem.removeprefix(f"{source}: "))
        if isinstance(found, UserError)
        else (source, found)
        for source, found in runs_over_time(run_paths(paths))
    )
