"""
Stores whose calls never end, or that end the process they run in, cost their cases and never the run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from store_conformance.contract import Verdict
from store_conformance.runs.run_file import read_run

HEAD = """
import ctypes, os
from contextlib import contextmanager
from langgraph.store.base import PutOp
from langgraph.store.memory import InMemoryStore

class Store(InMemoryStore):
    def batch(self, ops):
        ops = list(ops)
        if any(isinstance(op, PutOp) and op.namespace == ("a", "b") for op in ops):
            {sin}
        return super().batch(ops)

@contextmanager
def open_store(at, index, ttl):
    yield Store()
"""
SINS = {
    "holds the lock of the interpreter": ("ctypes.PyDLL(None).sleep(3600)", "hung, killed"),
    "ends the process": ("os._exit(7)", "ended from within"),
    "crashes the process": ("os.abort()", "ended from within"),
}


def run(folder: Path, sin: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "shop.py").write_text(HEAD.format(sin=sin), "utf-8")
    command = [
        sys.executable,
        "-m",
        "store_conformance.cli",
        "run",
        "--store",
        "shop.py:open_store",
    ]
    # Where a process stands still its time-out is waited for; where it ends by itself, a machine that is busy for as
    # long as a short one would be told as a hang.
    seconds = "3" if "sleep" in sin else "120"
    command += ["--rule", "K1", "--timeout", seconds, "--no-confirm", "--out", "out", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400)


@pytest.mark.skipif(
    sys.platform == "win32", reason="unverified: the C library has another name there"
)
@pytest.mark.parametrize("sin", SINS)
def test_a_case_that_takes_its_process_with_it_fails_and_the_run_goes_on(
    tmp_path: Path, sin: str
) -> None:
    code, told = SINS[sin]

    done = run(tmp_path, code, "-n", "2")

    assert done.returncode == 1, done.stdout + done.stderr
    rows = read_run(tmp_path / "out").rows
    killed = [r for r in rows if r.verdict == Verdict.FAIL]
    assert killed, done.stdout
    assert all(told in r.message for r in killed), [r.message for r in killed]
    assert {r.case for r in rows if r.verdict == Verdict.PASS} - {r.case for r in killed}
    assert not [r for r in rows if r.verdict == Verdict.ERROR]


def test_the_stacks_of_a_killed_case_say_where_it_stood(tmp_path: Path) -> None:
    run(tmp_path, SINS["holds the lock of the interpreter"][0], "-n", "2")

    killed = [r for r in read_run(tmp_path / "out").rows if r.verdict == Verdict.FAIL]

    assert any("shop.py" in line and "batch" in line for r in killed for line in r.history)


def test_a_store_that_ends_its_calls_is_not_killed(tmp_path: Path) -> None:
    done = run(tmp_path, "__import__('time').sleep(0.2)", "-n", "2")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_module_whose_import_never_ends_is_told_and_nothing_hangs(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import time\ntime.sleep(3600)\n", "utf-8")
    command = [
        sys.executable,
        "-m",
        "store_conformance.cli",
        "run",
        "--store",
        "shop.py:open_store",
    ]

    done = subprocess.run(
        [*command, "--timeout", "2"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 2, done.stdout + done.stderr
    assert "did not end within 2 s" in done.stderr
    assert "Traceback" not in done.stderr
