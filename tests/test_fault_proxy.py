"""
The proxy between a store and its engine: what it passes on, and what each trouble does to a connection.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from store_conformance.crash import fault_proxy
from store_conformance.crash.client import redirected
from store_conformance.crash.fault_proxy import FaultProxy, Trouble

TEXT = b"0123456789" * 10


@pytest.fixture
def way() -> Iterator[FaultProxy]:
    """The way to a server that repeats what it is told."""
    listener = socket.create_server(("127.0.0.1", 0))

    def repeat(line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            while data := line.recv(4096):
                line.sendall(data)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = listener.accept()
                threading.Thread(target=repeat, args=(line,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    made = FaultProxy(listener.getsockname()[1])
    yield made
    made.close()
    listener.close()


def dial(way: FaultProxy) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", way.port), timeout=10)
    line.sendall(TEXT)
    assert received(line) == TEXT
    return line


def received(line: socket.socket) -> bytes:
    """What comes until all of the text has, or the connection ends."""
    got = b""
    while len(got) < len(TEXT):
        more = line.recv(4096)
        if not more:
            break
        got += more
    return got


def test_an_answer_is_cut_in_the_middle(way: FaultProxy) -> None:
    with dial(way) as line:
        way.begin(Trouble.CUT_ANSWER)
        line.sendall(TEXT)
        assert received(line) == TEXT[: len(TEXT) // 2]
        assert line.recv(1) == b""
    assert way.hits == 1
    way.heal()
    dial(way).close()


def test_a_request_is_cut_in_the_middle(way: FaultProxy) -> None:
    with dial(way) as line:
        way.begin(Trouble.CUT_REQUEST)
        line.sendall(TEXT)
        with contextlib.suppress(ConnectionResetError):
            assert len(received(line)) <= len(TEXT) // 2
    assert way.hits == 1


def test_what_is_swallowed_never_comes_and_the_connection_is_reset(way: FaultProxy) -> None:
    with dial(way) as line, dial(way) as other:
        way.begin(Trouble.BLACK_HOLE)
        line.sendall(TEXT)
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1)
        way.heal()
        line.settimeout(10)
        with pytest.raises(ConnectionResetError):
            line.recv(1)
        other.sendall(TEXT)  # nothing of it was lost
        assert received(other) == TEXT


@pytest.mark.parametrize("trouble", [Trouble.RESET, Trouble.REFUSE])
def test_connections_are_reset_and_new_ones_work_when_it_is_over(
    way: FaultProxy, trouble: Trouble
) -> None:
    with dial(way) as line:
        way.begin(trouble)
        with pytest.raises(ConnectionResetError):
            line.recv(1)
        with pytest.raises(ConnectionError):
            with socket.create_connection(("127.0.0.1", way.port), timeout=10) as second:
                second.sendall(TEXT)
                if not second.recv(1):
                    raise ConnectionError("it was closed")
        before = way.port
        way.heal()
        assert way.port == before
        dial(way).close()


def test_a_slow_network_holds_pieces_back(way: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    with dial(way) as line:
        way.begin(Trouble.LATENCY)
        monkeypatch.setattr(time, "sleep", slept.append)
        line.sendall(TEXT)
        assert received(line) == TEXT
    assert slept == [fault_proxy.LATENCY_SECONDS] * 2


def test_nothing_is_heard_after_the_end(way: FaultProxy) -> None:
    line = dial(way)
    way.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", way.port), timeout=10)
    line.settimeout(10)
    with contextlib.suppress(ConnectionResetError):
        assert line.recv(1) == b""
    line.close()


def test_only_the_engines_own_address_is_led_elsewhere() -> None:
    told = {
        "url": "http://127.0.0.1:5432",
        "details": ["postgresql://?host=127.0.0.1&port=5432&user=a", "127.0.0.1:54321"],
        "n": 5432,
    }
    assert redirected(told, {5432: 9}) == {
        "url": "http://127.0.0.1:9",
        "details": ["postgresql://?host=127.0.0.1&port=9&user=a", "127.0.0.1:54321"],
        "n": 5432,
    }
    assert redirected(told, {}) == told
