"""
Being told to end: once by Ctrl-C or a signal, and then in peace until everything is cleared away.

Once more hastens the end: what does not stop at once is killed.  It cuts nothing off; files are closed and folders
removed all the same.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from store_conformance.contract.hurry import hurry, take_time

PATIENCE_SECONDS = 20.0
"""So long after the first signal others are not obeyed; an ending that takes longer can be cut off."""
AGAIN_SECONDS = 0.05
REMINDER_SECONDS = 2.0
"""An ending that takes as long says how to hasten it."""
_REMINDER = b"being ended: engines are stopped and folders removed; once more ends it at once\n"
_TOLD = b"being ended at once: what does not stop is killed, and folders are removed\n"


class _Ending:
    """When this process was first told to end."""

    def __init__(self) -> None:
        self.since: float | None = None
        self._told = False
        self._deaf = False

    def obey(self, number: int, frame: Any) -> None:
        """The handler: the first signal is a Ctrl-C, and those that follow soon are none."""
        if self._deaf:
            return
        now = time.monotonic()
        if self.since is not None and now - self.since < PATIENCE_SECONDS:
            self._hasten()
            return
        self.since = now
        with contextlib.suppress(RuntimeError):  # the system starts no thread
            _thread.start_new_thread(self._remind, (now,))
        raise KeyboardInterrupt

    def note(self, number: int, frame: Any) -> None:
        """The handler while nothing may be cut off: one is not obeyed, another one hastens the end."""
        if self.since is None:
            self.since = time.monotonic()
        else:
            self._hasten()

    def _hasten(self) -> None:
        hurry()
        if not self._told:
            self._told = True
            _say(_TOLD)

    def _remind(self, since: float) -> None:
        time.sleep(REMINDER_SECONDS)
        if _current is self and self.since == since and not self._told:
            _say(_REMINDER)

    def once_more(self) -> None:
        """The first one reached nobody: it comes again in a moment, as nothing can be raised here either."""
        self._deaf = True
        self.since = None
        try:
            _thread.start_new_thread(self._repeat, ())  # a `Thread` would wait for its start, here
        finally:
            self._deaf = False

    def _repeat(self) -> None:
        while True:
            time.sleep(AGAIN_SECONDS)
            if self.since is not None or not _obeying:
                return
            _thread.interrupt_main(signal.SIGTERM)


def _say(text: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(2, text)


_obeying = False
_current: _Ending | None = None
"""That of the command under way."""


def was_interrupted(error: BaseException) -> bool:
    """
    Whether this was raised because the command under way was told to end.

    Libraries that are being imported make errors of their own of the ``KeyboardInterrupt`` that passes through them.
    """
    if _current is None or _current.since is None:
        return False
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """
    SIGTERM and SIGHUP end the block as Ctrl-C does, so that everything is cleaned up; a second one hastens that.

    One that comes while Python clears something away, where it can raise nothing, is not lost either.  Within another
    such block, and outside of the main thread, it changes nothing.
    """
    global _obeying, _current
    if _obeying or threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = _current = _Ending()
    take_time()

    def unraisable(ignored: Any) -> None:
        if ignored.exc_type is KeyboardInterrupt:
            ending.once_more()
        else:
            hook(ignored)

    hook = sys.unraisablehook
    before = {number: signal.signal(number, ending.obey) for number in _ours()}
    sys.unraisablehook = unraisable
    _obeying = True
    try:
        yield
    finally:
        _obeying, _current = False, None
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """What must not be cut off, and ends by itself: no signal is obeyed; a second one hastens it."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    noted = _current.note if _current is not None else signal.SIG_IGN
    before = {
        number: signal.signal(number, noted)
        for number in (getattr(signal, name) for name in names if hasattr(signal, name))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ours() -> list[int]:
    """SIGINT is left alone where a shell in the background has switched it off."""
    numbers = [getattr(signal, n) for n in ("SIGTERM", "SIGHUP") if hasattr(signal, n)]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    return numbers
