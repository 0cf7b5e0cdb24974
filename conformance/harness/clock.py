"""
Whether somebody has set the machine's clock: stores take times from it, and nothing that hangs on them can be told then.
"""

from __future__ import annotations

from time import monotonic, time  # by name: a store may put others into the module

STEP_SECONDS = 0.05
"""What two looks at a clock that nobody sets may differ by; a clock that is only made slower or quicker stays within."""
_CLOSE_SECONDS = 0.005
_LOOKS = 20


class WallClock:
    """The machine's clock, beside the one that nobody can set, since this was made."""

    def __init__(self) -> None:
        self._began = _ahead()

    def was_set(self) -> str | None:
        """By how much the clock was set meanwhile, in words; ``None`` if it was not."""
        step = _ahead() - self._began
        if abs(step) <= STEP_SECONDS:
            return None
        way = "forward" if step > 0 else "back"
        return f"the machine's clock was set {way} by {abs(step):.1f} s in the meantime"


def _ahead() -> float:
    """How far the clock is ahead of the other one; looked at again where something came between the two looks."""
    best = (float("inf"), 0.0)
    for _ in range(_LOOKS):
        before = monotonic()
        now = time()
        took = monotonic() - before
        best = min(best, (took, now - before))
        if took < _CLOSE_SECONDS:
            break
    return best[1]
