"""
What the environment says to Python's warnings decides nothing in a run, and is as it was afterwards.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WARNS = """
import os, sys, warnings
from pathlib import Path
from store_conformance.runs.isolation import isolated
def warned():
    try:
        warnings.warn("old", DeprecationWarning, stacklevel=2)
        return "goes on"
    except DeprecationWarning:
        return "raises"
def told():
    return f"{warned()} {sys.warnoptions} {os.environ.get('PYTHONWARNINGS')}"
before = told()
with isolated(Path.cwd()):
    within = told()
print(before == told(), within, "|", before)
"""


@pytest.mark.parametrize(
    ("option", "seen"),
    [
        ("error", "True goes on [] None | raises ['error'] error"),
        ("ignore", "True goes on [] None | goes on ['ignore'] ignore"),
    ],
)
def test_warnings_are_no_errors_in_a_run_and_the_same_as_before_after_it(
    option: str, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", option)

    done = subprocess.run(
        [sys.executable, "-c", WARNS], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )

    assert done.stdout.strip() == seen, done.stderr
