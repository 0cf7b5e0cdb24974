"""
What our plugin costs a pytest run that asks nothing of us: ``python -m tests.startup [ROUNDS]``.

Runs of one trivial test with and without the plugin, in turn, so that a slow moment of the machine meets
both alike.  It is a measurement for a quiet machine and no test; `tests.test_guest` proves what it rests on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROUNDS = 15
WITHOUT = ("-p", "no:store-conformance")


def seconds_of(folder: Path, *words: str) -> float:
    """The time of one pytest run in a process of its own."""
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - begin


def measure(rounds: int) -> tuple[float, float]:
    """The medians of a run without our plugin and of one with it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_trivial.py").write_text("def test_trivial(): pass\n")
        seconds_of(folder)  # what is compiled at the first run is not what a run costs
        pairs = [(seconds_of(folder, *WITHOUT), seconds_of(folder)) for _ in range(rounds)]
    return median(p[0] for p in pairs), median(p[1] for p in pairs)


if __name__ == "__main__":
    before, after = measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    print(
        f"without us {before:.3f} s, beside us {after:.3f} s: {100 * (after / before - 1):+.1f} %"
    )
