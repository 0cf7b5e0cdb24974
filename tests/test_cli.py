"""
The command line as a user runs it: a process of its own, its messages and its exit codes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from store_conformance.cli.parsing import main as parse
from store_conformance.runs.folder import claimed_folder

pytestmark = pytest.mark.slow

STORE = """
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

@contextmanager
def open_store(at, index, ttl, size="3"):
    yield InMemoryStore(index=index) if index else InMemoryStore()

@contextmanager
def hangs_in_put(at, index, ttl):
    import time

    class Hangs(InMemoryStore):
        def batch(self, ops):
            ops = list(ops)
            if any(type(o).__name__ == "PutOp" for o in ops):
                time.sleep(20)  # as good as for ever for a time-out of 2 s, and the run waits for its end
            return super().batch(ops)

    yield Hangs()

def gives_a_dict(at, index, ttl):
    return {}

def hangs(at, index, ttl):
    import time
    time.sleep(60)

def fails(at, index, ttl):
    raise RuntimeError("no such host")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(STORE)
    return tmp_path


def command(
    folder: Path, *arguments: str, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "store_conformance.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "-b", "memroy"), 2, "did you mean 'memory'"),
        (("run", "-b", "memory", "--rule", "K99"), 2, "did you mean 'K9"),
        (("run", "-b", "memory", "--group", "Q"), 2, "unknown group 'Q'"),
        (("run", "-b", "memory", "--scenario", "procedual"), 2, "did you mean 'procedural"),
        (("run", "--store", "mine.py:open_store", "--declare", "no-vector"), 2, "no-vectors"),
        (("run", "--store", "mine.py:open_store", "--option", "sise=3"), 2, "did you mean 'size'"),
        (("run", "--store", "mine.py:open_stor"), 2, "did you mean 'open_store'"),
        (("run", "--store", "yours.py:open_store"), 2, "there is no file yours.py"),
        (("run", "--store", "mine.py:gives_a_dict"), 2, "not a BaseStore"),
        (("run", "--store", "mine.py:fails"), 2, "no such host"),
        (
            ("run", "--store", "mine.py:hangs", "--timeout", "2"),
            2,
            "did not open a store within 2 s",
        ),
        (("run", "-b", "memory", "--declare", "no-ttl"), 2, "--declare goes with --store"),
        (("run", "-b", "memory", "--option", "novalue"), 2, "is not key=value"),
        (("run", "-b", "memory", "--data", "nowhere"), 2, "no such directory"),
        (("run", "-b", "memory", "--embed", "rael"), 2, 'did you mean "real"'),
        (("run", "-b", "memory", "--timeout", "0"), 2, "--timeout"),
        (("report", "nowhere"), 65, "cannot be read"),
        (("diff", "mine.py", "mine.py"), 65, "not JSON"),
        (("repro", "mine.py"), 65, "not JSON"),
        (("rules", "S11"), 2, "did you mean 'S1'"),
    ],
)
def test_a_mistake_gets_one_message_and_its_code(
    folder: Path,
    arguments: tuple[str, ...],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if (
        "--store" not in arguments
    ):  # nobody's module is loaded, so that no process of its own is needed
        monkeypatch.chdir(folder)
        answer = CliRunner().invoke(parse, arguments)
        assert said in answer.output
        assert isinstance(answer.exception, SystemExit)
        assert answer.exit_code == code
        return
    done = command(folder, *arguments)

    assert said in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == code


def test_an_output_folder_that_cannot_be_written_is_said(folder: Path) -> None:
    (folder / "file").write_text("")

    done = command(folder, "run", "-b", "memory", "--out", "file/below")

    assert "cannot write to file" in done.stderr
    assert done.returncode == 2


def test_a_run_writes_the_run_file_and_every_report(folder: Path) -> None:
    done = command(folder, "run", "-b", "memory", "--rule", "K1", "--rule", "S1", "--out", "out")

    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (folder / "out/run.jsonl").read_text().splitlines()]
    assert lines[0]["kind"] == "header"
    assert lines[-1]["counts"]["pass"] == lines[-1]["rows"] > 10
    assert {"report.md", "report.html", "report.json", "junit.xml"} <= set(
        os.listdir(folder / "out")
    )


def test_every_line_of_a_run_keeps_the_published_schema(folder: Path) -> None:
    import jsonschema

    schema = json.loads(command(folder, "run", "--schema").stdout)
    command(folder, "run", "--store", "mine.py:open_store", "--rule", "X1,X5,K5", "--out", "out")

    lines = (folder / "out/run.jsonl").read_text().splitlines()
    assert len(lines) > 20
    for line in lines:
        jsonschema.validate(json.loads(line), schema)


def test_a_failing_store_fails_the_gate_and_gets_a_confirmed_script(folder: Path) -> None:
    done = command(folder, "run", "--store", "mine.py:open_store", "--rule", "X5", "--out", "out")
    scripts = command(folder, "repro", "out", "X5")

    assert done.returncode == 1
    assert "confirmed in a clean process" in scripts.stdout
    assert "import conformance" not in scripts.stdout


