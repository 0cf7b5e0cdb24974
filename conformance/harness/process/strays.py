"""
Processes that a store leaves running when the run is over, found by the run's own mark, and ended.

A store may start processes in sessions of their own, or daemons whose parent has gone: they are nobody's children
any more.  What they keep is the environment that their program was started with, and in it the mark of the run.
A process of somebody else never has it.
"""

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import getpid  # by name: a store may put another number there

import psutil

from store_conformance.contract.hurry import in_a_hurry
from store_conformance.harness.backends import clear_folders, runs
from store_conformance.harness.process.fork_server import close_fork_server

VARIABLE = "STORE_CONFORMANCE_RUN"
"""The variable of the environment that processes of a run have; its value is another one in each run."""
ENDING_SECONDS = 1.0
"""How long a process of the run's own may take to end by itself, once it has been told to."""
END_SECONDS = 2.0
MOST_NAMES = 5
_ours = os.environ.get(VARIABLE)
"""The mark that this process was started with; kept, as a store may change the environment."""


@contextmanager
def no_strays(tell: Callable[[str], object]) -> Iterator[None]:
    """Whatever was started in the block and has not ended with it is ended, and told."""
    mark, before = uuid.uuid4().hex, os.environ.get(VARIABLE)
    os.environ[VARIABLE] = mark
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
        close_fork_server()
        left = end_marked(mark)
        if left:
            tell(f"left running by a store, and ended: {_told(left)}")
        clear_folders()  # of workers and others that were ended by force


def end_unmarked_children() -> list[str]:
    """
    End the descendants of this process that a store has started without our environment; gives their names.

    Once this process has ended nothing would tell them from those of somebody else.
    """
    me = psutil.Process(getpid())
    if _ours is None or _mark_of(me) != _ours:  # not a process of a run: whose children are these?
        return []
    every = me.children(recursive=True)
    left = [process for process in every if runs(process.pid) and _mark_of(process) != _ours]
    names = [_name(process) for process in left]
    for process in left:
        _try(process.kill)
    return names


def end_marked(mark: str) -> list[str]:
    """End the processes with that mark that do not end by themselves, and give their names."""
    _, left = psutil.wait_procs(marked(mark), 0 if in_a_hurry() else ENDING_SECONDS)
    names = [_name(process) for process in left]
    for process in left:
        _try(process.terminate)
    for process in psutil.wait_procs(left, 0 if in_a_hurry() else END_SECONDS)[1]:
        _try(process.kill)
    # What one of them started meanwhile is ended without more waiting.
    for process in marked(mark):
        _try(process.kill)
    return names


def marked(mark: str) -> list[psutil.Process]:
    """The processes, but for this one, whose programs were started with that mark."""
    found = [p for p in psutil.process_iter() if p.pid != getpid() and _mark_of(p) == mark]
    return [process for process in found if runs(process.pid)]


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(VARIABLE)
    except (psutil.Error, OSError):  # it has ended, or is not ours to look at
        return None


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "?"


def _try(end: Callable[[], object]) -> None:
    try:
        end()
    except psutil.Error:  # it has ended, or may not be ended
        pass


def _told(names: list[str]) -> str:
    each = Counter(names).most_common()
    listed = ", ".join(f"{n} x {name}" for name, n in each[:MOST_NAMES])
    more = ", ..." if len(each) > MOST_NAMES else ""
    return f"{len(names)} process{'es' if len(names) > 1 else ''} ({listed}{more})"
