"""
What an unset variable of a shell gives an option: nothing is done in its name.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from store_conformance.cli.parsing import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "-b", "memory", "--out", ""], "it is empty"),
        (["run", "-b", "memory", "--url", ""], "it is empty"),
        (["run", "-b", "memory", "--name", ""], "it is empty"),
        (["check", ""], "it is empty"),
        (["report", ""], "it is empty"),
        (["run", "-b", "memory", "--timeout", "nan"], "no number of seconds"),
        (["run", "-b", "memory", "--timeout", "inf"], "no number of seconds"),
        (["run", "-b", "memory", "-n", "100000"], "too many"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_an_empty_value_and_one_beyond_reason_are_refused(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(main, words)

    assert done.exit_code == 2 and said in done.output
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="unverified: no such pipes here")
@pytest.mark.parametrize(
    "words",
    [
        ["report", "pipe"],
        ["gate", "pipe"],
        ["diff", "pipe", "pipe"],
        ["trend", "pipe"],
        ["repro", "pipe"],
        ["expect", "pipe"],
        ["run", "-b", "memory", "--expectations", "pipe"],
        ["run", "-b", "memory", "--policy", "pipe"],
    ],
    ids=" ".join,
)
def test_nobody_waits_for_whoever_writes_to_a_pipe(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")

    done = CliRunner().invoke(main, words)

    assert done.exit_code == 2 and "pipe is a pipe" in done.output
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]
