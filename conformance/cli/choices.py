"""
The options that several commands have, and how their values are read.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

MOST_WORKERS = 256
"""A typing error must not start more processes than a machine can hold."""
_EMPTY = "it is empty; is a variable of the shell not set?"


class GivenPath(click.Path):
    """A path that may not be the empty text, which would be the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(_EMPTY, param, ctx)
        return super().convert(value, param, ctx)


class ReadPath(GivenPath):
    """A path of what is read, more than once or from its middle: no pipe, where one would wait for whoever writes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        try:
            pipe = stat.S_ISFIFO(Path(found).stat().st_mode)
        except (OSError, ValueError):  # which whoever reads it will say
            return found
        if pipe:
            self.fail(f"{value} is a pipe; write what comes out of it to a file", param, ctx)
        return found


class GivenText(click.types.StringParamType):
    """A text that may not be empty, which would be as if it was not given."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(_EMPTY, param, ctx)
        return super().convert(value, param, ctx)


def finite(context: click.Context, parameter: click.Parameter, given: float) -> float:
    """A number that is one: neither ``nan`` nor ``inf``."""
    if not math.isfinite(given):
        raise click.BadParameter(f"{given} is no number of seconds")
    return given


def number_of_workers(context: click.Context, parameter: click.Parameter, given: str) -> int | None:
    """A number of processes; ``auto`` comes out as ``None``."""
    if given == "auto":
        return None
    if not given.isdecimal():
        raise click.BadParameter(f"{given!r} is not a number of processes; write auto, 1, 2, ...")
    if int(given) > MOST_WORKERS:
        raise click.BadParameter(f"{given} processes are too many; at most {MOST_WORKERS}")
    return int(given)


def listed(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    """What was repeated or given with commas, as one list."""
    return tuple(part.strip() for text in given for part in text.split(","))


def targets(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which stores, on which engines, and where the results go."""
    options = (
        click.option(
            "-b",
            "--backend",
            multiple=True,
            callback=listed,
            help="A backend (see `backends`); repeatable, or with commas. "
            "Default: memory, sqlite and postgres.",
        ),
        click.option(
            "--store",
            multiple=True,
            metavar="REF",
            help="A store of yours: FILE.py:FUNCTION or package.module:FUNCTION; repeatable.",
        ),
        click.option("--name", type=GivenText(), help="The name of the --store in the report."),
        click.option(
            "--declare",
            default="",
            metavar="CAP,...",
            help="What the --store does not offer: "
            "no-vectors, no-ttl, no-sync, no-async, no-persistence, no-processes, no-threads,"
            " own-scores, no-ttl-config; and text, if a query finds words without an index, or jsonb.",
        ),
        click.option(
            "--option",
            multiple=True,
            metavar="KEY=VALUE",
            help="Passed to the store's function or backend; repeatable.",
        ),
        click.option(
            "--deployment",
            type=GivenText(),
            help="Where the engine comes from: embedded, process, container or url.",
        ),
        click.option("--url", type=GivenText(), help="The address of an engine of your own."),
        click.option(
            "--items",
            type=click.IntRange(min=10),
            default=1000,
            show_default=True,
            help="Items of the latency measurements.",
        ),
        click.option(
            "--embed",
            default="real",
            show_default=True,
            help="Embedder of scenarios and latencies: "
            "real, minilm, exact or a LangChain provider string.",
        ),
        click.option(
            "--out",
            default="conformance-run",
            show_default=True,
            type=GivenPath(path_type=Path),
            help="Folder of the run file and the reports.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


_STORE_OPTIONS = (
    click.option(
        "--store",
        required=True,
        metavar="REF",
        help="The store: FILE.py:FUNCTION or package.module:FUNCTION.",
    ),
    click.option(
        "--folder",
        type=GivenPath(path_type=Path),
        help="What the function finds in at.path. Default: here.",
    ),
    click.option("--url", type=GivenText(), help="What the function finds in at.url."),
    click.option(
        "--option", multiple=True, metavar="KEY=VALUE", help="Passed to the store's function."
    ),
)


def takes_a_store(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_STORE_OPTIONS):
        function = option(function)
    return function
