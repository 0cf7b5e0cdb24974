"""
``InMemoryStore``: a dict in the process, the store that teams start on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, ClassVar

from langgraph.store.base import BaseStore

from store_conformance.backends.base import (
    Availability,
    Backend,
    Deployment,
    Facts,
    Mode,
    Opened,
    Snippet,
)
from store_conformance.backends.packages import unknown_to
from store_conformance.contract import ALL, Capability, Location

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig


@contextmanager
def _open(index: IndexConfig | None) -> Iterator[BaseStore]:
    from langgraph.store.memory import InMemoryStore

    yield InMemoryStore(index=index) if index is not None else InMemoryStore()


class MemoryBackend(Backend):
    """Nothing to bring up, nothing kept: a location opened twice is two empty stores."""

    name: ClassVar[str] = "memory"
    capabilities = ALL - {Capability.PERSISTENCE, Capability.PROCESSES, Capability.TTL}
    deployment = Deployment.EMBEDDED

    def availability(self) -> Availability:
        version = metadata.version("langgraph-checkpoint")
        return Availability(True, self.deployment, f"langgraph-checkpoint {version}")

    def start(self) -> None:
        from langgraph.store.memory import InMemoryStore

        self.capabilities = self.capabilities - unknown_to(InMemoryStore.__init__)

    def open(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None, mode: Mode
    ) -> Opened:
        del at, ttl, mode  # the store has no place, no expiry, and one class for both APIs
        return _open(index)

    def snippet(self, at: Location, mode: Mode) -> Snippet:
        # InMemoryStore is no context manager and scripts want one, sync or async.
        return Snippet(
            (
                "from contextlib import nullcontext",
                "from langgraph.store.memory import InMemoryStore",
            ),
            "nullcontext(InMemoryStore({index}))",
            setup=False,
        )

    def bytes_on_disk(self, at: Location) -> int | None:
        return None

    def facts(self) -> Facts:
        return Facts(
            store="langgraph.store.memory.InMemoryStore",
            packages={"langgraph-checkpoint": metadata.version("langgraph-checkpoint")},
            engine="none (a dict in the process)",
            licence="MIT",
            setup_steps=("pip install langgraph",),
        )
