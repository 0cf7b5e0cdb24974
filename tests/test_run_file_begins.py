"""
The run file is there from the first second, and an earlier run keeps its place until the next one has begun.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from store_conformance.backends.memory import MemoryBackend
from store_conformance.cli.parsing import main
from store_conformance.harness.backends import EngineUnavailableError
from store_conformance.harness.settings import Settings
from store_conformance.runs.folder import claimed_folder
from store_conformance.runs.run_file import RUN_FILE, read_run, unfinished
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession

EARLIER = "an earlier run\n"
STORE = """
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

@contextmanager
def open_store(at, index, ttl):
    yield InMemoryStore()
"""
NEVER_BEGINS = {
    "is mistyped": (STORE, "opn_store", "did you mean 'open_store'"),
    "ends at its import": ("import os\nos._exit(0)", "open_store", "while it was imported"),
    "never ends its import": ("import time\ntime.sleep(99)", "open_store", "did not end within"),
    "ends at its opening": (
        "import os\ndef open_store(at): os._exit(0)",
        "open_store",
        "while it was opened",
    ),
}


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def run(text: str, function: str = "open_store", timeout: str = "2") -> Result:
    Path("shop.py").write_text(text, "utf-8")
    words = ["run", "--store", f"shop.py:{function}", "--rule", "K3", "--out", "out"]
    return CliRunner().invoke(main, [*words, "--timeout", timeout])


@pytest.mark.parametrize("sin", NEVER_BEGINS)
def test_a_store_that_lets_no_run_begin_costs_no_earlier_run_and_is_told(
    out: Path, sin: str
) -> None:
    text, function, said = NEVER_BEGINS[sin]
    (out / RUN_FILE).write_text(EARLIER)

    ended = run(text, function)

    assert ended.exit_code == 2, ended.output
    assert (out / RUN_FILE).read_text() == EARLIER
    told = read_run(unfinished(out / RUN_FILE))
    assert [str(row.verdict) for row in told.rows] == ["unverified"]
    assert said in told.rows[0].message
    assert f"{unfinished(Path('out') / RUN_FILE)} says so; the earlier run" in ended.output


def test_without_an_earlier_run_the_folder_is_read_as_the_run_that_did_not_begin(
    out: Path,
) -> None:
    ended = run(STORE, "opn_store")

    assert ended.output.rstrip().endswith("says so")
    gate = CliRunner().invoke(main, ["gate", "out"])
    assert gate.exit_code == 3, gate.output
    assert "did you mean 'open_store'" in " ".join(gate.output.split())
    assert "interrupted" not in gate.output


def test_a_run_that_begins_takes_the_place_of_the_earlier_one(out: Path) -> None:
    (out / RUN_FILE).write_text(EARLIER)
    unfinished(out / RUN_FILE).write_text(EARLIER)

    words = ["run", "-b", "memory", "--rule", "K3", "--out", "out", "-n", "0"]

    done = subprocess.run(
        [sys.executable, "-m", "store_conformance.cli", *words],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert {str(row.verdict) for row in read_run(out).rows} == {"pass"}
    assert not unfinished(out / RUN_FILE).exists()


@pytest.mark.skipif(os.name != "posix", reason="unverified: other signals there")
@pytest.mark.parametrize(("by", "times"), [("SIGINT", 3), ("SIGKILL", 1)])
def test_a_run_that_is_ended_while_its_store_is_imported_leaves_a_file(
    out: Path, by: str, times: int
) -> None:
    (out / RUN_FILE).write_text(EARLIER)
    Path("shop.py").write_text("import pathlib, time\npathlib.Path('at').touch()\ntime.sleep(99)")
    words = ["run", "--store", "shop.py:open_store", "--rule", "K3", "--out", "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "store_conformance.cli", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while process.poll() is None and not Path("at").exists():
        time.sleep(0.05)

    for _ in range(times):  # a user who is impatient
        process.send_signal(getattr(signal, by))
        time.sleep(0.3)
    shown, _ = process.communicate(timeout=300)

    assert (out / RUN_FILE).read_text() == EARLIER
    lines = unfinished(out / RUN_FILE).read_text("utf-8").splitlines()
    assert json.loads(lines[0])["kind"] == "header"
    assert "Traceback" not in shown
    if by == "SIGINT":
        assert process.returncode == 130
        assert "before anything was checked" in shown
        assert read_run(unfinished(out / RUN_FILE)).footer["interrupted"]


class Gone(MemoryBackend):
    """Its engine is not there."""

    def start(self) -> None:
        raise EngineUnavailableError("gone", "no server listens there.", "start one")


@pytest.mark.parametrize(("backend", "begins"), [(Gone, False), (MemoryBackend, True)])
def test_an_engine_that_does_not_come_up_costs_no_earlier_run(
    out: Path, backend: type[MemoryBackend], begins: bool
) -> None:
    (out / RUN_FILE).write_text(EARLIER)
    session = RunSession({"memory": backend()}, Selection(), Settings())
    session.open_file(str(out / RUN_FILE))
    try:
        session.start()
    except EngineUnavailableError:
        pass
    finally:
        session.close_file(interrupted=False)
        session.stop()

    assert (out / RUN_FILE).read_text().startswith(EARLIER) is not begins
    told = read_run(out / RUN_FILE if begins else unfinished(out / RUN_FILE))
    assert [row.message for row in told.rows if "no server listens" in row.message] == (
        [] if begins else [told.rows[0].message]
    )


def test_a_folder_that_went_away_is_named_and_costs_no_traceback(out: Path) -> None:
    gone = "import shutil\n" + STORE.replace(
        "    yield InMemoryStore()",
        "    shutil.rmtree('out', ignore_errors=True)\n    yield InMemoryStore()",
    )

    ended = run(gone, timeout="30")

    assert ended.exit_code == 2, ended.output
    assert "No such file or directory" in ended.output
    assert ended.exception is None or isinstance(ended.exception, SystemExit)


def test_the_file_of_another_run_does_not_speak_for_this_one(out: Path) -> None:
    with claimed_folder(out):
        (out / f"{RUN_FILE}.unfinished").write_text("{}")
        ended = run(STORE)

    assert ended.exit_code == 2 and "is writing a run to" in ended.output
    assert "says so" not in ended.output


@pytest.mark.parametrize("left", [f"{RUN_FILE}.new", f"{RUN_FILE}.unfinished.new"])
def test_what_a_killed_run_left_goes_when_the_next_one_begins(out: Path, left: str) -> None:
    (out / left).write_text('{"kind": "hea')
    (out / "mine.new").write_text("a file of the user's")

    run(STORE)

    assert sorted(path.name for path in out.glob("*.new")) == ["mine.new"]
    assert read_run(out / RUN_FILE).rows
