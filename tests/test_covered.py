"""
The command that runs the tests under coverage: child processes count, and the floor is a floor.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

import pytest

from tests.conftest import spread, untraced

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


def covered(
    folder: Path, answers: object, *words: str, ci: str = "true", more: str = ""
) -> subprocess.CompletedProcess[str]:
    """The command in a small project whose code runs in child processes alone."""
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / "counted.py").write_text(MODULE)
    (folder / "test_counted.py").write_text(f"ANSWERS = {answers!r}\n{TESTS}{more}")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTEST"))}
    return subprocess.run(
        [sys.executable, str(COMMAND), "-q", "-p", "no:cacheprovider", *words, "test_counted.py"],
        cwd=folder,
        env={**variables, "PYTHONPATH": str(folder), "CI": ci},
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


def test_elsewhere_than_in_ci_nothing_is_measured(tmp_path: Path) -> None:
    done = covered(tmp_path, [("yes", 0)], ci="")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "branch coverage" not in done.stdout


MARKED = """
import pytest

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnknownMarkWarning")

@pytest.mark.left_to_ci
def test_that_takes_long():
    raise SystemError("it was run")
"""


@pytest.mark.parametrize(("words", "ran"), [((), False), (("-k", "long"), True)])
def test_elsewhere_than_in_ci_the_whole_is_without_what_is_left_to_ci(
    tmp_path: Path, words: tuple[str, ...], ran: bool
) -> None:
    done = covered(tmp_path, [("yes", 0)], *words, ci="", more=MARKED)

    assert ("it was run" in done.stdout) is ran, done.stdout + done.stderr
    assert ("left to CI" in done.stdout) is not ran
    assert "1 deselected" in done.stdout


@counts_children
def test_in_ci_nothing_is_left_out(tmp_path: Path) -> None:
    done = covered(tmp_path, [("yes", 0)], more=MARKED)

    first, _ = done.stdout.split("once more", 1)  # what failed is then looked at alone
    assert "it was run" in first
    assert "deselected" not in first


# -- what is not measured ---------------------------------------------------------------------------------


def probe() -> None:
    """Called where somebody may look on."""


def probe_here_and_in_a_thread() -> None:
    probe()
    thread = threading.Thread(target=probe)
    thread.start()
    thread.join()


def test_nobody_is_told_of_what_runs_untraced_and_of_what_runs_afterwards_the_tracer_is() -> None:
    told: list[str] = []

    def tracer(frame: FrameType, event: str, argument: object) -> None:
        told.append(frame.f_code.co_name)

    own, of_new_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(tracer)
    threading.settrace(tracer)
    try:
        with untraced():
            probe_here_and_in_a_thread()
        untold = told.count("probe")
        probe_here_and_in_a_thread()
    finally:
        sys.settrace(own)
        threading.settrace(of_new_threads)

    assert (untold, told.count("probe")) == (0, 2)


MEASURED_IN_PARTS = """
import counted
from coverage import Coverage

from tests.conftest import untraced

measured = Coverage(data_file=None, branch=True, include=["*/counted.py"], config_file=False)
measured.start()
with untraced():
    counted.answer("yes")
counted.answer("no")
measured.stop()
print(*measured.analysis2("counted.py")[3])
"""


def test_coverage_counts_what_runs_after_a_part_that_is_untraced(tmp_path: Path) -> None:
    (tmp_path / "counted.py").write_text(MODULE)
    variables = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    places = os.pathsep.join([str(tmp_path), str(COMMAND.parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", MEASURED_IN_PARTS],
        cwd=tmp_path,
        env={**variables, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    missing = done.stdout.split()
    assert "6" in missing, "the answer that was given untraced is not counted"
    assert "7" not in missing, "the one that was given afterwards is"


# -- the order of the tests -------------------------------------------------------------------------------


def test_what_computes_for_long_is_spread_and_ends_before_the_rest() -> None:
    items = ["A", "B", *range(10)]

    assert spread([i in ("A", "B") for i in items], items) == ["A", 0, 1, 2, 3, "B", *range(4, 10)]


@pytest.mark.parametrize("items", [[], [1, 2, 3]])
def test_others_keep_their_order(items: list[int]) -> None:
    assert spread([False] * len(items), items) == items
    assert spread([True] * len(items), items) == items


# -- a second look ----------------------------------------------------------------------------------------

UNSTEADY = """
import os
from pathlib import Path

