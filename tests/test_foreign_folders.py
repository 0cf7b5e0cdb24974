"""
The folder in which the command is started decides nothing: its conftest files, settings and plugins are
for somebody else's tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from store_conformance.runs.run_file import read_run

DROP = "def pytest_collection_modifyitems(items):\n    items.clear()\n"
OPTION = "def pytest_addoption(parser):\n    parser.addoption('--conformance-backend')\n"
FOLDERS: dict[str, dict[str, str]] = {
    "nothing in it": {},
    "a conftest that cannot be imported": {"conftest.py": "raise RuntimeError('not for you')\n"},
    "a conftest that takes all cases away": {"conftest.py": DROP},
    "a conftest that adds our option": {"conftest.py": OPTION},
    "settings that do not exist": {"pytest.ini": "[pytest]\naddopts = --no-such-option\n"},
    "settings that pick other files": {
        "pyproject.toml": "[tool.pytest.ini_options]\npython_files = 'x.py'\naddopts = '-k nothing'\n"
    },
    "packages of our names": {
        "conformance/__init__.py": "raise RuntimeError('theirs')\n",
        "backends/__init__.py": "raise RuntimeError('theirs')\n",
        "reports/__init__.py": "raise RuntimeError('theirs')\n",
        "tests/__init__.py": "raise RuntimeError('theirs')\n",
    },
}


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "store_conformance.cli", "run", "-b", "memory", "--rule", "K2"]
    environment = {**os.environ, **variables}
    return subprocess.run(
        [*command, "--out", "out", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip


def cases_in(folder: Path) -> set[tuple[str, str]]:
    return {(r.case, str(r.mode)) for r in read_run(folder / "out").rows}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """The cases of a run in an empty folder."""
    folder = tmp_path_factory.mktemp("usual")
    run(folder)
    return cases_in(folder)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_foreign_folder_changes_no_case(
    tmp_path: Path, usual: set[tuple[str, str]], name: str
) -> None:
    for path, text in FOLDERS[name].items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")

    done = run(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert cases_in(tmp_path) == usual
    assert "Traceback" not in done.stdout + done.stderr


def test_options_for_somebody_elses_pytest_change_no_case(
    tmp_path: Path, usual: set[tuple[str, str]]
) -> None:
    done = run(tmp_path, PYTEST_ADDOPTS="--no-such-option", PYTEST_PLUGINS="no_such_plugin")

    assert done.returncode == 0, done.stdout + done.stderr
    assert cases_in(tmp_path) == usual


def test_workers_take_no_notice_of_a_foreign_folder_either(
    tmp_path: Path, usual: set[tuple[str, str]]
) -> None:
    (tmp_path / "conftest.py").write_text(DROP + "raise RuntimeError('not for you')\n", "utf-8")

    done = run(tmp_path, "-n", "2")

    assert done.returncode == 0, done.stdout + done.stderr
    assert cases_in(tmp_path) == usual


def test_a_run_leaves_nothing_but_its_own_folder(tmp_path: Path) -> None:
    run(tmp_path)

    assert [p.name for p in tmp_path.iterdir()] == ["out"]
