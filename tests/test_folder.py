"""
One folder belongs to one run at a time, and what a killed run has left does not keep others out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from store_conformance.contract import UserError
from store_conformance.runs.folder import LOCK, claimed_folder


def test_a_second_run_is_refused_as_long_as_the_first_one_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with claimed_folder(out):
        with pytest.raises(UserError, match=f"process {os.getpid()} is writing a run"):
            with claimed_folder(out):
                pytest.fail("claimed twice")
        assert (out / LOCK).exists()
    with claimed_folder(out):
        pass
    assert not (out / LOCK).exists()


@pytest.mark.skipif(os.name == "nt", reason="unverified: links need rights there")
def test_another_name_of_the_folder_is_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with claimed_folder(tmp_path / "out"):
        with pytest.raises(UserError):
            with claimed_folder(tmp_path / "link"):
                pytest.fail("claimed twice")


def _ended() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("left", ["by a process that ended", "cut off", "its number is ours now"])
def test_what_a_killed_run_left_is_taken_over(tmp_path: Path, left: str) -> None:
    lock = tmp_path / LOCK
    lock.write_text({"cut off": ""}.get(left, str(_ended())))
    if left == "its number is ours now":  # as in a container that was started again
        lock.write_text(str(os.getpid()))
        os.utime(lock, (1.0, 1.0))

    with claimed_folder(tmp_path):
        assert lock.read_text() == str(os.getpid())
    assert not lock.exists()
