"""
One case at a time asks a store about itself: what it refuses, how it ranks, when it embeds.

The others wait for the answer.  A store that gives none costs the case that asked: the next one asks anew, and no
case of another store waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from store_conformance.contract import Mode
from store_conformance.harness.lab import Lab

LOOK_SECONDS = 0.02

_asking: WeakKeyDictionary[Any, dict[Mode, Lab]] = WeakKeyDictionary()
"""By backend and mode: the case whose turn it is."""
_lock = Lock()


@contextmanager
def turn(lab: Lab) -> Iterator[None]:
    """The case's turn to ask its store, in its mode; it may be taken again within itself."""
    while (inner := _taken(lab)) is None:
        if lab.abandoned:  # nobody hears of what its store would say
            lab.unverified("given up while another case had its turn to ask")
        time.sleep(LOOK_SECONDS)
    try:
        yield
    finally:
        if not inner:
            _end(lab)


def _taken(lab: Lab) -> bool | None:
    """Whether the turn was this case's already; ``None`` while it is that of another case."""
    with _lock:
        asking = _asking.setdefault(lab.backend, {})
        holder = asking.get(lab.mode)
        if holder is not None and holder is not lab and not holder.abandoned:
            return None
        asking[lab.mode] = lab
        return holder is lab


def _end(lab: Lab) -> None:
    with _lock:
        asking = _asking.get(lab.backend, {})
        if asking.get(lab.mode) is lab:  # not given to another one meanwhile
            del asking[lab.mode]
