"""
Connections to Postgres that give a server up which says nothing any more.

A server that is frozen, or something between that swallows what it is given, keeps its connections: the kernel
acknowledges whatever comes, and no time-out of TCP's ever fires.  A time-out of the server's own does not help where
it is the server that stands still.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from time import monotonic
from typing import Any

GRACE_SECONDS = 30.0
"""How much later than the server's own time-out its answer may come."""


def patience(answer_timeout: float, statement_timeout: float) -> float | None:
    """Seconds of silence after which a server is given up; ``None``: never, as a query may take any time."""
    if answer_timeout:
        return answer_timeout
    return statement_timeout + GRACE_SECONDS if statement_timeout else None


@cache
def _silent() -> Any:
    """The error, of the kind that psycopg has for connections that are lost."""
    from psycopg import OperationalError

    return type("SilentServerError", (OperationalError,), {})


@contextmanager
def _closed_if_silent(connection: Any) -> Iterator[None]:
    """A connection whose answer never came is of no use to anybody: a pool makes another one."""
    try:
        yield
    except _silent():
        connection.silent = True
        connection.pgconn.finish()
        raise


def bounded(
    waiting: Generator[Any, Any, Any], seconds: float, setting: str
) -> Generator[Any, Any, Any]:
    """
    What psycopg waits with, ended once nothing came for so long.

    psycopg resumes it now and then with nothing, so that the user's Ctrl-C is heard; a query that sends rows
    for hours is never cut off.
    """
    since, ready = monotonic(), None
    while True:
        try:
            state = waiting.send(ready)
        except StopIteration as ended:
            return ended.value
        ready = yield state
        now = monotonic()
        if ready:
            since = now
        elif now - since > seconds:
            raise _silent()(
                f"the server has said nothing for {seconds:g} s and keeps the connection: it is frozen or very"
                f" busy, or something between swallows what it is given ({setting})"
            )


@cache
def connection_class(seconds: float | None, setting: str = "answer_timeout") -> Any:
    """A ``psycopg.Connection`` that closes itself after so many seconds of silence; ``setting`` is what changes them."""
    import psycopg

    if seconds is None:
        return psycopg.Connection
    limit = seconds

    class Connection(psycopg.Connection[Any]):
        def wait(self, gen: Any, *args: Any, **more: Any) -> Any:
            with _closed_if_silent(self):
                return super().wait(bounded(gen, limit, setting), *args, **more)

    return Connection


@cache
def async_connection_class(seconds: float | None, setting: str = "answer_timeout") -> Any:
    """The same of ``psycopg.AsyncConnection``."""
    import psycopg

    if seconds is None:
        return psycopg.AsyncConnection
    limit = seconds

    class Connection(psycopg.AsyncConnection[Any]):
        async def wait(self, gen: Any, *args: Any, **more: Any) -> Any:
            with _closed_if_silent(self):
                return await super().wait(bounded(gen, limit, setting), *args, **more)

    return Connection
