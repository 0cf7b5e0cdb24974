"""
Waiting until something is so, and the processes that a server leaves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from store_conformance.backends.engines.processes import descendants, runs
from store_conformance.backends.folders import own_folder
from store_conformance.backends.polling import wait_until


def test_it_is_asked_until_it_says_yes() -> None:
    answers = iter([False, False, True])
    assert wait_until(lambda: next(answers), 60, pause=0.001)
    assert list(answers) == []


def test_it_gives_up_and_looks_once_more_when_the_time_is_up() -> None:
    looks: list[int] = []

    def look() -> bool:
        looks.append(1)
        return False

    assert not wait_until(look, 0.05, pause=0.01)
    assert len(looks) >= 2
    assert wait_until(lambda: True, -1), "what is so already needs no time"


def test_what_is_raised_ends_the_wait() -> None:
    def fails() -> bool:
        raise OSError("ended")

    with pytest.raises(OSError, match="ended"):
        wait_until(fails, 60)


@pytest.mark.skipif(os.name != "posix", reason="sessions are POSIX's")
def test_descendants_are_found_in_sessions_of_their_own() -> None:
    leaf = "import time; print('up', flush=True); time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {leaf!r}], start_new_session=True).wait()"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    family = descendants(process.pid)
    try:
        assert len(family) == 1
        assert all(map(runs, [process.pid, *family]))
    finally:
        for pid in [process.pid, *family]:
            os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not runs(process.pid), 60), "dead and not collected is not running"
    process.wait()
    process.stdout.close()
    assert wait_until(lambda: not any(map(runs, family)), 60)
    assert descendants(process.pid) == []


def test_a_folder_goes_when_its_owner_is_gone(tmp_path: os.PathLike[str]) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = own_folder("left", str(tmp_path))
    orphan = left.with_name(f"conformance-left-pid{ended.pid}-abc")
    orphan.mkdir()

    mine = own_folder("mine", str(tmp_path))

    assert mine.is_dir()
    assert left.is_dir(), "its owner lives"
    assert not orphan.exists()
