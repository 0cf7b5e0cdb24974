"""
Who uses the processor while a case sleeps: told by thread, so that what was busy before is left out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from store_conformance.harness.idling import busy_now, used_while_waiting

TRIES = 100
"""On a loaded machine a busy thread may have no turn in many windows."""


@contextmanager
def thread_that(works: Callable[[threading.Event], object]) -> Iterator[int]:
    ended = threading.Event()
    thread = threading.Thread(target=works, args=(ended,), daemon=True)
    thread.start()
    assert thread.native_id is not None
    try:
        yield thread.native_id
    finally:
        ended.set()
        thread.join()


def spin(ended: threading.Event) -> None:
    while not ended.is_set():
        time.sleep(0)


def test_a_thread_that_asks_again_and_again_is_seen() -> None:
    with thread_that(spin) as busy:
        assert any(used_while_waiting(0.1).get(busy, 0.0) > 0.0 for _ in range(TRIES))
        assert any(busy in busy_now(0.1) for _ in range(TRIES))


def test_neither_one_that_waits_nor_the_caller_is() -> None:
    with thread_that(threading.Event.wait) as waiting:
        used = used_while_waiting(0.1)

        assert used[waiting] == 0.0
        assert threading.get_native_id() not in used
