"""
A run that was killed: its file is read as far as it goes, nothing of it stays, and `run --resume` goes on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from store_conformance.backends.folders import own_folder
from store_conformance.cli.parsing import main as parse
from store_conformance.contract import Level, Mode, UserError, Verdict
from store_conformance.contract.records import Measurement, Row
from store_conformance.reports.json_report import to_dict
from store_conformance.reports.model import build_report
from store_conformance.runs.lines import RunFileError
from store_conformance.runs.resuming import CaseKey, Earlier, earlier_run, key_of
from store_conformance.runs.run_file import RunWriter, read_run
from tests.sample_run import make_run

RULES = "K1,K2"


def row(case: str, verdict: Verdict = Verdict.PASS, rule: str = "K1") -> Row:
    return Row("memory", rule, Level.MUST, case, Mode.SYNC, verdict, "", seconds=0.5)


FIRST, SECOND, THIRD = row("a::one"), row("a::two", Verdict.FAIL), row("a::three")
KNOWN = frozenset(map(key_of, (FIRST, SECOND, THIRD)))
OF_SECOND = (row("a::two", Verdict.FAIL, "F4"), Measurement("memory", "portability.F7", "refused"))
"""What the second case brings beside its own verdict."""


def written(folder: Path, *entries: Row | Measurement, end: bool | None = None) -> Path:
    """A run file; without an ``end`` its run was killed, else that says whether it was interrupted."""
    header = {**make_run([FIRST]).header, "backends": {"memory": {"deployment": "embedded"}}}
    path = folder / "run.jsonl"
    writer = RunWriter(path, {k: v for k, v in header.items() if k not in ("kind", "schema")})
    for entry in entries:
        writer.add(entry)
    writer.close(seconds=2.0, by_backend={"memory": 1.0}, interrupted=bool(end))
    if end is None:
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    return path


# -- what a killed run leaves ---------------------------------------------------------------------


@pytest.mark.parametrize("tail", ["", '{"kind": "verd', '{"kind": "verdict", "message": "\\'])
def test_a_cut_file_is_read_as_far_as_it_goes_and_says_so(tmp_path: Path, tail: str) -> None:
    path = written(tmp_path, FIRST, SECOND)
    with path.open("a") as file:
        file.write(tail)

    with pytest.raises(RunFileError, match="truncated"):  # for whoever did not ask for it
        read_run(path)
    run = read_run(path, cut=True)
    assert run.rows == (FIRST, SECOND)
    assert (run.footer["truncated"], run.footer["interrupted"]) == (True, True)
    assert run.footer["counts"]["fail"] == 1
    told = to_dict(build_report(run))
    assert told["truncated"] is True
    assert any("The run file is truncated" in line for line in told["cannot_say"])


def test_a_whole_file_is_not_called_truncated(tmp_path: Path) -> None:
    told = to_dict(build_report(read_run(written(tmp_path, FIRST, end=False), cut=True)))
    assert told["truncated"] is False
    assert not any("truncated" in line for line in told["cannot_say"])


def test_a_line_that_is_broken_in_the_middle_is_refused_all_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, FIRST, SECOND)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:-9], lines[2]]) + "\n")
    with pytest.raises(RunFileError, match="line 2 is not JSON"):
        read_run(path, cut=True)


def test_a_header_is_there_at_every_moment(tmp_path: Path) -> None:
    """It is replaced by a fuller one once the engines are up, and a run may be killed just then."""
    path = tmp_path / "run.jsonl"
    writer = RunWriter(path, {"backends": {}})
    with path.open() as reader:  # what was there before is neither emptied nor written over
        writer.begin_again({"backends": {"memory": {}}})
        assert json.loads(reader.read())["backends"] == {}
    writer.close(seconds=0.0, by_backend={}, interrupted=True)
    assert json.loads(path.read_text().splitlines()[0])["backends"] == {"memory": {}}
    assert os.listdir(tmp_path) == ["run.jsonl"]


def test_folders_of_a_killed_process_go_and_those_of_others_stay(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"conformance-stacks-pid{ended.pid}-abcd1234"
    living = tmp_path / f"conformance-stacks-pid{os.getppid()}-abcd1234"
    foreign = tmp_path / f"project-pid{ended.pid}-abcd1234"
    for folder in (left, living, foreign):
        folder.mkdir()
    mine = own_folder("stacks", str(tmp_path))
    assert {*tmp_path.iterdir()} == {mine, living, foreign}


# -- what stays of it -----------------------------------------------------------------------------


def test_the_last_case_of_a_cut_run_is_run_again_with_all_that_belongs_to_it(
    tmp_path: Path,
) -> None:
    """Nobody knows whether all that belongs to it was written."""
    absent = row("engine", Verdict.UNVERIFIED, "E4")  # told again when the engines start again
    died = Row("?", "?", Level.MUST, "a::four", "?", Verdict.ERROR, "no verdict")
    path = written(tmp_path, absent, SECOND, *OF_SECOND, FIRST, THIRD, *OF_SECOND)
    earlier = earlier_run(path, KNOWN)
    assert earlier.entries == (SECOND, *OF_SECOND, FIRST)
    assert earlier.done == {key_of(SECOND), key_of(FIRST)}
    assert not earlier.finished
    assert earlier_run(written(tmp_path, died), KNOWN).done == frozenset()
    assert earlier_run(written(tmp_path), KNOWN).done == frozenset()


@pytest.mark.parametrize(("end", "finished"), [(None, False), (True, False), (False, True)])
def test_a_run_is_finished_if_nothing_cut_or_interrupted_it(
    tmp_path: Path, end: bool | None, finished: bool
) -> None:
    assert earlier_run(written(tmp_path, FIRST, end=end), KNOWN).finished is finished


def asked(earlier: Earlier, **changes: Any) -> None:
    earlier.check_asked({**earlier.run.header, **changes})


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda e: asked(e, suite_version="9.9"), "another version of the suite: .*, and not 9.9"),
        (lambda e: asked(e, profile="quick"), "another profile"),
        (lambda e: asked(e, settings={**e.run.header["settings"], "seed": 4}), r"another setting \(seed\): .*, and not 4"),
        (lambda e: asked(e, selection={"rules": ["K9"]}), r"another selection of cases \(rules\)"),
        (lambda e: asked(e, machine={"python": "3.99"}), "another version of Python"),
        (lambda e: e.check_names(["sqlite"]), "another backend: memory, and not sqlite"),
        (
            lambda e: e.check_backends({"memory": {"deployment": "url"}}),
            "another deployment of memory: embedded, and not url",
        ),
        (
            lambda e: e.check_backends({"memory": {"deployment": "embedded", "packages": {"a": "1"}}}),
            r"another version of memory",
        ),
        (lambda e: e.check_backends({"memory": {"absent": "x"}}), "is there, and not is not there"),
    ],
)  # fmt: skip
def test_another_run_than_that_one_is_refused(
    tmp_path: Path, ask: Callable[[Earlier], None], said: str
) -> None:
    earlier = earlier_run(written(tmp_path, FIRST), KNOWN)
    with pytest.raises(UserError, match=said) as refused:
        ask(earlier)
    assert "--resume" in refused.value.hint


def test_the_same_run_is_not_refused_whatever_says_nothing_of_its_verdicts(tmp_path: Path) -> None:
    earlier = earlier_run(written(tmp_path, FIRST), KNOWN)
    asked(
        earlier,
        started="later",
        command="another",
        machine={**earlier.run.header["machine"], "cpus": 99},
    )
    earlier.check_names(["memory"])
    now = {
        "deployment": "embedded",
        "seconds_to_start": 3,
        "settings": {"connections at once": "2"},
    }
    earlier.check_backends({"memory": now})
    before_its_engines = replace(
        earlier, run=replace(earlier.run, header={**earlier.run.header, "backends": {}})
    )
    before_its_engines.check_names(["memory"])


def test_what_it_took_is_that_of_all_parts(tmp_path: Path) -> None:
    header = earlier_run(written(tmp_path, FIRST, end=True), KNOWN).run.header
    earlier = Earlier(tmp_path, read_run(written(tmp_path, FIRST, end=True)), seconds=2.0)
    made = earlier.header({**header, "started": "later", "command": "run --resume"}, "now")
    assert made["resumed"] == [{"at": "now", "rows": 0, "seconds": 2.0}]
    assert (made["started"], made["command"]) == (header["started"], header["command"])


# -- a run as a whole -----------------------------------------------------------------------------


class Place:
    """A folder for runs and for all that they leave anywhere."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out"
        self._left = [folder / "temporary", folder / "scratch"]
        for each in self._left:
            each.mkdir()
        names = dict(zip(("TMPDIR", "CONFORMANCE_SCRATCH"), map(str, self._left)))
        self._environment = {**os.environ, **names}

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "store_conformance.cli", *words, "--out", str(self.out)]
        return subprocess.Popen(
            command, env=self._environment, cwd=self.out.parent, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        said, _ = process.communicate(timeout=240)
        return process.returncode, said

    def lines(self) -> list[dict[str, Any]]:
        path = self.out / "run.jsonl"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def keys(self) -> list[CaseKey]:
        rows = [line for line in self.lines() if line["kind"] == "verdict"]
        return [(r["backend"], r["rule"], r["case"], r["mode"]) for r in rows]

    def left(self) -> list[Path]:
        return [path for folder in self._left for path in folder.iterdir()]


def test_a_killed_run_leaves_nothing_but_a_file_to_go_on_with(tmp_path: Path) -> None:
    place = Place(tmp_path)
    words = ("run", "-b", "memory", "--rule", RULES, "--no-policy", "--no-confirm")
    process = place.start(*words, "-n", "2")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(place.keys()) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    cut = place.keys()
    assert place.lines()[-1]["kind"] != "footer"

    code, said = place.run(*words, "-n", "0", "--resume", "--seed", "7")
    assert (code, place.keys()) == (2, cut), said
    assert "a run of another setting (seed): 20260, and not 7" in said

    code, said = place.run(*words, "-n", "0", "--resume")
    assert code == 0, said
    assert f"going on with the run in {place.out}: {len(cut) - 1} of " in said
    assert place.keys()[: len(cut) - 1] == cut[:-1]
    assert len({*place.keys()}) == len(place.keys()) > len(cut)
    header, footer = place.lines()[0], place.lines()[-1]
    assert [part["rows"] for part in header["resumed"]] == [len(cut) - 1]
    assert (footer["interrupted"], footer["rows"]) == (False, len(place.keys()))
    assert "resumed, once" in (place.out / "report.md").read_text()
    assert place.left() == []

    code, said = place.run(*words, "-n", "0", "--resume")
    assert (code, "is finished: nothing is left to run of" in said) == (0, True), said


def test_without_a_run_there_is_nothing_to_resume(tmp_path: Path) -> None:
    words = ["run", "-b", "memory", "--rule", "K1", "--resume", "--out", str(tmp_path)]
    refused = CliRunner().invoke(parse, words)
    assert refused.exit_code == 2
    assert "there is no run to resume" in refused.output