import pytest

BESIDE = "PYTEST_XDIST_WORKER" in os.environ

@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("number", range(HOW_MANY))
def test_needs_a_quiet_machine(number):
    assert not BESIDE, f"number {number} was disturbed"

def test_is_well():
    Path("ran").open("a").write("x")
"""


def looked_at(folder: Path, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command on tests that fail where others run beside them."""
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / "test_unsteady.py").write_text(text)
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTEST"))}
    options = ("-q", "-p", "xdist.plugin", "-p", "no:cacheprovider", "-n", "1")
    return subprocess.run(
        [sys.executable, str(COMMAND), *options, *words, "test_unsteady.py"],
        cwd=folder,
        env={**variables, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


UNSTEADY_LINE = "unsteady: failed beside other tests, holds alone: test_unsteady.py::"


def test_what_holds_alone_is_named_and_fails_nothing(tmp_path: Path) -> None:
    done = looked_at(tmp_path, UNSTEADY.replace("HOW_MANY", "2"), "--dist", "loadgroup")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "number 1 was disturbed" in done.stdout, "the first failure stays in the output"
    for number in range(2):
        assert f"{UNSTEADY_LINE}test_needs_a_quiet_machine[{number}]" in done.stdout
    assert done.stdout.count("unsteady:") == 2
    assert (tmp_path / "ran").read_text() == "x", "what held is not run again"


def test_what_fails_again_has_failed(tmp_path: Path) -> None:
    text = UNSTEADY.replace("HOW_MANY", "1") + "\ndef test_is_ill():\n    assert 1 == 2\n"
    done = looked_at(tmp_path, text)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "fails alone: test_unsteady.py::test_is_ill" in done.stdout
    assert f"{UNSTEADY_LINE}test_needs_a_quiet_machine[0]" in done.stdout


def test_a_test_that_is_skipped_alone_does_not_hold(tmp_path: Path) -> None:
    text = "import os, pytest\ndef test_dodges():\n    if 'PYTEST_XDIST_WORKER' in os.environ: assert 0\n    pytest.skip()\n"
    done = looked_at(tmp_path, text)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "unsteady:" not in done.stdout


def test_many_failures_are_not_run_again(tmp_path: Path) -> None:
    done = looked_at(tmp_path, UNSTEADY.replace("HOW_MANY", "6"))

    assert done.returncode == 1, done.stdout + done.stderr
    assert "6 tests failed: more than 5 are not run once more" in done.stdout
    assert "unsteady:" not in done.stdout


@pytest.mark.parametrize(("alone", "code"), [("holds", 0), ("ends its process again", 7)])
def test_a_test_that_ended_its_worker_has_failed_too(tmp_path: Path, alone: str, code: int) -> None:
    text = f"""
import os, pytest

@pytest.mark.parametrize("who", ["one@first", "another"])
def test_ends_its_worker(who):
    if "PYTEST_XDIST_WORKER" in os.environ or {alone != "holds"}:
        os._exit(7)

def test_is_well():
    pass
"""
    done = looked_at(tmp_path, text)

    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout.count(f"{UNSTEADY_LINE}test_ends_its_worker") == (2 if code == 0 else 0)


def test_modules_that_cannot_be_imported_get_no_second_look(tmp_path: Path) -> None:
    done = looked_at(tmp_path, "import nothing_of_this_name\n")

    assert done.returncode != 0, done.stdout + done.stderr
    assert "once more" not in done.stdout
