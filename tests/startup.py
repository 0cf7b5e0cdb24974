"""
What our plugin costs a pytest run that asks nothing of us: ``python -m tests.startup [ROUNDS]``.

Runs of one trivial test with and without the plugin, in turn, so that a slow moment of the machine meets
both alike.  It is a measurement and no test: `tests.test_guest` proves what it rests on.  On a busy machine
the processor's seconds say more than the clock's.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROUNDS = 15
WITHOUT = ("-p", "no:store-conformance")


@dataclass(frozen=True)
class Cost:
    """What one pytest run took, in seconds."""

    clock: float
    processor: float


def cost_of(folder: Path, *words: str) -> Cost:
    """One pytest run in a process of its own."""
    clock, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
        capture_output=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - clock, used)


def measure(rounds: int) -> list[tuple[Cost, Cost]]:
    """Pairs of a run without our plugin and one with it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_trivial.py").write_text("def test_trivial(): pass\n")
        cost_of(folder)  # what is compiled at the first run is not what a run costs
        return [(cost_of(folder, *WITHOUT), cost_of(folder)) for _ in range(rounds)]


def line(what: str, without: list[float], beside: list[float]) -> str:
    """One line of the answer: medians and what they differ by."""
    before, after = median(without), median(beside)
    return (
        f"{what:<10} without us {before:.3f} s, beside us {after:.3f} s: {after / before - 1:+.1%}"
    )


if __name__ == "__main__":
    pairs = measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    print(line("clock", [p[0].clock for p in pairs], [p[1].clock for p in pairs]))
    print(line("processor", [p[0].processor for p in pairs], [p[1].processor for p in pairs]))
