"""
Terminals of any encoding, pipes that are closed, and stores that leave threads: the run ends with its own code.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from store_conformance.runs.run_file import read_run
from store_conformance.runs.streams import PatientStream

RUN = [sys.executable, "-m", "store_conformance.cli", "run", "-b", "memory", "--rule", "K2"]

LEAVES_A_THREAD = """
import threading, time
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

@contextmanager
def open_store(at, index, ttl):
    threading.Thread(
        target=time.sleep, args=(3600,), name="left-by-the-store", daemon=False
    ).start()
    yield InMemoryStore()
"""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_a_terminal_of_any_encoding_costs_no_report(tmp_path: Path, encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*RUN, "--out", "out"], cwd=tmp_path, capture_output=True, env=environment, timeout=300
    )

    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stdout + done.stderr
    done.stdout.decode(encoding)
    assert {"report.md", "report.html", "report.json", "junit.xml"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }


def test_a_pipe_that_is_closed_costs_no_report(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*RUN, "--out", "out"], cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, timeout=300
    )
    os.close(writing)

    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr
    assert (tmp_path / "out" / "report.md").is_file()


def test_a_store_that_leaves_a_thread_does_not_keep_the_command(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(LEAVES_A_THREAD, "utf-8")
    command = [*RUN[:4], "--store", "shop.py:open_store", "--rule", "K2", "--out", "out"]

    for workers in ("1", "2"):
        done = subprocess.run(
            [*command, "-n", workers], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert read_run(tmp_path / "out").rows


def test_what_is_left_is_said(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(LEAVES_A_THREAD, "utf-8")
    command = [*RUN[:4], "--store", "shop.py:open_store", "--rule", "K2", "--out", "out", "-n", "0"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    assert "left-by-the-store" in done.stdout + done.stderr


def test_signs_that_an_encoding_lacks_are_said_in_ascii() -> None:
    bytes_ = io.BytesIO()
    stream = PatientStream(io.TextIOWrapper(bytes_, encoding="ascii"))

    stream.write("✓ 3 – ✗ 1 … 鍵")
    stream.flush()

    assert bytes_.getvalue() == b"ok 3 - x 1 ... \\u9375"
