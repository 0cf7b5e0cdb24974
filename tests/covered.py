"""
The tests under branch coverage, child processes and workers included: ``python -m tests.covered [ARGS]``.

Arguments go to pytest.  The floor (``fail_under`` in pyproject.toml) is that of all tests: where arguments
name a part of them, the figure is printed and the floor is not asked for.  ``--no-coverage`` leaves the
measurement out.  The judging of the broken stores one by one runs without it: it computes for minutes, takes
twice as long when it is measured, and goes through lines that other tests measure too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from coverage import Coverage
from coverage.exceptions import NoDataError

PYTEST = ("-m", "pytest")
UNMEASURED = "tests/test_mutants.py"


def main(arguments: list[str]) -> int:
    """Run pytest and print what it covered; gives the exit code of what failed."""
    if "--no-coverage" in arguments:
        rest = [a for a in arguments if a != "--no-coverage"]
        return subprocess.call([sys.executable, *PYTEST, *rest])
    Coverage().erase()
    whole = not any(_selects(a) for a in arguments)
    apart = whole and Path(UNMEASURED).is_file()
    left_out = [f"--ignore={UNMEASURED}"] if apart else []
    measured = [sys.executable, "-m", "coverage", "run", *PYTEST, *left_out, *arguments]
    code = subprocess.call(measured)
    if apart:
        options = [a for a in arguments if a.rstrip("/") != "tests"]
        code = subprocess.call([sys.executable, *PYTEST, *options, UNMEASURED]) or code
    return code or _judge(whole=whole)


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
