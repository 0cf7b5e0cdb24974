"""
The kinds of memory that agents keep, and the kinds of restart that memories must come through.
"""

from __future__ import annotations

from enum import Enum


class MemoryType(str, Enum):
    """What an agent remembers."""

    PROCEDURAL = "procedural"
    """How to behave: prompts and instructions."""
    SEMANTIC = "semantic"
    """Facts and examples, found by meaning."""
    EPISODIC = "episodic"
    """What happened in earlier conversations."""

    def __str__(self) -> str:
        return self.value


class Restart(str, Enum):
    """What ends between the writing and the reading, from mild to harsh."""

    OBJECT = "object"
    """The store object: it is closed and another one opened."""
    PROCESS = "process"
    """The process, which closes its store."""
    CLIENT_KILLED = "client_killed"
    """The process, by SIGKILL in the middle of its work."""
    ENGINE_STOPPED = "engine_stopped"
    """The engine: it is stopped and started again."""
    ENGINE_KILLED = "engine_killed"
    """The engine, by SIGKILL in the middle of its work."""

    def __str__(self) -> str:
        return self.value

    @property
    def of_engine(self) -> bool:
        """Whether it is the engine that ends, and not the application."""
        return self in (Restart.ENGINE_STOPPED, Restart.ENGINE_KILLED)
