"""
A TCP proxy of ours between a store and its engine, which makes the troubles that networks make.

It listens on the loopback interface and passes everything on, until it is told otherwise.  The engine is not
harmed: it sees connections that end.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from enum import Enum

from store_conformance.harness.backends import LOOPBACK

LATENCY_SECONDS = 0.3
"""How long each piece is held back where the network is slow."""
_RESET = struct.pack("ii", 1, 0)
"""``SO_LINGER``: closing sends a reset."""


class Trouble(str, Enum):
    """What the network does."""

    LATENCY = "slow"
    CUT_REQUEST = "cut in the middle of a request"
    CUT_ANSWER = "cut in the middle of an answer"
    BLACK_HOLE = "swallowing everything"
    """What was under way is never answered; when it is over, those connections are reset."""
    RESET = "resetting every connection"
    REFUSE = "refusing connections"
    """Those that there are end, and nobody listens."""


@dataclass(eq=False)
class _Pair:
    """One connection of a client, and the one to the engine that belongs to it."""

    client: socket.socket
    engine: socket.socket
    swallowed: bool = False
    """Whether something of it is lost for good."""
    over: bool = False
    """Whether it is to end; the threads that serve it close it."""

    def reset(self) -> None:
        """End it as a machine does that knows of no such connection."""
        for end in (self.client, self.engine):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.end()

    def end(self) -> None:
        self.over = True
        for end in (self.client, self.engine):
            with contextlib.suppress(OSError):
                end.shutdown(
                    socket.SHUT_RD
                )  # wakes who waits for what comes, and tells the other side nothing

    def close(self) -> None:
        self.client.close()
        self.engine.close()


class FaultProxy:
    """The way to ``target``, a port of the loopback interface, by way of ``port``."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._trouble: Trouble | None = None
        self._lock = threading.Lock()
        self._pairs: set[_Pair] = set()
        self.hits = 0
        """Pieces and connections that met a trouble."""
        self.port = 0
        self._listen()

    # -- what the network does --------------------------------------------------------------------

    def begin(self, trouble: Trouble) -> None:
        """From now on."""
        self._trouble = trouble
        if trouble is Trouble.REFUSE:
            self._deaf()
        if trouble in (Trouble.REFUSE, Trouble.RESET):
            self._reset(self._all())

    def heal(self) -> None:
        """Everything passes again, for connections that are made from now on and those that still are."""
        before, self._trouble = self._trouble, None
        self._reset([pair for pair in self._all() if pair.swallowed])
        if before is Trouble.REFUSE:
            self._listen()

    def close(self) -> None:
        """End every connection and listen no more; a second call does nothing."""
        self._deaf()
        for pair in self._all():
            pair.end()

    def _all(self) -> list[_Pair]:
        with self._lock:
            return list(self._pairs)

    def _reset(self, pairs: list[_Pair]) -> None:
        self.hits += len(pairs)
        for pair in pairs:
            pair.reset()

    # -- connections ------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._listener = socket.create_server((LOOPBACK, self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _deaf(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            engine = socket.create_connection((LOOPBACK, self._target), timeout=5)
        except OSError:
            client.close()
            return
        engine.settimeout(None)
        pair = _Pair(client, engine)
        with self._lock:
            self._pairs.add(pair)
        if self._trouble in (Trouble.RESET, Trouble.REFUSE):
            self.hits += 1
            pair.reset()
        answers = threading.Thread(target=self._pump, args=(pair, engine, client), daemon=True)
        answers.start()
        self._pump(pair, client, engine)
        answers.join()
        with self._lock:
            self._pairs.discard(pair)
        pair.close()

    def _pump(self, pair: _Pair, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and not pair.over:
                self._pass(pair, data, target)
        if not pair.over:
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)

    def _pass(self, pair: _Pair, data: bytes, target: socket.socket) -> None:
        """Hand a piece on as the network is now."""
        trouble, answers = self._trouble, target is pair.client
        if trouble is Trouble.LATENCY:
            self.hits += 1
            time.sleep(LATENCY_SECONDS)
        elif trouble is Trouble.BLACK_HOLE:
            self.hits += 1
            pair.swallowed = True
        elif trouble is (Trouble.CUT_ANSWER if answers else Trouble.CUT_REQUEST):
            self.hits += 1
            target.sendall(data[: len(data) // 2])
            pair.end()
            return
        if not pair.swallowed:  # what follows a hole is not handed on, either
            target.sendall(data)
