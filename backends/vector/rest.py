"""
JSON over HTTP/1.1 to one server, through connections that are kept open.

Python's own HTTP classes and nothing around them: a request costs a tenth of a millisecond or two,
where a general HTTP client spends more than a database needs for the answer.  That is measured beside the
official clients (that of Qdrant is built on httpx): ``get`` of the store over Qdrant takes 0.40 to 0.44 of the time of the
client's, over Weaviate 0.59 to 0.60 (docs/VECTOR_STORES.md "How fast it is", the tables in
reports/published/vector-speed.md, and ``python -m store_conformance.backends.vector.bench`` repeats them); the
read that each ``put`` needs before its write is paid for by this.

A request is sent once: whether a write is to be repeated is for the caller to say.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from importlib.util import find_spec
from os import getpid  # by name: a store may put another number there
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

_IDLE = 32
"""Connections kept open at most; more are made while more threads call at once."""


class RefusedError(Exception):
    """An answer that is not a success."""

    def __init__(self, status_code: int, text: str) -> None:
        super().__init__(text)
        self.status_code = status_code


class Rest:
    """One server, for many threads; after a fork each process opens connections of its own."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._timeout = timeout
        self._prefix = quote(parts.path.rstrip("/"), safe="/%")
        self._context = _tls() if parts.scheme == "https" else None
        lines = {
            "Host": parts.netloc.rsplit("@")[-1],
            "Content-Type": "application/json",
            **headers,
        }
        for name, value in lines.items():
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the header {name} has a character that HTTP cannot carry")
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._lock = threading.Lock()
        self._idle: list[HTTPConnection] = []
        self._process = getpid()

    def ask(self, method: str, path: str, body: object) -> Any:
        """The JSON of the answer; ``RefusedError`` if it is no success, what Python raises if there is none."""
        data = dumps(body)
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._head}Content-Length: {len(data)}\r\n\r\n"
        connection = self._taken()
        try:
            connection.sock.sendall(head.encode("ascii") + data)
            answer = HTTPResponse(connection.sock, method=method)
            answer.begin()
            text = answer.read()
        except BaseException:
            connection.close()
            raise
        if answer.will_close:
            connection.close()
        else:
            self._give_back(connection)
        if answer.status != 200:
            told = text[:500].decode(errors="replace")
            raise RefusedError(answer.status, f"{answer.status}: {told}")
        return loads(text)

    def _taken(self) -> HTTPConnection:
        from urllib3.util.wait import wait_for_read

        with self._lock:
            if self._process != getpid():
                self._process, self._idle = getpid(), []
            idle = self._idle
        while True:
            try:
                connection = idle.pop()
            except IndexError:
                return self._new()
            # Something to read before anything was asked: the server has hung up.
            if not wait_for_read(connection.sock, timeout=0):
                return connection
            connection.close()

    def _new(self) -> HTTPConnection:
        if self._context is None:
            made = HTTPConnection(self._host, self._port, timeout=self._timeout)
        else:
            made = HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=self._context
            )
        made.connect()
        return made

    def _give_back(self, connection: HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def behind_proxy(url: str) -> bool:
    """The environment sends requests to this address through a proxy, which ``Rest`` does not know."""
    parts = urlsplit(url)
    proxies = getproxies()
    asked = proxies.get(parts.scheme) or proxies.get("all")
    return bool(asked and not proxy_bypass(parts.hostname or ""))


def dumps(data: object) -> bytes:
    return _json()[0](data)


def loads(text: bytes) -> Any:
    return _json()[1](text)


@cache
def has_orjson() -> bool:
    return find_spec("orjson") is not None


@cache
def _has_numpy() -> bool:
    return find_spec("numpy") is not None


@cache
def _json() -> tuple[Callable[[object], bytes], Callable[[bytes], Any]]:
    if not has_orjson():
        return lambda data: json.dumps(data, separators=(",", ":")).encode(), json.loads
    import orjson

    return lambda data: orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY), orjson.loads


def singles(vectors: Sequence[Sequence[float]]) -> Iterator[Any]:
    """
    Vectors in single precision, which engines keep and which needs half the digits, one after the other.

    Only with ``orjson`` and ``numpy``.  Numbers too big for it are left to the server to refuse.
    """
    if not vectors or not has_orjson() or not _has_numpy():
        return iter(vectors)
    import numpy as np

    with np.errstate(over="ignore"):
        singles = np.array(vectors, dtype=np.float32)
    return iter(singles if np.isfinite(singles).all() else vectors)


def _tls() -> ssl.SSLContext:
    import certifi

    return ssl.create_default_context(cafile=certifi.where())
