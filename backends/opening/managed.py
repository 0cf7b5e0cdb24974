"""
A store that closes what it was opened with: by ``with``, by ``close``, and at the end of the process.
"""

from __future__ import annotations

import atexit
from contextlib import AsyncExitStack, ExitStack
from functools import cache
from typing import Any


class Managed:
    """Mixed into a store's class, so that the store stays an instance of that class."""

    _closing: ExitStack | None = None
    _aclosing: AsyncExitStack | None = None

    def bind(self, stack: ExitStack) -> None:
        """What is to be closed with this store; it is closed at exit if nobody does it before."""
        self._closing = stack
        atexit.register(self.close)

    def abind(self, stack: AsyncExitStack) -> None:
        self._aclosing = stack

    def close(self) -> None:
        """Let go of connections, files and the sweeper; idempotent."""
        stack, self._closing = self._closing, None
        if stack is not None:
            atexit.unregister(self.close)
            stack.close()

    async def aclose(self) -> None:
        """The same for a store of `create_async_store`; idempotent."""
        stack, self._aclosing = self._aclosing, None
        if stack is not None:
            await stack.aclose()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@cache
def managed(kind: type[Any]) -> Any:
    """The class as it is, with what `Managed` adds."""
    return type(
        kind.__name__, (Managed, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__}
    )
