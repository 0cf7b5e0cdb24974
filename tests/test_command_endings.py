"""
How commands end that cannot do what they were asked to: what they say, and what they say is left.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from store_conformance.backends.engines.processes import ServerProcess
from store_conformance.backends.polling import wait_until
from store_conformance.cli import beginning, commands, crash, endings
from store_conformance.cli.migrate import Teller
from store_conformance.cli.parsing import main
from store_conformance.contract import UserError
from store_conformance.contract.hurry import hurry, in_a_hurry, take_time
from store_conformance.harness import interrupting
from store_conformance.harness.interrupting import interruptible, undisturbed
from store_conformance.harness.settings import Settings
from store_conformance.migration.moving import Progress
from store_conformance.reports.pictures import can_draw
from store_conformance.runs.run_file import RunWriter
from tests.sample_run import BACKENDS, header, row


def written_run(folder: Path, verdict: str) -> str:
    """A run of one row as its file."""
    path = folder / f"{verdict}.jsonl"
    head = header({"memory": BACKENDS["memory"]})
    writer = RunWriter(path, {k: v for k, v in head.items() if k not in ("kind", "schema")})
    writer.add(row("memory", "K1", verdict, failure_kind="search raised OSError: *"))
    writer.close(seconds=1.0, by_backend={}, interrupted=False)
    return str(path)


def interrupted(*args: Any, **more: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "module", "name", "said"),
    [
        (["run", "-b", "memory", "--out", "none"], commands, "run", "no run file was written"),
        (["crash", "-b", "sqlite"], crash, "crash", "--resume goes on"),
        (
            ["export", "--store", "a.py:b", "--out", "c"],
            commands,
            "export_memories",
            "nothing was written",
        ),
        (
            ["import", "--store", "a.py:b", "--from", "c"],
            commands,
            "import_memories",
            "same import",
        ),
    ],
)
def test_an_interrupted_command_says_what_is_left_of_it(
    words: list[str], module: Any, name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, interrupted)

    ended = CliRunner().invoke(main, words)

    assert ended.exit_code == 130 and said in ended.output
    assert ("run file" in ended.output) == (words[0] == "run")


def test_a_run_that_was_interrupted_in_the_middle_says_what_its_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(*args: Any, **more: Any) -> None:
        (more["out"] / "run.jsonl").write_text("{}\n")
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run", begun)

    ended = CliRunner().invoke(main, ["run", "-b", "memory", "--out", str(tmp_path)])

    assert ended.exit_code == 130 and "holds what was checked so far" in ended.output


def test_a_file_that_cannot_be_written_is_named_without_the_systems_number(tmp_path: Path) -> None:
    out = tmp_path / "no" / "e.toml"

    ended = CliRunner().invoke(main, ["expect", written_run(tmp_path, "pass"), "-o", str(out)])

    assert ended.exit_code == 2 and "Errno" not in ended.output
    assert f"{out}: {os.strerror(2)}. Hint: check the path" in ended.output


@pytest.mark.parametrize(("verdict", "to_do"), [("pass", False), ("fail", True)])
def test_expect_asks_for_reasons_where_there_is_something_to_explain(
    verdict: str, to_do: bool, tmp_path: Path
) -> None:
    out = tmp_path / "e.toml"

    ended = CliRunner().invoke(main, ["expect", written_run(tmp_path, verdict), "-o", str(out)])

    assert ended.exit_code == 0, ended.output
    assert ("say in 'why'" in ended.output) == to_do
    assert ("nothing fails that" in ended.output) != to_do


@pytest.mark.skipif(not can_draw(), reason="matplotlib is not installed")
def test_a_report_without_pictures_says_that_there_are_none(tmp_path: Path) -> None:
    words = ["report", written_run(tmp_path, "pass"), "--out", str(tmp_path / "report")]

    alone = CliRunner().invoke(main, [*words, "--format", "pictures"])
    other = CliRunner().invoke(main, [*words, "--format", "md"])

    assert "no pictures" in alone.output and alone.exit_code == 0
    assert "no pictures" not in other.output and "report.md" in other.output


def test_each_stage_of_a_migration_is_told_at_its_beginning_and_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell = Teller()
    for stage in ("writing", "verifying"):
        for items in (100, 200, 300, 300):
            tell(Progress(stage, items, 300, 1.0))

    told = [line.partition(" items")[0] for line in capsys.readouterr().err.splitlines()]

    assert told == [f"{s}: {n} of 300" for s in ("writing", "verifying") for n in (100, 300)]


class Clears:
    """Does something when it is cleared away, where Python raises nothing."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work

    def __del__(self) -> None:
        self.work()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="unverified: no such signal here")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_while_something_is_cleared_away_is_not_lost(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        one = Clears(lambda: signal.raise_signal(getattr(signal, name)))
        del one
        wait_until(lambda: False, 10)  # one long sleep would not be cut short by it
    assert "Traceback" not in capsys.readouterr().err


def test_what_else_goes_wrong_there_is_told_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda ignored: told.append(ignored.exc_type))
    with interruptible():
        one = Clears(lambda: 1 / 0)
        del one
    assert told == [ZeroDivisionError]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="unverified: no such signal here")
