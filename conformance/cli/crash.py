"""
The ``crash`` command: a campaign of faults, its progress and its summary.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from store_conformance.contract import UserError, Verdict, declared
from store_conformance.contract.errors import EXIT_FAILED, EXIT_OK, EXIT_UNVERIFIED
from store_conformance.contract.secrets import redact_text
from store_conformance.contract.survival import FILE as NAME
from store_conformance.contract.survival import Survival, SurvivalFile, durability
from store_conformance.crash.campaign import Campaign, Progress, Target, check_kills
from store_conformance.crash.faults import named
from store_conformance.harness.backends import Backend, create, user_supplied
from store_conformance.harness.interrupting import interruptible
from store_conformance.runs.facts import suite_version
from store_conformance.runs.folder import claimed_folder
from store_conformance.runs.options import pairs

PLAIN_SECONDS = 10.0
"""Between two lines of progress where there is no terminal."""


def crash(
    *,
    backend: tuple[str, ...],
    store: tuple[str, ...],
    declare: str,
    option: tuple[str, ...],
    deployment: str | None,
    url: str | None,
    faults: tuple[str, ...],
    kills: int,
    seed: int,
    vary: bool,
    out: Path,
    resume: bool,
) -> int:
    """The ``crash`` command; gives the exit code."""
    check_kills(kills)
    chosen = named(faults)
    targets = (
        *_built_in(backend, pairs(option), deployment, url, vary=vary),
        *_supplied(store, pairs(option), declare, url),
    )
    _check(targets)
    with claimed_folder(out) as folder, interruptible(), _shown() as told:
        campaign = Campaign(
            targets,
            chosen,
            kills=kills,
            seed=seed,
            version=suite_version(),
            folder=folder,
            resume=resume,
            told=told,
        )
        found = _kept(campaign, folder / NAME)
    _summary(found, out / NAME)
    return exit_code(found)


def _kept(campaign: Campaign, path: Path) -> SurvivalFile:
    """What the campaign found, written also when it is interrupted."""
    try:
        found = campaign.run()
    except BaseException:
        _write(path, campaign.file(finished=False))
        raise
    _write(path, found)
    return found


def exit_code(found: SurvivalFile) -> int:
    """1 if something was lost or spoilt, 3 if nothing can be told, else 0."""
    verdicts = {one.verdict for one in found.results}
    if Verdict.FAIL in verdicts:
        return EXIT_FAILED
    return EXIT_OK if Verdict.PASS in verdicts else EXIT_UNVERIFIED


# -- what is struck -------------------------------------------------------------------------------


def _built_in(
    backends: tuple[str, ...],
    options: dict[str, str],
    deployment: str | None,
    url: str | None,
    *,
    vary: bool,
) -> Iterator[Target]:
    for name in backends:
        first = create(name, deployment=deployment, url=url, options=options)
        for setting in _settings(first, options, vary=vary):
            make = partial(create, name, deployment=deployment, url=url, options=setting)
            yield Target(name, make, setting)


def _supplied(
    references: tuple[str, ...], options: dict[str, str], declare: str, url: str | None
) -> Iterator[Target]:
    names = [n for n in declare.split(",") if n.strip()]
    if names and not references:
        raise UserError("--declare goes with --store", "a built-in backend declares for itself")
    offered = declared(names) if names else None
    for reference in references:
        make = partial(user_supplied, reference, capabilities=offered, options=options, url=url)
        yield Target(make().name, make, options)


def _check(targets: tuple[Target, ...]) -> None:
    if not targets:
        raise UserError("no backend was named", "give -b sqlite, or --store FILE.py:FUNCTION")
    names = [t.name for t in targets]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise UserError(f"{twice!r} is named twice", "name each backend once")


def _settings(backend: Backend, given: dict[str, str], *, vary: bool) -> list[dict[str, str]]:
    """The given options alone, or with each combination of those that decide what survives."""
    if not vary:
        return [given]
    merged = [{**setting, **given} for setting in backend.DURABILITY]
    return [one for number, one in enumerate(merged) if one not in merged[:number]]


# -- what is shown --------------------------------------------------------------------------------


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """A moving line on a terminal, a line now and then elsewhere."""
    console = Console(file=sys.stdout, soft_wrap=True)
    if not console.is_terminal:
        yield _Plain()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("starting", total=None, left="")

        def told(progress: Progress) -> None:
            what = f"{progress.target} {progress.fault}"
            wrong = f", {progress.broken} with losses" if progress.broken else ""
            bar.update(
                task,
                completed=progress.done,
                total=progress.wanted,
                description=redact_text(what),
                left=f"{_left(progress.seconds_left)}{wrong}",
            )

        yield told


class _Plain:
    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self._last < PLAIN_SECONDS and progress.done < progress.wanted:
            return
        self._last = time.monotonic()
        wrong = f", {progress.broken} with losses" if progress.broken else ""
        click.echo(
            redact_text(
                f"{progress.done} of {progress.wanted} strikes, {_left(progress.seconds_left)}"
                f" ({progress.target} {progress.fault}){wrong}"
            )
        )


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} left"


def _write(path: Path, found: SurvivalFile) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(
        json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    fresh.replace(path)


COLUMNS: tuple[tuple[str, Callable[[Survival], str]], ...] = (
    ("kills", lambda s: f"{s.kills}/{s.wanted}"),
    ("acknowledged", lambda s: str(s.acknowledged)),
    ("lost", lambda s: str(s.lost)),
    ("torn", lambda s: str(s.torn_items)),
    ("stale", lambda s: str(s.stale)),
    ("back", lambda s: str(s.resurrected)),
    ("other", lambda s: str(s.altered + s.duplicated + s.disordered + s.unreadable)),
    ("half batches", lambda s: str(s.torn_batches)),
    ("seconds", lambda s: f"{s.seconds:.0f}"),
)


def _summary(found: SurvivalFile, path: Path) -> None:
    console = Console(file=sys.stdout, soft_wrap=True)
    heads = ["backend", "fault", "verdict", *(head for head, _ in COLUMNS)]
    rows = [
        [_called(one), one.fault, one.verdict.value, *(cell(one) for _, cell in COLUMNS)]
        for one in found.results
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        words = [cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True)]
        figures = [cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True)]
        click.echo("  ".join([*words, *figures]))
    for one in found.results:
        if one.reason:
            console.print(f"{_called(one)} {one.fault}: {one.reason}", markup=False)
        if one.reopened:
            strikes = one.kills + one.missed
            said = f"after {one.reopened} of {strikes} strikes the store had to be opened anew"
            console.print(f"{_called(one)} {one.fault}: {said}", markup=False)
        for example in one.examples[:3]:
            console.print(f"{_called(one)} {one.fault}: {example}", markup=False)
    for name in dict.fromkeys(_called(one) for one in found.results):
        own = [one for one in found.results if _called(one) == name]
        console.print(f"{name}: {durability(own)}", markup=False)
    click.echo(f"wrote {path}")


def _called(one: Survival) -> str:
    words = [f"{key}={value}" for key, value in sorted(one.setting.items())]
    return " ".join([one.backend, *words])
