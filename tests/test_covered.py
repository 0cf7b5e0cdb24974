"""
The command that runs the tests under coverage: child processes count, and the floor is a floor.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("coverage", reason="unverified: coverage is not installed")
_PLACES = (*site.getsitepackages(), site.getusersitepackages())
counts_children = pytest.mark.skipif(
    not any(Path(place, "a1_coverage.pth").is_file() for place in _PLACES),
    reason="unverified: coverage is not installed in this environment itself, so no child loads it",
)
COMMAND = Path(__file__).with_name("covered.py")
SETTINGS = """
[tool.coverage.run]
branch = true
parallel = true
source_pkgs = ["counted"]
patch = ["subprocess", "fork", "_exit"]
[tool.coverage.report]
fail_under = 90
"""
MODULE = """
import sys

def answer(word):
    if word == "yes":
        return 0
    return 1

if __name__ == "__main__":
    sys.exit(answer(sys.argv[1]))
"""
TESTS = """
import subprocess, sys

def test_in_child_processes():
    for word, code in ANSWERS:
        assert subprocess.call([sys.executable, "-m", "counted", word]) == code
"""


def covered(folder: Path, answers: object, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a small project whose code runs in child processes alone."""
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / "counted.py").write_text(MODULE)
    (folder / "test_counted.py").write_text(f"ANSWERS = {answers!r}\n{TESTS}")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTEST"))}
    return subprocess.run(
        [sys.executable, str(COMMAND), "-q", "-p", "no:cacheprovider", *words, "test_counted.py"],
        cwd=folder,
        env={**variables, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@counts_children
def test_what_child_processes_run_is_counted(tmp_path: Path) -> None:
    done = covered(tmp_path, [("yes", 0), ("no", 1)])

    assert done.returncode == 0, done.stdout + done.stderr
    # One branch is missing: the module is never imported.
    assert "branch coverage 90.9 %, floor 90 %" in done.stdout


@counts_children
def test_below_the_floor_it_fails(tmp_path: Path) -> None:
    done = covered(tmp_path, [("yes", 0)])

    assert done.returncode == 2, done.stdout + done.stderr
    assert "floor 90 %" in done.stdout


@counts_children
def test_a_part_of_the_tests_is_not_held_to_the_floor(tmp_path: Path) -> None:
    done = covered(tmp_path, [("yes", 0)], "-k", "child")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "of all tests" in done.stdout


def test_a_test_that_fails_is_what_is_told(tmp_path: Path) -> None:
    done = covered(tmp_path, [("yes", 1)])

    assert done.returncode == 1, done.stdout + done.stderr
    assert "branch coverage" not in done.stdout


def test_it_can_be_left_out(tmp_path: Path) -> None:
    done = covered(tmp_path, [("yes", 0)], "--no-coverage")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "branch coverage" not in done.stdout
