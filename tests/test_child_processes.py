"""
The other processes of a case: what they leave when they cannot open a store, and how their server ends.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Backend
from store_conformance.backends.engines.processes import descendants, runs
from store_conformance.backends.polling import wait_until
from store_conformance.contract import Mode
from store_conformance.harness.process import fork_server
from store_conformance.harness.process.child import Child, ChildFailedError

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="unverified: without pidfd there is no fork server"
)


@pytest.fixture
def sqlite() -> Iterator[Backend]:
    backend = registry.create("sqlite")
    backend.start()
    yield backend
    backend.stop()


def _children() -> list[int]:
    """Processes that the fork server has made and that still run."""
    server = fork_server._fork_server
    assert server is not None
    return [pid for pid in descendants(server.process.pid) if runs(pid)]


def test_a_child_that_cannot_open_its_place_is_ended(sqlite: Backend) -> None:
    at = sqlite.location()
    child = Child(sqlite, at, mode=Mode.SYNC)
    assert len(_children()) == 1, "control: one that can lives"
    child.end()
    shutil.rmtree(at.path)

    with pytest.raises(ChildFailedError, match="unable to open"):
        Child(sqlite, at, mode=Mode.SYNC)

    assert wait_until(lambda: _children() == [], 60)


def test_a_fork_of_ours_leaves_the_fork_server_to_us() -> None:
    fork_server.spawn().close()
    server = fork_server._fork_server
    assert server is not None and server.usable
    pid = os.fork()
    if pid == 0:
        server.close()
        os._exit(7 if server.usable else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert server.usable, "closed by a copy of it in another process"

    server.close()

    assert not server.usable and server.process.returncode == 0
    fork_server.spawn().close()
    assert fork_server._fork_server is not server, "a new one instead of the one that was closed"
