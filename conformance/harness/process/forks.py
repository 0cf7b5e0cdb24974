"""
Pipes of ours in a process that a store forks: the copy of the process must not talk in our name, nor keep the
other end waiting for as long as it lives.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from functools import partial

from store_conformance.harness import watchdog
from store_conformance.harness.watchdog import identity

_MOST = 256
"""Descriptors beyond are the store's: ours are opened first."""


def keep_from_forks(descriptors: Iterable[int]) -> None:
    """In every fork of this process that is to come these descriptors lead nowhere."""
    if hasattr(os, "register_at_fork"):
        known = {d: identity(d) for d in descriptors}
        os.register_at_fork(after_in_child=partial(_let_go, known))


def pipes_of_now() -> list[int]:
    """The pipes and sockets that this process has now, but for the standard streams."""
    found = []
    for descriptor in range(3, _MOST):
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            continue
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            found.append(descriptor)
    return found


def _let_go(known: Mapping[int, tuple[int, int]]) -> None:
    watchdog.forget_process()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor, was in known.items():
        try:
            if identity(descriptor) == was:
                os.dup2(nowhere, descriptor)
        except OSError:  # the store closed it
            continue
    os.close(nowhere)
