"""
The last lines of a run on a terminal: what is new, what was known, where to look, and the gate.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from store_conformance.cli.conclusion import MOST_REASONS, gate_lines
from store_conformance.contract import rules
from store_conformance.contract.records import Run
from store_conformance.reports.terminal import print_known, print_news, print_tables
from store_conformance.runs.gate import Gate, judge_run
from tests.sample_run import UPSTREAM, make_run, row, sample_run


def printed(show: Callable[[Console], None]) -> str:
    with open(os.devnull, "w") as nowhere:
        console = Console(width=120, record=True, file=nowhere)
        show(console)
        return console.export_text()


def news(run: Run) -> str:
    return printed(
        lambda out: print_news(
            run, out, run_path="my run", again=lambda b, r: f"again {b} {r}", hint=" (list: -v)"
        )
    )


def test_the_tables_show_counts_and_emulated_backends() -> None:
    text = printed(lambda out: print_tables(sample_run(), out))

    of_k = sum(r.group == "K" for r in rules())
    (line,) = (line for line in text.splitlines() if line.startswith(" K "))
    assert line.count(f" {of_k - 1}/{of_k} ✗1") == 2, "K10 fails on one backend, K7 on another"
    assert f" {of_k}/{of_k} " in line
    assert "(emulated)" in text
    assert "\x07" not in text


def test_new_failures_are_shown_with_the_commands_that_show_them_alone() -> None:
    text = news(sample_run())

    assert "postgres K7 SHOULD: NaN came back as null" in text
    assert "store-conformance repro 'my run' K7" in text
    assert "alone: again postgres K7" in text
    assert "unconfirmed: it did not reproduce" in text
    assert "stale expectation: memory X5" in text
    assert "\x07" not in text
    assert "[link]" in text


def test_known_failures_are_one_line_and_listed_where_that_is_asked_for() -> None:
    run = sample_run()
    text, listed = news(run), printed(lambda out: print_known(run, out, run_path="r"))

    assert "(expected)" not in text
    assert UPSTREAM not in text
    assert "known failure" in text.splitlines()[-1]
    assert text.rstrip().endswith("(list: -v).")
    assert "(expected)" in listed
    assert UPSTREAM in listed
    assert "NaN came back as null" not in listed


def test_a_run_without_failures_says_so_and_shows_no_command() -> None:
    assert news(make_run([row("memory", "K1")])).strip() == "Nothing new failed."


def test_a_finding_that_is_known_in_part_is_shown_by_the_part_that_is_not() -> None:
    known = dataclasses.replace(row("memory", "K1", "fail"), message="old", expectation="known")
    new = dataclasses.replace(row("memory", "K1", "fail"), message="new one")

    text = news(make_run([known, new]))

    assert "memory K1 MUST: new one" in text
    assert "1 failed rule not known before." in text


# -- the gate -----------------------------------------------------------------------------------------


def test_a_gate_that_holds_has_no_reasons() -> None:
    assert gate_lines(Gate(0, ())) == ["The gate holds."]


def test_a_gate_that_does_not_hold_prints_its_reasons_on_a_line_each() -> None:
    lines = gate_lines(Gate(1, ("a failure\nof two lines", "expectation passes now")))

    assert lines == [
        "The gate does not hold: 2 reasons.",
        "  a failure of two lines",
        "  expectation passes now",
    ]


def test_many_reasons_are_cut_and_counted() -> None:
    lines = gate_lines(Gate(1, tuple(f"r{n}" for n in range(MOST_REASONS + 5))))

    assert len(lines) == MOST_REASONS + 2
    assert lines[-1] == "  … and 5 more in the report"


def test_a_run_that_verified_nothing_says_why() -> None:
    rows = [dataclasses.replace(row("memory", "V4", "unsupported"), message="no vectors")] * 3

    gate = judge_run(make_run(rows))

    assert gate.code == 3
    assert gate.reasons == ("nothing could be verified: 3 unsupported; mostly: no vectors",)
    assert judge_run(make_run([])).reasons == ("nothing could be verified: no case was run",)
    assert judge_run(make_run([*rows, row("memory", "K1")])).reasons == ()


STORE = """
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

@contextmanager
def open_store(at, index, ttl, size="3"):
    yield InMemoryStore(index=index) if index else InMemoryStore()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("run")
    (made / "mine.py").write_text(STORE)
    return made


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "store_conformance.cli", "run", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_the_command_that_shows_a_finding_alone_shows_it(folder: Path) -> None:
    mine = ("--store", "mine.py:open_store", "--declare", "no-ttl", "--option", "size=2")
    done = run(folder, *mine, "--rule", "X5,K2", "--out", "out", "--no-confirm")
    command = next(x for x in done.stdout.splitlines() if "alone: " in x).split("alone: ")[1]
    alone = run(folder, *command.split()[2:], "--out", "again", "--no-confirm")

    assert done.returncode == alone.returncode == 1
    assert command.split()[2:] == [*mine, "--rule", "X5"]
    assert "The page: out/report.html" in done.stdout
    assert "store-conformance repro out X5" in done.stdout
    assert "mine X5 SHOULD" in alone.stdout


@pytest.mark.slow
def test_nothing_verified_is_no_success_and_says_why(folder: Path) -> None:
    done = run(folder, "--store", "mine.py:open_store", "--declare", "no-vectors", "--rule", "V4")

    assert done.returncode == 3
    assert done.stdout.rstrip().splitlines()[-1].strip().startswith("nothing could be verified: ")
    assert "declared: no vectors" in done.stdout
