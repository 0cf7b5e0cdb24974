"""
The HTTP side: routes, keys, log sequence numbers and errors in the service's own form.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .limits import UPSERT_BYTES, Refused, invalid
from .operations import READS, WRITES, Control, Data
from .storage import Storage

_CODES = {3: "INVALID_ARGUMENT", 5: "NOT_FOUND", 6: "ALREADY_EXISTS", 16: "UNAUTHENTICATED"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: a run sends a hundred thousand of them."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        address = urlsplit(self.path)
        control = not address.path.startswith("/i/")
        headers: dict[str, str] = {}
        if address.path == "/healthz":
            self._send(200, {}, headers)
            return
        try:
            self._check_key()
            query = parse_qs(address.query, keep_blank_values=True)
            with self.server.storage.lock:
                if control:
                    status, body = self._control(address.path, self._body(raw))
                else:
                    status, body = 200, self._data(address.path, query, raw, headers)
        except Refused as refused:
            status = refused.status
            body = _control_error(refused) if control else _data_error(refused)
        self._send(status, body, headers)

    def _check_key(self) -> None:
        key = self.headers.get("Api-Key")
        if not key or self.server.api_key not in (None, key):
            raise Refused(401, 16, "Invalid API Key")

    def _control(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        control = Control(self.server.storage, f"http://{self.headers['Host']}")
        name = unquote(path.removeprefix("/indexes/"))
        if path == "/indexes" and self.command in ("GET", "POST"):
            return (
                (200, control.list_indexes())
                if self.command == "GET"
                else (201, control.create(body))
            )
        if path.startswith("/indexes/") and name and "/" not in name:
            if self.command == "GET":
                return 200, control.describe(name)
            if self.command == "DELETE":
                return 202, control.delete(name)
        raise Refused(404, 5, f"{self.command} {path} is not part of this emulator")

    def _data(
        self, path: str, query: dict[str, list[str]], raw: bytes, headers: dict[str, str]
    ) -> dict[str, Any]:
        _, _, index, rest = path.split("/", 3) if path.count("/") >= 3 else ("", "", path[3:], "")
        storage = self.server.storage
        facts = Control(storage, "").facts(unquote(index))
        data = Data(storage, unquote(index), facts)
        seen = storage.catch_up(unquote(index))
        route = (self.command, f"/{rest}")
        given = query if self.command == "GET" else self._body(raw)
        if route in READS:
            if route == ("POST", "/query"):
                # Only a search tells how far the index has come; a fetch does not.
                headers["x-pinecone-max-indexed-lsn"] = str(seen)
            return READS[route](data, given)
        if route == ("POST", "/vectors/upsert") and len(raw) > UPSERT_BYTES:
            raise Refused(
                400, 11, f"Request of {len(raw)} bytes exceeds the limit of {UPSERT_BYTES} bytes"
            )
        name = unquote(rest.removeprefix("namespaces/"))
        if route in WRITES:
            body, lsn = WRITES[route](data, given)
        elif rest.startswith("namespaces/") and self.command == "GET":
            return data.describe_namespace(name)
        elif rest.startswith("namespaces/") and self.command == "DELETE":
            body, lsn = data.delete_namespace(name)
        else:
            raise Refused(404, 5, f"{self.command} /{rest} is not part of this emulator")
        headers["x-pinecone-request-lsn"] = str(lsn)
        return body

    def _body(self, raw: bytes) -> dict[str, Any]:
        if not raw:
            return {}
        try:
            body = json.loads(raw, parse_constant=_no_constant)
        except ValueError as error:
            raise invalid(f"the body is not valid JSON: {error}") from None
        if not isinstance(body, dict):
            raise invalid("the body is not a JSON object")
        return body

    def _send(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, storage: Storage, port: int, api_key: str | None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.storage = storage
        self.api_key = api_key


def serve(storage: Storage, port: int, api_key: str | None = None) -> None:
    """Answer on loopback until interrupted; the address is printed once it is open."""
    server = _Server(storage, port, api_key)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        server.server_close()
        sys.stdout.flush()


def _data_error(refused: Refused) -> dict[str, Any]:
    return {"code": refused.code, "message": str(refused), "details": []}


def _control_error(refused: Refused) -> dict[str, Any]:
    code = _CODES.get(refused.code, "UNKNOWN")
    return {"status": refused.status, "error": {"code": code, "message": str(refused)}}


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
