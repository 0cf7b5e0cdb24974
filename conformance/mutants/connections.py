"""
A reference store whose connection can be ended from the other side, as a server ends a session.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any, ClassVar

from langgraph.store.base import Op, Result

from store_conformance.mutants.reference import ReferenceStore

_open: weakref.WeakSet[Connected] = weakref.WeakSet()


class ConnectionDiedError(ConnectionError):
    """The other side has ended the connection."""


def _sever(at: Any) -> int:
    """End the connections of the stores that are open at this place; gives how many those were."""
    ended = [store for store in list(_open) if store.at.path == at.path]
    for store in ended:
        store.severed = True
    return len(ended)


def _opening(cls: Any, at: Any, index: Any = None, ttl: Any = None) -> Any:
    open_store: Any = ReferenceStore.open_store
    return open_store.__func__(cls, at, index, ttl)


_opening.sever = _sever  # type: ignore[attr-defined]
_opening.pooled = True  # type: ignore[attr-defined]


class Connected(ReferenceStore):
    """The call that meets a dead connection raises, and the next one has a new connection."""

    open_store = classmethod(_opening)
    reconnects: ClassVar[bool] = True
    severed = False
    deaths = 0

    def setup(self) -> None:
        super().setup()
        _open.add(self)

    def close(self) -> None:
        _open.discard(self)
        super().close()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        return self.died(ops) if self.severed else super().batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        return self.died(ops) if self.severed else await super().abatch(ops)

    def died(self, ops: list[Op]) -> list[Result]:
        """What the first call gets after the connection has ended."""
        self.severed = not self.reconnects
        self.deaths += 1
        raise ConnectionDiedError("the server closed the connection")
