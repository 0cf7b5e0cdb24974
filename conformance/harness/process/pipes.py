"""
The pipes of a process that does what another one tells it, out of the reach of a store that runs there.
"""

from __future__ import annotations

import os

from store_conformance.harness.process.forks import keep_from_forks


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
    return commands, answers


def send(answers: int, text: str) -> None:
    """All of a line, also one that the pipe takes in parts."""
    left = (text + "\n").encode()
    while left:
        left = left[os.write(answers, left) :]