@pytest.mark.parametrize("second", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_second_signal_cuts_no_ending_off(
    second: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = getattr(signal, second)
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    cleared: list[str] = []

    def end() -> None:
        with interruptible(), interruptible():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(number)
                cleared.append("all")

    with pytest.raises(KeyboardInterrupt):
        end()
    assert in_a_hurry()  # what is cleared away from now on is not waited for
    monkeypatch.setattr(interrupting, "PATIENCE_SECONDS", 0.0)  # an ending that takes too long
    with pytest.raises(KeyboardInterrupt):
        end()

    assert cleared == ["all"]
    assert capfd.readouterr().err.count("being ended") == 1
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == before


def test_what_must_not_be_cut_off_hears_no_signal() -> None:
    with undisturbed():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGTERM)


def test_within_it_the_second_signal_hastens_the_end_and_the_first_does_not() -> None:
    with interruptible(), undisturbed():
        signal.raise_signal(signal.SIGTERM)
        assert not in_a_hurry()
        signal.raise_signal(signal.SIGINT)
        assert in_a_hurry()
    with interruptible():  # the next command of this process begins anew
        assert not in_a_hurry()


@pytest.mark.parametrize("slow", [True, False])
def test_an_ending_that_takes_long_says_how_to_hasten_it(
    slow: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupting, "REMINDER_SECONDS", 0.05)
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            told = wait_until(lambda: "once more" in capfd.readouterr().err, 20.0 if slow else 0.0)
    assert told or not slow
    time.sleep(0.2)
    assert "once more" not in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="unverified: no such signals there")
@pytest.mark.parametrize("hurried", [True, False])
def test_a_server_that_takes_its_time_to_stop_is_killed_at_once_in_a_hurry(
    hurried: bool, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    deaf = f"trap '' TERM; echo > {ready}; while :; do sleep 0.1; done"
    server = ServerProcess(
        "deaf",
        ["/bin/sh", "-c", deaf],
        log=tmp_path / "log",
        ready=ready.exists,
        stop_seconds=120.0 if hurried else 1.5,
    )
    server.start()
    begin = time.monotonic()
    try:
        if hurried:
            hurry()
        server.stop()
    finally:
        take_time()
    took = time.monotonic() - begin

    assert not server.alive
    assert took < 60 if hurried else took > 1.5


def test_one_that_stops_by_itself_is_waited_for_no_longer_than_it_takes(tmp_path: Path) -> None:
    server = ServerProcess("meek", ["/bin/sleep", "600"], log=tmp_path / "log", ready=lambda: True)
    server.start()
    server.stop()
    assert not server.alive


# -- folders that may not be looked into ------------------------------------------------------------------


@pytest.mark.parametrize("enters", [True, False])
def test_a_working_folder_that_may_not_be_entered_is_told_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enters: bool
) -> None:
    """As in ``sudo -u app``, in a folder of root's: pytest could not go back there at the end of the run."""
    given: dict[str, Any] = {"backend": ("nowhere",), "store": (), "name": None}

    def chdir(path: Path) -> None:
        if not enters:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("os.chdir", chdir)
    with (
        pytest.raises(UserError, match="no such backend" if enters else "cannot be entered"),
        beginning.begun_run(tmp_path / "out", Settings(), measures=False, **_OPTIONS, **given),
    ):
        raise AssertionError("it must not begin")

    assert (tmp_path / "out").exists() is enters


_OPTIONS: dict[str, Any] = {"declare": "", "option": (), "deployment": None, "url": None}


def test_of_a_folder_that_may_not_be_looked_into_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    assert endings._told_too(tmp_path, 0.0) == ""
    monkeypatch.setattr(Path, "exists", refused)
    assert endings._told_too(tmp_path, 0.0) == ""


# -- an interrupt that passes through what others do -------------------------------------------------------


def _imported(error: Exception) -> None:
    """As a library that is being imported: it makes an error of its own of what passes through."""
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt as passing:
        raise error from passing


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="unverified: no such signal here")
@pytest.mark.parametrize("error", [RuntimeError("__set_name__"), OSError("no"), UserError("no")])
def test_an_interrupt_in_the_disguise_of_another_error_is_one(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        endings.explain(lambda: _imported(error))()

    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("interrupted")


def test_an_interrupt_that_nobody_sent_is_no_disguise() -> None:
    def fails() -> None:
        raise RuntimeError("a mistake of ours") from KeyboardInterrupt()

    with pytest.raises(RuntimeError):
        endings.explain(fails)()


MADE_OF_TEXT = """
import sys
from store_conformance.cli import __main__

def parse():
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        sys.exit(130)

__main__.parse = parse
{end}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="unverified: no such signals there")
@pytest.mark.parametrize(("end", "code"), [("__main__.main()", 130), ("parse()", -signal.SIGINT)])
def test_an_interrupt_that_was_answered_does_not_decide_how_python_ends(
    tmp_path: Path, end: str, code: int
) -> None:
    (tmp_path / "command.py").write_text(MADE_OF_TEXT.format(end=end), "utf-8")

    done = subprocess.run([sys.executable, "-m", "command"], cwd=tmp_path, check=False, timeout=60)

    assert done.returncode == code
