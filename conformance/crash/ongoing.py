"""
One strike while it lasts: who writes, where, and what has happened so far.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from store_conformance.crash.client import Client
from store_conformance.crash.faults import Fault
from store_conformance.crash.rig import Rig


@dataclass
class OngoingStrike:
    """What the moment, what is done then and the judgement of one strike tell each other."""

    rig: Rig
    fault: Fault
    name: str
    """The round's, which is in every version that is written."""
    over: Path | None = None
    """The file that tells the writers that the fault is over; ``None`` where they are given no time."""
    clients: list[Client] = field(default_factory=list)
    ledgers: list[Path] = field(default_factory=list)
    at: int = 0
    """When it was struck (``time.monotonic_ns``)."""
    over_at: int = 0
    """When the trouble had ended."""
    died: bool = False
    """Whether the writer that was to go on has ended, although nobody killed it."""
    met: bool = True
    """Whether anything was under way that met the trouble of the network."""
    reason: str = ""
    """Why it does not count, as far as that is known."""
    broken: str = ""
    """What kept it from its end; whether anything is left to be read is seen afterwards."""
