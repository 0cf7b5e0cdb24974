"""
A store that replaces Python's threads and locks, as gevent does, is refused by that name, and nothing hangs.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from store_conformance.contract import UserError
from store_conformance.runs.hosted import HostedBackend

IMPORT = "from langgraph.store.memory import InMemoryStore\n"
OPEN = "def open_store(at, index, ttl):\n    {do}\n    return InMemoryStore(index=index)\n"
REPLACED = """
import _thread, threading

class Lock:
    def __init__(self):
        self.inner = _thread.allocate_lock()
    def acquire(self, blocking=True, timeout=-1):
        if blocking and not self.inner.acquire(False):
            raise RuntimeError("this would block for ever")
        return self.inner.acquire(False) or True
    def release(self):
        self.inner.release()
    __enter__ = acquire
    def __exit__(self, *exc):
        self.release()
    def locked(self):
        return self.inner.locked()

def patch():
    threading._allocate_lock = Lock
"""
KINDS = {
    "when it is imported": (REPLACED + "patch()\n" + IMPORT + OPEN.format(do="pass"), True),
    "when it is opened": (REPLACED + IMPORT + OPEN.format(do="patch()"), True),
    "never": (REPLACED + IMPORT + OPEN.format(do="pass"), False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_replaces_threads_is_told_so(kind: str, tmp_path: Path) -> None:
    text, refused = KINDS[kind]
    (tmp_path / "shop.py").write_text(text, "utf-8")
    told = pytest.raises(UserError, match="replaces Python's own threads")
    hosted = None
    try:
        with told if refused else contextlib.nullcontext():
            hosted = HostedBackend(f"{tmp_path / 'shop.py'}:open_store", seconds=60.0)
            hosted.check(60.0)
    finally:
        if hosted is not None:
            hosted.stop()
