"""
Whoever asks twice for an end waits for no gentle one: what takes its time to end is ended by force.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LOOK_SECONDS = 0.1

_asked = False  # a plain name, as it is set in a signal handler, where no lock may be waited for


def hurry() -> None:
    """From now on nothing is waited for that can be ended by force."""
    global _asked
    _asked = True


def take_time() -> None:
    """A command begins: what an earlier one in this process was told is over."""
    global _asked
    _asked = False


def in_a_hurry() -> bool:
    return _asked


def waited(done: Callable[[float], bool], seconds: float, hurried: float = 0.0) -> bool:
    """
    Whether ``done``, which waits for as long as it is told, came true within ``seconds``.

    In a hurry it is given ``hurried`` seconds more and no longer.
    """
    end = time.monotonic() + seconds
    while not done(min(LOOK_SECONDS, max(0.0, end - time.monotonic()))):
        if in_a_hurry():
            return done(hurried)
        if time.monotonic() > end:
            return False
    return True
