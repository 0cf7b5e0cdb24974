"""
Processes that a store leaves running are ended with the run and told; those of others are not touched.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from store_conformance.backends.engines.processes import runs
from store_conformance.backends.folders import own_folder, remove_folder
from store_conformance.backends.polling import wait_until
from store_conformance.harness.process.strays import VARIABLE, no_strays

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="unverified: processes have no sessions there"
)
SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")
DAEMON = f"""
import subprocess, sys
print(subprocess.Popen({list(SLEEPS)!r}, start_new_session=True, stdout=-3, stderr=-3).pid)
"""
STORE = """
import os, subprocess, sys
from pathlib import Path
from langgraph.store.memory import InMemoryStore

def open_store(at, index, ttl):
    for environment in (None, {}) if "PYTEST_XDIST_WORKER" in os.environ else (None,):
        one = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], env=environment, start_new_session=True
        )
        with Path("pids").open("a") as file:
            file.write(f"{one.pid}\\n")
    return InMemoryStore()
"""


@pytest.fixture
def others() -> Iterator[subprocess.Popen[bytes]]:
    """A process that was there before."""
    process = subprocess.Popen(SLEEPS)
    yield process
    process.kill()
    process.wait()


def _daemon() -> int:
    """A process whose parent has ended."""
    done = subprocess.run([sys.executable, "-c", DAEMON], capture_output=True, check=True)
    return int(done.stdout)


def test_a_daemon_is_ended_and_told_and_nobody_elses_process_is(
    others: subprocess.Popen[bytes],
) -> None:
    told: list[str] = []
    before = os.environ.get(VARIABLE)

    with no_strays(told.append):
        left = [_daemon() for _ in range(2)]
        assert all(map(runs, left))

    assert wait_until(lambda: not any(map(runs, left)), 20)
    assert others.poll() is None
    assert os.environ.get(VARIABLE) == before
    (line,) = told
    assert line.startswith("left running by a store, and ended: 2 processes (2 x python")


def test_the_folders_of_processes_that_were_killed_go_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import os, signal\nfrom store_conformance.backends.folders import own_folder\nown_folder('a', None)\nos.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "a user's").mkdir()

    with no_strays(lambda text: None):
        mine = own_folder("b", None)
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            check=False,
        )
        assert len(list(tmp_path.iterdir())) == 3

    assert {p.name for p in tmp_path.iterdir()} == {"a user's", mine.name}
    remove_folder(mine)


def test_what_ends_by_itself_is_not_told(others: subprocess.Popen[bytes]) -> None:
    told: list[str] = []

    with no_strays(told.append):
        subprocess.run([sys.executable, "-c", ""], check=True)

    assert told == []
    assert others.poll() is None


def test_a_run_ends_what_its_store_left_also_where_the_environment_was_not_handed_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop.py").write_text(STORE, "utf-8")
    words = ["run", "--store", "shop.py:open_store", "--rule", "N4", "--out", "out", "-n", "0"]

    # The workers of the run have that variable, and not its other processes; those of our own tests have it too.
    environment = {n: v for n, v in os.environ.items() if n != "PYTEST_XDIST_WORKER"}
    done = subprocess.run(
        [sys.executable, "-m", "store_conformance.cli", *words, "--no-confirm"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip

    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(pids) > 2
    assert "left running by a store, and ended: " in done.stdout
    assert wait_until(lambda: not any(map(runs, pids)), 20)


LOST_PID = f"""
import os, subprocess, sys
from store_conformance.harness.process.strays import end_unmarked_children
left = subprocess.Popen({list(SLEEPS)!r}, env={{}})
real, os.getpid = os.getpid, lambda: int(sys.argv[1])
if sys.argv[2] == "strange":
    import store_conformance.harness.process.strays as strays
    strays.getpid = os.getpid
end_unmarked_children()
print(left.poll() if sys.argv[2] == "strange" else left.wait(30))
os.getpid = real
left.kill()
"""


@pytest.mark.parametrize(("what", "ended"), [("own", "-9"), ("strange", "None")])
def test_whatever_number_a_store_gives_its_process_nobody_elses_children_are_ended(
    what: str, ended: str
) -> None:
    script = f"import subprocess\np = subprocess.Popen({list(SLEEPS)!r}, env={{}})\nprint(p.pid, flush=True)\np.wait()"
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    child = int(other.stdout.readline())
    try:
        done = subprocess.run(
            [sys.executable, "-c", LOST_PID, str(other.pid), what],
            env={**os.environ, VARIABLE: "a mark"}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.stdout.strip() == ended, done.stderr
        assert runs(child)
    finally:
        other.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        other.communicate()
