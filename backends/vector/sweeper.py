"""
The thread that deletes expired items from time to time, for as long as somebody wants it to.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

logger = logging.getLogger(__name__)


class Sweeper:
    """Runs ``sweep`` at an interval between ``start`` and ``stop``; an error is logged, not fatal."""

    def __init__(self, sweep: Callable[[], int]) -> None:
        self._sweep = sweep
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._future: Future[None] | None = None

    def start(self, minutes: float) -> Future[None]:
        """Begin, unless it runs already; the future ends with the sweeper, cancelling it stops it."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive() and self._future is not None:
                return self._future
            stop: threading.Event = threading.Event()
            future: Future[None] = Future()
            future.add_done_callback(lambda _: stop.set())
            self._stop, self._future = stop, future
            self._thread = threading.Thread(
                target=self._run, args=(stop, future, minutes * 60), daemon=True, name="ttl-sweeper"
            )
            self._thread.start()
            return future

    def _run(self, stop: threading.Event, future: Future[None], seconds: float) -> None:
        while not stop.wait(seconds):
            try:
                self._sweep()
            except Exception as error:  # noqa: BLE001  (the next round may find the engine back)
                logger.warning("TTL sweep failed: %s", error)
        if not future.done() and not future.cancelled():
            future.set_result(None)

    def stop(self, timeout: float | None = None) -> bool:
        """True once no sweeper runs, False if it was still busy after ``timeout`` seconds."""
        with self._lock:
            thread, stop = self._thread, self._stop
        if thread is None or stop is None:
            return True
        stop.set()
        if thread is not threading.current_thread():
            thread.join(timeout)
        return not thread.is_alive()
