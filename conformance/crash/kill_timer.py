"""
A SIGKILL to this very process after so many microseconds: within one call of a store, which a signal from another
process would often come too late for.

It is a timer of the kernel (``timer_create``), so that it needs neither a thread nor Python's lock.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import time


class _Event(ctypes.Structure):
    """``struct sigevent``: send ``signo``."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_int * 12),
    )


class _Times(ctypes.Structure):
    """``struct itimerspec``: an interval (none), and when it is first."""

    _fields_ = (
        ("again_seconds", ctypes.c_long),
        ("again_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class KillTimer:
    """Made in advance; raises ``OSError`` where the system has no such timer."""

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise OSError("timers that kill are known of Linux only")
        try:
            self._libc = ctypes.CDLL(None, use_errno=True)
            create = self._libc.timer_create
        except AttributeError as error:
            raise OSError(str(error)) from error
        self._timer = ctypes.c_void_p()
        event = _Event(signo=signal.SIGKILL)
        if create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._timer)):
            raise OSError(ctypes.get_errno(), "timer_create failed")

    def arm(self, seconds: float) -> None:
        """From now on this process has so long to live."""
        nanoseconds = max(1, round(seconds * 1e9))
        times = _Times(0, 0, *divmod(nanoseconds, 10**9))
        if self._libc.timer_settime(self._timer, 0, ctypes.byref(times), None):
            raise OSError(ctypes.get_errno(), "timer_settime failed")
