"""
The types of everything, the tests included, by mypy; and that it sees a wrong one.

Among the tests rather than before them: it computes on one core while others of them wait.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.link_packages import ROOT, link_packages


def checked(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says, with the settings of pyproject.toml, and a cache and a tree of links of its own."""
    pytest.importorskip("mypy", reason="unverified: mypy is not installed (extra `typing`)")
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(cache), *arguments],
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")},
            "MYPYPATH": str(link_packages(cache / "tree")),
        },
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.whole
def test_types_are_strict_and_right(tmp_path: Path) -> None:
    done = checked(cache=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_wrong_type_is_seen(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def double(number: int) -> str:\n    return number * 2\n", "utf-8")

    done = checked(str(wrong), cache=tmp_path / "cache")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "Incompatible return value type" in done.stdout