def test_a_store_that_hangs_fails_its_cases_and_the_run_goes_on(folder: Path) -> None:
    done = command(
        folder,
        "run",
        "--store",
        "mine.py:hangs_in_put",
        "--rule",
        "X2",
        "--timeout",
        "2",
        "--out",
        "out",
        "--no-confirm",
        timeout=600,
    )

    rows = [json.loads(line) for line in (folder / "out/run.jsonl").read_text().splitlines()]
    verdicts = {r["verdict"] for r in rows if r["kind"] == "verdict"}
    assert any("no answer within 2 s" in r.get("message", "") for r in rows)
    assert "pass" in verdicts
    assert "error" not in verdicts
    assert done.returncode == 1


def _heed_interrupts() -> None:
    """A job in the background is started with Ctrl-C ignored, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_an_interrupted_run_is_readable_and_leaves_nothing_running(folder: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "store_conformance.cli",
            "run",
            "-b",
            "sqlite",
            "--group",
            "E",
            "--out",
            "out",
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_interrupts,
    )
    deadline = time.monotonic() + 60
    run_file = folder / "out/run.jsonl"
    while time.monotonic() < deadline and not (
        run_file.exists() and run_file.read_text().count('"kind": "verdict"') >= 2
    ):
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert json.loads(run_file.read_text().splitlines()[-1])["interrupted"] is True
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_two_runs_merge_and_the_same_backend_twice_does_not(folder: Path) -> None:
    command(folder, "run", "-b", "memory", "--rule", "K1", "--out", "a")
    command(folder, "run", "--store", "mine.py:open_store", "--rule", "K1", "--out", "b")

    merged = command(folder, "report", "a", "b", "--out", "both")
    twice = command(folder, "report", "a", "a", "--out", "twice")

    assert merged.returncode == 0, merged.stderr
    assert "mine" in (folder / "both/report.md").read_text()
    assert twice.returncode == 2
    assert "backend memory is in two of the runs" in twice.stderr


def test_backends_and_rules_speak_json(folder: Path) -> None:
    backends = json.loads(command(folder, "backends", "--json").stdout)
    rules = json.loads(command(folder, "rules", "--json").stdout)

    assert {"memory", "sqlite", "postgres"} <= {b["name"] for b in backends}
    assert all(r["cases"] for r in rules)


def test_memories_move_from_one_store_to_another(folder: Path) -> None:
    (folder / "disk.py").write_text(
        "from contextlib import contextmanager\n"
        "from langgraph.store.sqlite import SqliteStore\n"
        "@contextmanager\n"
        "def open_store(at, index, ttl):\n"
        "    with SqliteStore.from_conn_string(str(at.path / 'm.db')) as store:\n"
        "        store.setup()\n"
        "        yield store\n"
    )
    (folder / "old.jsonl").write_text("")
    sys.path.insert(0, str(folder))
    from langgraph.store.sqlite import SqliteStore

    with SqliteStore.from_conn_string(str(folder / "m.db")) as store:
        store.setup()
        store.put(("lance",), "agent_instructions", {"prompt": "be brief"})
    (folder / "new").mkdir()

    out = command(folder, "export", "--store", "disk.py:open_store", "--out", "m.jsonl")
    back = command(
        folder, "import", "--store", "disk.py:open_store", "--folder", "new", "--from", "m.jsonl"
    )

    assert out.returncode == back.returncode == 0, out.stderr + back.stderr
    with SqliteStore.from_conn_string(str(folder / "new/m.db")) as store:
        item = store.get(("lance",), "agent_instructions")
    assert item is not None
    assert item.value == {"prompt": "be brief"}


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX systems")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_self_test_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "store_conformance.cli", "self-test", "--quick", "--workers", "1"],
        env={**os.environ, "TMPDIR": str(tmp_path), "CONFORMANCE_SCRATCH": str(tmp_path)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_heed_interrupts,
        start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 180
        while not list(tmp_path.glob("conformance-self-test-*")):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        process.send_signal(number)
        assert process.wait(180) == 130
        assert [left.name for left in tmp_path.iterdir() if "conformance" in left.name] == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_folder_in_the_way_of_one_report_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "out" / "report.html").mkdir(parents=True)

    done = command(tmp_path, "run", "-b", "memory", "--rule", "K2", "--out", "out")

    assert done.returncode == 2, done.stdout + done.stderr
    assert "report.html" in done.stderr
    assert "Traceback" not in done.stderr
    assert {"report.md", "report.json", "junit.xml"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }


def test_a_second_run_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    with claimed_folder(tmp_path / "out"):
        refused = command(tmp_path, "run", "-b", "memory", "--rule", "K2", "--out", "out")
    (tmp_path / "out" / ".running").write_text("999999999")  # left by a run that was killed
    taken_over = command(tmp_path, "run", "-b", "memory", "--rule", "K2", "--out", "out")

    assert refused.returncode == 2
    assert "another folder with --out" in refused.stderr
    assert taken_over.returncode == 0, taken_over.stderr
    assert not (tmp_path / "out" / ".running").exists()


def test_a_run_that_ends_before_its_first_case_leaves_a_run_file(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "store_conformance.cli", "run", "-b", "postgres", "--out", "out"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    written = folder / "out" / "run.jsonl"
    while not (written.exists() and "\n" in written.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)

    lines = [json.loads(x) for x in (folder / "out" / "run.jsonl").read_text().splitlines()]
    assert process.returncode == 130
    assert lines[0]["kind"] == "header"
    assert lines[-1]["interrupted"] is True
