"""
The tests: ``python -m tests.covered [ARGS]``; where ``CI`` is set, under branch coverage.

Arguments go to pytest.  Workers and child processes are measured, too.  The floor (``fail_under`` in pyproject.toml) is
that of all tests: where arguments name a part of them, the figure is printed and the floor is not asked for.  Elsewhere
than in CI nothing is measured: it makes the tests slower and tells a contributor nothing; and the whole is less there,
without what conftest.py (``LEFT_TO_CI``) and test_mutants.py leave to CI.  The judging of the broken stores one by one is not
measured, nor are the children of some files: conftest.py says which and why (``UNTRACED``, ``UNMEASURED``).

A few tests that failed are run once more, alone: on a machine that others use, a test may run out of time that
would not otherwise.  What holds then is named as unsteady, and its failure stays in the output; what fails again
has failed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from coverage import Coverage
from coverage.exceptions import NoDataError

OUTCOMES = Path(__file__).with_name("outcomes.py")
MEASURED = ("-m", "coverage", "run")
LEFT_OUT = ("-m", "not left_to_ci")
MOST = 5
"""Failures that are looked at again; where more fail, it is not the machine."""
ALONE = ("-n", "0", "--dist", "no")
TESTS_FAILED = 1
"""pytest's exit code for that; any other than 0 says that the tests could not be run as they should."""


def in_ci() -> bool:
    """Whether this is the run that everything is asked of."""
    return bool(os.environ.get("CI"))


def main(arguments: list[str]) -> int:
    """Run pytest and print what it covered; gives the exit code of what failed."""
    whole = not any(_selects(a) for a in arguments)
    if not in_ci():
        if whole:
            print("tests that take long are left to CI; CI=true runs them, too", flush=True)
        return _pass((), [*(LEFT_OUT if whole else ()), *arguments])
    Coverage().erase()
    return _pass(MEASURED, arguments) or _judge(whole=whole)


def _pass(by: Sequence[str], arguments: Sequence[str]) -> int:
    """Run these tests, and those few that fail once more; gives the exit code of the last look."""
    with tempfile.TemporaryDirectory(prefix="covered-") as place:
        notes, only = Path(place, "first"), Path(place, "only")
        code = subprocess.call([sys.executable, *by, str(OUTCOMES), str(notes), "-", *arguments])
        failed, _ = _noted(notes)
        if code != TESTS_FAILED or not failed:
            return code
        if len(failed) > MOST:
            print(f"{len(failed)} tests failed: more than {MOST} are not run once more", flush=True)
            return code
        print(f"{len(failed)} failed: once more, with nothing beside them", flush=True)
        only.write_text("\n".join(failed), "utf-8")
        again = Path(place, "again")
        options = [*arguments, *(ALONE if _shared_out(arguments) else ())]
        code = subprocess.call(
            [sys.executable, *by, str(OUTCOMES), str(again), str(only), *options]
        )
        still, passed = _noted(again)
        held = [test for test in failed if test in passed and test not in still]
        for test in failed:
            told = (
                "unsteady: failed beside other tests, holds alone"
                if test in held
                else "fails alone"
            )
            print(f"{told}: {test}", flush=True)
        return code or (0 if held == failed else TESTS_FAILED)


def _noted(notes: Path) -> tuple[list[str], frozenset[str]]:
    """The tests that failed, each once and in their order, and those whose body passed."""
    lines = notes.read_text("utf-8").splitlines() if notes.is_file() else []
    told = [json.loads(line) for line in lines]
    failed = dict.fromkeys(note["test"] for note in told if note["failed"])
    return list(failed), frozenset(note["test"] for note in told if not note["failed"])


def _shared_out(arguments: Iterable[str]) -> bool:
    """Whether pytest is told to use several processes."""
    return any(a.startswith(("-n", "--numprocesses", "--dist")) for a in arguments)


def _selects(argument: str) -> bool:
    """Whether an argument of pytest takes a part of the tests."""
    return argument in ("-k", "-m", "-x", "--lf") or (
        argument.startswith("tests") and argument.rstrip("/") != "tests"
    )


def _judge(*, whole: bool) -> int:
    """Combine what all processes wrote, print the table and the floor; gives 2 below the floor."""
    measured = Coverage()
    try:
        measured.combine()
        measured.save()
        total = measured.report(skip_covered=True, skip_empty=True)
    except NoDataError:
        print("coverage: nothing was measured; is coverage installed in this environment itself?")
        return 2
    floor = float(measured.get_option("report:fail_under") or 0)  # type: ignore[arg-type]
    print(f"branch coverage {total:.1f} %, floor {floor:.0f} %{'' if whole else ' (of all tests)'}")
    return 2 if whole and total < floor else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
