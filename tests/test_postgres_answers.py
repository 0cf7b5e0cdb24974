"""
A server that says nothing any more: the call raises within a time that the user sets, and nobody waits for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from store_conformance.backends.base import Backend, EngineUnavailableError
from store_conformance.backends.inspection import postgres as inspection
from store_conformance.backends.opening import postgres_answers
from store_conformance.backends.opening.address import parse_address
from store_conformance.backends.opening.postgres_answers import (
    async_connection_class,
    bounded,
    connection_class,
    patience,
)
from store_conformance.backends.opening.schemes import open_address
from tests.backend_use import no_postgres
from tests.test_store_factory import own_environment, server

__all__ = ["own_environment"]
pytest.importorskip("psycopg")
stops = pytest.mark.skipif(os.name == "nt", reason="unverified: no process can be stopped there")


# -- how long is waited ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "statement", "seconds"),
    [(0.0, 60.0, 90.0), (5.0, 60.0, 5.0), (0.0, 0.0, None), (7.0, 0.0, 7.0)],
)
def test_a_server_has_more_time_than_it_gives_a_statement(
    answer: float, statement: float, seconds: float | None
) -> None:
    assert patience(answer, statement) == seconds


class _Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(postgres_answers, "monotonic", lambda: self.now)


def _rows(count: int) -> Generator[str, Any, int]:
    """What psycopg waits with: goes on with each row that is there."""
    for _ in range(count):
        while not (yield "read"):
            pass
    return count


def test_a_server_that_sends_now_and_then_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock(monkeypatch)
    waiting = bounded(_rows(5), 10, "answer_timeout")
    next(waiting)

    with pytest.raises(StopIteration) as ended:
        for _ in range(5):
            clock.now += 9
            waiting.send(0)
            waiting.send(1)

    assert ended.value.value == 5 and clock.now > 10


def test_a_server_that_is_silent_for_longer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from psycopg import OperationalError

    clock = _Clock(monkeypatch)
    waiting = bounded(_rows(5), 10, "answer_timeout")
    next(waiting)
    clock.now += 9
    waiting.send(0)
    clock.now += 2

    with pytest.raises(OperationalError, match=r"said nothing for 10 s .*answer_timeout"):
        waiting.send(0)


# -- a session of our own server that is frozen -----------------------------------------------------------


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _with(url: str, more: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{more}"


@stops
@no_postgres
def test_a_pool_replaces_a_session_that_is_frozen(postgres: Backend) -> None:
    url = _with(server(postgres), "answer_timeout=0.5&pool_max=1")
    with open_address(url, None, None) as store:
        store.put(("a",), "k", {"n": 1})
        with store.conn.connection() as conn:
            pid = conn.info.backend_pid
        with _frozen(pid):
            assert store.get(("a",), "k").value == {"n": 1}
        store.delete(("a",), "k")


@stops
@no_postgres
def test_a_query_of_a_frozen_session_raises_and_closes_it(postgres: Backend) -> None:
    from psycopg import OperationalError

    with connection_class(0.5).connect(server(postgres), autocommit=True) as conn:
        with _frozen(conn.info.backend_pid), pytest.raises(OperationalError, match="said nothing"):
            conn.execute("SELECT 1")
        assert conn.closed


@stops
@no_postgres
def test_an_async_query_of_a_frozen_session_raises_and_closes_it(postgres: Backend) -> None:
    from psycopg import OperationalError

    async def asked() -> None:
        made = async_connection_class(0.5)
        async with await made.connect(server(postgres), autocommit=True) as conn:
            with (
                _frozen(conn.info.backend_pid),
                pytest.raises(OperationalError, match="said nothing"),
            ):
                await conn.execute("SELECT 1")
            assert conn.closed

    asyncio.run(asked())


@stops
@no_postgres
def test_a_check_of_a_server_that_freezes_ends_with_what_to_do(
    postgres: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = inspection._role
    pids: list[int] = []

    def frozen(seen: Any, conn: Any) -> None:
        pids.append(conn.info.backend_pid)
        os.kill(pids[0], signal.SIGSTOP)
        looked(seen, conn)

    monkeypatch.setattr(inspection, "_role", frozen)
    try:
        with pytest.raises(EngineUnavailableError, match=r"said nothing for 0.5 s.*answer_timeout"):
            inspection.inspect(
                parse_address(_with(server(postgres), "answer_timeout=0.5")), read_only=True
            )
    finally:
        os.kill(pids[0], signal.SIGCONT)


# -- Chroma, whose client has no time-out of its own ---------------------------------------------------------


@contextmanager
def _silent_after(requests: int) -> Iterator[str]:
    """A server of HTTP that answers so many requests; gives its URL."""
    over, seen = threading.Event(), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            if len(seen) > requests:
                over.wait()
                return
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    with closing(serving.socket):
        try:
            yield f"chroma://127.0.0.1:{serving.server_port}"
        finally:
            over.set()
            serving.shutdown()


def test_a_chroma_server_that_stands_still_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("chromadb")
    with (
        _silent_after(0) as url,
        pytest.raises(EngineUnavailableError, match="stands still"),
        open_address(f"{url}?timeout=1", None, None),
    ):
        pass
