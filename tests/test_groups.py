"""
Tests of one group are run by one worker, with the releases of pytest and xdist that are installed.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

CONFTEST = """
import pytest
from store_conformance.pytest_plugin.groups import keep_groups

@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    keep_groups(session.config, session.items)
"""
MODULE = """
import os, pathlib, time
import pytest

@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("group", [
    pytest.param("one", marks=pytest.mark.xdist_group("one")),
    pytest.param("two", marks=pytest.mark.xdist_group("two")),
    "none",
])
def test_it(group, number):
    time.sleep(0.05)
    pathlib.Path(f"{group}-{number}.txt").write_text(os.environ["PYTEST_XDIST_WORKER"])
"""


@pytest.mark.parametrize("dist", ["loadgroup", "load"])
def test_the_tests_of_a_group_are_run_by_one_worker(tmp_path: Path, dist: str) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(MODULE)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", dist],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout
    workers = defaultdict(set)
    for path in tmp_path.glob("*-*.txt"):
        workers[path.name.partition("-")[0]].add(path.read_text())
    assert len(list(tmp_path.glob("none-*.txt"))) == 6
    apart = {len(workers["one"]), len(workers["two"])}
    assert apart == {1} if dist == "loadgroup" else max(apart) == 2
