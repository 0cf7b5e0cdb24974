"""
What Windows and macOS lack is guarded: the run goes on there, by another way or with the reason told.

There is no such machine here: the names that they lack are taken away from this one, for our code alone.
What this cannot show (paths, locking, the engines' own packages there) docs/ENGINES.md names as untried.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="unverified: for POSIX, where there is something to take away"
)

WINDOWS = """
import os, signal, time
for name in ("fork forkpty killpg setsid setpgid getpgid getpgrp geteuid getgid getegid chown"
             " mkfifo pidfd_open sched_getaffinity getloadavg").split():
    vars(os).pop(name, None)
for name in "SIGKILL SIGALRM SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGSTOP SIGCONT setitimer pthread_kill".split():
    vars(signal).pop(name, None)
vars(time).pop("tzset", None)
import psutil, subprocess
def _kill(self, number=9):
    if self.poll() is None:
        os.kill(self.pid, number)
psutil.Process.kill = lambda self: os.kill(self.pid, 9)  # Windows ends a process by a call of its own
subprocess.Popen.kill = subprocess.Popen.terminate = _kill
MISSING = {"fcntl", "pwd", "grp", "resource", "termios", "tty", "pty"}
"""
MACOS = """
import os
for name in "pidfd_open sched_getaffinity".split():
    vars(os).pop(name, None)
MISSING = set()
"""
BOTH = """
import builtins, io, pathlib
_import, _open, _access, _isdir = builtins.__import__, io.open, os.access, os.path.isdir

def ours():
    import sys
    return str(sys._getframe(2).f_globals.get("__name__", "")).startswith("store_conformance")

def guarded_import(name, *rest, **more):
    if name in MISSING and ours():
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return _import(name, *rest, **more)

def guarded_open(file, *rest, **more):
    if str(file).startswith(("/proc/", "/dev/shm")) and ours():
        raise FileNotFoundError(2, "No such file or directory", str(file))
    return _open(file, *rest, **more)

builtins.__import__ = guarded_import
builtins.open = guarded_open
os.access = lambda path, mode, **more: False if str(path).startswith("/dev/shm") else _access(path, mode, **more)
os.path.isdir = lambda path: False if str(path).startswith("/dev/shm") else _isdir(path)
"""


def _sitecustomize(folder: Path, system: str) -> dict[str, str]:
    """The environment in which every Python starts without what ``system`` lacks."""
    (folder / "sitecustomize.py").write_text(system + BOTH)
    return dict(
        os.environ,
        PYTHONPATH=str(folder),
        PYTHONIOENCODING="cp1252" if "SIGKILL" in system else "utf-8",
        USERNAME="somebody",  # Windows sets it always
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "system", "restarts"),
    [
        pytest.param("E4", WINDOWS, {"process", "client_killed"}, id="Windows"),
        pytest.param("K5", MACOS, set(), id="macOS"),
    ],
)
def test_a_run_with_kills_ends_as_elsewhere_without_what_the_system_lacks(
    tmp_path: Path, rule: str, system: str, restarts: set[str]
) -> None:
    place = tmp_path / "site"
    place.mkdir()
    arguments = [
        "run",
        "-b",
        "sqlite",
        "--rule",
        rule,
        "--no-confirm",
        "-n",
        "2",
        "--out",
        "out",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "store_conformance.cli", *arguments],
        cwd=tmp_path,
        env=_sitecustomize(place, system),
        capture_output=True,
        timeout=600,
        check=False,
    )

    said = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in said
    rows = [json.loads(line) for line in (tmp_path / "out/run.jsonl").read_text().splitlines()]
    verdicts = [r for r in rows if r["kind"] == "verdict"]
    assert not [r for r in verdicts if r["verdict"] == "error"], said
    passed = [r for r in verdicts if r["verdict"] == "pass"]
    assert passed and {r.get("restart") for r in passed} >= restarts, said
    for row in verdicts:
        if row["verdict"] == "unverified":
            assert row["message"]


def test_what_is_taken_away_is_missed_where_it_is_asked_for(tmp_path: Path) -> None:
    script = "import os, signal; print(hasattr(os, 'fork'), hasattr(signal, 'SIGKILL'), os.access('/dev/shm', os.W_OK))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=_sitecustomize(tmp_path, WINDOWS),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.split() == ["False", "False", "False"], done.stderr
