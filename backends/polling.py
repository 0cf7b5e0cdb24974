"""
Waiting for what tells nobody when it is so: it is asked again and again, less often as time goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    done: Callable[[], bool], seconds: float, *, pause: float = 0.01, longest: float = 0.2
) -> bool:
    """
    Ask ``done`` until it says yes; whether it did within ``seconds``.

    Between two looks pass at first ``pause`` and at most ``longest`` seconds.  What ``done`` raises ends
    the wait.  The last look begins after the time is up, so that a slow machine gets one more.
    """
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline
        if done():
            return True
        if late:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
