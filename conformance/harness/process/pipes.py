"""
The pipes of a process that does what another one tells it, out of the reach of a store that runs there.
"""

from __future__ import annotations

import errno
import os
from os import write  # by name: a store may change the module

from store_conformance.harness.process.forks import keep_from_forks
from store_conformance.harness.watchdog import identity

_own: dict[int, tuple[int, int]] = {}
"""Which pipes the descriptors for answers lead to."""


def own_pipes() -> tuple[int, int]:
    """
    Descriptors for commands and answers; what were standard input and output until now.

    The store gets an empty input, and an output that goes where its errors go: it may close, replace or fill
    them as it likes.
    """
    commands, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    os.close(nowhere)
    keep_from_forks((commands, answers))
    _own[answers] = identity(answers)
    return commands, answers


def send(answers: int, text: str) -> None:
    """
    All of a line, also one that the pipe takes in parts.

    Raises ``OSError`` where the store has closed the pipe, also if a file of its own is in its place now.
    """
    if answers in _own and identity(answers) != _own[answers]:
        raise OSError(errno.EBADF, "the pipe was closed")
    left = (text + "\n").encode()
    while left:
        left = left[write(answers, left) :]
